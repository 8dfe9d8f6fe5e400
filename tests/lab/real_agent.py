# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real qemu-ga, with a socket in the place of a machine's serial port. Debian has it in qemu-guest-agent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

PROGRAM = "/usr/sbin/qemu-ga"
# not as a daemon: that has another umask than the service of systemd
_START = (
    'mkdir -p "$1" && cd / && umask 022 && echo $$ >"$1/pid" && exec {program} -m unix-listen -p "$1/socket" -t "$1"'
)


def is_there() -> bool:
    return os.access(PROGRAM, os.X_OK)


def _answers(path: Path) -> bool:
    """The socket is there before anybody listens on it."""
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(str(path)) == 0


@contextlib.contextmanager
def listening(
    folder: str, seen: Path, prefix: Sequence[str] = (), kill: Callable[[int], object] | None = None
) -> Iterator[str]:
    """The path of its socket. `folder` is where it runs, behind `prefix`, and `seen` is the same from here."""
    command = [*prefix, "/bin/sh", "-c", _START.format(program=PROGRAM), "sh", folder]
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    try:
        until = time.monotonic() + 60
        while not _answers(seen / "socket"):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("qemu-ga did not start")
            time.sleep(0.01)
        yield str(seen / "socket")
    finally:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            pid = int((seen / "pid").read_text())
            kill(pid) if kill else os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()
