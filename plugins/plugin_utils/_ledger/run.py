# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of the current run.

The callback opens it in ansible-playbook's own process before the first task; every worker is forked from that
process and finds it here. What a worker learns dies with it, so that a failure to record travels back to the
callback through a page of shared memory, which needs no disk.
"""

import mmap
import os
import secrets
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import settings
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Segment

__all__ = ["LedgerError", "RunLedger", "close", "current", "open_run", "require", "required"]

_current: "RunLedger | None" = None
_option = False


class Alarm:
    """A text that any process of the run may set, once, and all of them see."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def ring(self, why: str) -> None:
        if not self.why:
            text = why.encode("utf-8", "replace")[: mmap.PAGESIZE - 1]
            self._page[: len(text)] = text

    @property
    def why(self) -> str:
        return self._page[:].rstrip(b"\0").decode("utf-8", "replace")


class RunLedger:
    """Records one run. After a failure nothing more can be intended; what has happened may still be recorded."""

    def __init__(self, segment: Segment) -> None:
        self.run_id = segment.run_id
        self.path = str(segment.path)
        self._segment = segment
        self._alarm = Alarm()

    @property
    def broken(self) -> str:
        """Why recording failed in any process of this run; empty while all is well."""
        return self._alarm.why

    def plan(self, **fields: Any) -> None:
        """A change that check mode would make."""
        self._append("plan", {"op_id": _op_id(), **fields}, durable=False)

    def intent(self, **fields: Any) -> str:
        """A change that is about to be made. On disk when this returns; without it, the change must not be made."""
        if self.broken:
            raise LedgerError(f"nothing more is changed in this run, because recording failed earlier: {self.broken}")
        op_id = _op_id()
        self._append("intent", {**fields, "op_id": op_id}, durable=True)
        return op_id

    def outcome(self, op_id: str, **fields: Any) -> None:
        """What came of an intent: ``status`` is ok, failed or unknown."""
        self._append("outcome", {**fields, "op_id": op_id}, durable=True)

    def refused(self, **fields: Any) -> None:
        """A change that policy or missing privileges stopped."""
        self._append("refused", {"op_id": _op_id(), **fields}, durable=True)

    def close(self) -> verify.Run:
        """Verify the run's own file, and end it with what was counted there."""
        run = verify.read(self.path)
        if run.problem:
            self._alarm.ring(f"{self.path} record {run.problem.record}: {run.problem.reason}")
        else:
            summary = {"counts": run.counts, "dangling": sorted(run.pending), "head": run.head, "broken": self.broken}
            run.head = self._append("run_close", summary, durable=True)
            run.records += 1
        return run

    def _append(self, type_: str, fields: dict[str, Any], *, durable: bool) -> str:
        try:
            return self._segment.append(type_, fields, durable=durable)
        except LedgerError as error:
            self._alarm.ring(str(error))
            raise
        except Exception as error:
            self._alarm.ring(f"cannot write the ledger {self.path}: {error!r}")
            raise LedgerError(self._alarm.why) from error


def open_run(path: str, **opening: Any) -> RunLedger:
    """Begin to record. For the callback, before the first task."""
    global _current
    _current = RunLedger(Segment.create(Path(path), **opening))
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
