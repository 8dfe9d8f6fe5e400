# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists on the controller, where the ledger is, what a run did and how it is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.steward.proxmox.plugins.module_utils._engine import failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.modules.undo_info import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._door import FOR_THE_GROUP
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.read import configured_path, read


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self._task.args = {name: value for name, value in self._task.args.items() if name not in FOR_THE_GROUP}
        options, current = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)[1], run.current()
        try:
            found = read(options["path"] or configured_path(), options["run"], current.run_id if current else "")
        except StewardError as error:
            return failure(error)
        rows = [row for row in found.rows(options["op"]) if row.pop("done")]
        return {
            "changed": False,
            "run": found.run,
            "path": str(found.file),
            "operations": rows,
            "summary": [_line(row) for row in rows],
        }


def _line(row: Mapping[str, Any]) -> str:
    by, undo = row["undone_by"], row["undo"]
    if by:
        told = f"taken back by run {by['run']} at {by['at']}"
    elif row["possible"]:
        told = f"{undo['op']} {undo['target']} takes it back"
    else:
        told = f"cannot be taken back: {row['why']}"
    return f"{row['summary']}: {told}"
