# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did, from its verified file: each operation, how each step of it is taken back, and who did that already.

A record that cannot be right ends it: nothing is taken back on the word of a ledger that was tampered with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.plugins.loader import callback_loader
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._plan import substitute
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify

#: how a step went that has not, or may have, changed something; without an outcome every step may have
_DONE = frozenset({"done", "started", "sent", "unknown"})
#: the action whose changes are made on a host, not at an endpoint of the API
_ON_HOST = "steward.proxmox.privileged_host"
LAST = "last"
#: the name of a run's file begins with the time of its beginning: 20261121T124500Z
_TIME = 16


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
    """One run's file, read and verified."""

    run: str
    file: Path
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


def read(ledger: str, run: str, current: str = "") -> Recorded:
    """The operations of a run: its id, the beginning of it, or `last`, the last one that changed something.

    `current`: the run that asks, which is not the last one. Raises Refused for a ledger that is not what was written.
    """
    path = Path(ledger)
    files = [path] if path.is_file() else sorted((path / "runs").glob("*.jsonl"), key=_age)
    if not files:
        raise BadInput(f"path: there is no ledger at {ledger}")
    file, operations = _chosen(files, run, current)
    return Recorded(_id(file), file, operations, _undone(files, file))


def _chosen(files: list[Path], run: str, current: str) -> tuple[Path, list[Operation]]:
    if run == LAST:
        for file in reversed(files):
            operations = [] if current and _id(file) == current else _operations(file)
            if operations:
                return file, operations
        raise BadInput("run: no run of this ledger changed anything")
    found = [file for file in files if _id(file).startswith(run)] if run else []
    if len(found) != 1:
        which = ", ".join(_id(file) for file in found) or "none"
        raise BadInput(f"run: '{run}' is the beginning of {len(found)} runs of this ledger: {which[:400]}")
    return found[0], _operations(found[0])


def _operations(file: Path) -> list[Operation]:
    found: dict[str, Operation] = {}

    def see(frame: dict[str, Any]) -> None:
        if frame["type"] == "intent":
            found[frame["op_id"]] = Operation(frame)
        elif frame["type"] == "outcome":
            found[frame["op_id"]].outcome = frame

    _verified(file, see)
    return list(found.values())


def _undone(files: list[Path], of: Path) -> dict[tuple[str, int], dict[str, str]]:
    """Which steps of a run later runs, or the run itself, took back."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for file in files:
        # a run's file bears the time of its beginning; most of them took nothing back
        if file.name[:_TIME] >= of.name[:_TIME] and _speaks_of(file, _id(of)):
            for operation in _operations(file):
                undoes = operation.intent.get("undoes") or {}
                if undoes.get("run") == _id(of) and operation.outcome.get("status") == "ok":
                    by = {"run": _id(file), "op": operation.op, "at": str(operation.outcome["ts"])}
                    found[undoes["op"], undoes["step"]] = by
    return found


def _speaks_of(file: Path, run: str) -> bool:
    words = b'"undoes"', run.encode()
    with file.open("rb") as lines:
        return any(all(word in line for word in words) for line in lines)


def _verified(file: Path, see: Any) -> None:
    run = verify.read(file, see=see)
    if run.problem:
        raise Refused(
            f"The ledger is not what was written: {file} record {run.problem.record}: {run.problem.reason}",
            "Run steward.proxmox.verify_ledger, and find out who changed it",
        )


def _age(file: Path) -> tuple[str, int]:
    """Sorts the oldest run first; of the same second, the one that ended first."""
    return file.name[:_TIME], file.stat().st_mtime_ns


def _id(file: Path) -> str:
    """The id of the run, which is the end of its file's name."""
    return file.stem.rpartition("-")[2]


def configured_path() -> str:
    """The ledger callback's option, as Ansible resolves it whether or not the callback is enabled."""
    callback = callback_loader.get("steward.proxmox.ledger")
    callback.set_options()
    return str(callback.get_option("path"))
