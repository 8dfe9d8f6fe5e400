# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verifier against everything that may happen to the file of one run between the writer and the reader."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileChain, FileStore

from .forger import Forger

SCRIPT = Path(verify.__file__)


@pytest.fixture
def forger(segment: FileChain) -> Forger:
    return Forger(segment.path)


def verified(path: Path, expected_head: Any = None) -> verify.Report:
    return verify.verify(verify.source(path), expected_head)


def only_problem(path: Path) -> verify.Problem:
    report = verified(path)
    assert report.exit_status == 1, report
    (problem,) = report.problems
    return problem


def head_of(path: Path) -> str:
    return path.read_bytes().splitlines()[-1][:64].decode()


def test_an_untouched_run_is_intact(segment: FileChain) -> None:
    report = verified(segment.path, {segment.run_id: f"sha256:{head_of(segment.path)}"})
    assert (report.verdict, report.exit_status, report.runs, report.records) == ("intact", 0, 1, 6)
    assert report.heads == {segment.run_id: head_of(segment.path)}
    assert (report.entries, report.root, report.checkpoints) == (0, "", 0)


def test_what_is_read_of_a_run(segment: FileChain) -> None:
    seen: list[dict[str, Any]] = []
    run = verify.read(verify.source(segment.path), segment.run_id, see=seen.append)
    assert (run.closed, run.problem, run.head) == (True, None, head_of(segment.path))
    assert run.counts == {"run_open": 1, "plan": 1, "intent": 1, "outcome_ok": 1, "refused": 1, "run_close": 1}
    assert [frame["seq"] for frame in seen] == [1, 2, 3, 4, 5, 6]


def test_the_verifier_knows_the_format_of_the_writer() -> None:
    assert (verify.VERSION, verify.MAX_JSON, verify.MAX_LINE) == (frames.VERSION, frames.MAX_JSON, frames.MAX_LINE)
    assert verify.LOG == frames.LOG


def test_a_flipped_bit_is_caught_in_every_byte(forger: Forger) -> None:
    for index, line in enumerate(list(forger.lines)):
        for place in range(len(line)):
            forger.lines[index] = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
            problem = only_problem(forger.save())
            # without its newline a record runs into the next one; of the last one, the rest is read as a torn write
            assert problem.record == index + 1, (place, problem)
            forger.lines[index] = line
            if index == len(forger.lines) - 1 and place == len(line) - 2:
                break


@pytest.mark.parametrize("index", range(6))
def test_an_edit_of_any_field_is_caught(forger: Forger, index: int) -> None:
    line = forger.lines[index]
    for name in forger.body(index):
        forger.edit(index, **{name: "other"})
        assert only_problem(forger.save()).record == index + 1, name
        forger.lines[index] = line


def swap(forger: Forger) -> int:
    forger.lines[2], forger.lines[3] = forger.lines[3], forger.lines[2]
    return 3


def duplicate(forger: Forger) -> int:
    forger.lines.insert(3, forger.lines[2])
    return 4


def insert(forger: Forger) -> int:
    forger.lines.insert(4, b"0" * 64 + b' {"v":1,"seq":5,"type":"note"}\n')
    return 5


def drop_first(forger: Forger) -> int:
    del forger.lines[0]
    return 1


def drop_middle(forger: Forger) -> int:
    del forger.lines[3]
    return 4


def add_after_the_end(forger: Forger) -> int:
    forger.lines.append(forger.lines[-1])
    return 7


def add_bytes_after_the_end(forger: Forger) -> int:
    forger.lines.append(b"\0\0\0")
    return 7


def foreign_line(forger: Forger) -> int:
    forger.lines.insert(1, b"hello\n")
    return 2


def empty_line(forger: Forger) -> int:
    forger.lines.insert(1, b"\n")
    return 2


def duplicate_key(forger: Forger) -> int:
    forger.set_body(2, b'{"host":"evil",' + forger.lines[2][66:-1])
    return 3


def whitespace(forger: Forger) -> int:
    forger.set_body(2, forger.lines[2][65:-1] + b" ")
    return 3


def key_order(forger: Forger) -> int:
    forger.set_body(2, json.dumps(dict(reversed(forger.body(2).items())), separators=(",", ":")).encode())
    return 3


def null_bytes(forger: Forger) -> int:
    forger.lines[2] = b"\0" * len(forger.lines[2][:-1]) + b"\n"
    return 3


def huge_line(forger: Forger) -> int:
    forger.lines.insert(2, b"x" * (3 * verify.MAX_LINE) + b"\n")
    return 3


def huge_tail_without_end(forger: Forger) -> int:
    forger.lines[5:] = [b"x" * (3 * verify.MAX_LINE)]
    return 6


@pytest.mark.parametrize(
    "tamper",
    [
        swap,
        duplicate,
        insert,
        drop_first,
        drop_middle,
        add_after_the_end,
        add_bytes_after_the_end,
        foreign_line,
        empty_line,
        duplicate_key,
        whitespace,
        key_order,
        null_bytes,
        huge_line,
        huge_tail_without_end,
    ],
    ids=lambda tamper: tamper.__name__,
)
def test_the_chain_catches(forger: Forger, tamper: Callable[[Forger], int]) -> None:
    record = tamper(forger)
    problem = only_problem(forger.save())
    assert (problem.record, problem.verdict) == (record, "tampered")


@pytest.mark.parametrize(
    "body", [b'{"v":1,"v":1}', b"[" * 100_000, b"[]", b"null", b'{"a":NaN}', b"1" * 5000, b"\xff"], ids=range(7)
)
def test_a_computed_chain_over_something_else_than_records_is_caught(forger: Forger, body: bytes) -> None:
    forger.set_body(3, body)
    forger.recompute(renumber=False)
    assert only_problem(forger.save()).record == 4


@pytest.mark.parametrize(
    ("index", "fields"),
    [
        (0, {"type": "note"}),
        (0, {"run_id": "../../etc"}),
        (0, {"seq": 2}),
        (2, {"type": "run_open"}),
        (2, {"type": ["intent"]}),
        (2, {"op_id": None}),
        (2, {"op_id": "x" * 65}),
        (2, {"run_id": "f" * 32}),
        (2, {"ts": 0}),
        (3, {"op_id": "another"}),
        (3, {"status": "fine"}),
        (4, {"type": "outcome", "op_id": "a1", "status": "ok"}),
        (5, {"dangling": ["a1"]}),
    ],
)
def test_a_computed_chain_that_tells_an_impossible_story_is_caught(forger: Forger, index: int, fields: dict) -> None:
    forger.edit(index, **fields)
    forger.recompute(renumber=False)
    assert only_problem(forger.save()).record == index + 1


def test_a_computed_chain_over_a_record_that_can_be_read_in_two_ways_is_caught_by_who_reads_it(forger: Forger) -> None:
    """Of an operation only the beginning is parsed, unless all of it is asked for."""
    duplicate_key(forger)
    forger.recompute()
    path = forger.save()
    assert only_problem(path).record == 3  # a key before those that a record begins with
    forger.set_body(2, b'{"v":1,' + forger.lines[2][65 + len('{"host":"evil","v":1,') : -2] + b',"host":"evil"}')
    forger.recompute()
    forger.save()
    assert verified(path).verdict == "intact"
    assert verify.verify(verify.source(path), strict=True).problems[0].reason.endswith("a key appears twice")


def test_a_computed_chain_over_a_changed_story_is_caught_by_the_printed_head_alone(forger: Forger) -> None:
    printed = forger.head()
    forger.edit(0, actor={"user": "mallory"})
    forger.recompute()
    path = forger.save()
    assert verified(path).verdict == "intact"
    for expected in (printed, {forger.body(0)["run_id"]: printed}):
        report = verified(path, expected)
        assert report.exit_status == 1
        assert "only the head caught it" in report.problems[0].reason


@pytest.mark.parametrize("kept", range(1, 6))
def test_a_file_cut_between_two_records_is_incomplete_and_the_printed_head_tells_more(
    forger: Forger, segment: FileChain, kept: int
) -> None:
    printed = head_of(segment.path)
    del forger.lines[kept:]
    path = forger.save()
    report = verified(path)
    assert (report.verdict, report.exit_status) == ("incomplete", 2)
    assert report.problems[0].reason == "the run was not closed"
    assert verified(path, printed).verdict == "tampered"


def test_records_added_after_the_expected_head_are_told_apart(segment: FileChain) -> None:
    earlier = segment.path.read_bytes().splitlines()[3][:64].decode()
    report = verified(segment.path, earlier)
    assert report.problems[0] == verify.Problem(
        str(segment.path), 5, "tampered", "records were added after the expected head"
    )


@pytest.mark.parametrize("torn", [b"0123", b"\0" * 512, b"\xc3"])
def test_a_write_that_was_cut_off_is_incomplete(open_segment: Callable[..., FileChain], torn: bytes) -> None:
    path = open_segment().path
    path.write_bytes(path.read_bytes() + torn)
    report = verified(path)
    assert report.verdict == "incomplete"
    assert f"its last {len(torn)} bytes are no whole record" in report.problems[0].reason


def test_an_intent_without_outcome_is_named(open_segment: Callable[..., FileChain]) -> None:
    segment = open_segment()
    plan = {"summary": "destroy lxc/7\x1b[31m", "steps": [{"target": "lxc/7"}, {"target": "lxc/7"}, {"target": "vm/8"}]}
    segment.append("intent", {"op_id": "a1", "host": "pve2", "plan": plan}, durable=True)
    report = verified(segment.path)
    (change,) = report.dangling
    assert (report.verdict, change.record, change.op_id) == ("incomplete", 2, "a1")
    assert (change.host, change.target, change.summary) == ("pve2", "lxc/7, vm/8", "destroy lxc/7?[31m")
    assert "outcome unknown" in "\n".join(verify.describe(report))


def test_an_outcome_that_is_recorded_as_unknown_is_named(open_segment: Callable[..., FileChain]) -> None:
    segment = open_segment()
    segment.append("intent", {"op_id": "a1", "host": "pve2"}, durable=True)
    segment.append("outcome", {"op_id": "a1", "status": "unknown"}, durable=True)
    report = verified(segment.path)
    assert [(change.op_id, change.reason) for change in report.dangling] == [("a1", "recorded as unknown")]


def test_a_run_that_goes_on_may_be_open(open_segment: Callable[..., FileChain]) -> None:
    segment = open_segment()
    assert verified(segment.path).verdict == "incomplete"
    assert verify.verify(verify.source(segment.path), running={segment.run_id}).verdict == "intact"


def test_a_file_under_the_name_of_another_run_is_caught(forger: Forger) -> None:
    forger.path = forger.path.with_name(f"20261121T120000Z-{'f' * 32}.jsonl")
    assert only_problem(forger.save()).reason == "this is the record of another run"


def test_a_file_may_have_any_name(forger: Forger, tmp_path: Path) -> None:
    forger.path = tmp_path / "copy"
    assert verified(forger.save(), {forger.body(0)["run_id"]: forger.head()}).verdict == "intact"


def test_what_cannot_be_verified_is_said(segment: FileChain, tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(segment.path.parent)
    os.mkfifo(pipe)
    with pytest.raises(verify.Unverifiable, match="there is nothing"):
        verify.source(tmp_path / "none")
    for path in (tmp_path, pipe, Path("/dev/null"), segment.path.parent):
        assert verified(path).exit_status == 3, path
    assert verified(segment.path, "abc").exit_status == 3
    report = verify.verify(verify.source(segment.path), checkpoints=["x"])
    assert (report.exit_status, report.problems[0].reason) == (3, "there is no checkpoint in what was given as one")


def test_a_newer_format_is_not_called_tampered(forger: Forger) -> None:
    forger.edit(0, v=2)
    assert verified(forger.save()).verdict == "tampered"
    forger.recompute()
    assert verified(forger.save()).verdict == "unverifiable"


def test_too_many_open_changes_end_the_reading(forger: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "MAX_HELD", 100)
    report = verified(forger.path)
    assert (report.verdict, report.problems[0].record) == ("unverifiable", 3)


def test_a_status_is_found_wherever_it_stands(open_segment: Callable[..., FileChain]) -> None:
    """The writer puts it where it is seen at once."""
    segment = open_segment()
    segment.append("intent", {"op_id": "a1"})
    assert b'"op_id":"a1","status":"failed"' in segment.append("outcome", {"op_id": "a1", "status": "failed"}).body
    forger = Forger(segment.path)
    forger.lines[2] = forger.lines[2].replace(b'"status":"failed"', b'"a":1,"status":"failed"')
    forger.recompute()
    run = verify.read(verify.source(forger.save()), segment.run_id)
    assert (run.problem, run.counts["outcome_failed"]) == (None, 1)


def test_a_run_in_several_files(open_segment: Callable[..., FileChain], ledger: Path) -> None:
    segment = FileStore(ledger, segment_size=500).begin({})[0]
    for number in range(6):
        segment.append("plan", {"op_id": f"p{number}"})
    files = sorted(segment.path.parent.iterdir(), key=lambda path: len(path.name))
    assert len(files) > 2
    assert verified(segment.path).problems[0].reason == "the run was not closed"
    assert "name its first file" in verified(files[1]).problems[0].reason
    forger = Forger(segment.path)
    forger.edit(len(forger.lines) - 1, next=3)
    forger.recompute()
    assert only_problem(forger.save()).reason == "the link to the next file does not fit"


def run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As an auditor does: no collection, no third-party package, from anywhere."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120, check=False)


def test_the_script_stands_alone(segment: FileChain, forger: Forger, tmp_path: Path) -> None:
    printed, path = forger.head(), segment.path
    intact = run_script(path, "--expected-head", printed, "--expected-head", f"{segment.run_id}=sha256:{printed}")
    assert (intact.returncode, intact.stdout) == (0, "intact: runs 1, records 6\n"), intact.stderr
    assert json.loads(run_script(path, "--json").stdout)["heads"] == {segment.run_id: printed}

    whitespace(forger)
    forger.save()
    tampered = run_script(path)
    assert tampered.returncode == 1
    assert f"{path}: record 3: its hash does not fit" in tampered.stdout
    del forger.lines[2:]
    forger.save()
    assert run_script(path).returncode == 2
    assert run_script(tmp_path / "none").returncode == 3
    assert run_script(path, "--checkpoint", tmp_path / "none").returncode == 3
    assert run_script("--no-such-option").returncode == 3


def test_memory_does_not_grow_with_the_file(open_segment: Callable[..., FileChain]) -> None:
    """A run of some 40 MB is verified by a process that may use little more than the interpreter needs."""
    segment = open_segment()
    forger = Forger(segment.path)
    body = forger.body(0) | {"type": "note", "seq": 0, "note": "x" * 400_000}
    big = json.dumps(body, separators=(",", ":")).encode()
    for seq in range(2, 102):
        forger.lines.append(b"0" * 65 + big.replace(b'"seq":0', b'"seq":%d' % seq) + b"\n")
    forger.recompute()
    forger.save()
    code = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (80 << 20, 80 << 20));"
        f"sys.argv = ['verify', {str(segment.path)!r}]; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.splitlines()[0]) == (2, "incomplete: runs 1, records 101"), done.stderr
