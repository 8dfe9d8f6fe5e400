# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is on a network interface of a node: bonds, VLANs and bridges on it, vnets, guests, and the node itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._blast import Blast
from .._codec import split_list
from .._guest.configs import configurations
from .._guest.sight import read_rows, sees_below
from .._guest.tables import TABLES
from .._world import World
from .write import Write, few

Rows = list[dict[str, Any]]
#: where an interface names those that it is built on
_BUILT_ON = ("bridge_ports", "slaves", "vlan-raw-device", "ovs_ports", "ovs_bonds", "ovs_bridge")


def interface_write(world: World, blast: Blast, write: Write) -> None:
    """An interface is changed or removed: staged, until the network of the node is applied or the node restarts."""
    node, name = write.names["node"], write.names["iface"]
    blast.nodes.add(node)
    rows = read_rows(world, blast, f"network of node {node}", f"/nodes/{node}/network")
    carried = _on_top_of(rows, {name})
    _tell_node(world, blast, node, [row for row in rows if row["iface"] in carried])
    _tell_guests(world, blast, node, carried, "its network changes")
    blast.because("medium", f"{name} of node {node} changes once the network is applied or the node restarts")


def interface_create(world: World, blast: Blast, write: Write) -> None:
    """A new interface takes what it is built on: who uses that feels it."""
    node = write.names["node"]
    below = {name for key in _BUILT_ON for name in split_list(write.data.get(key) or "")}
    blast.nodes.add(node)
    blast.because("medium", f"node {node} has another interface once the network is applied or the node restarts")
    if below:
        rows = read_rows(world, blast, f"network of node {node}", f"/nodes/{node}/network")
        carried = _on_top_of(rows, below)
        _tell_node(world, blast, node, [row for row in rows if row["iface"] in carried])
        _tell_guests(world, blast, node, carried, "what it is on becomes part of another interface")


def network_apply(world: World, blast: Blast, write: Write) -> None:
    """Everything that is staged takes effect at once. The list does not tell what that is, so it may be anything."""
    node = write.names["node"]
    blast.nodes.add(node)
    rows = read_rows(world, blast, f"network of node {node}", f"/nodes/{node}/network")
    _tell_node(world, blast, node, rows)
    _tell_guests(world, blast, node, {str(row["iface"]) for row in rows}, "its network may be interrupted")
    blast.because("high", f"the network of node {node} is set up again: a mistake there takes the node off the network")


def network_revert(_world: World, blast: Blast, write: Write) -> None:
    blast.nodes.add(write.names["node"])
    blast.because("medium", f"changes of the network of node {write.names['node']} that wait are forgotten")


def _on_top_of(rows: Rows, names: Collection[str]) -> set[str]:
    """The interfaces with everything that is built on them."""
    found = set(names)
    while more := {str(row["iface"]) for row in rows if _below(row) & found} - found:
        found |= more
    return found


def _below(row: Mapping[str, Any]) -> set[str]:
    """What an interface is built on; of eno1.5, eno1."""
    parent = str(row["iface"]).rpartition(".")[0]
    return {name for key in _BUILT_ON for name in split_list(row.get(key) or "")} | ({parent} if parent else set())


def _tell_node(world: World, blast: Blast, node: str, rows: Rows) -> None:
    """Is the address of the node in the cluster among those of the interfaces?"""
    status = read_rows(world, blast, f"address of node {node}", "/cluster/status")
    address = next((row.get("ip") for row in status if row.get("type") == "node" and row.get("name") == node), None)
    for row in rows:
        own = {str(row.get(key) or "").partition("/")[0] for key in ("address", "cidr", "address6", "cidr6")} - {""}
        if address in own:
            blast.because("high", f"{row['iface']} has {address}, by which the cluster and its users reach {node}")
        elif own:
            blast.because("medium", f"{row['iface']} has {few(sorted(own))} of node {node}")


def _tell_guests(world: World, blast: Blast, node: str, carried: Collection[str], what: str) -> None:
    """The guests of the node with an interface on one of the bridges, or on a vnet over one of them."""
    bridges = {*carried, *_vnets(world, blast, carried)}
    for found in configurations(world, blast, node, snapshots=False):
        table, guest = TABLES[found.guest.kind], found.guest
        nets = {key: table.codec(key).decode(value) for key, value in (guest.config or {}).items() if table.is_net(key)}
        on = [f"{key} on {net['bridge']}" for key, net in sorted(nets.items()) if net.get("bridge") in bridges]
        if on:
            blast.guests.add(guest.target)
            level = "medium" if found.running else "low"
            blast.because(level, f"{guest.target}: {what} ({few(on)}){', and it is running' if found.running else ''}")


def _vnets(world: World, blast: Blast, carried: Collection[str]) -> set[str]:
    """The vnets of the zones that are built on one of the bridges; those of other zones are on none of them."""
    if not sees_below(world, "/sdn/zones", ("SDN.Audit", "SDN.Allocate")):
        blast.unknown("vnets without SDN.Audit")
    zones = read_rows(world, blast, "SDN zones", "/cluster/sdn/zones")
    over = {row["zone"] for row in zones if row.get("bridge") in carried}
    vnets = read_rows(world, blast, "vnets", "/cluster/sdn/vnets") if over else []
    return {str(row["vnet"]) for row in vnets if row.get("zone") in over}
