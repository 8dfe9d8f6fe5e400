#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
version_added: "0.1.0"
short_description: Read the backups on storages
description:
  - Lists the backups on one storage or on all of them, the oldest first, as far as the credential may see them.
  - With O(node) and O(storage) this is one request. Without one of them, one request for the cluster and one for each
    storage, O(concurrency) at a time; a shared storage is read once.
  - Needs C(Datastore.AllocateSpace) on the storages and C(VM.Backup) on the guests; a storage leaves out what the
    credential may not see.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.reading
options:
  node:
    description: Only storages of this node; with O(storage), the node that reads it.
    type: str
  storage:
    description: Only this storage. One that is not shared is read on every node that has it, unless O(node) says which.
    type: str
  vmid:
    description: Only backups of these guests.
    type: list
    elements: int
  name:
    description: Only backups with this name (the first line of their notes).
    type: str
  newest:
    description: Only the newest backup of each guest, of those that fit the other options.
    type: bool
    default: false
  protected:
    description: Only protected backups, or only those that are not.
    type: bool
  max_age:
    description: Only backups that are not older than this - a number with V(s), V(m), V(h), V(d) or V(w), for example
      V(24h).
    type: str
  older_than:
    description: Only backups that are older than this, written as O(max_age).
    type: str
"""

EXAMPLES = r"""
- name: Is there a golden backup yet
  steward.proxmox.backup_info:
    node: pve1
    storage: local
    name: golden-docker
  register: golden

- name: The newest backup of each guest, wherever it is
  steward.proxmox.backup_info:
    newest: true
  register: newest

- name: Which guests were backed up today
  steward.proxmox.backup_info:
    storage: nas
    max_age: 24h
  register: today
"""

RETURN = r"""
backups:
  description: The backups as the storages list them.
  returned: success
  type: list
  elements: dict
  contains:
    volid:
      description: The volume id.
      returned: always
      type: str
    storage:
      description: The storage that holds it.
      returned: always
      type: str
    node:
      description: The node through which it was read; the only one that can where the storage is not shared.
      returned: always
      type: str
    vmid:
      description: The guest.
      returned: always
      type: int
    subtype:
      description: The guest's type, V(lxc) or V(qemu).
      returned: always
      type: str
    name:
      description: The first line of its notes.
      returned: always
      type: str
    protected:
      description: Whether it is protected.
      returned: always
      type: bool
    ctime:
      description: When it was made, in seconds since the epoch.
      returned: for a backup that is not only planned
      type: int
    size:
      description: Its size in bytes.
      returned: where the storage tells it
      type: int
    encrypted:
      description: The fingerprint of the key that it is encrypted with, or V(1).
      returned: for an encrypted backup on a Proxmox Backup Server
      type: str
    verification:
      description: The C(state) and the C(upid) of its last verification.
      returned: for a verified backup on a Proxmox Backup Server
      type: dict
total:
  description: How many backups fit the options, whether they are returned or not.
  returned: success
  type: int
truncated:
  description: Whether backups were left out, because of O(limit) or because the result would be longer than 500,000
    characters.
  returned: success
  type: bool
complete:
  description: Whether these are certainly all. Where it is V(false), one that is not listed may still be there.
  returned: success
  type: bool
unseen:
  description: Where RV(complete) is V(false), what may be missing and why - storages or backups that the credential
    may not see, or storages that do not answer.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._info.backups import BACKUP_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(BACKUP_INFO)


if __name__ == "__main__":
    main()
