# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists on the controller, where the ledger is, what a run did and how it is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steward.proxmox.plugins.modules.undo_info import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.read import read
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import ledger_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._on_controller import OnController


class ActionModule(OnController):
    spec = ARGUMENT_SPEC

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        current = run.current()
        with ledger_of(options) as ledger:
            found = read(ledger, options["run"], current.run_id if current else "")
        rows = [row for row in found.rows(options["op"]) if row.pop("done")]
        return {
            "run": found.run,
            "path": found.where,
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
