# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger in files: a directory, in which a chain is a file that only ever grows by whole frames.

A file that has become large ends with a ``segment`` frame, and the chain goes on in the next one: ``x.jsonl``,
``x.2.jsonl``, ``x.3.jsonl``. The lock of a chain is the lock of its first file.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import disk, frames, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import (
    Appended,
    Derive,
    LedgerError,
    following,
)

SEGMENT_SIZE = 64 << 20
FIRST_BLOCK = 1 << 13

RUNS, LOG_FILE, CHECKPOINTS, LEDGER_ID = "runs", "log.jsonl", "checkpoints", "ledger_id"
SUFFIX = ".jsonl"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_BEGAN = re.compile(r"\d{8}T\d{6}Z")


class FileStore:
    """A ledger's directory. What is missing of it is made; what is there is checked."""

    def __init__(self, directory: Path, segment_size: int = SEGMENT_SIZE) -> None:
        self.path = Path(os.path.realpath(directory))
        self.name = str(self.path)
        self._segment_size = segment_size
        with disk.explained(self.path):
            disk.directory(self.path)
            self._runs = disk.directory(self.path / RUNS)
            self.ledger_id = _ledger_id(self.path)

    def begin(self, opening: Mapping[str, Any]) -> tuple[FileChain, Appended]:
        run_id = uuid.uuid4().hex
        path = self._runs / file_name(f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}", run_id)
        with disk.explained(path):
            os.close(os.open(path, disk.NEW | os.O_EXCL, 0o600))
            try:
                chain = FileChain(path, run_id, self.ledger_id, self._segment_size)
                opened = chain.append("run_open", opening)
                disk.sync_directory(self._runs)
            except BaseException:
                with suppress(OSError):  # the cause is the error to tell
                    path.unlink()
                raise
        return chain, opened

    def log(self, derive: Derive) -> FileChain:
        path = self.path / LOG_FILE
        with disk.explained(path):
            return FileChain(path, frames.LOG, self.ledger_id, self._segment_size, derive)

    def keep(self, checkpoint: str) -> None:
        path = self.path / CHECKPOINTS
        with disk.explained(path), disk.opened(path, disk.NEW) as fd, disk.locked(fd, path):
            size = os.fstat(fd).st_size
            # what a killed process left of a note must not run into this one
            before = "\n\n" if size and os.pread(fd, 2, size - 2) != b"\n\n" else ""
            disk.write(fd, size, f"{before}{checkpoint}\n".encode(), durable=True)
            disk.sync_directory(self.path)

    def adopt(self, run_id: str, began: str, lines: Iterable[bytes]) -> None:
        path = self._runs / file_name(began, run_id)
        with disk.explained(path), self._alone():
            if not self._files(run_id):
                disk.publish(path, lines, self.path / ".adopting")

    def remove(self, run_id: str) -> None:
        with disk.explained(self._runs), self._alone():
            # the first file last: until then the run is still seen, and can be removed again
            for path in reversed(self._files(run_id)):
                path.unlink()
            disk.sync_directory(self._runs)

    def source(self) -> verify.Source:
        return verify.Directory(self.path)

    def _files(self, run_id: str) -> list[Path]:
        """The files of a run, the first one first."""
        first = next(self._runs.glob(f"*-{run_id}{SUFFIX}"), None)
        return [first, *later_segments(first)] if first else []

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = self.path / LEDGER_ID
        with disk.opened(path) as fd, disk.locked(fd, path):
            yield


class _Tail(NamedTuple):
    """The end of a file: its whole frames, the last of them, and the bytes of a write that was cut off."""

    end: int
    last: Appended | None
    type: str
    torn: bytes


class FileChain:
    """The file of one chain, and those in which it goes on.

    Every append opens it anew: a lock on a descriptor that was inherited by fork would exclude nobody.
    """

    def __init__(
        self, path: Path, run_id: str, ledger_id: str, segment_size: int = SEGMENT_SIZE, derive: Derive | None = None
    ) -> None:
        self.path = path
        self.where = str(path)
        self.run_id = run_id
        self.ledger_id = ledger_id
        self._segment_size = segment_size
        self._derive = derive
        self._inode = disk.inode(path.lstat())
        self._newest = 1  # of the files, as far as this process knows

    def append(self, type_: str, fields: Mapping[str, Any], *, durable: bool = True) -> Appended:
        """Add one frame. A write that fails leaves the file as it was."""
        with disk.explained(self.path), ExitStack() as stack:
            first = stack.enter_context(disk.opened(self.path))
            if disk.inode(os.fstat(first)) != self._inode:
                raise LedgerError(f"cannot write the ledger {self.path}: another file has taken its place")
            stack.enter_context(disk.locked(first, self.path))
            number, fd, tail = self._end(first, stack)
            if tail.last is None and type_ != "run_open" and self.run_id != frames.LOG:
                raise self._foreign("it does not begin with a whole record")
            if tail.type == "run_close":
                raise LedgerError(f"cannot write the ledger {self.path}: its run is closed")
            if tail.torn:
                tail = self._heal(fd, tail)
            if tail.end >= self._segment_size and type_ != "run_close":  # nothing comes after that
                number, fd, tail = self._go_on(number, fd, tail, stack)
            appended = self._add(fd, tail, type_, fields, durable)
            self._newest = number
            return appended

    def _end(self, first: int, stack: ExitStack) -> tuple[int, int, _Tail]:
        """The last file of the chain: its number, its descriptor, its tail."""
        number = self._newest
        fd = first if number == 1 else stack.enter_context(disk.opened(segment(self.path, number)))
        tail = self._tail(fd)
        while tail.type == "segment":
            number += 1
            fd = stack.enter_context(disk.opened(segment(self.path, number)))
            here = self._tail(fd)
            tail = here if here.last else here._replace(last=tail.last)
        return number, fd, tail

    def _go_on(self, number: int, fd: int, tail: _Tail, stack: ExitStack) -> tuple[int, int, _Tail]:
        """End this file, and begin the next. That one is made first: one that is named and missing was taken away."""
        path = segment(self.path, number + 1)
        following_fd = stack.enter_context(disk.opened(path, disk.NEW))
        if os.fstat(following_fd).st_size:
            raise self._foreign(f"{path.name} is there before its time")
        disk.sync_directory(path.parent)
        link = self._add(fd, tail, "segment", {"next": number + 1}, durable=True)
        return number + 1, following_fd, _Tail(0, link, "segment", b"")

    def _heal(self, fd: int, tail: _Tail) -> _Tail:
        """Cut off what a killed process left of its frame: it was never told that the frame stands."""
        os.ftruncate(fd, tail.end)
        what = {
            "note": "a frame that was cut off was removed",
            "length": len(tail.torn),
            "sha256": hashlib.sha256(tail.torn).hexdigest(),
        }
        note = self._add(fd, tail, "note", what, durable=True)
        return _Tail(tail.end + len(note.line), note, "note", b"")

    def _add(self, fd: int, tail: _Tail, type_: str, fields: Mapping[str, Any], durable: bool) -> Appended:
        appended = following(tail.last, self.ledger_id, self.run_id, type_, fields, self._derive)
        disk.write(fd, tail.end, appended.line, durable)
        return appended

    def _tail(self, fd: int) -> _Tail:
        """Read backwards to the last whole frame, at a cost that does not grow with the file."""
        start = os.fstat(fd).st_size
        data, step = b"", FIRST_BLOCK
        while start > 0 and data.count(b"\n") < 2 and len(data) <= 2 * frames.MAX_LINE:
            step = min(2 * step, start)
            start -= step
            data = os.pread(fd, step, start) + data
        whole, newline, torn = data.rpartition(b"\n")
        line = whole.rpartition(b"\n")[2]
        if max(len(line), len(torn)) > frames.MAX_LINE:
            raise self._foreign("its last lines are longer than a frame can be")
        if not newline:
            return _Tail(0, None, "", torn)
        stored, _space, body = line.partition(b" ")
        found = frames.PREFIX.match(body)
        ours = found and (found["ledger_id"], found["run_id"]) == (self.ledger_id.encode(), self.run_id.encode())
        if not found or not ours or not re.fullmatch(rb"[0-9a-f]{64}", stored):
            raise self._foreign("its last line is not one of its records")
        last = Appended(int(found["seq"]), stored.decode(), body)
        return _Tail(start + len(whole) + 1, last, found["type"].decode(), torn)

    def _foreign(self, why: str) -> LedgerError:
        return LedgerError(
            f"cannot write the ledger {self.path}: it was changed by something else: {why}. Verify it before going on"
        )


def file_name(began: str, run_id: str) -> str:
    """Of a run's first file. Raises LedgerError for what is no name of a run, wherever it comes from."""
    if not _RUN_ID.fullmatch(run_id) or not _BEGAN.fullmatch(began):
        raise LedgerError(f"'{began}-{run_id}' is not the name of a run")
    return f"{began}-{run_id}{SUFFIX}"


def segment(first: Path, number: int) -> Path:
    """The path of a chain's file, which is numbered from 1."""
    return first if number == 1 else first.with_name(f"{first.name.removesuffix(SUFFIX)}.{number}{SUFFIX}")


def later_segments(first: Path) -> Iterator[Path]:
    number = 2
    while (path := segment(first, number)).exists():
        yield path
        number += 1


def _ledger_id(ledger: Path) -> str:
    """The ledger's name, made once with its log. Neither is ever made anew beside what was written under it."""
    path, log = ledger / LEDGER_ID, ledger / LOG_FILE
    if not path.exists():
        written = any((ledger / RUNS).glob(f"*{SUFFIX}")) or (log.exists() and log.stat().st_size > 0)
        if written and not path.exists():  # else another process made all of it meanwhile
            raise LedgerError(f"cannot write the ledger: {path} is gone; put back the ledger_id that its runs carry")
        name = uuid.uuid4().hex
        with disk.opened(log, disk.NEW):
            disk.publish(path, [f"{name}\n".encode()], ledger / f".{name}")
    if not log.exists():
        raise LedgerError(f"cannot write the ledger: {log} is gone; put it back")
    ledger_id = path.read_text("ascii", "replace").strip()
    if not _RUN_ID.fullmatch(ledger_id):
        raise LedgerError(f"cannot write the ledger: {path} does not hold 32 hexadecimal digits")
    return ledger_id
