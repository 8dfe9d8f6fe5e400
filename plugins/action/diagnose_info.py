# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.planner import DIAGNOSE_INFO
from ansible_collections.steward.proxmox.plugins.plugin_utils._door import Door


class ActionModule(Door):
    planner = DIAGNOSE_INFO
