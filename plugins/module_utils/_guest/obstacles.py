# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of moving a guest to another node: refused in the plan, with what would help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import ApiError, BadInput, Refused
from .._names import NODE
from .._storage import require_storage, sees_storage, storages
from .._world import World
from . import ha
from .lookup import Guest
from .lxc_options import LXC
from .node_state import node_state, require_able
from .tables import TABLES
from .volumes import storage_of

_NOT_IMPLEMENTED = 501


@dataclass(frozen=True)
class Move:
    """A guest on its way to another node. `asked` is the option `migrate`."""

    guest: Guest
    node: str
    asked: Mapping[str, Any]
    power: Mapping[str, Any]
    #: source storage -> target storage; "" stands for every storage that is not named
    storages: Mapping[str, str]
    #: what the server says about it
    answer: Mapping[str, Any]

    @property
    def running(self) -> bool:
        return self.power["power"] in ("running", "paused")

    @property
    def managed(self) -> bool:
        return ha.is_managed(self.power)

    @property
    def disks(self) -> list[Mapping[str, Any]]:
        """The disks on storages of the node; the server lists those of virtual machines only."""
        return [disk for disk in self.answer.get("local_disks") or () if not _is_cd(disk)]

    def target_of(self, storage: str) -> str:
        """The storage that the volumes of this one go to; "" = its namesake."""
        return self.storages.get(storage) or self.storages.get("", "")


def preconditions(world: World, guest: Guest, node: str) -> dict[str, Any]:
    """What the server says about a migration; PVE 8 says nothing about containers."""
    try:
        return dict(world.get(f"{guest.path}/migrate", target=node))
    except ApiError as error:
        if guest.kind == "lxc" and error.facts.get("status") == _NOT_IMPLEMENTED:
            return {}
        raise


def require_ready(world: World, guest: Guest, node: str, power: Mapping[str, Any]) -> None:
    """Raise where the guest cannot be moved as it is, or the target is no node that could take it."""
    NODE.check("node", node)
    if power["power"] == "hibernated":
        raise Refused(f"{guest.target} is hibernated, and PVE does not move it so", "Start it first (state: started)")
    known = {row["node"]: row.get("status") for row in world.get("/nodes")}
    if node not in known:
        raise BadInput(f"node: '{node}' is not a node of this cluster; it has: {', '.join(sorted(known))}")
    state = "offline" if known[node] == "offline" else node_state(world, node)
    what = f"moving {guest.target} there"
    require_able(node, state, what)
    if state == "maintenance":
        raise Refused(f"Node {node} is in maintenance: {what} is not possible", "End its maintenance, or name another")


def refuse_obstacles(world: World, move: Move) -> None:
    """Raise Refused for everything that the server would refuse, or that would fail on the way."""
    _of_the_task(move)
    if move.managed:
        _of_ha(move)
    _of_the_target(move)
    _of_the_source(move)
    if move.guest.kind == "lxc":
        _of_a_container(world, move)
    elif move.running and move.disks:
        _of_snapshots(world, move)
    for storage in dict.fromkeys(move.storages.values()):
        require_storage(world, move.node, storage, TABLES[move.guest.kind].content, "migrate.storage")


def names(disks: list[Mapping[str, Any]]) -> str:
    """Disks as people know them."""
    return ", ".join(f"{disk.get('drivename') or 'unused'} ({disk['volid']})" for disk in disks)


def _of_the_task(move: Move) -> None:
    """Where the guest's state and what the task says about the migration do not fit."""
    target, kind = move.guest.target, move.guest.kind
    if not move.running:
        return
    if kind == "lxc" and not move.asked["restart"]:
        raise Refused(
            f"{target} runs, and a container cannot be moved while it runs",
            "Set migrate.restart: true to have it shut down, moved and started again, or stop it first",
        )
    if kind == "qemu" and not move.asked["online"]:
        raise Refused(f"{target} runs", "Set migrate.online: true to move it while it runs, or shut it down first")
    if move.disks and not move.asked["with_local_disks"]:
        hint = "Set migrate.with_local_disks: true, or shut it down first"
        raise Refused(f"{target} runs and has local disks: {names(move.disks)}", hint)


def _of_ha(move: Move) -> None:
    ha.require_hearing(move.guest, move.power)
    own = [name for name in ("storage", "bwlimit") if move.asked.get(name)]
    if own:
        raise Refused(
            f"{move.guest.target} is HA-managed: the HA manager moves it, and knows nothing of migrate.{own[0]}",
            f"Leave migrate.{own[0]} out, or set its HA state to ignored first",
        )


def _of_the_target(move: Move) -> None:
    """What the target lacks. The server has an empty entry for a node on which nothing is lacking."""
    guest, cannot = move.guest, f"{move.guest.target} cannot move to {move.node}"
    lists = move.answer.get("not_allowed_nodes") or move.answer.get("not-allowed-nodes") or {}
    entry = lists.get(move.node) or {}
    lacking = [name for name in entry.get("unavailable_storages") or () if not move.target_of(name)]
    if lacking:
        begins = tuple(f"{name}:" for name in lacking)
        slots = sorted(slot for slot, text in (guest.config or {}).items() if str(text).startswith(begins))
        used = f" (of {', '.join(slots)})" if slots else ""
        raise Refused(
            f"{cannot}: storage {', '.join(lacking)}{used} is not available there",
            f"Say where its volumes shall go: migrate.storage: {{{lacking[0]}: STORAGE}}",
        )
    unmapped = entry.get("unavailable-resources") or ()
    if unmapped:
        raise Refused(
            f"{cannot}: {', '.join(map(str, unmapped))} is not mapped there",
            "Add the node to these resource mappings, or remove the devices first",
        )
    blocking = ", ".join(f"{row['sid']} ({row['cause']})" for row in entry.get("blocking-ha-resources") or ())
    if blocking:
        raise Refused(f"{cannot}: HA rules forbid it, because of {blocking}", "Change the HA rule first")


def _of_the_source(move: Move) -> None:
    """What is bound to the node where the guest is."""
    guest, answer = move.guest, move.answer
    devices = ", ".join(map(str, answer.get("local_resources") or ()))
    if devices:
        raise Refused(
            f"{guest.target} uses devices of {guest.node}: {devices}",
            "Remove them, or replace them by resource mappings, first",
        )
    discs = [disk for disk in answer.get("local_disks") or () if _is_cd(disk)]
    if discs:
        raise Refused(
            f"{guest.target} has a CD-ROM image of {guest.node} inserted: {names(discs)}",
            f"Eject it first (disks: slot {discs[0].get('drivename')}, volume: none)",
        )
    mapped = answer.get("mapped-resource-info") or {}
    stuck = ", ".join(sorted(slot for slot, info in mapped.items() if str(info.get("live-migration", 0)) != "1"))
    if move.running and stuck:
        raise Refused(f"{guest.target} runs with {stuck}, which cannot be moved while it runs", "Shut it down first")


def _of_a_container(world: World, move: Move) -> None:
    """What the server only finds out in the task: host paths, and storages that the target has not."""
    guest, there = move.guest, storages(world, move.node)
    for slot, text in sorted((guest.config or {}).items()):
        if not LXC.is_volume(slot):
            continue
        volume = LXC.codec(slot).decode(text)
        name = str(volume.get("volume") or "")
        if name.startswith("/") and not volume.get("shared"):
            raise Refused(
                f"{guest.target} cannot move to {move.node}: {slot} is {name} of {guest.node}",
                "Say shared: true on it if every node has the same there, or remove it first",
            )
        storage = storage_of(name)
        target = move.target_of(storage) or storage
        if storage and target not in there and sees_storage(world, target):
            raise Refused(
                f"{guest.target} cannot move to {move.node}: storage {target} (of {slot}) is not available there",
                f"Say where its volumes shall go: migrate.storage: {{{storage}: STORAGE}}",
            )


def _of_snapshots(world: World, move: Move) -> None:
    """A disk that a snapshot holds is only copied while the machine is off, unless it is replicated."""
    guest, held = move.guest, {str(disk["volid"]) for disk in move.disks if disk.get("is_attached", 1)}
    if any(str(job.get("guest")) == str(guest.vmid) for job in world.get("/cluster/replication")):
        return
    for row in world.find(f"{guest.path}/snapshot") or ():
        if row["name"] == "current":
            continue
        config = world.get(f"{guest.path}/snapshot/{row['name']}/config")
        caught = sorted(slot for slot, text in config.items() if str(text).partition(",")[0] in held)
        if caught:
            raise Refused(
                f"{guest.target} runs, and snapshot {row['name']} holds its local {', '.join(caught)}",
                "Delete its snapshots, or shut it down first",
            )


def _is_cd(disk: Mapping[str, Any]) -> bool:
    return bool(disk.get("cdrom")) and not disk.get("is_cloudinit")
