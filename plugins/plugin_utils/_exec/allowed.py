# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether commands may be run in a guest at all. Where nobody says so, they may not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._policy import WORDS, Policy
from ansible_collections.steward.proxmox.plugins.module_utils._protect import ids_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import actors

#: what a command can do, nobody can tell beforehand
RISK = ("medium", "a command can change anything inside of the guest")


def check(policy: Policy, how: str, target: str, actor: Mapping[str, Any]) -> None:
    """Raise Refused where nothing may be run in this guest (`lxc/101`) in this way (`pct` or `qga`)."""
    _check_list(policy, how, target)
    actors.check(policy, actor)
    _check_protected(policy, target)
    for key, refuses, why in (
        ("max_risk", policy.max_risk == "low", f"the risk of any command is {RISK[0]}: {RISK[1]}"),
        ("approval", policy.approval == "all", "every change needs approval, and a command cannot be approved before"),
        ("plan", policy.plan_required, "only what is in a saved plan may be changed, and commands are in none"),
    ):
        if refuses:
            raise Refused(f"No command may be run in {target}: {why} ({policy.origins[key]})")


def wants_snapshot(policy: Policy, option: str) -> str:
    """Who wants one before the first command; "" where nobody does. A command cannot be undone: so does `risky`."""
    modes = WORDS["snapshot_before"]
    for mode, origin in ((option, "the connection"), (policy.snapshot_before, policy.origins.get("snapshot_before"))):
        if mode not in modes:
            raise BadInput(f"snapshot_before: {mode!r} is not one of {', '.join(modes)}")
        if mode != "never":
            return f"snapshot_before is {mode} ({origin})"
    return ""


def _check_list(policy: Policy, how: str, target: str) -> None:
    variable, given = f"STEWARD_EXEC_{how.upper()}", (policy.exec or {}).get(how)
    if not given:
        raise Refused(
            f"No command may be run in {target}: no guest is open to the connection {how}",
            f"Whoever starts the run opens guests by exec.{how} of the policy file, or by {variable}: ids and ranges"
            " such as 101,200-299, or * for all",
        )
    vmid = int(target.partition("/")[2])
    if not any(first <= vmid <= last for first, last in given):
        raise Refused(
            f"No command may be run in {target}: {vmid} is not among the guests that are open to the connection {how}"
            f" ({policy.origins['exec']})",
            f"exec.{how} of the policy file and {variable} say which are; where both speak, both have to",
        )


def _check_protected(policy: Policy, target: str) -> None:
    """What is protected from any change. Whom a name or a tag means, only the cluster knows, which is not asked."""
    vmid = int(target.partition("/")[2])
    for rule in policy.protect:
        if rule.from_any and rule.what == "vmids":
            first, last = ids_of(rule.value) or (0, -1)
            if first <= vmid <= last:
                raise Refused(f"No command may be run in {target}: it is protected by {rule}")
        elif rule.from_any and rule.what != "storages":
            raise Refused(
                f"No command may be run in {target}: whether it is protected by {rule} cannot be told here",
                "Protect guests from any change by their ids (protect.vmids) where commands are run in others",
            )
