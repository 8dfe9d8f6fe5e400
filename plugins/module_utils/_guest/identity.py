# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells a guest from another one that got its number later. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._plan import is_symbol
from .options import Table


def identity(table: Table, config: Mapping[str, Any]) -> dict[str, Any]:
    """Its name, and what the server gives no second guest: addresses, and the id of a machine."""
    nets = (table.codec(slot).decode(config[slot]) for slot in sorted(filter(table.is_net, config)))
    ids = [str(nic[table.mac_key]) for nic in nets if table.mac_key in nic]
    if config.get("smbios1"):
        ids.append(str(table.codec("smbios1").decode(config["smbios1"]).get("uuid", "")))
    return {"name": str(config.get(table.name_key) or ""), "ids": [one for one in ids if one]}


def is_same(table: Table, born: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Is it still that guest? One id that stayed is enough; a guest without any is known by its name."""
    now = identity(table, config)
    ids = [one for one in born["ids"] if not is_symbol(one)]
    return bool(set(ids) & set(now["ids"])) if ids else bool(born["name"] == now["name"])
