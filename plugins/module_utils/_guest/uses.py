# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else uses the volumes of a guest: every configuration that names one, and every volume that rests on one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._blast import Blast
from .._errors import Refused
from .._plan import is_symbol
from .._storage import storages
from .._world import World
from .archive import content_path
from .configs import configurations, read_each
from .draft import Draft
from .lookup import Guest
from .options import Table, is_cdrom
from .sight import lists_every_volume, noting, read_rows
from .tables import TABLES
from .volumes import storage_of, volume_codec, volume_of

#: how the volumes of a template are called
_BASES = ("base-", "basevol-")
_OWNER = re.compile(r"(?:vm|base|subvol|basevol)-(\d+)-[^/]*$")


def owner_of(volume: str) -> int | None:
    """The guest whose id a volume bears. Proxmox leaves the volumes of another guest alone."""
    match = _OWNER.search(volume)
    return int(match[1]) if match else None


def tell_users(world: World, blast: Blast, guest: Guest, volumes: Iterable[str], happens: str) -> None:
    """Name every other guest whose configuration, as it is, as it runs or in a snapshot, names one of the volumes.

    Proxmox does not look there. `happens`: what becomes of the volumes.
    """
    wanted = sorted(volume for volume in set(volumes) if not is_symbol(volume))
    if not wanted:
        return
    reach = "" if _is_shared(world, blast, guest, wanted) else guest.node
    for found in configurations(world, blast, reach, but=guest.target):
        for volume in wanted:
            named = found.naming(_naming(volume))
            places = [f"{key}{f' {section}' if section else ''}" for section, key, _value in named]
            if places:
                blast.guests.add(found.guest.target)
                blast.because(
                    "high", f"{found.guest.target} uses volume {volume} too ({', '.join(places)}), which {happens}"
                )


def tell_volumes_back(world: World, blast: Blast, guest: Guest, restored: Mapping[str, Any]) -> None:
    """Volumes that go back to a snapshot, and those that came later, which no configuration names then."""
    table, today = TABLES[guest.kind], set(map(str, (guest.config or {}).values()))
    slots = [slot for slot in filter(table.is_volume, restored) if not is_cdrom(restored[slot])]
    found = {slot: volume_of(volume_codec(table, slot), restored[slot]) for slot in slots}
    kept = [volume for slot, volume in found.items() if not slot.startswith("unused") and storage_of(volume)]
    blast.storages.update(map(storage_of, kept))
    for slot, volume in sorted(found.items()):
        if slot.startswith("unused") and volume not in today:
            blast.because("medium", f"volume {volume} is not in the snapshot: it stays as an unused disk")
    tell_users(world, blast, guest, kept, "goes back with it")


def tell_attached(world: World, draft: Draft, table: Table, put: Mapping[str, str], have: Mapping[str, Any]) -> None:
    """Volumes that exist, and that the guest had nowhere: two guests that write to one destroy what is on it."""
    had = {volume_of(volume_codec(table, slot), have[slot]) for slot in filter(table.is_volume, have)}
    blast, new_here = draft.plan.blast, [volume for volume in put.values() if volume not in had]
    for volume in new_here:
        if owner_of(volume) not in (None, draft.guest.vmid):
            blast.because("medium", f"volume {volume} belongs to guest {owner_of(volume)}, and goes with it")
    tell_users(world, blast, draft.guest, new_here, "is attached here")


def tell_moved(world: World, draft: Draft, slot: str, volume: str) -> None:
    """A volume that is copied elsewhere and removed. Raises Refused where a snapshot of the guest holds it."""
    if is_symbol(volume):
        return
    guest, blast = draft.guest, draft.plan.blast
    holding = snapshots_holding(world, blast, guest, volume)
    if holding:
        raise Refused(
            f"{slot} ({volume}) of {guest.target} is held by snapshot {', '.join(holding)}, and Proxmox does not move"
            " it away from there",
            "Delete these snapshots first",
        )
    _refuse_needed(world, blast, guest, slot, volume)
    tell_users(world, blast, guest, [volume], "goes")


def tell_destroyed(world: World, draft: Draft, slot: str, volume: str) -> None:
    """A volume that is destroyed with its data. Raises Refused where Proxmox, or a guest that needs it, would fail."""
    guest, blast = draft.guest, draft.plan.blast
    owner = owner_of(volume)
    if owner not in (None, guest.vmid):
        blast.because("low", f"volume {volume} belongs to guest {owner} and stays")
        return
    holding = [] if is_symbol(volume) else snapshots_holding(world, blast, guest, volume)
    if holding and guest.kind == "lxc":  # it leaves the configuration, and goes with the last of them
        blast.because("medium", f"{slot} goes, and its volume {volume} stays for snapshot {', '.join(holding)}")
        return
    if holding:
        raise Refused(
            f"{slot} ({volume}) of {guest.target} is held by snapshot {', '.join(holding)}, and Proxmox does not"
            " destroy it",
            "Delete these snapshots first, or only detach it (state: detached)",
        )
    blast.others.add(f"volume {volume}")
    blast.storages.add(storage_of(volume))
    blast.because("high", f"destroys {slot} ({volume}) with its data")
    if not is_symbol(volume):
        _refuse_needed(world, blast, guest, slot, volume)
        tell_users(world, blast, guest, [volume], "goes")


def _refuse_needed(world: World, blast: Blast, guest: Guest, slot: str, volume: str) -> None:
    above = resting_on(world, blast, guest, [volume])
    if above:
        raise Refused(
            f"{slot} ({volume}) of {guest.target} has linked clones that need it: {', '.join(above)}",
            "Destroy them first, or move their disks to make them full copies",
        )


def snapshots_holding(world: World, blast: Blast, guest: Guest, volume: str) -> list[str]:
    """The snapshots of the guest itself that hold a volume."""
    path, pattern = f"{guest.path}/snapshot", _naming(volume)
    rows = read_rows(world, blast, f"snapshots of {guest.target}", path)
    names = sorted(str(row["name"]) for row in rows if row["name"] != "current")
    configs = read_each(world, blast, {f"{path}/{name}/config": f"snapshot {guest.target}@{name}" for name in names})
    kept = {name: configs.get(f"{path}/{name}/config", {}) for name in names}
    return [name for name, config in kept.items() if any(pattern.search(str(text)) for text in config.values())]


def resting_on(world: World, blast: Blast, guest: Guest, volumes: Iterable[str]) -> list[str]:
    """The other guests whose disks are only the difference to one of the volumes: linked clones, backing files."""
    wanted, found = sorted(filter(_may_carry, set(volumes))), set[str]()
    for storage in sorted({storage_of(volume) for volume in wanted}):
        names = {_name(volume) for volume in wanted if storage_of(volume) == storage}
        for row in _volumes_on(world, guest, blast, storage):
            if int(row.get("vmid") or 0) != guest.vmid and _rests_on(row, names):
                found.add(f"{guest.kind}/{row['vmid']}")
    blast.guests |= found
    return sorted(found)


def _is_shared(world: World, blast: Blast, guest: Guest, volumes: Iterable[str]) -> bool:
    """May another node see one of the volumes? Not known counts as yes."""
    rows: Mapping[str, Mapping[str, Any]] = {}
    with noting(blast, f"storages of node {guest.node}"):
        rows = storages(world, guest.node)
    return any(str(rows.get(storage_of(volume), {}).get("shared", 1)) == "1" for volume in volumes)


def _naming(volume: str) -> re.Pattern[str]:
    """What a property string looks like that names the volume."""
    return re.compile(rf"(?:^|[,=]){re.escape(volume)}(?:,|$)")


def _may_carry(volume: str) -> bool:
    """Might another volume be the difference to this one? Of a template, or a file, which anything may name."""
    return not is_symbol(volume) and (_name(volume).startswith(_BASES) or "." in _name(volume))


def _volumes_on(world: World, guest: Guest, blast: Blast, storage: str) -> list[dict[str, Any]]:
    """The volumes of every guest of this kind on a storage."""
    what = f"linked clones of {guest.target} on storage {storage}"
    if not lists_every_volume(world, storage):
        blast.unknown(what)
    path = content_path(guest.node, storage)
    return read_rows(world, blast, what, path, content=TABLES[guest.kind].content)


def _rests_on(row: Mapping[str, Any], names: set[str]) -> bool:
    """Is the volume a difference to one of these? Its id says so (201/base-201-disk-0.qcow2/202/vm-202-disk-0.qcow2,
    base-201-disk-0/vm-202-disk-0), or its parent does (../201/base-201-disk-0.qcow2, base-201-disk-0@__base__)."""
    above = re.split(r"[:/]", str(row["volid"]))[:-1]
    return not names.isdisjoint([*above, *re.split(r"[/@]", str(row.get("parent") or ""))])


def _name(volume: str) -> str:
    return re.split(r"[:/]", volume)[-1]
