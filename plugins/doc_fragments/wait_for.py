# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task waits for once the guest runs."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait_for:
    description:
      - Wait at the end of the task until the guest can be reached, also where there was nothing else to do. V({})
        waits for any address. The addresses are returned as RV(addresses) and RV(ansible_host).
      - The addresses of a VM come from its guest agent, those of a container from its node. Link-local ones and those
        of bridges that programs make inside the guest do not count.
      - A guest that the task leaves off, and a VM whose configuration has no agent, are refused in the plan. In check
        mode nothing is waited for.
    type: dict
    suboptions:
      ip:
        description: The family of the address to wait for; V(none) waits for no address.
        type: str
        default: any
        choices: [any, ipv4, ipv6, none]
      network:
        description: The address must be in this network, for example V(10.0.0.0/24).
        type: str
      interface:
        description: The address must be on the interface that has this name in the guest.
        type: str
      agent:
        description: Wait until the guest agent of a VM answers. An address of a VM needs that in any case.
        type: bool
        default: false
      timeout:
        description: Seconds for all of it together.
        type: int
        default: 300
"""
