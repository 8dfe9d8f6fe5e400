#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of undo_info; plugins/action/undo_info.py does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: undo_info
version_added: "0.1.0"
short_description: List what a run did, and how each step of it is taken back
description:
  - Reads the records of one run in a ledger, verifies them, and lists its operations, the last one first, with the
    steps that take each of them back. M(steward.proxmox.undo) takes one such step.
  - Fails if the records are not what was written.
  - Of an operation whose outcome nobody recorded (the run was killed), every step is taken for done. To take back what
    was not done changes nothing.
author: steward.proxmox contributors (!UNKNOWN)
options:
  run:
    description: The run, by its id or the beginning of it; V(last) is the last one in the ledger with a change.
    type: str
    default: last
  op:
    description: Only this operation.
    type: str
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.ledger
attributes:
  check_mode:
    description: Reads in check mode, too.
    support: full
seealso:
  - module: steward.proxmox.undo
  - module: steward.proxmox.verify_ledger
"""

EXAMPLES = r"""
- name: What did the last run do, and what of it can be taken back?
  steward.proxmox.undo_info:

- name: One operation of a run
  steward.proxmox.undo_info:
    run: 4f1c0e6f
    op: 0d0f5b1a2c3d4e5f
"""

RETURN = r"""
run:
  description: The id of the run.
  returned: success
  type: str
path:
  description: Where the run is, its file or its place in the database.
  returned: success
  type: str
operations:
  description: What was done, or may have been, the last first.
  returned: success
  type: list
  elements: dict
  contains:
    run:
      description: The id of the run.
      type: str
    op:
      description: The operation, one for each task, host and item that changed something.
      type: str
    step:
      description: The step that takes it back; none where nothing does.
      type: int
    at:
      description: When the operation was begun.
      type: str
    host:
      description: The host of the task.
      type: str
    task:
      description: The name of the task.
      type: str
    summary:
      description: What was done, in one line.
      type: str
    outcome:
      description: How it went, V(none) where nobody recorded it.
      type: str
      choices: [ok, failed, unknown, none]
    possible:
      description: Whether it can be taken back by this step.
      type: bool
    why:
      description: Why it cannot.
      type: str
    undo:
      description: What takes it back, with all that it needs; its C(op) and C(target) say it in short.
      type: dict
    undone_by:
      description: The C(run) that took it back already, with its C(op) and the time C(at).
      type: dict
summary:
  description: The same in lines for people.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "run": {"type": "str", "default": "last"},
    "op": {"type": "str"},
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="undo_info runs on the controller, by its action plugin, which was not found")


if __name__ == "__main__":
    main()
