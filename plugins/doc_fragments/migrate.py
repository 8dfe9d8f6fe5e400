# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a guest moves to another node."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  migrate:
    description:
      - Move a guest that is on another node to O(node), and how. V({}) moves it with the defaults; without this
        option nothing is ever moved.
      - >-
        What stands in the way is refused in the plan: a storage or mapping that the node lacks, a disc or device of
        the old node, a lock, a rule of HA. A guest under HA is moved by the HA manager.
    type: dict
    suboptions:
      online:
        description: Move a running VM while it runs. With V(false) that is refused, so that only one that is off is
          moved. It has no meaning for a container.
        type: bool
        default: true
      restart:
        description: Shut a running container down, move it and start it again; a container cannot be moved while it
          runs. With V(false) that is refused. It has no meaning for a VM.
        type: bool
        default: false
      with_local_disks:
        description: Copy the disks of a running VM that are on storages of its node. With V(false) a VM with such
          disks is refused. Those of a guest that is off are always copied.
        type: bool
        default: true
      storage:
        description: >-
          Where the volumes go: one storage for all, or a mapping from storages here to storages there. Without it
          they keep the name of their storage.
        type: raw
      bwlimit:
        description: Limit of the copy in KiB/s. Without it the limits of the cluster and its storages hold.
        type: int
      timeout:
        description: Seconds that moving may take, where that is more than O(task_timeout).
        type: int
        default: 0
"""
