# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where rules of the firewall stand, what they say, and whom they concern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._blast import Blast
from .._codec import BOOL, split_list
from .._guest.configs import guests, read_each
from .._guest.lookup import guest_path
from .._guest.sight import read_rows, sees_below
from .._world import World

#: what rests with whoever comes in there: port -> what it is
SENSITIVE = {
    22: "SSH",
    23: "Telnet",
    111: "rpcbind",
    445: "SMB",
    2049: "NFS",
    2375: "Docker",
    3128: "SPICE",
    3306: "MySQL",
    3389: "RDP",
    5432: "PostgreSQL",
    5900: "VNC",
    6379: "Redis",
    8006: "Proxmox VE",
    8007: "Proxmox Backup Server",
    27017: "MongoDB",
}
_SENSITIVE_MACROS = {"ssh": 22, "telnet": 23, "smb": 445, "mysql": 3306, "rdp": 3389, "postgresql": 5432, "vnc": 5900}
_SERVICES = {"ssh": 22, "telnet": 23}
_EVERYBODY = ("", "0.0.0.0/0", "::/0", "0/0")


@dataclass(frozen=True)
class Place:
    """A file of the firewall: of the cluster, a node, a guest, a vnet, or a security group of the cluster."""

    name: str
    path: str
    guest: str = ""
    node: str = ""
    group: str = ""

    @property
    def rules(self) -> str:
        return self.path if self.group else f"{self.path}/rules"

    def touches(self, blast: Blast, nodes: list[str]) -> None:
        """Name what the rules there filter. Those of the cluster are those of every node."""
        if self.guest:
            blast.guests.add(self.guest)
        elif self.node:
            blast.nodes.add(self.node)
        elif self == CLUSTER:
            blast.nodes.update(nodes)
        else:
            blast.others.add(self.name)


CLUSTER = Place("the cluster", "/cluster/firewall")


def of_node(name: str) -> Place:
    return Place(f"node {name}", f"/nodes/{name}/firewall", node=name)


def of_guest(kind: str, node: str, vmid: int | str) -> Place:
    return Place(f"{kind}/{vmid}", f"{guest_path(kind, node, vmid)}/firewall", guest=f"{kind}/{vmid}")


def of_group(name: str) -> Place:
    return Place(f"security group {name}", f"/cluster/firewall/groups/{name}", group=name)


def of_vnet(name: str) -> Place:
    return Place(f"vnet {name}", f"/cluster/sdn/vnets/{name}/firewall")


def nodes_of(world: World, blast: Blast) -> list[str]:
    return sorted(str(row["node"]) for row in read_rows(world, blast, "nodes of the cluster", "/nodes"))


def groups_of(world: World, blast: Blast) -> list[Place]:
    rows = read_rows(world, blast, "security groups", "/cluster/firewall/groups")
    return [of_group(str(row["group"])) for row in rows]


def guests_of(world: World, blast: Blast) -> list[Place]:
    return [of_guest(row["type"], row["node"], row["vmid"]) for row in guests(world, blast)]


def everywhere(world: World, blast: Blast) -> list[Place]:
    """Every place where a rule can stand."""
    if not sees_below(world, "/sdn/zones", ("SDN.Audit", "SDN.Allocate")):
        blast.unknown("vnets without SDN.Audit")
    vnets = read_rows(world, blast, "vnets", "/cluster/sdn/vnets")
    nodes = [of_node(name) for name in nodes_of(world, blast)]
    return [
        CLUSTER,
        *groups_of(world, blast),
        *nodes,
        *guests_of(world, blast),
        *(of_vnet(str(row["vnet"])) for row in vnets),
    ]


def rules_at(world: World, blast: Blast, places: list[Place]) -> dict[Place, list[Mapping[str, Any]]]:
    """The rules of each place."""
    found = read_each(world, blast, {place.rules: f"firewall rules of {place.name}" for place in places})
    return {place: found.get(place.rules, []) for place in places}


def is_on(row: Mapping[str, Any]) -> bool:
    return bool(BOOL.decode(row.get("enable", 0)))


def group_in(row: Mapping[str, Any]) -> str:
    """The security group that a rule brings in, or ""."""
    return str(row.get("action", "")).lower() if row.get("type") == "group" else ""


def sources(row: Mapping[str, Any]) -> str:
    """Whom a rule is about: "anybody", or what it names."""
    text = str(row.get("source") or "")
    return "anybody" if any(part in _EVERYBODY for part in split_list(text) or [""]) else text


def covers(row: Mapping[str, Any], port: int) -> bool:
    """Is TCP to this port among what the rule is about?"""
    if row.get("macro"):
        return _SENSITIVE_MACROS.get(str(row["macro"]).lower()) == port
    if str(row.get("proto") or "tcp") not in ("tcp", "6"):
        return False
    wanted = split_list(row.get("dport") or "")
    return not wanted or any(_within(part, port) for part in wanted)


def _within(part: str, port: int) -> bool:
    first, _colon, last = part.replace("-", ":").partition(":")
    if not first.isdigit():
        return _SERVICES.get(first.lower()) == port
    return int(first) <= port <= int(last or first)


def describe(row: Mapping[str, Any]) -> str:
    """The traffic that a rule is about, in short."""
    if row.get("macro"):
        return str(row["macro"])
    proto, ports = str(row.get("proto") or ""), str(row.get("dport") or "")
    if not proto:
        return "everything"
    return f"{proto} {f'port {ports}' if ports else 'on every port'}"
