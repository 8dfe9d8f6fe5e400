# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger in PostgreSQL, for many machines at once: a frame is a row, which holds the line that a file would hold.

Its tables are made by extensions/postgresql/ledger.sql. A writer may insert and read, and nothing else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.database import Database
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import (
    Appended,
    Derive,
    LedgerError,
    following,
)

if TYPE_CHECKING:
    import psycopg

#: rows that are fetched or sent at once
PAGE = 256

# Held until the end of the transaction. Keys of locks are the database's own, so they begin with our name.
_LOCK = "select pg_advisory_xact_lock(hashtextextended('steward_ledger ' || %s, 0))"
_LEDGER_ID = "select ledger_id from steward_ledger.ledger"
_LAST = "select seq, line from steward_ledger.frames where run_id = %s order by seq desc limit 1"
_ADD_RUN = "insert into steward_ledger.runs (run_id, ledger_id, began) values (%s, %s, %s)"
_ADD_FRAME = "insert into steward_ledger.frames (run_id, seq, line) values (%s, %s, %s)"
_ADD_CHECKPOINT = "insert into steward_ledger.checkpoints (note) values (%s)"
_REMOVE = "delete from steward_ledger.runs where run_id = %s and run_id <> 'log'"
_BEGAN = "select began from steward_ledger.runs where run_id = %s"
# of one second, by the time in their first record
_RUNS = """
    select run_id from steward_ledger.runs left join steward_ledger.frames using (run_id)
    where run_id ~ '^[0-9a-f]{32}$' and coalesce(seq, 1) = 1 order by began, substring(line from 178 for 27)
"""
_STRANGERS = "select run_id from steward_ledger.runs where run_id !~ '^([0-9a-f]{32}|log)$'"
_LINES = """
    select seq, substring(line for %s) from steward_ledger.frames
    where run_id = %s and seq > %s order by seq limit %s
"""
_CHECKPOINTS = "select number, note from steward_ledger.checkpoints where number > %s order by number limit %s"


class PostgresStore:
    """A ledger's database, to be written."""

    def __init__(self, dsn: str) -> None:
        self._database = Database(dsn)
        self.name = self._database.name
        with self._database.transaction() as sql:
            self.ledger_id: str = sql.execute(_LEDGER_ID).fetchall()[0][0]

    def begin(self, opening: Mapping[str, Any]) -> tuple[RowChain, Appended]:
        """A new run, and its ``run_open``."""
        run_id = uuid.uuid4().hex
        opened = following(None, self.ledger_id, run_id, "run_open", opening)
        with self._database.transaction() as sql:
            sql.execute(_ADD_RUN, [run_id, self.ledger_id, _began(opened.body)])
            sql.execute(_ADD_FRAME, [run_id, opened.seq, opened.line])
        return RowChain(self._database, self.ledger_id, run_id), opened

    def log(self, derive: Derive) -> RowChain:
        return RowChain(self._database, self.ledger_id, frames.LOG, derive)

    def keep(self, checkpoint: str) -> None:
        with self._database.transaction() as sql:
            sql.execute(_ADD_CHECKPOINT, [checkpoint.encode()])

    def adopt(self, run_id: str, began: str, lines: Iterable[bytes]) -> None:
        rest = iter(lines)
        with self._database.transaction() as sql:
            sql.execute(_LOCK, [run_id])
            if sql.execute(_BEGAN, [run_id]).fetchone():
                return
            seq = 0
            while page := list(islice(rest, PAGE)):
                if seq == 0:
                    sql.execute(_ADD_RUN, [run_id, _ledger_of(page[0]), began])
                sql.executemany(_ADD_FRAME, [(run_id, seq + place, line) for place, line in enumerate(page, 1)])
                seq += len(page)

    def remove(self, run_id: str) -> None:
        with self._database.transaction() as sql:
            sql.execute(_REMOVE, [run_id])

    def source(self) -> Rows:
        return Rows(self._database)


class RowChain:
    """The rows of one chain."""

    def __init__(self, database: Database, ledger_id: str, run_id: str, derive: Derive | None = None) -> None:
        self.run_id = run_id
        self.where = _where(database, run_id)
        self._database = database
        self._ledger_id = ledger_id
        self._derive = derive

    def append(self, type_: str, fields: Mapping[str, Any], *, durable: bool = True) -> Appended:
        """Add one frame."""
        with self._database.transaction(durable=durable) as sql:
            sql.execute(_LOCK, [self.run_id])
            last = self._last(sql)
            if last is None and self.run_id != frames.LOG:
                raise self._database.error(f"the records of run {self.run_id} are gone")
            added = following(last, self._ledger_id, self.run_id, type_, fields, self._derive)
            sql.execute(_ADD_FRAME, [self.run_id, added.seq, added.line])
            return added

    def _last(self, sql: psycopg.Cursor[Any]) -> Appended | None:
        found = sql.execute(_LAST, [self.run_id]).fetchone()
        if found is None:
            return None
        seq, line = found
        head, _space, body = line.rstrip(b"\n").partition(b" ")
        return Appended(seq, head.decode("ascii"), body)


class Rows:
    """A ledger's database, to be read, page by page: what is added meanwhile comes after what was read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.name = database.name

    @property
    def ledger_id(self) -> str:
        return str(self._fetched(_LEDGER_ID)[0][0])

    def runs(self) -> list[str]:
        return [run_id for (run_id,) in self._fetched(_RUNS)]

    def began(self, run_id: str) -> str:
        found = self._fetched(_BEGAN, run_id)
        if not found:
            raise verify.Unverifiable(f"there is no run {run_id[:32]}")
        return str(found[0][0])

    def where(self, run_id: str) -> str:
        return _where(self._database, run_id)

    def lines(self, run_id: str) -> Iterator[bytes]:
        after = 0
        while page := self._fetched(_LINES, verify.MAX_LINE + 1, run_id, after, PAGE):
            for _seq, line in page:
                if len(line) > verify.MAX_LINE:
                    raise verify.Tampered("the line is longer than a record can be")
                yield line
            after = page[-1][0]

    def checkpoints(self) -> Iterator[str]:
        after = 0
        while page := self._fetched(_CHECKPOINTS, after, PAGE):
            yield from (note.decode("utf-8", "replace") for _number, note in page)
            after = page[-1][0]

    def strangers(self) -> list[str]:
        return [f"{self.name} run {run_id}" for (run_id,) in self._fetched(_STRANGERS)]

    def _fetched(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._database.transaction(durable=False) as sql:
                return sql.execute(query, values).fetchall()
        except LedgerError as error:
            raise verify.Unverifiable(str(error)) from error


def source(dsn: str) -> Rows:
    """The ledger of a database. Raises Unverifiable."""
    try:
        return Rows(Database(dsn))
    except LedgerError as error:
        raise verify.Unverifiable(str(error)) from error


def _where(database: Database, run_id: str) -> str:
    return f"{database.name} {'log' if run_id == frames.LOG else f'run {run_id}'}"


def _began(body: bytes) -> str:
    """The second of a run's first record. The clock of now may already show another one: connecting takes its time."""
    found = frames.PREFIX.match(body)
    return found["ts"][:19].decode().replace("-", "").replace(":", "") + "Z" if found else ""


def _ledger_of(line: bytes) -> str:
    """The ledger that a run was written to. What is no record of one is refused by the database."""
    found = frames.PREFIX.match(frames.body_of(line))
    return found["ledger_id"].decode() if found else ""
