# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While the ledger cannot be written: a spool, a ledger in files, whose runs the ledger adopts afterwards.

Adopting takes four steps: the records, the entry `adopted` in the log of the ledger, the entry `retired` in the log of
the spool, the files out of the way. Each of them is left out where it was done already, so that one who is killed
between them loses nothing and does nothing twice.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import disk, files, frames, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.log import enter, entries
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Store

#: in the spool, where the files of adopted runs go
ADOPTED = "adopted"
_WHY = "recorded in the emergency ledger"


def open_instead(path: str, error: str) -> FileStore:
    """The spool. ``error``: why the ledger cannot be used. Raises LedgerError."""
    try:
        return FileStore(Path(path))
    except LedgerError as second:
        raise LedgerError(f"{error}. Nor can the emergency ledger: {second}") from second


def adopt_all(path: str, store: Store) -> list[str]:
    """Bring the runs of the spool that are over into the ledger.

    In lines for people: what was adopted, and what was not. Nothing is raised.
    """
    if not any(Path(path, files.RUNS).glob(f"*{files.SUFFIX}")):
        return []
    told: list[str] = []
    try:
        spool = FileStore(Path(path))
        if spool.ledger_id == store.ledger_id:
            raise LedgerError("it is the ledger itself; give emergency_path a directory of its own")
        lock = spool.path / files.LEDGER_ID
        with disk.explained(spool.path), disk.opened(lock) as fd, disk.locked(fd, lock):
            for line in _adopt(spool, store):
                told.append(line)
    except (LedgerError, verify.Unverifiable, verify.Tampered) as error:
        told.append(f"the emergency ledger {path} was not adopted: {error}")
    except (ValueError, KeyError) as error:
        told.append(f"the emergency ledger {path} was not adopted: a log was changed by something else: {error!r}")
    return told


def _adopt(spool: FileStore, store: Store) -> Iterator[str]:
    source = spool.source()
    adopted, retired = _entered(store.source(), "adopted"), _entered(source, "retired")
    for run_id in source.runs():
        where = source.where(run_id)
        if run_id not in retired:
            run = verify.read(source, run_id)
            if run.problem:
                yield f"{where} was not adopted: record {run.problem.record}: {run.problem.reason}"
                continue
            if not run.closed and not _is_dead(source, run_id):
                yield f"{where} was not adopted: it is not closed, and its process may still be there"
                continue
            about: dict[str, Any] = {"run": run_id, "at": run.records, "head": run.head, "why": _WHY}
            store.adopt(run_id, source.began(run_id), islice(source.lines(run_id), run.records))
            if run_id not in adopted:
                enter(store, "adopted", ledger=spool.ledger_id, **about)
            enter(spool, "retired", to=store.name, **about)
            yield f"{where} was adopted by {store.name}"
        _put_away(spool.path, Path(where))


def _is_dead(source: verify.Source, run_id: str) -> bool:
    """Whether the process of a run is gone, which can be told on its own machine only."""
    first = next(source.lines(run_id), b"")
    opening: dict[str, Any] = json.loads(frames.body_of(first)) if first.endswith(b"\n") else {}
    if opening.get("host") != socket.gethostname():
        return False
    try:
        os.kill(opening["pid"], 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, KeyError, TypeError):
        return False
    return False


def _entered(source: verify.Source, type_: str) -> set[str]:
    """The runs that the log has an entry of this type of."""
    return {str(entry["run"]) for entry in entries(source, type_)}


def _put_away(spool: Path, first: Path) -> None:
    """The first file last: until then the run is seen, and the rest can be put away."""
    away = disk.directory(spool / ADOPTED)
    for file in (*reversed(list(files.later_segments(first))), first):
        os.replace(file, away / file.name)
    disk.sync_directory(away)
    disk.sync_directory(first.parent)
