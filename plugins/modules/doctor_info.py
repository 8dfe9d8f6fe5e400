#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_info
version_added: "0.1.0"
short_description: What a credential can and cannot do
description:
  - Says whether the cluster is reached, whether its certificate is verified and by what, and for each thing that this
    collection does where the credential may do it. Each gap comes with the line that grants what is missing.
  - Nothing is tried out. What a credential may do is read from its permissions, in three requests; any credential may
    read its own. A plan says more exactly what one task needs.
  - It does not fail where the cluster cannot be reached, it tells why (RV(problem)). Options that make no sense are an
    error.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
options:
  capabilities:
    description: What is asked for. Only this can be a gap.
    type: list
    elements: str
    choices: [see_guests, see_storages, see_cluster, see_nodes, create_guests, configure_guests, start_and_stop,
      snapshots, backups, migrate_guests, destroy_guests, wait_for_agent, run_in_machines, firewall, users, roles,
      permissions, golden_containers, run_in_containers]
    default: [see_guests, see_storages, see_cluster, see_nodes, create_guests, configure_guests, start_and_stop,
      snapshots, backups, migrate_guests, destroy_guests, wait_for_agent, run_in_machines, firewall, users, roles,
      permissions, golden_containers, run_in_containers]
  vmids:
    description: The guests that it is asked for, which need not exist. Without it, all guests.
    type: list
    elements: int
    default: []
  storages:
    description: The storages that it is asked for. Without it, all storages.
    type: list
    elements: str
    default: []
  nodes:
    description: The nodes that it is asked for. Without it, all nodes.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What can this token do?
  steward.proxmox.doctor_info:
  register: doctor

- name: Stop here unless guests 100 and 101 can be backed up to nas
  steward.proxmox.doctor_info:
    capabilities: [see_guests, backups]
    vmids: [100, 101]
    storages: [nas]
  register: doctor
  failed_when: not doctor.healthy
"""

RETURN = r"""
connected:
  description: Whether the cluster answered this credential.
  returned: success
  type: bool
problem:
  description: Why it did not; empty where it did.
  returned: success
  type: str
hosts:
  description: The hosts that were named.
  returned: success
  type: list
  elements: str
identity:
  description: The user or token, as permissions are granted to it.
  returned: success
  type: str
version:
  description: The version of Proxmox VE; null where nothing answered.
  returned: success
  type: str
tls:
  description: Whether it is certain who answers.
  returned: success
  type: dict
  contains:
    verified:
      description: Whether the certificate is verified.
      returned: always
      type: bool
    by:
      description: The pinned fingerprint, the file of certificate authorities, those of the system, or nothing.
      returned: always
      type: str
capabilities:
  description: One row for each of O(capabilities).
  returned: success
  type: list
  elements: dict
  contains:
    capability:
      description: Its name.
      returned: always
      type: str
    for_what:
      description: What it is, in words.
      returned: always
      type: str
    held:
      description: V(everywhere) (on all that was asked for), V(some) (on some objects, which C(needs) lists), or
        V(nowhere).
      returned: always
      type: str
    root_only:
      description: Why no token can have it; empty for everything that can be granted.
      returned: always
      type: str
    needs:
      description: The privileges, as C(path), C(any_of), C(held), and C(on), the objects that hold it one by one.
      returned: always
      type: list
      elements: dict
gaps:
  description: What is missing, one row for each path.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is missing.
      returned: always
      type: str
    privileges:
      description: The privileges that are missing there.
      returned: always
      type: list
      elements: str
    capabilities:
      description: For what they are needed.
      returned: always
      type: list
      elements: str
    grant:
      description: The lines of C(pveum) that grant them, for an administrator.
      returned: always
      type: str
healthy:
  description: Whether the cluster is reached with a verified certificate, and there is no gap.
  returned: success
  type: bool
controller:
  description: What holds where Ansible runs, whatever the cluster allows - the C(ledger) of this run (empty without
    one), C(ledger_required), which keys of a C(policy) are set and by whom, and in which guests commands may be run
    (C(exec), first and last ids).
  returned: success
  type: dict
summary:
  description: The same in a few lines, for people.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._doctor.checkup import DOCTOR_INFO
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(DOCTOR_INFO)


if __name__ == "__main__":
    main()
