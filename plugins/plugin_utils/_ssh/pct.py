# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command inside a container, by `pct exec` on its node.

It is one argument from here to the shell inside, so that no part of it can be run by the node. That shell first says a
word that nobody could know before: what comes on stderr ahead of it was said by the node, and all after it inside.
Texts of pct: pve-container 6.1.10.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.escalation import asks, escalated
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.process import ERR, Process

#: of what a node says, this much of the end is kept
_KEPT = 1 << 16
#: On lines of its own: a shell runs it also when it cannot parse the command. No environment comes in from the node,
#: and many programs have to know where they are at home.
_PRELUDE = """printf %s {word} >&2
[ "$HOME" ] || export HOME=~root
"""


class NotInside(StewardError):
    """The node did not run the command in the container."""

    reassurance = "Nothing was run inside"


class NotHere(NotInside):
    """The container is not on this node, or does not exist."""


#: what the node says, and what that means
_CAUSES: tuple[tuple[str, type[NotInside], str, str], ...] = (
    (r"^Configuration file '.*' does not exist", NotHere, "there is no container {vmid}", ""),
    (
        r"^(container|CT) '?\d+'? not running",
        NotInside,
        "container {vmid} is not running",
        "Start it, for example with steward.proxmox.lxc and state: started",
    ),
    (
        r"\bsudo: (command )?not found$",
        NotInside,
        "there is no sudo",
        "Install it there, or log in as root with runner: direct",
    ),
    (
        r"{pct}: ((command )?not found|No such file or directory)$",
        NotInside,
        "there is no {pct}",
        "Is it a node of Proxmox VE? The option pct says where the program is",
    ),
    (
        r"^(sudo: |Sorry, user |\S+ is not in the sudoers file)",
        NotInside,
        "sudo does not let this user run {pct} exec {vmid}",
        "A rule for it is: USER ALL=(root) NOPASSWD: {pct} ^exec {vmid} --keep-env 0 -- /bin/sh -c .+$",
    ),
    (r"^please run as root", NotInside, "only root may run pct", "Set runner: sudo"),
    (r'Failed to exec "/bin/sh"', NotInside, "container {vmid} has no /bin/sh", ""),
)


@dataclass(frozen=True)
class Entrance:
    """A container, and how it is entered."""

    vmid: int
    pct: str = "/usr/sbin/pct"
    runner: str = "sudo"

    def argv(self, script: str) -> list[str]:
        """A rule of sudoers can name all of it but the script."""
        sudo = ["sudo", "-n"] if self.runner == "sudo" else []
        return [*sudo, self.pct, "exec", str(self.vmid), "--keep-env", "0", "--", "/bin/sh", "-c", script]


@dataclass
class Outcome:
    """How a command inside ended."""

    status: int
    stderr: bytes


class Command:
    """One command on its way in."""

    def __init__(self, entrance: Entrance, command: str) -> None:
        self._entrance, self._command = entrance, command
        self._word = f"inside-{secrets.token_hex(16)}"
        self.line = shlex.join(entrance.argv(_PRELUDE.format(word=self._word) + command))
        self.began = False
        self._node = b""

    def run(
        self, process: Process, pieces: Iterable[bytes], sink: Callable[[bytes], object], become: Any, patience: float
    ) -> Outcome:
        """Feed it `pieces` and give its stdout to `sink`. Raises NotInside, NotEscalated and LinkLost."""
        stderr = bytearray()
        said = self._inside(process)
        if asks(become, self._command):
            said = escalated(become, said, process, pieces, patience)
        else:
            process.feed(pieces)
        try:
            for stream, data in said:
                (stderr.extend if stream == ERR else sink)(data)
            status = process.status()
        finally:
            process.close()
        if not self.began:
            raise self._refusal(status)
        return Outcome(status, bytes(stderr))

    def _inside(self, process: Process) -> Iterator[tuple[str, bytes]]:
        """What is said inside; what the node says before that is kept here."""
        for stream, data in process.output():
            if stream == ERR and not self.began:
                self._node, word, data = (self._node + data).partition(self._word.encode())
                self.began, self._node = bool(word), self._node[-_KEPT:]
            yield stream, data

    def _refusal(self, status: int) -> NotInside:
        words = self._node.decode(errors="replace").strip()
        facts = {"vmid": self._entrance.vmid, "pct": self._entrance.pct}
        for pattern, kind, meaning, hint in _CAUSES:
            if re.search(pattern.replace("{pct}", re.escape(self._entrance.pct)), words, re.MULTILINE):
                return kind(f"{meaning.format(**facts)} ({words})", hint.format(**facts))
        said = f", saying: {words}" if words else " and without a word"
        return NotInside(f"pct exec {self._entrance.vmid} ended with status {status} before anything began{said}")
