# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The log of a ledger: each entry gives the tree head over all that stands in its file."""

import hashlib
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import files, log
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

fork = multiprocessing.get_context("fork")


def lines(ledger: Path) -> list[bytes]:
    first = ledger / "log.jsonl"
    return [line for path in (first, *files.later_segments(first)) for line in path.read_bytes().splitlines()]


def root(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash, word by word as in RFC 6962 section 2.1."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0] if leaves else b"").digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:left]) + root(leaves[left:])).digest()


def test_each_entry_gives_the_tree_over_all_lines(ledger: Path) -> None:
    store = FileStore(ledger)
    for number in range(1, 20):
        head = log.enter(store, "open", run=f"{number:032x}", at=1, head="0" * 64)
        assert head == (number, root([line[65:] for line in lines(ledger)]))
    last = json.loads(lines(ledger)[-1][65:])
    assert (last["run_id"], last["type"], last["run"]) == ("log", "open", f"{19:032x}")
    assert len(last["peaks"]) == (18).bit_count()


def test_what_the_store_writes_into_the_log_is_in_the_tree_too(ledger: Path) -> None:
    store = FileStore(ledger, segment_size=700)
    for _unused in range(5):
        with (ledger / "log.jsonl").open("ab") as file:
            file.write(b"" if files.segment(ledger / "log.jsonl", 2).exists() else b"torn")
        head = log.enter(store, "note")
        assert head.root == root([line[65:] for line in lines(ledger)])
    assert {json.loads(line[65:])["type"] for line in lines(ledger)} == {"note", "segment"}


def test_many_processes_enter_at_once(ledger: Path) -> None:
    store = FileStore(ledger, segment_size=5000)
    heads = fork.SimpleQueue()

    def work(number: int) -> None:
        for _unused in range(5):
            heads.put((number, log.enter(store, "checkpoint", run=f"{number:032x}")))

    children = [fork.Process(target=work, args=(number,)) for number in range(8)]
    for child in children:
        child.start()
    found = dict(heads.get()[1] for _unused in range(40))
    for child in children:
        child.join(300)
    leaves = [line[65:] for line in lines(ledger)]
    assert all(found[size] == root(leaves[:size]) for size in found)
    assert len(found) == 40


def test_a_torn_line_is_no_leaf(ledger: Path) -> None:
    store = FileStore(ledger)
    log.enter(store, "note")
    log.enter(store, "note")
    with (ledger / "log.jsonl").open("ab") as file:
        file.write(b"torn")
    assert len(list(log.leaves(store.source()))) == 2


@pytest.mark.parametrize("spoil", [{"peaks": []}, {"peaks": ["AA=="]}, {"peaks": 7}, {}])
def test_nothing_is_entered_after_a_line_that_holds_no_tree(ledger: Path, spoil: dict[str, Any]) -> None:
    store = FileStore(ledger)
    log.enter(store, "note")
    log.enter(store, "note")
    path = ledger / "log.jsonl"
    first, last = path.read_bytes().splitlines()
    frame = json.loads(last[65:])
    del frame["peaks"]
    path.write_bytes(first + b"\n" + last[:65] + json.dumps(frame | spoil, separators=(",", ":")).encode() + b"\n")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="the last line of its log was changed by something else"):
        log.enter(store, "note")
    assert path.read_bytes() == before


def test_an_entry_reads_only_the_end(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(ledger)
    for _unused in range(200):
        log.enter(store, "note")
    read: list[bytes] = []
    pread = os.pread

    def counted(fd: int, length: int, start: int) -> bytes:
        read.append(pread(fd, length, start))
        return read[-1]

    monkeypatch.setattr(os, "pread", counted)
    log.enter(store, "note")
    assert sum(map(len, read)) <= 2 * files.FIRST_BLOCK < (ledger / "log.jsonl").stat().st_size
