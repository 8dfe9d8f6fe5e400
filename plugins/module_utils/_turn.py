# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One at a time: tasks of this machine that would change the same thing take turns.

Two tasks that ask for a guest by the same name wait for each other before they plan: Proxmox takes any number of guests
with one name. Two tasks that change the same object wait for each other before they send anything; whoever had to wait
plans anew. Who runs elsewhere is not held up: config digests and Proxmox's own locks show that.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import IO

from ._errors import Refused

_PAUSE = 0.2
_AT_WORK = b"at work"


class Turn:
    """A lock on `what`, held until `end` or the end of the process."""

    def __init__(self, what: str, patience: float) -> None:
        self._file: IO[bytes] = _open(what)
        deadline = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() >= deadline:
                self._file.close()
                raise Refused(
                    f"Another task of this machine has been working on {what} for {patience:g} seconds",
                    "Wait for it, or raise task_timeout",
                )
            time.sleep(_PAUSE)
        self._file.seek(0)
        self._last = self._file.read()
        self._say(_AT_WORK)

    def used_since(self, moment: int) -> bool:
        """Has somebody had a turn since then (nanoseconds of the wall clock)? Who was killed had, for all we know."""
        return self._last == _AT_WORK or (self._last.isdigit() and int(self._last) >= moment)

    def end(self) -> None:
        """Leave it to the next one. The time is in the file, because that of its inode is too coarse."""
        self._say(str(time.time_ns()).encode())
        self._file.close()

    def _say(self, what: bytes) -> None:
        self._file.truncate(0)
        self._file.write(what)
        self._file.flush()

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _open(what: str) -> IO[bytes]:
    folder = Path(tempfile.gettempdir()) / f"steward-turns-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise Refused(f"{folder} belongs to somebody else", "Remove it, or set TMPDIR to a folder of your own")
    return (folder / hashlib.sha256(what.encode()).hexdigest()[:32]).open("a+b")
