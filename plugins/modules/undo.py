#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: undo
version_added: "0.1.0"
short_description: Take back what a run did, from its ledger
description:
  - Takes back one step of one operation that the ledger recorded. M(steward.proxmox.undo_info) lists them; the
    playbook C(steward.proxmox.undo) takes a whole run back in the right order.
  - The ledger is verified first. Nothing is taken back on the word of one that was tampered with.
  - It is a task like any other. Its plan, risk, privileges, policy and approval are those of the module that would make
    the same change, and it is recorded itself.
  - What was not done, or is taken back already, changes nothing. The summary of the plan says so.
  - What somebody changed since the run is refused unless O(force=true), with what it is and what the run left.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.ledger
  - steward.proxmox.limits
  - steward.proxmox.policy
  - steward.proxmox.waiting
options:
  run:
    description: The run, by its id or the beginning of it; V(last) is the last one in the ledger with a change.
    type: str
    required: true
  op:
    description: The operation of the run.
    type: str
    required: true
  step:
    description: Which of the steps that take the operation back; needed where there are several.
    type: int
  force:
    description:
      - Take back what the run did also where somebody changed the same thing since, or where the guest with this id
        does not look like the one that the run made.
      - A guest that the run made and that is destroyed is also taken out of HA, replication and backup jobs then.
    type: bool
    default: false
seealso:
  - module: steward.proxmox.undo_info
"""

EXAMPLES = r"""
- name: Take the one change of an operation back
  steward.proxmox.undo:
    run: 4f1c0e6f
    op: 0d0f5b1a2c3d4e5f

- name: Of a guest that was destroyed, bring back first the guest, and then its configuration
  steward.proxmox.undo:
    run: 4f1c0e6f
    op: 5b1a2c3d4e5f0d0f
    step: "{{ item }}"
  loop: [0, 1]
"""

RETURN = r"""
plan:
  description: What was or would be done. Its keys are described in the collection's C(docs/plan.md).
  returned: always
  type: dict
upids:
  description: The tasks that the API started, in order. With O(wait=false) they may still run.
  returned: when tasks were started
  type: list
  elements: str
of:
  description: What is taken back, by C(run), C(op) and C(step).
  returned: success
  type: dict
summary:
  description: The plan of what is taken back, in one line.
  returned: success
  type: str
undone_by:
  description: The C(run) that took it back before, with its C(op) and the time C(at).
  returned: success
  type: dict
"""

from ansible_collections.steward.proxmox.plugins.module_utils._run import run
from ansible_collections.steward.proxmox.plugins.module_utils._undo import UNDO


def main() -> None:
    run(UNDO)


if __name__ == "__main__":
    main()
