# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a ledger: what many processes write at once, and what remains when a write fails."""

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
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import disk, files, frames, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileChain, FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

fork = multiprocessing.get_context("fork")


def in_children(work: Callable[[int], object], count: int) -> list[int | None]:
    """Run in forked processes, as Ansible's workers are, and return their exit statuses."""
    children = [fork.Process(target=work, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(300)
    return [child.exitcode for child in children]


def read(chain: FileChain) -> verify.Run:
    return verify.read(verify.source(chain.path), chain.run_id)


def types(path: Path) -> list[str]:
    return [json.loads(line[65:])["type"] for line in path.read_bytes().splitlines()]


def test_a_run_is_private(open_segment: Callable[..., FileChain], ledger: Path) -> None:
    segment = open_segment(actor={"user": "alice"})
    assert stat.S_IMODE(segment.path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(path.stat().st_mode) for path in (ledger, ledger / "runs")] == [0o700, 0o700]
    assert stat.S_IMODE((ledger / "ledger_id").stat().st_mode) == 0o600
    assert segment.path.name.endswith(f"Z-{segment.run_id}.jsonl")
    assert sorted(path.name for path in ledger.iterdir()) == ["ledger_id", "log.jsonl", "runs"]


def test_a_run_begins_with_its_opening(ledger: Path) -> None:
    chain, opened = FileStore(ledger).begin({"actor": {"user": "alice"}})
    assert chain.path.read_bytes() == opened.line
    assert opened.seq == 1
    assert json.loads(opened.body)["actor"] == {"user": "alice"}


def test_runs_share_the_ledger_and_nothing_else(open_segment: Callable[..., FileChain]) -> None:
    first, second = open_segment(), open_segment()
    assert first.ledger_id == second.ledger_id
    assert first.path != second.path


def test_sixteen_processes_write_one_chain(open_segment: Callable[..., FileChain], ledger: Path) -> None:
    segment = open_segment()

    def work(number: int) -> None:
        for turn in range(25):
            op_id = f"{number}-{turn}"
            segment.append("intent", {"op_id": op_id, "host": str(number)}, durable=turn % 5 == 0)
            segment.append("outcome", {"op_id": op_id, "status": "ok"}, durable=False)

    assert in_children(work, 16) == [0] * 16
    run = read(segment)
    assert run.problem is None
    assert run.records == 1 + 16 * 25 * 2
    assert run.counts == {"run_open": 1, "intent": 400, "outcome_ok": 400}
    assert not run.pending


def test_many_plays_start_one_ledger_at_once(ledger: Path) -> None:
    assert in_children(lambda _unused: FileStore(ledger).begin({}), 12) == [0] * 12
    report = verify.verify(verify.source(ledger))
    assert report.runs == 12
    assert {problem.reason for problem in report.problems} == {"the run was not closed"}
    assert sorted(path.name for path in ledger.iterdir()) == ["ledger_id", "log.jsonl", "runs"]


@pytest.mark.parametrize("torn", [b"0123", b"\0" * 4096, b"\xc3", b"x" * 100_000], ids=range(4))
def test_what_a_killed_writer_left_is_cut_off_and_noted(open_segment: Callable[..., FileChain], torn: bytes) -> None:
    segment = open_segment()
    with segment.path.open("ab") as file:
        file.write(torn)
    segment.append("intent", {"op_id": "a1"}, durable=True)
    assert types(segment.path) == ["run_open", "note", "intent"]
    note = json.loads(segment.path.read_bytes().splitlines()[1][65:])
    assert note["length"] == len(torn)
    assert read(segment).problem is None


def test_writers_killed_anywhere_leave_a_chain_that_goes_on(open_segment: Callable[..., FileChain]) -> None:
    segment = open_segment()

    def work(_unused: int) -> None:
        while True:
            segment.append("note", {"note": "x" * 200_000}, durable=False)

    for delay in (0.01, 0.023, 0.037, 0.05, 0.061):
        child = fork.Process(target=work, args=(0,))
        child.start()
        time.sleep(delay)
        child.kill()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
        segment.append("note", {}, durable=False)
    assert read(segment).problem is None


def test_a_full_disk_leaves_the_file_as_it_was(open_segment: Callable[..., FileChain]) -> None:
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
    assert read(segment).problem is None


def failing(*_unused: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["pwrite", "_sync"])
def test_no_space_is_an_error_and_leaves_no_trace(
    open_segment: Callable[..., FileChain], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    segment = open_segment()
    before = segment.path.read_bytes()
    monkeypatch.setattr(os if call == "pwrite" else disk, call, failing)
    with pytest.raises(LedgerError, match="No space left on device"):
        segment.append("intent", {"op_id": "a1"}, durable=True)
    assert segment.path.read_bytes() == before


def test_a_durable_frame_is_synced_and_another_is_not(
    open_segment: Callable[..., FileChain], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = open_segment()
    synced: list[int] = []
    monkeypatch.setattr(disk, "_sync", synced.append)
    segment.append("plan", {}, durable=False)
    assert synced == []
    segment.append("intent", {"op_id": "a1"}, durable=True)
    assert len(synced) == 1


def test_a_run_that_cannot_be_opened_leaves_no_file(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FileStore(ledger).begin({})[0].path.unlink()
    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(LedgerError, match="No space left on device"):
        FileStore(ledger).begin({})
    assert list((ledger / "runs").iterdir()) == []


def test_places_that_cannot_hold_a_ledger_are_named(tmp_path: Path) -> None:
    for place, why in [("/dev/full", "not a directory"), ("/proc/ledger", "No such file"), ("/dev/full/x", "Not a")]:
        with pytest.raises(LedgerError, match=why) as failure:
            FileStore(Path(place))
        assert place in str(failure.value)
    everybody = tmp_path / "everybody"
    everybody.mkdir()
    everybody.chmod(0o777)
    with pytest.raises(LedgerError, match="everybody may write there"):
        FileStore(everybody)


def test_a_link_in_place_of_the_runs_is_refused(tmp_path: Path, ledger: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o700)
    ledger.mkdir(0o700)
    (ledger / "runs").symlink_to(elsewhere)
    with pytest.raises(LedgerError, match="only a link to one"):
        FileStore(ledger)


def test_a_lost_ledger_id_is_not_made_anew_beside_runs(open_segment: Callable[..., FileChain], ledger: Path) -> None:
    open_segment()
    (ledger / "ledger_id").unlink()
    with pytest.raises(LedgerError, match="put back the ledger_id"):
        open_segment()
    (ledger / "ledger_id").write_text("nonsense")
    with pytest.raises(LedgerError, match="32 hexadecimal digits"):
        open_segment()


def test_a_file_that_was_removed_or_replaced_is_not_written(open_segment: Callable[..., FileChain]) -> None:
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
def test_nothing_is_added_to_what_somebody_else_wrote(open_segment: Callable[..., FileChain], planted: bytes) -> None:
    segment = open_segment()
    with segment.path.open("ab") as file:
        file.write(planted)
    with pytest.raises(LedgerError, match="changed by something else"):
        segment.append("note", {}, durable=False)


def test_nothing_is_added_to_an_emptied_file(open_segment: Callable[..., FileChain]) -> None:
    segment = open_segment()
    os.truncate(segment.path, 0)
    with pytest.raises(LedgerError, match="does not begin with a whole record"):
        segment.append("note", {}, durable=False)


def test_nothing_is_added_to_a_closed_run(segment: FileChain) -> None:
    with pytest.raises(LedgerError, match="its run is closed"):
        segment.append("note", {}, durable=False)


def test_a_lock_that_is_never_given_back_does_not_hang(
    open_segment: Callable[..., FileChain], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = open_segment()
    monkeypatch.setattr(disk, "LOCK_TIMEOUT", 0.05)
    with segment.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match="has held its lock"):
            segment.append("note", {}, durable=False)
    segment.append("note", {}, durable=False)


def test_a_process_forked_in_the_middle_of_an_append_does_not_keep_the_lock(
    open_segment: Callable[..., FileChain], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = open_segment()
    monkeypatch.setattr(disk, "LOCK_TIMEOUT", 0.05)
    child = fork.Process(target=time.sleep, args=(60,))
    with disk.opened(segment.path) as fd, disk.locked(fd, segment.path):
        child.start()
    try:
        segment.append("note", {}, durable=False)
    finally:
        child.kill()
        child.join(60)
    assert read(segment).records == 2


@pytest.mark.parametrize("size", [10, 10_000, 100_000])
def test_an_append_reads_only_the_end(
    open_segment: Callable[..., FileChain], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    segment = open_segment()
    for _unused in range(50):
        segment.append("note", {"note": "x" * size}, durable=False)
    read: list[bytes] = []
    pread = os.pread

    def counted(fd: int, length: int, start: int) -> bytes:
        read.append(pread(fd, length, start))
        return read[-1]

    monkeypatch.setattr(os, "pread", counted)
    segment.append("note", {}, durable=False)
    assert 0 < sum(map(len, read)) <= max(2 * files.FIRST_BLOCK, 4 * size)


class Segments:
    """A run whose files hold two or three frames each."""

    def __init__(self, ledger: Path) -> None:
        self.chain, _opened = FileStore(ledger, segment_size=400).begin({"actor": {"user": "alice"}})

    def files(self) -> list[Path]:
        return [self.chain.path, *files.later_segments(self.chain.path)]

    def bodies(self) -> list[dict[str, Any]]:
        """All frames, after a check that they are one chain."""
        lines = [line for path in self.files() for line in path.read_bytes().splitlines()]
        head = frames.genesis(self.chain.run_id, self.chain.ledger_id)
        for line in lines:
            head = frames.chain(head, line[65:])
            assert line[:64].decode() == head.hex()
        bodies = [json.loads(line[65:]) for line in lines]
        assert [body["seq"] for body in bodies] == list(range(1, len(bodies) + 1))
        return bodies


@pytest.fixture
def segments(ledger: Path) -> Segments:
    return Segments(ledger)


def test_a_large_file_is_ended_and_the_chain_goes_on_in_the_next(segments: Segments) -> None:
    for number in range(12):
        assert segments.chain.append("note", {"number": number}).seq == len(segments.bodies())
    *ended, last = segments.files()
    assert len(ended) >= 3
    assert [path.name.partition(".")[2] for path in (*ended, last)][:3] == ["jsonl", "2.jsonl", "3.jsonl"]
    for number, path in enumerate(ended, 2):
        assert json.loads(path.read_bytes().splitlines()[-1][65:])["next"] == number
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [body["number"] for body in segments.bodies() if body["type"] == "note"] == list(range(12))


def test_a_run_ends_in_the_file_in_which_it_is(segments: Segments) -> None:
    segments.chain.append("note", {})
    segments.chain.append("run_close", {})
    assert [body["type"] for body in segments.bodies()] == ["run_open", "note", "run_close"]
    assert len(segments.files()) == 1


def test_many_processes_write_one_chain_through_many_files(segments: Segments) -> None:
    def work(number: int) -> None:
        for turn in range(10):
            segments.chain.append("note", {"by": [number, turn]}, durable=False)

    assert in_children(work, 8) == [0] * 8
    notes = [body["by"] for body in segments.bodies() if body["type"] == "note"]
    assert sorted(notes) == [[number, turn] for number in range(8) for turn in range(10)]
    assert len(segments.files()) > 20


def test_a_process_that_was_forked_before_finds_the_newest_file(segments: Segments) -> None:
    for _unused in range(6):
        assert in_children(lambda number: segments.chain.append("note", {}), 1) == [0]
    segments.chain.append("run_close", {})
    assert segments.bodies()[-1]["type"] == "run_close"
    with pytest.raises(LedgerError, match="its run is closed"):
        segments.chain.append("note", {})


def test_a_later_file_that_is_gone_or_too_early_is_not_made_anew(segments: Segments) -> None:
    segments.chain.append("note", {})
    planted = files.segment(segments.chain.path, 2)
    planted.write_bytes(b"planted\n")
    with pytest.raises(LedgerError, match="is there before its time"):
        segments.chain.append("note", {})
    planted.unlink()
    segments.chain.append("note", {})
    planted.unlink()
    with pytest.raises(LedgerError, match="No such file"):
        segments.chain.append("note", {})
    assert not planted.exists()


@pytest.mark.parametrize("left", ["an empty next file", "the link alone", "a torn frame after the link"])
def test_a_change_of_files_that_was_killed_is_completed(segments: Segments, left: str) -> None:
    segments.chain.append("note", {})
    first, second = segments.chain.path, files.segment(segments.chain.path, 2)
    if left == "an empty next file":
        second.touch(0o600)
    else:
        in_children(lambda _unused: segments.chain.append("note", {}), 1)
        second.write_bytes(b"0123" if "torn" in left else b"")
    segments.chain.append("note", {"last": True})
    bodies = segments.bodies()
    assert [body["type"] for body in bodies[:3]] == ["run_open", "note", "segment"]
    assert bodies[-1]["last"] is True
    assert ("length" in bodies[-2]) is ("torn" in left)
    assert segments.files() == [first, second]


def test_no_space_in_the_middle_of_a_change_of_files_loses_nothing(
    segments: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments.chain.append("note", {})
    for allowed in (0, 1):
        pwrite, calls = os.pwrite, iter([True] * allowed)
        monkeypatch.setattr(os, "pwrite", lambda *args, w=pwrite, c=calls: w(*args) if next(c, False) else failing())
        with pytest.raises(LedgerError, match="No space left"):
            segments.chain.append("intent", {"op_id": "a1"})
        monkeypatch.undo()
    segments.chain.append("intent", {"op_id": "a2"})
    assert [body["type"] for body in segments.bodies()] == ["run_open", "note", "segment", "intent"]


def peaks(body: bytes | None) -> dict[str, Any]:
    return {"before": json.loads(body)["type"] if body else None}


def test_what_follows_from_the_frame_before_is_in_every_frame_of_the_log(ledger: Path) -> None:
    store = FileStore(ledger, segment_size=700)
    path = ledger / "log.jsonl"
    assert path.read_bytes() == b""
    path.write_bytes(b"torn")
    assert store.log(peaks).append("open", {"run": "r"}).seq == 2
    with path.open("ab") as file:
        file.write(b"torn again")
    store.log(peaks).append("close", {"run": "r"})
    bodies = [json.loads(line[65:]) for part in [path, *files.later_segments(path)] for line in part.open()]
    assert {body["run_id"] for body in bodies} == {"log"}
    kinds = [body["type"] for body in bodies]
    assert kinds == ["note", "open", "note", "segment", "close"]
    assert [body["before"] for body in bodies] == [None, *kinds[:-1]]


def test_a_log_that_is_gone_is_not_made_anew(ledger: Path) -> None:
    store = FileStore(ledger)
    (ledger / "log.jsonl").unlink()
    with pytest.raises(LedgerError, match=r"log\.jsonl: No such file"):
        store.log(peaks)
    with pytest.raises(LedgerError, match=r"log\.jsonl is gone; put it back"):
        FileStore(ledger)


def test_checkpoints_are_kept_one_after_the_other(ledger: Path) -> None:
    store = FileStore(ledger)
    signed, unsigned = "origin\n1\nroot\n\n— key signature\n", "origin\n2\nroot\n\n"
    store.keep(signed)
    store.keep(unsigned)
    kept = ledger / "checkpoints"
    assert kept.read_text() == f"{signed}\n{unsigned}\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with kept.open("a") as file:
        file.write("origin\n3\nro")
    store.keep(signed)
    assert kept.read_text() == f"{signed}\n{unsigned}\norigin\n3\nro\n\n{signed}\n"


def test_a_checkpoint_that_does_not_fit_leaves_the_others(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(ledger)
    store.keep("one\n")
    monkeypatch.setattr(disk, "_sync", failing)
    with pytest.raises(LedgerError, match="No space left"):
        store.keep("two\n")
    assert (ledger / "checkpoints").read_text() == "one\n\n"


def test_a_run_of_another_ledger_is_brought_in_as_it_is_and_once(
    ledger: Path, segments: Segments, tmp_path: Path
) -> None:
    for _unused in range(4):
        segments.chain.append("note", {})
    lines = [line for path in segments.files() for line in path.read_bytes().splitlines(keepends=True)]
    home = FileStore(tmp_path / "home")
    for began in ("20260102T030405Z", "20260102T030405Z", "20260102T030406Z"):
        home.adopt(segments.chain.run_id, began, lines)
    (found,) = (home.path / "runs").iterdir()
    assert found.name == f"20260102T030405Z-{segments.chain.run_id}.jsonl"
    assert found.read_bytes() == b"".join(lines)
    assert sorted(path.name for path in home.path.iterdir()) == ["ledger_id", "log.jsonl", "runs"]


def test_a_run_is_brought_in_whole_or_not_at_all(ledger: Path) -> None:
    def interrupted() -> Any:
        yield b"a line\n"
        raise KeyboardInterrupt

    store = FileStore(ledger)
    (ledger / ".adopting").write_bytes(b"what a killed process left")
    with pytest.raises(KeyboardInterrupt):
        store.adopt("0" * 32, "20260102T030405Z", interrupted())
    assert sorted(path.name for path in ledger.iterdir()) == ["ledger_id", "log.jsonl", "runs"]
    assert list((ledger / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("run_id", "began"), [("../../x", "20260102T030405Z"), ("0" * 32, "x/../.."), ("*", "20260102T030405Z")]
)
def test_a_run_with_a_name_that_none_has_is_not_brought_in(ledger: Path, run_id: str, began: str) -> None:
    with pytest.raises(LedgerError, match="is not the name of a run"):
        FileStore(ledger).adopt(run_id, began, [])


def test_all_files_of_a_run_are_removed_and_no_other(
    ledger: Path, segments: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(ledger)
    for _unused in range(4):
        segments.chain.append("note", {})
    other = store.begin({})[0].path
    gone = segments.files()
    removed: list[Path] = []
    unlink = Path.unlink

    def noted(path: Path, missing_ok: bool = False) -> None:
        removed.append(path)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", noted)
    store.remove(segments.chain.run_id)
    assert removed == gone[::-1]
    assert list((ledger / "runs").iterdir()) == [other]
    store.remove(segments.chain.run_id)
