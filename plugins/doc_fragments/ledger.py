# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the ledger is: the options of plugin_utils/_ledger/location.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  path:
    description:
      - The directory of the ledger on the controller.
      - By default the ledger that the callback P(steward.proxmox.ledger#callback) is configured to use,
        be it a directory or a database.
    type: path
  dsn:
    description:
      - The ledger's PostgreSQL database, such as V(postgresql://steward@db.example.com/steward).
        Not together with O(path).
      - Keep the password out of it; libpq finds one in C(PGPASSFILE) or C(PGPASSWORD).
    type: str
requirements:
  - psycopg >= 3.1, on the controller and only for a ledger in PostgreSQL
"""
