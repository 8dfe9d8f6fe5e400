# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a run: what many processes write at once, and what remains when a write fails."""

import errno
import fcntl
import json
import multiprocessing
import os
import resource
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames, store, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Segment

fork = multiprocessing.get_context("fork")


def in_children(work: Callable[[int], object], count: int) -> list[int | None]:
    """Run in forked processes, as Ansible's workers are, and return their exit statuses."""
    children = [fork.Process(target=work, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    return [child.exitcode for child in children]


def types(path: Path) -> list[str]:
    return [json.loads(line[65:])["type"] for line in path.read_bytes().splitlines()]


def test_a_run_is_private(open_segment: Callable[..., Segment], ledger: Path) -> None:
    segment = open_segment(actor={"user": "alice"})
    assert stat.S_IMODE(segment.path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(path.stat().st_mode) for path in (ledger, ledger / "runs")] == [0o700, 0o700]
    assert stat.S_IMODE((ledger / "ledger_id").stat().st_mode) == 0o600
    assert segment.path.name.endswith(f"Z-{segment.run_id}.jsonl")
    assert sorted(path.name for path in ledger.iterdir()) == ["ledger_id", "runs"]


def test_runs_share_the_ledger_and_nothing_else(open_segment: Callable[..., Segment]) -> None:
    first, second = open_segment(), open_segment()
    assert first.ledger_id == second.ledger_id
    assert first.path != second.path


def test_sixteen_processes_write_one_chain(open_segment: Callable[..., Segment], ledger: Path) -> None:
    segment = open_segment()

    def work(number: int) -> None:
        for turn in range(25):
            op_id = f"{number}-{turn}"
            segment.append("intent", {"op_id": op_id, "host": str(number)}, durable=turn % 5 == 0)
            segment.append("outcome", {"op_id": op_id, "status": "ok"}, durable=False)

    assert in_children(work, 16) == [0] * 16
    run = verify.read(segment.path)
    assert run.problem is None
    assert run.records == 1 + 16 * 25 * 2
    assert run.counts == {"run_open": 1, "intent": 400, "outcome_ok": 400}
    assert not run.pending


def test_many_plays_start_one_ledger_at_once(ledger: Path) -> None:
    assert in_children(lambda _unused: Segment.create(ledger), 12) == [0] * 12
    report = verify.verify(ledger)
    assert report.runs == 12
    assert {problem.reason for problem in report.problems} == {"the run was not closed"}
    assert sorted(path.name for path in ledger.iterdir()) == ["ledger_id", "runs"]


@pytest.mark.parametrize("torn", [b"0123", b"\0" * 4096, b"\xc3", b"x" * 100_000], ids=range(4))
def test_what_a_killed_writer_left_is_cut_off_and_noted(open_segment: Callable[..., Segment], torn: bytes) -> None:
    segment = open_segment()
    with segment.path.open("ab") as file:
        file.write(torn)
    segment.append("intent", {"op_id": "a1"}, durable=True)
    assert types(segment.path) == ["run_open", "note", "intent"]
    note = json.loads(segment.path.read_bytes().splitlines()[1][65:])
    assert note["length"] == len(torn)
    assert verify.read(segment.path).problem is None


def test_writers_killed_anywhere_leave_a_chain_that_goes_on(open_segment: Callable[..., Segment]) -> None:
    segment = open_segment()

    def work(_unused: int) -> None:
        while True:
            segment.append("note", {"note": "x" * 200_000}, durable=False)

    for delay in (0.01, 0.023, 0.037, 0.05, 0.061):
        child = fork.Process(target=work, args=(0,))
        child.start()
        time.sleep(delay)
        child.kill()
        child.join(10)
        assert child.exitcode == -signal.SIGKILL
        segment.append("note", {}, durable=False)
    assert verify.read(segment.path).problem is None


def test_a_full_disk_leaves_the_file_as_it_was(open_segment: Callable[..., Segment]) -> None:
    """A limit on file sizes makes the kernel write a part and then refuse, as a full disk does."""
    segment = open_segment()
    before = segment.path.read_bytes()
    failures = fork.SimpleQueue()

    def work(_unused: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, len(before) + 100))
        try:
            segment.append("intent", {"op_id": "a1", "plan": "x" * 1000}, durable=True)
        except LedgerError as error:
            failures.put(str(error))

    assert in_children(work, 1) == [0]
    assert failures.get() == f"cannot write the ledger {segment.path}: {os.strerror(errno.EFBIG)}"
    assert segment.path.read_bytes() == before
    segment.append("intent", {"op_id": "a2"}, durable=True)
    assert verify.read(segment.path).problem is None


def failing(*_unused: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["pwrite", "_sync"])
def test_no_space_is_an_error_and_leaves_no_trace(
    open_segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    segment = open_segment()
    before = segment.path.read_bytes()
    monkeypatch.setattr(os if call == "pwrite" else store, call, failing)
    with pytest.raises(LedgerError, match="No space left on device"):
        segment.append("intent", {"op_id": "a1"}, durable=True)
    assert segment.path.read_bytes() == before


def test_a_durable_frame_is_synced_and_another_is_not(
    open_segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = open_segment()
    synced: list[int] = []
    monkeypatch.setattr(store, "_sync", synced.append)
    segment.append("plan", {}, durable=False)
    assert synced == []
    segment.append("intent", {"op_id": "a1"}, durable=True)
    assert len(synced) == 1


def test_a_run_that_cannot_be_opened_leaves_no_file(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Segment.create(ledger).path.unlink()
    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(LedgerError, match="No space left on device"):
        Segment.create(ledger)
    assert list((ledger / "runs").iterdir()) == []


def test_places_that_cannot_hold_a_ledger_are_named(tmp_path: Path) -> None:
    for place, why in [("/dev/full", "not a directory"), ("/proc/ledger", "No such file"), ("/dev/full/x", "Not a")]:
        with pytest.raises(LedgerError, match=why) as failure:
            Segment.create(Path(place))
        assert place in str(failure.value)
    everybody = tmp_path / "everybody"
    everybody.mkdir()
    everybody.chmod(0o777)
    with pytest.raises(LedgerError, match="everybody may write there"):
        Segment.create(everybody)


def test_a_link_in_place_of_the_runs_is_refused(tmp_path: Path, ledger: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o700)
    ledger.mkdir(0o700)
    (ledger / "runs").symlink_to(elsewhere)
    with pytest.raises(LedgerError, match="only a link to one"):
        Segment.create(ledger)


def test_a_lost_ledger_id_is_not_made_anew_beside_runs(open_segment: Callable[..., Segment], ledger: Path) -> None:
    open_segment()
    (ledger / "ledger_id").unlink()
    with pytest.raises(LedgerError, match="put back the ledger_id"):
        open_segment()
    (ledger / "ledger_id").write_text("nonsense")
    with pytest.raises(LedgerError, match="32 hexadecimal digits"):
        open_segment()


def test_a_file_that_was_removed_or_replaced_is_not_written(open_segment: Callable[..., Segment]) -> None:
    segment = open_segment()
    content = segment.path.read_bytes()
    moved = segment.path.rename(segment.path.with_suffix(".old"))
    with pytest.raises(LedgerError, match="No such file"):
        segment.append("note", {}, durable=False)
    segment.path.write_bytes(content)
    with pytest.raises(LedgerError, match="another file has taken its place"):
        segment.append("note", {}, durable=False)
    segment.path.unlink()
    segment.path.symlink_to(moved)
    with pytest.raises(LedgerError):
        segment.append("note", {}, durable=False)
    assert moved.read_bytes() == content


@pytest.mark.parametrize(
    "planted", [b"hello\n", b"[" * 200_000 + b"\n", b"x" * 3 * frames.MAX_LINE, b"\xe9" * 70 + b"\n"]
)
def test_nothing_is_added_to_what_somebody_else_wrote(open_segment: Callable[..., Segment], planted: bytes) -> None:
    segment = open_segment()
    with segment.path.open("ab") as file:
        file.write(planted)
    with pytest.raises(LedgerError, match="changed by something else"):
        segment.append("note", {}, durable=False)


def test_nothing_is_added_to_an_emptied_file(open_segment: Callable[..., Segment]) -> None:
    segment = open_segment()
    os.truncate(segment.path, 0)
    with pytest.raises(LedgerError, match="does not begin with a whole record"):
        segment.append("note", {}, durable=False)


def test_nothing_is_added_to_a_closed_run(segment: Segment) -> None:
    with pytest.raises(LedgerError, match="its run is closed"):
        segment.append("note", {}, durable=False)


def test_a_lock_that_is_never_given_back_does_not_hang(
    open_segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = open_segment()
    monkeypatch.setattr(store, "LOCK_TIMEOUT", 0.05)
    with segment.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match="has held its lock"):
            segment.append("note", {}, durable=False)
    segment.append("note", {}, durable=False)


def test_a_process_forked_in_the_middle_of_an_append_does_not_keep_the_lock(
    open_segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = open_segment()
    monkeypatch.setattr(store, "LOCK_TIMEOUT", 0.05)
    child = fork.Process(target=time.sleep, args=(60,))
    with segment._locked():
        child.start()
    try:
        segment.append("note", {}, durable=False)
    finally:
        child.kill()
        child.join(10)
    assert verify.read(segment.path).records == 2


def test_an_append_reads_only_the_end(open_segment: Callable[..., Segment], monkeypatch: pytest.MonkeyPatch) -> None:
    segment = open_segment()
    for _unused in range(50):
        segment.append("note", {"note": "x" * 10_000}, durable=False)
    read: list[bytes] = []
    pread = os.pread

    def counted(fd: int, size: int, start: int) -> bytes:
        read.append(pread(fd, size, start))
        return read[-1]

    monkeypatch.setattr(os, "pread", counted)
    segment.append("note", {}, durable=False)
    assert 0 < sum(map(len, read)) <= store.BLOCK
