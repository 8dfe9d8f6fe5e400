#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_alias
version_added: "0.1.0"
short_description: Manage aliases of the cluster firewall
description:
  - A name for an address or network, for the rules of the firewall. Names ignore case.
  - Proxmox replaces the whole alias on every change; a comment that the task does not mention is sent again and stays.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
  - steward.proxmox.policy
options:
  name:
    description: Name of the alias.
    type: str
    required: true
  cidr:
    description: The address or network. Needed with O(state=present).
    type: str
  comment:
    description: Comment; an empty text removes it.
    type: str
  state:
    description: Whether the alias exists. Proxmox deletes an alias that rules still use.
    type: str
    default: present
    choices: [present, absent]
"""

EXAMPLES = r"""
- name: The office network
  steward.proxmox.firewall_alias:
    name: office
    cidr: 192.0.2.0/24
    comment: Ground floor
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
firewall_alias:
  description: The alias as it is, or would be; nothing where it is absent.
  returned: success
  type: dict
"""

from ansible_collections.steward.proxmox.plugins.module_utils._kind import planner_of
from ansible_collections.steward.proxmox.plugins.module_utils._kinds.firewall import ALIAS
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(planner_of(ALIAS))


if __name__ == "__main__":
    main()
