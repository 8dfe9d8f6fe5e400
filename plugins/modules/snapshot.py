#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
version_added: "0.1.0"
short_description: Manage snapshots of containers and virtual machines
description:
  - Takes, describes, removes and prunes snapshots, and rolls a guest back to one.
  - A guest with a volume that cannot have snapshots is refused in the plan; Proxmox would only say so in the task.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.waiting
  - steward.proxmox.policy
  - steward.proxmox.snapshot_before
options:
  vmid:
    description: Id of the guest.
    type: int
  name:
    description: Name of the guest, where O(vmid) is not given.
    type: str
  node:
    description: Node of the guest; found in the cluster when it is not given.
    type: str
  snapshot:
    description: Name of the snapshot, 2 to 40 letters, digits, dashes and underscores. Needed unless O(state=pruned).
    type: str
  state:
    description:
      - V(rolled_back) is a verb and runs every time. Everything written since the snapshot is lost.
      - V(pruned) removes the snapshots that neither O(keep) nor O(older_than) keeps.
    type: str
    default: present
    choices: [present, absent, rolled_back, pruned]
  description:
    description: Description of the snapshot.
    type: str
  vmstate:
    description: Save the RAM of a virtual machine too.
    type: bool
    default: false
  start:
    description: Start the guest after a rollback.
    type: bool
    default: false
  keep:
    description: With O(state=pruned), keep this many of the newest.
    type: int
  older_than:
    description: With O(state=pruned), remove only what is older, for example V(12h) or V(7d).
    type: str
  prefix:
    description: With O(state=pruned), look only at snapshots whose name begins so.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: A snapshot before the update
  steward.proxmox.snapshot:
    vmid: 200
    snapshot: before-update
    description: Taken before the update

- name: Back to it, and running
  steward.proxmox.snapshot:
    vmid: 200
    snapshot: before-update
    state: rolled_back
    start: true

- name: Back to it, with a snapshot of how it is now
  steward.proxmox.snapshot:
    vmid: 200
    snapshot: before-update
    state: rolled_back
    snapshot_before: always

- name: Remove the undo points that are older than two weeks
  steward.proxmox.snapshot:
    vmid: 200
    state: pruned
    prefix: before_
    older_than: 14d

- name: Keep the newest three of our own
  steward.proxmox.snapshot:
    vmid: 200
    state: pruned
    prefix: before-
    keep: 3
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
snapshots:
  description: The guest's snapshots, without C(current).
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.steward.proxmox.plugins.module_utils._run import run
from ansible_collections.steward.proxmox.plugins.module_utils._snapshot import SNAPSHOTS


def main() -> None:
    run(SNAPSHOTS)


if __name__ == "__main__":
    main()
