# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest as a copy of another one, or of one of its snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput, Refused
from .._names import SNAPSHOT, segment
from .._plan import is_symbol
from .._privileges import Need
from .._storage import require_storage, storages
from . import config as configs
from .bridges import bridge_needs
from .lookup import Guest
from .newborn import Made, Newborn
from .power import read_state
from .volumes import storage_of, volume_codec, volume_of

#: keys of the origin's configuration that a copy does not take over
_NOT_COPIED = frozenset(
    {
        *("digest", "parent", "lock", "template", "snaptime", "snapstate", "vmstate"),
        *("runningmachine", "runningcpu", "running-nets-host-mtu"),
    }
)
#: what the server calls a copy that is not given a name
_NAMELESS = {"lxc": "{}", "qemu": "Copy-of-VM-{}"}


def from_clone(newborn: Newborn) -> Made:
    """Add the cloning step."""
    table, options, origin = newborn.table, newborn.options, newborn.origin
    if origin is None:
        raise TypeError("a clone without an origin")
    wanted = newborn.source["clone"]
    have = _copied_config(newborn, origin)
    storage = wanted.get("storage") or (options.get("rootfs") or {}).get("storage") or ""
    _refuse_impossible(newborn, origin, have)
    if not wanted["full"]:
        storage = ""
    _refuse_other_node(newborn, origin, have, storage)
    config = _copy(newborn, origin, have, storage)
    space = newborn.takes_space(config, "source.clone.storage" if storage else "")
    newborn.make(
        "clone",
        f"{origin.path}/clone",
        {
            "newid": newborn.vmid,
            "full": int(wanted["full"]),
            table.name_key: options.get("name"),
            "description": options.get("description"),
            "pool": newborn.pool,
            "snapname": wanted.get("snapshot"),
            "storage": storage,
            "format": wanted.get("format"),
            "target": newborn.node if newborn.node != origin.node else None,
        },
        why=f"it does not exist; copied from {origin.target}",
        needs=(
            Need(f"/vms/{origin.vmid}", ("VM.Clone",)),
            *space,
            *bridge_needs(table, have),
            *newborn.mapping_needs(have),
        ),
    )
    change = configs.difference(table, options, config)
    if newborn.source["keep_identity"]:  # the server gives the interfaces of every clone new addresses
        change.put.update(_with_macs(newborn, have, {**config, **change.put}))
    newborn.refuse_root_only(change.merged(), config, "A clone keeps what its origin has; leave it out")
    newborn.draft.blast("low", f"creates {newborn.target} from {origin.target}")
    newborn.draft.consulted(origin.target, have)
    return Made(config, change)


def _copied_config(newborn: Newborn, origin: Guest) -> dict[str, Any]:
    """What is copied: the configuration of the origin as it is now, or of its snapshot. What waits is left out."""
    snapshot = newborn.source["clone"].get("snapshot")
    if snapshot:
        name = segment(SNAPSHOT.check("source.clone.snapshot", snapshot))
        config = newborn.world.get(f"{origin.path}/snapshot/{name}/config")
    else:
        config = {**(origin.config or {}), **origin.pending}
    return {
        key: value
        for key, value in config.items()
        if value is not None and key not in _NOT_COPIED and not key.startswith("unused")
    }


def _copy(newborn: Newborn, origin: Guest, have: Mapping[str, Any], storage: str) -> dict[str, Any]:
    """The configuration of the copy: the server chooses what two guests must not share."""
    options, key = newborn.options, newborn.table.name_key
    nameless = _NAMELESS[newborn.table.kind].format(have.get(key) or origin.vmid)
    config = {
        **have,
        **newborn.without_macs(have),
        **newborn.copied_volumes(have, storage),
        **newborn.new_ids(have, uuid=True),
        key: options.get("name") or nameless,
    }
    if options.get("description"):
        config["description"] = options["description"]
    return newborn.planned(config)


def _with_macs(newborn: Newborn, origin: Mapping[str, Any], copy: Mapping[str, Any]) -> dict[str, str]:
    """The interfaces of a copy with the addresses of its origin, where the task gives no other."""
    table, mac = newborn.table, newborn.table.mac_key
    nets = {}
    for slot in filter(table.is_net, origin):
        codec = table.codec(slot)
        nic, own = codec.decode(copy[slot]) if slot in copy else {}, codec.decode(origin[slot]).get(mac)
        if own and nic and is_symbol(str(nic.get(mac))):
            nets[slot] = codec.encode({**nic, mac: own})
    return nets


# -- what the server would refuse ------------------------------------------------------------------------------------


def _refuse_impossible(newborn: Newborn, origin: Guest, have: Mapping[str, Any]) -> None:
    wanted = newborn.source["clone"]
    snapshot = wanted.get("snapshot")
    if not wanted["full"]:
        for name in ("storage", "format"):
            if wanted.get(name):
                raise BadInput(f"source.clone.{name}: a linked clone lies where its template does", "Leave it out")
        # some storages link to a snapshot, too; the server says so where they do not
        if not (origin.config or {}).get("template") and not snapshot:
            raise Refused(
                f"{origin.target} is not a template: only a template can have linked clones",
                "Set source.clone.full: true, or make it a template first",
            )
        return
    host = [slot for slot in have if newborn.table.is_volume(slot) and _is_host_path(newborn, slot, have[slot])]
    if host and origin.kind == "lxc":
        raise Refused(
            f"{origin.target} has {host[0]} ({have[host[0]]}): a container with a bind mount cannot be copied",
            "Remove the mount point first, and give it to the copy",
        )
    uncopied = origin.kind == "lxc" or "tpmstate0" in have
    if snapshot or not uncopied or read_state(newborn.world, origin)["power"] == "stopped":
        return
    what = "only a stopped container" if origin.kind == "lxc" else "the state of a TPM only when it is stopped,"
    raise Refused(
        f"{origin.target} is running: {what} or a snapshot can be copied",
        "Stop it first, or name source.clone.snapshot",
    )


def _is_host_path(newborn: Newborn, slot: str, text: Any) -> bool:
    return volume_of(volume_codec(newborn.table, slot), text).startswith("/")


def _refuse_other_node(newborn: Newborn, origin: Guest, have: Mapping[str, Any], storage: str) -> None:
    """A copy for another node is made where the origin is, and handed over: both must see its volumes."""
    if newborn.node == origin.node:
        return
    here = storages(newborn.world, origin.node)
    for slot in filter(newborn.table.is_volume, have):
        volume = volume_of(volume_codec(newborn.table, slot), have[slot])
        if _is_local(here, storage_of(volume)):
            raise Refused(
                f"{origin.target} has {slot} on storage '{storage_of(volume)}' ({volume}), which node {origin.node}"
                f" does not share: a copy of it cannot be made on {newborn.node}",
                f"Clone it on {origin.node} and migrate the copy in a second task, or move the volume first",
            )
    if _is_local(here, storage):
        raise Refused(
            f"source.clone.storage: '{storage}' is not shared, and the copy is to be on another node ({newborn.node})",
            f"Name a shared storage, or clone on {origin.node}",
        )
    if storage:
        require_storage(newborn.world, origin.node, storage, newborn.table.content, "source.clone.storage")


def _is_local(seen: Mapping[str, Mapping[str, Any]], storage: str) -> bool:
    """Is the storage certainly not shared?"""
    return storage in seen and str(seen[storage].get("shared", 0)) != "1"
