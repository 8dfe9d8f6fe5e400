# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of the current run.

The callback opens it in ansible-playbook's own process before the first task; every worker is forked from that
process and finds it here. What a worker learns dies with it, so that a failure to record travels back to the
callback through a page of shared memory, which needs no disk.
"""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import settings
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import emergency, keys, location, sinks, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.checkpoints import Checkpoints
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import Appended, LedgerError, Store

__all__ = ["LedgerError", "RunLedger", "close", "current", "open_run", "require", "required"]

EVERY = 50
#: an operation is an intent and an outcome
_RECORDS_OF_AN_OPERATION = 2
_EMERGENCY = "STEWARD_LEDGER_EMERGENCY"
_Result = TypeVar("_Result")

_current: RunLedger | None = None
_option = False


class Page:
    """A text that every process of the run sees as soon as one of them has written it."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def write(self, text: str) -> None:
        encoded = text.encode("utf-8", "replace")[: mmap.PAGESIZE - 1]
        self._page[: len(encoded) + 1] = encoded + b"\0"

    @property
    def text(self) -> str:
        return self._page[:].partition(b"\0")[0].decode("utf-8", "replace")


class RunLedger:
    """Records one run. After a failure nothing more can be intended; what has happened may still be recorded."""

    def __init__(self, store: Store, opening: Mapping[str, Any], checkpoints: Checkpoints, every: int = EVERY) -> None:
        """Begin a run: its opening stands in the log before anything else of it. Raises LedgerError."""
        self._store, self._checkpoints, self._every = store, checkpoints, every
        self._alarm, self._reached = Page(), Page()
        self._chain, opened = store.begin(opening)
        self.run_id, self.where = self._chain.run_id, self._chain.where
        #: which process wrote the last record that this one knows of, and its hash
        self._last = (os.getpid(), opened.head)
        #: what people are to be told, and were not told yet
        self.warnings: list[str] = []
        #: the newest checkpoint of this run
        self.checkpoint = ""
        self._publish("open", opened)

    @classmethod
    def begin(cls, store: Store, **opening: Any) -> RunLedger:
        """A run that nobody outside hears of."""
        return cls(store, opening, Checkpoints(store))

    @property
    def ledger(self) -> str:
        """The name of the ledger: its directory, or its database."""
        return self._store.name

    @property
    def head(self) -> str:
        """The hash of the last record that this process wrote; "" where it wrote none."""
        process, head = self._last
        return head if process == os.getpid() else ""

    @property
    def broken(self) -> str:
        """Why recording failed in any process of this run; empty while all is well."""
        return self._alarm.text

    def plan(self, **fields: Any) -> None:
        """A change that check mode would make."""
        self._append("plan", {"op_id": _op_id(), **fields}, durable=False)

    def intent(self, **fields: Any) -> str:
        """A change that is about to be made. On disk when this returns; without it, the change must not be made."""
        if self.broken:
            raise LedgerError(f"nothing more is changed in this run, because recording failed earlier: {self.broken}")
        op_id = _op_id()
        self._append("intent", {**fields, "op_id": op_id})
        return op_id

    def outcome(self, op_id: str, **fields: Any) -> None:
        """What came of an intent: ``status`` is ok, failed or unknown."""
        self._reached.write(str(self._append("outcome", {**fields, "op_id": op_id}).seq))

    def refused(self, **fields: Any) -> None:
        """A change that policy or missing privileges stopped."""
        self._append("refused", {"op_id": _op_id(), **fields})

    def resolved(self, **fields: Any) -> None:
        """What became of another run's intent that had no outcome."""
        self._append("resolved", fields)

    def settle(self, run: str, at: int, head: str, why: str) -> None:
        """Account for a run that was never closed."""
        self._guarded(lambda: self._checkpoints.enter("settled", run=run, at=at, head=head, why=why, by=self.run_id))

    def checkpoint_if_due(self) -> bool:
        """Every so many operations the outside hears of the run. For the callback, which alone may print."""
        due = int(self._reached.text or 0) - self._seen >= self._every * _RECORDS_OF_AN_OPERATION
        if due and not self.broken:
            self._publish("checkpoint", self._append("note", {"note": "checkpoint"}))
        return due

    def close(self) -> verify.Run:
        """Verify the run's own records, and end it with what was counted there."""
        run = verify.read(self._store.source(), self.run_id)
        if run.problem:
            self._ring(f"{self.where} record {run.problem.record}: {run.problem.reason}")
        else:
            summary = {"counts": run.counts, "dangling": sorted(run.pending), "broken": self.broken}
            last = self._append("run_close", summary)
            run.head, run.records = last.head, last.seq
            self._publish("close", last)
        return run

    def _publish(self, type_: str, at: Appended) -> None:
        enter = self._checkpoints.enter
        self.checkpoint, missed = self._guarded(lambda: enter(type_, run=self.run_id, at=at.seq, head=at.head))
        self.warnings += missed
        self._seen = at.seq

    def _append(self, type_: str, fields: Mapping[str, Any], *, durable: bool = True) -> Appended:
        appended = self._guarded(lambda: self._chain.append(type_, fields, durable=durable))
        self._last = (os.getpid(), appended.head)
        return appended

    def _guarded(self, record: Callable[[], _Result]) -> _Result:
        """Whatever goes wrong, every process of the run gets to know."""
        try:
            return record()
        except LedgerError as error:
            self._ring(str(error))
            raise
        except Exception as error:
            self._ring(f"cannot write the ledger {self.where}: {error!r}")
            raise LedgerError(self.broken) from error

    def _ring(self, why: str) -> None:
        if not self.broken:  # the first reason is the one to tell
            self._alarm.write(why)


def open_run(options: Mapping[str, Any], **opening: Any) -> RunLedger:
    """Begin to record, as the callback's options say. For the callback, before the first task. Raises LedgerError."""
    global _current
    signers = [keys.load(Path(options["key"]))] if options.get("key") else []
    every = options.get("checkpoint_every") or EVERY
    spool, why = options.get("emergency_path"), os.environ.get(_EMERGENCY, "").strip()
    try:
        store = location.open_store(options)
        witnesses = sinks.sinks_of(options.get("sinks") or [])
        checkpoints = Checkpoints(store, signers, witnesses, bool(options.get("sinks_required")))
        checkpoints.check_pins()
        _current = RunLedger(store, opening, checkpoints, every)
    except LedgerError as error:
        if not (spool and why):
            raise
        store = emergency.open_instead(spool, str(error))
        opening["emergency"] = {"why": why, "error": str(error)}
        _current = RunLedger(store, opening, Checkpoints(store, signers), every)
        _current.warnings.append(f"EMERGENCY ({why}): {error}. THIS RUN IS RECORDED IN {store.name} INSTEAD")
    else:
        if spool:
            _current.warnings += emergency.adopt_all(spool, store)
    return _current


def close() -> None:
    """What comes after is not part of the run."""
    global _current
    _current = None


def current() -> RunLedger | None:
    """The ledger of this run, or None when the callback is not enabled or could not open it."""
    return _current


def require(asked: bool) -> None:
    """The callback's option. It reaches the workers by fork."""
    global _option
    _option = asked


def required() -> bool:
    """Whether a change that cannot be recorded must be refused: the environment, ansible.cfg, the callback or the
    policy of the process says so.

    ansible.cfg is read here, because a callback that was left out of ``callbacks_enabled`` cannot pass on its option.
    """
    asked = (os.environ.get("STEWARD_LEDGER_REQUIRED", ""), settings.configured("required", "steward_ledger"))
    return _option or any(settings.is_yes(word) for word in asked) or _by_policy()


def _by_policy() -> bool:
    try:
        return settings.policy_of({}, []).ledger_required
    except BadInput:  # nobody knows what it asks for; every task says what is wrong with it
        return True


def _op_id() -> str:
    return secrets.token_hex(8)
