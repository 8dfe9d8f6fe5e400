# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task may ask of itself beside the policy: the options of module_utils/_policy.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  approval:
    description:
      - Which changes need an approval. V(destructive) asks for one where something is lost, V(all) for every change.
      - A change that needs one is refused, and the result holds an C(approval_id); the same task runs with it in
        O(approve).
      - This and the other options of a policy can only tighten what the policy of the controller says
        (E(STEWARD_POLICY), C(module_defaults), see the page C(docs/policy.md) of the collection). The strictest wins.
    type: str
    choices: [none, destructive, all]
  max_risk:
    description: The highest risk that a plan may have. It is refused above it, in check mode too, whoever approves it.
    type: str
    choices: [low, medium, high]
  protect:
    description:
      - What a plan may not destroy, whoever approves it. Every guest, storage and node that feels the plan counts.
      - A plan is refused also where it cannot be told whether it touches something protected.
    type: dict
    suboptions:
      vmids:
        description: Ids of guests, and ranges of them such as V(200-299).
        type: list
        elements: str
      names:
        description: Names of guests, with V(*), V(?) and V([...]), in upper or lower case.
        type: list
        elements: str
      tags:
        description: Guests with any of these tags.
        type: list
        elements: str
      pools:
        description: Guests in these pools, and in the pools below them.
        type: list
        elements: str
      storages:
        description: Storages.
        type: list
        elements: str
      nodes:
        description: Nodes, and the guests on them.
        type: list
        elements: str
      from:
        description: V(any) protects from every change, V(destructive) from those that destroy something.
        type: str
        choices: [destructive, any]
        default: destructive
  approve:
    description: Ids of approvals. Each is good once, until it expires, and for the plan that asked for it.
    type: list
    elements: str
"""
