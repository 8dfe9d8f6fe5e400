# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verifier on whole ledgers: the log against the runs, checkpoints, keys, and those who write meanwhile."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Signer, origin_of, succession
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

from .forger import Forger, LedgerForger
from .scribe import Scribe, ScribedRun


@pytest.fixture
def scribe(ledger: Path) -> Scribe:
    return Scribe(ledger)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return keys.make(tmp_path / "key", "steward")


def verified(scribe: Scribe, **known: Any) -> verify.Report:
    return verify.verify(scribe.source, **known)


def reasons(report: verify.Report) -> list[str]:
    return [problem.reason for problem in report.problems]


def closed(scribe: Scribe) -> ScribedRun:
    run = scribe.run()
    run.change()
    run.close()
    return run


# Runs and the log


def test_a_run_is_known_to_the_log_before_it_changes_anything(scribe: Scribe) -> None:
    chain, _opened = scribe.store.begin({})
    report = verified(scribe)
    assert (report.verdict, reasons(report)) == ("incomplete", ["the run was not closed"])
    chain.append("plan", {"op_id": "p1"})
    assert reasons(verified(scribe)) == ["the log of the ledger is gone"]
    closed(scribe)
    report = verified(scribe)
    assert (report.verdict, reasons(report)) == ("tampered", ["the log does not know this run"])


def test_the_end_of_a_run_stands_in_the_log(scribe: Scribe) -> None:
    run = scribe.run()
    run.add("run_close", counts={}, dangling=[], broken="")
    report = verified(scribe)
    assert (report.verdict, reasons(report)) == ("incomplete", ["its end was not entered in the log"])
    assert verified(scribe, running={run.id}).verdict == "intact"


def test_a_dead_run_may_be_accounted_for(scribe: Scribe) -> None:
    run = scribe.run()
    run.change()
    whole = run.chain.path.read_bytes()
    run.chain.path.write_bytes(whole + b"torn")
    assert verified(scribe).verdict == "incomplete"
    scribe.enter("settled", run=run.id, at=run.last.seq, head=run.last.head, why="looked at by hand")
    report = verified(scribe)
    assert (report.verdict, report.settled) == ("intact", 1)
    assert list(verify.describe(report))[-1].endswith(", runs settled 1")
    run.chain.path.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    assert verified(scribe).verdict == "tampered"


def test_a_run_that_was_taken_for_dead_may_go_on(scribe: Scribe) -> None:
    run = scribe.run()
    run.change()
    scribe.enter("settled", run=run.id, at=run.last.seq, head=run.last.head, why="looked at by hand")
    run.change()
    report = verified(scribe)
    assert (report.verdict, report.settled, reasons(report)) == ("incomplete", 0, ["the run was not closed"])
    run.close()
    report = verified(scribe)
    assert (report.verdict, report.settled) == ("intact", 0)


def test_a_recording_that_failed_stays_incomplete_until_it_is_settled(scribe: Scribe) -> None:
    run = scribe.run()
    run.add("run_close", counts={}, dangling=[], broken="the disk was full")
    run._enter("close")
    assert reasons(verified(scribe)) == ["recording failed in this run: the disk was full"]
    scribe.enter("settled", run=run.id, at=run.last.seq, head=run.last.head, why="nothing was lost")
    assert verified(scribe).verdict == "intact"


def test_a_run_that_was_retired_is_not_missed(scribe: Scribe) -> None:
    run, other = closed(scribe), closed(scribe)
    scribe.enter("retired", run=run.id, at=run.last.seq, head=run.last.head, why="older than 52w", to="/archive")
    assert (verified(scribe).verdict, verified(scribe).retired) == ("intact", 0)
    scribe.store.remove(run.id)
    report = verified(scribe, expected_head={run.id: run.last.head, other.id: other.last.head})
    assert (report.verdict, report.runs, report.retired) == ("intact", 1, 1)
    assert verified(scribe, expected_head={run.id: "0" * 64}).verdict == "tampered"
    scribe.store.remove(other.id)
    report = verified(scribe)
    assert (report.verdict, report.problems[0].record) == ("tampered", 3)
    assert verified(scribe, partial=True).verdict == "intact"


def test_a_run_of_another_ledger_may_be_adopted(scribe: Scribe, tmp_path: Path) -> None:
    spool = Scribe(tmp_path / "spool")
    run = closed(spool)
    source, name = spool.source, spool.store.ledger_id
    scribe.store.adopt(run.id, source.began(run.id), source.lines(run.id))
    about: dict[str, Any] = {"run": run.id, "at": run.last.seq, "head": run.last.head, "why": "emergency"}
    assert verified(scribe).verdict == "tampered"
    scribe.enter("adopted", ledger=name, **about)
    assert verified(scribe).verdict == "intact"
    scribe.enter("checkpoint", **about)
    assert reasons(verified(scribe)) == ["the run was over before"]


def test_what_became_of_a_change_may_be_found_out_later(scribe: Scribe) -> None:
    killed, later = scribe.run(), scribe.run()
    op, other = killed.intend(101), killed.intend(102)
    killed.tell(other, "unknown")
    killed.close()
    assert [change.op_id for change in verified(scribe).dangling] == [other, op]
    later.add("resolved", of={"run": killed.id, "op": op}, status="ok", upid="UPID:", why="its task ended so")
    later.add("resolved", of={"run": killed.id, "op": other}, status="unknown", upid=None, why="two tasks fit")
    later.close()
    report = verified(scribe)
    assert (report.verdict, [change.op_id for change in report.dangling]) == ("incomplete", [other])
    last = scribe.run()
    last.add("resolved", of={"run": killed.id, "op": other}, status="failed", upid="UPID:", why="its task ended so")
    last.close()
    assert verified(scribe).verdict == "intact"


@pytest.mark.parametrize(
    ("type_", "fields", "reason"),
    [
        ("open", {}, "the run was begun before"),
        ("close", {"run": "f" * 32}, "the run was never begun"),
        ("close", {}, "the run was over before"),
        ("checkpoint", {}, "the run was over before"),
        ("retired", {"at": 1}, "the entry contradicts what the log had of the run"),
        ("retired", {"head": "0" * 64}, "the entry contradicts what the log had of the run"),
        ("retired", {"head": "x"}, "the entry does not say which record of the run it is about"),
        ("retired", {"at": "4"}, "the entry does not say which record of the run it is about"),
        ("retired", {"run": "../x"}, "the record has no run"),
        ("settled", {"at": 5}, "the end is missing: the log has the hash of record 5, and 4 are here"),
        ("intent", {}, "an entry of type intent cannot stand here"),
    ],
)
def test_a_log_that_contradicts_itself_is_no_log(
    scribe: Scribe, type_: str, fields: dict[str, Any], reason: str
) -> None:
    run = closed(scribe)
    scribe.enter(type_, **{"run": run.id, "at": run.last.seq, "head": run.last.head, "why": "", **fields})
    report = verified(scribe)
    assert (report.verdict, reasons(report)) == ("tampered", [reason])


def test_an_entry_that_was_altered_is_caught_without_any_checkpoint(scribe: Scribe) -> None:
    closed(scribe)
    (scribe.store.path / "checkpoints").unlink()
    forger = Forger(scribe.store.path / "log.jsonl")
    forger.edit(0, ts="2020-01-01T00:00:00.000000Z")
    forger.recompute()
    forger.save()
    report = verified(scribe)
    assert (report.problems[0].record, "its peaks do not fit" in reasons(report)[0]) == (2, True)


def test_a_run_of_another_ledger_is_caught_although_the_log_knows_it(scribe: Scribe, tmp_path: Path) -> None:
    other = Scribe(tmp_path / "other")
    run = closed(other)
    scribe.store.adopt(run.id, other.source.began(run.id), other.source.lines(run.id))
    for type_ in ("open", "close"):
        scribe.enter(type_, run=run.id, at=run.last.seq, head=run.last.head)
    assert reasons(verified(scribe)) == ["the run belongs to another ledger"]


def test_what_is_wrong_with_the_log_does_not_hide_what_is_wrong_with_the_runs(scribe: Scribe) -> None:
    run, other = closed(scribe), closed(scribe)
    forger = LedgerForger(scribe.store.path)
    forger.log.lines[2] = b"x\n"
    del forger.runs[run.id].lines[-1]
    forger.save()
    report = verified(scribe)
    assert [Path(problem.file).name for problem in report.problems] == [run.chain.path.name, "log.jsonl"]
    assert other.id in report.heads


# Files


def test_runs_and_the_log_may_be_in_several_files(tmp_path: Path) -> None:
    scribe = Scribe(tmp_path / "ledger", segment_size=900)
    run = scribe.run()
    for vmid in range(100, 106):
        run.change(vmid)
        run.checkpoint()
    run.close()
    names = sorted(path.name for path in run.chain.path.parent.iterdir())
    assert len(names) > 2
    assert (scribe.store.path / "log.2.jsonl").exists()
    assert verified(scribe, checkpoints=scribe.notes).verdict == "intact"

    middle = run.chain.path.with_suffix(".2.jsonl")
    for gone in (middle, run.chain.path, scribe.store.path / "log.2.jsonl", scribe.store.path / "log.jsonl"):
        gone.rename(tmp_path / "gone")
        assert verified(scribe).verdict == "tampered", gone
        (tmp_path / "gone").rename(gone)
    assert verified(scribe).verdict == "intact"


def test_runs_come_in_the_order_of_their_beginning(scribe: Scribe) -> None:
    """Within a second, too."""
    runs = [scribe.run().id for _unused in range(8)]
    assert scribe.source.runs() == runs
    assert scribe.source.began(runs[0]) <= scribe.source.began(runs[-1])


def test_what_lies_about_is_not_verified(scribe: Scribe, tmp_path: Path) -> None:
    run = closed(scribe)
    folder = run.chain.path.parent
    (folder / "notes.txt").write_text("x")
    (folder / f"20261121T120000Z-{'0' * 32}.jsonl").symlink_to(run.chain.path)
    os.mkfifo(folder / f"20261121T120000Z-{'1' * 32}.jsonl")
    report = verified(scribe)
    assert (report.verdict, report.exit_status, len(report.problems)) == ("unverifiable", 3, 3)
    assert verify.verify(verify.Directory(tmp_path / "none")).exit_status == 3
    empty = verify.verify(Scribe(tmp_path / "empty").source)
    assert (empty.exit_status, reasons(empty)) == (3, ["the ledger has no runs"])


def test_a_pipe_in_the_place_of_a_file_does_not_hang(scribe: Scribe) -> None:
    closed(scribe)
    for name in ("checkpoints", "log.jsonl", "ledger_id"):
        (scribe.store.path / name).unlink()
        os.mkfifo(scribe.store.path / name)
        assert verified(scribe).exit_status in (1, 3)


def test_what_a_killed_process_left_is_told(scribe: Scribe) -> None:
    closed(scribe)
    whole = (scribe.store.path / "log.jsonl").read_bytes()
    (scribe.store.path / "log.jsonl").write_bytes(whole + b"0123")
    report = verified(scribe)
    assert (report.verdict, reasons(report)) == ("incomplete", ["its last 4 bytes are no whole record"])
    (scribe.store.path / "log.jsonl").write_bytes(whole)
    for length in range(1, len(scribe.notes[0])):
        torn = scribe.notes[0][:length] + "\n\n" + "\n".join(scribe.notes)
        (scribe.store.path / "checkpoints").write_text(torn)
        assert verified(scribe).verdict == "intact", length


# Those who write meanwhile


class Meanwhile(verify.Directory):
    """Somebody writes after the log was read for the first time."""

    def __init__(self, scribe: Scribe, work: Callable[[], object]) -> None:
        super().__init__(scribe.store.path)
        self._work: Callable[[], object] | None = work

    def lines(self, run_id: str) -> Iterator[bytes]:
        found = list(super().lines(run_id))
        work, self._work = self._work, None
        if work:
            work()
        return iter(found)


@pytest.mark.parametrize("work", ["run", "go on", "end", "retire", "checkpoint"])
def test_who_writes_meanwhile_does_not_look_like_a_forger(scribe: Scribe, work: str) -> None:
    old, running = closed(scribe), scribe.run()

    def retire() -> None:
        scribe.enter("retired", run=old.id, at=old.last.seq, head=old.last.head, why="", to="")
        scribe.store.remove(old.id)

    works: dict[str, Callable[[], object]] = {
        "run": lambda: closed(scribe),
        "go on": running.change,
        "end": running.close,
        "retire": retire,
        "checkpoint": running.checkpoint,
    }
    report = verify.verify(Meanwhile(scribe, works[work]), running={running.id} if work != "end" else ())
    assert (report.verdict, report.problems) == ("intact", [])


# Checkpoints


def test_checkpoints_may_lie_in_any_order(scribe: Scribe) -> None:
    closed(scribe)
    closed(scribe)
    LedgerForger(scribe.store.path).keep(reversed(scribe.notes))
    assert verified(scribe).checkpoints == 4


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda note: note,
    "in the log of a job": lambda note: f"PLAY [all] ***\n\nok: [h1]\n{note}\nPLAY RECAP ***\n",
    "with time stamps": lambda note: "".join(f"2026-11-21T12:00:00.1Z {line}" for line in note.splitlines(True)),
    "with carriage returns": lambda note: note.replace("\n", "\r\n"),
    "in JSON": lambda note: json.dumps({"stdout": f"x\n{note}", "n": 1}),
    "in JSON that is not ASCII": lambda note: json.dumps([note], ensure_ascii=False),
    "in the file of syslog": lambda note: f"Nov 21 12:00:00 h steward: {note}".replace("\n", "#012"),
    "at the border of a block": lambda note: "x" * (verify.BLOCK - 60) + "\n" + note + "y" * verify.BLOCK,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_a_checkpoint_is_found_in_any_text(tmp_path: Path, signer: Signer, form: str, signed: bool) -> None:
    scribe = Scribe(tmp_path / "ledger", *([signer] if signed else []))
    closed(scribe)
    (tmp_path / "file").write_text(FORMS[form](scribe.notes[-1]), newline="")
    assert verify.notes_in_file(str(tmp_path / "file")) == scribe.notes[-1]
    report = verified(scribe, checkpoints=[FORMS[form](scribe.notes[-1])])
    assert (report.verdict, report.checkpoints) == ("intact", 3)


def test_a_checkpoint_is_found_wherever_a_block_ends(tmp_path: Path, signer: Signer) -> None:
    scribe = Scribe(tmp_path / "ledger", signer)
    closed(scribe)
    text = "".join(scribe.notes)
    for end in range(0, len(text), 7):
        assert [note.text for note in verify.notes([text[:end], text[end:]])] == scribe.notes


def test_base64_has_one_form(scribe: Scribe) -> None:
    """Its last letter before the = has two bits that mean nothing."""
    closed(scribe)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    place = scribe.notes[-1].index("=") - 1
    other = alphabet[alphabet.index(scribe.notes[-1][place]) + 1]
    note = scribe.notes[-1][:place] + other + scribe.notes[-1][place + 1 :]
    assert list(verify.notes([note])) == []
    LedgerForger(scribe.store.path).keep([*scribe.notes[:-1], note])
    assert "what is kept as a checkpoint is none" in reasons(verified(scribe))[0]


def test_a_text_with_checkpoints_of_several_ledgers(scribe: Scribe, tmp_path: Path) -> None:
    other = Scribe(tmp_path / "other")
    closed(scribe)
    closed(other)
    assert verified(scribe, checkpoints=["".join([*other.notes, *scribe.notes])]).verdict == "intact"
    report = verified(scribe, checkpoints=[other.notes[0]])
    assert (report.verdict, "of another ledger" in reasons(report)[0]) == ("tampered", True)


# Keys


def handed_over(scribe: Scribe, old: Signer, new: Signer, endorsement: str | None = None) -> None:
    """As ledger_key does it."""
    line = old.sign(succession(origin_of(scribe.store.ledger_id), new.vkey)).line
    proof = line.split(" ")[2].strip() if endorsement is None else endorsement
    scribe.enter("key", vkey=new.vkey, replaces=old.vkey, endorsement=proof, signers=[old, new])


def test_a_key_is_followed_to_those_that_replace_it(scribe: Scribe, signer: Signer, tmp_path: Path) -> None:
    new, newer = (keys.make(tmp_path / name, name) for name in ("new", "newer"))
    scribe.enter("key", vkey=signer.vkey, replaces=None, endorsement=None, signers=[signer])
    assert verified(scribe, public_keys=[signer.vkey]).signed == 1
    handed_over(scribe, signer, new)
    handed_over(scribe, new, newer)
    scribe.signers = (newer,)
    closed(scribe)
    for key, signed in ((signer, 5), (new, 5), (newer, 5)):
        report = verified(scribe, public_keys=[key.vkey])
        assert (report.verdict, report.signed) == ("intact", signed)
    # what was replaced signs nothing any more
    scribe.signers = (signer,)
    closed(scribe)
    assert verified(scribe, public_keys=[signer.vkey]).signed == 5
    # and hands nothing over any more
    handed_over(scribe, signer, keys.make(tmp_path / "thief", "thief"))
    scribe.signers = (keys.load(tmp_path / "thief"),)
    closed(scribe)
    assert verified(scribe, public_keys=[signer.vkey]).signed == 5


@pytest.mark.parametrize("endorsement", ["", "AAAA", "x", "A" * 92])
def test_whoever_may_write_the_log_does_not_become_who_signs_it(
    scribe: Scribe, signer: Signer, tmp_path: Path, endorsement: str
) -> None:
    thief = keys.make(tmp_path / "thief", "thief")
    scribe.signers = (signer,)
    closed(scribe)
    handed_over(scribe, signer, thief, endorsement=endorsement)
    scribe.signers = (thief,)
    closed(scribe)
    report = verified(scribe, public_keys=[signer.vkey])
    assert (report.verdict, report.signed) == ("intact", 3)
    assert "signed up to entry 3" in list(verify.describe(report))[-1]


def test_a_wrong_signature_and_none_at_all(scribe: Scribe, signer: Signer, tmp_path: Path) -> None:
    other = keys.make(tmp_path / "other", "steward")
    scribe.signers = (other,)
    closed(scribe)
    report = verified(scribe, public_keys=[signer.vkey])
    assert (report.verdict, "none of its checkpoints is signed by" in reasons(report)[0]) == ("unverifiable", True)
    scribe.signers = (signer,)
    closed(scribe)
    assert verified(scribe, public_keys=[signer.vkey, other.vkey]).verdict == "intact"
    first, last = scribe.notes[-2:]
    forger = LedgerForger(scribe.store.path)
    forger.keep([first.replace(first.split(" ")[2], last.split(" ")[2]), last])
    assert verified(scribe).verdict == "intact"
    report = verified(scribe, public_keys=[signer.vkey])
    assert (report.verdict, "a wrong signature of steward" in reasons(report)[0]) == ("tampered", True)


def test_what_is_no_key_is_said(scribe: Scribe, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    scribe.signers = (signer,)
    closed(scribe)
    name, key_id, key = signer.vkey.split("+", 2)
    for wrong in ("", "x", f"{name}+{'0' * 8}+{key}", f"other+{key_id}+{key}", f"{name}+{key_id}+{key[:-1]}"):
        assert "this is not the public key of a ledger" in reasons(verified(scribe, public_keys=[wrong]))[0]
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    report = verified(scribe, public_keys=[signer.vkey])
    assert (report.exit_status, "without the Python package cryptography" in reasons(report)[0]) == (3, True)


# Hostile input


@pytest.mark.parametrize(
    "line",
    [
        b"x" * (3 * verify.MAX_LINE) + b"\n",
        b"0" * 64 + b" " + b"[" * 100_000 + b"\n",
        b"\0" * 100_000 + b"\n",
        b'{"v":1}\n',
    ],
    ids=["too long", "too deep", "zeros", "no hash"],
)
def test_a_hostile_log_is_tampered(scribe: Scribe, line: bytes) -> None:
    closed(scribe)
    forger = Forger(scribe.store.path / "log.jsonl")
    forger.lines.insert(1, line)
    forger.save()
    assert verified(scribe).verdict == "tampered"


def test_a_text_without_end_is_read_in_blocks(tmp_path: Path, scribe: Scribe) -> None:
    closed(scribe)
    blocks = chain(["x" * verify.BLOCK] * 20, [scribe.notes[-1]], ["y" * verify.BLOCK] * 20)
    assert [note.text for note in verify.notes(blocks)] == [scribe.notes[-1]]


def test_a_ledger_whose_ledger_id_is_gone_cannot_be_written_either(scribe: Scribe) -> None:
    closed(scribe)
    (scribe.store.path / "ledger_id").unlink()
    assert "the ledger_id is gone" in reasons(verified(scribe))
    with pytest.raises(LedgerError):
        Scribe(scribe.store.path)


# The command


def test_the_script_on_a_whole_ledger(tmp_path: Path, signer: Signer) -> None:
    scribe = Scribe(tmp_path / "ledger", signer)
    run = closed(scribe)
    job, key = tmp_path / "job", tmp_path / "key.pub"
    job.write_text("\n".join(scribe.notes))
    key.write_text(signer.vkey + "\n")

    def script(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", verify.__file__, str(scribe.store.path), *arguments]
        return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120, check=False)

    good = script("--checkpoint", str(job), "--public-key", str(key), "--strict")
    assert good.returncode == 0, good
    root = scribe.notes[-1].split("\n")[2]
    assert good.stdout.splitlines()[-1] == f"log: entries 2, root {root}, checkpoints 4, signed up to entry 2"
    scribe.store.remove(run.id)
    assert script("--public-key", signer.vkey).returncode == 1
    assert script("--partial", "--json").returncode == 0
