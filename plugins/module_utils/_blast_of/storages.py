# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs a storage: disks, snapshots, discs and snippets of guests, backups, templates, jobs and replication."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .._blast import Blast
from .._codec import BOOL, split_list
from .._guest.archive import content_path
from .._guest.configs import Found, configurations, read_each
from .._guest.options import is_cdrom, is_cloudinit
from .._guest.sight import read_rows, sees_below
from .._guest.tables import TABLES
from .._world import World
from .rules import nodes_of
from .write import Write, few

#: what lies on a storage beside the volumes of guests
_CONTENTS = {
    "backup": "backups",
    "iso": "ISO images",
    "vztmpl": "container templates",
    "import": "images to import",
    "snippets": "snippets",
}
#: without these a machine does not start, whatever else it has
_BOOTS_FROM = ("efidisk0", "tpmstate0", "rootfs")


def storage_write(world: World, blast: Blast, write: Write) -> None:
    """A storage is removed, disabled, or no longer for every node. What lies on it stays, and cannot be reached."""
    name = write.names["storage"]
    blast.storages.add(name)
    had = _nodes(world, blast, write.before)
    keeps = set() if write.method == "delete" else _kept(world, blast, write)
    lost = had - keeps
    if not lost:
        blast.because("medium", f"changes storage {name}")
        _tell_contents(blast, write)
        return
    blast.nodes |= lost
    where = "" if lost == had else f" on node {few(sorted(lost))}"
    blast.because("medium", f"storage {name} cannot be used any more{where}; what lies on it is not deleted")
    users = _tell_guests(world, blast, name, lost)
    _tell_volumes(world, blast, name, sorted(lost), shared=bool(BOOL.decode(write.before.get("shared", 0))))
    _tell_jobs(world, blast, name)
    _tell_replication(world, blast, lost, users)


def _nodes(world: World, blast: Blast, storage: Mapping[str, Any]) -> set[str]:
    """The nodes that can use a storage."""
    if BOOL.decode(storage.get("disable", 0)):
        return set()
    return set(split_list(storage.get("nodes") or "")) or set(nodes_of(world, blast))


def _kept(world: World, blast: Blast, write: Write) -> set[str]:
    """The nodes that can use it once the write is done."""
    dropped = split_list(write.data.get("delete") or "")
    after = {key: value for key, value in {**write.before, **write.data}.items() if key not in dropped}
    return _nodes(world, blast, after)


def _tell_contents(blast: Blast, write: Write) -> None:
    """Which kinds of content it takes no more."""
    if "content" in write.data:
        before, after = (set(split_list(one.get("content") or "")) for one in (write.before, write.data))
        if before - after:
            blast.because("medium", f"it takes no new {few(sorted(before - after))} any more")


# -- guests ------------------------------------------------------------------------------------------------------------


def _tell_guests(world: World, blast: Blast, storage: str, nodes: Collection[str]) -> list[Found]:
    """The guests on these nodes whose configuration, or a snapshot of it, names the storage."""
    names_it = re.compile(rf"(?:^|[,=\s]){re.escape(storage)}:[^,\s]")
    users = []
    for found in configurations(world, blast):
        named = found.naming(names_it) if found.guest.node in nodes else []
        if named:
            users.append(found)
            blast.guests.add(found.guest.target)
            blast.because(*_of_guest(found, named))
    return users


def _of_guest(found: Found, named: Iterable[tuple[str, str, str]]) -> tuple[str, str]:
    """How much a guest depends on it, in words."""
    table = TABLES[found.guest.kind]
    slots: dict[str, str] = {}
    others: list[str] = []
    for section, key, value in named:
        if section or not table.is_volume(key) or key.startswith("unused"):
            others.append(f"{key} of {section}" if section else key)
        elif is_cdrom(value) and not is_cloudinit(value):
            others.append(f"the disc in {key}")
        else:
            slots[key] = value
    disks = [key for key, value in (found.guest.config or {}).items() if _is_disk(found, key, str(value))]
    boots = [key for key in slots if key in (*_BOOTS_FROM, *_boot_order(found))]
    what = few([*slots, *others])
    if slots and slots.keys() >= set(disks):
        what = f"all its disks ({what})"
    elif boots:
        what = f"what it starts from ({what})"
    running = ", and it is running" if found.running else ""
    return ("high" if slots else "medium"), f"{found.guest.target} has there: {what}{running}"


def _is_disk(found: Found, key: str, value: str) -> bool:
    table = TABLES[found.guest.kind]
    return table.is_volume(key) and not key.startswith("unused") and (is_cloudinit(value) or not is_cdrom(value))


def _boot_order(found: Found) -> list[str]:
    text = str((found.guest.config or {}).get("boot") or "")
    return text.partition("order=")[2].split(",")[0].split(";")


# -- what else lies on it ----------------------------------------------------------------------------------------------


def _tell_volumes(world: World, blast: Blast, storage: str, nodes: list[str], shared: bool) -> None:
    """Backups, images, templates and snippets; of a shared storage every node has the same."""
    if not sees_below(world, f"/storage/{storage}", ("Datastore.Allocate",)):
        blast.unknown(f"volumes on storage {storage} without Datastore.Allocate")
    here = nodes[:1] if shared else nodes
    lists = read_each(
        world, blast, {content_path(node, storage): f"volumes on storage {storage} of node {node}" for node in here}
    )
    counts = Counter(str(row.get("content")) for rows in lists.values() for row in rows)
    there = [f"{counts[content]} {called}" for content, called in _CONTENTS.items() if counts[content]]
    if there:
        level = "high" if counts["backup"] else "medium"
        blast.because(level, f"it holds {few(there)}, which cannot be used then")


def _tell_jobs(world: World, blast: Blast, storage: str) -> None:
    """Backup jobs that write to it."""
    for row in read_rows(world, blast, f"backup jobs to storage {storage}", "/cluster/backup"):
        fleecing = row.get("fleecing")
        aside = fleecing.get("storage") if isinstance(fleecing, Mapping) else None
        if storage in (row.get("storage"), aside):
            blast.others.add(f"backup job {row['id']}")
            blast.because("high", f"backup job {row['id']} writes to it, and fails then")


def _tell_replication(world: World, blast: Blast, nodes: Collection[str], users: Iterable[Found]) -> None:
    """Replication puts a copy on the storage of the same name; of its source here, or on a node that loses it."""
    here = {str(found.guest.vmid) for found in users}
    for row in read_rows(world, blast, "replication jobs", "/cluster/replication"):
        if str(row.get("guest")) in here or row.get("target") in nodes:
            blast.others.add(f"replication job {row['id']}")
            blast.because("medium", f"replication job {row['id']} may need it")
