#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: token
version_added: "0.1.0"
short_description: Manage an API token
description:
  - Manages an API token of a user that exists.
  - Proxmox tells the secret of a token once, when it is made; so does this module, in C(secret). It is in no plan and
    in no ledger. Set C(no_log) on the task, and keep the secret where you keep secrets.
  - A token whose secret is lost is removed and made again.
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
    description: The user that owns the token.
    type: str
    required: true
  tokenid:
    description: Name of the token, without the user, for example V(deploy).
    type: str
    required: true
  comment:
    description: A comment. V("") removes it.
    type: str
  expire:
    description: The second since 1970 when the token expires, V(0) for never, which a new token does.
    type: int
  privsep:
    description:
      - Privilege separation. The token may do what both its own and its user's permissions allow.
      - With V(false) it may do all that its user may. A new token is separated.
    type: bool
  state:
    description: Whether the token exists.
    type: str
    default: present
    choices: [present, absent]
seealso:
  - module: steward.proxmox.acl
  - module: steward.proxmox.user
"""

EXAMPLES = r"""
- name: A token for a pipeline
  steward.proxmox.token:
    userid: ci@pve
    tokenid: deploy
  no_log: true
  register: made

- name: What the token may do
  steward.proxmox.acl:
    path: /pool/web
    type: token
    ugid: ci@pve!deploy
    roleid: PVEVMUser

- name: Nobody uses it any more
  steward.proxmox.token:
    userid: ci@pve
    tokenid: old
    state: absent
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
token:
  description: The token as it is, or would be, with its C(full_tokenid); nothing where it is absent.
  returned: success
  type: dict
secret:
  description: The secret of a token that was made. It is told this once.
  returned: when a token is made
  type: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._run import run
from ansible_collections.steward.proxmox.plugins.module_utils._token import TOKEN


def main() -> None:
    run(TOKEN)


if __name__ == "__main__":
    main()
