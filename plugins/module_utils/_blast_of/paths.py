# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths of the API whose blast radius is computed: what `api` writes there is told like the work of a module."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from .._blast import Blast
from .._world import World
from . import access, aliases, firewall, guests, network, nodes, principals, storages
from .write import Write

Compute = Callable[[World, Blast, Write], None]

_GUEST = "/nodes/{node}/{kind}/{vmid}"
_VNET = "/cluster/sdn/vnets/{vnet}"
_LEVELS = ("/cluster", "/nodes/{node}", _GUEST, _VNET)
_RULES = (*(f"{level}/firewall/rules" for level in _LEVELS), "/cluster/firewall/groups/{group}")

_TABLE: tuple[tuple[str, str, Compute], ...] = (
    ("put", "/access/acl", access.acl_write),
    ("put delete", "/access/roles/{roleid}", principals.role_write),
    ("put delete", "/access/users/{userid}", principals.user_write),
    ("put delete", "/cluster/firewall/aliases/{name}", aliases.alias_write),
    *(("post", path, firewall.rule_write) for path in _RULES),
    *(("put delete", f"{path}/{{pos}}", firewall.rule_write) for path in _RULES),
    *(("put", f"{level}/firewall/options", firewall.options_write) for level in _LEVELS[:3]),
    ("put delete", "/storage/{storage}", storages.storage_write),
    ("delete", "/nodes/{node}/storage/{storage}/content/{volume}", guests.volume_delete),
    ("post", "/nodes/{node}/network", network.interface_create),
    ("put", "/nodes/{node}/network", network.network_apply),
    ("delete", "/nodes/{node}/network", network.network_revert),
    ("put delete", "/nodes/{node}/network/{iface}", network.interface_write),
    ("post", "/nodes/{node}/startall", nodes.start_all),
    ("post", "/nodes/{node}/stopall", nodes.stop_all),
    ("post", "/nodes/{node}/suspendall", nodes.stop_all),
    ("post", "/nodes/{node}/migrateall", nodes.migrate_all),
    ("post", "/nodes/{node}/status", nodes.node_power),
    ("post", "/nodes/{node}/vzdump", guests.vzdump),
    ("post", "/nodes/{node}/{kind}", guests.guest_create),
    ("delete", _GUEST, guests.guest_destroy),
    *((method, f"{_GUEST}/{call}", partial(guests.guest_call, *says)) for (method, call), says in guests.CALLS.items()),
)
#: what a name in a path can be; other names are one segment
_PARTS = {"kind": "lxc|qemu", "vmid": r"\d+", "pos": r"\d+", "volume": ".+"}


def _compiled(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>{_PARTS.get(name[1], '[^/]+')})", path))


_KNOWN = tuple((methods.split(), _compiled(path), compute) for methods, path, compute in _TABLE)


def tell(
    world: World, blast: Blast, method: str, path: str, data: Mapping[str, Any], before: Mapping[str, Any]
) -> bool:
    """Put into the blast radius what a write touches; False where its path is not known. `before`: what is there."""
    for methods, pattern, compute in _KNOWN:
        match = pattern.fullmatch(unquote(path)) if method in methods else None
        if match:
            compute(world, blast, Write(method, match.groupdict(), data, before))
            return True
    return False
