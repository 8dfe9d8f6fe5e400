# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proofs that verify_proof.py checks with a public key: of single changes, and that the log has only grown.

The bundle of a change shows its records and who made it. Of everything else that leads from them to a checkpoint it has
only hashes: of the other records of the run, and of the other entries of the log.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import (
    frames,
    log,
    merkle,
    note,
    strict_base64,
    verify_proof,
)
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.changes import Record
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import not_as_written
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.verify import Source

Bundle = dict[str, Any]


class Unproven(Refused):
    """There is no such proof, or not yet."""

    reassurance = ""


class Noted(NamedTuple):
    """A checkpoint of the ledger that stands in some text. Signed ones are worth more, and then larger ones."""

    signed: bool
    size: int
    root: bytes
    note: str


class Prover:
    """Makes the proofs of changes."""

    def __init__(self, source: Source, runs: Collection[str], public_key: str = "", seen: str = "") -> None:
        """`runs`: those with changes to prove. `public_key`: only a checkpoint that it signed will do.

        `seen`: a text with checkpoints, such as a job's output; only one of them will do. Raises Unproven.
        """
        self._source = source
        length = 0
        #: run -> the number of the record whose hash an entry holds -> that entry
        self._entries: dict[str, dict[int, Record]] = defaultdict(dict)
        for seq, line in enumerate(source.lines(frames.LOG), 1):
            if line.endswith(b"\n"):
                entry, length = Record(frames.LOG, seq, frames.body_of(line)), seq
                if entry.frame.get("run") in runs:
                    self._entries[entry.frame["run"]].setdefault(entry.frame["at"], entry)
        _signed, self._size, _root, self._checkpoint = _newest(source, public_key, seen, length)
        places = [entry.seq - 1 for entries in self._entries.values() for entry in entries.values()]
        shown = [place for place in places if place < self._size]
        self._paths = merkle.inclusion_paths(shown, self._size, log.leaves(source))
        self._chains: dict[str, list[bytes]] = {}

    def prove(self, records: Iterable[Record]) -> Bundle:
        """The bundle of these records, of which the first of each run must be one. Raises Unproven."""
        shown: dict[str, dict[int, Record]] = defaultdict(dict)
        for record in records:
            shown[record.run][record.seq] = record
        spans = [span for run, mine in shown.items() for span in self._spans(run, mine)]
        entries = {entry.seq: entry for _span, entries in spans for entry in entries}
        bundle = {
            "format": verify_proof.FORMAT,
            "checkpoint": self._checkpoint,
            "entries": [self._entry(entry) for _seq, entry in sorted(entries.items())],
            "chain": [span for span, _entries in spans],
        }
        return _verified(bundle, verify_proof.check, self._checkpoint)

    def _spans(self, run: str, shown: Mapping[int, Record]) -> Iterator[tuple[dict[str, Any], list[Record]]]:
        """The pieces of the run's chain that hold these records, each from one entry of the log to the next."""
        entries = {at: entry for at, entry in self._entries[run].items() if entry.seq <= self._size}
        ends = [0, *sorted(entries)]
        last = {bisect_left(ends, seq) for seq in shown}
        if len(ends) in last:
            raise Unproven(
                f"The log does not hold all of this change yet: run {run} is open still, or nobody signed since",
                "Try again after the run",
            )
        for after, end in sorted((ends[place - 1], ends[place]) for place in last):
            records = [
                shown[seq].body.decode("ascii") if seq in shown else strict_base64.encode(digest)
                for seq, digest in enumerate(self._chain(run)[after:end], after + 1)
            ]
            yield {"run": run, "after": after, "records": records}, [entries[at] for at in (after, end) if at]

    def _chain(self, run: str) -> list[bytes]:
        """The hash of each record of a run, for itself."""
        if run not in self._chains:
            lines = self._source.lines(run)
            self._chains[run] = [hashlib.sha256(frames.body_of(line)).digest() for line in lines]
        return self._chains[run]

    def _entry(self, entry: Record) -> dict[str, Any]:
        index = entry.seq - 1
        path = [strict_base64.encode(node) for node in self._paths[index]]
        return {"index": index, "body": entry.body.decode("ascii"), "path": path}


def prove_growth(source: Source, kept: str, public_key: str = "") -> Bundle:
    """The bundle that shows that the newest checkpoint of the ledger goes on from the newest in a text.

    `public_key`: only a checkpoint that it signed will do. Raises Unproven, Refused.
    """
    older = max(_noted(source, kept), key=lambda found: found.size, default=None)
    if not older:
        raise Unproven(f"There is no checkpoint of the ledger {source.name} in what was kept")
    newest = _newest(source, public_key)
    roots = merkle.roots((older.size, newest.size), log.leaves(source))
    for who, found in (("the checkpoint that was kept", older), ("its own newest checkpoint", newest)):
        if found.size not in roots:
            raise not_as_written(f"its log has fewer than the {found.size} entries that {who} has seen")
        if roots[found.size] != found.root:
            raise not_as_written(f"the first {found.size} entries of its log are not those that {who} has seen")
    if newest.size < older.size:
        raise Unproven(
            f"The newest checkpoint{_by(public_key)} of the ledger {source.name} has {newest.size} entries, and the"
            f" one that was kept has {older.size}",
            "Try again when there is a newer one, or name another public_key",
        )
    path = merkle.consistency_path(older.size, newest.size, log.leaves(source))
    bundle = {
        "format": verify_proof.GROWTH,
        "checkpoint": newest.note,
        "older": older.note,
        "consistency": [strict_base64.encode(node) for node in path],
    }
    return _verified(bundle, verify_proof.check_growth, newest.note + older.note)


def _verified(bundle: Bundle, check: Callable[[Bundle, tuple[()], str], object], seen: str) -> Bundle:
    try:
        check(bundle, (), seen)
    except verify_proof.NotProven as error:
        raise not_as_written(str(error)) from error
    return bundle


def _newest(source: Source, public_key: str, seen: str = "", length: int | None = None) -> Noted:
    """The checkpoint to prove against, of a log of this length. Raises Unproven."""
    for found in sorted(_noted(source, seen or "\n".join(source.checkpoints())), reverse=True):
        if (length is None or found.size <= length) and (not public_key or note.verify(found.note, public_key)):
            return found
    raise Unproven(f"There is no checkpoint{_by(public_key)} of the ledger {source.name} to prove anything against")


def _by(public_key: str) -> str:
    return f" that {public_key.partition('+')[0]} signed" if public_key else ""


def _noted(source: Source, text: str) -> Iterator[Noted]:
    for found in note.find(text):
        checkpoint, signatures = note.Checkpoint.parse(found)
        if checkpoint.origin == note.origin_of(source.ledger_id or "") and checkpoint.size:
            yield Noted(bool(signatures), checkpoint.size, checkpoint.root, found)
