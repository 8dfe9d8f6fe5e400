# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that were recorded elsewhere, because the ledger could not be: they come into it once, whatever happens."""

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import emergency, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import PostgresStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Store

from tests.postgres import Postgres, postgres
from tests.unit.ledger.scribe import Scribe, ScribedRun

__all__ = ["postgres"]  # the fixture


@pytest.fixture
def spool(tmp_path: Path) -> Scribe:
    return Scribe(tmp_path / "spool", segment_size=2000)


@pytest.fixture(params=["files", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "files":
        return FileStore(tmp_path / "ledger")
    server: Postgres = request.getfixturevalue("postgres")
    return PostgresStore(server.ledger())


def a_run(spool: Scribe, changes: int = 1) -> ScribedRun:
    run = spool.run(emergency={"why": "the database moves", "error": "connection refused"})
    for _unused in range(changes):
        run.change()
    run.close()
    return run


def adopted(store: Store) -> list[dict[str, Any]]:
    """These entries of the log."""
    frames = [json.loads(line[65:]) for line in store.source().lines("log")]
    return [frame for frame in frames if frame["type"] == "adopted"]


def left(spool: Scribe) -> list[str]:
    return list(spool.source.runs())


def test_nothing_is_made_where_nothing_is(tmp_path: Path, store: Store) -> None:
    assert emergency.adopt_all(str(tmp_path / "nowhere"), store) == []
    assert not (tmp_path / "nowhere").exists()


def test_closed_runs_come_into_the_ledger(spool: Scribe, store: Store) -> None:
    """One of them in several files. Afterwards both ledgers are what they should be."""
    runs = [a_run(spool), a_run(spool, changes=8)]
    lines = {run.id: list(spool.source.lines(run.id)) for run in runs}
    told = emergency.adopt_all(spool.store.name, store)
    assert [f"was adopted by {store.name}" in line for line in told] == [True, True]
    assert {run_id: list(store.source().lines(run_id)) for run_id in store.source().runs()} == lines
    entries = [(frame["run"], frame["ledger"], frame["head"]) for frame in adopted(store)]
    assert entries == [(run.id, spool.store.ledger_id, run.last.head) for run in runs]
    assert left(spool) == []
    away = sorted((spool.store.path / emergency.ADOPTED).iterdir())
    assert sum(path.stat().st_size for path in away) == sum(len(line) for run in lines.values() for line in run)
    for ledger in (store.source(), spool.source):
        report = verify.verify(ledger)
        assert report.verdict == verify.INTACT, report.problems
    assert emergency.adopt_all(spool.store.name, store) == []


def test_what_may_go_on_or_is_not_right_stays(spool: Scribe, store: Store) -> None:
    live, edited, good = spool.run(host=socket.gethostname(), pid=os.getpid()), a_run(spool), a_run(spool)
    elsewhere = spool.run(host="another", pid=gone())
    file = Path(spool.source.where(edited.id))
    file.write_bytes(file.read_bytes().replace(b"alice", b"mallo"))
    told = "\n".join(emergency.adopt_all(spool.store.name, store))
    assert store.source().runs() == [good.id]
    assert left(spool) == [live.id, edited.id, elsewhere.id]
    for run in (live, elsewhere):
        assert f"{spool.source.where(run.id)} was not adopted: it is not closed" in told
    assert f"{file} was not adopted: record 1: " in told
    live.close()
    emergency.adopt_all(spool.store.name, store)
    assert left(spool) == [edited.id, elsewhere.id]


def gone() -> int:
    """The id that a process had."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_a_run_that_was_killed_is_over(spool: Scribe, store: Store) -> None:
    """Its change of unknown outcome is named by the ledger that adopts it."""
    run = spool.run(host=socket.gethostname(), pid=gone())
    op = run.intend()
    lines = list(spool.source.lines(run.id))
    with Path(spool.source.where(run.id)).open("ab") as file:
        file.write(b"half a fra")
    emergency.adopt_all(spool.store.name, store)
    assert list(store.source().lines(run.id)) == lines
    report = verify.verify(store.source())
    assert (report.verdict, [change.op_id for change in report.dangling]) == (verify.INCOMPLETE, [op])
    assert left(spool) == []
    assert verify.verify(spool.source).verdict == verify.INTACT


class Killed(BaseException):
    """In the place of a signal."""


@pytest.mark.parametrize(
    "place", ["adopt", "after adopt", "adopted", "after adopted", "retired", "after retired", "away"]
)
def test_one_who_is_killed_loses_nothing_and_does_nothing_twice(
    spool: Scribe, store: Store, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(spool, changes=8)

    def killed_at(here: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def work_until(*values: Any, **named: Any) -> Any:
            step = values[1] if here == "enter" else here
            if place == step:
                raise Killed
            done = work(*values, **named)
            if place == f"after {step}":
                raise Killed
            return done

        return work_until

    with monkeypatch.context() as patch:
        patch.setattr(store, "adopt", killed_at("adopt", store.adopt))
        patch.setattr(emergency, "enter", killed_at("enter", emergency.enter))
        if place == "away":
            patch.setattr(emergency.os, "replace", killed_in_the_second(emergency.os.replace))
        with pytest.raises(Killed):
            emergency.adopt_all(spool.store.name, store)
    emergency.adopt_all(spool.store.name, store)
    assert store.source().runs() == [run.id]
    assert len(adopted(store)) == 1
    assert left(spool) == []
    for ledger in (store.source(), spool.source):
        report = verify.verify(ledger)
        assert report.verdict == verify.INTACT, report.problems


def killed_in_the_second(move: Callable[..., Any]) -> Callable[..., Any]:
    done: list[None] = []

    def move_once(*values: Any) -> None:
        if done:
            raise Killed
        done.append(move(*values))

    return move_once


def test_a_store_that_goes_away_is_told(spool: Scribe, postgres: Postgres) -> None:
    run = a_run(spool)
    store = PostgresStore(postgres.ledger())
    postgres.stop()
    try:
        (told,) = emergency.adopt_all(spool.store.name, store)
    finally:
        postgres.start()
    assert told.startswith(f"the emergency ledger {spool.store.name} was not adopted: cannot use the ledger")
    assert left(spool) == [run.id]


def test_a_log_that_was_changed_is_told(spool: Scribe, store: Store) -> None:
    run = a_run(spool)
    log = spool.store.path / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"type":"open","at":1', b'"type":"retired",:1'))
    (told,) = emergency.adopt_all(spool.store.name, store)
    assert "a log was changed by something else: JSONDecodeError" in told
    assert left(spool) == [run.id]


def test_the_ledger_does_not_adopt_itself(spool: Scribe) -> None:
    run = a_run(spool)
    (told,) = emergency.adopt_all(spool.store.name, spool.store)
    assert "it is the ledger itself" in told
    assert left(spool) == [run.id]


def test_neither_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=r"the database is down\. Nor can the emergency ledger: cannot write"):
        emergency.open_instead(str(tmp_path / "file"), "the database is down")
