# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node can carry out a change: said in the plan, and refused there where it certainly cannot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import PermissionDenied, Refused
from .._reads import dispensable
from .._world import World
from .draft import Draft

_MAINTENANCE = re.compile(r"\(maintenance mode")


def node_state(world: World, node: str) -> str:
    """online, offline, no quorum, maintenance, or unknown where the credential may not see it."""
    rows = _read(world, "/cluster/status")
    own = next((row for row in rows if row.get("type") == "node" and row.get("name") == node), None)
    if own is None:
        return "unknown"
    if str(own.get("online", 1)) == "0":
        return "offline"
    cluster = next((row for row in rows if row.get("type") == "cluster"), None)
    if cluster is None:  # a node that is no member of a cluster
        return "online"
    if str(cluster.get("quorate", 1)) == "0":
        return "no quorum"
    return "maintenance" if _in_maintenance(world, node) else "online"


def _in_maintenance(world: World, node: str) -> bool:
    return node in kept_out(_read(world, "/cluster/ha/status/current"))


def kept_out(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """The nodes that the HA manager has in maintenance, of the rows of its status."""
    own = (row for row in rows if row.get("type") == "lrm")
    return {str(row["node"]) for row in own if _MAINTENANCE.search(str(row.get("status", "")))}


def _read(world: World, path: str) -> list[dict[str, Any]]:
    """The rows at `path`; none where they may not be seen."""
    try:
        with dispensable():
            return list(world.get(path))
    except PermissionDenied:
        return []


def require_able(node: str, state: str, what: str) -> None:
    """Raise Refused where the node is known to be unable to change anything."""
    if state == "offline":
        raise Refused(f"Node {node} is offline: {what} is not possible", "Bring the node back first")
    if state == "no quorum":
        raise Refused(
            f"The cluster has no quorum on node {node}: {what} is not possible",
            "Bring enough nodes back (pvecm status); without quorum the cluster's files are read-only",
        )


def tell(draft: Draft, world: World) -> None:
    """Put the state of the guest's node into a plan with steps; raise Refused where they could not run."""
    if not draft.plan.steps:
        return
    node = draft.guest.node
    state = node_state(world, node)
    draft.plan.state = {**(draft.plan.state or {}), "node": state}
    require_able(node, state, f"a change of {draft.guest.target}")
    if state == "maintenance":
        draft.blast("medium", f"node {node} is in maintenance: the HA manager moves its guests away")
