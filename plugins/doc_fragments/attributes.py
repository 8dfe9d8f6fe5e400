# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules support, in the words of ``attributes:``."""


class ModuleDocFragment:
    # A module that changes something. One that differs says so under the same key in its own documentation.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Returns the plan of the changes, and a later task of the same run sees them as if they were made.
    support: full
  diff_mode:
    description: Returns what the object looks like before and after, as far as this task manages it.
    support: full
  idempotent:
    description: A second run with the same options has an empty plan and changes nothing.
    support: full
  plan:
    description: >-
      The result holds the plan, the same in check mode and for real: its steps, what it touches,
      its risk, the privileges that it needs, and how to undo it.
    support: full
  async:
    description: Can be run with C(async).
    support: none
    details: The outcome would escape the ledger. Use O(ignore:wait=false) and M(steward.proxmox.task_info).
"""

    # A module that only reads.
    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Reads the same in check mode, together with what earlier tasks of the same run would have changed.
    support: full
  diff_mode:
    description: Returns what the object looks like before and after.
    support: N/A
    details: This module changes nothing.
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
    details: This module changes nothing.
  async:
    description: Can be run with C(async).
    support: none
    details: The module runs on the controller, in the process of the play.
"""

    # A module that works on the controller, with its files or the ledger.
    CONTROLLER = r"""
options: {}
attributes:
  diff_mode:
    description: Returns what changed.
    support: none
  async:
    description: Can be run with C(async).
    support: none
    details: The module runs on the controller, in the process of the play.
"""

    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Takes the defaults that a play sets in C(module_defaults) for C(group/steward.proxmox.proxmox).
    support: full
    membership:
      - steward.proxmox.proxmox
"""
