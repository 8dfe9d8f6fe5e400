# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tamper corpus: every kind of edit, by three kinds of people, and who catches it.

``edit`` changes the bytes and nothing else. ``chain`` also computes the hashes of the chains anew. ``log`` also makes
the log, its tree and the checkpoints beside it tell the new story: within the ledger nothing contradicts it any more.
``outside`` is the third ledger against a checkpoint that somebody kept elsewhere; ``signed`` against a public key, with
the old checkpoints still there, because the forger cannot make others.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint, Signer

from .forger import Forger, LedgerForger, copy
from .scribe import Scribe

Edit = Callable[[LedgerForger, "Original"], None]

#: the records of run `one`, and the entries of the log
OPEN, PLAN, INTENT, OUTCOME, REFUSED, INTENT_2, OUTCOME_2, CLOSE = range(8)
OPEN_ONE, CHECKPOINT_ONE, OPEN_TWO, CLOSE_ONE, CLOSE_TWO = range(5)

INTACT, TAMPERED, INCOMPLETE, UNVERIFIABLE = 0, 1, 2, 3
VERDICTS = ("intact", "tampered", "incomplete", "unverifiable")


@dataclass
class Original:
    """A ledger of two runs, what its jobs printed, and what else lies about."""

    path: Path
    signer: Signer
    one: str
    two: str
    notes: list[str]
    heads: dict[str, str]
    #: the same ledger before its second run ended, and another one
    older: Path
    other: Path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    folder = tmp_path_factory.mktemp("original")
    signer = keys.make(folder / "key", "steward")
    scribe = Scribe(folder / "ledger", signer)
    one = scribe.run("alice")
    one.add("plan", op_id="p1", host="web", plan={"summary": "update vm/100"})
    one.change(101, "update vm/101")
    one.checkpoint()
    one.add("refused", op_id="r1", host="web", reasons=["policy"])
    two = scribe.run("bob")
    one.change(102, "destroy vm/102")
    one.close()
    older = copy(folder / "ledger", folder / "older")
    two.change(103, "create vm/103")
    two.close()
    other = Scribe(folder / "other", signer).run("carol")
    other.change(104)
    other.close()
    heads = {run.id: run.last.head for run in (one, two)}
    return Original(folder / "ledger", signer, one.id, two.id, scribe.notes, heads, older, folder / "other")


def test_the_original_is_intact_by_every_measure(original: Original) -> None:
    report = verified(original.path, original, outside=True, signed=True)
    assert (report.verdict, report.exit_status) == ("intact", 0), report
    assert (report.runs, report.entries, report.signed, report.heads) == (2, 5, 5, original.heads)


# What may be done to it


def value(ledger: LedgerForger, original: Original) -> None:
    run = ledger.runs[original.one]
    run.lines[INTENT] = run.lines[INTENT].replace(b"update vm/101", b"update vm/901")


def actor(ledger: LedgerForger, original: Original) -> None:
    ledger.runs[original.one].edit(OPEN, actor={"source": "os", "user": "mallory"})


def status(ledger: LedgerForger, original: Original) -> None:
    run = ledger.runs[original.one]
    run.lines[OUTCOME_2] = run.lines[OUTCOME_2].replace(b'"status":"ok"', b'"status":"failed"')


def clock(ledger: LedgerForger, original: Original) -> None:
    ledger.runs[original.one].edit(INTENT, ts="2020-01-01T00:00:00.000000Z")


def white_space(ledger: LedgerForger, original: Original) -> None:
    run = ledger.runs[original.one]
    run.set_body(INTENT, run.lines[INTENT][65:-1] + b" ")


def key_order(ledger: LedgerForger, original: Original) -> None:
    run = ledger.runs[original.one]
    body = dict(reversed(run.body(INTENT).items()))
    run.set_body(INTENT, json.dumps(body, separators=(",", ":")).encode())


def key_twice(ledger: LedgerForger, original: Original) -> None:
    run = ledger.runs[original.one]
    run.set_body(INTENT, run.lines[INTENT][65:-2] + b',"host":"evil"}')


def key_twice_in_the_opening(ledger: LedgerForger, original: Original) -> None:
    run = ledger.runs[original.one]
    run.set_body(OPEN, run.lines[OPEN][65:-2] + b',"actor":"evil"}')


def swap(ledger: LedgerForger, original: Original) -> None:
    lines = ledger.runs[original.one].lines
    lines[PLAN], lines[REFUSED] = lines[REFUSED], lines[PLAN]


def swap_an_outcome_with_its_intent(ledger: LedgerForger, original: Original) -> None:
    lines = ledger.runs[original.one].lines
    lines[INTENT], lines[OUTCOME] = lines[OUTCOME], lines[INTENT]


def double(ledger: LedgerForger, original: Original) -> None:
    lines = ledger.runs[original.one].lines
    lines.insert(PLAN, lines[PLAN])


def double_an_intent(ledger: LedgerForger, original: Original) -> None:
    lines = ledger.runs[original.one].lines
    lines.insert(INTENT, lines[INTENT])


def insert(ledger: LedgerForger, original: Original) -> None:
    lines = ledger.runs[original.one].lines
    lines.insert(INTENT, lines[PLAN].replace(b'"p1"', b'"p2"'))


def insert_of_another_run(ledger: LedgerForger, original: Original) -> None:
    ledger.runs[original.one].lines.insert(INTENT, ledger.runs[original.two].lines[1])


def insert_what_is_no_record(ledger: LedgerForger, original: Original) -> None:
    ledger.runs[original.one].lines.insert(INTENT, b"0" * 64 + b' {"hello":"world"}\n')


def drop_the_first(ledger: LedgerForger, original: Original) -> None:
    del ledger.runs[original.one].lines[OPEN]


def drop_one(ledger: LedgerForger, original: Original) -> None:
    del ledger.runs[original.one].lines[PLAN]


def drop_a_change(ledger: LedgerForger, original: Original) -> None:
    del ledger.runs[original.one].lines[INTENT_2 : OUTCOME_2 + 1]


def drop_an_outcome(ledger: LedgerForger, original: Original) -> None:
    run = ledger.runs[original.one]
    del run.lines[OUTCOME]


def drop_the_last(ledger: LedgerForger, original: Original) -> None:
    del ledger.runs[original.one].lines[CLOSE]


def cut_at_a_border(ledger: LedgerForger, original: Original) -> None:
    del ledger.runs[original.one].lines[REFUSED:]


def cut_within_a_record(ledger: LedgerForger, original: Original) -> None:
    ledger.runs[original.one].lines[CLOSE] = ledger.runs[original.one].lines[CLOSE][:200]


def only_the_opening_is_left(ledger: LedgerForger, original: Original) -> None:
    del ledger.runs[original.one].lines[PLAN:]


def nothing_is_left(ledger: LedgerForger, original: Original) -> None:
    ledger.runs[original.one].lines.clear()


def add_after_the_end(ledger: LedgerForger, original: Original) -> None:
    ledger.runs[original.one].lines.append(ledger.runs[original.one].lines[PLAN])


def fork(ledger: LedgerForger, original: Original) -> None:
    """Its first records, and then another story."""
    run = ledger.runs[original.one]
    run.lines[REFUSED] = run.lines[REFUSED].replace(b"policy", b"other!")
    del run.lines[INTENT_2 : OUTCOME_2 + 1]


def removed_run(ledger: LedgerForger, original: Original) -> None:
    ledger.remove(original.one)


def run_of_another_ledger(ledger: LedgerForger, original: Original) -> None:
    """Two ledgers are made one."""
    for file in (original.other / "runs").iterdir():
        ledger.runs["other"] = Forger(file)
        ledger.runs["other"].path = ledger.path / "runs" / file.name


def run_under_another_name(ledger: LedgerForger, original: Original) -> None:
    path = ledger.runs[original.one].path
    ledger.runs["copy"] = Forger(path)
    ledger.runs["copy"].path = path.with_name(path.name.replace(original.one, "f" * 32))


def run_with_another_beginning(ledger: LedgerForger, original: Original) -> None:
    path = ledger.runs[original.one].path
    ledger.runs["copy"] = Forger(path)
    ledger.runs["copy"].path = path.with_name(f"20200101T000000Z-{original.one}.jsonl")


def entry_value(ledger: LedgerForger, original: Original) -> None:
    ledger.log.edit(CHECKPOINT_ONE, ts="2020-01-01T00:00:00.000000Z")


def entry_dropped(ledger: LedgerForger, original: Original) -> None:
    del ledger.log.lines[CHECKPOINT_ONE]


def entry_of_the_opening_dropped(ledger: LedgerForger, original: Original) -> None:
    del ledger.log.lines[OPEN_ONE]


def entries_swapped(ledger: LedgerForger, original: Original) -> None:
    lines = ledger.log.lines
    lines[CHECKPOINT_ONE], lines[OPEN_TWO] = lines[OPEN_TWO], lines[CHECKPOINT_ONE]


def entry_doubled(ledger: LedgerForger, original: Original) -> None:
    ledger.log.lines.insert(CHECKPOINT_ONE, ledger.log.lines[CHECKPOINT_ONE])


def entry_of_another_log(ledger: LedgerForger, original: Original) -> None:
    ledger.log.lines.insert(CHECKPOINT_ONE, Forger(original.other / "log.jsonl").lines[0])
    ledger.log.edit(CHECKPOINT_ONE, run=original.one, type="checkpoint")


def log_cut_at_a_border(ledger: LedgerForger, original: Original) -> None:
    del ledger.log.lines[CLOSE_TWO]


def log_emptied(ledger: LedgerForger, original: Original) -> None:
    ledger.log.lines.clear()


#: the exit status, with nothing but the ledger: by an edit alone, with the chains computed anew, with the log, too.
#: A checkpoint from outside catches every one of them, see below.
CORPUS: list[tuple[Edit, int, int, int]] = [
    (value, TAMPERED, TAMPERED, INTACT),
    (actor, TAMPERED, TAMPERED, INTACT),
    (status, TAMPERED, TAMPERED, INTACT),
    (clock, TAMPERED, TAMPERED, INTACT),
    (white_space, TAMPERED, TAMPERED, INTACT),
    (key_order, TAMPERED, TAMPERED, TAMPERED),
    (key_twice, TAMPERED, TAMPERED, INTACT),  # tampered with `strict`
    (key_twice_in_the_opening, TAMPERED, TAMPERED, TAMPERED),
    (swap, TAMPERED, TAMPERED, INTACT),
    (swap_an_outcome_with_its_intent, TAMPERED, TAMPERED, TAMPERED),
    (double, TAMPERED, TAMPERED, INTACT),
    (double_an_intent, TAMPERED, TAMPERED, TAMPERED),
    (insert, TAMPERED, TAMPERED, INTACT),
    (insert_of_another_run, TAMPERED, TAMPERED, TAMPERED),
    (insert_what_is_no_record, TAMPERED, TAMPERED, TAMPERED),
    (drop_the_first, TAMPERED, TAMPERED, TAMPERED),
    (drop_one, TAMPERED, TAMPERED, INTACT),
    (drop_a_change, TAMPERED, TAMPERED, INTACT),
    (drop_an_outcome, TAMPERED, TAMPERED, TAMPERED),  # the end of the run names what has no outcome
    (drop_the_last, TAMPERED, TAMPERED, INCOMPLETE),
    (cut_at_a_border, TAMPERED, TAMPERED, INCOMPLETE),
    (cut_within_a_record, TAMPERED, TAMPERED, INCOMPLETE),
    (only_the_opening_is_left, TAMPERED, TAMPERED, INCOMPLETE),
    (nothing_is_left, TAMPERED, TAMPERED, INCOMPLETE),
    (add_after_the_end, TAMPERED, TAMPERED, TAMPERED),
    (fork, TAMPERED, TAMPERED, INTACT),
    (removed_run, TAMPERED, TAMPERED, INTACT),
    (run_of_another_ledger, TAMPERED, TAMPERED, TAMPERED),
    (run_under_another_name, TAMPERED, TAMPERED, TAMPERED),
    (run_with_another_beginning, TAMPERED, TAMPERED, TAMPERED),
    (entry_value, TAMPERED, TAMPERED, INTACT),
    (entry_dropped, TAMPERED, TAMPERED, INTACT),
    (entry_of_the_opening_dropped, TAMPERED, TAMPERED, TAMPERED),
    (entries_swapped, TAMPERED, TAMPERED, INTACT),
    (entry_doubled, TAMPERED, TAMPERED, INTACT),
    (entry_of_another_log, TAMPERED, TAMPERED, TAMPERED),
    (log_cut_at_a_border, TAMPERED, TAMPERED, INCOMPLETE),
    (log_emptied, TAMPERED, TAMPERED, TAMPERED),
]
NAMES = [row[0].__name__ for row in CORPUS]


def verified(path: Path, original: Original, outside: bool = False, signed: bool = False) -> verify.Report:
    checkpoints = ["what a job printed\n" + original.notes[-1]] if outside else []
    return verify.verify(
        verify.source(path), checkpoints=checkpoints, public_keys=[original.signer.vkey] if signed else []
    )


def forged(original: Original, to: Path, edit: Edit, by: str) -> Path:
    ledger = LedgerForger(copy(original.path, to))
    edit(ledger, original)
    if by != "edit":
        ledger.recompute_chains()
    if by == "log":
        ledger.recompute_log()
    ledger.save()
    return to


@pytest.mark.parametrize(("edit", "by_edit", "by_chain", "by_log"), CORPUS, ids=NAMES)
def test_who_is_caught(
    original: Original, tmp_path: Path, edit: Edit, by_edit: int, by_chain: int, by_log: int
) -> None:
    for by, expected in (("edit", by_edit), ("chain", by_chain), ("log", by_log)):
        path = forged(original, tmp_path / by, edit, by)
        report = verified(path, original)
        assert (report.exit_status, report.verdict) == (expected, VERDICTS[expected]), (by, report)

    # whatever was made to fit: what somebody kept elsewhere does not
    path = tmp_path / "log"
    report = verified(path, original, outside=True)
    assert (report.exit_status, report.verdict) == (TAMPERED, "tampered"), report
    if by_log in (INTACT, INCOMPLETE):
        assert "only the checkpoint caught it" in report.problems[-1].reason or "cut off" in report.problems[-1].reason
        # without the key nobody signs the new story; with the old checkpoints beside it, it is contradicted
        assert verified(path, original, signed=True).exit_status == UNVERIFIABLE
        LedgerForger(path).keep(original.notes)
        assert verified(path, original, signed=True).exit_status == TAMPERED


@pytest.mark.parametrize("place", [OPEN, PLAN, INTENT, OUTCOME, REFUSED, CLOSE])
def test_a_change_of_any_field_is_caught_although_the_chain_was_computed_anew(
    original: Original, tmp_path: Path, place: int
) -> None:
    ledger = LedgerForger(copy(original.path, tmp_path / "ledger"))
    run = ledger.runs[original.one]
    lines = list(run.lines)
    for name in run.body(place):
        run.lines = list(lines)
        run.edit(place, **{name: "other"})
        run.save()
        assert verified(ledger.path, original).exit_status == TAMPERED, name
        run.recompute()
        run.save()
        assert verified(ledger.path, original).exit_status == TAMPERED, name


@pytest.mark.parametrize("place", range(5))
def test_a_change_of_any_field_of_the_log_is_caught(original: Original, tmp_path: Path, place: int) -> None:
    """Of the last entry, only a checkpoint tells: one that lies beside it is enough."""
    ledger = LedgerForger(copy(original.path, tmp_path / "ledger"))
    lines = list(ledger.log.lines)
    for name in ledger.log.body(place):
        ledger.log.lines = list(lines)
        ledger.log.edit(place, **{name: "other"})
        ledger.log.save()
        assert verified(ledger.path, original).exit_status == TAMPERED, name
        ledger.log.recompute()
        ledger.log.save()
        assert verified(ledger.path, original).exit_status == TAMPERED, name


def test_a_flipped_bit_is_caught_in_every_byte_of_every_file(original: Original, tmp_path: Path) -> None:
    """But in the last byte, without which the record before it is one that a killed process left."""
    ledger = copy(original.path, tmp_path / "ledger")
    for file in (ledger / "log.jsonl", *sorted((ledger / "runs").iterdir()), ledger / "ledger_id"):
        data = file.read_bytes()
        for place in range(0, len(data) - 1, 1 if file.name == "ledger_id" else 17):
            file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            report = verified(ledger, original)
            assert report.exit_status == TAMPERED, (file, place, report)
        file.write_bytes(data)
    assert verified(ledger, original).exit_status == INTACT


def test_a_flipped_bit_in_a_checkpoint_is_caught(original: Original, tmp_path: Path) -> None:
    """In a signature only by who has the public key."""
    ledger = copy(original.path, tmp_path / "ledger")
    file = ledger / "checkpoints"
    text = original.notes[2]
    others = [note for note in original.notes if note != text]
    for place in range(len(text.encode())):
        data = bytearray(text.encode())
        data[place] ^= 1
        file.write_bytes(b"\n".join([others[0].encode(), bytes(data), *(note.encode() for note in others[1:]), b""]))
        signed = place >= text.encode().index(b"\n\n")
        found = {verified(ledger, original, signed=signed).exit_status, verified(ledger, original).exit_status}
        assert found <= {INTACT, TAMPERED}
        if not signed:
            assert found == {TAMPERED}, (place, bytes(data))


@pytest.mark.parametrize("seed", range(5))
def test_damage_of_any_kind_neither_passes_nor_crashes(original: Original, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    ledger = copy(original.path, tmp_path / "ledger")
    files = [ledger / "log.jsonl", *sorted((ledger / "runs").iterdir())]
    for _unused in range(60):
        file = random.choice(files)
        data = file.read_bytes()
        start, end, to = sorted(random.randrange(len(data)) for _unused in range(3))
        end = min(end, start + random.choice((1, 3, 70, 2000)))
        damaged = random.choice(
            [
                data[:start] + random.randbytes(end - start) + data[end:],
                data[:start] + data[end:],
                data[:end] + data[start:end] + data[end:],
                data[:start] + data[end:to] + data[start:end] + data[to:],
                data[:start],
                data[:start] + b"\n" + data[start:],
            ]
        )
        file.write_bytes(damaged)
        report = verified(ledger, original)
        assert damaged == data or report.exit_status != INTACT, (file, start, end, to)
        file.write_bytes(data)


def test_an_older_copy_is_consistent_and_only_what_was_kept_elsewhere_tells(original: Original) -> None:
    report = verify.verify(verify.source(original.older), running={original.two})
    assert report.verdict == "intact"
    for report in (
        verified(original.older, original, outside=True),
        verify.verify(verify.source(original.older), original.heads),
    ):
        assert report.exit_status == TAMPERED
    assert "rolled back" in verified(original.older, original, outside=True).problems[-1].reason
    # a checkpoint of that time has nothing to say against it, and nor has the key
    early = verify.verify(
        verify.source(original.older),
        running={original.two},
        checkpoints=original.notes[:3],
        public_keys=[original.signer.vkey],
    )
    assert (early.verdict, early.signed) == ("intact", 4)


def test_a_new_ledger_in_the_place_of_the_old_one(original: Original) -> None:
    assert verified(original.other, original).exit_status == INTACT
    report = verified(original.other, original, outside=True)
    assert (report.exit_status, "of another ledger" in report.problems[0].reason) == (TAMPERED, True)
    report = verify.verify(verify.source(original.other), original.heads)
    assert {problem.reason for problem in report.problems} == {
        f"the run {run_id} is missing" for run_id in original.heads
    }


def test_files_that_are_gone(original: Original, tmp_path: Path) -> None:
    for number, (name, expected) in enumerate(
        [("ledger_id", TAMPERED), ("log.jsonl", TAMPERED), ("checkpoints", INTACT), ("runs", TAMPERED)]
    ):
        ledger = copy(original.path, tmp_path / str(number))
        gone = ledger / name
        (gone.rename if gone.is_dir() else gone.replace)(tmp_path / f"gone{number}")
        report = verified(ledger, original)
        assert report.exit_status == expected, (name, report)
        assert verified(ledger, original, outside=True).exit_status == expected


def test_what_follows_the_last_checkpoint_of_an_open_run_can_be_cut_off(tmp_path: Path) -> None:
    """The one edit that nothing catches: it looks like a run that was killed earlier."""
    scribe = Scribe(tmp_path / "ledger")
    run = scribe.run()
    run.change()
    run.checkpoint()
    run.change()
    forger = Forger(run.chain.path)
    del forger.lines[-2:]
    forger.save()
    assert verify.verify(scribe.source, checkpoints=scribe.notes).verdict == "incomplete"
    del forger.lines[-1]
    forger.save()
    assert verify.verify(scribe.source).verdict == "tampered"


def test_who_has_the_signing_key_is_caught_by_what_was_kept_elsewhere(original: Original, tmp_path: Path) -> None:
    path = forged(original, tmp_path / "ledger", value, "log")
    unsigned = verify.source(path).checkpoints()
    LedgerForger(path).keep(
        Checkpoint.parse(text.strip() + "\n\n")[0].text([original.signer]) for text in list(unsigned)
    )
    assert verified(path, original, signed=True).exit_status == INTACT
    assert verified(path, original, signed=True, outside=True).exit_status == TAMPERED


def test_two_versions_of_a_ledger_contradict_each_other(original: Original, tmp_path: Path) -> None:
    """Each of them is consistent, and only who has seen something of both can tell."""
    paths = [forged(original, tmp_path / edit.__name__, edit, "log") for edit in (value, actor)]
    sources = [verify.source(path) for path in paths]
    assert [verify.verify(source).exit_status for source in sources] == [INTACT, INTACT]
    seen = ["".join(source.checkpoints()) for source in sources]
    for source, mine, other in zip(sources, seen, reversed(seen), strict=True):
        assert verify.verify(source, checkpoints=[mine]).exit_status == INTACT
        assert verify.verify(source, checkpoints=[other]).exit_status == TAMPERED


def test_a_run_that_somebody_retired_by_hand_is_told(original: Original, tmp_path: Path) -> None:
    """It is an entry like any other, and an archive has to have the run."""
    ledger = LedgerForger(copy(original.path, tmp_path / "ledger"))
    gone = ledger.log.body(CLOSE_ONE)
    ledger.log.lines.append(ledger.log.lines[CLOSE_ONE])
    ledger.log.edit(-1, type="retired", run=gone["run"], why="", to="")
    ledger.recompute_log()
    ledger.save()
    ledger.runs[original.one].path.unlink()
    report = verified(ledger.path, original, outside=True)
    assert (report.verdict, report.retired) == ("intact", 1)
