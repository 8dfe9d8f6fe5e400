# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL database that many processes write: a connection for each of them, and an end to every wait."""

from __future__ import annotations

import functools
import os
import re
import selectors
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT = 10
#: for another process to give a chain free; for the server to end a statement; for it to answer at all
LOCK_TIMEOUT, STATEMENT_TIMEOUT, PATIENCE = 30.0, 35.0, 40.0

_INSTALL = "PostgreSQL needs the Python package psycopg: pip install 'psycopg[binary]>=3.1'"
_UNREADABLE = (
    "dsn: this is not a connection string, such as postgresql://user@host:5432/database."
    " What is special in a password has to be percent-encoded; better, keep it in a file that PGPASSFILE names"
)
#: where a password that was not encoded would end up
_PLACE = {"host": re.compile(r"[\w.:,/-]*"), "port": re.compile(r"[0-9,]*"), "dbname": re.compile(r"[^@/?#&=\s]*")}
_NO_LEDGER = "there is no ledger in it: make one with extensions/postgresql/ledger.sql"
#: what to do, by SQLSTATE
_ADVICE = {
    "3F000": _NO_LEDGER,
    "42P01": _NO_LEDGER,
    "42501": "grant its user the role of the ledger's writers, or to read only, that of its readers",
    "55P03": f"another process has held the lock of this chain for {LOCK_TIMEOUT:.0f} seconds",
}
# of this transaction only: behind a pooler the next one may be somebody else's
_LIMITS = (
    "select set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true),"
    " set_config('idle_in_transaction_session_timeout', %s, true), set_config('synchronous_commit', %s, true)"
)
_Answer = TypeVar("_Answer")


class _NoAnswer(Exception):
    """The server keeps the connection, and says nothing."""


class Database:
    """Every method raises LedgerError."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.name = name_of(dsn)
        self._connection: psycopg.Connection[Any] | None = None
        self._pid = 0

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[psycopg.Cursor[Any]]:
        """All of it or nothing; durable: on disk when it is over."""
        error_of_server = driver().Error
        try:
            connection = self._begun("on" if durable else "off")
            try:
                with connection.cursor() as cursor:
                    yield cursor
                connection.commit()
            except BaseException:
                connection.close()  # a rollback would wait once more for a server that does not answer
                raise
        except _NoAnswer:
            raise self.error(f"the server has not answered for {PATIENCE:.0f} seconds") from None
        except error_of_server as error:
            raise self.error(_explained(error)) from error

    def error(self, why: str) -> LedgerError:
        return LedgerError(f"cannot use the ledger {self.name}: {why}")

    def _begun(self, synchronous: str) -> psycopg.Connection[Any]:
        """This process's connection, in a new transaction. One that was inherited by fork is the parent's to use."""
        limits = [f"{seconds:.3f}s" for seconds in (LOCK_TIMEOUT, STATEMENT_TIMEOUT, PATIENCE)]
        connection = self._connection
        if connection and self._pid == os.getpid() and not connection.closed:
            try:
                connection.execute(_LIMITS, [*limits, synchronous])
                return connection
            except driver().OperationalError:  # cut while nobody used it; nothing of this transaction was sent yet
                connection.close()
        connection = self._connection = _connected(self._dsn)
        self._pid = os.getpid()
        connection.execute(_LIMITS, [*limits, synchronous])
        return connection


def name_of(dsn: str) -> str:
    """What people are shown of a connection string: never its password, and nothing that might be a part of one."""
    psycopg = driver()
    try:
        given = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        raise LedgerError(_UNREADABLE) from None  # libpq's message has a part of the string
    if "service" in given:
        return f"postgresql://?service={quote(str(given['service']))}"
    known = psycopg.pq.Conninfo.get_defaults()
    place = {option.keyword.decode(): (option.val or b"").decode() for option in known} | given
    if not all(allowed.fullmatch(str(place.get(key) or "")) for key, allowed in _PLACE.items()):
        raise LedgerError(_UNREADABLE)
    host = quote(str(place.get("host") or "localhost"), safe=":,")
    return f"postgresql://{host}:{place['port']}/{place.get('dbname') or place.get('user') or ''}"


def driver() -> ModuleType:
    """psycopg, which only those need who have their ledger in PostgreSQL."""
    try:
        import psycopg
    except ImportError as error:
        raise LedgerError(f"{_INSTALL} ({error})") from None
    return psycopg


def _connected(dsn: str) -> psycopg.Connection[Any]:
    psycopg = driver()
    defaults = {"connect_timeout": CONNECT_TIMEOUT, "application_name": "steward.proxmox ledger"}
    settings = defaults | psycopg.conninfo.conninfo_to_dict(dsn) | {"client_encoding": "UTF8"}
    # no prepared statements, for the sake of poolers
    connection = _patient().connect(**settings, prepare_threshold=None)
    # what is read after the lock has to be what was committed before it
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection


@functools.cache
def _patient() -> type[psycopg.Connection[Any]]:
    import psycopg

    class Patient(psycopg.Connection[Any]):
        """Does not wait for ever. The server keeps its own time limits, but not while it is stopped or cut off."""

        def wait(self, gen: Generator[Any, Any, _Answer], *_intervals: Any, **_unused: Any) -> _Answer:
            return _answer(gen, self.fileno())

    return Patient


def _answer(conversation: Generator[Any, Any, _Answer], socket: int) -> _Answer:
    """psycopg's conversation with the server: it says what to wait for, in the words of selectors, and is told what
    came."""
    deadline = time.monotonic() + PATIENCE
    try:
        wanted = next(conversation)
        while True:
            with selectors.DefaultSelector() as selector:
                selector.register(socket, wanted)
                came = selector.select(max(0, deadline - time.monotonic()))
            if not came:
                raise _NoAnswer
            wanted = conversation.send(came[0][1])
    except StopIteration as end:
        return end.value


def _explained(error: Any) -> str:
    said = " ".join((error.diag.message_primary or str(error)).split())
    advice = _ADVICE.get(error.sqlstate or "")
    return f"{said}: {advice}" if advice else said
