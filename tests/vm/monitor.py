# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The monitor of a QEMU process: one command, one answer."""

import json
import socket
from typing import Any


class Monitor:
    """QMP over a connected socket. Events are kept until somebody waits for them."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._lines = connected.makefile("r", encoding="utf-8")
        self._events: list[dict[str, Any]] = []
        self._next()  # the greeting
        self("qmp_capabilities")

    def __call__(self, command: str, **arguments: Any) -> Any:
        order = {"execute": command, "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}}
        self._socket.sendall(json.dumps(order).encode())
        while True:
            said = self._next()
            if "return" in said:
                return said["return"]
            if "error" in said:
                raise RuntimeError(f"{command} {arguments}: {said['error']['desc']}")
            self._events.append(said)

    def human(self, line: str) -> str:
        """A command that only the human monitor has. It tells of failures in words."""
        said: str = self("human-monitor-command", command_line=line)
        return said

    def wait_for(self, event: str, **data: Any) -> None:
        """Until the event has come with at least these data."""
        while True:
            for said in self._events:
                if said.get("event") == event and data.items() <= said["data"].items():
                    self._events.remove(said)
                    return
            self._events.append(self._next())

    def _next(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise RuntimeError("QEMU has closed its monitor: see its output")
        said: dict[str, Any] = json.loads(line)
        return said
