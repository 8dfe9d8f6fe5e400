#!/usr/bin/python
# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reconcile
version_added: "0.1.0"
short_description: Compare the task log of Proxmox VE with the ledger
description:
  - Lists the changes in the task logs of the nodes that no record of the ledger names.
  - Finds out what became of changes whose outcome nobody recorded, because the run was killed or an answer was lost,
    and enters that in the ledger, so that M(steward.proxmox.verify_ledger) does not count them any more.
  - On Proxmox it only reads.
  - Not every change is a task. What Proxmox does at once, such as most changes of a configuration, of permissions and
    of the firewall, leaves no trace in a task log, neither as an unrecorded change nor to resolve one.
author: steward.proxmox contributors (!UNKNOWN)
extends_documentation_fragment:
  - steward.proxmox.attributes.info
  - steward.proxmox.attributes.action_group
  - steward.proxmox.connection
  - steward.proxmox.ledger
options:
  nodes:
    description: Only the task logs of these nodes. All are read by default.
    type: list
    elements: str
    default: []
  since:
    description: The first moment that is looked at, in UTC. Seven days ago by default.
    type: str
  until:
    description: The last moment that is looked at, in UTC. Now by default.
    type: str
  ignore:
    description: Tasks that others may start, such as backups by a schedule. They are only counted.
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description: Tasks of this type.
        type: str
      user:
        description: Tasks of this user, and of its tokens; or of one token.
        type: str
      id:
        description: Tasks with this id, which for most types is the number of a guest.
        type: str
  endpoints:
    description: Other names under which runs reached this cluster, beside O(api_host).
    type: list
    elements: str
    default: []
  within:
    description:
      - Seconds. The task of a change is looked for so long after its intent, or after the task before it, where the run
        was never closed.
    type: int
    default: 3600
  clock_skew:
    description: Seconds by which the clocks of the controller and of the nodes may differ.
    type: int
    default: 30
  resolve:
    description:
      - What somebody found out of changes in RV(open), of which the task log does not tell what became of them.
      - It is entered in the ledger under the name of whoever makes this run, as found out by hand.
    type: list
    elements: dict
    default: []
    suboptions:
      op:
        description: The operation.
        type: str
        required: true
      status:
        description: V(ok) if all of it was done, V(failed) if not.
        type: str
        required: true
        choices: [ok, failed]
      why:
        description: How that is known.
        type: str
        required: true
      upids:
        description: Its tasks, such as some of its C(candidates).
        type: list
        elements: str
        default: []
  settle:
    description:
      - Runs, by their ids or the beginnings of them, that were killed before they could end.
      - Each is entered in the ledger as accounted for, once the outcome of every change of it is known.
      - Name a run only when its process is gone.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Finds out the same, and enters nothing in the ledger.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
    details: RV(ignore:changed) tells whether something was entered in the ledger.
seealso:
  - module: steward.proxmox.verify_ledger
  - module: steward.proxmox.task_info
"""

EXAMPLES = r"""
- name: Did anybody change something past the ledger since yesterday?
  steward.proxmox.reconcile:
    since: "{{ '%Y-%m-%d' | ansible.builtin.strftime(now(utc=true).timestamp() - 86400) }}"
    ignore:
      - {type: vzdump, user: root@pam}
      - {user: monitoring@pve}
  register: reconciled
  failed_when: not reconciled.clean

- name: What became of the changes of a run that was killed
  steward.proxmox.reconcile:
    settle: [4f1c0e6f]

- name: A change of a configuration, of which no task log tells
  steward.proxmox.reconcile:
    resolve:
      - {op: 790d4e8b265847b4, status: ok, why: the container has two cores now}
"""

RETURN = r"""
unrecorded:
  description: Changes that no record names, and nothing that is recorded explains, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    upid:
      description: The task.
      type: str
    node:
      description: Where it ran.
      type: str
    type:
      description: Its type.
      type: str
    id:
      description: Its id, which for most types is the number of a guest.
      type: str
    user:
      description: The user or token that started it.
      type: str
    start:
      description: When it began, in seconds since 1970.
      type: int
    end:
      description: When it ended; none while it runs.
      type: int
    status:
      description: Its exit status, or V(running).
      type: str
consequences:
  description: >-
    What the cluster itself did as root@pam, soon after a recorded change of the same guest that lets it do so. C(of) is
    the task or the operation that it follows.
  returned: success
  type: list
  elements: dict
resolved:
  description: Changes whose outcome nobody recorded, and of which the task log tells what became of them.
  returned: success
  type: list
  elements: dict
  contains:
    run:
      description: The run that intended it.
      type: str
    op:
      description: The operation.
      type: str
    at:
      description: When it was intended.
      type: str
    host:
      description: The host of the task.
      type: str
    task:
      description: The name of the task.
      type: str
    summary:
      description: What was intended, in one line.
      type: str
    status:
      description: V(ok) if all of it was done, V(failed) if not.
      type: str
      choices: [ok, failed]
    why:
      description: How that is known.
      type: str
    upids:
      description: Its tasks.
      type: list
      elements: str
    candidates:
      description: Nothing; see RV(open).
      type: list
      elements: str
open:
  description: >-
    Changes of which the task log does not tell what became of them, as in RV(resolved). C(why) says why not,
    C(candidates) names tasks that may be theirs.
  returned: success
  type: list
  elements: dict
settled:
  description: The runs that were entered as accounted for.
  returned: success
  type: list
  elements: str
ignored:
  description: How many unrecorded changes O(ignore) covers.
  returned: success
  type: int
elsewhere:
  description: Other endpoints at which changes without outcome were made. They were not looked at.
  returned: success
  type: list
  elements: str
unseen:
  description: What of the task logs could not be seen, and why.
  returned: success
  type: list
  elements: str
complete:
  description: Whether every task of the time was seen.
  returned: success
  type: bool
clean:
  description: Whether every task was seen, every change among them is recorded, and none is left open.
  returned: success
  type: bool
truncated:
  description: Whether RV(unrecorded) was cut because it would be longer than 500,000 characters.
  returned: success
  type: bool
summary:
  description: The same in lines for people.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.planner import RECONCILE
from ansible_collections.steward.proxmox.plugins.module_utils._run import run


def main() -> None:
    run(RECONCILE)


if __name__ == "__main__":
    main()
