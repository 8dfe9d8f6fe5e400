# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing the files that somebody asked for: whole or not at all, and private."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def check(path: str) -> None:
    """Raise OSError where `write` could not work, so that a run can be stopped before it starts."""
    place = Path(path).resolve()
    if place.exists() and not place.is_file():
        raise OSError(f"{path} is not a regular file")
    if not place.parent.is_dir():
        raise OSError(f"{path}: the directory {place.parent} does not exist")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise OSError(f"{path}: the directory {place.parent} is not writable")


def write(path: str, text: str) -> None:
    """Replace the file; readers see the old one or the new one. Mode 0600: a plan tells much about a cluster."""
    check(path)
    place = Path(path).resolve()
    descriptor, part = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, place)
    except BaseException:
        os.unlink(part)
        raise
