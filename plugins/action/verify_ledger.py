# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies the ledger on the controller, where it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.steward.proxmox.plugins.modules.verify_ledger import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._door import FOR_THE_GROUP
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.read import configured_path


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self._task.args = {name: value for name, value in self._task.args.items() if name not in FOR_THE_GROUP}
        options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)[1]
        path = options["path"] or configured_path()
        this_run = run.current()
        report = verify.verify(path, options["expected_head"], running={this_run.run_id} if this_run else ())
        accepted = {verify.INTACT, verify.INCOMPLETE} if options["allow_incomplete"] else {verify.INTACT}
        summary = list(verify.describe(report))
        return {
            **asdict(report),
            "changed": False,
            "failed": report.verdict not in accepted,
            "msg": "; ".join(summary[:2]),
            "path": path,
            "summary": summary,
        }
