# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program: no shell, a fixed environment, nothing on its input, its two outputs apart and bounded.

Its outputs go to unnamed files, not pipes: a program that outlives its time is not disturbed by a reader that left.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

OUTPUT_LIMIT = 1024 * 1024
_CUT = "\n[cut after 1 MiB]"
_SHOWN_LINES, _SHOWN_CHARACTERS = 12, 2000
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class StillRunning(Exception):
    """The program did not end in its time."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended; a negative status is the signal that ended it."""

    status: int
    stdout: str
    stderr: str

    @property
    def is_cut(self) -> bool:
        return self.stdout.endswith(_CUT) or self.stderr.endswith(_CUT)

    @property
    def words(self) -> str:
        """What it said for people: the last lines of its errors, or of its output where there are none."""
        lines = [line.strip() for line in (self.stderr.strip() or self.stdout).splitlines() if line.strip()]
        return "; ".join(lines[-_SHOWN_LINES:])[-_SHOWN_CHARACTERS:] or "it said nothing"


def run(argv: Sequence[str], timeout: float, stop: bool) -> Outcome:
    """Run `argv` and wait. After `timeout` seconds StillRunning is raised; with `stop` the program is killed as well.

    Raises OSError where it cannot be started.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # run_command needs an AnsibleModule, which there is none of in the front door's own process
        # pylint: disable-next=ansible-bad-function
        process = subprocess.Popen(
            # apart from our terminal: a Ctrl-C at the controller does not stop a creation halfway
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            if stop:
                _kill(process)
            raise StillRunning from None
        return Outcome(status, _text(out), _text(err))


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.kill()
    except PermissionError:  # behind sudo it is root's; it ends by itself
        return
    process.wait()


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    data = stream.read(OUTPUT_LIMIT + 1)
    return data[:OUTPUT_LIMIT].decode(errors="replace") + (_CUT if len(data) > OUTPUT_LIMIT else "")
