#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnose_info
version_added: "0.1.0"
short_description: Find out what is wrong with a cluster
description:
  - Looks at a cluster through the API and returns flags - what is broken, what soon will be, and what could not be
    looked at. So a result without flags means that everything was read and all of it is well.
  - A node that does not answer, a read that fails and a privilege that is missing end nothing. Each is a flag of the
    level V(unread), and where a privilege is missing it has the command that grants it.
  - Lists of Proxmox leave out what the credential may not see. Where that can be, a flag says so.
  - Needs C(Sys.Audit) on C(/), C(VM.Audit) and C(VM.Backup) on C(/vms), C(Datastore.Audit) and
    C(Datastore.AllocateSpace) on C(/storage). The role C(PVEAuditor) has all but C(VM.Backup) and
    C(Datastore.AllocateSpace), which show the backups.
  - What happens inside of nodes and guests the role P(steward.proxmox.diagnose#role) looks at.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
seealso:
  - plugin: steward.proxmox.diagnose_flags
    plugin_type: filter
    description: Does the same for what was read inside of nodes and guests.
options:
  nodes:
    description: Only these nodes and the guests on them. What is asked of the cluster as a whole is asked all the same.
    type: list
    elements: str
  checks:
    description:
      - What to look at. V(updates) is left out unless it is asked for, since to list them takes C(Sys.Modify) on the
        node.
      - V(cluster) is the quorum and whether each node answers, V(ha) the HA manager and its guests, V(ceph) the health
        of Ceph.
      - V(guests) are the root disks of running containers, and guests that no node reports. V(backups) are guests
        without a backup, or with none that is young enough.
      - V(storages) are storages that are not active or nearly full. V(tasks) are tasks that failed. V(services) are
        services that are enabled and do not run. V(memory) and V(root_disk) are those of the node.
      - V(certificates) are those of the node that expire. V(replication) are jobs that fail or never ran. V(disks) is
        what SMART says of each disk, and V(zfs) the health of pools.
    type: list
    elements: str
    choices:
      - cluster
      - ha
      - ceph
      - guests
      - backups
      - storages
      - tasks
      - services
      - memory
      - root_disk
      - certificates
      - replication
      - disks
      - zfs
      - updates
    default:
      - cluster
      - ha
      - ceph
      - guests
      - backups
      - storages
      - tasks
      - services
      - memory
      - root_disk
      - certificates
      - replication
      - disks
      - zfs
  since:
    description: How far back to look for tasks that failed, such as V(12h) or V(7d).
    type: str
    default: 1d
  full:
    description: From how many percent on storages, disks and pools get a warning.
    type: int
    default: 90
  full_critical:
    description: From how many percent on it is critical.
    type: int
    default: 95
  memory:
    description: From how many percent on the memory of a node that is in use gets a warning.
    type: int
    default: 90
  memory_critical:
    description: From how many percent on it is critical.
    type: int
    default: 97
  wear_left:
    description: How many percent of a disk's life may be left when it gets a warning.
    type: int
    default: 10
  certificate_days:
    description: How many days before its end a certificate gets a warning.
    type: int
    default: 30
  certificate_days_critical:
    description: How many days before its end it is critical.
    type: int
    default: 7
  backup_max_age:
    description: How old the newest backup of a guest may be, such as V(36h) or V(7d). Templates need none.
    type: str
    default: 7d
  concurrency:
    description: How many requests may be under way at once, from 1 to 32.
    type: int
    default: 8
"""

EXAMPLES = r"""
- name: Look at everything
  steward.proxmox.diagnose_info:
  register: found

- name: Fail where something is broken, or where nobody could look
  steward.proxmox.diagnose_info:
    checks: [cluster, storages, backups]
    backup_max_age: 36h
  register: found
  failed_when: found.counts.critical or found.counts.unread

- name: One node, with its updates, and stricter than usual
  steward.proxmox.diagnose_info:
    nodes: [pve1]
    checks: [storages, root_disk, certificates, updates]
    full: 80
    certificate_days: 60
  register: pve1
"""

RETURN = r"""
flags:
  description: What somebody should look at, the worst first.
  returned: success
  type: list
  elements: dict
  contains:
    level:
      description: V(critical), V(warning), or V(unread) for what could not be looked at.
      returned: always
      type: str
    check:
      description: The check that it comes from; V(nodes) for what is unknown of a node that does not answer.
      returned: always
      type: str
    subject:
      description: What it is about, such as V(local-zfs on pve1).
      returned: always
      type: str
    what:
      description: What is wrong with it, as a person would say it.
      returned: always
      type: str
    evidence:
      description: What it is taken from.
      returned: always
      type: raw
    needs:
      description: The privilege that is missing, as C(path) and C(any_of).
      returned: where one is missing
      type: dict
    grant:
      description: The command with which an administrator grants everything that is missing on that path. A token with
        privilege separation can do what its user can do as well, so its user needs the same.
      returned: where a privilege is missing
      type: str
  sample:
    - level: critical
      check: storages
      subject: nas on pve2
      what: "is not active: the node cannot reach it"
      evidence: {storage: nas, type: nfs, enabled: 1, active: 0}
counts:
  description: How many flags there are of each level, V(critical), V(warning) and V(unread).
  returned: success
  type: dict
grants:
  description: The commands that close all gaps of missing privileges, one for each path.
  returned: success
  type: list
  elements: str
evidence:
  description: What was read, by C(cluster) and the names of the nodes, and there by check. Of C(backups), when the
    newest one of each guest was made, in UTC; null for none.
  returned: success
  type: dict
nodes:
  description: The nodes that were looked at.
  returned: success
  type: list
  elements: str
truncated:
  description: Whether flags or evidence were left out, because the result would be longer than 500,000 characters. The
    worst flags come first, and RV(counts) has all of them.
  returned: success
  type: bool
"""

from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.planner import DIAGNOSE_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(DIAGNOSE_INFO)


if __name__ == "__main__":
    main()
