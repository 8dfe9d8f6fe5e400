# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Things that go wrong on purpose.

A fault waits for requests that it matches (method, a regular expression on the path, how often) and spoils them or
their task. A condition holds for a while whatever is asked: a node is off, a guest is locked, a storage is gone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from .state import State
from .tasks import Outcome


@dataclass
class Fault:
    """Spoils the next `count` requests that it matches."""

    method: str = ".*"
    path: str = ".*"
    count: int = 1
    delay: float = 0.0  # seconds before the answer
    status: int | None = None  # answer this instead, nothing is done
    reason: str = "the lab was told to fail"
    drop: str | None = None  # close the connection "before" the request is handled, or "after"
    task_exit: str | None = None  # its task fails with this exit status
    task_seconds: float | None = None  # its task takes so long
    task_warnings: int = 0  # its task ends WARNINGS: n
    task_keep: bool = False  # its failing task dies where it is: locks stay

    def matches(self, method: str, path: str) -> bool:
        return bool(self.count and re.fullmatch(self.method, method) and re.search(self.path, path))

    def outcome(self) -> Outcome:
        return Outcome(self.task_exit, self.task_seconds, self.task_warnings, self.task_keep)

    @property
    def spoils_task(self) -> bool:
        return self.task_exit is not None or self.task_seconds is not None or bool(self.task_warnings)


@dataclass
class Condition:
    """Something that holds until its time is over."""

    until: float
    undo: Callable[[], None]


class Faults:
    def __init__(self, state: State) -> None:
        self.state = state
        self.waiting: list[Fault] = []
        self.conditions: list[Condition] = []

    def add(self, **spec: Any) -> None:
        """Takes what Fault takes, or one condition, as CONDITIONS names them."""
        seconds = spec.pop("seconds", None)
        for name in [name for name in spec if name in CONDITIONS]:
            undo = CONDITIONS[name](self.state, spec.pop(name), seconds or 3600.0)
            if seconds is not None:
                self.conditions.append(Condition(time.time() + seconds, undo))
        unknown = spec.keys() - {field.name for field in fields(Fault)}
        if unknown:
            raise ValueError(f"unknown fault: {', '.join(sorted(unknown))}")
        if spec:
            self.waiting.append(Fault(**spec))

    def match(self, method: str, path: str) -> list[Fault]:
        """The faults of this request; each is used up by one."""
        found = [fault for fault in self.waiting if fault.matches(method, path)]
        for fault in found:
            fault.count -= 1
        self.waiting = [fault for fault in self.waiting if fault.count]
        return found

    def outcome(self, method: str, path: str) -> Outcome:
        return outcome_of(self.match(method, path))

    def expire(self) -> None:
        for condition in [c for c in self.conditions if c.until <= time.time()]:
            condition.undo()
            self.conditions.remove(condition)

    def clear(self) -> None:
        for condition in self.conditions:
            condition.undo()
        self.conditions.clear()
        self.waiting.clear()


def outcome_of(faults: list[Fault]) -> Outcome:
    """What becomes of the task of a request that these faults met."""
    return next((fault.outcome() for fault in faults if fault.spoils_task), Outcome())


def _node_offline(state: State, node: str, _seconds: float) -> Callable[[], None]:
    state.offline.add(node)
    return lambda: state.offline.discard(node)


def _node_maintenance(state: State, node: str, _seconds: float) -> Callable[[], None]:
    state.maintenance.add(node)
    return lambda: state.maintenance.discard(node)


def _no_quorum(state: State, lost: bool, _seconds: float) -> Callable[[], None]:
    state.quorate = not lost
    return lambda: setattr(state, "quorate", True)


def _storage_offline(state: State, storage: str, _seconds: float) -> Callable[[], None]:
    state.storages_offline.add(storage)
    return lambda: state.storages_offline.discard(storage)


def _guest_lock(state: State, spec: dict[str, Any], seconds: float) -> Callable[[], None]:
    guest = state.guests[int(spec["vmid"])]
    guest.lock_name, guest.lock_until = spec.get("lock", "backup"), time.time() + seconds
    return lambda: setattr(guest, "lock_until", 0.0)


def _lock_file(state: State, vmid: int, seconds: float) -> Callable[[], None]:
    guest = state.guests[int(vmid)]
    guest.busy_until = time.time() + seconds
    return lambda: setattr(guest, "busy_until", 0.0)


CONDITIONS: dict[str, Callable[[State, Any, float], Callable[[], None]]] = {
    "node_offline": _node_offline,
    "node_maintenance": _node_maintenance,
    "no_quorum": _no_quorum,
    "storage_offline": _storage_offline,
    "guest_lock": _guest_lock,
    "lock_file": _lock_file,
}
