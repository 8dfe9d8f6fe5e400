# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the credential may do, and what the controller lets it."""

from __future__ import annotations

from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._doctor.checkup import DOCTOR_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._door import Door
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import settings
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run


class ActionModule(Door):
    planner = DOCTOR_INFO

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        return result if result.get("failed") else {**result, "controller": _controller()}


def _controller() -> dict[str, Any]:
    """What holds here, whatever the cluster allows."""
    ledger = run.current()
    try:
        policy = settings.policy_of({}, [])
    except StewardError as error:
        return {"ledger": ledger.ledger if ledger else "", "ledger_required": run.required(), "policy": str(error)}
    return {
        "ledger": ledger.ledger if ledger else "",
        "ledger_required": run.required() or policy.ledger_required,
        "policy": dict(policy.origins),
        "exec": {how: [list(ids) for ids in found] for how, found in (policy.exec or {}).items()},
    }
