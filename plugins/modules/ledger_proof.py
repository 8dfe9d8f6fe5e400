#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of ledger_proof; plugins/action/ledger_proof.py does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_proof
short_description: Write the proof of one change, or of a log that has only grown, to a file
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - Writes a bundle for one change that the ledger holds. Who has the bundle, the public key of the ledger and
    C(verify_proof.py) (one file, beside C(verify.py) in this collection) needs nothing else to check who intended
    what and when, and what came of it, and that it is in the log that the key signed.
  - The bundle shows nothing of other changes. What leads from the change to the checkpoint are hashes of them.
  - A change is in the log once its run is closed, or at the next checkpoint of the run. Before that there is no proof.
  - Without O(op) the bundle shows something else, that the log of the ledger begins with the entries that it had when
    somebody kept a checkpoint. Whoever keeps checkpoints can ask for such a bundle now and then, and so knows, without
    access to the ledger, that no entry of its log was changed or taken away.
  - The proof of a change says that the ledger held these records when the checkpoint was signed. It does not say that
    nothing else was changed; M(steward.proxmox.verify_ledger) and M(steward.proxmox.reconcile) are for that.
options:
  op:
    description:
      - The operation. M(steward.proxmox.ledger_info) lists them.
      - Without it, O(checkpoint) is required, and the log is shown to have grown from it.
    type: str
  run:
    description: The run of O(op), by its id or the beginning of it. All runs are searched by default.
    type: str
  dest:
    description: The file to write, on the controller. It is replaced as a whole, and only its owner can read it.
    type: path
    required: true
  public_key:
    description:
      - Prove against the newest checkpoint that this key signed; a key, or a file on the controller that holds one.
        M(steward.proxmox.ledger_key) lists the keys.
      - By default against the newest one that anybody signed, and where no key is used, against the newest one.
    type: str
  checkpoint:
    description:
      - A text file, on the controller, with checkpoints that somebody kept, such as the output of a job.
      - With O(op), the change is proven against the newest of them, so that C(verify_proof.py --checkpoint) checks it
        without any key.
      - Without O(op), the newest checkpoint of the ledger is shown to go on from the newest of them.
        C(verify_proof.py) then asks for the same file, and for the public key.
    type: path
extends_documentation_fragment:
  - steward.proxmox.attributes.controller
  - steward.proxmox.attributes.action_group
  - steward.proxmox.ledger
attributes:
  check_mode:
    description: Makes the proof, and writes nothing.
    support: full
  idempotent:
    description: >-
      A file that proves the same already is left as it is. The proof of a change stays the same where there are newer
      checkpoints, that of a log that has grown does not.
    support: full
seealso:
  - module: steward.proxmox.ledger_info
  - module: steward.proxmox.ledger_key
  - module: steward.proxmox.verify_ledger
"""

EXAMPLES = r"""
- name: The proof of one change, for somebody who does not trust us
  steward.proxmox.ledger_proof:
    op: 0d0f5b1a2c3d4e5f
    dest: proof.json

# python3 verify_proof.py proof.json --public-key "steward+3f6b52d8+AX1jVb..."

- name: The proof that nothing is gone that the log held in January
  steward.proxmox.ledger_proof:
    checkpoint: kept-in-january.txt
    dest: growth.json

# python3 verify_proof.py growth.json --public-key "steward+3f6b52d8+AX1jVb..." --checkpoint kept-in-january.txt
"""

RETURN = r"""
dest:
  description: The file.
  returned: success
  type: str
run:
  description: The id of the run.
  returned: with O(op)
  type: str
op:
  description: The operation.
  returned: with O(op)
  type: str
older_size:
  description: How many entries the log had at the checkpoint that somebody kept.
  returned: without O(op)
  type: int
size:
  description: How many entries the log had at the checkpoint that the proof is made against.
  returned: success
  type: int
signed_by:
  description: The names of the keys that signed it, none where it is unsigned.
  returned: success
  type: list
  elements: str
summary:
  description: What the file proves, in lines for people.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "op": {"type": "str"},
    "run": {"type": "str"},
    "dest": {"type": "path", "required": True},
    "public_key": {"type": "str", "no_log": False},
    "checkpoint": {"type": "path"},
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="ledger_proof runs on the controller, by its action plugin, which was not found")


if __name__ == "__main__":
    main()
