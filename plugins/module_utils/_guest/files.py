# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What storages hold to make guests from: templates, discs and disk images."""

from __future__ import annotations

import re

from .._codec import print_size
from .._errors import ApiError, BadInput, PermissionDenied, Refused
from .._names import VOLID, check_text, segment
from .._plan import is_symbol
from .._privileges import Need
from .._reads import dispensable
from .._storage import require_storage, sees_storage
from .._world import World
from .archive import content_path
from .volumes import storage_of

_OWNER = re.compile(r"\b(?:vm|base|subvol)-(\d+)-")
#: an archive of images, which the server only looks into when it imports
_PACKED = ".ova/"


def require_file(world: World, node: str, volid: str, content: str, option: str) -> tuple[Need, ...]:
    """Raise BadInput where a storage of the node has no such template or disc; returns what reading it needs."""
    storage = VOLID.check(option, volid).partition(":")[0]
    require_storage(world, node, storage, content, option)
    if sees_storage(world, storage):
        there = _listed(world, node, storage, content)
        if volid not in there:
            shown = ", ".join(there) or "none"
            raise BadInput(f"{option}: '{volid}' does not exist on node {node}; there: {shown}")
    return (reads(volid),)


def reads(volid: str) -> Need:
    """The right to read a file of a storage."""
    return Need(f"/storage/{storage_of(volid)}", ("Datastore.Audit", "Datastore.AllocateSpace"))


def reads_image(volid: str) -> tuple[Need, ...]:
    """The right to copy an image: whoever reads the disk of a guest clones it."""
    owner = _OWNER.search(volid)
    if volid.startswith("/"):
        return ()
    return (Need(f"/vms/{owner[1]}", ("VM.Clone",)),) if owner else (reads(volid),)


def image_size(world: World, node: str, volid: str, option: str) -> int | None:
    """The bytes of the disk inside an image; None where that cannot be known before it is imported."""
    if volid.startswith("/"):
        _refuse_path(world, check_text(option, volid), option)
        return None
    storage, _colon, name = VOLID.check(option, volid).partition(":")
    if is_symbol(volid):
        return None
    content = "import" if name.startswith("import/") else "images"
    if name.startswith(("iso/", "vztmpl/", "backup/")):
        raise BadInput(
            f"{option}: '{volid}' has the content {name.partition('/')[0]}, which cannot be imported",
            "Store the image with content 'import', with a name that ends in .qcow2, .raw or .vmdk",
        )
    require_storage(world, node, storage, content, option)
    if not sees_storage(world, storage) or _PACKED in name:
        return None
    try:
        path = "/".join(segment(part) for part in volid.split("/"))
        with dispensable():
            return int(world.get(f"{content_path(node, storage)}/{path}")["size"])
    except PermissionDenied:
        return None
    except ApiError as error:
        there = ", ".join(_listed(world, node, storage, content)) or "none"
        raise BadInput(
            f"{option}: '{volid}' cannot be read on node {node} ({error.message}); there as {content}: {there}"
        ) from None


def refuse_smaller(slot: str, size: int, image: int | None, volid: str) -> None:
    """Raise Refused where a disk would have to be smaller than the image that it is made from."""
    if image is not None and size < image:
        raise Refused(
            f"{slot}.size: {print_size(size)} is less than the disk in {volid} has ({print_size(image)})",
            "A disk cannot shrink: give at least the size of the image",
        )


def _refuse_path(world: World, path: str, option: str) -> None:
    if not world.is_root:
        raise Refused(
            f"{option}: {path} is a path on the node, which only root@pam with its password may import;"
            f" {world.identity} cannot do it",
            "Put the image on a storage (content 'import') and name its volume id",
        )


def _listed(world: World, node: str, storage: str, content: str) -> list[str]:
    return sorted(row["volid"] for row in world.get(content_path(node, storage), content=content))
