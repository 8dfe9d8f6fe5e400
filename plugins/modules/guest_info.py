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
  - Lists containers and virtual machines of all nodes, in one request for the whole cluster unless O(details) asks for
    more. A token's permissions are read once per run beside it, to say whether the list is complete.
  - The list holds what the credential may see. The cluster's own figures lag up to ten seconds behind.
  - A detail that cannot be read does not fail the task. It is null, and C(errors) of that guest says why - its agent is
    down, it is stopped, a privilege is missing, its node does not answer.
  - The privileges - C(VM.Audit) on the guests, and for what the agent of a machine says C(VM.GuestAgent.Audit) (before
    PVE 9 C(VM.Monitor)).
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.reading
  - steward.proxmox.reading.guests
options:
  details:
    description:
      - What to read of each guest beside the list, O(concurrency) guests at a time.
      - V(config) is the configuration with the changes that wait for a restart, V(pending) is what waits; together they
        are one request for each guest.
      - V(status) is live, unlike the list, and takes its place. V(snapshots) are the guest's snapshots. One request for
        each guest.
      - V(addresses) are the addresses that the guest has now, from the agent of a machine or from the node of a
        container, with the one to reach it by. One request for each guest, and one more for a guest with addresses on
        several interfaces, to find its first network interface.
      - V(agent) is what the agent of a machine says - host name, operating system, interfaces. Three requests for each
        machine whose agent answers, of which V(addresses) shares one; containers have none.
    type: list
    elements: str
    choices: [config, pending, status, snapshots, agent, addresses]
    default: []
"""

EXAMPLES = r"""
- name: All guests with their configuration
  steward.proxmox.guest_info:
    details: [config]
  register: cluster

- name: The running web servers and where to reach them
  steward.proxmox.guest_info:
    name_pattern: web-*
    tags: [production]
    status: running
    details: [addresses]
  register: web

- name: What waits for a restart on pve1
  steward.proxmox.guest_info:
    node: pve1
    details: [pending]
  register: pve1

- name: Two guests by id
  steward.proxmox.guest_info:
    vmid: [100, 101]
"""

RETURN = r"""
guests:
  description:
    - The guests, by id, as C(/cluster/resources) lists them, with O(details) under their names.
    - A guest on a node that does not answer has the status V(unknown), whatever the node reported last.
  returned: success
  type: list
  elements: dict
  contains:
    vmid:
      description: Its id.
      returned: always
      type: int
    type:
      description: V(lxc) or V(qemu).
      returned: always
      type: str
    node:
      description: Where it is.
      returned: always
      type: str
    name:
      description: Its name. A node that never answered has not told it.
      returned: when known
      type: str
    status:
      description: Such as V(running); with O(details=status) the live status as a dictionary.
      returned: always
      type: raw
    tags:
      description: Its tags.
      returned: always
      type: list
      elements: str
    template:
      description: Whether it is a template; null where its node has not told it.
      returned: always
      type: bool
    config:
      description: Its configuration as the API writes it.
      returned: with O(details=config)
      type: dict
    pending:
      description: Each key that waits for a restart, with its C(value) now and its C(pending) value (null where it is
        removed).
      returned: with O(details=pending)
      type: dict
    snapshots:
      description: Its snapshots, as M(steward.proxmox.snapshot_info) returns them.
      returned: with O(details=snapshots)
      type: list
      elements: dict
    agent:
      description: What the agent says, as C(hostname), C(os) and C(interfaces).
      returned: with O(details=agent)
      type: dict
    addresses:
      description: Each address with its C(interface), C(mac), C(prefix) and C(family) (V(ipv4) or V(ipv6)); loopback is
        left out.
      returned: with O(details=addresses)
      type: list
      elements: dict
    ansible_host:
      description: The address to reach the guest by - of its first network interface, IPv4 before IPv6, never a
        link-local one; null where there is none.
      returned: with O(details=addresses)
      type: str
    errors:
      description: For each detail that could not be read, the reason.
      returned: always
      type: dict
total:
  description: How many guests fit the options, whether they are returned or not.
  returned: success
  type: int
truncated:
  description: Whether guests were left out, because of O(limit) or because the result would be longer than 500,000
    characters.
  returned: success
  type: bool
complete:
  description: Whether these are certainly all. Where it is V(false), one that is not listed may still be there.
  returned: success
  type: bool
unseen:
  description: Where RV(complete) is V(false), what may be missing and why - guests that the credential may not see,
    or nodes that do not answer.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._info.guests import GUEST_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(GUEST_INFO)


if __name__ == "__main__":
    main()
