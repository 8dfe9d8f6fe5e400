# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The right to put a guest on a bridge, or on one VLAN of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._privileges import Need
from .options import Table


def bridge_needs(table: Table, config: Mapping[str, Any]) -> tuple[Need, ...]:
    """What the interfaces of a configuration need (pve-guest-common: check_vnet_access)."""
    nets = [table.codec(slot).decode(text) for slot, text in config.items() if text and table.is_net(slot)]
    # local bridges live in the zone localnetwork; a vnet's zone is not known from its name
    local = [nic for nic in nets if str(nic.get("bridge", "")).startswith("vmbr")]
    paths = {f"/sdn/zones/localnetwork/{nic['bridge']}" + (f"/{nic['tag']}" if "tag" in nic else "") for nic in local}
    return tuple(Need(path, ("SDN.Use",)) for path in sorted(paths))
