# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One at a time: tasks of this machine that would make the same thing take turns, from planning to the last step.

Proxmox takes any number of guests with one name. The second of two tasks that ask for a name at once waits here, plans
when the first is done, and finds its guest. Who runs elsewhere is not held up: that shows when the guest is made.
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


class Turn:
    """A lock on `what`, held until `end` or the end of the process."""

    def __init__(self, what: str, patience: float) -> None:
        self._file: IO[bytes] = _open(what)
        deadline = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() >= deadline:
                self.end()
                raise Refused(
                    f"Another task of this machine has been working on {what} for {patience:g} seconds",
                    "Wait for it, or raise task_timeout",
                )
            time.sleep(_PAUSE)

    def end(self) -> None:
        self._file.close()

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
    return (folder / hashlib.sha256(what.encode()).hexdigest()[:32]).open("wb")
