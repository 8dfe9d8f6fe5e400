#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
version_added: "0.1.0"
short_description: Read what a cluster consists of
description:
  - Lists nodes, guests, storages, pools and SDN objects, and says whether the cluster has a quorum, in two requests
    for the whole cluster. A token's permissions are read once per run beside them, to say whether the lists are
    complete.
  - The lists hold what the credential may see. The cluster's own figures lag up to ten seconds behind.
  - Needs C(Sys.Audit) on C(/) for the quorum and the addresses of the nodes, C(VM.Audit), C(Datastore.Audit),
    C(Pool.Audit) and C(SDN.Audit) for the objects. What is not granted is left out, and RV(unseen) says so.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.reading
options:
  kinds:
    description: Which kinds of objects to return.
    type: list
    elements: str
    choices: [nodes, storages, pools, sdn, guests]
    default: [nodes, storages, pools, sdn, guests]
  node:
    description: Only objects of this node. Pools are on none.
    type: str
  details:
    description:
      - What else to read of the nodes. V(version) is one request for each node that is online, O(concurrency) at a
        time.
      - V(maintenance) is one request, and needs C(Sys.Audit) on C(/).
    type: list
    elements: str
    choices: [maintenance, version]
    default: []
  limit:
    description:
      - How many objects of each kind to return at most, at least 1. RV(total) says how many there are.
      - With or without it, a result of more than 500,000 characters is cut, and RV(truncated) says so.
"""

EXAMPLES = r"""
- name: The whole cluster
  steward.proxmox.cluster_info:
  register: cluster

- name: Stop here unless every node is up
  steward.proxmox.cluster_info:
    kinds: [nodes]
  register: up
  failed_when: not up.quorate or up.nodes | rejectattr('online') | length > 0

- name: Which version runs where, and which nodes are in maintenance
  steward.proxmox.cluster_info:
    kinds: [nodes]
    details: [version, maintenance]
  register: nodes

- name: The storages of pve1
  steward.proxmox.cluster_info:
    node: pve1
    kinds: [storages]
"""

RETURN = r"""
cluster:
  description: The name of the cluster; null for a node on its own, and where it is not known.
  returned: success
  type: str
quorate:
  description: Whether the cluster has a quorum, so that it can be changed. Null where the credential may not ask. A
    node on its own always has one.
  returned: success
  type: bool
nodes:
  description: The nodes as C(/cluster/resources) lists them, by name.
  returned: when O(kinds) has V(nodes)
  type: list
  elements: dict
  contains:
    node:
      description: Its name.
      returned: always
      type: str
    online:
      description: Whether it answers.
      returned: always
      type: bool
    ip:
      description: Its address in the cluster; null where it is not known.
      returned: always
      type: str
    version:
      description: The version of Proxmox VE that it runs; null where it does not answer.
      returned: with O(details=version)
      type: str
    maintenance:
      description: Whether the HA manager keeps guests off it; null where the credential may not ask.
      returned: with O(details=maintenance)
      type: bool
storages:
  description: The storages of each node as C(/cluster/resources) lists them; one that is shared once for each node.
  returned: when O(kinds) has V(storages)
  type: list
  elements: dict
pools:
  description: The pools as C(/cluster/resources) lists them.
  returned: when O(kinds) has V(pools)
  type: list
  elements: dict
sdn:
  description: The SDN zones and fabrics of each node as C(/cluster/resources) lists them.
  returned: when O(kinds) has V(sdn)
  type: list
  elements: dict
guests:
  description: The guests as M(steward.proxmox.guest_info) lists them.
  returned: when O(kinds) has V(guests)
  type: list
  elements: dict
total:
  description: For each kind, how many objects fit the options, whether they are returned or not.
  returned: success
  type: dict
truncated:
  description: Whether objects were left out, because of O(limit) or because the result would be longer than 500,000
    characters.
  returned: success
  type: bool
complete:
  description: Whether these are certainly all. Where it is V(false), one that is not listed may still be there.
  returned: success
  type: bool
unseen:
  description: Where RV(complete) is V(false), what may be missing and why - objects that the credential may not see,
    what it may not ask, or nodes that do not answer.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._info.cluster import CLUSTER_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(CLUSTER_INFO)


if __name__ == "__main__":
    main()
