# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the connections into guests share: plugin_utils/_exec/."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  vmid:
    description: Id of the guest.
    type: int
    required: true
    vars:
      - name: proxmox_vmid
      - name: ansible_proxmox_vmid
  inventory_name:
    description: Name of the host in the inventory, for the ledger. It is not meant to be set.
    type: str
    vars:
      - name: inventory_hostname
  record_commands:
    description:
      - Record each command itself in the ledger, and not only that there was one. Commands can hold secrets, which a
        ledger never forgets.
      - Fingerprints of commands are recorded in any case where the callback P(steward.proxmox.ledger#callback) has a
        O(steward.proxmox.ledger#callback:fingerprint_key).
    type: bool
    default: false
    vars:
      - name: proxmox_record_commands
    env:
      - name: STEWARD_RECORD_COMMANDS
  snapshot_before:
    description:
      - Whether a snapshot of the guest is taken before the first command that a run sends into it. A command cannot be
        undone, so V(risky) takes one as V(always) does. A policy can ask for it, too.
      - It is taken through the API, with the connection of the environment (E(PROXMOX_HOST) and so on), and is called
        C(before_) and a name of the run. Where it cannot be taken, nothing is run.
    type: str
    default: never
    choices: [never, risky, always]
    vars:
      - name: proxmox_snapshot_before
notes:
  - Nothing can be reached until whoever starts the run says which guests may be, by C(exec) of the policy file, or by
    the environment variables E(STEWARD_EXEC_PCT) and E(STEWARD_EXEC_QGA), one for each of both connections, with ids
    and ranges such as V(101,200-299), or V(*) for all guests. A playbook cannot open a guest.
  - Each command, and each file that is written or read, is recorded in the ledger before and after it. Where a ledger
    is required and cannot be written, nothing is run. Modules that Ansible runs in check mode are commands, too.
"""
