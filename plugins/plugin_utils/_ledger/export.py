# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a ledger in files, byte by byte, that grows with it; and what the ledger need not hold any more.

The copy only ever grows, and only by what follows what it holds. So it is a witness, too: a ledger that lost or
changed a record since the last export is not exported again.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import disk, frames, log, note, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.checkpoints import Checkpoints
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import (
    CHECKPOINTS,
    LEDGER_ID,
    LOG_FILE,
    RUNS,
    file_name,
)
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Store


class Differs(LedgerError):
    """The copy and the ledger contradict each other."""


@dataclass
class Exported:
    """What the copy holds of the ledger, and what of it is new there."""

    runs: dict[str, int] = field(default_factory=dict)  # how many records of each run
    log: int = 0
    checkpoints: int = 0
    new: int = 0


class Run(NamedTuple):
    """A run, and the last record of it."""

    run: str
    at: int
    head: str


class Kept(NamedTuple):
    """A run that is old enough to be removed, and why it is not."""

    run: str
    why: str


class _Entry(NamedTuple):
    """What an entry of the log says of a run."""

    type: str
    run: str
    at: int


def export(source: verify.Source, copy: Path, write: bool = True) -> Exported:
    """Bring the copy up to date, or say what that would bring.

    Raises Differs, LedgerError, OSError, and what a source raises.

    Runs may begin and go on meanwhile. What the log says of a run must be in the copy; so the log comes after the
    runs, and what it then says that the copy lacks is copied again.
    """
    done = Exported()
    _claim(source, copy, write)
    for run_id in source.runs():
        _export_run(source, run_id, copy, write, done)
    _export_checkpoints(source, copy / CHECKPOINTS, write, done)
    done.log, new = _grow(copy / LOG_FILE, source.lines(frames.LOG), write)
    done.new += new
    if write:
        _complete(source, copy, done)
        disk.sync_directory(copy / RUNS)
        disk.sync_directory(copy)
    _check_for_lost_runs(source, copy)
    return done


def _claim(source: verify.Source, copy: Path, write: bool) -> None:
    """The directory is new, or holds an earlier copy of this ledger, and is not the ledger itself."""
    if not source.ledger_id:
        raise Differs(f"{source.name} is not a whole ledger: it has no {LEDGER_ID}")
    if os.path.exists(source.name):
        within = (place for place in (copy, *copy.parents) if place.exists() and os.path.samefile(place, source.name))
        if any(within):
            raise Differs(f"{copy} is in the ledger itself; name another directory")
    other = verify.Directory(copy).ledger_id
    if not other and (copy / RUNS).is_dir() and any((copy / RUNS).iterdir()):
        raise Differs(f"{copy / LEDGER_ID} is gone; put back the one that the runs beside it carry")
    if other and other != source.ledger_id:
        raise Differs(f"{copy} holds the ledger {other}, and {source.name} is the ledger {source.ledger_id}")
    if write:
        disk.directory(copy)
        disk.directory(copy / RUNS)
        if not other:
            disk.publish(copy / LEDGER_ID, [f"{source.ledger_id}\n".encode()], copy / f".{LEDGER_ID}")


def _complete(source: verify.Source, copy: Path, done: Exported) -> None:
    there = set(source.runs())
    for entry in _entries(verify.Directory(copy)):
        if entry.run in there and entry.at > done.runs.get(entry.run, 0):
            _export_run(source, entry.run, copy, True, done)


def _check_for_lost_runs(source: verify.Source, copy: Path) -> None:
    if copy.is_dir():
        lost = set(verify.Directory(copy).runs()) - set(source.runs())
        lost -= {entry.run for entry in _entries(source) if entry.type == "retired"}
        for run_id in sorted(lost):
            raise Differs(f"the run {run_id} is in {copy} and no more in {source.name}, whose log does not say why")


def _export_run(source: verify.Source, run_id: str, copy: Path, write: bool, done: Exported) -> None:
    path = copy / RUNS / file_name(source.began(run_id), run_id)
    done.runs[run_id], new = _grow(path, source.lines(run_id), write)
    done.new += new


def _export_checkpoints(source: verify.Source, path: Path, write: bool, done: Exported) -> None:
    """Those that the copy has not. The ledger may have lost some since; the copy keeps them."""
    kept = dict.fromkeys(found for text in source.checkpoints() for found in note.find(text))
    there = set(note.find(path.read_text("utf-8", "replace"))) if path.exists() else set()
    new = [found for found in kept if found not in there]
    done.checkpoints, done.new = len(there) + len(new), done.new + len(new)
    if write:
        with disk.opened(path, disk.NEW) as fd:
            disk.write(fd, os.fstat(fd).st_size, "".join(f"{found}\n" for found in new).encode(), durable=True)


def _grow(path: Path, lines: Iterable[bytes], write: bool) -> tuple[int, int]:
    """Add the lines that the copy of a chain lacks. How many it has then, and how many of them are new.

    What a killed process left of a line is not copied: its writer was never told that it stands.
    """
    whole = takewhile(lambda line: line.endswith(b"\n"), lines)
    with ExitStack() as stack:
        file: BinaryIO = io.BytesIO()
        if write:
            fd = stack.enter_context(disk.opened(path, disk.NEW))
            file = stack.enter_context(open(fd, "r+b", closefd=False))
        elif path.exists():
            file = stack.enter_context(path.open("rb"))
        same, rest = _compared(path, file, whole)
        new = 0
        for line in rest:
            new += 1
            if write:
                file.write(line)
        if write:
            file.flush()
            os.fsync(file.fileno())
    return same + new, new


def _compared(path: Path, file: BinaryIO, lines: Iterator[bytes]) -> tuple[int, Iterator[bytes]]:
    """How many lines stand in the copy as they do in the ledger, and the lines that come after them."""
    same = 0
    for line in lines:
        there = file.readline(len(line))
        if there != line:
            if not line.startswith(there):  # a part of the line is what a killed export left
                raise Differs(f"{path} record {same + 1} is not what the ledger holds: one of them was changed")
            file.seek(-len(there), os.SEEK_CUR)
            return same, chain([line], lines)
        same += 1
    if file.read(1):
        raise Differs(f"{path} holds more than {same} records, the ledger does not: it was cut off, or rolled back")
    return same, iter(())


def removable(source: verify.Source, copy: verify.Source, report: verify.Report, before: str) -> Iterator[Run | Kept]:
    """The runs that began before a time, such as 20261121T124500Z, and whether each of them is done with.

    ``report`` is what the verifier said of the copy.
    """
    settled = {entry.run for entry in _entries(copy) if entry.type == "settled"}
    unknown = {change.run_id for change in report.dangling}
    too_many = len(report.dangling) >= verify.MAX_LISTED  # then not all of them are listed
    for run_id in source.runs():
        if source.began(run_id) < before:
            run = verify.read(copy, run_id)
            if run.problem:
                yield Kept(run_id, run.problem.reason)
            elif not run.closed and run_id not in settled:
                yield Kept(run_id, "it was not closed")
            elif run_id in unknown or (too_many and (run.pending or run.unknown)):
                yield Kept(run_id, "the outcome of a change is unknown")
            else:
                yield Run(run_id, run.records, run.head)


def remove(store: Store, runs: Collection[Run], **reason: str | None) -> None:
    """The log says of every run that, and why, it is removed, before any of them is. Raises LedgerError."""
    said = {entry.run for entry in _entries(store.source()) if entry.type == "retired"}
    new = [run for run in runs if run.run not in said]  # of the others, an earlier removal was interrupted
    heads = [log.enter(store, "retired", run=run.run, at=run.at, head=run.head, **reason) for run in new]
    if heads:
        Checkpoints(store).publish(heads[-1])
    for run in runs:
        store.remove(run.run)


def _entries(source: verify.Source) -> Iterator[_Entry]:
    """What the log says of runs, as far as it can be read. Whether that is true is for the verifier."""
    for line in source.lines(frames.LOG):
        try:
            entry = json.loads(frames.body_of(line))
            yield _Entry(str(entry["type"]), str(entry["run"]), int(entry["at"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
