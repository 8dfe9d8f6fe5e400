#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
version_added: "0.1.0"
short_description: Read the snapshots of guests
description:
  - Lists the snapshots of one guest, or of all that the filters choose - one request for the cluster, and one for each
    guest, O(concurrency) at a time.
  - Each snapshot names its parent and its children, so that the tree can be followed both ways.
  - Needs C(VM.Audit) on the guests. A guest whose snapshots cannot be read does not fail the task; RV(unseen) names it.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.reading
  - steward.proxmox.reading.guests
options:
  snapshot:
    description: Only snapshots with this name.
    type: str
  prefix:
    description: Only snapshots whose name begins with this.
    type: str
  older_than:
    description: Only snapshots older than this - a number with V(s), V(m), V(h), V(d) or V(w), for example V(30d).
    type: str
"""

EXAMPLES = r"""
- name: The snapshots of one container
  steward.proxmox.snapshot_info:
    vmid: 101
  register: mine

- name: Snapshots that somebody forgot, in the whole cluster
  steward.proxmox.snapshot_info:
    older_than: 30d
  register: forgotten

- name: Which machines still have the snapshot from before the upgrade
  steward.proxmox.snapshot_info:
    type: qemu
    tags: [production]
    snapshot: before-upgrade
"""

RETURN = r"""
snapshots:
  description: The snapshots, by guest, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    vmid:
      description: The guest's id.
      returned: always
      type: int
    type:
      description: The guest's type, V(lxc) or V(qemu).
      returned: always
      type: str
    node:
      description: The guest's node.
      returned: always
      type: str
    guest:
      description: The guest's name.
      returned: always
      type: str
    name:
      description: The snapshot's name.
      returned: always
      type: str
    description:
      description: Its description, without the newline that the API adds.
      returned: always
      type: str
    snaptime:
      description: When it was taken, in seconds since the epoch; null for one that is only planned.
      returned: always
      type: int
    vmstate:
      description: Whether it holds the RAM of a machine.
      returned: always
      type: bool
    parent:
      description: The snapshot that it descends from, null for a first one.
      returned: always
      type: str
    children:
      description: The snapshots that descend from it.
      returned: always
      type: list
      elements: str
    current:
      description: Whether the guest's present state descends from it.
      returned: always
      type: bool
total:
  description: How many snapshots fit the options, whether they are returned or not.
  returned: success
  type: int
truncated:
  description: Whether snapshots were left out, because of O(limit) or because the result would be longer than 500,000
    characters.
  returned: success
  type: bool
complete:
  description: Whether these are certainly all. Where it is V(false), one that is not listed may still be there.
  returned: success
  type: bool
unseen:
  description: Where RV(complete) is V(false), what may be missing and why - guests that the credential may not see,
    or nodes and guests that could not be read.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._info.snapshots import SNAPSHOT_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(SNAPSHOT_INFO)


if __name__ == "__main__":
    main()
