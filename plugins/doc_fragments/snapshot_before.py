# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot before a change."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  snapshot_before:
    description:
      - Whether the plan begins with a snapshot of the guest, so that its undo can go back to it. V(risky) takes one
        where the risk of the plan is high, or where something in it cannot be undone; V(always) before every change.
        M(steward.proxmox.snapshot) heeds it where it rolls back.
      - A policy can ask for it too, and the more careful of both holds.
      - The snapshot is called C(before_) and a digest of the plan, and stays until it is removed, for example by
        M(steward.proxmox.snapshot) with O(steward.proxmox.snapshot#module:state=pruned).
      - Where it cannot be taken, or would not help, the plan is refused. This is so where a storage or a bind mount
        knows no snapshots, before a guest or one of its volumes is destroyed, moved or overwritten, and before a
        rollback on a storage that goes back to its newest snapshot only, such as C(zfspool).
    type: str
    default: never
    choices: [never, risky, always]
"""
