# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sudo or su inside asks before it lets a command begin. They talk on the command's own streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.process import ERR, OUT, Process

Said = Iterator[tuple[str, bytes]]


class NotEscalated(StewardError):
    """The command did not begin: become failed inside."""


def asks(become: Any, command: str) -> bool:
    """May this command wait for a password?"""
    return bool(become and become.success and become.success in command and become.expect_prompt())


def escalated(become: Any, said: Said, process: Process, pieces: Iterable[bytes], patience: float) -> Said:
    """`said` without that talk. `pieces` are the command's own input, so they are fed when it has begun."""
    heard, answered = {OUT: b"", ERR: b""}, False
    process.patience = patience
    try:
        for stream, data in said:
            heard[stream] += data
            if become.check_success(heard[OUT]):
                break
            if become.check_password_prompt(heard[stream]):
                if answered:
                    raise NotEscalated(f"{become.name} did not accept the password")
                process.write(become.get_option("become_pass").encode() + b"\n")
                heard, answered = {OUT: b"", ERR: b""}, True
        else:
            yield from heard.items()
            return
    except TimeoutError as error:
        words = (heard[OUT] + heard[ERR]).decode(errors="replace").strip()
        raise NotEscalated(f"{become.name} neither asked for a password nor let the command begin: {words}") from error
    process.patience = None
    process.feed(pieces)
    yield OUT, heard[OUT][heard[OUT].index(become.success.encode()) :]
    if not answered:
        yield ERR, heard[ERR]
    yield from said
