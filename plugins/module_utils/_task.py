# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the API: UPIDs, waiting for one, and what its end means.

HTTP 200 with a UPID proves nothing: a missing guest, a lock or a missing privilege may only show in the task.
`OK` is success, `WARNINGS: n` is success with warnings, anything else failed (pve-common: PVE::UPID).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ._errors import Locked, TaskFailed, TaskTimeout, denied, is_locked

_UPID = re.compile(
    r"UPID:(?P<node>[^:/\s]+):[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:[0-9A-Fa-f]{8}:(?P<type>[^:\s]+):(?P<id>[^:]*):(?P<user>[^:]+):"
)
_FIRST_POLL, _SLOWEST_POLL = 0.05, 2.0
_LOG_TAIL, _LOG_PAGE = 15, 1000


class Reader(Protocol):
    """What waiting needs of a session."""

    identity: str

    def get(self, path: str, /, **params: Any) -> Any: ...


def is_upid(value: Any) -> bool:
    """Is this the answer of a call that started a task?"""
    return isinstance(value, str) and bool(_UPID.fullmatch(value))


def task_path(upid: str) -> str:
    """The API path of a task; it is read on the node that runs it, which the UPID names."""
    match = _UPID.fullmatch(upid)
    if not match:
        raise ValueError(f"'{upid}' is not a UPID")
    return f"/nodes/{match['node']}/tasks/{upid}"


def user_of(upid: str) -> str:
    """Who started a task: a user, or a token `user@realm!name`."""
    match = _UPID.fullmatch(upid)
    return match["user"] if match else ""


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended: `exitstatus` as Proxmox says it, and the warnings that its log holds."""

    upid: str
    exitstatus: str
    warnings: list[str] = field(default_factory=list)


def log_tail(session: Reader, upid: str, lines: int = _LOG_TAIL) -> list[str]:
    """The last lines of a task's log, oldest first."""
    tail: list[str] = []
    start = 0
    while True:
        page = session.get(f"{task_path(upid)}/log", start=start, limit=_LOG_PAGE) or []
        tail = [*tail, *(str(entry.get("t", "")) for entry in page)][-lines:]
        if len(page) < _LOG_PAGE:
            return tail
        start += _LOG_PAGE


def wait(
    session: Reader,
    upid: str,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> TaskEnd:
    """Wait for the end of a task, at most `timeout` seconds of wall clock.

    Raises TaskFailed at once with the exit status and the last log lines, PermissionDenied or Locked where the exit
    status says so, TaskTimeout when the task still runs; the task itself is left alone.
    """
    deadline, pause = clock() + timeout, _FIRST_POLL
    while True:
        status = session.get(f"{task_path(upid)}/status")
        if status.get("status") == "stopped":
            return _judge(session, upid, str(status.get("exitstatus", "unknown")))
        if clock() >= deadline:
            raise TaskTimeout(
                f"Task {upid} still runs after {timeout:g} seconds",
                "It was not stopped; raise task_timeout, or set wait: false and follow it with task_info",
                upid=upid,
            )
        sleep(min(pause, max(0.0, deadline - clock())))
        pause = min(pause * 1.6, _SLOWEST_POLL)


def _judge(session: Reader, upid: str, exitstatus: str) -> TaskEnd:
    if exitstatus == "OK":
        return TaskEnd(upid, exitstatus)
    tail = log_tail(session, upid)
    if exitstatus.startswith("WARNINGS"):
        found = [line for line in tail if line.upper().startswith(("WARN", "WARNING"))]
        return TaskEnd(upid, exitstatus, found or [f"task {upid} ended with {exitstatus}"])
    refusal = denied(exitstatus, f"Task {upid}", session.identity)
    if refusal:
        raise refusal
    if is_locked(exitstatus):
        raise Locked(f"Task {upid}: {exitstatus}", upid=upid)
    raise TaskFailed(
        f"Task {upid} failed: {exitstatus}; last lines of its log: {' | '.join(tail)}",
        upid=upid,
        exitstatus=exitstatus,
        log=tail,
    )
