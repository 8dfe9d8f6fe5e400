#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
version_added: "0.1.0"
short_description: Make, keep and remove backups of a guest
description:
  - Runs vzdump for one guest and returns the volume id of the backup.
  - It is idempotent by O(name), which is kept in the first line of the notes, or by O(max_age). Without both it makes
    a backup every time.
  - Older backups are never removed on the way, whatever the storage's retention says; use O(state=pruned) for that.
  - A snapshot-mode backup of a running container is crash-consistent only; the module says so.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
  - steward.proxmox.policy
options:
  vmid:
    description: Id of the guest.
    type: int
    required: true
  node:
    description: Node of the guest; found in the cluster when it is not given. Needed to remove backups of a guest
      that is gone.
    type: str
  storage:
    description: Storage for the backup; one that does not take backups is refused in the plan.
    type: str
    required: true
  state:
    description: V(absent) removes the backup O(volid), or all with O(name). V(pruned) removes what O(keep) does not
      keep. Protected backups stay.
    type: str
    default: present
    choices: [present, absent, pruned]
  name:
    description: Name of the backup. With V(present), one that has it already is enough. With V(pruned), only backups
      with this name are looked at.
    type: str
  notes:
    description: More lines of notes below the name.
    type: str
  max_age:
    description: A backup that is not older is enough, for example V(24h) or V(7d).
    type: str
  volid:
    description: With O(state=absent), the backup to remove. With V(present), the one whose O(notes) and O(protected)
      are set; no other is made.
    type: str
  mode:
    description: How a running guest is backed up.
    type: str
    default: snapshot
    choices: [snapshot, suspend, stop]
  compress:
    description: Compression.
    type: str
    default: zstd
    choices: [zstd, gzip, lzo, none]
  protected:
    description: Protect the backup against being removed.
    type: bool
  keep:
    description: With O(state=pruned), how many to keep, by Proxmox's rules, counted in the node's time zone.
    type: dict
    suboptions:
      last:
        description: The newest ones.
        type: int
      hourly:
        description: The newest of each of so many hours.
        type: int
      daily:
        description: The newest of each of so many days.
        type: int
      weekly:
        description: The newest of each of so many weeks.
        type: int
      monthly:
        description: The newest of each of so many months.
        type: int
      yearly:
        description: The newest of each of so many years.
        type: int
seealso:
  - module: steward.proxmox.lxc
    description: Restores a backup with O(steward.proxmox.lxc#module:source.archive).
"""

EXAMPLES = r"""
- name: The golden backup, made once and protected
  steward.proxmox.backup:
    vmid: 9001
    storage: local
    name: golden-docker
    protected: true
  register: golden

- name: Not older than a day
  steward.proxmox.backup:
    vmid: 200
    storage: nas
    max_age: 24h

- name: Keep three, and one of each of the last seven days
  steward.proxmox.backup:
    vmid: 200
    storage: nas
    state: pruned
    keep:
      last: 3
      daily: 7
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
vmid:
  description: Id of the guest.
  returned: success
  type: int
node:
  description: Node of the guest.
  returned: success
  type: str
volid:
  description: Volume id of the backup; in check mode V((known after apply)) for one that would be made.
  returned: with O(state=present)
  type: str
  sample: local:backup/vzdump-lxc-9001-2026_11_20-10_42_28.tar.zst
backup:
  description: The backup as the storage lists it.
  returned: with O(state=present)
  type: dict
"""

from ansible_collections.steward.proxmox.plugins.module_utils._backup import BACKUP
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(BACKUP)


if __name__ == "__main__":
    main()
