# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a list of the cluster may leave out: objects that the credential may not see, and nodes that do not answer.

A list of Proxmox does not fail where the credential sees less; it shrinks. So every result says what it may lack.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import BadInput
from .._guest.lookup import RESOURCES
from .._names import NODE
from .._privileges import Need, held
from .._world import World

#: what lets a credential see every object of a kind in /cluster/resources
SEES = {
    "guests": Need("/vms/*", ("VM.Audit",)),
    "storages": Need("/storage/*", ("Datastore.Audit", "Datastore.AllocateSpace")),
    "pools": Need("/pool/*", ("Pool.Audit",)),
    "sdn": Need("/sdn/zones/*", ("SDN.Audit", "SDN.Allocate")),
}


def everything(world: World) -> list[dict[str, Any]]:
    """Nodes, guests, storages, pools and SDN objects, in one request. Its figures are up to ten seconds old."""
    return list(world.get(RESOURCES))


def hidden(world: World, kinds: Iterable[str]) -> list[str]:
    """Of which kinds the credential may not see every object, and what would show them."""
    permissions = None if world.is_root else world.permissions()
    return [
        f"{world.identity} may not see all {kind}: {' or '.join(SEES[kind].any_of)} on {_above(SEES[kind])} is needed"
        for kind in kinds
        if not world.is_root and not sees(permissions, SEES[kind])
    ]


def sees(permissions: Mapping[str, Mapping[str, Any]] | None, need: Need) -> bool:
    """Is it held everywhere below? Permissions that are only foretold do not count, nor those that end further down."""
    below = [path for path in permissions or {} if path.startswith(f"{_above(need)}/")]
    return held(permissions, need) is True and all(held(permissions, Need(path, need.any_of)) for path in below)


def _above(need: Need) -> str:
    return need.path.removesuffix("/*")


def down(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The nodes that do not answer."""
    return sorted(row["node"] for row in rows if row["type"] == "node" and row.get("status") != "online")


def silent(nodes: Iterable[str]) -> list[str]:
    """What is said of nodes that do not answer."""
    return [f"node {node} does not answer: only what it last reported is known" for node in nodes]


def check_node(rows: Iterable[Mapping[str, Any]], node: str | None) -> None:
    """Raise BadInput where the cluster has no such node; every credential may see its nodes."""
    known = sorted(row["node"] for row in rows if row["type"] == "node")
    if node is not None and NODE.check("node", node) not in known:
        raise BadInput(f"node: '{node}' is not a node of this cluster; it has: {', '.join(known)}")
