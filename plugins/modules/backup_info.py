#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
version_added: "0.1.0"
short_description: Read the backups on a storage
description:
  - Lists the backups on one storage of a node, the oldest first, as far as the credential may see them.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
options:
  node:
    description: The node that reads the storage.
    type: str
    required: true
  storage:
    description: The storage.
    type: str
    required: true
  vmid:
    description: Only backups of this guest.
    type: int
  name:
    description: Only backups with this name (the first line of their notes).
    type: str
"""

EXAMPLES = r"""
- name: Is there a golden backup yet
  steward.proxmox.backup_info:
    node: pve1
    storage: local
    name: golden-docker
  register: golden
"""

RETURN = r"""
backups:
  description: The backups as the storage lists them, with their C(name).
  returned: success
  type: list
  elements: dict
complete:
  description: Whether the credential may see every such backup. Where it may not, one that is not listed may still be
    there.
  returned: success
  type: bool
truncated:
  description: Whether backups were left out because the result would be longer than 500,000 characters.
  returned: success
  type: bool
"""

from ansible_collections.steward.proxmox.plugins.module_utils._info import BACKUP_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(BACKUP_INFO)


if __name__ == "__main__":
    main()
