# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only writer: carries out the steps of a plan, in order, and says for each how it went."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from ._errors import Changed, Locked, OutcomeUnknown, StewardError, TaskTimeout, Unreachable
from ._plan import Plan, Step, substitute
from ._task import TaskEnd, is_upid, wait

#: the part of a path that says which guest it is about
_OF_GUEST = re.compile(r"(/nodes/[^/]+/(?:lxc|qemu)/\d+)(?:/|$)")
#: what changes nothing in the configuration of a guest
_KEEPS_CONFIG = frozenset({"pause", "shutdown", "stop"})
_LOCK_PAUSE = 1.0
_SETTLE_PAUSE = 0.5


class Writer(Protocol):
    """A session with PVE, or a host that runs root commands."""

    def send(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any: ...

    def get(self, path: str, /, **params: Any) -> Any: ...


@dataclass(frozen=True)
class Patience:
    """How long the steps of a plan may take, in seconds."""

    wait: bool = True
    task_timeout: float = 600
    lock_timeout: float = 60


def carry_out(plan: Plan, writer: Writer, patience: Patience) -> dict[str, str]:
    """Do what the plan says. Returns symbol -> value for what became known on the way.

    On an error the progress of the plan says which steps were done, which one failed, and which were not tried.
    """
    known: dict[str, str] = {}
    watch = _Watch(plan.marks, writer)
    plan.progress = [{"status": "not tried"} for _step in plan.steps]
    for step, went in zip(plan.steps, plan.progress, strict=True):
        # a step builds on those before it, so only the last one may be left running
        patient = patience if went is plan.progress[-1] else replace(patience, wait=True)
        try:
            step = watch.before(step)
            went.update(status="sent", started=_now())
            answer, end = _do(step, writer, patient, known)
        except StewardError as error:
            lost = isinstance(error, (OutcomeUnknown, TaskTimeout))
            went.update(status="unknown" if lost else "failed", finished=_now(), error=str(error))
            if "upid" in error.facts:
                went["upid"] = error.facts["upid"]
            raise
        except BaseException:  # killed, timed out, cancelled: what the server did with it is not known
            went.update(status="unknown", finished=_now())
            raise
        if is_upid(answer):
            went["upid"] = answer
        if end:
            plan.warnings += end.warnings
        if step.gives:
            plan.result.update(step.gives(answer))
        waiting = is_upid(answer) and not end
        went.update(status="started" if waiting else "done")
        if not waiting:
            went["finished"] = _now()
            known.update({symbol: learn(writer, answer) for symbol, learn in step.yields.items()})
    return known


class _Watch:
    """Notices somebody else who changes a guest between two steps of a plan.

    `marks`: target -> the digest of its configuration when it was planned. A step that leaves the configuration alone
    must find it as it was; after one that changes it, the next takes the new digest for its guard.
    """

    def __init__(self, marks: Mapping[str, str], reader: Writer) -> None:
        self._marks: dict[str, str | None] = dict(marks)
        self._reader = reader
        self._last: Step | None = None

    def before(self, step: Step) -> Step:
        """The step as it may be sent now. Raises Changed."""
        last, self._last = self._last, step
        path = _OF_GUEST.match(step.path)
        if last is None or path is None or last.target != step.target or step.target not in self._marks:
            return step
        now = self._reader.get(f"{path[1]}/config").get("digest")
        if last.op in _KEEPS_CONFIG and self._marks[step.target] not in (None, now):
            raise Changed(f"{step.target} was changed by somebody else while this plan was carried out ({last.op})")
        self._marks[step.target] = now
        return replace(step, guard={**step.guard, "digest": now}) if "digest" in step.guard else step


def _do(step: Step, writer: Writer, patience: Patience, known: Mapping[str, str]) -> tuple[Any, TaskEnd | None]:
    """Send a step and see it through: its task, and what it says to wait for."""
    answer, end = _send(step, writer, patience, known)
    if step.until and patience.wait:
        _settle(step, step.until, writer, max(patience.task_timeout, step.lasts), answer)
    return answer, end


def _send(step: Step, writer: Writer, patience: Patience, known: Mapping[str, str]) -> tuple[Any, TaskEnd | None]:
    path, data = substitute(step.path, known), substitute({**step.data, **step.guard}, known)
    deadline = time.monotonic() + patience.lock_timeout
    while True:
        answer = writer.send(step.method, path, data)
        if not is_upid(answer) or not patience.wait:
            return answer, None
        try:
            return answer, wait(writer, answer, max(patience.task_timeout, step.lasts))  # type: ignore[arg-type]
        except Locked:  # the task found the lock and did nothing: the same step may be sent again
            if time.monotonic() >= deadline:
                raise
            time.sleep(_LOCK_PAUSE)
        except Unreachable as error:
            raise OutcomeUnknown(
                f"{error.message}. Task {answer} was started; how it ended is unknown", upid=answer
            ) from None


def _settle(step: Step, missing: Callable[[Any], str], writer: Writer, timeout: float, answer: Any) -> None:
    """Wait until what the step asked for has come about."""
    deadline = time.monotonic() + timeout
    while lacks := missing(writer):
        if time.monotonic() >= deadline:
            task = {"upid": answer} if is_upid(answer) else {}
            raise TaskTimeout(
                f"{step.op} of {step.target} was asked for, and after {timeout:g} seconds {lacks}",
                "Raise task_timeout, or look at what holds it up",
                **task,
            )
        time.sleep(_SETTLE_PAUSE)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
