#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of ledger_info; plugins/action/ledger_info.py does the work, on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_info
short_description: List who changed what and when, from the ledger
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - Lists the changes that this collection made, of all runs that the ledger holds, the newest first. Each says when it
    was made, by whom, by which task, what was to be done, and what came of it.
  - The whole ledger is verified first. Fails if it is not what was written.
  - With O(proof=true) each change comes with its proof, a bundle that somebody who does not trust this machine checks
    with the public key alone.
  - The ledger holds what this collection did. M(steward.proxmox.reconcile) compares it with the task log of Proxmox.
options:
  vmid:
    description:
      - Only changes of the guest with this id, its volumes and its backups, and those that it feels, such as the
        removal of a storage that it uses.
      - A plan that was too large for a record could be one of them, so it is listed, too. Its RV(changes[].targets) is
        none.
    type: int
  target:
    description: Only changes of an object whose name fits this shell pattern, for example V(lxc/*) or V(backup/*).
    type: str
  host:
    description: Only changes made for this host of the inventory, or over a connection to this host of the API.
    type: str
  since:
    description: >-
      Only changes begun at this time (UTC) or later, such as V(2026-11-21T12:30:00Z), or less of it, like V(2026-11).
    type: str
  until:
    description: Only changes begun until this time (UTC), all of V(2026-11-21) or V(2026-11) included.
    type: str
  actor:
    description: >-
      Only changes by this actor. Any single fact that the run recorded about it counts, such as the name of the user or
      the number of the AWX job.
    type: str
  run:
    description: Only changes of the run with this id, or with an id that begins so.
    type: str
  op:
    description: Only this operation.
    type: str
  action:
    description: Only changes by this module, for example V(vm).
    type: str
  status:
    description: >-
      Only changes with one of these outcomes. V(none) is one that nobody recorded; the run was killed, or still goes
      on.
    type: list
    elements: str
    choices: [ok, failed, unknown, none]
  proof:
    description: Return the proof of each change, too.
    type: bool
    default: false
  public_key:
    description:
      - With O(proof=true), prove against the newest checkpoint that this key signed; a key, or a file on the
        controller that holds one. M(steward.proxmox.ledger_key) lists the keys.
      - By default against the newest one that anybody signed.
    type: str
  partial:
    description: >-
      This is only a part of a ledger, as M(steward.proxmox.ledger_export) makes it. Runs that its log names and that
      are not there are not missed, and their changes are not listed.
    type: bool
    default: false
  limit:
    description:
      - How many changes to return at most, at least 1. RV(total) says how many there are.
      - With or without it, a result of more than 500,000 characters is cut, and RV(truncated) says so.
    type: int
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.ledger
attributes:
  check_mode:
    description: Reads in check mode, too.
    support: full
seealso:
  - module: steward.proxmox.ledger_proof
  - module: steward.proxmox.verify_ledger
  - module: steward.proxmox.undo_info
"""

EXAMPLES = r"""
- name: Every change to guest 101 in November, by whom, with proof
  steward.proxmox.ledger_info:
    vmid: 101
    since: "2026-11"
    until: "2026-11"
    proof: true
  register: november

- name: What failed, or ended nobody knows how, in the jobs that alice launched
  steward.proxmox.ledger_info:
    actor: alice
    status: [failed, unknown, none]
"""

RETURN = r"""
changes:
  description: The changes, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    at:
      description: When it was begun, UTC.
      type: str
    by:
      description: Who made it, and how that is known.
      type: str
    run:
      description: The id of the run.
      type: str
    op:
      description: The operation of the run.
      type: str
    host:
      description: The host of the task, as the inventory calls it.
      type: str
    endpoint:
      description: The hosts of the connection.
      type: list
      elements: str
    task:
      description: The name of the task.
      type: str
    action:
      description: The module.
      type: str
    summary:
      description: The plan in one line.
      type: str
    digest:
      description: The digest of the plan.
      type: str
    targets:
      description: The objects that its steps write to; none where the plan was too large for a record.
      type: list
      elements: str
    outcome:
      description: How it went, V(none) where nobody recorded it.
      type: str
      choices: [ok, failed, unknown, none]
    error:
      description: Why it failed.
      type: str
    upids:
      description: The tasks that Proxmox started for it.
      type: list
      elements: str
    resolved:
      description: The C(run) that found out what had become of it, with the time C(at), and C(why).
      type: dict
    where:
      description: Where its record is.
      type: str
    proof:
      description: With O(proof=true), the bundle that C(verify_proof.py) checks; none where there is no proof yet.
      type: dict
    unproven:
      description: With O(proof=true), why there is no proof.
      type: str
total:
  description: How many changes fit.
  returned: success
  type: int
truncated:
  description: Whether some of them were left out.
  returned: success
  type: bool
verdict:
  description: What the ledger is, V(incomplete) where a run is open or the outcome of a change is unknown.
  returned: success
  type: str
  choices: [intact, incomplete]
ledger:
  description: Which ledger was read.
  returned: success
  type: str
summary:
  description: The changes in lines for people.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "vmid": {"type": "int"},
    "target": {"type": "str"},
    "host": {"type": "str"},
    "since": {"type": "str"},
    "until": {"type": "str"},
    "actor": {"type": "str"},
    "run": {"type": "str"},
    "op": {"type": "str"},
    "action": {"type": "str"},
    "status": {"type": "list", "elements": "str", "choices": ["ok", "failed", "unknown", "none"]},
    "proof": {"type": "bool", "default": False},
    "public_key": {"type": "str", "no_log": False},
    "partial": {"type": "bool", "default": False},
    "limit": {"type": "int"},
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="ledger_info runs on the controller, by its action plugin, which was not found")


if __name__ == "__main__":
    main()
