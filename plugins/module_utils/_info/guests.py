# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `guest_info`, and the choice of guests that `snapshot_info` shares: one request for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .._guest.lookup import KINDS
from .._plan import Plan
from .._planner import Planner
from .._world import World
from . import sight
from .bounded import LIMIT, limited, shortened
from .details import AT_ONCE, DETAILS, add_details

FILTERS: dict[str, dict[str, Any]] = {
    "vmid": {"type": "list", "elements": "int"},
    "name": {"type": "str"},
    "name_pattern": {"type": "str"},
    "node": {"type": "str"},
    "type": {"type": "str", "choices": list(KINDS)},
    "tags": {"type": "list", "elements": "str", "aliases": ["tag"]},
    "pool": {"type": "str"},
    "status": {"type": "str"},
    "template": {"type": "bool"},
}

#: option -> does the guest fit what it says?
_TESTS: dict[str, Callable[[Mapping[str, Any], Any], bool]] = {
    "vmid": lambda guest, wanted: guest["vmid"] in wanted,
    "name": lambda guest, wanted: guest.get("name") == wanted,
    "name_pattern": lambda guest, wanted: fnmatchcase(str(guest.get("name") or ""), wanted),
    "node": lambda guest, wanted: guest["node"] == wanted,
    "type": lambda guest, wanted: guest["type"] == wanted,
    "tags": lambda guest, wanted: set(wanted) <= set(guest["tags"]),
    "pool": lambda guest, wanted: guest.get("pool") == wanted,
    "status": lambda guest, wanted: guest.get("status") == wanted,
    "template": lambda guest, wanted: guest["template"] is wanted,
}


@dataclass
class Chosen:
    """The guests that fit, by id; the nodes that do not answer; and what may be missing."""

    guests: list[dict[str, Any]]
    down: list[str]
    unseen: list[str]


def choose(options: Mapping[str, Any], world: World) -> Chosen:
    """The guests that the filters choose, of those that the credential may see."""
    rows = sight.everything(world)
    sight.check_node(rows, options.get("node"))
    down = sight.down(rows)
    guests = [guest_of(row, down) for row in rows if row["type"] in KINDS]
    tests = [(test, options[name]) for name, test in _TESTS.items() if options.get(name) is not None]
    fitting = [guest for guest in guests if all(test(guest, wanted) for test, wanted in tests)]
    return Chosen(sorted(fitting, key=lambda guest: guest["vmid"]), down, _unseen(options, world, guests, down))


def _unseen(options: Mapping[str, Any], world: World, guests: list[dict[str, Any]], down: list[str]) -> list[str]:
    """What may be missing. Of guests that were asked for by id and are there, only their own nodes count."""
    asked = [guest for guest in guests if guest["vmid"] in (options.get("vmid") or ())]
    found = bool(asked) and len(asked) == len(set(options["vmid"]))
    nodes = {guest["node"] for guest in asked} if found else set(down)
    silent = [node for node in down if node in nodes and options.get("node") in (None, node)]
    nameless = [guest for guest in (asked if found else guests) if guest["status"] == "unknown"]
    return [
        *([] if found else sight.hidden(world, ["guests"])),
        *sight.silent(silent),
        *(f"{guest['id']} has not been reported by its node" for guest in nameless if guest["node"] not in down),
    ]


def guest_of(row: Mapping[str, Any], down: list[str]) -> dict[str, Any]:
    """A guest as the cluster lists it, typed. Of a node that does not answer it lists old figures: unknown they are."""
    template = row.get("template")
    return {
        **row,
        "vmid": int(row["vmid"]),
        "tags": [tag for tag in str(row.get("tags") or "").strip().split(";") if tag],
        "template": None if template is None else bool(int(template)),
        "status": "unknown" if row["node"] in down else row.get("status"),
    }


def plan_guest_info(options: Mapping[str, Any], world: World) -> Plan:
    """The guests that the credential may see and the options choose, with the details that are asked for."""
    chosen = choose(options, world)
    guests = limited(chosen.guests, options.get("limit"))
    add_details(world, guests, options["details"], chosen.down, options["concurrency"])
    shown, cut = shortened(guests)
    result = {
        "guests": shown,
        "total": len(chosen.guests),
        "truncated": cut or len(guests) < len(chosen.guests),
        "complete": not chosen.unseen,
        "unseen": chosen.unseen,
    }
    return Plan(summary="reads guests", result=result)


_OPTIONS: dict[str, dict[str, Any]] = {
    **FILTERS,
    "details": {"type": "list", "elements": "str", "choices": list(DETAILS), "default": []},
    **LIMIT,
    **AT_ONCE,
}

GUEST_INFO = Planner("guest_info", _OPTIONS, plan_guest_info, reads_only=True)
