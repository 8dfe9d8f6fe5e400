# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving a guest to another node of the cluster: the step, what it disturbs, and where the guest is then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._errors import BadInput, Refused
from .._names import STORAGE
from .._plan import Effect, Step
from .._privileges import Need
from .._storage import storages
from .._world import World
from . import effects, ha
from .capacity import add, readable, size_in, tell_room
from .draft import Draft
from .lookup import Guest, without_digest
from .obstacles import Move, names, preconditions, refuse_obstacles, require_ready
from .options import is_cdrom
from .symbols import learned, volume_symbol
from .tables import TABLES
from .volumes import storage_of, volume_codec, volume_of

SPEC: dict[str, Any] = {
    "type": "dict",
    "options": {
        "online": {"type": "bool", "default": True},
        "restart": {"type": "bool", "default": False},
        "with_local_disks": {"type": "bool", "default": True},
        "storage": {"type": "raw"},
        "bwlimit": {"type": "int"},
        "timeout": {"type": "int", "default": 0},
    },
}

_STORAGE_KEY = {"lxc": "target-storage", "qemu": "targetstorage"}


def plan_migration(
    draft: Draft, world: World, guest: Guest, node: str, options: Mapping[str, Any], power: Mapping[str, Any]
) -> Guest:
    """Add the step that brings the guest to `node`; returns the guest as it is there, which the draft goes on with."""
    asked = options.get("migrate")
    if asked is None:
        raise BadInput(
            f"{guest.target} is on node {guest.node}, not on {node}",
            f"Set migrate to move it there (migrate: {{}} with the defaults), or give node: {guest.node}",
        )
    mapping = storage_map(asked.get("storage"))
    require_ready(world, guest, node, power)
    move = Move(guest, node, asked, power, mapping, preconditions(world, guest, node))
    refuse_obstacles(world, move)
    left = _renamed(world, move)
    moved = replace(guest, node=node, config={**without_digest(guest.config), **left})
    _tell(draft, world, move)
    draft.plan.effects += _effects(world, guest, moved)
    draft.step(_step(move, moved, left, options["shutdown_timeout"]))
    draft.shows("node", guest.node, node)
    draft.undo("migrate", node=guest.node, left=node, migrate={**asked, "storage": _storages_back(guest, left)})
    draft.guest = moved
    return moved


def storage_map(said: Any) -> dict[str, str]:
    """`migrate.storage` as source -> target; "" stands for every storage that is not named."""
    if said is None:
        return {}
    pairs = {"": said} if isinstance(said, str) else said
    if not isinstance(pairs, Mapping) or not all(isinstance(name, str) for name in pairs.values()):
        raise BadInput("migrate.storage is neither the name of a storage nor a map of storages to storages")
    for name in (*filter(None, pairs), *pairs.values()):
        STORAGE.check("migrate.storage", name)
    return dict(pairs)


def _storages_back(guest: Guest, left: Mapping[str, str]) -> dict[str, str] | None:
    """The storages of the way back, as far as one does not stand for several now."""
    table, came_from = TABLES[guest.kind], dict[str, set[str]]()
    for slot, text in left.items():
        codec = volume_codec(table, slot)
        source = storage_of(volume_of(codec, (guest.config or {})[slot]))
        came_from.setdefault(storage_of(volume_of(codec, text)), set()).add(source)
    return {there: sources.pop() for there, sources in came_from.items() if len(sources) == 1} or None


def _step(move: Move, moved: Guest, left: Mapping[str, str], shutdown_timeout: int) -> Step:
    guest, targets = move.guest, dict.fromkeys(move.storages.values())
    needs = [Need(f"/vms/{guest.vmid}", ("VM.Migrate",))]
    if targets:
        needs.append(Need(f"/vms/{guest.vmid}", ("VM.Config.Disk",)))
        needs += [Need(f"/storage/{name}", ("Datastore.AllocateSpace",)) for name in targets]
    return Step(
        "migrate",
        guest.target,
        "POST",
        f"{guest.path}/migrate",
        _data(move, shutdown_timeout),
        why=f"it is on {guest.node}{'; the HA manager moves it' if move.managed else ''}",
        needs=tuple(needs),
        yields=learned(TABLES[guest.kind], moved.path, left),
        until=ha.has_arrived(guest, moved.node, move.running) if move.managed else None,
        lasts=move.asked.get("timeout") or 0,
    )


def _data(move: Move, shutdown_timeout: int) -> dict[str, Any]:
    data: dict[str, Any] = {"target": move.node}
    if move.running and move.guest.kind == "lxc":
        data |= {"restart": 1, "timeout": shutdown_timeout}
    elif move.running:
        data |= {"online": 1, **({"with-local-disks": 1} if move.disks else {})}
    if move.storages:
        pairs = (f"{source}:{target}" if source else target for source, target in sorted(move.storages.items()))
        data[_STORAGE_KEY[move.guest.kind]] = ",".join(pairs)
    if move.asked.get("bwlimit") is not None:
        data["bwlimit"] = move.asked["bwlimit"]
    return data


def _renamed(world: World, move: Move) -> dict[str, str]:
    """Volumes that come to another storage, as they will read: the server names them.

    Shared storages are not mapped. On the storage of the same name a volume keeps its name, unless it is taken there.
    """
    if not move.storages:
        return {}
    guest, table = move.guest, TABLES[move.guest.kind]
    local = {disk["volid"] for disk in move.disks}
    shared = {name for name, row in storages(world, guest.node).items() if str(row.get("shared", 0)) == "1"}
    renamed = {}
    for slot, text in (guest.config or {}).items():
        if not table.is_volume(slot) or is_cdrom(text):
            continue
        codec = volume_codec(table, slot)
        volume = volume_of(codec, text)
        source = storage_of(volume)
        goes = volume in local if guest.kind == "qemu" else bool(source) and source not in shared
        target = move.target_of(source)
        if goes and target not in ("", source):
            symbol = volume_symbol(guest.target, slot, target)
            renamed[slot] = codec.encode({**codec.decode(text), str(codec.default): symbol})
    return renamed


def _tell(draft: Draft, world: World, move: Move) -> None:
    """What a migration disturbs: the guest, both nodes, storages, replication and HA resources that go along."""
    guest, node, blast = move.guest, move.node, draft.plan.blast
    blast.nodes |= {guest.node, node}
    how = "moves while it is off"
    if move.running:
        how = "moves while it runs, and stands still for a moment"
    if move.running and guest.kind == "lxc":
        how = "is shut down, moved and started again: its services are interrupted"
    draft.blast("medium" if move.running else "low", f"{guest.target} {how}")
    blast.storages |= set(move.storages.values())
    _tell_copies(draft, world, move, replicated=_tell_replication(draft, world, move))
    for sid in move.answer.get("dependent-ha-resources") or ():
        blast.others.add(f"HA resource {sid}")
        draft.blast("medium", f"HA rules move {sid} along")


def _tell_copies(draft: Draft, world: World, move: Move, replicated: bool) -> None:
    """What is copied, and whether the target has room for it. What is replicated there is there already."""
    blast, taken = draft.plan.blast, dict[str, int | None]()
    copies = _copies(world, move)
    blast.storages |= {storage_of(volume) for volume in copies}
    for volume, size in copies.items():
        source = storage_of(volume)
        add(taken, move.target_of(source) or source, size)
    if copies:
        known = sum(size or 0 for size in copies.values())
        shown = names(move.disks) if move.disks else ", ".join(sorted(copies))
        draft.blast("medium", f"copies {readable(known)} of local disks to {move.node}: {shown}")
    if not replicated:
        tell_room(world, blast, move.node, taken, move.guest.target)


def _copies(world: World, move: Move) -> dict[str, int | None]:
    """The volumes on storages of the node, with their sizes. The server lists those of machines only."""
    guest, table = move.guest, TABLES[move.guest.kind]
    if guest.kind == "qemu":
        sizes = {str(disk["volid"]): disk.get("size") for disk in move.disks}
        return {volume: None if size is None else int(size) for volume, size in sizes.items()}
    shared = {name for name, row in storages(world, guest.node).items() if str(row.get("shared", 0)) == "1"}
    slots = filter(table.is_volume, guest.config or {})
    found = {slot: volume_of(volume_codec(table, slot), (guest.config or {})[slot]) for slot in slots}
    local = {slot: volume for slot, volume in found.items() if storage_of(volume) and storage_of(volume) not in shared}
    return {volume: size_in(table, slot, (guest.config or {})[slot]) for slot, volume in local.items()}


def _tell_replication(draft: Draft, world: World, move: Move) -> bool:
    """A replicated machine moves while it runs only to where it is replicated, and its job turns round.

    Returns whether it is replicated there.
    """
    guest = move.guest
    jobs = [job for job in world.get("/cluster/replication") if str(job.get("guest")) == str(guest.vmid)]
    draft.plan.blast.others |= {f"replication {job['id']}" for job in jobs}
    turned = [job["id"] for job in jobs if job.get("target") == move.node]
    if jobs and not turned and move.running and guest.kind == "qemu":
        targets = ", ".join(sorted(str(job.get("target")) for job in jobs))
        raise Refused(
            f"{guest.target} runs and is replicated to {targets}: PVE moves it only there while it runs",
            "Name that node, or shut it down first",
        )
    for job in turned:
        draft.blast("low", f"replication {job} turns round: from {move.node} to {guest.node}")
    return bool(turned)


def _effects(world: World, guest: Guest, moved: Guest) -> list[Effect]:
    """Everything that can be read of the guest is on the new node from here on, and nothing on the old one."""
    found = effects.gone(guest.kind, guest.node, guest.vmid)
    found += effects.born(moved.kind, moved.node, moved.vmid, moved.name, moved.config or {})
    for key, now in guest.pending.items():  # what waits for a restart goes on waiting
        value = (moved.config or {}).get(key)
        found += effects.configured(moved.kind, moved.node, moved.vmid, {key: value}, {key: now})
    for part in ("status/current", "snapshot"):
        found.append(Effect(f"{moved.path}/{part}", "set", world.get(f"{guest.path}/{part}")))
    return found
