#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of ledger_export; plugins/action/ledger_export.py does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_export
short_description: Export a ledger into files that can be verified, and remove old runs from it
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - Copies a ledger, byte by byte, into a directory that M(steward.proxmox.verify_ledger) and C(verify.py) take,
    be the ledger a directory itself or a database.
  - Exporting into the same directory again adds what is new. What is there must still be the beginning of what the
    ledger holds. If a record was changed or lost since, nothing is overwritten, and the task fails.
  - What was copied is read back and verified. The task fails if it was tampered with; the copy stays as evidence.
  - With O(remove_older_than), runs are removed from the ledger after that. The log of the ledger is never shortened.
    It says of each run that it was removed, why, and where it was exported to, before any run is removed,
    so that the ledger can still be verified.
  - The checkpoint over these entries is not signed. The next one that a run makes is, or
    M(steward.proxmox.ledger_checkpoint) signs it.
options:
  dest:
    description:
      - The directory to export to, on the controller. It is created when it is not there.
      - It must be empty, or hold an earlier export of the same ledger.
    type: path
    required: true
  remove_older_than:
    description:
      - Afterwards remove the runs that began longer ago than this, for example V(52w) or V(400d).
      - A run stays when it was not closed, or when the outcome of one of its changes is unknown.
      - The user needs the right to remove. In a database only the owner of the ledger has it.
    type: str
extends_documentation_fragment:
  - steward.proxmox.ledger
  - steward.proxmox.attributes.controller
  - steward.proxmox.attributes.action_group
attributes:
  check_mode:
    description: Compares, and says what would be exported and removed.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: partial
    details: The run that exports is itself part of the ledger if it is recorded there, so that each export adds to it.
seealso:
  - module: steward.proxmox.verify_ledger
  - module: steward.proxmox.ledger_checkpoint
  - plugin: steward.proxmox.ledger
    plugin_type: callback
"""

EXAMPLES = r"""
- name: The auditor gets the ledger of the database as files
  steward.proxmox.ledger_export:
    dsn: postgresql://auditor@db.example.com/steward
    dest: /srv/audit/steward

- name: Runs of more than two years ago are only in the archive
  steward.proxmox.ledger_export:
    path: /var/lib/steward/ledger
    dest: /srv/archive/steward
    remove_older_than: 104w
"""

RETURN = r"""
dest:
  description: Where the copy is.
  type: str
  returned: always
new:
  description: How many records and checkpoints were not in the copy before.
  type: int
  returned: success
runs:
  description: How many runs of the ledger are in the copy.
  type: int
  returned: success
records:
  description: How many records these runs have.
  type: int
  returned: success
log:
  description: How many entries the log has.
  type: int
  returned: success
checkpoints:
  description: How many checkpoints the copy has.
  type: int
  returned: success
verdict:
  description: What verifying the copy found, in check mode the ledger.
  type: str
  returned: when the ledger could be read
  choices: [intact, tampered, incomplete, unverifiable]
summary:
  description: What the verifier says, in lines for people.
  type: list
  elements: str
  returned: when the ledger could be read
removed:
  description: The runs that were removed from the ledger, or would be in check mode.
  type: list
  elements: dict
  returned: success
  contains:
    run:
      description: The run.
      type: str
    at:
      description: The number of its last record.
      type: int
    head:
      description: The hash of its last record.
      type: str
kept:
  description: Runs that are old enough and stay.
  type: list
  elements: dict
  returned: success
  contains:
    run:
      description: The run.
      type: str
    why:
      description: Why it stays.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
    "dest": {"type": "path", "required": True},
    "remove_older_than": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="ledger_export runs on the controller, by its action plugin, which was not found")


if __name__ == "__main__":
    main()
