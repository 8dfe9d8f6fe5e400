# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a module that writes waits: the options of module_utils/_connection.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description: Wait for the tasks that the API starts. With V(false) the result holds the UPID of a task that may
      still fail.
    type: bool
    default: true
  task_timeout:
    description: Seconds of wall clock that one task of the API may take. A task that takes longer is not stopped.
    type: int
    default: 600
  lock_timeout:
    description: Seconds to wait for a guest that another operation has locked.
    type: int
    default: 60
"""
