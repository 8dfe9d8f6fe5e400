# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages as a node offers them."""

from __future__ import annotations

from typing import Any

from ._errors import BadInput
from ._privileges import Need, held
from ._world import World


def storages(world: World, node: str) -> dict[str, dict[str, Any]]:
    """The storages of a node that the credential may see, by id."""
    return {row["storage"]: row for row in world.get(f"/nodes/{node}/storage")}


def sees_storage(world: World, storage: str) -> bool:
    """May the credential see the storage? Where it may not, nothing can be said about it, and its plan says so."""
    return world.is_root or held(world.permissions(), sight_of(storage)) is not False


def sight_of(storage: str) -> Need:
    """What shows a storage: the server leaves it out of its lists else."""
    return Need(f"/storage/{storage}", ("Datastore.Audit", "Datastore.AllocateSpace"))


def require_storage(world: World, node: str, storage: str, content: str, option: str) -> None:
    """Raise BadInput, naming the option and what is there, where a storage cannot take this content on this node.

    One that the credential may not see passes: the privileges of the plan tell what is missing.
    """
    seen = storages(world, node)
    row = seen.get(storage)
    fitting = ", ".join(sorted(name for name, other in seen.items() if _holds(other, content))) or "none"
    if row is None:
        if not sees_storage(world, storage):
            return
        raise BadInput(f"{option}: storage '{storage}' does not exist on node {node}; there for {content}: {fitting}")
    if not _holds(row, content):
        raise BadInput(f"{option}: storage '{storage}' holds {row.get('content')}, not {content}; these do: {fitting}")
    if str(row.get("enabled", 1)) == "0" or str(row.get("active", 1)) == "0":
        raise BadInput(f"{option}: storage '{storage}' is disabled or offline on node {node}")


def _holds(row: dict[str, Any], content: str) -> bool:
    return content in str(row.get("content", "")).split(",")
