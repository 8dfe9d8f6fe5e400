# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of both kinds of guest, by the API's word for the kind."""

from __future__ import annotations

from .lxc_options import LXC
from .vm_options import VM

TABLES = {table.kind: table for table in (LXC, VM)}
