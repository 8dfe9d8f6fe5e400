# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task log against what a ledger holds: whose task is whose, and what became of a change without outcome. Pure.

A task that a record names is recorded. A task that no record names may still be known: a change whose outcome was lost
started it, or a write whose answer has no UPID, or a try that found the guest locked, or the cluster itself because of
a recorded task. All others are changes that nobody recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import floor
from typing import Any

from .._errors import is_locked
from .._moments import shown
from .task_log import Task, TaskLog
from .task_types import FOLLOWS, READING, Expected, expected, of_ha

#: what the cluster does by itself it does as this user
_CLUSTER = "root@pam"
#: how long after a task the cluster may still act because of it
_FOLLOWS_WITHIN = 300
_DONE = frozenset({"done", "started"})


@dataclass(frozen=True)
class Operation:
    """One change that the ledger holds. `steps` are those of its plan, each with its `status` and `upid` where known.

    `until`: when its outcome was recorded, or its run was closed; None where neither was. `open`: nobody recorded what
    became of it.
    """

    run: str
    op: str
    at: float
    until: float | None
    open: bool
    identity: str
    steps: tuple[Mapping[str, Any], ...] | None
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Verdict:
    """What the task log says of an open operation: its `status`, or "" where it does not tell."""

    operation: Operation
    status: str
    why: str
    upids: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Patience:
    """Seconds: how much later than its intent a task of a run that was never closed may begin; how far apart the clocks
    of the controller and of the nodes may be."""

    within: float
    skew: float


class _CannotTellError(Exception):
    """The task log does not say what became of a change."""

    def __init__(self, why: str, candidates: Iterable[str] = ()) -> None:
        super().__init__(why)
        self.why, self.candidates = why, list(candidates)


class Matching:
    """`named`: the UPIDs that records name. `operations`: those of the same cluster. `now`: up to when all was read."""

    def __init__(
        self, log: TaskLog, named: Iterable[str], operations: Iterable[Operation], patience: Patience, now: float
    ) -> None:
        self._log, self._patience, self._now = log, patience, now
        self._by_upid = {task.upid: task for task in log.tasks}
        named = set(named)
        #: the tasks that nobody has a record of
        self.free = {task.upid: task for task in log.tasks if task.upid not in named}
        self._operations = sorted(operations, key=lambda operation: operation.at)
        for operation in self._operations:
            if not operation.open:
                self._claim(operation)
        self.verdicts = self._judge([operation for operation in self._operations if operation.open])
        self.consequences = self._consequences()

    # -- whose task ----------------------------------------------------------------------------------------------

    def _claim(self, operation: Operation) -> None:
        """What a change with an outcome started beside the tasks that its outcome names."""
        window = self._window(operation)
        for step, wanted in _tasks_of(operation):
            hits = self._hits(operation, wanted, *window)
            if "upid" in step:  # tried again once the guest was free
                hits = [task for task in hits if is_locked(task.status)]
            elif step.get("status") in _DONE:
                hits = hits[:1]
            else:
                continue
            for task in hits:
                del self.free[task.upid]

    def _window(self, operation: Operation) -> tuple[float, float]:
        """Task logs tell whole seconds: a task of the same second as a change seems to begin before it."""
        until = operation.at + self._patience.within if operation.until is None else operation.until
        return floor(operation.at) - self._patience.skew, until + self._patience.skew

    def _hits(self, operation: Operation, wanted: Expected, begin: float, end: float) -> list[Task]:
        return [
            task
            for task in self.free.values()
            if begin <= task.start <= end
            and operation.identity in ("", task.user)
            and wanted.fits(task.type, task.id, task.node)
        ]

    # -- changes without outcome ---------------------------------------------------------------------------------

    def _judge(self, operations: list[Operation]) -> list[Verdict]:
        verdicts = [self._verdict(operation) for operation in operations]
        claims = Counter(upid for verdict in verdicts for upid in {*verdict.upids, *verdict.candidates})
        for verdict in verdicts:
            shared = [upid for upid in verdict.upids if claims[upid] > 1]
            if shared:
                verdict.status, verdict.upids, verdict.candidates = "", [], shared
                verdict.why = "its task may as well be that of another change whose outcome is not known"
            for upid in verdict.upids:
                self.free.pop(upid, None)
        return verdicts

    def _verdict(self, operation: Operation) -> Verdict:
        verdict = Verdict(operation, "", "")
        try:
            verdict.status, verdict.why = self._follow(operation, verdict.upids)
        except _CannotTellError as error:
            verdict.why, verdict.candidates = error.why, error.candidates
        return verdict

    def _follow(self, operation: Operation, upids: list[str]) -> tuple[str, str]:
        """The status of a change and why, from its steps in their order; the first that fails ends it."""
        if operation.steps is None:
            raise _CannotTellError("its record does not hold what was sent")
        (begin, end), untold = self._window(operation), ""
        for place, step in enumerate(operation.steps):
            what, wanted = f"{step['op']} {step['target']}", expected(step)
            if step.get("status") == "done":
                continue
            if step.get("status") == "not tried":
                return _unless(untold, "failed", f"{what} was not tried any more")
            if wanted is None and "upid" not in step:
                untold = f"{what} starts no task: the task log cannot tell whether it was done"
                continue
            tasks = self._tasks(operation, place, upids, begin, end)
            if not tasks:
                return _unless(untold, "failed", f"no task of {what} was started")
            untold = ""  # one step after the other: what comes before this one was done
            upids += [task.upid for task in tasks]
            task = tasks[-1]
            if task.end is None:
                raise _CannotTellError(f"{what} still runs")
            if not task.ok:
                return "failed", f"{what} failed: {task.status}"
            begin, end = task.start, max(end, task.end + self._patience.within)
        return _unless(untold, "ok", "its last task ended well")

    def _tasks(self, operation: Operation, place: int, taken: list[str], begin: float, end: float) -> list[Task]:
        """The task of one step, after those that found the guest locked; none where it cannot have started one."""
        steps = operation.steps or ()
        step, wanted = steps[place], expected(steps[place])
        if "upid" in step:
            if step["upid"] not in self._by_upid:
                raise _CannotTellError(f"task {step['upid']} is not in the task logs that were read")
            return [self._by_upid[step["upid"]]]
        if wanted is None:
            return []
        hits = [task for task in self._hits(operation, wanted, begin, end) if task.upid not in taken]
        tries = [task for task in hits[:-1] if is_locked(task.status)]
        hits = [task for task in hits if task not in tries]
        alike = sum(expected(other) == wanted for other in steps[place:])
        if len(hits) > alike:
            candidates = [task.upid for task in hits]
            raise _CannotTellError(f"{len(hits)} tasks may be its {step['op']} {step['target']}", candidates)
        if not hits:
            self._refute(operation, wanted.node, end)
        return [*tries, *hits[:1]]

    def _refute(self, operation: Operation, node: str, end: float) -> None:
        """Raise where a task that was not found may be there all the same, or may still begin."""
        if not node and self._log.unseen:
            raise _CannotTellError("no task of it was found, and not every task log was seen")
        if node and self._log.whole_since.get(node, self._now) > operation.at:
            raise _CannotTellError(f"no task of it was found, but the task log of {node} was not seen so far back")
        if self._now <= end:
            raise _CannotTellError(f"no task of it was found; until {shown(end)} one may still begin")

    # -- what follows --------------------------------------------------------------------------------------------

    def _consequences(self) -> list[tuple[Task, str]]:
        """What the cluster did because of something recorded, with the UPID or the operation that it follows."""
        causes: list[tuple[str, frozenset[str], float, float, str]] = [
            (task.id, FOLLOWS[task.type], task.start, self._now if task.end is None else task.end, task.upid)
            for task in self._log.tasks
            if task.type in FOLLOWS and task.upid not in self.free
        ]
        for operation in self._operations:
            until = self._window(operation)[1]
            requests = [(guest, step) for step in operation.steps or () if (guest := of_ha(step))]
            begin = floor(operation.at)
            causes += [(guest, FOLLOWS["hamigrate"], begin, until, operation.op) for guest, _step in requests]
        found = []
        for task in list(self.free.values()):
            for guest, types, start, end, cause in causes:
                near = start - self._patience.skew <= task.start <= end + _FOLLOWS_WITHIN
                if task.user == _CLUSTER and task.id == guest and task.type in types and near:
                    found.append((self.free.pop(task.upid), cause))
                    break
        return found

    def unrecorded(self) -> list[Task]:
        """The changes that nobody recorded, but for those that an open operation may have made."""
        of_open = {upid for verdict in self.verdicts for upid in verdict.candidates}
        return [task for task in self.free.values() if task.type not in READING and task.upid not in of_open]


def _tasks_of(operation: Operation) -> Iterator[tuple[Mapping[str, Any], Expected]]:
    for step in operation.steps or ():
        wanted = expected(step)
        if wanted:
            yield step, wanted


def _unless(untold: str, status: str, why: str) -> tuple[str, str]:
    """The status, unless a step that was to come before it left no trace."""
    if untold:
        raise _CannotTellError(untold)
    return status, why
