# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines."""

from __future__ import annotations

from typing import Any

from . import disks, guests
from .state import Guest, State


def figures(state: State, guest: Guest) -> dict[str, Any]:
    config = guest.config
    found: dict[str, Any] = {
        **dict.fromkeys(("cpu", "disk", "mem", "memhost", "netin", "netout", "uptime"), 0), "vmid": guest.vmid,
        "name": guest.name, "status": "running" if guest.running else "stopped",
        "cpus": int(config.get("cores", 1)) * int(config.get("sockets", 1)),
        "maxmem": int(str(config.get("memory", 512))) << 20,
        "maxdisk": next((v.size for _, v in disks.volumes_of(state, guest, unused=False)), 0),
    }
    return found | ({"tags": config["tags"]} if config.get("tags") else {}) | guests.ha_status(state, guest)
