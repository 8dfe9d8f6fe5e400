# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ledger in a real PostgreSQL: what it holds, many writers at once, and what its users may do to it."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames, log, postgresql, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import PostgresStore, RowChain, source
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import (
    Appended,
    LedgerError,
    Store,
    following,
)

from tests.postgres import Postgres, execute, postgres

__all__ = ["postgres"]  # the fixture

fork = multiprocessing.get_context("fork")
OPENING = {"actor": {"user": "alice"}, "check_mode": False}
PLAN = {"summary": "update lxc/200", "steps": [{"op": "update", "target": "lxc/200"}]}


@pytest.fixture
def dsn(postgres: Postgres) -> str:
    return postgres.ledger()


@pytest.fixture
def store(dsn: str) -> PostgresStore:
    return PostgresStore(dsn)


def begin(store: PostgresStore) -> RowChain:
    chain, opened = store.begin(OPENING)
    log.enter(store, "open", run=chain.run_id, at=opened.seq, head=opened.head)
    return chain


def change(chain: RowChain, op_id: str) -> None:
    chain.append("intent", {"op_id": op_id, "host": "pve1", "plan": PLAN})
    chain.append("outcome", {"op_id": op_id, "status": "ok", "changed": True})


def close(store: Store, chain: RowChain) -> None:
    run = verify.read(store.source(), chain.run_id)
    last = chain.append("run_close", {"counts": run.counts, "dangling": [], "head": run.head, "broken": ""})
    log.enter(store, "close", run=chain.run_id, at=last.seq, head=last.head)


def in_processes(work: Callable[[int], object], count: int) -> None:
    children = [fork.Process(target=work, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(300)
    assert [child.exitcode for child in children] == [0] * count


def places(lines: Iterator[bytes], key: str) -> list[str]:
    """One of the keys that every frame begins with."""
    return [found[key].decode() for line in lines if (found := frames.PREFIX.match(line[65:]))]


def types(lines: Iterator[bytes]) -> list[str]:
    return places(lines, "type")


def second_of_the_first_record(store: PostgresStore, chain: RowChain) -> str:
    stamp = places(store.source().lines(chain.run_id), "ts")[0]
    return f"{stamp[:10]}T{stamp[11:19]}Z".replace("-", "").replace(":", "")


def test_a_run_is_the_lines_that_a_file_would_hold(store: PostgresStore) -> None:
    chain = begin(store)
    change(chain, "a1")
    close(store, chain)
    rows = store.source()
    assert types(rows.lines(chain.run_id)) == ["run_open", "intent", "outcome", "run_close"]
    assert types(rows.lines("log")) == ["open", "close"]
    assert (rows.runs(), rows.strangers()) == ([chain.run_id], [])
    assert rows.where(chain.run_id) == chain.where == f"{store.name} run {chain.run_id}"
    assert rows.began(chain.run_id) == second_of_the_first_record(store, chain)
    assert verify.verify(rows).verdict == verify.INTACT


def test_a_run_begins_with_its_first_record_however_long_connecting_takes(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = store._database.transaction

    def slow_transaction() -> Any:
        time.sleep(1)
        return transaction()

    with monkeypatch.context() as patch:
        patch.setattr(store._database, "transaction", slow_transaction)
        chain = store.begin({})[0]
    assert store.source().began(chain.run_id) == second_of_the_first_record(store, chain)


@pytest.mark.parametrize("page", [1, 5, 7, 100])
def test_it_is_read_page_by_page(store: PostgresStore, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "PAGE", page)
    chain = begin(store)
    for number in range(3):
        change(chain, f"a{number}")
    assert places(store.source().lines(chain.run_id), "seq") == [str(seq) for seq in range(1, 8)]
    notes = [f"steward.proxmox/x\n{number}\nroot\n\n— name signature\n" for number in range(7)]
    for note in notes:
        store.keep(note)
    assert list(store.source().checkpoints()) == notes


def test_runs_are_ordered_by_their_beginning(store: PostgresStore) -> None:
    chains = [begin(store) for _unused in range(20)]
    assert store.source().runs() == [chain.run_id for chain in chains]


def test_sixteen_machines_write_their_runs_and_one_log(dsn: str) -> None:
    def machine(number: int) -> None:
        store = PostgresStore(dsn)
        chain = begin(store)
        for turn in range(10):
            change(chain, f"{number}-{turn}")
        close(store, chain)

    in_processes(machine, 16)
    report = verify.verify(source(dsn))
    assert (report.verdict, report.runs) == (verify.INTACT, 16), report.problems
    assert len(list(source(dsn).lines("log"))) == 32


def test_forked_workers_write_one_run(store: PostgresStore) -> None:
    """Each has a connection of its own, and none does anything to that of its parent."""
    chain = begin(store)

    def worker(number: int) -> None:
        for turn in range(5):
            change(chain, f"{number}-{turn}")

    in_processes(worker, 16)
    close(store, chain)
    report = verify.verify(store.source())
    assert report.verdict == verify.INTACT, report.problems
    assert len(types(store.source().lines(chain.run_id))) == 1 + 16 * 5 * 2 + 1


@pytest.mark.parametrize("table", ["frames", "runs", "checkpoints", "ledger"])
def test_a_writer_changes_nothing_that_was_written(store: PostgresStore, dsn: str, table: str) -> None:
    begin(store)
    store.keep("note\n")
    column = {"frames": "seq", "runs": "began", "checkpoints": "note", "ledger": "ledger_id"}[table]
    for statement in (
        f"update steward_ledger.{table} set {column} = {column}",
        f"delete from steward_ledger.{table}",
        f"truncate steward_ledger.{table} cascade",
        f"alter table steward_ledger.{table} disable trigger all",
        f"drop table steward_ledger.{table} cascade",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(dsn, statement)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        execute(dsn, "insert into steward_ledger.ledger values (true, 'x')")


def test_a_writer_adds_only_what_follows(store: PostgresStore, dsn: str) -> None:
    chain = begin(store)
    change(chain, "a1")
    *_before, last = store.source().lines(chain.run_id)
    third, fourth = (Appended(seq, last[:64].decode(), last[65:-1]) for seq in (3, 4))
    good = following(third, store.ledger_id, chain.run_id, "note", {})
    hole = following(fourth, store.ledger_id, chain.run_id, "note", {})
    foreign = following(third, "f" * 32, chain.run_id, "note", {})
    other_run = following(third, store.ledger_id, "e" * 32, "note", {})

    def insert(seq: int, line: bytes) -> None:
        execute(dsn, f"insert into steward_ledger.frames values ('{chain.run_id}', {seq}, '\\x{line.hex()}')")

    for seq, line in (
        (4, good.line[:-1]),
        (4, good.line + b"\n"),
        (4, good.line.replace(b'"note"', b'"intent"')),
        (4, b"0" * 64 + good.line[64:]),
        (4, foreign.line),
        (4, other_run.line),
        (4, b""),
        (5, hole.line),
        (3, good.line),
        (1, good.line),
    ):
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation)):
            insert(seq, line)
    insert(4, good.line)
    close(store, chain)
    with pytest.raises(LedgerError, match=f"run {chain.run_id} is closed"):
        chain.append("intent", {"op_id": "late"})


def test_a_reader_reads(store: PostgresStore, dsn: str, postgres: Postgres) -> None:
    chain = begin(store)
    reader = postgres.as_user("reader", dsn)
    assert source(reader).runs() == [chain.run_id]
    with pytest.raises(LedgerError, match="permission denied for table runs: grant its user"):
        PostgresStore(reader).begin(OPENING)
    with psycopg.connect(reader) as connection:
        query = "select record->'actor'->>'user' from steward_ledger.records where record->>'type' = 'run_open'"
        assert connection.execute(query).fetchall() == [("alice",)]


def test_only_the_owner_removes(store: PostgresStore, dsn: str, postgres: Postgres) -> None:
    chain, other = begin(store), begin(store)
    with pytest.raises(LedgerError, match="permission denied for table runs"):
        store.remove(chain.run_id)
    PostgresStore(postgres.as_user("owner", dsn)).remove(chain.run_id)
    assert store.source().runs() == [other.run_id]
    assert list(store.source().lines(chain.run_id)) == []
    with pytest.raises(LedgerError, match=f"the records of run {chain.run_id} are gone"):
        chain.append("intent", {"op_id": "a1"})
    with pytest.raises(verify.Unverifiable, match="there is no run"):
        store.source().began(chain.run_id)


def test_a_run_is_adopted_whole_once_or_not_at_all(
    store: PostgresStore, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "PAGE", 3)
    files = FileStore(ledger)
    chain, _opened = files.begin(OPENING)
    for number in range(5):
        chain.append("note", {"number": number})
    chain.append("run_close", {})
    there = files.source()
    lines = list(there.lines(chain.run_id))

    def cut_off() -> Iterator[bytes]:
        yield from lines[:-1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.adopt(chain.run_id, there.began(chain.run_id), cut_off())
    with pytest.raises(LedgerError, match=f"record 2 of run {chain.run_id} does not follow"):
        store.adopt(chain.run_id, there.began(chain.run_id), [lines[0], *lines[2:]])
    assert store.source().runs() == []
    for _twice in range(2):
        store.adopt(chain.run_id, there.began(chain.run_id), lines)
    assert store.source().runs() == [chain.run_id]
    assert list(store.source().lines(chain.run_id)) == lines
    assert store.source().began(chain.run_id) == there.began(chain.run_id)


def test_what_the_owner_rewrote_is_seen(store: PostgresStore, dsn: str, postgres: Postgres) -> None:
    chain = begin(store)
    change(chain, "a1")
    close(store, chain)
    owner = postgres.as_user("owner", dsn)
    edit = "update steward_ledger.frames set line = set_byte(line, length(line) - 10, 65)"
    execute(owner, f"{edit} where seq = 2 and run_id = '{chain.run_id}'")
    report = verify.verify(store.source())
    assert report.verdict == verify.TAMPERED
    assert any(problem.record == 2 for problem in report.problems)


def test_a_line_that_cannot_be_is_not_fetched(store: PostgresStore, dsn: str, postgres: Postgres) -> None:
    chain = begin(store)
    owner = postgres.as_user("owner", dsn)
    execute(owner, "alter table steward_ledger.frames drop constraint frames_line_check")
    execute(owner, "update steward_ledger.frames set line = convert_to(repeat('x', 9000000), 'UTF8')")
    with pytest.raises(verify.Tampered, match="longer than a record"):
        list(store.source().lines(chain.run_id))


def test_making_it_twice_changes_nothing(store: PostgresStore, dsn: str, postgres: Postgres) -> None:
    begin(store)
    with pytest.raises(RuntimeError, match='schema "steward_ledger" already exists'):
        postgres.make(dsn)
    assert len(store.source().runs()) == 1


def test_an_administrator_who_is_no_superuser_makes_one_with_other_names(postgres: Postgres) -> None:
    postgres.admin(f"create role ops login createrole createdb password '{postgres.password}'")
    execute(postgres.dsn("ops"), "create database ops")
    dsn = postgres.dsn("ops", "ops")
    postgres.make(dsn, user="ops", owner="own", writer="write", reader="read")
    for name in ("own", "write", "read"):
        postgres.admin(f"create role {name}_login login password '{postgres.password}' in role {name}")
    chain = begin(PostgresStore(postgres.as_user("write_login", dsn)))
    with pytest.raises(LedgerError, match="permission denied"):
        PostgresStore(postgres.as_user("read_login", dsn)).begin(OPENING)
    PostgresStore(postgres.as_user("own_login", dsn)).remove(chain.run_id)
    assert source(postgres.as_user("read_login", dsn)).runs() == []
