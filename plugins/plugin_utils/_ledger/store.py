# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: a ledger is a directory, a run is one file in it that only ever grows by whole frames."""

import fcntl
import hashlib
import json
import os
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames

LOCK_TIMEOUT = 60.0
LOCK_PAUSE = 0.002
BLOCK = 1 << 16

# macOS has no fdatasync
_sync = getattr(os, "fdatasync", os.fsync)


class LedgerError(Exception):
    """The ledger cannot be written. The message says where and why."""


@dataclass(frozen=True)
class Tail:
    """The end of a segment: the last whole frame, and the bytes of a write that was cut off after it."""

    end: int
    seq: int
    head: bytes
    closed: bool
    torn: bytes


class Segment:
    """The file of one run.

    Every append opens the file anew: a lock on a descriptor that was inherited by fork would exclude nobody.
    """

    def __init__(self, path: Path, run_id: str, ledger_id: str, inode: tuple[int, int]) -> None:
        self.path = path
        self.run_id = run_id
        self.ledger_id = ledger_id
        self._inode = inode

    @classmethod
    def create(cls, ledger: Path, **opening: Any) -> "Segment":
        """Start a run: make its file and write ``run_open``."""
        run_id = uuid.uuid4().hex
        with _explained(ledger):
            ledger = _directory(Path(os.path.realpath(ledger)))
            ledger_id = _ledger_id(ledger)
            runs = _directory(ledger / "runs")
            path = runs / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{run_id}.jsonl"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(path, flags, 0o600)
            try:
                found = os.fstat(fd)
                segment = cls(path, run_id, ledger_id, (found.st_dev, found.st_ino))
                nothing = Tail(0, 0, frames.genesis(run_id, ledger_id), closed=False, torn=b"")
                segment._add(fd, nothing, "run_open", opening, durable=True)
                _sync_directory(runs)
            except BaseException:
                path.unlink()
                raise
            finally:
                os.close(fd)
        return segment

    def append(self, type_: str, fields: dict[str, Any], *, durable: bool) -> str:
        """Add one frame and return its hash. A write that fails leaves the file as it was."""
        with _explained(self.path), self._locked() as fd:
            tail = _tail(fd)
            if tail.closed:
                raise LedgerError(f"cannot write the ledger {self.path}: its run is closed")
            if tail.torn:
                tail = self._heal(fd, tail)
            return self._add(fd, tail, type_, fields, durable=durable).head.hex()

    def _heal(self, fd: int, tail: Tail) -> Tail:
        """Cut off what a killed process left of its frame: it was never told that the frame stands."""
        os.ftruncate(fd, tail.end)
        what = {
            "note": "a frame that was cut off was removed",
            "length": len(tail.torn),
            "sha256": hashlib.sha256(tail.torn).hexdigest(),
        }
        return self._add(fd, tail, "note", what, durable=True)

    def _add(self, fd: int, tail: Tail, type_: str, fields: dict[str, Any], *, durable: bool) -> Tail:
        common = {
            "v": frames.VERSION,
            "ledger_id": self.ledger_id,
            "run_id": self.run_id,
            "seq": tail.seq + 1,
            "ts": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "type": type_,
        }
        body = frames.body(common, fields)
        line = frames.line(tail.head, body)
        _write(fd, tail.end, line, durable)
        return Tail(tail.end + len(line), tail.seq + 1, frames.chain(tail.head, body), type_ == "run_close", b"")

    @contextmanager
    def _locked(self) -> Iterator[int]:
        fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) != self._inode:
                raise LedgerError(f"cannot write the ledger {self.path}: another file has taken its place")
            _lock(fd, self.path)
            try:
                yield fd
            finally:
                # not left to close(): a process forked meanwhile would keep the lock
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            os.close(fd)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(f"cannot write the ledger {error.filename or path}: {error.strerror or error}") from error


def _lock(fd: int, path: Path) -> None:
    """Wait for the lock, but not for ever: a stopped process must not hang the play."""
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LedgerError(
                    f"cannot write the ledger {path}: another process has held its lock for {LOCK_TIMEOUT:.0f} seconds"
                ) from None
            time.sleep(LOCK_PAUSE)


def _write(fd: int, start: int, data: bytes, durable: bool) -> None:
    """All of it or nothing: a disk that fills up in the middle must not leave half a frame."""
    written = 0
    try:
        while written < len(data):
            written += os.pwrite(fd, data[written:], start + written)
        if durable:
            _sync(fd)
    except OSError:
        with suppress(OSError):  # the cause is the error to tell; a rest that stays is healed by the next append
            os.ftruncate(fd, start)
        raise


def _tail(fd: int) -> Tail:
    """Read backwards to the last whole frame, at a cost that does not grow with the file."""
    start = os.fstat(fd).st_size
    data = b""
    while start > 0 and data.count(b"\n") < 2:
        if len(data) > 2 * frames.MAX_LINE:
            raise _foreign("its last lines are longer than a frame can be")
        step = min(BLOCK, start)
        start -= step
        data = os.pread(fd, step, start) + data
    whole, newline, torn = data.rpartition(b"\n")
    last = whole.rpartition(b"\n")[2]
    if not newline:
        raise _foreign("it does not begin with a whole record")
    try:
        head = bytes.fromhex(last[: frames.HASH_LENGTH].decode("ascii"))
        frame = json.loads(last[frames.HASH_LENGTH + 1 :])
        return Tail(start + len(whole) + 1, int(frame["seq"]), head, frame["type"] == "run_close", torn)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _foreign("its last line is not a record") from error


def _foreign(why: str) -> LedgerError:
    return LedgerError(f"the run's file was changed by something else: {why}. Verify it before going on")


def _directory(path: Path) -> Path:
    """Make the directory, or check that not everybody may write into the one that is there."""
    if not path.exists():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_directory(path.parent)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise LedgerError(f"cannot write the ledger {path}: it is not a directory, or only a link to one")
    if found.st_mode & stat.S_IWOTH:
        raise LedgerError(f"cannot write the ledger {path}: everybody may write there; use a directory of its own")
    return path


def _ledger_id(ledger: Path) -> str:
    """The ledger's name, made once. It is never made anew beside runs that carry another one."""
    path = ledger / "ledger_id"
    has_runs = any((ledger / "runs").glob("*.jsonl"))  # looked at first: whoever makes a run made the id before it
    if not path.exists():
        if has_runs:
            raise LedgerError(f"cannot write the ledger: {path} is gone; put back the ledger_id that its runs carry")
        _publish(path, uuid.uuid4().hex)
    ledger_id = path.read_text("ascii", "replace").strip()
    if len(ledger_id) != 32 or not set(ledger_id) <= set("0123456789abcdef"):
        raise LedgerError(f"cannot write the ledger: {path} does not hold 32 hexadecimal digits")
    return ledger_id


def _publish(path: Path, text: str) -> None:
    """Write a file that appears complete or not at all; the first of several writers wins."""
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _write(fd, 0, f"{text}\n".encode(), durable=True)
        with suppress(FileExistsError):
            os.link(draft, path)
        _sync_directory(path.parent)
    finally:
        os.close(fd)
        draft.unlink()


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
