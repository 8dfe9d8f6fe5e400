# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that a VM and a container share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  vmid:
    description: Id of the guest, 100 or more. Without it the guest is found by O(name), and a new one gets the next
      free id.
    type: int
  node:
    description:
      - Node of the guest. A new one is made here; without it on the node of the guest that it is a clone of, or on
        the only node that has the storage of its source. Where several would do it must be given.
      - A guest that is on another node is moved here where O(migrate) is given; without it that is an error.
    type: str
  pool:
    description: Pool of the guest. An existing guest is moved to it; an empty text takes the guest out of its pool.
      Without it the pool stays.
    type: str
  delete:
    description:
      - >-
        What to remove from the configuration: whole keys by the API's name, for example V(net1), V(cores) or
        V(description), or a single property of one, for example V(net0.tag).
      - A disk or mount point that is removed so is detached and keeps its data. V(unused0) destroys that volume with
        its data.
      - What is not there counts as removed.
    type: list
    elements: str
  config:
    description:
      - Every other key of the configuration, by the name that the API gives it. The collection's C(docs/options.md)
        lists them all.
      - The value is a text or number, or a mapping where the key holds several properties; a mapping is merged into
        what is there. The values are compared and checked by the same types as the options of this module.
      - A key that has an option of its own is refused here with the name of that option, an unknown one with similar
        names, and one that the server is too old for with both versions.
    type: dict
  tags:
    description: Tags, in any order and case. O(tags_mode) says whether others are removed; V([]) removes all.
    type: list
    elements: str
  tags_mode:
    description: How O(tags) is meant. V(exact) makes the tags of the guest these and no others; V(additive) adds them
      to those that are there.
    type: str
    default: exact
    choices: [exact, additive]
  description:
    description: Notes of the guest, in Markdown. An empty text removes them.
    type: str
  onboot:
    description: Start the guest when its node starts. The server's default is V(false).
    type: bool
  startup:
    description: When the guest starts and stops among the others on its node. Keys that are not given stay.
    type: dict
    suboptions:
      order:
        description: Position in the order; the lowest starts first and stops last.
        type: int
      up:
        description: Seconds to wait after its start before the next guest starts.
        type: int
      down:
        description: Seconds to wait for its shutdown when the node stops.
        type: int
  protection:
    description: Forbid to destroy the guest or its volumes. The server's default is V(false).
    type: bool
  hookscript:
    description: Volume id of a script that runs at the guest's start and stop. Only root@pam may set it.
    type: str
  shutdown_timeout:
    description: Seconds that a clean shutdown may take.
    type: int
    default: 60
  reboot_if_pending:
    description: Reboot a running guest whose configuration has changes that wait for its next start, those of this
      task or earlier ones. With V(false) they wait, and RV(pending) names them.
    type: bool
    default: false
  force:
    description:
      - With O(state=absent), power off a running guest at once and destroy it.
      - With O(state=shutdown) and O(state=template), power off a guest that has not shut down within
        O(shutdown_timeout), and one that is paused.
      - With O(source.archive), restore over an existing guest, every time that the task runs. The guest must be off.
    type: bool
    default: false
  purge:
    description: With O(state=absent), also remove the guest from backup jobs, replication and HA. Without it a guest
      under HA or replication is refused. Its ACLs and its firewall configuration go in any case.
    type: bool
    default: false
  destroy_unreferenced_disks:
    description: With O(state=absent), also destroy volumes that carry the guest's id on any storage, but are not in
      its configuration.
    type: bool
    default: false
"""
