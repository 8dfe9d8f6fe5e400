# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a command to its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent.api import Agent, raw

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 2.0
#: bytes of each stream that the agent keeps
_MOST_OUTPUT = 16 << 20


class CommandFailed(StewardError):
    """The guest was reached, and the command did not come to an end that could be told."""


@dataclass(frozen=True)
class Outcome:
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """What a command of ours said, for an error message."""
        return " ".join((self.stderr or self.stdout).decode(errors="replace").split())[:500]


def run(agent: Agent, argv: Sequence[str], stdin: str | None = None, timeout: float = 0) -> Outcome:
    """Start it and wait for its end; `timeout` 0 waits for ever."""
    return follow(agent, agent.start(argv, stdin), timeout)


def follow(agent: Agent, pid: int, timeout: float = 0) -> Outcome:
    """Wait for a process that was started."""
    until, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while True:
        answer = agent.status(pid)
        if answer.get("exited"):
            return _outcome(answer)
        if timeout and time.monotonic() + pause > until:
            raise CommandFailed(
                f"The command did not end within {timeout:g} seconds; it still runs in {agent.name} as process {pid}",
                "Nothing was stopped. Give command_timeout more seconds, or 0 to wait for ever",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _outcome(answer: dict[str, Any]) -> Outcome:
    # as a shell says it, where a signal ended the process
    status = int(answer["exitcode"]) if "exitcode" in answer else 128 + int(answer.get("signal", 0))
    stdout, stderr = raw(answer.get("out-data", "")), raw(answer.get("err-data", ""))
    for key, name, data in (("out-truncated", "stdout", stdout), ("err-truncated", "stderr", stderr)):
        # some agents tell that it was cut by the key alone, and leave its value false
        if answer.get(key) or len(data) >= _MOST_OUTPUT:
            raise CommandFailed(
                f"The command ended with status {status} and wrote more to {name} than the 16 MiB that the agent keeps:"
                " the rest is lost",
                "Have it write to a file, and fetch that",
            )
    return Outcome(status, stdout, stderr)
