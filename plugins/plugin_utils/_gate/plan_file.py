# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a plan file: only one that is whole, of this version, and says what its digests say."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NoReturn

from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._plan import digest_of, sha256
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import signatures
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import origin
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.report import VERSION

_MOST_BYTES = 1 << 28
_ID = re.compile(r"[0-9a-f]{32}")
_HINT = "Give the JSON file that the callback steward.proxmox.plan wrote in a run with --check"

#: the shape of what is read here, where it matters; docs/plan.schema.json has all of it
_STEP = {"op": str, "target": str, "method": str, "path": str, "data": dict, "why": str}
_ENTRY: dict[str, Any] = {
    "host": str,
    "task": {"name": str},
    "check_mode": bool,
    "redacted": bool,
    "endpoint": [str],
    "binding": {"objects": dict, "symbols": {...: str}},
    "plan": {"digest": str, "summary": str, "steps": [_STEP]},
}
_SHAPE: dict[str, Any] = {
    "version": int,
    "id": str,
    "made": str,
    "expires": str,
    "run": {"playbook": str, "tags": [str], "skip_tags": [str], "check_mode": bool},
    "plans": [_ENTRY],
    "failed_hosts": [str],
    "digest": str,
    "signatures": [{"signer": str, "public_key": str, "signature": str}],
}


@dataclass(frozen=True, eq=False)
class PlanFile:
    """What one file says. Its entries are counted from 0, as in `plans`."""

    path: Path
    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def made(self) -> str:
        return str(self.document["made"])

    @property
    def expires(self) -> str:
        return str(self.document["expires"])

    @property
    def run(self) -> Mapping[str, Any]:
        return {"limit": None, **self.document["run"]}

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        return list(self.document["plans"])

    @property
    def failed_hosts(self) -> list[str]:
        return list(self.document["failed_hosts"])

    @cached_property
    def of_host(self) -> dict[str, list[int]]:
        """The entries of each host, in order, without what the --check run carried out (check_mode: false)."""
        found: dict[str, list[int]] = {}
        for index, entry in enumerate(self.entries):
            if entry["check_mode"]:
                found.setdefault(entry["host"], []).append(index)
        return found

    @cached_property
    def signed_by(self) -> list[str]:
        """The public keys that signed the file. Raises Refused where a signature does not fit."""
        try:
            return signatures.verify(self.document)
        except ValueError as error:
            raise Refused(f"{self.path} was changed after it was signed: {error}", "Take the file as it was") from None

    def check_digest(self, index: int) -> None:
        """Raise Refused where an entry does not show what its digest binds. With values left out nobody can tell."""
        entry = self.entries[index]
        if not entry["redacted"] and digest_of(entry["plan"]["steps"], entry["binding"]) != entry["plan"]["digest"]:
            raise Refused(
                f"{self.path} was changed after it was made: plans[{index}] ({entry['plan']['summary']}) does not show"
                " what its digest stands for",
                "Take the file as it was",
            )

    def check_digests(self) -> None:
        """Raise Refused where any entry does not show what its digest binds."""
        for index in range(len(self.entries)):
            self.check_digest(index)


def read(path: Path) -> PlanFile:
    """A plan file, read once per process (and its forks) while it stays the same. Raises Refused."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise Refused(f"The plan {path} cannot be read: {error.strerror}", _HINT) from None
    return _read(path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=1)
def _read(path: Path, _identity: tuple[int, ...]) -> PlanFile:
    try:
        document = json.loads(_text(path), object_pairs_hook=_once, parse_constant=_no_number)
        _fits(document, {"version": int}, "")
        if document["version"] != VERSION:
            raise ValueError(f"it is of version {document['version']}, and this collection knows version {VERSION}")
        _fits(document, _SHAPE, "")
        origin.read(document["made"]), origin.read(document["expires"])
        if not _ID.fullmatch(document["id"]):
            raise ValueError("its id is not 32 hexadecimal digits")
        if document["digest"] != sha256([entry["plan"]["digest"] for entry in document["plans"]]):
            raise ValueError("its digest is not that of its plans: it was changed after it was made")
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"{path} is not a plan that can be carried out: {error}", _HINT) from None
    return PlanFile(path, document)


def _text(path: Path) -> str:
    """What the file holds, if not just anybody could have written it."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is not a regular file")
        if found.st_mode & stat.S_IWOTH:
            raise ValueError("everybody may write to it (chmod o-w)")
        # its directory, and that of the link that leads to it
        modes = [os.stat(place).st_mode for place in (path.parent, path.resolve().parent)]
        if any(mode & stat.S_IWOTH and not mode & stat.S_ISVTX for mode in modes):
            raise ValueError("everybody may put another file in its place (chmod o-w on its directory)")
        if found.st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES} bytes")
        return stream.read().decode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Nothing stands twice: two readers could take it for two different plans."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in it")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _fits(value: Any, shape: Any, where: str) -> None:
    """Raise ValueError naming the first place that has not the shape: a type, a mapping (... is any key), a list."""
    wanted: Any = shape if isinstance(shape, type) else type(shape)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise ValueError(f"{where or 'it'} is not {_KINDS[wanted]}")
    if isinstance(shape, dict):
        for key, inner in shape.items():
            if key is not ... and key not in value:
                raise ValueError(f"{where or 'it'} has no {key}")
            for name in value if key is ... else (key,):
                _fits(value[name], inner, f"{where}.{name}" if where else name)
    elif isinstance(shape, list):
        for index, item in enumerate(value):
            _fits(item, shape[0], f"{where}[{index}]")


_KINDS = {dict: "a mapping", list: "a list", str: "a text", int: "a whole number", bool: "true or false"}
