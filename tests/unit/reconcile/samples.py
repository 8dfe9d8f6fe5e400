# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks, operations and what matching makes of them. Times are seconds, and small: NOON is 0."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.match import Matching, Operation, Patience
from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.task_log import Task, TaskLog

CI = "ci@pve!run"
NOW = 100_000
NUMBERS = itertools.count(1)


def task(
    type_: str, id_: str | int, start: int, status: str = "OK", user: str = CI, node: str = "pve1", took: int = 5
) -> Task:
    """A task of the log; one with the status "running" has not ended."""
    upid = f"UPID:{node}:{next(NUMBERS):08X}:00000001:{start & 0xFFFFFFFF:08X}:{type_}:{id_}:{user}:"
    running = status == "running"
    return Task(upid, node, type_, str(id_), user, start, None if running else start + took, "" if running else status)


def step(op: str, guest: str, method: str, below: str, node: str = "pve1", **went: Any) -> dict[str, Any]:
    path = f"/nodes/{node}/{guest}{below}"
    return {"op": op, "target": guest, "method": method, "path": path, "data": {}, **went}


def start(guest: str = "qemu/100", **went: Any) -> dict[str, Any]:
    return step("start", guest, "POST", "/status/start", **went)


def update(guest: str = "qemu/100", **went: Any) -> dict[str, Any]:
    return step("update", guest, "PUT", "/config", **went)


def operation(at: float, *steps: dict[str, Any], until: float | None = None, **more: Any) -> Operation:
    given: dict[str, Any] = {"open": True, "identity": CI, "op": f"op{next(NUMBERS)}", **more}
    return Operation("run", at=at, until=until, steps=steps, **given)


def matched(
    tasks: Iterable[Task],
    operations: Iterable[Operation],
    named: Iterable[str] = (),
    whole: Iterable[str] = ("pve1", "pve2"),
    now: float = NOW,
) -> Matching:
    log = TaskLog(sorted(tasks, key=lambda task: task.start), ["pve1", "pve2"], dict.fromkeys(whole, -1000.0))
    log.unseen = [f"{node} was not seen" for node in log.nodes if node not in log.whole_since]
    return Matching(log, named, operations, Patience(within=3600, skew=30), now)
