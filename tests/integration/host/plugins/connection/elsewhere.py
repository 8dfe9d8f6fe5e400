# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remote connection as far as an action plugin can tell: the module is sent and run, but here."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: elsewhere
short_description: This host under another name
description: Like local, so that the way of a remote target can be tested without one.
author: steward.proxmox contributors (!UNKNOWN)
"""


class Connection(Local):
    transport = "elsewhere"
