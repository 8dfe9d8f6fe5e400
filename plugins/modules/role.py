#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: role
version_added: "0.1.0"
short_description: Manage a role
description:
  - Manages a role, a named set of privileges. M(steward.proxmox.acl) gives it to somebody.
  - The roles that Proxmox brings along cannot be changed, and a task that names one is refused.
  - Proxmox deletes a role in use, and with it every entry of the access control list that gives it. The plan names who
    loses it.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
  - steward.proxmox.policy
  - steward.proxmox.policy
options:
  roleid:
    description: The role.
    type: str
    required: true
  privs:
    description:
      - The privileges, for example V(VM.Audit). Exact, as a set; V([]) empties the role.
      - Needed with O(state=present).
    type: list
    elements: str
  state:
    description: Whether the role exists.
    type: str
    default: present
    choices: [present, absent]
seealso:
  - module: steward.proxmox.acl
  - module: steward.proxmox.user
  - module: steward.proxmox.token
"""

EXAMPLES = r"""
- name: A role that may start and stop guests
  steward.proxmox.role:
    roleid: operator
    privs: [VM.Audit, VM.PowerMgmt]

- name: No longer
  steward.proxmox.role:
    roleid: operator
    state: absent
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
role:
  description: The role as it is, or would be; nothing where it is absent.
  returned: success
  type: dict
"""

from ansible_collections.steward.proxmox.plugins.module_utils._kind import planner_of
from ansible_collections.steward.proxmox.plugins.module_utils._kinds.principals import ROLE
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(planner_of(ROLE))


if __name__ == "__main__":
    main()
