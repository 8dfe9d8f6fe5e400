# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool that an existing guest belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput, NotFound, PermissionDenied
from .._names import POOL, segment
from .._plan import Effect, Step
from .._privileges import Need
from .._reads import dispensable
from .._world import World
from .draft import Draft
from .lookup import RESOURCES, resources

_ALLOCATE = ("Pool.Allocate",)


def require_pool(world: World, pool: str) -> str:
    """`pool`, or BadInput where there certainly is no such pool."""
    POOL.check("pool", pool)
    try:
        # a pool inside another has no path of its own
        with dispensable():
            world.get("/pools", poolid=pool) if "/" in pool else world.get(f"/pools/{segment(pool)}")
    except NotFound:
        there = ", ".join(sorted(row["poolid"] for row in world.get("/pools"))) or "none"
        raise BadInput(f"pool: '{pool}' does not exist; there: {there}", "Pools are case-sensitive") from None
    except PermissionDenied:  # the privileges of the plan say what is missing
        pass
    return pool


def plan_pool(draft: Draft, world: World, options: Mapping[str, Any]) -> None:
    """Add the step that puts the guest into the wanted pool; an empty name takes it out of its pool."""
    wanted, guest = options.get("pool"), draft.guest
    if wanted is None:
        return
    row = next((row for row in resources(world) if int(row["vmid"]) == guest.vmid), {})
    now = str(row.get("pool") or "")
    if wanted == now:
        return
    if wanted:
        require_pool(world, wanted)
    data: dict[str, Any] = {"poolid": wanted or now, "vms": guest.vmid}
    data |= {"allow-move": 1} if wanted and now else {} if wanted else {"delete": 1}
    # a guest may only change its pool with the right to give it away
    mine = Need(f"/vms/{guest.vmid}", ("VM.Allocate", "Permissions.Modify"))
    pools = tuple(Need(f"/pool/{name}", _ALLOCATE) for name in (now, wanted) if name)
    why = f"its pool is {now or 'none'}"
    draft.step(Step("pool", guest.target, "PUT", "/pools", data, why=why, needs=(*pools, mine)))
    draft.shows("pool", now or None, wanted or None)
    draft.plan.effects += [
        Effect(f"{RESOURCES}?type=vm", "drop", f"{guest.kind}/{guest.vmid}", by="id"),
        Effect(f"{RESOURCES}?type=vm", "add", {**row, "pool": wanted} if wanted else _without_pool(row)),
    ]
    draft.undo("pool", pool=now, left=wanted)
    draft.blast("medium", f"{guest.target} gets the permissions of pool '{wanted}' and loses those of '{now}'")
    draft.plan.blast.others.update(f"pool {name}" for name in (now, wanted) if name)


def _without_pool(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "pool"}
