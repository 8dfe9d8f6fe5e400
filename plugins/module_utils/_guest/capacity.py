# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a storage has room for what a plan puts there, and which guests feel it where it has not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._blast import Blast
from .._codec import print_size, split_list
from .._plan import is_symbol
from .._storage import storages
from .._world import World
from .archive import content_path
from .change import Change
from .options import Table, is_cdrom
from .sight import lists_every_volume, noting, read_rows
from .volumes import SIZED_BY_SERVER, put_volumes, storage_of, volume_codec, volume_of

_GIB = 1024**3
#: less than this is little: a share of the storage, or so many bytes
_LITTLE_SHARE, _LITTLE = 0.1, 10 * _GIB
#: what a storage calls the volumes of guests
_OF_GUESTS = {"images": "qemu", "rootdir": "lxc"}


def size_in(table: Table, slot: str, text: Any) -> int | None:
    """Bytes that the volume at a slot may come to hold; None where its configuration does not tell."""
    if is_cdrom(text) or slot in SIZED_BY_SERVER:  # a few megabytes, if any
        return 0
    size = volume_codec(table, slot).decode(text).get("size")
    return None if size is None else int(size)


def taken_by(table: Table, change: Change, have: Mapping[str, Any], left: Mapping[str, Any]) -> dict[str, int | None]:
    """Storage -> what it gets to hold beside what it has: volumes that are new or move there, and what they grow."""
    new = {slot for slot, volume in put_volumes(table, change, have, left).items() if is_symbol(volume)}
    fresh = new | change.move.keys()
    taken: dict[str, int | None] = {}
    for slot in sorted(fresh | change.grow.keys()):
        now = 0 if slot in fresh else size_in(table, slot, have[slot])
        then = size_in(table, slot, left[slot])
        more = None if now is None or then is None else then - now
        add(taken, storage_of(volume_of(volume_codec(table, slot), left[slot])), more)
    return taken


def add(taken: dict[str, int | None], storage: str, size: int | None) -> None:
    """Something goes to a storage; what is not known of a part is not known of the whole."""
    before = taken.get(storage, 0)
    taken[storage] = None if before is None or size is None else before + size


def tell_room(
    world: World, blast: Blast, node: str, taken: Mapping[str, int | None], own: str, how: str = "up to"
) -> None:
    """Say what a plan adds to each storage of a node (None: nobody knows how much), and what is left there.

    `own`: the guest that takes it, which is not named as one that feels it.
    """
    rows: Mapping[str, Mapping[str, Any]] = {}
    if taken:
        with noting(blast, f"storages of node {node}"):
            rows = storages(world, node)
    for storage, size in sorted(taken.items()):
        blast.storages.add(storage)
        if size is None:
            blast.unknown(f"how much it takes on storage {storage}")
        row = rows.get(storage, {})
        if row.get("avail") is None:
            blast.unknown(f"free space of storage {storage} on node {node}")
        else:
            _tell_one(world, blast, node, row, size or 0, own, how)


def _tell_one(world: World, blast: Blast, node: str, row: Mapping[str, Any], size: int, own: str, how: str) -> None:
    storage, free, total = row["storage"], int(row["avail"]), int(row.get("total") or 0)
    left = free - size
    takes = f"takes {how} {readable(size)} on {storage}" if size else f"writes to {storage}"
    if left <= 0:
        blast.because("high", f"{takes}, and {readable(free)} are free there")
        blast.guests |= _others(world, blast, node, row, own)
    elif left < max(_LITTLE, _LITTLE_SHARE * total):
        others = len(_others(world, blast, node, row, own))
        shared = f"; {others} other guest(s) stand still when it is full" if others else ""
        blast.because("medium", f"{takes}, which leaves {readable(left)} of {readable(total)} free{shared}")
    elif size:
        blast.because("low", takes)


def _others(world: World, blast: Blast, node: str, row: Mapping[str, Any], own: str) -> set[str]:
    """Whoever writes to the same storage stands still when it is full."""
    storage, contents = str(row["storage"]), split_list(row.get("content") or "")
    if not _OF_GUESTS.keys() & set(contents):
        return set()
    what = f"guests on storage {storage}"
    if not lists_every_volume(world, storage):
        blast.unknown(what)
    rows = read_rows(world, blast, what, content_path(node, storage))
    return {f"{_OF_GUESTS[one['content']]}/{one['vmid']}" for one in rows if _is_of_guest(one)} - {own}


def _is_of_guest(row: Mapping[str, Any]) -> bool:
    return row.get("content") in _OF_GUESTS and bool(row.get("vmid"))


def readable(size: int) -> str:
    """A number of bytes as Proxmox writes sizes, or rounded where that would be a long number."""
    exact = print_size(size)
    return f"{size / _GIB:.1f} GiB" if exact.isdigit() else exact
