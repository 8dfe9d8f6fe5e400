#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: task_info
version_added: "0.1.0"
short_description: Read tasks of Proxmox VE
description:
  - Reads one task with the end of its log, or the newest tasks of a node.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
options:
  upid:
    description: The task, for example one that another module started with V(wait=false).
    type: str
  node:
    description: Read the newest tasks of this node.
    type: str
  vmid:
    description: With O(node), only tasks of this guest.
    type: int
  errors:
    description: With O(node), only tasks that failed.
    type: bool
    default: false
  limit:
    description: With O(node), how many tasks.
    type: int
    default: 50
  log_lines:
    description: With O(upid), how many of the last lines of the log.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: What failed lately on pve1
  steward.proxmox.task_info:
    node: pve1
    errors: true

- name: Wait for a backup that runs on its own
  steward.proxmox.task_info:
    upid: "{{ backup.upids[0] }}"
  register: task
  until: not task.tasks[0].running
  retries: 60
  delay: 10
"""

RETURN = r"""
tasks:
  description: The task (with C(running), C(ok) and C(log)), or the node's tasks, the newest first.
  returned: success
  type: list
  elements: dict
truncated:
  description: Whether tasks were left out because the result would be longer than 500,000 characters.
  returned: success
  type: bool
"""

from ansible_collections.steward.proxmox.plugins.module_utils._info.tasks import TASK_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(TASK_INFO)


if __name__ == "__main__":
    main()
