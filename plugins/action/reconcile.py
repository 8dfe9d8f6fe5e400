# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the ledger on the controller, where it is, and enters there what the task logs told."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.steward.proxmox.plugins.module_utils._planner import RECORDED
from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.planner import RECONCILE, period
from ansible_collections.steward.proxmox.plugins.plugin_utils._door import Door
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import ledger_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.tasks import Known

_WHY_SETTLED = "what became of each of its changes is known"


class ActionModule(Door):
    planner = RECONCILE

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        return result if result.get("failed") else self._enter(result)

    def _options(self) -> dict[str, Any]:
        options, current = super()._options(), run.current()
        self._task.args.pop("dsn", None)  # the target has no use for it
        since, until = period(options)
        self._settle = options["settle"]
        with ledger_of(options) as source:
            self._known = Known(source, since, until, current.run_id if current else "", tuple(self._settle))
        return {**options, RECORDED: self._known.public()}

    def _enter(self, result: dict[str, Any]) -> dict[str, Any]:
        """Record what was found out, in the ledger of this run if it is the one that was read."""
        ledger, resolved = run.current(), result["resolved"]
        settled = self._settled({(row["run"], row["op"]) for row in resolved})
        found = bool(resolved or settled)
        can = ledger is not None and ledger.run_id in self._known.ids
        if ledger and can and not self._task.check_mode:
            try:
                for row in resolved:
                    of, upids = {"run": row["run"], "op": row["op"]}, row["upids"]
                    last = upids[-1] if upids else None
                    ledger.resolved(of=of, status=row["status"], why=row["why"], upid=last, upids=upids)
                for one in settled:
                    read = self._known.runs[one].read
                    ledger.settle(one, read.records, read.head, _WHY_SETTLED)
            except run.LedgerError as error:
                raise AnsibleActionFail(f"What was found out could not be recorded: {error}") from error
        lost = "What was found out was not recorded: the callback steward.proxmox.ledger does not record this run there"
        told = {"warnings": [*result.get("warnings", []), lost]} if found and not can else {}
        return {**result, **told, "settled": settled, "changed": found and can}

    def _settled(self, resolved: set[tuple[str, str]]) -> list[str]:
        """The runs to settle: their process is gone, and nothing of them is left open."""
        runs = [self._known.full(one) for one in self._settle]
        for one in runs:
            left = {op for op in self._known.open(one) if (one, op) not in resolved}
            if left:
                raise AnsibleActionFail(f"settle: run {one} has changes that are still open: {', '.join(sorted(left))}")
        return [one for one in runs if not self._known.over(one)]
