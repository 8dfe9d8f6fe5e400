#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privileged_host
version_added: "0.1.0"
short_description: What only root on a node of Proxmox VE can do
description:
  - Runs on a node, over Ansible's own connection, and uses no API. What can be run there as root is one fixed table of
    commands with checked parameters; there is no option for a command.
  - O(golden_lxc) makes the one thing that the API refuses to every token, an unprivileged container with nesting and
    keyctl, as Docker needs it. A backup keeps both, so that the M(steward.proxmox.lxc) module restores any number of
    copies with a token.
  - The result holds the plan, the same in check mode and for real.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.policy
requirements:
  - on the node, a login as root, or sudo 1.9.10 or later with the rule of the collection's C(docs/privileged-host.md)
options:
  golden_lxc:
    description:
      - Make a golden base, a stopped unprivileged container with C(nesting=1,keyctl=1).
      - Where the container exists and has both, nothing is changed; what else differs is a warning. Where it exists
        and lacks them, the task fails. A container is never changed or destroyed.
    type: dict
    required: true
    suboptions:
      vmid:
        description: Id of the container.
        type: int
        required: true
      template:
        description: Volume id of a container template, such as V(local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst).
        type: str
        required: true
      storage:
        description: Storage of the root file system.
        type: str
        required: true
      size:
        description: Size of the root file system. A bare number counts GiB.
        type: str
        default: 4G
      hostname:
        description: Host name. Without it, Proxmox VE writes V(CT) and the id.
        type: str
      cores:
        description: Number of cores. Without it, all of the node's.
        type: int
      memory:
        description: Memory in MiB. Without it, V(512).
        type: int
      swap:
        description: Swap in MiB. Without it, V(512).
        type: int
      nameserver:
        description: Addresses of DNS servers. Without it, the node's.
        type: list
        elements: str
      searchdomain:
        description: DNS search domain. Without it, the node's.
        type: str
      tags:
        description: Tags.
        type: list
        elements: str
      ostype:
        description: Type of the operating system. Without it, it is read from the template.
        type: str
        choices: [alpine, archlinux, centos, debian, devuan, fedora, gentoo, nixos, opensuse, ubuntu, unmanaged]
      net:
        description: Network interfaces.
        type: list
        elements: dict
        suboptions:
          slot:
            description: The interface, V(net0) to V(net9).
            type: str
            required: true
          name:
            description: Name inside the container. Without it, V(net0) is called V(eth0), and so on.
            type: str
          bridge:
            description: Bridge or VNet to connect to.
            type: str
          hwaddr:
            description: MAC address. The server chooses one.
            type: str
          ip:
            description: IPv4 address in CIDR notation, V(dhcp) or V(manual).
            type: str
          gw:
            description: IPv4 gateway.
            type: str
          ip6:
            description: IPv6 address in CIDR notation, V(auto), V(dhcp) or V(manual).
            type: str
          gw6:
            description: IPv6 gateway.
            type: str
          tag:
            description: VLAN tag.
            type: int
          trunks:
            description: VLAN ids that pass.
            type: list
            elements: str
          mtu:
            description: Maximum transfer unit.
            type: int
          rate:
            description: Rate limit in MB/s.
            type: float
          firewall:
            description: Apply the firewall's rules.
            type: bool
          link_down:
            description: Disconnect the interface.
            type: bool
          host_managed:
            description: The node sets the address, not the container's own network setup (PVE 9.0 and later).
            type: bool
  node:
    description: Name of this node in its cluster. Without it, the host's own short name.
    type: str
  runner:
    description:
      - How to become root. V(sudo) runs C(sudo -n) for each command and asks it first, in check mode as well, whether
        the command is allowed.
      - V(direct) runs the commands as the user that Ansible logs in as, which has to be root.
    type: str
    default: sudo
    choices: [sudo, direct]
  pct:
    description: Absolute path of C(pct).
    type: str
    default: /usr/sbin/pct
  timeout:
    description:
      - Seconds that the creation may take. One that takes longer is not stopped, and the task fails with an unknown
        outcome.
    type: int
    default: 600
  front_door:
    description: Set by the collection's own action plugin when the module runs on a target. A task cannot set it.
    type: raw
seealso:
  - module: steward.proxmox.lxc
  - module: steward.proxmox.backup
"""

EXAMPLES = r"""
- name: A golden base for containers that run Docker
  hosts: pve1
  gather_facts: false
  tasks:
    - name: Make the base, as root on the node
      steward.proxmox.privileged_host:
        golden_lxc:
          vmid: 9001
          template: local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst
          storage: local-zfs
          size: 8G
          hostname: golden-docker
          net:
            - slot: net0
              bridge: vmbr0
              ip: dhcp

    - name: Start it with a token from here on
      steward.proxmox.lxc:
        vmid: 9001
        state: started
      delegate_to: localhost
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
vmid:
  description: Id of the container.
  returned: always
  type: int
node:
  description: Node of the container.
  returned: always
  type: str
config:
  description:
    - The configuration, as the API returns it; in check mode as it would be, with values that only the server knows
      as V((known after apply)).
  returned: always
  type: dict
sudoers:
  description: The line of sudoers that allows what was refused.
  returned: when sudo refused
  type: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host import PRIVILEGED_HOST
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(PRIVILEGED_HOST)


if __name__ == "__main__":
    main()
