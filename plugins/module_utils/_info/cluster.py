# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `cluster_info`: nodes, guests, storages, pools, SDN objects and quorum, in two requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import PermissionDenied, StewardError
from .._guest.lookup import KINDS as GUESTS
from .._guest.node_state import kept_out
from .._names import segment
from .._plan import Plan
from .._planner import Planner
from .._world import World
from . import sight
from .bounded import LIMIT, limited, shortened
from .details import AT_ONCE, check_concurrency
from .guests import guest_of

#: what the objects of a group are called in /cluster/resources (SDN: `sdn` in PVE 8, `network` in PVE 9)
_TYPES = {
    "nodes": ("node",),
    "storages": ("storage",),
    "pools": ("pool",),
    "sdn": ("sdn", "network"),
    "guests": GUESTS,
}

_OPTIONS: dict[str, dict[str, Any]] = {
    "kinds": {"type": "list", "elements": "str", "choices": list(_TYPES), "default": list(_TYPES)},
    "node": {"type": "str"},
    "details": {"type": "list", "elements": "str", "choices": ["maintenance", "version"], "default": []},
    **LIMIT,
    **AT_ONCE,
}

Row = dict[str, Any]


def plan_cluster_info(options: Mapping[str, Any], world: World) -> Plan:
    """Everything that the cluster lists and the options choose."""
    at_once = check_concurrency(options["concurrency"])
    rows = sight.everything(world)
    sight.check_node(rows, options.get("node"))
    down = sight.down(rows)
    status, unseen = _status(world)
    groups = [group for group in _TYPES if group in options["kinds"]]
    found = {group: _of_group(rows, group, options.get("node"), down) for group in groups}
    for node in found.get("nodes", ()):
        _complete_node(node, status)
    unseen += sight.hidden(world, [group for group in groups if group in sight.SEES])
    unseen += sight.silent(node for node in down if options.get("node") in (None, node))
    wanted = {group: limited(items, options.get("limit")) for group, items in found.items()}
    _add_details(world, wanted.get("nodes", []), options["details"], at_once, unseen)
    shown, cut = _shortened(wanted)
    cluster = next((row for row in status or () if row["type"] == "cluster"), None)
    result = {
        "cluster": cluster["name"] if cluster else None,
        "quorate": _quorate(status, cluster),
        **shown,
        "total": {group: len(items) for group, items in found.items()},
        "truncated": cut or any(len(wanted[group]) < len(items) for group, items in found.items()),
        "complete": not unseen,
        "unseen": unseen,
    }
    return Plan(summary="reads the cluster", result=result)


def _status(world: World) -> tuple[list[Row] | None, list[str]]:
    """What the cluster says of itself; None where the credential may not ask."""
    try:
        return world.get("/cluster/status"), []
    except PermissionDenied as error:
        return None, [f"quorum: {error}"]


def _quorate(status: list[Row] | None, cluster: Row | None) -> bool | None:
    """Can the cluster be written to? A node on its own always can; None: unknown."""
    if status is None:
        return None
    return bool(int(cluster["quorate"])) if cluster else True


def _of_group(rows: list[Row], group: str, node: str | None, down: list[str]) -> list[Row]:
    """The objects of a group (on a node; pools are on none), by id."""
    found = [dict(row) for row in rows if row["type"] in _TYPES[group] and node in (None, row.get("node"))]
    found.sort(key=lambda row: (int(row.get("vmid") or 0), str(row["id"])))
    return [guest_of(row, down) if row["type"] in GUESTS else row for row in found]


def _complete_node(node: Row, status: list[Row] | None) -> None:
    """Whether it is online, and its address, where the cluster's status may be read."""
    own = next((row for row in status or () if row["type"] == "node" and row["name"] == node["node"]), {})
    node["online"] = bool(int(own["online"])) if "online" in own else node.get("status") == "online"
    node["ip"] = own.get("ip")


def _add_details(world: World, nodes: list[Row], details: list[str], at_once: int, unseen: list[str]) -> None:
    if "version" in details:
        _add_versions(world, nodes, at_once, unseen)
    if "maintenance" in details:
        _add_maintenance(world, nodes, unseen)


def _add_versions(world: World, nodes: list[Row], at_once: int, unseen: list[str]) -> None:
    paths = {node["node"]: f"/nodes/{segment(node['node'])}/version" for node in nodes if node["online"]}
    answers = world.get_all(paths.values(), at_once)
    for node in nodes:
        answer = answers.get(paths.get(node["node"], ""))
        if isinstance(answer, StewardError):
            unseen.append(f"version of {node['node']}: {answer}")
        node["version"] = answer["version"] if isinstance(answer, Mapping) else None


def _add_maintenance(world: World, nodes: list[Row], unseen: list[str]) -> None:
    """As the HA manager has it; it lists no node where nothing is managed, and then none is in maintenance."""
    lines: list[Row] | None = None
    try:
        lines = world.get("/cluster/ha/status/current")
    except PermissionDenied as error:
        unseen.append(f"maintenance: {error}")
    away = kept_out(lines or ())
    for node in nodes:
        node["maintenance"] = None if lines is None else node["node"] in away


def _shortened(found: Mapping[str, list[Row]]) -> tuple[dict[str, list[Row]], bool]:
    """As many as fit into one result, group after group."""
    fitting, cut = shortened([(group, row) for group, rows in found.items() for row in rows])
    return {group: [row for of, row in fitting if of == group] for group in found}, cut


CLUSTER_INFO = Planner("cluster_info", _OPTIONS, plan_cluster_info, reads_only=True)
