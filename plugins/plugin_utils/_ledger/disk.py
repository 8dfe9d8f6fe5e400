# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that many processes write: all of a write or nothing of it, under locks that are not waited for without end."""

import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

LOCK_TIMEOUT = 60.0
LOCK_PAUSE = 0.002
THERE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
NEW = THERE | os.O_CREAT

# macOS has no fdatasync
_sync = getattr(os, "fdatasync", os.fsync)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(f"cannot write the ledger {error.filename or path}: {error.strerror or error}") from error


@contextmanager
def opened(path: Path, flags: int = THERE) -> Iterator[int]:
    fd = os.open(path, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def locked(fd: int, path: Path) -> Iterator[None]:
    """Wait for the lock, but not for ever: a stopped process must not hang the play."""
    deadline = time.monotonic() + LOCK_TIMEOUT
    while not _taken(fd):
        if time.monotonic() > deadline:
            raise LedgerError(
                f"cannot write the ledger {path}: another process has held its lock for {LOCK_TIMEOUT:.0f} seconds"
            )
        time.sleep(LOCK_PAUSE)
    try:
        yield
    finally:
        # not left to close(): a process forked meanwhile would keep the lock
        fcntl.flock(fd, fcntl.LOCK_UN)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write(fd: int, start: int, data: bytes, durable: bool) -> None:
    """All of it or nothing: a disk that fills up in the middle must not leave half a frame."""
    written = 0
    try:
        while written < len(data):
            written += os.pwrite(fd, data[written:], start + written)
        if durable:
            _sync(fd)
    except BaseException:
        with suppress(OSError):  # the cause is the error to tell; a rest that stays is healed by the next append
            os.ftruncate(fd, start)
        raise


def publish(path: Path, parts: Iterable[bytes], draft: Path) -> None:
    """Write a file that appears complete or not at all; the first of several writers wins."""
    draft.unlink(missing_ok=True)  # of a killed process
    try:
        with opened(draft, NEW | os.O_EXCL) as fd:
            size = 0
            for part in parts:
                write(fd, size, part, durable=False)
                size += len(part)
            os.fsync(fd)
        with suppress(FileExistsError):
            os.link(draft, path)
        sync_directory(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def directory(path: Path) -> Path:
    """Make the directory, or check that not everybody may write into the one that is there."""
    if not path.exists():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(path.parent)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise LedgerError(f"cannot write the ledger {path}: it is not a directory, or only a link to one")
    if found.st_mode & stat.S_IWOTH:
        raise LedgerError(f"cannot write the ledger {path}: everybody may write there; use a directory of its own")
    return path


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def inode(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
