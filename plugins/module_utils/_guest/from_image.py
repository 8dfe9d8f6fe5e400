# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine from a disk image (a cloud image), or with the disc of an installer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput
from .files import require_file
from .from_nothing import create
from .newborn import Made, Newborn

_CLOUD_INIT_SLOT = "ide2"


def from_image(newborn: Newborn) -> Made:
    """Add the creating step: the image becomes the disk of a slot, with what the task says of that disk."""
    image, options = newborn.source["image"], newborn.options
    slot = newborn.table.check_slot("disks", image["slot"])
    said = _disk(options, slot)
    storage = said.get("storage") or image.get("storage")
    if not storage:
        raise BadInput("source.image.storage is needed: the storage for the disk that is made from the image")
    made_from = {"import_from": image["volid"], "storage": storage, "format": said.get("format") or image.get("format")}
    changed = _with_disk(options, slot, {**said, **made_from})
    if options.get("boot") is None:
        changed["boot"] = [slot]
    cloud_init = options.get("cloud_init")
    if cloud_init and not cloud_init.get("storage"):
        changed["cloud_init"] = {**cloud_init, "storage": storage}
    return create(newborn, changed)


def from_iso(newborn: Newborn) -> Made:
    """Add the creating step: the disc lies in a drive, which the machine boots while its first disk is empty."""
    iso, options = newborn.source["iso"], newborn.options
    slot = newborn.table.check_slot("disks", iso.get("slot") or _free_drive(options))
    disks = [element["slot"] for element in options.get("disks") or [] if _is_disk(element, slot)]
    changed = _with_disk(options, slot, {"volume": iso["volid"], "media": "cdrom"})
    if options.get("boot") is None:
        changed["boot"] = [*disks[:1], slot]
    return create(
        newborn, changed, needs=require_file(newborn.world, newborn.node, iso["volid"], "iso", "source.iso.volid")
    )


def _free_drive(options: Mapping[str, Any]) -> str:
    """ide2, where neither cloud-init nor another disk is."""
    taken = {element["slot"] for element in options.get("disks") or []}
    if options.get("cloud_init"):
        taken.add(options["cloud_init"].get("slot") or _CLOUD_INIT_SLOT)
    return next((slot for slot in ("ide2", "ide3", "ide1", "ide0") if slot not in taken), "sata5")


def _is_disk(element: Mapping[str, Any], drive: str) -> bool:
    """Is it a disk to boot from?"""
    here = (element.get("state") or "present") == "present"
    return here and element["slot"] != drive and element.get("media") != "cdrom"


def _disk(options: Mapping[str, Any], slot: str) -> dict[str, Any]:
    """What the task says of the disk at a slot."""
    return next((dict(element) for element in options.get("disks") or [] if element["slot"] == slot), {})


def _with_disk(options: Mapping[str, Any], slot: str, disk: Mapping[str, Any]) -> dict[str, Any]:
    """The options with this disk at a slot."""
    others = [element for element in options.get("disks") or [] if element["slot"] != slot]
    return {**options, "disks": [*others, {**disk, "slot": slot}]}
