#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of ledger_key; plugins/action/ledger_key.py does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_key
short_description: Make, rotate and list the keys that sign a ledger
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - A key signs the checkpoints of a ledger, so that an auditor who has the public key knows who says what the ledger
    is. It is an Ed25519 key in the format of C2SP signed notes.
  - Each key is entered into the log of the ledger. At a rotation the old key endorses the new one there, so that an
    auditor who trusts the first key can trust every later one.
  - What the log says of keys counts as far as the log does. Give an auditor the first public key by another way.
options:
  state:
    description:
      - V(present) makes the key if the file is not there, and enters it into the log if it is not named there.
      - V(rotated) makes a new key, which takes the place of the old one in the file. The old key endorses it, both sign
        the checkpoint, and the old key is gone. A rotation that was interrupted is gone on with.
      - V(listed) only lists the keys that the log names. It needs no O(key).
    type: str
    choices: [present, rotated, listed]
    default: present
  key:
    description:
      - The file of the private key on the controller, outside of the ledger. Only its owner may be able to read it.
      - By default the key that the callback P(steward.proxmox.ledger#callback) is configured to use.
    type: path
  name:
    description:
      - The name that a new key gets. It must not contain spaces or a plus.
      - By default C(steward.proxmox/) and the id of the ledger.
    type: str
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
    description: Reads the log and the key, and writes nothing.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: partial
    details: V(state=rotated) makes a new key each time.
seealso:
  - module: steward.proxmox.ledger_checkpoint
  - module: steward.proxmox.verify_ledger
  - plugin: steward.proxmox.ledger
    plugin_type: callback
"""

EXAMPLES = r"""
# result: vkey is what whoever verifies the ledger must have
- name: The ledger has a signing key
  steward.proxmox.ledger_key:
    path: /var/lib/steward/ledger
    key: /etc/steward/ledger.key

- name: The key of the last quarter signs no more
  steward.proxmox.ledger_key:
    path: /var/lib/steward/ledger
    key: /etc/steward/ledger.key
    state: rotated

- name: Which keys has this ledger had?
  steward.proxmox.ledger_key:
    path: /var/lib/steward/ledger
    state: listed
"""

RETURN = r"""
vkey:
  description: The public key, as a verifier takes it. In check mode that of the key that is there now.
  type: str
  returned: success, where there is a key
signing_keys:
  description: The keys that the log names, the oldest first.
  type: list
  elements: dict
  returned: success
  contains:
    vkey:
      description: The public key.
      type: str
    name:
      description: Its name.
      type: str
    id:
      description: Its id, by name and key, as signatures carry it.
      type: str
    since:
      description: When it was entered.
      type: str
    until:
      description: When a key that it endorsed was entered; none while it is in force.
      type: str
    replaces:
      description: The public key of the one that it took the place of.
      type: str
    endorsed:
      description: >-
        Whether that one signed for it. A key that claims a predecessor and is not endorsed was entered by somebody who
        could append to the log and had no key.
      type: bool
checkpoint:
  description: The signed checkpoint after the entry.
  type: str
  returned: when something was entered
missed:
  description: Sinks that did not take the checkpoint, and why. They are warnings, too.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
    "state": {"type": "str", "choices": ["present", "rotated", "listed"], "default": "present"},
    "key": {"type": "path", "no_log": False},
    "name": {"type": "str"},
    "sinks": {"type": "list", "elements": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="ledger_key runs on the controller, by its action plugin, which was not found")


if __name__ == "__main__":
    main()
