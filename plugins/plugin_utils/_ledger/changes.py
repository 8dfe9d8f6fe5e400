# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every change that a ledger holds, of all its runs: who made which, when, and what came of it.

It only reads. Whether the ledger is what was written, the verifier says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils import _moments as moments
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._plan import substitute
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import read_verified, says
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.verify import Source

COLLECTION = "steward.proxmox."
_WANTED = {b"intent", b"outcome", b"resolved"}
#: how we know who made a run
_SOURCES = {"awx": "AWX job {awx_job_id}", "env": "by STEWARD_ACTOR", "os": "system user"}


@dataclass(frozen=True)
class Record:
    """One record of a run, with the bytes that its hash covers."""

    run: str
    seq: int
    body: bytes

    @cached_property
    def frame(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Change:
    """What was intended, by whom, and what became of it, as far as somebody recorded that."""

    where: str
    opening: Record
    intent: Record
    outcome: Record | None = None
    #: what a later run found out, and the opening of that run
    resolved: Record | None = None
    resolved_by: Record | None = None

    @property
    def records(self) -> list[Record]:
        """All that there is to prove."""
        found = self.opening, self.intent, self.outcome, self.resolved_by, self.resolved
        return list({(record.run, record.seq): record for record in found if record}.values())

    @property
    def status(self) -> str:
        status = self.outcome.frame["status"] if self.outcome else "none"
        return str(self.resolved.frame["status"] if self.resolved and status in ("unknown", "none") else status)

    @property
    def actor(self) -> Mapping[str, Any]:
        return self.opening.frame.get("actor") or {}

    @property
    def action(self) -> str:
        return str((self.intent.frame.get("task") or {}).get("action", ""))

    @cached_property
    def plan(self) -> Mapping[str, Any]:
        """The plan, with the ids that were chosen for it."""
        values = (self.outcome.frame.get("values") if self.outcome else None) or {}
        return dict(substitute(self.intent.frame.get("plan") or {}, values))

    @property
    def steps(self) -> list[Mapping[str, Any]] | None:
        """None where the plan was too large for a record: what it changed is not known here."""
        return self.plan.get("steps")

    @property
    def targets(self) -> list[str] | None:
        return None if self.steps is None else list(dict.fromkeys(str(step.get("target", "")) for step in self.steps))

    def row(self) -> dict[str, Any]:
        frame, outcome = self.intent.frame, self.outcome.frame if self.outcome else {}
        upids = [*(outcome.get("upids") or ()), *([self.resolved.frame.get("upid")] if self.resolved else ())]
        resolved = self.resolved and {
            "run": self.resolved.run,
            "at": self.resolved.frame["ts"],
            "why": self.resolved.frame.get("why", ""),
        }
        return {
            "at": frame["ts"],
            "by": _by(self.actor),
            "run": self.intent.run,
            "op": frame["op_id"],
            "host": frame.get("host", ""),
            "endpoint": frame.get("endpoint") or [],
            "task": (frame.get("task") or {}).get("name", ""),
            "action": self.action,
            "summary": self.plan.get("summary", ""),
            "digest": self.plan.get("digest", ""),
            "targets": self.targets,
            "outcome": self.status,
            "error": outcome.get("error") or "",
            "upids": list(dict.fromkeys(upid for upid in upids if upid)),
            "resolved": resolved,
            "where": f"{self.where} record {self.intent.seq}",
        }


@dataclass
class Told:
    """What one run says of changes: of its own, and of those of earlier runs."""

    changes: dict[str, Change]
    #: (run, operation) -> what was found out
    resolved: dict[tuple[str, str], tuple[Record, Record]]


def changes(source: Source, options: Mapping[str, Any]) -> list[Change]:
    """The changes that fit the filters of `ledger_info`, the newest first."""
    tests = [test(options[name]) for name, test in _FILTERS.items() if options.get(name) is not None]
    found: dict[tuple[str, str], Change] = {}
    resolved: dict[tuple[str, str], tuple[Record, Record]] = {}
    for run in source.runs():
        told = _told(source, run)
        resolved |= told.resolved
        found |= {(run, op): one for op, one in told.changes.items() if all(test(one) for test in tests)}
    for key in found.keys() & resolved.keys():
        found[key].resolved_by, found[key].resolved = resolved[key]
    status = options.get("status")
    fitting = [change for change in found.values() if not status or change.status in status]
    return sorted(fitting, key=lambda change: str(change.intent.frame["ts"]), reverse=True)


def change(source: Source, op: str, run: str = "") -> Change:
    """One change, of a run whose id begins so. Only the runs that speak of it have to be what was written."""
    intent = f'"type":"intent","op_id":"{op}"'.encode()
    runs = [known for known in source.runs() if known.startswith(run) and says(source, known, intent)]
    if len(runs) != 1:
        made = f"{len(runs)} runs of the ledger {source.name} made the change '{op}'"
        raise BadInput(f"op: {made}", "ledger_info lists the changes")
    (run,) = runs
    read_verified(source, run)
    found = _told(source, run).changes[op]
    for later in source.runs():
        if source.began(later) >= source.began(run) and says(source, later, b'"type":"resolved"', op.encode()):
            read_verified(source, later)
            known = found.resolved_by, found.resolved
            found.resolved_by, found.resolved = _told(source, later).resolved.get((run, op), known)
    return found


def _told(source: Source, run: str) -> Told:
    told, opening = Told({}, {}), None
    for seq, line in enumerate(source.lines(run), 1):
        body = frames.body_of(line)
        known = frames.PREFIX.match(body) if line.endswith(b"\n") else None
        if known and (opening is None or known["type"] in _WANTED):
            record = Record(run, seq, body)
            opening = opening or record
            if known["type"] == b"intent":
                told.changes[record.frame["op_id"]] = Change(source.where(run), opening, record)
            elif known["type"] == b"outcome":
                told.changes[record.frame["op_id"]].outcome = record
            elif known["type"] == b"resolved":
                told.resolved[record.frame["of"]["run"], record.frame["of"]["op"]] = opening, record
    return told


def _by(actor: Mapping[str, Any]) -> str:
    """Who it was, and how we know."""
    known = _SOURCES.get(str(actor.get("source")), "source unknown").format_map(_Named(actor))
    return f"{actor.get('user') or 'nobody named'} ({known})"


class _Named(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


# -- filters: what is asked for -> whether a change is that ------------------------------------------------------------


def _of_guest(vmid: int) -> Callable[[Change], bool]:
    """Changes of a guest, its volumes and its backups, and those that it feels: whose blast radius it is in."""
    named = re.compile(rf"(?:^|[/:-])(?:lxc|qemu|vms?|ct|subvol|base)[/-]{vmid}(?:[/-]|$)")

    def test(change: Change) -> bool:
        if change.steps is None:  # unknown is not no
            return True
        touched = [*(change.plan.get("blast_radius") or {}).get("guests", ())]
        written = (str(step.get(key, "")) for step in change.steps for key in ("target", "path"))
        return any(map(named.search, (*touched, *written)))

    return test


def _with_target(pattern: str) -> Callable[[Change], bool]:
    return lambda change: change.targets is None or any(fnmatchcase(target, pattern) for target in change.targets)


def _on_host(name: str) -> Callable[[Change], bool]:
    return lambda change: name in (change.intent.frame.get("host"), *(change.intent.frame.get("endpoint") or ()))


def _since(time: str) -> Callable[[Change], bool]:
    first = moments.first("since", time)
    return lambda change: _at(change) >= first


def _until(time: str) -> Callable[[Change], bool]:
    last = moments.last("until", time)
    return lambda change: _at(change) <= last


def _at(change: Change) -> int:
    return int(moments.seconds(change.intent.frame["ts"]))


def _by_actor(name: str) -> Callable[[Change], bool]:
    return lambda change: name in map(str, change.actor.values())


def _in_run(beginning: str) -> Callable[[Change], bool]:
    return lambda change: change.intent.run.startswith(beginning)


def _named(op: str) -> Callable[[Change], bool]:
    return lambda change: change.intent.frame["op_id"] == op


def _with_action(name: str) -> Callable[[Change], bool]:
    return lambda change: change.action.removeprefix(COLLECTION) == name.removeprefix(COLLECTION)


_FILTERS: dict[str, Callable[[Any], Callable[[Change], bool]]] = {
    "vmid": _of_guest,
    "target": _with_target,
    "host": _on_host,
    "since": _since,
    "until": _until,
    "actor": _by_actor,
    "run": _in_run,
    "op": _named,
    "action": _with_action,
}
