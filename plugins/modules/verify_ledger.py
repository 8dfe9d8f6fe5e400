#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of verify_ledger; plugins/action/verify_ledger.py does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_ledger
short_description: Verify the ledger of the changes that this collection made
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - Reads a ledger as the callback P(steward.proxmox.ledger#callback) writes it and tells whether it is intact,
    tampered with (which file, which record, and why), or incomplete (a run that was not closed,
    or a change that was begun and whose outcome nobody recorded).
  - Fails if the ledger is not intact.
  - Whoever can write all of the ledger can make all of it tell another story.
    Only what was kept elsewhere tells then, see O(checkpoints), O(public_keys) and O(expected_head).
  - The run that this task belongs to may be open still.
options:
  path:
    description:
      - The directory of the ledger on the controller, or the file of one run, which then is all that is verified.
      - By default the ledger that the callback P(steward.proxmox.ledger#callback) is configured to use,
        be it a directory or a database.
    type: path
  checkpoints:
    description:
      - What jobs printed, or sinks kept, of the ledger. Each is a file on the controller with a checkpoint in it,
        such as the log of a job, or, where it has more than one line, the text itself.
      - The ledger must still begin with everything that it had then. So nothing can have been edited or removed since.
    type: list
    elements: str
    default: []
  public_keys:
    description:
      - Keys as M(steward.proxmox.ledger_key) returns them, or files on the controller that hold one.
        One of them, or one to which it handed over, must have signed a checkpoint that is here.
        RV(signed) tells up to which entry of the log.
    type: list
    elements: str
    default: []
  expected_head:
    description:
      - The head that a job printed at its end, with or without V(sha256:). Some run found here must end with it.
      - Or a dictionary of run ids and the heads that they must end with. A run that is missing counts as tampering.
    type: raw
  partial:
    description: This is only a part of a ledger. Runs that its log names and that are not there are not missed.
    type: bool
    default: false
  strict:
    description:
      - Parse every record to its end. By default the records of changes are parsed only as far as their place, their
        kind and their status, which is several times as fast. Their hashes cover all of their bytes either way.
    type: bool
    default: false
  allow_incomplete:
    description: Do not fail if the only thing to find fault with is that the ledger is incomplete.
    type: bool
    default: false
extends_documentation_fragment:
  - steward.proxmox.ledger
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
attributes:
  check_mode:
    description: Verifies in check mode, too.
    support: full
seealso:
  - plugin: steward.proxmox.ledger
    plugin_type: callback
  - module: steward.proxmox.ledger_key
  - module: steward.proxmox.reconcile
"""

EXAMPLES = r"""
- name: Nobody touched the ledger
  steward.proxmox.verify_ledger:

- name: The job of yesterday is still what it was when it printed its head
  steward.proxmox.verify_ledger:
    path: /var/lib/steward/ledger
    expected_head:
      4f1c0e6f3f0b4a0e9d0f5b1a2c3d4e5f: sha256:9b74c9897bac770ffc029102a200c5de7d1f3a3b6a6b5f3c8f0a4b2e6d1c7e5a

- name: Nothing was edited or removed since these jobs ran, and the owner of the key has signed the log
  steward.proxmox.verify_ledger:
    dsn: postgresql://auditor@db.example.com/steward
    checkpoints:
      - /var/log/jobs/4711.txt
    public_keys:
      - /etc/steward/ledger.pub

- name: A run that still goes on, or was cancelled, is no failure here
  steward.proxmox.verify_ledger:
    allow_incomplete: true
"""

RETURN = r"""
verdict:
  description: The worst that was found.
  type: str
  returned: always
  choices: [intact, tampered, incomplete, unverifiable]
exit_status:
  description: The verdict as the number that the verifier on the command line exits with (0, 1, 2, 3).
  type: int
  returned: always
path:
  description: What was verified.
  type: str
  returned: always
runs:
  description: How many runs were read.
  type: int
  returned: always
records:
  description: How many records were found good.
  type: int
  returned: always
heads:
  description: The last good hash of each run, by the id of the run.
  type: dict
  returned: always
entries:
  description: How many entries the log of the ledger has.
  type: int
  returned: always
root:
  description: The root of the tree over them, as checkpoints have it.
  type: str
  returned: always
checkpoints:
  description: How many checkpoints agree with the log, those in the ledger and those of O(checkpoints).
  type: int
  returned: always
signed:
  description: The last entry of the log that is signed by one of O(public_keys), or by a key to which it handed over.
  type: int
  returned: always
retired:
  description: How many runs are gone and were retired, as the log says. They are where they were exported to.
  type: int
  returned: always
settled:
  description: How many runs were never closed and are accounted for by an entry of the log.
  type: int
  returned: always
problems:
  description: What is wrong.
  type: list
  elements: dict
  returned: always
  contains:
    file:
      description: The first file of the run or of the log, or where else it is.
      type: str
    record:
      description: The number of the record.
      type: int
    verdict:
      description: What this problem alone makes of the ledger.
      type: str
    reason:
      description: Why.
      type: str
dangling:
  description:
    - Changes with an unknown outcome.
      M(steward.proxmox.reconcile) finds in the task log of Proxmox what became of them.
  type: list
  elements: dict
  returned: always
  contains:
    file:
      description: The run's file.
      type: str
    record:
      description: The record that announced the change.
      type: int
    run_id:
      description: The run.
      type: str
    op_id:
      description: The change.
      type: str
    host:
      description: The host of the task.
      type: str
    target:
      description: What the change was about to touch.
      type: str
    summary:
      description: The plan in one line.
      type: str
    reason:
      description: Why its outcome is unknown.
      type: str
summary:
  description: The report in lines for people.
  type: list
  elements: str
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
    "checkpoints": {"type": "list", "elements": "str", "default": []},
    "public_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "expected_head": {"type": "raw"},
    "partial": {"type": "bool", "default": False},
    "strict": {"type": "bool", "default": False},
    "allow_incomplete": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="verify_ledger runs on the controller, by its action plugin, which was not found")


if __name__ == "__main__":
    main()
