#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of ledger_checkpoint; plugins/action/ledger_checkpoint.py does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_checkpoint
short_description: Sign the log of a ledger where the signing key is
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - For a machine that holds the signing key when those that run playbooks do not, so that nobody who can run a playbook
    can sign for the ledger. Run it regularly, by a timer.
  - Reads the log of the ledger, checks that it still begins with what this key has signed before, signs its present
    state, keeps the signed checkpoint in the ledger and sends it to the sinks.
  - Fails, and signs nothing, if the log was cut off, rolled back or rewritten since. A file beside the key, the pin,
    remembers what was signed.
  - Whether the runs themselves are intact is for M(steward.proxmox.verify_ledger) to tell.
options:
  key:
    description:
      - The file of the private key on the controller, as M(steward.proxmox.ledger_key) makes it.
      - By default the key that the callback P(steward.proxmox.ledger#callback) is configured to use.
    type: path
  pin:
    description:
      - The file that remembers which checkpoints this key has signed. Keep it where only this machine can write it.
      - By default the file of the key with C(.pin) appended.
    type: path
  sinks:
    description:
      - Where the checkpoint is sent besides the ledger, as for the callback P(steward.proxmox.ledger#callback).
      - By default the sinks that it is configured to use.
    type: list
    elements: str
extends_documentation_fragment:
  - steward.proxmox.attributes.controller
  - steward.proxmox.attributes.action_group
  - steward.proxmox.ledger
attributes:
  check_mode:
    description: Reads and checks the log, and signs nothing.
    support: full
  idempotent:
    description: A log to which nothing was added is not signed again.
    support: full
seealso:
  - module: steward.proxmox.ledger_key
  - module: steward.proxmox.verify_ledger
"""

EXAMPLES = r"""
- name: Sign what was entered since
  steward.proxmox.ledger_checkpoint:
    dsn: postgresql://auditor@db.example.com/steward
    key: /etc/steward/ledger.key
    sinks:
      - file:/mnt/witness/steward
      - syslog+tcp:log.example.com:514
"""

RETURN = r"""
checkpoint:
  description: The signed checkpoint, a C2SP signed note. In check mode only if it is signed already.
  type: str
  returned: success
vkey:
  description: The public key that verifies it.
  type: str
  returned: success
missed:
  description: Sinks that did not take the checkpoint, and why. The task fails then, but the checkpoint stands.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
    "key": {"type": "path", "no_log": False},
    "pin": {"type": "path"},
    "sinks": {"type": "list", "elements": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="ledger_checkpoint runs on the controller, by its action plugin, which was not found")


if __name__ == "__main__":
    main()
