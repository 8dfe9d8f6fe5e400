# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger knows of the tasks of Proxmox: which ones its records name, and the changes that started them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._moments import seconds
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import not_as_written

#: a write whose answer has no UPID is matched with a task that began about when it was sent: not a day later
_DAY = 86400
_SENT, _WENT = ("op", "target", "method", "path"), ("status", "upid")
Frame = Mapping[str, Any]


@dataclass
class _Run:
    """One run as far as its tasks go."""

    read: verify.Run
    intents: dict[str, Frame] = field(default_factory=dict)
    outcomes: dict[str, Frame] = field(default_factory=dict)
    closed_at: float | None = None

    @property
    def open(self) -> set[str]:
        """The changes that no outcome of the run itself tells of."""
        return {op for op in self.intents if self.outcomes.get(op, {}).get("status", "unknown") == "unknown"}


class Known:
    """Raises Refused for a ledger that is not what was written."""

    def __init__(self, source: verify.Source, since: int, until: int, current: str = "", also: tuple[str, ...] = ()):
        """``current``: the run that asks, whose own changes go on. ``also``: runs to read however old they are."""
        self._source, self._since, self._until, self._current = source, since, until, current
        self._read_at = int(time.time())
        self.runs: dict[str, _Run] = {}
        self._upids: set[str] = set()
        self._resolved: set[tuple[str, str]] = set()
        self.ids = list(source.runs())
        wanted = {self.full(run) for run in also}
        for run in self.ids:
            if run in wanted or self._last_record(run) >= since:
                self._read(run)

    def full(self, run: str) -> str:
        """The id of the run that begins like this."""
        found = [one for one in self.ids if one.startswith(run)] if run else []
        if len(found) != 1:
            raise BadInput(
                f"settle: '{run[:40]}' is the beginning of {len(found)} runs of the ledger {self._source.name}"
            )
        if found[0] == self._current:
            raise BadInput(f"settle: {run[:40]} is the run that asks, and goes on")
        return found[0]

    def open(self, run: str) -> set[str]:
        """The changes of a run of which no record of the ledger tells what became of them."""
        return {op for op in self.runs[run].open if (run, op) not in self._resolved}

    def over(self, run: str) -> bool:
        """Does the log have the end of this run, or an account of it?"""
        entry = verify.read_log(self._source).runs.get(run)
        return bool(entry and entry.over)

    def public(self) -> dict[str, Any]:
        """What the planner needs of it, as plain data."""
        return {"read_at": self._read_at, "upids": sorted(self._upids), "operations": list(self._operations())}

    def _last_record(self, run: str) -> float:
        last = deque(self._source.lines(run), maxlen=1)
        found = frames.PREFIX.match(frames.body_of(last[0])) if last else None
        return seconds(found["ts"].decode()) if found else float("inf")

    def _read(self, run: str) -> None:
        taken = self.runs[run] = _Run(verify.Run(run))

        def see(frame: Frame) -> None:
            if frame["type"] == "intent":
                taken.intents[frame["op_id"]] = frame
            elif frame["type"] == "outcome":
                taken.outcomes[frame["op_id"]] = frame
                self._upids.update(frame.get("upids") or ())
            elif frame["type"] == "resolved":
                self._resolved.add((frame["of"]["run"], frame["of"]["op"]))
                self._upids.update(frame.get("upids") or ())
            elif frame["type"] == "run_close":
                taken.closed_at = seconds(frame["ts"])

        taken.read = verify.read(self._source, run, see=see)
        problem = taken.read.problem
        if problem:
            raise not_as_written(f"{problem.file} record {problem.record}: {problem.reason}")

    def _operations(self) -> Iterator[dict[str, Any]]:
        for run, taken in self.runs.items():
            unknown = self.open(run) if run != self._current else set()
            for op, intent in taken.intents.items():
                at = seconds(intent["ts"])
                earliest = self._since if op in unknown else self._since - _DAY
                if earliest <= at < self._until + 1:  # both ends are whole seconds, and this one counts as well
                    outcome = taken.outcomes.get(op)
                    yield {
                        "run": run,
                        "op": op,
                        "at": at,
                        "until": seconds(outcome["ts"]) if outcome else taken.closed_at,
                        "open": op in unknown,
                        "host": intent.get("host", ""),
                        "task": (intent.get("task") or {}).get("name", ""),
                        "summary": (intent.get("plan") or {}).get("summary", ""),
                        "endpoint": intent.get("endpoint") or [],
                        "identity": intent.get("identity", ""),
                        "steps": _steps(intent, outcome or {}),
                    }


def _steps(intent: Frame, outcome: Frame) -> list[dict[str, Any]] | None:
    """Each step of the plan with how it went; None where the plan was larger than a record can be."""
    planned = (intent.get("plan") or {}).get("steps")
    if planned is None:
        return None
    steps, all_went = [], [*(outcome.get("steps") or ()), *({} for _step in planned)]
    for step, went in zip(planned, all_went, strict=False):
        sent = {key: step.get(key, "") for key in _SENT}
        how = {key: went[key] for key in _WENT if key in went}
        steps.append({**sent, "data": {"vmid": (step.get("data") or {}).get("vmid", "")}, **how})
    return steps
