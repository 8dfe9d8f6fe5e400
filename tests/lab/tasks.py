# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks: what the API starts and does not wait for.

A worker is a generator. What stands before its `yield` happens when the task starts, what stands after it when the
task ends, and in between lies the time that the task takes. Nothing runs in the background: whoever looks at the lab
first calls `advance`, which ends what is due.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from .errors import BadParameter, Interrupted, Refusal

Steps = Generator[None, None, None]
Worker = Callable[["Task"], Steps]
UPID = re.compile(r"UPID:([^:]+):([0-9A-F]{8}):([0-9A-F]{8,9}):([0-9A-F]{8}):([^:]*):([^:]*):([^:]+):")


@dataclass
class Outcome:
    """How a fault bends a task."""

    exit: str | None = None
    seconds: float | None = None
    warnings: int = 0
    keep: bool = False  # the worker dies where it is and cleans up nothing


@dataclass
class Task:
    upid: str
    node: str
    kind: str
    id: str
    user: str
    pid: int
    pstart: int
    started: float
    worker: Worker
    guest: int | None
    seconds: float
    outcome: Outcome
    lines: list[str] = field(default_factory=list)
    warnings: int = 0
    exit: str | None = None
    ended: float | None = None
    steps: Steps | None = None
    then: list[Callable[[], object]] = field(default_factory=list)  # what follows when it has ended well
    due: float = 0.0

    @property
    def running(self) -> bool:
        return self.exit is None

    def log(self, *lines: str) -> None:
        self.lines += lines

    def warn(self, line: str) -> None:
        self.warnings += 1
        self.log(f"WARN: {line}")

    @property
    def state(self) -> str:
        """As the filters of the task list call it; what runs is in no state yet (PVE::Tools)."""
        if self.exit in (None, "unexpected status"):
            return "unknown"
        return {"OK": "ok", "WARNINGS": "warning"}.get(self.exit.partition(":")[0], "error")

    def identity(self) -> dict[str, Any]:
        user, _unused, token = self.user.partition("!")
        found: dict[str, Any] = {
            "upid": self.upid,
            "node": self.node,
            "pid": self.pid,
            "pstart": self.pstart,
            "starttime": int(self.started),
            "type": self.kind,
            "id": self.id,
            "user": user,
        }
        return found | ({"tokenid": token} if token else {})

    def status(self) -> dict[str, Any]:
        if self.running:
            return self.identity() | {"status": "running"}
        return self.identity() | {"status": "stopped", "exitstatus": self.exit}

    def entry(self) -> dict[str, Any]:
        """The task as lists show it: how it ended is in `status`."""
        if self.running:
            return self.identity()
        return self.identity() | {"status": self.exit, "endtime": int(self.ended or self.started)}


class Tasks:
    """All tasks of the cluster, newest last."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.all: dict[str, Task] = {}
        self._unfinished: dict[str, Task] = {}
        self._pids = itertools.count(1001)

    def start(
        self, *, node: str, kind: str, id: str, user: str, worker: Worker, guest: int | None, outcome: Outcome
    ) -> Task:
        now = time.time()
        pid, pstart = next(self._pids), int(now * 100) & 0x7FFFFFFF
        upid = f"UPID:{node}:{pid:08X}:{pstart:08X}:{int(now):08X}:{kind}:{id}:{user}:"
        seconds = self.seconds if outcome.seconds is None else outcome.seconds
        task = Task(upid, node, kind, id, user, pid, pstart, now, worker, guest, seconds, outcome)
        self.all[upid] = self._unfinished[upid] = task
        self.advance()
        return task

    def advance(self) -> None:
        """Ends what is due and begins what waited for its guest."""
        moved = True
        while moved:
            moved = sum(self._progress(task) for task in self.running()) > 0  # not any(): every task has its turn

    def running(self) -> list[Task]:
        return list(self._unfinished.values())

    def busy(self, vmid: int) -> bool:
        """Whether a task works on this guest right now."""
        return any(task.guest == vmid and task.steps for task in self.running())

    def find(self, upid: str) -> Task:
        if not UPID.fullmatch(upid):
            raise BadParameter(upid="unable to parse worker upid")
        if upid not in self.all:
            raise BadParameter(upid="no such task")
        return self.all[upid]

    def stop(self, task: Task) -> None:
        if task.running:
            self._throw(task, "interrupted by signal")

    def abort(self, vmid: int, kind: str) -> None:
        """Ends the tasks of this kind on a guest."""
        for task in self.running():
            if task.kind == kind and task.id == str(vmid):
                self.stop(task)

    def _progress(self, task: Task) -> bool:
        if task.steps is None:
            if task.guest is not None and self.busy(task.guest):
                return False
            self._begin(task)
            return True
        if time.time() < task.due:
            return False
        if task.outcome.exit is not None:
            self._throw(task, task.outcome.exit)
        else:
            self._step(task)
        return True

    def _begin(self, task: Task) -> None:
        task.steps = task.worker(task)
        task.due = time.time() + task.seconds
        self._step(task)

    def _step(self, task: Task) -> None:
        assert task.steps is not None
        try:
            next(task.steps)
        except StopIteration:
            if task.outcome.exit is not None:
                return self._end(task, task.outcome.exit)
            warnings = task.warnings + task.outcome.warnings
            self._end(task, f"WARNINGS: {warnings}" if warnings else "OK")
            for follow in task.then:
                follow()
        except Refusal as refusal:
            self._end(task, task.outcome.exit or one_line(refusal))

    def _throw(self, task: Task, text: str) -> None:
        """The task fails in the middle; its worker cleans up, unless the fault says that it died."""
        if task.steps is not None and not task.outcome.keep:
            with contextlib.suppress(Refusal, StopIteration):
                task.steps.throw(Interrupted(text))
        self._end(task, text)

    def _end(self, task: Task, text: str) -> None:
        task.exit, task.ended = text, time.time()
        del self._unfinished[task.upid]
        if text == "OK":
            task.log("TASK OK")
        elif text.startswith("WARNINGS: "):
            task.log(*["WARN: a warning, as the lab was told"] * task.outcome.warnings, f"TASK {text}")
        else:
            task.log(f"TASK ERROR: {text}")


def one_line(refusal: Refusal) -> str:
    """A task's exit status is one line."""
    return " ".join(refusal.message.split("\n")).strip()
