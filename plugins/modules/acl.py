#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acl
version_added: "0.1.0"
short_description: Give a role on a path to a user, group or token
description:
  - Manages one entry of the access control list. Entries of other subjects, paths and roles stay.
  - A credential that may not see every entry cannot tell a missing one from an invisible one; it is refused.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
  - steward.proxmox.policy
options:
  path:
    description: The path, for example V(/), V(/vms/200) or V(/pool/web).
    type: str
    required: true
  type:
    description: What O(ugid) is.
    type: str
    required: true
    choices: [user, group, token]
  ugid:
    description: The user (V(user@realm)), group, or token (V(user@realm!name)).
    type: str
    required: true
  roleid:
    description: The role.
    type: str
    required: true
  propagate:
    description: The role holds below the path too.
    type: bool
    default: true
  state:
    description: Whether the entry exists.
    type: str
    default: present
    choices: [present, absent]
"""

EXAMPLES = r"""
- name: The token may manage the guests of a pool
  steward.proxmox.acl:
    path: /pool/web
    type: token
    ugid: ansible@pve!ci
    roleid: PVEVMAdmin
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
acl:
  description: The entry as it is, or would be; nothing where it is absent.
  returned: success
  type: dict
"""

from ansible_collections.steward.proxmox.plugins.module_utils._kind import planner_of
from ansible_collections.steward.proxmox.plugins.module_utils._kinds.access import ACL
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(planner_of(ACL))


if __name__ == "__main__":
    main()
