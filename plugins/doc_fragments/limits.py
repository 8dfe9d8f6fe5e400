# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a guest may be, and how many there may be."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  limits:
    description:
      - The most that a task may make of a guest, and of the cluster. The plan is refused beyond it, in check mode
        too.
      - The limits of C(module_defaults), those of the policy (E(STEWARD_POLICY)) and those of the environment on the
        controller hold as well, and the strictest wins, so a task can only tighten them. The variables are
        E(PROXMOX_MAX_CPU), E(PROXMOX_MAX_RAM_MB), E(PROXMOX_MAX_DISK_GB) and E(PROXMOX_MAX_VMS).
      - What a guest has already is not held against a task that leaves or lowers it.
    type: dict
    suboptions:
      max_cpu:
        description: Cores of the guest, of all sockets together.
        type: int
      max_ram_mb:
        description: Memory of the guest in MiB.
        type: int
      max_disk_gb:
        description: Size of the guest's volumes together, in GiB.
        type: int
      max_vms:
        description: Guests in the cluster, containers and VMs together, with those that exist only in the plan. A
          credential that may not see all of them cannot count, and is refused.
        type: int
"""
