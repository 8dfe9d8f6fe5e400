# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The local connection under another name: for the front door the target is remote, and the module runs there."""

from __future__ import annotations

from ansible.plugins.connection.local import DOCUMENTATION as OF_LOCAL
from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = OF_LOCAL.replace("name: local", "name: lab_remote")


class Connection(LocalConnection):
    transport = "lab_remote"
