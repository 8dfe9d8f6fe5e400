# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of a ledger grows with it, contradicts it when it changed, and holds what was removed from it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import export, files, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import PostgresStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.run import RunLedger
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

from tests.postgres import Postgres, postgres

from .scribe import Scribe

__all__ = ["postgres"]  # the fixture

LATER = "99991231T235959Z"


@pytest.fixture
def scribe(ledger: Path) -> Scribe:
    """A ledger of small files, with one run that is closed."""
    scribe = Scribe(ledger, segment_size=1500)
    finish(scribe)
    return scribe


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def finish(scribe: Scribe, changes: int = 3) -> str:
    run = scribe.run()
    for _unused in range(changes):
        run.change()
    run.close()
    return run.id


def content(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def joined(first: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (first, *files.later_segments(first)))


def verdict(directory: Path) -> str:
    return verify.verify(verify.Directory(directory)).verdict


def test_the_copy_has_the_bytes_of_the_ledger(scribe: Scribe, ledger: Path, copy: Path) -> None:
    second = finish(scribe)
    done = export.export(scribe.source, copy)
    run_files = {path.name: path for path in (ledger / "runs").glob("*Z-*.jsonl") if path.name.count(".") == 1}
    assert len(run_files) == 2
    assert any(files.later_segments(path) for path in run_files.values())
    assert content(copy) == {
        "ledger_id": (ledger / "ledger_id").read_bytes(),
        "log.jsonl": joined(ledger / "log.jsonl"),
        "checkpoints": (ledger / "checkpoints").read_bytes(),
        **{f"runs/{name}": joined(path) for name, path in run_files.items()},
    }
    assert len(done.runs) == 2
    assert done.runs[second] > 8
    assert (done.log, done.checkpoints) == (joined(ledger / "log.jsonl").count(b"\n"), 4)
    assert done.new == sum(done.runs.values()) + done.log + done.checkpoints
    assert verdict(copy) == verify.INTACT


def test_a_second_export_adds_what_is_new_and_nothing_else(scribe: Scribe, copy: Path) -> None:
    export.export(scribe.source, copy)
    before = content(copy)
    assert export.export(scribe.source, copy).new == 0
    assert content(copy) == before
    finish(scribe)
    expected = export.export(scribe.source, copy, write=False)
    assert content(copy) == before
    assert export.export(scribe.source, copy) == expected
    after = content(copy)
    assert all(after[name].startswith(before[name]) for name in before)
    assert verdict(copy) == verify.INTACT


def test_what_would_be_exported_is_told_without_writing(scribe: Scribe, copy: Path) -> None:
    done = export.export(scribe.source, copy, write=False)
    assert not copy.exists()
    assert done == export.export(scribe.source, copy)


@pytest.mark.parametrize("cut", [1, 100, 700])
def test_an_export_that_was_killed_is_completed(scribe: Scribe, copy: Path, cut: int) -> None:
    export.export(scribe.source, copy)
    whole = content(copy)
    for path in (copy / "log.jsonl", *(copy / "runs").iterdir()):
        path.write_bytes(path.read_bytes()[:-cut])
    export.export(scribe.source, copy)
    assert content(copy) == whole


def test_a_line_that_was_cut_off_in_the_ledger_is_not_copied(scribe: Scribe, ledger: Path, copy: Path) -> None:
    run = scribe.run()
    run.change()
    with run.chain.path.open("ab") as file:
        file.write(b"0123")
    assert export.export(scribe.source, copy).runs[run.id] == 3
    run.change()
    run.close()
    assert export.export(scribe.source, copy).runs[run.id] > 6
    assert verdict(copy) == verify.INTACT


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data.replace(b"alice", b"mal0r"), "record 1 is not what the ledger holds"),
        (lambda data: data[: data.rindex(b"\n", 0, -1) + 1], "the ledger does not: it was cut off, or rolled back"),
        (lambda data: b"", "the ledger does not: it was cut off, or rolled back"),
    ],
)
def test_a_ledger_that_changed_is_not_exported_again(
    scribe: Scribe, ledger: Path, copy: Path, change: Callable[[bytes], bytes], why: str
) -> None:
    second = finish(scribe, changes=0)
    export.export(scribe.source, copy)
    before = content(copy)
    (path,) = (ledger / "runs").glob(f"*-{second}.jsonl")
    path.write_bytes(change(path.read_bytes()))
    for write in (False, True):
        with pytest.raises(export.Differs, match=why):
            export.export(scribe.source, copy, write)
    assert content(copy) == before


def test_a_run_that_is_gone_without_a_word_is_noticed(scribe: Scribe, copy: Path) -> None:
    lost = finish(scribe)
    export.export(scribe.source, copy)
    scribe.store.remove(lost)
    for write in (False, True):
        with pytest.raises(export.Differs, match=f"the run {lost} is in .* and no more in .*, whose log does not say"):
            export.export(scribe.source, copy, write)


def test_a_log_that_was_rolled_back_is_noticed(scribe: Scribe, ledger: Path, copy: Path, tmp_path: Path) -> None:
    older = shutil.copytree(ledger, tmp_path / "older")
    finish(scribe)
    export.export(scribe.source, copy)
    with pytest.raises(export.Differs, match="it was cut off, or rolled back"):
        export.export(FileStore(older).source(), copy)


def test_checkpoints_that_the_ledger_lost_stay_in_the_copy(scribe: Scribe, ledger: Path, copy: Path) -> None:
    export.export(scribe.source, copy)
    kept = (copy / "checkpoints").read_bytes()
    (ledger / "checkpoints").unlink()
    finish(scribe)
    assert export.export(scribe.source, copy).checkpoints == 4
    assert (copy / "checkpoints").read_bytes() == kept + (ledger / "checkpoints").read_bytes()


def test_only_a_copy_of_this_ledger_is_written_to(scribe: Scribe, ledger: Path, copy: Path, tmp_path: Path) -> None:
    other = FileStore(tmp_path / "other")
    link = tmp_path / "link"
    link.symlink_to(ledger)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    export.export(scribe.source, copy)
    (copy / "ledger_id").unlink()
    for place, why in [
        (other.path, f"holds the ledger {other.ledger_id}"),
        (ledger, "is in the ledger itself"),
        (link, "is in the ledger itself"),
        (ledger / "runs" / "copy", "is in the ledger itself"),
        (open_to_all, "everybody may write there"),
        (copy, "put back the one that the runs beside it carry"),
    ]:
        with pytest.raises((export.Differs, LedgerError), match=why):
            export.export(scribe.source, place)
    one_run = verify.source(next((ledger / "runs").glob("*Z-*.jsonl")))
    with pytest.raises(export.Differs, match="is not a whole ledger"):
        export.export(one_run, tmp_path / "of one run")


class Hostile(verify.Directory):
    """A source whose names are not what they should be, as a database may return them."""

    def runs(self) -> list[str]:
        return ["../../../escaped"]

    def began(self, run_id: str) -> str:
        return "20260102T030405Z"


def test_names_from_a_source_stay_inside_the_copy(scribe: Scribe, ledger: Path, copy: Path) -> None:
    with pytest.raises(LedgerError, match="is not the name of a run"):
        export.export(Hostile(ledger), copy)


class Busy(verify.Directory):
    """A ledger that others write to in the middle of each step of an export."""

    def __init__(self, scribe: Scribe) -> None:
        super().__init__(scribe.store.path)
        self._scribe, self._run, self._depth = scribe, scribe.run(), 0

    def lines(self, run_id: str) -> Any:
        if self._depth == 0 and not self._run.last.body.count(b"run_close"):
            self._depth += 1
            finish(self._scribe, changes=1)
            self._run.change()
            self._run.checkpoint()
            self._depth -= 1
        return super().lines(run_id)


def test_an_export_while_others_write_is_whole_in_itself(scribe: Scribe, copy: Path) -> None:
    busy = Busy(scribe)
    for _unused in range(2):
        export.export(busy, copy)
        report = verify.verify(verify.Directory(copy))
        assert report.verdict == verify.INCOMPLETE, list(verify.describe(report))
        assert {problem.reason for problem in report.problems} == {"the run was not closed"}


def old(source: verify.Source, copy: Path, before: str = LATER) -> dict[str, Any]:
    copied = verify.Directory(copy)
    return {one.run: one for one in export.removable(source, copied, verify.verify(copied), before)}


def test_runs_that_are_done_with_can_be_removed_and_others_stay(scribe: Scribe, copy: Path) -> None:
    done = finish(scribe)
    unclosed, unknown, settled = scribe.run(), scribe.run(), scribe.run()
    unclosed.change()
    unknown.tell(unknown.intend(), status="unknown")
    unknown.close()
    scribe.enter("settled", run=settled.id, at=1, head=settled.last.head, why="it was killed")
    copied = export.export(scribe.source, copy).runs
    found = old(scribe.source, copy)
    assert found[done] == export.Run(done, copied[done], verify.read(scribe.source, done).head)
    assert isinstance(found[settled.id], export.Run)
    assert found[unclosed.id] == export.Kept(unclosed.id, "it was not closed")
    assert found[unknown.id] == export.Kept(unknown.id, "the outcome of a change is unknown")
    assert old(scribe.source, copy, "20000101T000000Z") == {}


def test_the_log_says_that_runs_were_removed_and_the_ledger_is_intact(scribe: Scribe, ledger: Path, copy: Path) -> None:
    export.export(scribe.source, copy)
    gone = list(old(scribe.source, copy).values())
    finish(scribe)
    export.remove(scribe.store, gone, why="older than 52w", to=str(copy), by=None)
    assert len(list(scribe.source.runs())) == 1
    assert not [path for path in (ledger / "runs").iterdir() if gone[0].run in path.name]
    entry = json.loads(joined(ledger / "log.jsonl").splitlines()[-1][65:])
    assert {name: entry[name] for name in ("type", "run", "at", "head", "why", "to", "by")} == {
        "type": "retired",
        "run": gone[0].run,
        "at": gone[0].at,
        "head": gone[0].head,
        "why": "older than 52w",
        "to": str(copy),
        "by": None,
    }
    assert verdict(ledger) == verify.INTACT
    export.export(scribe.source, copy)
    assert verdict(copy) == verify.INTACT
    assert len(list((copy / "runs").iterdir())) == 2


def test_a_removal_that_was_killed_is_completed(
    scribe: Scribe, ledger: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.export(scribe.source, copy)
    gone = list(old(scribe.source, copy).values())

    def killed(_run_id: str) -> None:
        raise LedgerError("killed")

    monkeypatch.setattr(scribe.store, "remove", killed)
    with pytest.raises(LedgerError, match="killed"):
        export.remove(scribe.store, gone, why="old")
    monkeypatch.undo()
    finish(scribe)
    assert verdict(ledger) == verify.INTACT
    export.remove(scribe.store, gone, why="old")
    assert joined(ledger / "log.jsonl").count(b'"type":"retired"') == 1
    assert verdict(ledger) == verify.INTACT


def test_a_database_is_exported_and_what_was_removed_from_it_stays_in_the_copy(postgres: Postgres, copy: Path) -> None:
    dsn = postgres.ledger()
    store, owner = PostgresStore(dsn), PostgresStore(postgres.as_user("owner", dsn))
    for number in range(3):
        run = RunLedger.begin(store)
        run.outcome(run.intent(plan={"summary": f"change {number}"}), status="ok")
        run.close()
    assert export.export(store.source(), copy).runs.keys() == set(store.source().runs())
    assert verdict(copy) == verify.INTACT
    gone = list(old(store.source(), copy).values())[:2]
    with pytest.raises(LedgerError, match="permission denied"):
        export.remove(store, gone, why="old")
    export.remove(owner, gone, why="old")
    assert len(list(store.source().runs())) == 1
    assert verify.verify(store.source()).verdict == verify.INTACT
    export.export(store.source(), copy)
    assert verdict(copy) == verify.INTACT
    assert len(list((copy / "runs").iterdir())) == 3
