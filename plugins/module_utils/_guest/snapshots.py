# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a snapshot of a guest: the step, which guests can have one, and which go back to their newest one only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import Refused
from .._plan import Step
from .._privileges import Need
from .._storage import sight_of, storages
from .._world import World
from .lookup import Guest
from .options import is_cdrom
from .tables import TABLES
from .volumes import storage_of, volume_codec, volume_of

_NOT_SAVED = re.compile(r"digest|parent|lock|description|unused\d+")
#: types of storage on which only qcow2 images can have snapshots, and those on which nothing can
#: (pve-storage: volume_has_feature)
_ONLY_QCOW2 = frozenset({"dir", "nfs", "cifs", "cephfs", "glusterfs", "lvm"})
_NOTHING = frozenset({"iscsi", "iscsidirect", "esxi"})
#: types of storage that go back to any of their snapshots, and those that do where volumes are no chain
#: (volume_rollback_is_possible); every other type, also one that is not known, goes back to the newest one only
_TO_ANY = frozenset({"lvmthin", "rbd", "btrfs"})
_TO_ANY_BUT_CHAINS = frozenset({"dir", "nfs", "cifs", "glusterfs"})


def take(guest: Guest, data: Mapping[str, Any], why: str) -> Step:
    """The step that takes a snapshot."""
    needs = (Need(f"/vms/{guest.vmid}", ("VM.Snapshot",)),)
    return Step("snapshot", guest.target, "POST", f"{guest.path}/snapshot", data, why=why, needs=needs)


def saved_config(guest: Guest, description: str) -> dict[str, Any]:
    """The configuration that a snapshot taken now would hold."""
    config = {key: value for key, value in (guest.config or {}).items() if not _NOT_SAVED.fullmatch(key)}
    return {**config, **({"description": description} if description else {})}


def held_volumes(kind: str, config: Mapping[str, Any]) -> dict[str, str]:
    """Slot -> volume or path of the node, of what a snapshot has to hold: no discs, nothing that is unused."""
    table = TABLES[kind]
    slots = (key for key in sorted(config) if table.is_volume(key) and not key.startswith("unused"))
    return {slot: volume_of(volume_codec(table, slot), config[slot]) for slot in slots if not is_cdrom(config[slot])}


def refuse_unable(world: World, guest: Guest) -> None:
    """Raise Refused where the guest cannot have snapshots: Proxmox would only say so in the task."""
    config = guest.config or {}
    if str(config.get("template", 0)) == "1":
        raise Refused(f"{guest.target} is a template, which has no snapshots", "Clone it")
    # of a guest that this --check run has only planned, the server does not know yet
    foretold = world.foretold(f"{guest.path}/config")
    if not foretold and str(world.get(f"{guest.path}/feature", feature="snapshot").get("hasFeature", 0)) == "1":
        return
    unable = list(_unable(world, guest))
    if unable or not foretold:
        raise Refused(
            f"{guest.target} cannot have snapshots: {'; '.join(unable) or 'a storage of its volumes cannot make any'}",
            "Back it up instead, or keep all its volumes on zfspool, lvmthin, btrfs or rbd, or as qcow2 images",
        )


def _unable(world: World, guest: Guest) -> Iterable[str]:
    """The volumes that are known to be without snapshots, and why."""
    there = storages(world, guest.node)
    for slot, volume in held_volumes(guest.kind, guest.config or {}).items():
        storage = storage_of(volume)
        backend = there.get(storage, {}).get("type")
        if not storage:
            yield f"{slot} is {volume}, a path of node {guest.node}"
        elif backend in _NOTHING or (backend in _ONLY_QCOW2 and not volume.endswith(".qcow2")):
            yield f"{slot} is on storage '{storage}' of type {backend}"


def newest_only(world: World, kind: str, config: Mapping[str, Any]) -> str:
    """Which volume of a configuration goes back to its newest snapshot only; "" where each goes back to any."""
    there = {str(row["storage"]): row for row in world.get("/storage")}
    for slot, volume in held_volumes(kind, config).items():
        storage = storage_of(volume)
        world.relies_on(sight_of(storage) if storage else None)
        row = there.get(storage, {})
        backend, chains = row.get("type"), str(row.get("snapshot-as-volume-chain", 0)) == "1"
        if backend is None:
            return f"{slot} is on '{storage or volume}', whose type cannot be seen"
        if backend not in _TO_ANY and (backend not in _TO_ANY_BUT_CHAINS or chains):
            return f"{slot} is on storage '{storage}' of type {backend}{' with chains of volumes' if chains else ''}"
    return ""
