# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Approvals: a run asks, somebody gives the id to a later run, and that run uses it once.

A request and the mark of its use are files that appear whole or not at all; the first of several that make one wins.
What was used by a saved plan is marked here too. Nothing in it is secret: no value of a task, only names and digests.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._plan import sha256
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import origin

VERSION = 1
#: how long an expired request and its mark are kept, so that it can still be said what became of them
KEPT = timedelta(days=30)
#: begins with a letter: YAML would take digits alone for a number
_ID = re.compile(r"a[0-9a-f]{16}")
_NAME = re.compile(r"[a-z0-9-]{1,100}")
_ONCE = "Each is good for one use"


@dataclass(frozen=True)
class Request:
    """What a run asked for, as it is kept."""

    version: int
    id: str
    made: str
    expires: str
    digest: str
    summary: str
    steps: list[dict[str, str]]
    #: what the digest is bound to: object -> digest
    objects: dict[str, str]
    endpoint: list[str]
    host: str
    task: str
    asks: list[str]
    actor: dict[str, Any]
    run: dict[str, str]


@dataclass(frozen=True)
class Approvals:
    """The store: `requests/<id>.json` and `used/<name>.json`. `valid_for`: the seconds that the policy allows now."""

    directory: Path
    valid_for: int

    def ask(self, record: Mapping[str, Any], run: Mapping[str, str]) -> dict[str, Any]:
        """Put down that a plan needs approval. Returns the request; whoever hands on its `id` approves the plan."""
        plan, now = record["plan"], _now()
        request = Request(
            version=VERSION,
            id=f"a{secrets.token_hex(8)}",
            made=origin.written(now),
            expires=origin.written(now + timedelta(seconds=self.valid_for)),
            digest=plan["digest"],
            summary=plan["summary"],
            steps=_steps(plan),
            objects=_objects(record),
            endpoint=list(record["endpoint"]),
            host=record["host"],
            task=record["task"]["name"],
            asks=list(record["asks"]),
            actor=dict(record["actor"]),
            run=dict(run),
        )
        with self._explained():
            self._sweep(now)
            _publish(self._folder("requests") / f"{request.id}.json", asdict(request))
        return asdict(request)

    def use(self, ids: Iterable[str], record: Mapping[str, Any], run: Mapping[str, str]) -> dict[str, Any]:
        """Use up the one of `ids` that approves this plan; a preview only looks. Returns what the ledger keeps of it.

        Raises Refused, with the reason that is nearest to this plan, when none does.
        """
        refusals: list[tuple[int, Refused]] = []
        for approval in dict.fromkeys(text.strip() for text in ids):
            request = None
            try:
                request = self._request(approval)
                self._check(request, record, run)
                if record["check_mode"]:
                    self._refuse_used(_mark(approval), f"Approval {approval}")
                else:
                    self.use_once(_mark(approval), run, request.expires, f"Approval {approval}")
                asked = {"at": request.made, "actor": request.actor, "run": request.run}
                return {"approval": approval, "asked": asked}
            except Refused as refused:
                refusals.append((_nearness(request, record), refused))
        nearest = max(refusals, key=lambda refusal: refusal[0])[1]
        if len(refusals) > 1:
            summary = record["plan"]["summary"]
            nearest.message = f"None of the {len(refusals)} approvals fits {summary}. {nearest.message}"
        raise nearest

    def use_once(self, name: str, run: Mapping[str, str], expires: str = "", what: str = "") -> None:
        """Mark something as used by this run; Refused when it was used before, by whichever run.

        Where `expires` says until when it could have been used, the mark goes some time after that.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a file")
        mark = {"version": VERSION, "run": dict(run), "at": origin.written(_now()), "expires": expires}
        with self._explained():
            try:
                _publish(self._folder("used") / f"{name}.json", mark)
            except FileExistsError:
                self._refuse_used(name, what or name)
                raise Refused(f"{what or name} was used before", _ONCE) from None  # and its mark is gone by now

    def used(self, name: str) -> dict[str, Any] | None:
        """By which `run` and `at` what time something was used; None when it was not."""
        return self._read("used", name)

    # -- what a request must be ------------------------------------------------------------------------------------

    def _request(self, approval: str) -> Request:
        if not _ID.fullmatch(approval):
            raise Refused(f"{approval[:80]!r} is not the id of an approval, such as a0123456789abcdef")
        found = self._read("requests", approval)
        if found is None:
            raise Refused(f"Approval {approval} is not known in {self.directory} (STEWARD_APPROVALS)")
        try:
            request = Request(**found)
            origin.read(request.made), origin.read(request.expires)
        except (TypeError, ValueError) as error:
            raise Refused(f"Approval {approval} is damaged, or of another version: {error}") from error
        if (request.id, request.version) != (approval, VERSION):
            raise Refused(f"Approval {approval} is damaged, or of another version")
        return request

    def _check(self, request: Request, record: Mapping[str, Any], run: Mapping[str, str]) -> None:
        """Raise Refused where a request is not for this plan, or not for this run."""
        approval = f"Approval {request.id}"
        if any(name and name == request.run.get(kind) for kind, name in run.items()):
            raise Refused(f"{approval} was asked for by this very run, and a run cannot approve itself")
        if not {*map(str.lower, request.endpoint)} & {*map(str.lower, record["endpoint"])}:
            raise Refused(
                f"{approval} is for {', '.join(request.endpoint)}, and this is {', '.join(record['endpoint'])}"
            )
        if request.digest != record["plan"]["digest"]:
            raise Refused(_difference(request, record))
        made, now = origin.read(request.made), _now()
        if made > now + origin.SLACK:
            raise Refused(f"{approval} was asked for at {request.made}, and here it is {origin.written(now)}")
        # a policy that got stricter holds for what was asked for before, too
        expires = min(origin.read(request.expires), made + timedelta(seconds=self.valid_for))
        if now > expires:
            raise Refused(f"{approval} of {request.made} expired at {origin.written(expires)}")

    def _refuse_used(self, name: str, what: str) -> None:
        mark = self.used(name)
        if mark is not None:
            raise Refused(f"{what} was used at {mark.get('at')} by run {_name(mark.get('run'))}", _ONCE)

    # -- files -----------------------------------------------------------------------------------------------------

    def _folder(self, name: str) -> Path:
        """A directory of the store, made where it is not there."""
        for path in (self.directory, self.directory / name):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _distrust(path)
        return self.directory / name

    def _read(self, folder: str, name: str) -> dict[str, Any] | None:
        """A file of the store; None where it is not there, and nothing is made then."""
        with self._explained():
            try:
                _distrust(self.directory)
                _distrust(self.directory / folder)
                return _load(self.directory / folder / f"{name}.json")
            except FileNotFoundError:
                return None

    def _sweep(self, now: datetime) -> None:
        """Remove what expired long ago; a request before its mark, so that it never looks unused."""
        for folder in ("requests", "used"):
            for path in self._folder(folder).glob("*.json"):
                if _is_stale(path, now):
                    path.unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise Refused(
                f"The approvals in {self.directory} cannot be used: {error}",
                "Set STEWARD_APPROVALS to a directory of its own, where this user and not everybody may write",
            ) from error


def _difference(request: Request, record: Mapping[str, Any]) -> str:
    """Why a request is not for this plan, as near as can be said."""
    plan, approval = record["plan"], f"Approval {request.id}"
    if request.steps != _steps(plan):
        return f"{approval} is for {request.summary} ({request.host}), and this is {plan['summary']}"
    then, now = request.objects, _objects(record)
    changed = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    different = ", ".join(changed) or "what the task asks for"
    return f"{approval} is for {request.summary} as it was at {request.made}; different now: {different}"


def _nearness(request: Request | None, record: Mapping[str, Any]) -> int:
    """How near a request is to a plan: the same, the same steps, anything else."""
    if request is None:
        return 0
    return 2 if request.digest == record["plan"]["digest"] else int(request.steps == _steps(record["plan"]))


def _steps(plan: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"op": step["op"], "target": step["target"]} for step in plan["steps"]]


def _objects(record: Mapping[str, Any]) -> dict[str, str]:
    """The digests of the objects that a plan is bound to."""
    objects = record.get("binding", {}).get("objects", {})
    return {name: seen if isinstance(seen, str) else sha256(seen) for name, seen in objects.items()}


def _mark(approval: str) -> str:
    return f"approval-{approval}"


def _name(run: Mapping[str, str] | None) -> str:
    """The name by which a run is found: that of its ledger, where it had one."""
    return (run or {}).get("ledger") or (run or {}).get("token") or "unknown"


def _now() -> datetime:
    return datetime.now(UTC)


def _distrust(path: Path) -> None:
    """Refuse a directory in which others could approve."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise OSError(f"{path} is no directory, or only a link to one")
    if found.st_mode & stat.S_IWOTH:
        raise OSError(f"everybody may write into {path}")


def _load(path: Path) -> dict[str, Any]:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), encoding="utf-8") as stream:
        content = json.load(stream)
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged")
    return content


def _is_stale(path: Path, now: datetime) -> bool:
    """Did a file expire long ago? What cannot be told, or is just being removed by another run, did not."""
    try:
        if now - datetime.fromtimestamp(path.lstat().st_mtime, UTC) < KEPT:
            return False  # without a look into it: there may be many
        expires = str(_load(path).get("expires") or "")
        return bool(expires) and now - origin.read(expires) > KEPT
    except (OSError, ValueError):
        return False


def _publish(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that appears whole and stays; FileExistsError when there is one already."""
    draft = path.with_name(f".{secrets.token_hex(8)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as stream:
            json.dump(content, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
