#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api
version_added: "0.1.0"
short_description: Call any path of the Proxmox API
description:
  - For what no other module of the collection does. It plans like the others, and is idempotent as far as a path
    allows.
  - V(put) sends only what differs from a GET of the same path, V(delete) does nothing where GET finds nothing,
    and V(post) does nothing where the path in O(creates) exists. Where that cannot be told, the write is done every
    time.
  - What a write touches is computed for the paths that C(docs/blast-radius.md) of the collection lists, such as those
    of storages, the firewall, the network and the guests of a node. Any other write is of high risk, because what it
    touches is not known.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
  - steward.proxmox.policy
attributes:
  idempotent:
    support: partial
    details: V(post) without O(creates), and writes with O(secrets), are done every time.
options:
  path:
    description: The path below C(/api2/json), without parameters.
    type: str
    required: true
  method:
    description: The method.
    type: str
    default: get
    choices: [get, post, put, delete]
  data:
    description: The parameters.
    type: dict
    default: {}
  secrets:
    description: Parameters that must not be shown. They cannot be compared, so they are sent every time.
    type: dict
  creates:
    description: With V(post), a path that exists once the call has been made.
    type: str
"""

EXAMPLES = r"""
- name: Which version is it
  steward.proxmox.api:
    path: /version
  register: version

- name: The node's DNS servers
  steward.proxmox.api:
    path: /nodes/pve1/dns
    method: put
    data:
      search: example.org
      dns1: 10.0.0.2

- name: A pool, once
  steward.proxmox.api:
    path: /pools
    method: post
    data:
      poolid: web
    creates: /pools/web
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
upids:
  description: The tasks that the API started, in order. With O(wait=false) they may still run.
  returned: when tasks were started
  type: list
  elements: str
data:
  description: What a GET answered.
  returned: with O(method=get)
  type: raw
truncated:
  description: Whether the answer was cut at 500,000 characters.
  returned: with O(method=get)
  type: bool
"""

from ansible_collections.steward.proxmox.plugins.module_utils._api import API
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(API)


if __name__ == "__main__":
    main()
