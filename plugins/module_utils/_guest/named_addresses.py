# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewall of the cluster says about the fixed addresses of a guest. Nothing there refers to it by its id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .._blast import Blast
from .._codec import split_list
from .._world import World
from .configs import read_each
from .sight import read_rows

_FIXED = re.compile(r"(?:^|,)ip6?=([0-9A-Fa-f.:]+)/\d+")
_INTERFACE = re.compile(r"(?:net|ipconfig)\d+")
_BASE = "/cluster/firewall"


def tell_named_addresses(world: World, blast: Blast, config: Mapping[str, Any]) -> None:
    """Aliases, sets and rules of the cluster that go on naming an address of a guest that goes."""
    addresses = fixed_addresses(config)
    if not addresses:
        return
    found = sorted(set(_naming(world, blast, addresses)))
    blast.others.update(f"firewall {what}" for what in found)
    if found:
        blast.because("medium", f"whoever gets {', '.join(sorted(addresses))} next is meant by {', '.join(found)}")


def fixed_addresses(config: Mapping[str, Any]) -> set[str]:
    """The addresses that a configuration gives its interfaces."""
    texts = (str(text) for key, text in config.items() if _INTERFACE.fullmatch(key))
    return {address for text in texts for address in _FIXED.findall(text)}


def _naming(world: World, blast: Blast, addresses: set[str]) -> Iterator[str]:
    for row in read_rows(world, blast, "firewall aliases of the cluster", f"{_BASE}/aliases"):
        if _is_one(row.get("cidr"), addresses):
            yield f"alias {row['name']}"
    sets = read_rows(world, blast, "firewall sets of the cluster", f"{_BASE}/ipset")
    groups = read_rows(world, blast, "firewall groups of the cluster", f"{_BASE}/groups")
    in_set = {f"{_BASE}/ipset/{row['name']}": f"firewall set {row['name']}" for row in sets}
    with_rules = {f"{_BASE}/groups/{row['group']}": f"firewall group {row['group']}" for row in groups}
    rules = {f"{_BASE}/rules": "firewall rules of the cluster", **with_rules}
    for path, rows in read_each(world, blast, {**in_set, **rules}).items():
        for row in rows:
            if path in in_set and _is_one(row.get("cidr"), addresses):
                yield in_set[path].removeprefix("firewall ")
            if path in rules and any(_is_one(row.get(key), addresses) for key in ("source", "dest")):
                yield f"rule {row.get('pos')} of {rules[path].removeprefix('firewall ').removeprefix('rules of ')}"


def _is_one(said: Any, addresses: set[str]) -> bool:
    """Is one of the addresses said, alone or in a list? A whole network that it lies in is not about this guest."""
    return any(re.sub(r"/(?:32|128)$", "", one) in addresses for one in split_list(said or ""))
