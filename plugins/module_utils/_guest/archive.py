# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as a source: choosing one by volume id or by selector, and reading the configuration inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput, Refused
from .._names import STORAGE, VOLID
from .._privileges import Need, held
from .._storage import require_storage, sees_storage
from .._world import World

#: how the volume id of a backup names the kind of its guest: vzdump's files, and a Proxmox Backup Server's groups
_KIND_WORDS = {"vzdump-lxc-": "lxc", "vzdump-qemu-": "qemu", "backup/ct/": "lxc", "backup/vm/": "qemu"}
#: what chooses a backup
_SELECTS = ("volid", "storage", "guest", "name")


def content_path(node: str, storage: str) -> str:
    return f"/nodes/{node}/storage/{storage}/content"


def backups(world: World, node: str, storage: str, vmid: int | None = None) -> list[dict[str, Any]]:
    """The backups on a storage (of one guest), the oldest first; one that is only planned is the newest."""
    rows = [row for row in world.get(content_path(node, storage), content="backup") if row.get("content") == "backup"]
    if vmid is not None:
        rows = [row for row in rows if int(row.get("vmid") or 0) == vmid]
    return sorted(rows, key=lambda row: (row.get("ctime") is None, row.get("ctime") or 0))


def sees_backups(world: World, storage: str, vmid: int | None) -> bool:
    """May the credential see every backup on the storage (of one guest)? Unknown counts as yes: the read would tell.

    The server leaves out what the credential may not use (pve-storage: check_volume_access).
    """
    if world.is_root:
        return True
    permissions, space = world.permissions(), f"/storage/{storage}"
    if held(permissions, Need(space, ("Datastore.Allocate",))):
        return True
    return all(held(permissions, need) is not False for need in _sight_of(storage, vmid))


def _rely_on_sight(world: World, storage: str, vmid: int | None) -> None:
    for need in _sight_of(storage, vmid):
        world.relies_on(need)


def _sight_of(storage: str, vmid: int | None) -> tuple[Need, Need]:
    """What shows the backups of a guest (of every guest) to a credential that may not allocate the storage."""
    return Need(f"/storage/{storage}", ("Datastore.AllocateSpace",)), Need(f"/vms/{vmid or '*'}", ("VM.Backup",))


def require_sight(world: World, storage: str, vmid: int | None) -> None:
    """Raise Refused where a list without backups is unknown, not empty."""
    _rely_on_sight(world, storage, vmid)
    if not sees_backups(world, storage, vmid):
        raise Refused(
            f"Whether storage '{storage}' has such a backup is unknown: {world.identity} may not see them",
            f"Grant VM.Backup on {_guests(vmid)} and Datastore.AllocateSpace on /storage/{storage}",
        )


def _guests(vmid: int | None) -> str:
    return f"/vms/{vmid}" if vmid else "/vms"


def backup_name(row: Mapping[str, Any]) -> str:
    """The name that a backup was given: the first line of its notes."""
    return str(row.get("notes") or "").partition("\n")[0]


def kind_of(row: Mapping[str, Any]) -> str:
    """The kind of guest in a backup, "" where neither the storage nor the name tells."""
    subtype = str(row.get("subtype") or "")
    named = next((kind for word, kind in _KIND_WORDS.items() if word in str(row["volid"])), "")
    return subtype if subtype in _KIND_WORDS.values() else named


def choose(world: World, node: str, selector: Mapping[str, Any], kind: str = "") -> dict[str, Any]:
    """The backup that `source.archive` means, with the `storage` that holds it, or BadInput saying what is there.

    `kind`: of which kind of guest it must be.
    """
    volid, storage = selector.get("volid"), selector.get("storage")
    if volid:
        VOLID.check("source.archive.volid", volid)
        storage = volid.partition(":")[0]
    if not storage:
        raise BadInput("source.archive needs volid, or storage with guest or name")
    STORAGE.check("source.archive.storage", storage)
    require_storage(world, node, storage, "backup", "source.archive")
    if not sees_storage(world, storage):
        require_sight(world, storage, selector.get("guest"))
    rows = backups(world, node, storage, None if volid else selector.get("guest"))
    if kind and not volid:
        rows = [row for row in rows if kind_of(row) in ("", kind)]
    if volid:
        rows = [row for row in rows if row["volid"] == volid]
    if selector.get("name"):
        rows = [row for row in rows if backup_name(row) == selector["name"]]
    if not rows:
        require_sight(world, storage, selector.get("guest"))
        wanted = {key: selector[key] for key in _SELECTS if selector.get(key) is not None}
        raise BadInput(
            f"No backup on storage '{storage}' of node {node} matches {wanted}",
            "backup_info lists what is there",
        )
    if len(rows) > 1 and not selector.get("newest"):
        names = ", ".join(row["volid"] for row in rows)
        raise BadInput(
            f"source.archive matches {len(rows)} backups: {names}",
            "Set newest: true, or name one by volid",
        )
    _rely_on_sight(world, storage, rows[-1].get("vmid"))
    if kind and kind_of(rows[-1]) not in ("", kind):
        raise BadInput(f"source.archive: {rows[-1]['volid']} is a backup of a {kind_of(rows[-1])} guest, not of {kind}")
    return {**rows[-1], "storage": storage}


def archived_config(world: World, node: str, volid: str) -> dict[str, Any]:
    """The guest configuration inside a backup."""
    return parse_config(world.get(f"/nodes/{node}/vzdump/extractconfig", volume=volid))


def parse_config(text: str) -> dict[str, Any]:
    """A guest's configuration file without its snapshots (`key: value` lines; comments are the description)."""
    config: dict[str, Any] = {}
    for line in text.splitlines():
        if line.startswith("["):
            break
        key, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            config[key.strip()] = value.strip()
    return config


def print_config(config: Mapping[str, Any]) -> str:
    """The configuration as a backup holds it, for one that is only planned."""
    return "".join(f"{key}: {value}\n" for key, value in sorted(config.items()) if "\n" not in str(value))
