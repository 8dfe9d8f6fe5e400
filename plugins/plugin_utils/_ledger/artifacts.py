# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX and ansible-runner keep of a run beside its output: where it is recorded, its checkpoint, its plan.

They take it from ``ansible_stats`` of results. In a workflow the next jobs get it as a variable.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run

NAME = "steward_proxmox"
#: whoever reads artifacts sets one of them: AWX, and every ansible-runner
_READERS = ("AWX_PRIVATE_DATA_DIR", "AWX_ISOLATED_DATA_DIR")

_option: bool | None = None
_plan = ""


def ask(option: bool | None) -> None:
    """The option of the ledger callback; None: where somebody reads them. It reaches the workers by fork."""
    global _option
    _option = option


def plan_is(path: str | None) -> None:
    """The file that the plan callback writes at the end of the run, if any."""
    global _plan
    _plan = path or ""


def of_run() -> dict[str, Any]:
    """What a result carries beside what its module says."""
    wanted = any(name in os.environ for name in _READERS) if _option is None else _option
    ledger = run.current()
    if not wanted or not (ledger or _plan):
        return {}
    told = {"plan": _plan} if _plan else {}
    if ledger:
        told |= {"run": ledger.run_id, "ledger": ledger.ledger, "checkpoint": ledger.checkpoint}
        # of a task that recorded nothing, the head that an earlier one told stays
        told |= {"head": f"sha256:{ledger.head}"} if ledger.head else {}
    return {"ansible_stats": {"data": {NAME: told}, "per_host": False, "aggregate": True}}
