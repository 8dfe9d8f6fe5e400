# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node that a new guest is made on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput
from .._storage import storages
from .._world import World
from .lookup import Guest, online_nodes
from .volumes import storage_of


def choose_node(world: World, wanted: str | None, source: Mapping[str, Any], origin: Guest | None) -> str:
    """The node that the task names; else that of the guest that is copied, or the only one that can be meant."""
    online = online_nodes(world)
    if wanted is not None:
        if wanted not in online:
            shown = ", ".join(online) or "none visible"
            raise BadInput(f"node: '{wanted}' is not an online node of this cluster; online: {shown}")
        return wanted
    if origin:
        return origin.node
    storage = _storage_of(source) if len(online) > 1 else ""
    fitting = [name for name in online if storage in storages(world, name)] if storage else online
    if len(fitting) != 1:
        shown = ", ".join(fitting) or "none visible"
        has = f"storage '{storage}' is on" if storage else "the cluster has"
        raise BadInput(f"node is not given and {has} {len(fitting)} online nodes: {shown}", "Give node")
    return fitting[0]


def _storage_of(source: Mapping[str, Any]) -> str:
    """The storage that holds what the guest is made from."""
    archive = source.get("archive") or {}
    files = [source.get("template"), archive.get("volid")]
    files += [(source.get(name) or {}).get("volid") for name in ("image", "iso")]
    return next((storage_of(str(volid)) for volid in files if volid), archive.get("storage") or "")
