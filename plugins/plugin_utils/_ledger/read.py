# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did, from its verified records: each operation, how its steps are taken back, and who did that already.

A record that cannot be right ends it: nothing is taken back on the word of a ledger that was tampered with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._plan import substitute
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import read_verified, says
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.verify import Source

#: how a step went that has not, or may have, changed something; without an outcome every step may have
_DONE = frozenset({"done", "started", "sent", "unknown"})
#: the action whose changes are made on a host, not at an endpoint of the API
_ON_HOST = "steward.proxmox.privileged_host"
LAST = "last"


@dataclass
class Operation:
    """One change of a run: the intent, and its outcome where one was recorded."""

    intent: Mapping[str, Any]
    outcome: Mapping[str, Any] = field(default_factory=dict)

    @property
    def op(self) -> str:
        return str(self.intent["op_id"])

    @property
    def plan(self) -> Mapping[str, Any]:
        found = self.intent.get("plan")
        return found if isinstance(found, Mapping) else {}

    def ways_back(self) -> Iterator[dict[str, Any]]:
        """Each step of the way back, in the order in which they are made; and what has none, with the reason."""
        undo = self.plan.get("undo")
        if not isinstance(undo, Mapping):
            hidden = "its record has no values: the task had no_log, or the plan was larger than a record can be"
            yield {"done": self._was_done(range(1)), "possible": False, "why": hidden}
            return
        for one in undo.get("cannot", ()):
            yield {"done": self._was_done(one["of"]), "possible": False, "why": one["why"]}
        for number, step in enumerate(undo["steps"]):
            known = substitute(step, self.outcome.get("values") or {})
            yield {"done": self._was_done(step["of"]), "possible": True, "why": "", "step": number, "undo": known}

    def _was_done(self, of: Any) -> bool:
        """Was any of these steps of the plan done, as far as is known?"""
        went = [str(step.get("status")) for step in self.outcome.get("steps") or ()]
        return any(place >= len(went) or went[place] in _DONE for place in of)


@dataclass
class Recorded:
    """One run, read and verified."""

    run: str
    where: str
    operations: list[Operation]
    #: (op, step) -> which run took it back, and when
    undone: dict[tuple[str, int], dict[str, str]]

    def rows(self, op: str | None = None) -> Iterator[dict[str, Any]]:
        """What can be taken back, and what cannot: the last operation first."""
        for operation in reversed(self.operations):
            if op in (None, operation.op):
                yield from (self._row(operation, way) for way in operation.ways_back())

    def _row(self, operation: Operation, way: Mapping[str, Any]) -> dict[str, Any]:
        intent, undo, step = operation.intent, way.get("undo", {}), way.get("step")
        return {
            "run": self.run,
            "op": operation.op,
            "step": step,
            "at": intent["ts"],
            "host": intent.get("host", ""),
            "task": (intent.get("task") or {}).get("name", ""),
            "summary": operation.plan.get("summary", ""),
            "outcome": operation.outcome.get("status", "none"),
            "done": way["done"],
            "possible": way["possible"],
            "why": way["why"],
            "undo": {key: value for key, value in undo.items() if key != "of"},
            "undone_by": None if step is None else self.undone.get((operation.op, step)),
        }

    def step(self, op: str, step: int | None) -> dict[str, Any]:
        """What the planner of `undo` needs to know of one step. Raises Refused, or BadInput where there is none."""
        rows = list(self.rows(op))
        if not rows:
            raise BadInput(f"op: run {self.run} has no operation '{op}'", "undo_info lists them")
        ways = [row for row in rows if row["possible"]]
        if not ways:
            raise Refused(f"'{rows[0]['summary']}' cannot be taken back: {'; '.join(row['why'] for row in rows)}")
        chosen = [row for row in ways if step in (None, row["step"])]
        if len(chosen) != 1:
            there = ", ".join(f"{row['step']} ({row['undo']['op']})" for row in ways)
            raise BadInput(f"step: say which of the steps that take '{rows[0]['summary']}' back: {there}")
        (row,) = chosen
        intent = next(one.intent for one in self.operations if one.op == op)
        on_host = (intent.get("task") or {}).get("action") == _ON_HOST
        return {
            "of": {"run": self.run, "op": op, "step": row["step"]},
            "endpoint": [] if on_host else intent.get("endpoint") or [],
            **{key: row[key] for key in ("summary", "undo", "done", "undone_by")},
        }


def read(ledger: Source, run: str, current: str = "") -> Recorded:
    """The operations of a run: its id, the beginning of it, or `last`, the last one that changed something.

    `current`: the run that asks, which is not the last one. Raises Refused for a ledger that is not what was written.
    """
    runs = list(ledger.runs())
    chosen, operations = _chosen(ledger, runs, run, current)
    return Recorded(chosen, ledger.where(chosen), operations, _undone(ledger, runs, chosen))


def _chosen(ledger: Source, runs: list[str], run: str, current: str) -> tuple[str, list[Operation]]:
    if run == LAST:
        for candidate in reversed(runs):
            operations = [] if candidate == current else _operations(ledger, candidate)
            if operations:
                return candidate, operations
        raise BadInput("run: no run of this ledger changed anything")
    found = [candidate for candidate in runs if candidate.startswith(run)] if run else []
    if len(found) != 1:
        which = ", ".join(found) or "none"
        raise BadInput(f"run: '{run}' is the beginning of {len(found)} runs of this ledger: {which[:400]}")
    return found[0], _operations(ledger, found[0])


def _operations(ledger: Source, run: str) -> list[Operation]:
    found: dict[str, Operation] = {}

    def see(frame: dict[str, Any]) -> None:
        if frame["type"] == "intent":
            found[frame["op_id"]] = Operation(frame)
        elif frame["type"] == "outcome":
            found[frame["op_id"]].outcome = frame

    read_verified(ledger, run, see)
    return list(found.values())


def _undone(ledger: Source, runs: list[str], of: str) -> dict[tuple[str, int], dict[str, str]]:
    """Which steps of a run later runs, or the run itself, took back."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for run in runs:
        # most of the later runs took nothing back
        if ledger.began(run) >= ledger.began(of) and says(ledger, run, b'"undoes"', of.encode()):
            for operation in _operations(ledger, run):
                undoes = operation.intent.get("undoes") or {}
                if undoes.get("run") == of and operation.outcome.get("status") == "ok":
                    by = {"run": run, "op": operation.op, "at": str(operation.outcome["ts"])}
                    found[undoes["op"], undoes["step"]] = by
    return found
