#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: user
version_added: "0.1.0"
short_description: Manage a user
description:
  - Manages a user. It is made without a password, so that it cannot log in until somebody gives it one; its tokens can.
  - Deleting a user takes its tokens and its permissions along.
  - A credential that may not see every user cannot tell a missing one from an invisible one; it is refused.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
  - steward.proxmox.policy
  - steward.proxmox.policy
options:
  userid:
    description: The user, with its realm, for example V(ci@pve).
    type: str
    required: true
  comment:
    description: A comment. V("") removes it.
    type: str
  email:
    description: Mail address. V("") removes it.
    type: str
  firstname:
    description: First name. V("") removes it.
    type: str
  lastname:
    description: Last name. V("") removes it.
    type: str
  enable:
    description: Whether the user and its tokens can be used. A new user can.
    type: bool
  expire:
    description: The second since 1970 when the user expires, V(0) for never.
    type: int
  groups:
    description: The groups that the user is in. Exact, as a set; V([]) takes it out of all.
    type: list
    elements: str
  state:
    description: Whether the user exists.
    type: str
    default: present
    choices: [present, absent]
seealso:
  - module: steward.proxmox.acl
  - module: steward.proxmox.role
  - module: steward.proxmox.token
"""

EXAMPLES = r"""
- name: A user for a pipeline
  steward.proxmox.user:
    userid: ci@pve
    comment: deploys from the main branch

- name: Nobody uses it any more
  steward.proxmox.user:
    userid: old@pve
    state: absent
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
user:
  description: The user as it is, or would be; nothing where it is absent.
  returned: success
  type: dict
"""

from ansible_collections.steward.proxmox.plugins.module_utils._kind import planner_of
from ansible_collections.steward.proxmox.plugins.module_utils._kinds.principals import USER
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(planner_of(USER))


if __name__ == "__main__":
    main()
