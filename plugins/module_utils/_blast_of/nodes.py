# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all guests of a node feel: started, stopped, suspended or moved together, or with their node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._blast import Blast
from .._codec import BOOL, split_list
from .._guest.configs import Found, configurations, guests, target_of
from .._guest.options import is_cdrom
from .._guest.sight import read_rows
from .._guest.tables import TABLES
from .._guest.volumes import storage_of, volume_codec, volume_of
from .._world import World
from .write import Write, few

_POWER = {"reboot": "restarts", "shutdown": "is shut down"}


def stop_all(world: World, blast: Blast, write: Write) -> None:
    """Guests that run are shut down, or suspended."""
    node = write.names["node"]
    rows = [row for row in _chosen(guests(world, blast), write) if row.get("status") == "running"]
    _tell(blast, node, [target_of(row) for row in rows], "stop running")


def start_all(world: World, blast: Blast, write: Write) -> None:
    """Guests that are stopped start, where they are to start with their node; with `force` all of them."""
    node = write.names["node"]
    every = bool(BOOL.decode(write.data.get("force", 0)))
    found = [one for one in configurations(world, blast, node, snapshots=False) if not (one.running or one.template)]
    wanted = {target_of(row) for row in _chosen(_rows(found), write)}
    start = [
        one.guest.target
        for one in found
        if one.guest.target in wanted and (every or BOOL.decode((one.guest.config or {}).get("onboot", 0)))
    ]
    _tell(blast, node, start, "start", level="medium")


def migrate_all(world: World, blast: Blast, write: Write) -> None:
    """Guests move to another node, the running ones while they run; what lies on local storages is copied, or stays."""
    node, target = write.names["node"], str(write.data.get("target") or "")
    blast.nodes.add(target)
    found = configurations(world, blast, node, snapshots=False)
    wanted = {target_of(row) for row in _chosen(_rows(found), write)}
    moving = [one for one in found if one.guest.target in wanted]
    _tell(blast, node, [one.guest.target for one in moving], f"move to {target}")
    shared = {
        str(row["storage"])
        for row in read_rows(world, blast, "storages", "/storage")
        if BOOL.decode(row.get("shared", 0))
    }
    for one in moving:
        local = sorted({storage for storage in _storages(one) if storage not in shared})
        if local:
            blast.storages.update(local)
            blast.because("high", f"{one.guest.target} has volumes on {few(local)}, which are not known to be shared")
        elif one.guest.kind == "lxc" and one.running:
            blast.because("medium", f"{one.guest.target} is a running container: it is restarted to move")


def node_power(world: World, blast: Blast, write: Write) -> None:
    """The node restarts or goes down, and takes its guests with it."""
    node = write.names["node"]
    what = _POWER.get(str(write.data.get("command")), "changes its state")
    rows = [row for row in guests(world, blast) if row["node"] == node and row.get("status") == "running"]
    blast.because("high", f"node {node} {what}")
    _tell(blast, node, [target_of(row) for row in rows], "stop running with it")


def _chosen(rows: Iterable[dict[str, Any]], write: Write) -> list[dict[str, Any]]:
    """The guests of the node; of these only the ones that `vms` names."""
    named = split_list(write.data.get("vms") or "")
    return [row for row in rows if row["node"] == write.names["node"] and (not named or str(row["vmid"]) in named)]


def _rows(found: Iterable[Found]) -> list[dict[str, Any]]:
    return [{"type": one.guest.kind, "vmid": one.guest.vmid, "node": one.guest.node} for one in found]


def _tell(blast: Blast, node: str, targets: list[str], what: str, level: str = "high") -> None:
    blast.nodes.add(node)
    blast.guests.update(targets)
    blast.because(level if targets else "low", f"{len(targets)} guest(s) of node {node} {what}: {few(targets)}")


def _storages(found: Found) -> set[str]:
    """The storages of a guest's volumes."""
    table = TABLES[found.guest.kind]
    named = (
        volume_of(volume_codec(table, key), value)
        for key, value in (found.guest.config or {}).items()
        if table.is_volume(key) and not is_cdrom(str(value))
    )
    return {storage_of(volume) for volume in named} - {""}
