# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the database is not there, does not answer, or is another one: an error in time, and no password in it."""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import database, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.database import Database, name_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import PostgresStore, RowChain, source
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

from tests.postgres import Postgres, execute, postgres

__all__ = ["postgres"]  # the fixture

fork = multiprocessing.get_context("fork")
SECRET = "S3cret"


@pytest.fixture
def dsn(postgres: Postgres) -> str:
    return postgres.ledger()


@pytest.fixture
def store(dsn: str) -> PostgresStore:
    return PostgresStore(dsn)


@pytest.fixture
def chain(store: PostgresStore) -> RowChain:
    return store.begin({})[0]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def refused(chain: RowChain) -> str:
    with pytest.raises(LedgerError) as caught:
        chain.append("intent", {"op_id": "a1"})
    return str(caught.value)


def test_stopped_in_mid_run(postgres: Postgres, store: PostgresStore, chain: RowChain) -> None:
    """An error at once; and the run goes on where the server is back."""
    postgres.stop()
    try:
        with within(10):
            why = refused(chain)
        assert why.startswith(f"cannot use the ledger {store.name}: connection failed")
        assert "Connection refused" in why
        assert postgres.password not in why
        with within(10), pytest.raises(verify.Unverifiable, match="Connection refused"):
            list(store.source().lines(chain.run_id))
    finally:
        postgres.start()
    assert chain.append("intent", {"op_id": "a1"}).seq == 2


def test_a_connection_that_was_cut_while_idle(dsn: str, postgres: Postgres, chain: RowChain) -> None:
    """By a restart or a firewall: nothing was sent on it yet, so that there is no doubt about what was written."""
    others = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'writer'"
    postgres.admin(others, dsn.rpartition("/")[2])
    assert chain.append("intent", {"op_id": "a1"}).seq == 2


def test_a_server_that_hangs(postgres: Postgres, chain: RowChain, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(database, "PATIENCE", 0.5)
        patch.setattr(database, "CONNECT_TIMEOUT", 2)
        postgres.freeze()
        try:
            with within(10):
                why = refused(chain)
            assert why.endswith("the server has not answered for 0 seconds")
            with within(10):
                why = refused(chain)  # on a new connection
            assert "timeout" in why
        finally:
            postgres.thaw()
    assert chain.append("intent", {"op_id": "a1"}).seq == 2


def test_a_lock_that_somebody_keeps(dsn: str, chain: RowChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.3)
    lock = f"select pg_advisory_xact_lock(hashtextextended('steward_ledger {chain.run_id}', 0))"
    with psycopg.connect(dsn) as other:
        other.execute(lock)
        with within(10):
            assert "another process has held the lock of this chain" in refused(chain)
    assert chain.append("intent", {"op_id": "a1"}).seq == 2


def test_a_writer_that_stands_still_keeps_no_lock(dsn: str, chain: RowChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 1)
    lock = f"select pg_advisory_xact_lock(hashtextextended('steward_ledger {chain.run_id}', 0))"

    def stands_still() -> None:
        with Database(dsn).transaction() as sql:
            sql.execute(lock)
            monkeypatch.setattr(database, "PATIENCE", 20)
            assert chain.append("intent", {"op_id": "a1"}).seq == 2

    with within(10), pytest.raises(LedgerError, match=r"idle-in-transaction timeout|the connection is lost"):
        stands_still()


def test_a_child_has_a_connection_of_its_own(dsn: str) -> None:
    here = Database(dsn)

    def backend() -> int:
        with here.transaction() as sql:
            return sql.connection.info.backend_pid

    mine = backend()

    def child() -> None:
        raise SystemExit(0 if backend() not in (mine, 0) else 1)

    process = fork.Process(target=child)
    process.start()
    process.join(20)
    assert process.exitcode == 0
    assert backend() == mine


@pytest.mark.parametrize(("durable", "expected"), [(True, "on"), (False, "off")])
def test_what_is_durable_is_on_disk(dsn: str, postgres: Postgres, durable: bool, expected: str) -> None:
    """Whatever an administrator's default is."""
    postgres.admin(f"alter database {dsn.rpartition('/')[2]} set synchronous_commit = 'off'")
    postgres.admin(f"alter database {dsn.rpartition('/')[2]} set default_transaction_isolation = 'serializable'")
    with Database(dsn).transaction(durable=durable) as sql:
        shown = "select current_setting('synchronous_commit'), current_setting('transaction_isolation')"
        assert sql.execute(shown).fetchone() == (expected, "read committed")


def test_a_database_without_a_ledger(postgres: Postgres) -> None:
    with pytest.raises(LedgerError, match=r"there is no ledger in it: make one with extensions/postgresql/ledger\.sql"):
        PostgresStore(postgres.dsn("admin"))


def test_a_user_without_rights(dsn: str, postgres: Postgres) -> None:
    postgres.admin(f"drop role if exists nobody; create role nobody login password '{postgres.password}'")
    with pytest.raises(LedgerError, match="permission denied for schema steward_ledger: grant its user the role"):
        PostgresStore(postgres.as_user("nobody", dsn))


def test_without_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError, match=r"pip install 'psycopg\[binary\]>=3\.1'"):
        PostgresStore("postgresql://db/steward")
    with pytest.raises(verify.Unverifiable, match="pip install"):
        source("postgresql://db/steward")


@pytest.mark.parametrize(
    ("dsn", "name"),
    [
        (f"postgresql://awx:{SECRET}@db.example.com/steward", "postgresql://db.example.com:5432/steward"),
        (f"host=db port=6432 dbname=steward user=awx password={SECRET}", "postgresql://db:6432/steward"),
        (f"postgresql://awx:{SECRET}@a,b:6432/steward", "postgresql://a,b:,6432/steward"),
        (f"postgresql://[::1]/steward?password={SECRET}", "postgresql://::1:5432/steward"),
        ("postgresql:///steward?host=/run/postgresql", "postgresql://%2Frun%2Fpostgresql:5432/steward"),
        (f"service=steward password={SECRET}", "postgresql://?service=steward"),
        ("user=awx", "postgresql://localhost:5432/awx"),
    ],
)
def test_what_people_are_shown(dsn: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"):
        monkeypatch.delenv(variable, raising=False)
    assert name_of(dsn) == name


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://awx:x@{SECRET}@db/steward",
        f"postgresql://awx:x/{SECRET}@db/steward",
        f"postgresql://awx:1/{SECRET}@db/steward",
        f"postgresql://awx:{SECRET}%zz@db/steward",
        f"postgresql://awx:x:{SECRET}/1@db/steward",
        f"host=db password=x {SECRET}",
        f"host=db {SECRET}=x",
        SECRET,
    ],
)
def test_a_password_that_was_not_encoded_is_not_told(dsn: str) -> None:
    with pytest.raises(LedgerError, match="percent-encoded") as caught:
        PostgresStore(dsn)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_wrong_password_is_not_told(postgres: Postgres, dsn: str, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = dsn.replace(postgres.password, SECRET)
    with pytest.raises(LedgerError, match="password authentication failed") as caught:
        PostgresStore(wrong)
    assert SECRET not in "".join(map(str, (caught.value, caught.value.__cause__, *capfd.readouterr())))
    execute(dsn, "select 1")
