# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `snapshot_info`: the snapshots of the guests that the filters choose."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .._errors import StewardError
from .._guest.lookup import guest_path
from .._plan import Plan
from .._planner import Planner
from .._prune import parse_age
from .._world import World
from .bounded import LIMIT, limited, shortened
from .details import AT_ONCE, check_concurrency
from .guests import FILTERS, Chosen, choose
from .tree import tree

_OPTIONS: dict[str, dict[str, Any]] = {
    **FILTERS,
    "snapshot": {"type": "str"},
    "prefix": {"type": "str"},
    "older_than": {"type": "str"},
    **LIMIT,
    **AT_ONCE,
}


def plan_snapshot_info(options: Mapping[str, Any], world: World) -> Plan:
    """The snapshots that the options choose: by guest, the oldest first."""
    at_once = check_concurrency(options["concurrency"])
    older_than = options.get("older_than")
    limit = time.time() - parse_age("older_than", older_than).total_seconds() if older_than else None
    chosen = choose(options, world)
    every = _of_guests(world, chosen, at_once)
    fitting = [snapshot for snapshot in every if _fits(snapshot, options, limit)]
    wanted = limited(fitting, options.get("limit"))
    shown, cut = shortened(wanted)
    result = {
        "snapshots": shown,
        "total": len(fitting),
        "truncated": cut or len(wanted) < len(fitting),
        "complete": not chosen.unseen,
        "unseen": chosen.unseen,
    }
    return Plan(summary="reads snapshots", result=result)


def _of_guests(world: World, chosen: Chosen, at_once: int) -> list[dict[str, Any]]:
    """All their snapshots. What cannot be read is noted as unseen."""
    paths = {
        guest["id"]: f"{guest_path(guest['type'], guest['node'], guest['vmid'])}/snapshot"
        for guest in chosen.guests
        if guest["node"] not in chosen.down
    }
    answers = world.get_all(paths.values(), at_once)
    found = []
    for guest in chosen.guests:
        answer = answers.get(paths.get(guest["id"], ""), [])
        if isinstance(answer, StewardError):
            chosen.unseen.append(f"{guest['id']}: {answer}")
            continue
        whose = {"vmid": guest["vmid"], "type": guest["type"], "node": guest["node"], "guest": guest.get("name")}
        found += [{**whose, **snapshot} for snapshot in tree(answer)]
    return found


def _fits(snapshot: Mapping[str, Any], options: Mapping[str, Any], limit: float | None) -> bool:
    """One that is only planned is as young as can be."""
    name = snapshot["name"]
    if options.get("snapshot") not in (None, name) or not name.startswith(options.get("prefix") or ""):
        return False
    return limit is None or (snapshot["snaptime"] is not None and float(snapshot["snaptime"]) < limit)


SNAPSHOT_INFO = Planner("snapshot_info", _OPTIONS, plan_snapshot_info, reads_only=True)
