# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private directory of one run, shared by its forks and hosts: the run's memory and the plans that were shown.

Its name is fixed when this file is imported, before the first fork: ansible loads action plugins in the parent.
It is made when first needed, 0700, and removed when the parent ends; what a killed run left, a later one removes.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import hashlib
import json
import multiprocessing
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory


def _names() -> tuple[int, str]:
    """The process whose forks do the tasks of this run, and the name of the run.

    Connection plugins are loaded after the fork; where nothing of the collection was loaded before, the workers can
    only agree on what they know of the process that they come from.
    """
    main = multiprocessing.parent_process()
    if main is None or main.pid is None:
        return os.getpid(), secrets.token_hex(8)
    about = Path(f"/proc/{main.pid}/stat")
    began = about.read_text().rpartition(")")[2].split()[19] if about.exists() else ""
    return main.pid, hashlib.sha256(f"{main.pid} {began}".encode()).hexdigest()[:16]


_PREFIX = f"steward-proxmox-{os.getuid()}-"
#: RUN: the name of this run, the same in all its forks
_PARENT, RUN = _names()
_DIRECTORY = Path(tempfile.gettempdir()) / f"{_PREFIX}{_PARENT}-{RUN}"


class NotKept(StewardError):
    """What a task planned or did is not known to the rest of its run."""

    hint = "TMPDIR can name another place"


def load_memory(before: Iterable[Mapping[str, Any]] = ()) -> Memory:
    """What the run knows by now, after what it knew `before` it began."""
    return Memory.of([*before, *_entries("memory")])


def store_memory(memory: Memory) -> None:
    """Keep what this task added to the run's memory."""
    for entry in memory.entries:
        _append("memory", entry)
    memory.entries.clear()


def add_plan(record: Mapping[str, Any]) -> None:
    """Keep a plan for the plan callback; it gets to see those that no_log hides from results too."""
    _append("plans", record)


def plans() -> list[dict[str, Any]]:
    """The plans of this run, in the order in which they were made."""
    return list(_entries("plans"))


def note(name: str, entry: Mapping[str, Any]) -> None:
    """Keep a fact for the other tasks of this run."""
    _append(name, entry)


def notes(name: str) -> list[dict[str, Any]]:
    """The facts of this name, oldest first."""
    return list(_entries(name))


@contextmanager
def once(what: str) -> Iterator[bool]:
    """Whether this is the first in the run to do it; the others wait. One that raises has not done it."""
    with _locked(what, "ab") as stream:
        first = stream.seek(0, os.SEEK_END) == 0
        yield first
        if first:
            stream.write(b"done\n")


def _append(name: str, entry: Mapping[str, Any]) -> None:
    line = json.dumps(entry, default=str).encode() + b"\n"
    with _locked(name, "ab") as stream:
        end = stream.seek(0, os.SEEK_END)
        if stream.write(line) < len(line):  # a disk that is full in the middle of it
            stream.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _entries(name: str) -> Iterator[dict[str, Any]]:
    if (_DIRECTORY / name).exists():
        with _locked(name, "rb") as stream:
            yield from map(json.loads, stream.read().splitlines())


@contextmanager
def _locked(name: str, mode: str) -> Iterator[IO[bytes]]:
    try:
        _make()
        # opened anew each time: a lock on a descriptor that was inherited through fork locks nobody out
        with open(_DIRECTORY / name, mode, buffering=0, opener=_private) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX if mode == "ab" else fcntl.LOCK_SH)
            yield stream
    except OSError as error:
        raise NotKept(f"{_DIRECTORY}, where a run keeps what it knows, cannot be used: {error.strerror}") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _make() -> None:
    try:
        _DIRECTORY.mkdir(mode=0o700)
    except FileExistsError:
        _distrust(_DIRECTORY.lstat())
        return
    for other in _DIRECTORY.parent.glob(f"{_PREFIX}*"):
        owner = other.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
            shutil.rmtree(other, ignore_errors=True)


def _distrust(found: os.stat_result) -> None:
    """Refuse a directory (or link) that somebody else put in our place: it would steer what this run believes."""
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NotKept(f"{_DIRECTORY} is not a private directory of this user", "Remove it, and find out who made it")


@atexit.register
def _remove() -> None:
    if os.getpid() == _PARENT:
        shutil.rmtree(_DIRECTORY, ignore_errors=True)
