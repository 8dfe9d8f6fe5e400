# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a plan may be carried out, and on whose word: actor, privileges, saved plan, approval, in this order.

What a plan does by itself (limits, protected objects, risk) was judged before, where it was made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._operations import destroys
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy
from ansible_collections.steward.proxmox.plugins.module_utils._privileges import refuse_missing
from ansible_collections.steward.proxmox.plugins.plugin_utils import _run_state
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import actors, resuming, settings
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.approvals import Approvals
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.saved import SavedPlan
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Gate:
    """The gate of one task: its policy, who runs it, the credential, and the approvals that it was given."""

    policy: Policy
    actor: Mapping[str, Any]
    identity: str
    approve: Iterable[str] = ()

    def admit(self, record: Record) -> dict[str, Any]:
        """What permits this plan, for the ledger: a saved plan, an approval, or nothing where none is asked for.

        Raises Refused, before anything is sent. In check mode nothing is used up.
        """
        actors.check(self.policy, self.actor)
        refuse_missing(record["plan"]["privileges"], self.identity)
        return self._planned(record) or self._approved(record)

    def _planned(self, record: Record) -> dict[str, Any]:
        """Leave by a saved plan: it was looked at, and this is what it says."""
        path = settings.plan_file()
        if path:
            return SavedPlan.load(path, self.policy).allow(record, this_run(), self._approvals())
        if self.policy.plan_required and not record["check_mode"]:
            raise Refused(
                f"Only what is in a saved plan may be changed ({self.policy.origins['plan']}), and none was given",
                "Make one with --check and the callback steward.proxmox.plan, and run it with STEWARD_PLAN=plan.json",
            )
        return {}

    def _approved(self, record: Record) -> dict[str, Any]:
        """Leave by an approval that somebody gave after another run had asked for it."""
        asked_for = self._asks_approval(record["plan"])
        by_plan = self.policy.plan_required or self.policy.signature_required
        if not asked_for or (by_plan and record["check_mode"]):  # the plan that is being made will be the approval
            return {}
        if self.policy.signature_required:
            raise Refused(
                f"{record['plan']['summary']} needs approval by a signed plan ({self.policy.origins['signature']})",
                "Make a plan with --check, have it signed (sign_plan), and run it with STEWARD_PLAN=plan.json",
            )
        store, given, why = self._approvals(), self._given(), ""
        if given:
            try:
                return store.use(given, record, this_run())
            except Refused as refused:  # what it was given does not fit: it may have one that does
                why = f"{refused.message}. "
        request = store.ask({**record, "actor": self.actor, "asks": asked_for}, this_run())
        raise Refused(
            f"{why}{record['plan']['summary']} needs approval: {'; '.join(asked_for)}",
            f"Once it is approved, run the same task with approve: {request['id']} (until {request['expires']})",
            approval_id=request["id"],
        )

    def _given(self) -> list[str]:
        """The approvals that the task names, and those for the whole run. A survey that was left empty names none."""
        named = [*self.approve, *os.environ.get("STEWARD_APPROVE", "").split(",")]
        return [text.strip() for text in named if text.strip()]

    def _asks_approval(self, plan: Mapping[str, Any]) -> list[str]:
        """Why the policy asks for approval; empty where it does not."""
        wanted, origin = self.policy.approval, self.policy.origins.get("approval", "")
        if wanted == "none":
            return []
        if wanted == "all":
            return [f"every change does ({origin})"]
        lost = [(f"{step['op']} {step['target']}", destroys(step["op"])) for step in plan["steps"]]
        return [f"{what}: {why} ({origin})" for what, why in dict.fromkeys(lost) if why]

    def _approvals(self) -> Approvals:
        return resuming.store(Approvals(settings.approvals_directory(), self.policy.valid_for))


def this_run() -> dict[str, str]:
    """The names of this run, by which it is known later."""
    ledger = ledger_run.current()
    return {"token": _run_state.RUN, "ledger": ledger.run_id if ledger else ""}
