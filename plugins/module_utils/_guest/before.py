# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo points: a snapshot that a plan takes of its guest before anything else, so that its undo can go back to it.

Where a snapshot is asked for and cannot be taken, or would not help, the plan is refused: nothing is done without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._errors import Refused
from .._names import segment
from .._plan import Effect, Plan, Step, Undo
from .._policy import Policy
from .._storage import sight_of, storages
from .._world import World
from . import effects
from .lookup import Guest
from .snapshots import held_volumes, newest_only, refuse_unable, saved_config, take
from .volumes import storage_of

SPEC: dict[str, Any] = {"type": "str", "default": "never", "choices": ["never", "risky", "always"]}

_UNDO_POINT = re.compile(r"before_[0-9a-f]{8}(?:_\d+)?")
_WITH_THE_GUEST = "a snapshot goes with the guest"
_NOT_HELD = "Proxmox destroys no volume that a snapshot holds, and an unused one is in no snapshot"
#: operations before which a snapshot is in the way, or does not help
_USELESS = {
    "destroy": _WITH_THE_GUEST,
    "overwrite": _WITH_THE_GUEST,
    "destroy disk": _NOT_HELD,
    "destroy volume": _NOT_HELD,
    "move": "Proxmox moves no volume that a snapshot holds",
    "template": "Proxmox makes no template of a guest that has snapshots",
}
#: what a rollback leaves as it is
_STAYS = ("migrate", "pool")
_NOTES = "description"


def with_undo_point(
    options: Mapping[str, Any], world: World, guest: Guest | None, plan: Plan, back_to: str = ""
) -> Plan:
    """The plan, with a snapshot of the guest before everything else where one is asked for.

    `guest`: as it is before the plan; None where there is none. `back_to`: the snapshot that the plan rolls back to.
    """
    policy = Policy.of_task(options) if guest and plan.steps else Policy()
    if guest is None or not _wanted(policy.snapshot_before, plan, back_to):
        return plan
    _refuse_useless(world, guest, plan, policy, back_to)
    refuse_unable(world, guest)
    name = _free_name(world, guest, plan)
    description = f"Taken by steward.proxmox before: {', '.join(step.op for step in plan.steps)}"
    step = take(guest, {"snapname": name, "description": description}, f"snapshot_before is {policy.snapshot_before}")
    plan.undo = _undo(guest, plan, name)
    plan.steps.insert(0, step)
    plan.summary = f"{step.op}, {plan.summary}"
    plan.after[f"snapshot {name}"] = description
    plan.blast.because("low", f"takes snapshot {name} of {guest.target} before everything else")
    _foretell(guest, plan, name, description, back_to)
    return plan


def _wanted(mode: str, plan: Plan, back_to: str) -> bool:
    """An undo point was made to be gone back to: that alone is no risk that asks for another one."""
    if mode == "risky" and not _UNDO_POINT.fullmatch(back_to):
        return plan.blast.risk(changes=True)["level"] == "high" or bool(plan.undo.cannot)
    return mode == "always"


# -- what a snapshot does not help against ---------------------------------------------------------------------------


def _refuse_useless(world: World, guest: Guest, plan: Plan, policy: Policy, back_to: str) -> None:
    why = _obstacle(world, guest, plan, back_to)
    if why:
        raise Refused(
            f"{guest.target}: snapshot_before is {policy.snapshot_before} (said by"
            f" {policy.origins['snapshot_before']}), and no snapshot can be taken before this: {why}",
            "Back it up first (steward.proxmox.backup); whoever set snapshot_before decides whether that will do",
        )


def _obstacle(world: World, guest: Guest, plan: Plan, back_to: str) -> str:
    useless = next((step.op for step in plan.steps if step.op in _USELESS), "")
    if useless:
        return f"{_USELESS[useless]} ({useless})"
    if (plan.state or {}).get("power") == "hibernated":
        return "it is hibernated, and Proxmox takes none under that lock"
    if any(step.op == "migrate" for step in plan.steps):
        return _ties_to_node(world, guest)
    if back_to:
        saved = world.get(f"{guest.path}/snapshot/{segment(back_to)}/config")
        slot = newest_only(world, guest.kind, saved)
        return slot and f"{slot}, and Proxmox rolls that back to its newest snapshot only"
    return ""


def _ties_to_node(world: World, guest: Guest) -> str:
    """Why a guest with a snapshot would not move: its volumes would be copied, and not every storage copies both."""
    there = storages(world, guest.node)
    for slot, volume in held_volumes(guest.kind, guest.config or {}).items():
        storage = storage_of(volume)
        world.relies_on(sight_of(storage) if storage else None)
        if str(there.get(storage, {}).get("shared", 0)) != "1":
            return f"{slot} is on '{storage or volume}' of node {guest.node}, and would move with its snapshot"
    return ""


# -- what it leads to ------------------------------------------------------------------------------------------------


def _free_name(world: World, guest: Guest, plan: Plan) -> str:
    """The name says which plan it was taken for: in check mode and for real it is the same."""
    name = wanted = f"before_{world.digest(plan).rpartition(':')[2][:8]}"
    taken = {row["name"] for row in world.get(f"{guest.path}/snapshot")}
    number = 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def _undo(guest: Guest, plan: Plan, name: str) -> Undo:
    """What nothing else takes back, a rollback does. The snapshot itself stays, until it is pruned."""
    before = plan.undo
    left = [one for one in before.cannot if not any(_only_by_rollback(plan.steps[index]) for index in one["of"])]
    if len(left) == len(before.cannot):
        return Undo(_shifted(before.steps), _shifted(before.cannot))
    rollback = {
        "op": "rollback",
        "target": guest.target,
        "of": [index for index, step in enumerate(plan.steps, 1) if step.op not in _STAYS],
        "snapshot": name,
        "start": (plan.state or {}).get("power") in ("running", "paused"),
    }
    return Undo((rollback, *_shifted(filter(None, map(_not_by_rollback, before.steps)))), _shifted(left))


def _only_by_rollback(step: Step) -> bool:
    """A secret stands in no plan, and in the snapshot it does."""
    return step.op in ("resize", "rollback") or bool(step.secrets)


def _not_by_rollback(step: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is left to take back after a rollback: the node, the pool, the notes."""
    if step["op"] in _STAYS:
        return step
    if step["op"] != "update" or _NOTES not in step["left"]:
        return None
    kept = {name: {_NOTES: step[name][_NOTES]} if _NOTES in step[name] else {} for name in ("data", "left")}
    return {**step, **kept, "made": [], "delete": [key for key in step["delete"] if key == _NOTES]}


def _shifted(told: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The same of the steps that come one place later."""
    return tuple({**one, "of": [index + 1 for index in one["of"]]} for one in told)


def _foretell(guest: Guest, plan: Plan, name: str, description: str, back_to: str) -> None:
    """What later tasks of a --check run read."""
    there = replace(guest, node=plan.result.get("node", guest.node))
    above = {"parent": guest.config["parent"]} if guest.config and "parent" in guest.config else {}
    path, row = f"{there.path}/snapshot", {"name": name, "description": description, **above}
    plan.effects += [Effect(f"{path}/{name}/config", "set", saved_config(guest, description)), Effect(path, "add", row)]
    if not back_to:  # it is the newest one
        current = {"name": "current", "description": "You are here!", "parent": name}
        plan.effects += [
            Effect(path, "drop", "current", by="name"),
            Effect(path, "add", current),
            *effects.configured(there.kind, there.node, there.vmid, {"parent": name}),
        ]
    if "config" in plan.result and not back_to:
        plan.result["config"]["parent"] = name
    if "snapshots" in plan.result:
        plan.result["snapshots"] = [*plan.result["snapshots"], row]
