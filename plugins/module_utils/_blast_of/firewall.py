# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rule of the firewall reaches, and who is locked out when the firewall goes on or its policy changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._blast import Blast
from .._codec import BOOL, split_list
from .._guest.configs import read_each
from .._guest.sight import read, read_rows
from .._world import World
from .rules import (
    CLUSTER,
    SENSITIVE,
    Place,
    covers,
    describe,
    everywhere,
    group_in,
    groups_of,
    guests_of,
    is_on,
    nodes_of,
    of_group,
    of_guest,
    of_node,
    of_vnet,
    rules_at,
    sources,
)
from .write import Write, few

#: how a node is managed; its own network reaches them whatever the rules say (the set `management`)
_MANAGED_BY = (8006, 22)
_POLICIES = ("policy_in", "policy_out", "policy_forward")
_BLOCKS = ("DROP", "REJECT")
#: what a policy is where nothing is set
_DEFAULTS = {"policy_in": "DROP", "policy_out": "ACCEPT", "policy_forward": "ACCEPT"}


def place_of(names: Mapping[str, str]) -> Place:
    """Where a path below /firewall leads."""
    if "vmid" in names:
        return of_guest(names["kind"], names["node"], names["vmid"])
    if "node" in names:
        return of_node(names["node"])
    if "group" in names:
        return of_group(names["group"])
    return of_vnet(names["vnet"]) if "vnet" in names else CLUSTER


# -- one rule ----------------------------------------------------------------------------------------------------------


def rule_write(world: World, blast: Blast, write: Write) -> None:
    """A rule is added, changed, moved or removed."""
    place = place_of(write.names)
    before = [write.before] if "pos" in write.names and write.before else []
    after = [_merged(write)] if write.method != "delete" else []
    if not _touch(world, blast, place):
        blast.because("low", f"no rule that could be seen brings in {place.name}")
        return
    if "moveto" in write.data:
        blast.because("medium", f"the order of the rules of {place.name} changes: the first one that fits decides")
    for row in before:
        _judge(world, blast, place, row, "without this rule", gone=True)
    for row in after:
        _judge(world, blast, place, row, "with this rule", gone=False)


def _merged(write: Write) -> dict[str, Any]:
    """What the object is once the write is done."""
    dropped = split_list(write.data.get("delete") or "")
    merged = {**write.before, **write.data}
    return {key: value for key, value in merged.items() if key not in dropped and value != ""}


def _touch(world: World, blast: Blast, place: Place) -> bool:
    """Name what the rules of a place filter, those of a security group where a rule brings them in. Is there such?"""
    places = [place]
    if place.group:
        found = rules_at(world, blast, [one for one in everywhere(world, blast) if not one.group])
        places = [
            one
            for one, rows in found.items()
            if any(group_in(row) == place.group.lower() and is_on(row) for row in rows)
        ]
        blast.others.add(place.name)
    for one in places:
        one.touches(blast, nodes_of(world, blast) if one == CLUSTER else [])
    return bool(places)


def _judge(world: World, blast: Blast, place: Place, row: Mapping[str, Any], when: str, gone: bool) -> None:
    """What a rule that comes or goes opens or closes."""
    if not is_on(row):
        blast.because("low", f"{when}: it is off, and nothing changes until it is enabled")
    elif group_in(row):
        group = of_group(group_in(row))
        for inner in read_rows(world, blast, f"firewall rules of {group.name}", group.rules):
            if is_on(inner):
                _judge(world, blast, place, inner, f"{when} ({group.name})", gone)
    elif (str(row.get("action")) in _BLOCKS) is gone:
        _tell_opening(blast, row, when)
    else:
        _tell_closing(blast, place, row, when)


def _tell_opening(blast: Blast, row: Mapping[str, Any], when: str) -> None:
    """More traffic than before."""
    who, ports = sources(row), [port for port in SENSITIVE if covers(row, port)]
    named = few([f"{SENSITIVE[port]} ({port})" for port in ports])
    outward = row.get("type") == "out"
    level = "high" if ports and who == "anybody" and not outward else "medium"
    way = f"it may go out: {describe(row)}" if outward else f"{who} may come in: {describe(row)}"
    blast.because(level, f"{when} {way}" + (f", which is {named}" if ports and not outward else ""))


def _tell_closing(blast: Blast, place: Place, row: Mapping[str, Any], when: str) -> None:
    """Less traffic than before; at a node that may be the way in."""
    who = sources(row)
    ways = [SENSITIVE[port] for port in _MANAGED_BY if covers(row, port)]
    if ways and row.get("type") == "in" and blast.nodes and not place.guest:
        blast.because("high", f"{when} {who} may lose the way in to the nodes: {few(ways)}")
    else:
        blast.because("medium", f"{when} {who} may lose: {describe(row)}")


# -- on, off, and the policies -----------------------------------------------------------------------------------------


def options_write(world: World, blast: Blast, write: Write) -> None:
    """The firewall of the cluster, a node or a guest goes on or off, or treats differently what no rule is about."""
    place, after = place_of(write.names), _merged(write)
    keys = ("enable", *_POLICIES)
    changed = [key for key in keys if str(_value(place, write.before, key)) != str(_value(place, after, key))]
    place.touches(blast, nodes_of(world, blast) if place == CLUSTER else [])
    if not changed:
        blast.because("medium", f"changes options of the firewall of {place.name}")
        return
    if place == CLUSTER:
        _touch_guests(world, blast)
    elif not _cluster_is_on(world, blast):
        blast.because("medium", "the firewall of the cluster is off: nothing changes until it is on")
        return
    if not _on(place, after):
        blast.because("high", f"the firewall of {place.name} is off: nothing is filtered there any more")
        return
    level = "medium" if place.guest else "high"
    blast.because(level, f"the firewall of {place.name} is on, with {_policies(place, after)}")
    if _value(place, after, "policy_in") in _BLOCKS:
        _tell_ways_in(world, blast, place)


def _value(place: Place, options: Mapping[str, Any], key: str) -> Any:
    """An option, or what holds where it is not set: a node's firewall is on where the cluster's is."""
    default = int(bool(place.node)) if key == "enable" else _DEFAULTS[key]
    value = options.get(key)
    return default if value in (None, "") else int(BOOL.decode(value)) if key == "enable" else value


def _on(place: Place, options: Mapping[str, Any]) -> bool:
    return bool(_value(place, options, "enable"))


def _policies(place: Place, options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_value(place, options, key)}" for key in _POLICIES[:2])


def _cluster_is_on(world: World, blast: Blast) -> bool:
    """Where that cannot be seen, it may be."""
    options = read(world, blast, "options of the cluster's firewall", f"{CLUSTER.path}/options")
    return options is None or _on(CLUSTER, options)


def _touch_guests(world: World, blast: Blast) -> None:
    """The guests whose own firewall is on feel that of the cluster."""
    places = guests_of(world, blast)
    paths = {f"{one.path}/options": f"firewall options of {one.name}" for one in places}
    found = read_each(world, blast, paths)
    blast.guests.update(one.guest for one in places if _on(one, found.get(f"{one.path}/options", {"enable": 1})))


def _tell_ways_in(world: World, blast: Blast, place: Place) -> None:
    """Who still reaches each node, or the guest, once everything else is dropped."""
    own = [place] if place != CLUSTER else [of_node(name) for name in sorted(blast.nodes)]
    shared = [] if place.guest else [CLUSTER]
    rules = rules_at(world, blast, [*shared, *own, *groups_of(world, blast)])
    for one in own:
        rows = [row for here in (*shared, one) for row in _with_groups(rules, here)]
        ways = [row for row in rows if row.get("type") == "in" and row.get("action") == "ACCEPT" and is_on(row)]
        if one.guest:
            blast.because("medium" if ways else "high", f"{one.name}: {len(ways)} rule(s) let something in")
            continue
        managed = [f"{sources(row)} to {SENSITIVE[port]}" for port in _MANAGED_BY for row in ways if covers(row, port)]
        let_in = few(list(dict.fromkeys(managed))) or "no rule lets anybody in to it"
        blast.because("high", f"{one.name}: beside the node's own network, {let_in}")


def _with_groups(rules: Mapping[Place, list[Mapping[str, Any]]], place: Place) -> list[Mapping[str, Any]]:
    """The rules of a place, each that brings in a security group replaced by those of the group."""
    of_groups = {one.group: rows for one, rows in rules.items() if one.group}
    found = []
    for row in rules.get(place, []):
        found += of_groups.get(group_in(row), []) if group_in(row) and is_on(row) else [row]
    return found
