# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._planner import RECORDED
from ansible_collections.steward.proxmox.plugins.module_utils._undo import UNDO
from ansible_collections.steward.proxmox.plugins.plugin_utils._door import Door
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.read import read
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import ledger_of


class ActionModule(Door):
    planner = UNDO

    def _options(self) -> dict[str, Any]:
        """The ledger is on the controller, also where the module runs elsewhere."""
        options, current = super()._options(), run.current()
        with ledger_of(options) as ledger:
            recorded = read(ledger, options["run"], current.run_id if current else "")
        # where the ledger is concerns no target
        return {**options, "dsn": None, RECORDED: recorded.step(options["op"], options["step"])}
