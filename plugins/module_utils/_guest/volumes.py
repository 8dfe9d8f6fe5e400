# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One volume of a guest as a task wants it against the one that is there.

An existing volume is never allocated again: the API would take `STORAGE:SIZE` for it, and lose the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._codec import PropertyString, parse_size, print_size
from .._errors import BadInput, Refused
from .._names import STORAGE, VOLID, check_text
from .._plan import is_symbol
from .change import Change
from .options import Table, is_cdrom, is_cloudinit

_GIB = 1024**3
#: volumes whose size is not the task's affair: what is asked for is a number that the API wants to see
SIZED_BY_SERVER = ("efidisk0", "tpmstate0")
_DEFAULT_SIZE = {"rootfs": "4G", **dict.fromkeys(SIZED_BY_SERVER, "1G")}
_EMPTY = ("none", "cdrom")
#: what a task says about a volume that is not part of its property string
OUR_WORDS = ("state", "storage", "size", "volume", "import_from", "format")


def volume_codec(table: Table, slot: str) -> PropertyString:
    """The type of a key that names a volume."""
    codec = table.codec(slot)
    if not isinstance(codec, PropertyString):
        raise TypeError(f"{slot} names no volume")
    return codec


def volume_of(codec: PropertyString, value: Any) -> str:
    """The volume id (or host path) in a value."""
    return str(codec.decode(value).get(str(codec.default)) or "")


def storage_of(volume: str) -> str:
    """The storage in a volume id; none in a host path, an empty drive or a device."""
    return "" if volume.startswith("/") or volume in _EMPTY else volume.partition(":")[0]


def put_volumes(table: Table, change: Change, have: Mapping[str, Any], left: Mapping[str, Any]) -> dict[str, str]:
    """Slot -> volume of what a change makes (a symbol) or attaches; no discs. `left`: the keys as they read then."""
    found = {}
    for slot in filter(table.is_volume, change.put):
        codec = volume_codec(table, slot)
        volume = volume_of(codec, left[slot])
        same = slot in have and volume_of(codec, have[slot]) == volume
        if storage_of(volume) and not same and not is_cdrom(left[slot]):
            found[slot] = volume
    return found


def check_volume(slot: str, wanted: Mapping[str, Any]) -> None:
    """Raise BadInput for what no volume can be."""
    if wanted.get("storage"):
        STORAGE.check(f"{slot}.storage", wanted["storage"])
    for key in ("volume", "import_from"):
        volume = wanted.get(key)
        if volume and not volume.startswith("/") and volume not in _EMPTY:
            VOLID.check(f"{slot}.{key}", volume)
    if wanted.get("size"):
        size_of(slot, wanted["size"])
    check_text(f"{slot}.format", wanted.get("format") or "")


def size_of(slot: str, value: Any) -> int:
    """Bytes of a size that a task gives; a bare number counts in GiB."""
    try:
        return parse_size(value, default_unit="G")
    except ValueError as error:
        raise BadInput(f"{slot}.size: {error}") from None


def compare_volume(change: Change, codec: PropertyString, slot: str, wanted: Mapping[str, Any], there: Any) -> None:
    """Add to `change` what makes the volume at `slot` as wanted."""
    state = wanted.get("state") or "present"
    if state != "present":
        if there is not None:
            _remove(change, slot, state)
        return
    rest = {key: value for key, value in wanted.items() if key not in OUR_WORDS}
    if there is None:
        change.put[slot] = new_volume(codec, slot, wanted)
        if wanted.get("import_from") and wanted.get("size"):
            change.grow[slot] = print_size(size_of(slot, wanted["size"]))
        return
    now = codec.decode(there)
    here = str(now.get(str(codec.default)) or "")
    if is_cdrom(there):
        rest |= _other_disc(codec, slot, wanted, here)
    else:
        _refuse_other_volume(slot, wanted, here)
        _move(change, slot, wanted, here)
        _grow(change, slot, wanted, now, here)
    if not codec.same(there, codec.merge(there, rest)):
        change.put[slot] = codec.patch(there, rest)


def new_volume(codec: PropertyString, slot: str, wanted: Mapping[str, Any]) -> str:
    """The value that allocates, imports or attaches a volume."""
    rest = {key: value for key, value in wanted.items() if key not in OUR_WORDS}
    storage, volume, image = wanted.get("storage"), wanted.get("volume"), wanted.get("import_from")
    if slot.startswith("mp") and not rest.get("mp"):
        raise BadInput(f"{slot}.mp is needed for a new mount point: where it appears inside the container")
    if bool(storage) == bool(volume):
        raise BadInput(f"{slot}: a new volume needs either storage (and size) or volume")
    if volume and wanted.get("size"):
        raise BadInput(f"{slot}.size: {volume} has a size", "Leave size out here; once it is attached it can grow")
    if volume and ":iso/" in volume and rest.get("media") != "cdrom":
        raise BadInput(f"{slot}: {volume} is a disc", f"Set {slot}.media to cdrom")
    if volume:
        return codec.encode(codec.decode({codec.default: volume, **rest}))
    size = 0 if image else size_of(slot, wanted.get("size") or _default_size(slot))
    if wanted.get("format"):
        rest["format"] = wanted["format"]
    if image:
        rest["import-from"] = image
    # an allocation is STORAGE:GIBIBYTES
    return codec.encode(codec.decode({codec.default: f"{storage}:{size / _GIB:.12g}", **rest}))


def _default_size(slot: str) -> str:
    if slot not in _DEFAULT_SIZE:
        raise BadInput(f"{slot}.size is needed for a new volume, for example 8G")
    return _DEFAULT_SIZE[slot]


def _remove(change: Change, slot: str, state: str) -> None:
    if state == "absent":
        change.destroy.append(slot)
    elif slot.startswith("unused"):
        raise BadInput(f"{slot}: it is detached already", "Set its state to absent to destroy it")
    else:
        change.delete.append(slot)


def _other_disc(codec: PropertyString, slot: str, wanted: Mapping[str, Any], here: str) -> dict[str, Any]:
    """Another disc in the drive. The cloud-init drive is one too, and stays where it is."""
    volume = wanted.get("volume")
    if not volume or volume == here or (is_cloudinit(volume) and is_cloudinit(here)):
        return {}
    if is_cloudinit(here):
        raise Refused(f"{slot} is the cloud-init drive ({here})", f"Put '{volume}' into another slot")
    return {str(codec.default): volume, "size": ""}


def _refuse_other_volume(slot: str, wanted: Mapping[str, Any], here: str) -> None:
    volume = wanted.get("volume")
    if volume and volume != here:
        raise Refused(
            f"{slot} holds {here}, and the task wants {volume} there",
            f"Detach what is there first (state: detached for {slot}), or use another slot",
        )


def _move(change: Change, slot: str, wanted: Mapping[str, Any], here: str) -> None:
    storage = wanted.get("storage")
    if storage and storage_of(here) != storage:
        if not storage_of(here):
            raise Refused(f"{slot} is {here}, which lies on no storage and cannot be moved to '{storage}'")
        change.move[slot] = {"storage": storage, **({"format": wanted["format"]} if wanted.get("format") else {})}


def _grow(change: Change, slot: str, wanted: Mapping[str, Any], now: Mapping[str, Any], here: str) -> None:
    if not wanted.get("size"):
        return
    if "size" not in now and not is_symbol(here):
        raise Refused(
            f"{slot}.size: how large {here} is does not stand in the configuration",
            "Write it down with 'qm disk rescan' or 'pct rescan' on the node, or leave size out",
        )
    have, want = int(now.get("size") or 0), size_of(slot, wanted["size"])
    if want < have:
        raise Refused(
            f"{slot}.size: it is {print_size(have)} and the task wants {wanted['size']}: a volume cannot shrink",
            "Make a smaller one and copy the data",
        )
    if want > have:
        change.grow[slot] = print_size(want)
