# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest from nothing: one call makes it with its whole configuration and all of its disks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._codec import print_size
from .._privileges import Need
from . import config as configs
from .bridges import bridge_needs
from .change import Change
from .files import image_size, reads, reads_image, refuse_smaller
from .newborn import Made, Newborn
from .options import is_cdrom
from .volumes import size_of, storage_of, volume_codec, volume_of

#: what the server writes by itself; "" is left to it
_WRITTEN = {"lxc": {"memory": 512, "swap": 512, "unprivileged": 1}, "qemu": {}}
_INSTEAD = {
    "lxc": "Create it with privileged_host (golden_lxc), or restore it from a backup that has it",
    "qemu": "Log in as root@pam with api_password for this task",
}


def from_nothing(newborn: Newborn) -> Made:
    """Add the creating step of a machine without a source."""
    return create(newborn, newborn.options)


def create(
    newborn: Newborn,
    options: Mapping[str, Any],
    call: Mapping[str, Any] | None = None,
    needs: tuple[Need, ...] = (),
) -> Made:
    """Add the step that creates a guest as `options` say. `call`: parameters that are no configuration."""
    table, kind = newborn.table, newborn.table.kind
    data = configs.whole(table, options)
    newborn.refuse_root_only(data, {"unprivileged": 1} if kind == "lxc" else {}, _INSTEAD[kind])
    sizes, change = _imports(newborn, options)
    written: dict[str, Any] = dict(_WRITTEN[kind])
    if kind == "lxc":
        written["hostname"] = f"CT{newborn.vmid}"
    config = newborn.planned({**written, **_with_sizes(newborn, data, sizes)})
    newborn.make(
        "create",
        f"/nodes/{newborn.node}/{kind}",
        {"vmid": newborn.vmid, **data, "pool": newborn.pool, **(call or {})},
        why="it does not exist",
        needs=(
            *newborn.config_needs(data),
            *bridge_needs(table, data),
            *newborn.takes_space(config),
            *_reading(newborn, options, data),
            *_privileged(newborn, data),
            *needs,
        ),
    )
    newborn.draft.blast("low", f"creates {newborn.target}")
    return Made(config, change)


def _imports(newborn: Newborn, options: Mapping[str, Any]) -> tuple[dict[str, int], Change]:
    """slot -> bytes of the image that it is made from, and what has to grow after that."""
    sizes: dict[str, int] = {}
    change = Change()
    for slot, image in _images(newborn, options).items():
        volid = image["import_from"]
        size = image_size(newborn.world, newborn.node, volid, f"{slot}.import_from")
        if size is not None:
            sizes[slot] = size
        if image.get("size"):
            wanted = size_of(slot, image["size"])
            refuse_smaller(slot, wanted, size, volid)
            if wanted != size:
                change.grow[slot] = print_size(wanted)
    return sizes, change


def _images(newborn: Newborn, options: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the task says of the volumes that are made from an image."""
    table = newborn.table
    said = configs.wanted(table, options, {})
    return {slot: value for slot, value in said.items() if table.is_volume(slot) and value.get("import_from")}


def _with_sizes(newborn: Newborn, data: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """Imported disks have the size of their image."""
    sized = dict(data)
    for slot, size in sizes.items():
        codec = volume_codec(newborn.table, slot)
        sized[slot] = codec.encode({**codec.decode(data[slot]), "size": size})
    return sized


def _reading(newborn: Newborn, options: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[Need, ...]:
    """The discs that are put into drives, and the images that disks are made from."""
    images = [need for image in _images(newborn, options).values() for need in reads_image(image["import_from"])]
    drives = [slot for slot in data if newborn.table.is_volume(slot) and is_cdrom(str(data[slot]))]
    discs = [volume_of(volume_codec(newborn.table, slot), data[slot]) for slot in drives]
    return (*images, *(reads(disc) for disc in discs if storage_of(disc)))


def _privileged(newborn: Newborn, data: Mapping[str, Any]) -> tuple[Need, ...]:
    """A privileged container can reach the node."""
    privileged = newborn.table.kind == "lxc" and str(data.get("unprivileged", 1)) == "0"
    return (Need("/", ("Sys.Modify",)),) if privileged else ()
