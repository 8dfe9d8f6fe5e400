# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that a ledger knows, hand over and sign with; and logs that must not be signed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys, log, merkle, note, signing, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import PostgresStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.sinks import FileSink, SinkError
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Store

from tests.postgres import Postgres, postgres

__all__ = ["postgres"]  # the fixture


class Place:
    """A ledger, a key outside of it, and the pin beside the key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.key = folder / "key"
        self.pin = FileSink(folder / "key.pin")
        self.witness = FileSink(folder / "witness")

    @property
    def store(self) -> Store:
        return FileStore(self.ledger)

    @property
    def kept(self) -> list[str]:
        return [found for kept in self.store.source().checkpoints() for found in note.find(kept)]

    @property
    def size(self) -> int:
        return merkle.peaks_of(log.leaves(self.store.source())).size

    def present(self, name: str | None = None, check_mode: bool = False) -> signing.Done:
        return signing.present(self.store, self.key, name, [self.witness], check_mode)

    def rotate(self, check_mode: bool = False) -> signing.Done:
        return signing.rotate(self.store, self.key, [self.witness], check_mode)

    def sign(self, check_mode: bool = False) -> signing.Done:
        return signing.checkpoint(self.store, self.key, self.pin, [self.witness], check_mode)

    def grow(self, **fields: Any) -> None:
        log.enter(self.store, fields.pop("type_", "note"), **fields)

    def named(self) -> dict[str, keys.Entered]:
        return keys.entered(self.store.source())


class InDatabase(Place):
    """A ledger that many machines write to, and a key on one of them."""

    def __init__(self, folder: Path, dsn: str) -> None:
        super().__init__(folder)
        self._dsn = dsn

    @property
    def store(self) -> Store:
        return PostgresStore(self._dsn)


class Killed(BaseException):
    """This process ends here."""


def killed(*_arguments: Any, **_options: Any) -> None:
    raise Killed


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_key_is_made_once_and_entered_once(place: Place) -> None:
    first, again = place.present(), place.present()
    assert (first.changed, again.changed) == (True, False)
    assert first.vkey == again.vkey == keys.load(place.key).vkey
    (entry,) = place.named().values()
    assert (entry.key.name, entry.replaces, entry.endorsed) == (f"steward.proxmox/{place.store.ledger_id}", None, False)
    assert place.kept == [first.checkpoint] == list(note.find(place.witness.path.read_text()))
    assert first.vkey is not None
    assert note.verify(first.checkpoint, first.vkey)
    assert Checkpoint.parse(first.checkpoint)[0].size == place.size == 1


def test_a_key_that_is_there_is_entered(place: Place) -> None:
    made = keys.make(place.key, "my-key")
    assert place.present().changed
    assert list(place.named()) == [made.vkey]
    with pytest.raises(BadInput, match=r"the key in .* is my-key, not other"):
        place.present("other")


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_name_that_a_note_cannot_carry_is_refused(place: Place, check_mode: bool) -> None:
    with pytest.raises(BadInput, match="name: 'my key' is no name of a key"):
        place.present("my key", check_mode)
    assert not place.key.exists()


def test_a_key_does_not_lie_in_the_ledger(place: Place) -> None:
    place.key = place.ledger / "key"
    with pytest.raises(BadInput, match="inside of the ledger"):
        place.present()
    assert not place.key.exists()


def test_check_mode_writes_nothing(place: Place) -> None:
    assert place.present(check_mode=True).changed
    assert not place.key.exists()
    place.present()
    place.grow()
    before = {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()}
    assert (place.present(check_mode=True).changed, place.rotate(check_mode=True).changed) == (False, True)
    assert place.sign(check_mode=True).changed
    assert {path: path.read_bytes() for path in place.folder.rglob("*") if path.is_file()} == before


def test_a_rotated_key_is_endorsed_and_both_sign(place: Place) -> None:
    old = place.present().vkey
    done = place.rotate()
    assert old is not None
    assert done.vkey is not None
    assert done.vkey == keys.load(place.key).vkey != old
    before, after = place.named().values()
    assert (before.successor, before.until) == (done.vkey, after.since)
    assert (after.replaces, after.endorsed, after.until) == (old, True, None)
    assert note.verify(done.checkpoint, old)
    assert note.verify(done.checkpoint, done.vkey)
    assert place.rotate().vkey != done.vkey
    assert len(place.named()) == 3


@pytest.mark.parametrize("step", ["enter", "keep", "succeed"])
def test_a_rotation_that_was_interrupted_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    old = place.present().vkey
    where = {"enter": (log, "enter"), "keep": (FileStore, "keep"), "succeed": (keys, "succeed")}[step]
    with monkeypatch.context() as patch:
        patch.setattr(*where, killed)
        with pytest.raises(Killed):
            place.rotate()
    assert keys.load(place.key).vkey == old
    done = place.rotate()
    assert done.vkey == keys.load(place.key).vkey
    assert list(place.named()) == [old, done.vkey]
    assert place.size == 2
    assert old is not None
    assert note.verify(place.kept[-1], old)
    assert keys.interrupted(place.key) is None


def test_who_may_append_cannot_name_a_successor(place: Place) -> None:
    old = place.present().vkey
    foreign = keys.make(place.folder / "foreign", "steward.proxmox/foreign")
    own = foreign.sign(note.succession(note.origin_of(place.store.ledger_id), foreign.vkey)).base64
    for endorsement in (None, "", "AAAA", own):
        place.grow(type_="key", vkey=foreign.vkey, replaces=old, endorsement=endorsement)
    place.grow(type_="key", vkey=7, replaces=[])
    place.grow(type_="key")
    assert {(entry.endorsed, entry.successor) for entry in place.named().values()} == {(False, None)}
    assert list(place.named()) == [old, foreign.vkey]
    assert place.sign().vkey == old


def test_the_verifier_follows_the_same_keys(place: Place) -> None:
    first = place.present().vkey or ""
    place.rotate()
    place.rotate()
    place.grow()
    foreign = keys.make(place.folder / "foreign", "steward.proxmox/foreign")
    place.grow(type_="key", vkey=foreign.vkey, replaces=list(place.named())[-1], endorsement=None)
    signed = Checkpoint.parse(place.sign().checkpoint)[0].size
    place.grow()
    head = signing._head(place.store)
    place.store.keep(Checkpoint(note.origin_of(place.store.ledger_id), head.size, head.root).text([foreign]))
    report = verify.verify(place.store.source(), public_keys=[first])
    assert (report.verdict, report.problems) == (verify.INTACT, [])
    assert (report.entries, report.signed, report.checkpoints) == (6, signed, 5) == (6, 5, 5)


def test_a_ledger_in_a_database_is_signed_by_whoever_may_only_append(tmp_path: Path, postgres: Postgres) -> None:
    place = InDatabase(tmp_path, postgres.ledger())
    first = place.present().vkey or ""
    assert place.sign().changed  # the pin is new
    assert place.rotate().vkey != first
    place.grow()
    assert (place.sign().changed, place.sign().changed) == (True, False)
    report = verify.verify(place.store.source(), public_keys=[first])
    assert (report.verdict, report.entries, report.signed) == (verify.INTACT, 3, 3)


def test_an_endorsement_of_another_ledger_is_none(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other")
    other.folder.mkdir()
    place.present()
    shutil.copy2(place.key, other.key)
    other.present()
    other.rotate()
    frames = [json.loads(line[65:]) for line in other.store.source().lines(verify.LOG)]
    taken = {name: frames[-1][name] for name in ("vkey", "replaces", "endorsement")}
    place.grow(type_="key", **taken)
    assert other.named()[taken["vkey"]].endorsed
    assert not place.named()[taken["vkey"]].endorsed


def test_an_entry_that_is_written_again_changes_nothing(place: Place) -> None:
    for _unused in range(2):
        place.present()
        place.rotate()
    before = place.named()
    for frame in [json.loads(line[65:]) for line in place.store.source().lines(verify.LOG)]:
        place.grow(type_="key", **{name: frame[name] for name in ("vkey", "replaces", "endorsement")})
    assert place.named() == before


def test_a_copy_of_a_replaced_key_signs_no_more(place: Place) -> None:
    place.present()
    copy = place.folder / "copy"
    shutil.copy2(place.key, copy)
    place.rotate()
    place.key = copy
    for attempt in (place.sign, place.rotate):
        with pytest.raises(LedgerError, match=r"was replaced at 20.*; use that one"):
            attempt()
    assert keys.interrupted(copy) is None


def test_what_grew_is_signed_and_nothing_is_signed_twice(place: Place) -> None:
    place.present()
    place.grow()
    done = place.sign()
    assert done.changed
    assert done.vkey is not None
    assert note.verify(done.checkpoint, done.vkey)
    assert place.kept[-1] == place.pin.last() == place.witness.last() == done.checkpoint
    again = place.sign()
    assert (again.changed, again.checkpoint) == (False, done.checkpoint)
    place.grow()
    assert place.sign().changed
    assert [Checkpoint.parse(found)[0].size for found in place.kept] == [1, 2, 3]


def test_a_checkpoint_that_the_ledger_did_not_get_is_kept_by_the_next_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.present()
    place.grow()
    with monkeypatch.context() as patch:
        patch.setattr(FileStore, "keep", killed)
        with pytest.raises(Killed):
            place.sign()
    signed = place.pin.last()
    assert signed not in place.kept
    assert place.sign().checkpoint == signed
    assert place.kept[-1] == signed


def rolled_back(place: Place) -> None:
    path = place.ledger / "log.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def rewritten(place: Place) -> None:
    shutil.rmtree(place.ledger / "runs")
    (place.ledger / "log.jsonl").write_bytes(b"")
    for _unused in range(4):
        place.grow()


def replaced(place: Place) -> None:
    shutil.rmtree(place.ledger)
    place.grow()


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (rolled_back, "its log has 2 entries, and this key has signed 3: it was cut off, or rolled back"),
        (rewritten, "the first 3 entries of its log are not those that this key has signed"),
        (replaced, "belongs to another ledger"),
    ],
)
def test_another_history_is_never_signed(place: Place, tamper: Any, why: str) -> None:
    place.present()
    place.grow()
    place.grow()
    place.sign()
    tamper(place)
    before = place.kept
    for check_mode in (True, False):
        with pytest.raises(LedgerError, match=why):
            place.sign(check_mode)
    assert place.kept == before
    assert len(list(note.find(place.witness.path.read_text()))) == 2


def test_what_a_killed_writer_left_of_an_entry_is_not_signed(place: Place) -> None:
    place.present()
    with (place.ledger / "log.jsonl").open("ab") as file:
        file.write(b"0" * 40)
    assert Checkpoint.parse(place.sign().checkpoint)[0].size == 1
    place.grow()  # heals it, and says so: two entries
    assert Checkpoint.parse(place.sign().checkpoint)[0].size == 3


def test_nothing_is_signed_that_the_pin_does_not_remember(place: Place) -> None:
    place.present()
    before = place.kept
    place.pin = FileSink(place.folder / "missing" / "pin")
    with pytest.raises(LedgerError, match=r"pin: .* cannot be written: No such file or directory; nothing was signed"):
        place.sign()
    assert place.kept == before


def test_a_sink_that_misses_a_checkpoint_is_named(place: Place) -> None:
    place.witness = FileSink(place.folder / "missing" / "witness")
    with pytest.raises(SinkError):
        place.witness.send("")
    done = place.present()
    assert done.changed
    (missed,) = done.missed
    assert missed.startswith(f"the checkpoint did not reach file:{place.folder}/missing/witness: No such file")
