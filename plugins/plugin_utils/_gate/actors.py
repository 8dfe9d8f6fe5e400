# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the policy lets this actor change anything. Whom nobody knows, it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy


def check(policy: Policy, actor: Mapping[str, Any]) -> None:
    """Raise Refused where the policy names who may, and `actor` (of the ledger's `actor.actor`) is not among them."""
    if policy.actors is None:
        return
    origin = policy.origins["actors"]
    name = _name(actor)
    if not name:
        how = actor.get("awx_job_launch_type") or "in some other way"
        raise Refused(
            f"Nobody is known to be responsible for this AWX job (launched: {how}), and only certain actors may change"
            f" anything ({origin})",
            "Have a user launch it, or allow its schedule as awx_schedule:NAME",
        )
    if name not in policy.actors:
        raise Refused(f"{name} may not change anything ({origin})", "Have somebody run it who may")


def _name(actor: Mapping[str, Any]) -> str:
    """The actor as a policy names it; "" for nobody in particular."""
    if actor.get("user"):
        return f"{actor['source']}:{actor['user']}"
    if actor.get("awx_job_launch_type") == "scheduled" and actor.get("awx_schedule_name"):
        return f"awx_schedule:{actor['awx_schedule_name']}"
    return ""
