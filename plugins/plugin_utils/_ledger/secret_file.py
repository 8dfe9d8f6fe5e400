# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with secrets, which nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

MAX = 4096


def read(option: str, path: Path, how_to_make_it: str) -> str:
    """What the file holds. Raises LedgerError for a link, and for a file that is not for this user alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            text = file.read(MAX) if stat.S_ISREG(found.st_mode) else b""
    except OSError as error:
        raise LedgerError(f"{option}: {path} cannot be read: {error.strerror}; {how_to_make_it}") from error
    if found.st_mode & 0o077 or found.st_uid not in (os.geteuid(), 0):
        raise LedgerError(f"{option}: others can read {path}, or own it: chmod 600, chown {os.geteuid()}")
    return text.decode("utf-8", "replace")
