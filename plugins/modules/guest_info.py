#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_info
version_added: "0.1.0"
short_description: Read the guests of a cluster
description:
  - Lists containers and virtual machines of all nodes, in one request unless O(details) asks for more.
  - The list holds what the credential may see. The cluster's own figures lag up to ten seconds behind.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
options:
  vmid:
    description: Only this guest.
    type: int
  name:
    description: Only guests with this name.
    type: str
  node:
    description: Only guests on this node.
    type: str
  type:
    description: Only guests of this type.
    type: str
    choices: [lxc, qemu]
  tag:
    description: Only guests with this tag.
    type: str
  pool:
    description: Only guests in this pool.
    type: str
  details:
    description: What to read of each guest, one request each. V(status) is live, unlike the list.
    type: list
    elements: str
    choices: [config, status, snapshots]
    default: []
"""

EXAMPLES = r"""
- name: All guests with their configuration
  steward.proxmox.guest_info:
    details: [config]
  register: cluster

- name: What runs on pve1
  steward.proxmox.guest_info:
    node: pve1
    type: lxc
"""

RETURN = r"""
guests:
  description: The guests, by id, as C(/cluster/resources) lists them, with O(details) under their names and C(tags)
    as a list.
  returned: success
  type: list
  elements: dict
truncated:
  description: Whether guests were left out because the result would be longer than 500,000 characters.
  returned: success
  type: bool
"""

from ansible_collections.steward.proxmox.plugins.module_utils._info import GUEST_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(GUEST_INFO)


if __name__ == "__main__":
    main()
