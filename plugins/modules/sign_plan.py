#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of sign_plan; plugins/action/sign_plan.py does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sign_plan
short_description: Sign a saved plan
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - Adds an Ed25519 signature to a file that the callback P(steward.proxmox.plan#callback) wrote in a run with
    C(--check). A policy can ask for one (C(signature) and C(signers)), so that whoever made a plan cannot also approve
    it.
  - The signature covers all of the file but its signatures. Whatever is changed in it later, a signed plan is refused.
  - Look at the plan before you sign it. A file that expired, that is the report of a real run, or whose plans do not
    show what their digests stand for is not signed.
options:
  plan:
    description: The JSON file, on the controller. It is replaced as a whole, and only its owner can read it.
    type: path
    required: true
  key:
    description: >-
      The file of a private Ed25519 key, of OpenSSH or PEM, on the controller. C(ssh-keygen -t ed25519) makes one.
    type: path
    required: true
  passphrase:
    description: Opens the key, where it is encrypted. For one of OpenSSH, Python's C(bcrypt) is needed.
    type: str
  signer:
    description:
      - Who signs, for people who read the file. What counts is the key, and the name that the policy has for it.
      - By default whoever runs the play, as the ledger would say it.
    type: str
extends_documentation_fragment:
  - steward.proxmox.attributes.controller
  - steward.proxmox.attributes.action_group
attributes:
  check_mode:
    description: Checks the plan and the key, and writes nothing.
    support: full
  idempotent:
    description: A plan that this key has signed is left as it is.
    support: full
seealso:
  - plugin: steward.proxmox.plan
    plugin_type: callback
"""

EXAMPLES = r"""
- name: What I looked at may be carried out
  steward.proxmox.sign_plan:
    plan: plan.json
    key: ~/.ssh/id_ed25519
    passphrase: "{{ lookup('ansible.builtin.env', 'KEY_PASSPHRASE') }}"
    signer: alice
"""

RETURN = r"""
id:
  description: The id of the plan.
  type: str
  returned: success
digest:
  description: The digest of all its plans, as the terminal shows it at the end of the run that made it.
  type: str
  returned: success
expires:
  description: Until when it may be carried out.
  type: str
  returned: success
signature:
  description: What was added, or was there.
  type: dict
  returned: success
  contains:
    signer:
      description: Who signed.
      type: str
    public_key:
      description: The public key, as a policy names it.
      type: str
    signature:
      description: The signature itself.
      type: str
fingerprint:
  description: The key as C(ssh-keygen -l) shows it.
  type: str
  returned: success
redacted:
  description: >-
    Plans of which some values are left out, because they are secret or their task has C(no_log). The signature covers
    their digests, but what those stand for cannot be seen in the file.
  type: list
  elements: dict
  returned: success
  contains:
    host:
      description: The host.
      type: str
    task:
      description: The task.
      type: str
    summary:
      description: The plan in one line.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "plan": {"type": "path", "required": True},
    "key": {"type": "path", "required": True, "no_log": False},
    "passphrase": {"type": "str", "no_log": True},
    "signer": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="sign_plan runs on the controller, by its action plugin, which was not found")


if __name__ == "__main__":
    main()
