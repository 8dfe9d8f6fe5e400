# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses an alias of the cluster's firewall: rules and sets of the cluster, of nodes, guests, groups and vnets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._blast import Blast
from .._codec import split_list
from .._guest.configs import read_each
from .._guest.sight import read_rows
from .._world import World
from .rules import CLUSTER, Place, everywhere, group_in, is_on, rules_at
from .write import Write, few


def alias_change(world: World, blast: Blast, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
    """An alias means something else, or goes. A new one, and another comment, concern nobody."""
    if before is None or (after is not None and after["cidr"] == before["cidr"]):
        return
    uses = _Uses(world, blast, str(before["name"]).lower())
    found = uses.names()
    if not found:
        blast.because("low", "no rule and no set that could be seen uses it")
    elif after is None:
        blast.because("high", f"left dangling, so that Proxmox ignores them: {few(found)}")
    else:
        level = "high" if blast.nodes else "medium"
        blast.because(level, f"they mean {after['cidr']} from now on: {few(found)}")


def alias_write(world: World, blast: Blast, write: Write) -> None:
    """PUT and DELETE of an alias by its path."""
    before = {"name": write.names["name"], **write.before}
    alias_change(world, blast, before, None if write.method == "delete" else {**before, **write.data})


class _Uses:
    """The uses of one alias. In a guest its own alias, or its own set, of the same name goes before the cluster's."""

    def __init__(self, world: World, blast: Blast, alias: str) -> None:
        self.world, self.blast, self.alias = world, blast, alias
        self.places = everywhere(world, blast)
        self.rules = rules_at(world, blast, self.places)
        self.own_sets = self._read_sets()

    def names(self) -> list[str]:
        """What uses it, as people call it; the objects that feel it are named in the blast radius."""
        sets = [(place, name) for place, own in self.own_sets.items() for name in own if self._in_set(place, own[name])]
        using = [(place, row) for place in self.places for row in self.rules[place] if self._in_rule(place, row, sets)]
        groups = {place.group for place, _row in using if place.group}
        using += [(place, row) for place in self.places for row in self.rules[place] if group_in(row) in groups]
        nodes = [place.node for place in self.places if place.node]
        for place, row in using:
            if is_on(row) and not place.group:
                place.touches(self.blast, nodes)
        found = [f"set {name} of {place.name}" for place, name in sets]
        found += [f"rule {row['pos']} of {place.name}{'' if is_on(row) else ' (off)'}" for place, row in using]
        self.blast.others.update(f"firewall {name}" for name in found)
        return found

    def _read_sets(self) -> dict[Place, dict[str, list[Mapping[str, Any]]]]:
        """The sets of the cluster and of the guests with their entries."""
        owners = [place for place in self.places if place == CLUSTER or place.guest]
        lists = read_each(self.world, self.blast, {f"{one.path}/ipset": f"sets of {one.name}" for one in owners})
        names = {one: [str(row["name"]) for row in lists.get(f"{one.path}/ipset", ())] for one in owners}
        paths = {f"{one.path}/ipset/{name}": f"set {name} of {one.name}" for one in owners for name in names[one]}
        entries = read_each(self.world, self.blast, paths)
        return {
            one: {name.lower(): entries.get(f"{one.path}/ipset/{name}", []) for name in names[one]} for one in owners
        }

    def _in_set(self, place: Place, entries: list[Mapping[str, Any]]) -> bool:
        return any(self._is_it(place, str(entry.get("cidr", "")).lower()) for entry in entries)

    def _in_rule(self, place: Place, row: Mapping[str, Any], sets: list[tuple[Place, str]]) -> bool:
        words = [word.lower() for key in ("source", "dest") for word in split_list(row.get(key) or "")]
        return any(
            self._is_set(place, word, sets) if word.startswith("+") else self._is_it(place, word) for word in words
        )

    def _is_it(self, place: Place, word: str) -> bool:
        """Does a word mean the alias there?"""
        if word == f"dc/{self.alias}":
            return True
        return word == self.alias and not (place.guest and self._has_its_own(place))

    def _has_its_own(self, place: Place) -> bool:
        rows = read_rows(self.world, self.blast, f"aliases of {place.name}", f"{place.path}/aliases")
        return any(str(row["name"]).lower() == self.alias for row in rows)

    def _is_set(self, place: Place, word: str, sets: list[tuple[Place, str]]) -> bool:
        """Does +name, +dc/name or +guest/name mean a set that holds the alias?"""
        scope, _slash, name = word[1:].rpartition("/")
        owned = name in self.own_sets.get(place, {}) and place.guest
        owner = place if scope == "guest" or (owned and scope != "dc") else CLUSTER
        return (owner, name) in sets
