# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as a copy of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import Refused
from .._names import segment
from .._plan import Step
from .._privileges import Need
from .._storage import require_storage
from . import lxc_config
from .bridges import bridge_needs
from .lookup import Guest, require
from .lxc_newborn import Newborn, is_net, is_volume, without_macs
from .lxc_options import NET
from .power import read_state

#: keys of the origin's configuration that a copy does not take over
_NOT_COPIED = frozenset({"digest", "parent", "lock", "template", "snaptime", "snapstate"})


def from_clone(newborn: Newborn) -> dict[str, Any]:
    """Add the cloning steps; returns the configuration that the container will have."""
    options, world, draft = newborn.options, newborn.world, newborn.draft
    wanted = newborn.source["clone"]
    origin = require(world, "lxc", wanted.get("vmid"), wanted.get("name"), None)
    have = _copied_config(newborn, origin)
    _refuse_impossible(newborn, origin)
    storage = newborn.storage if wanted["full"] else ""
    if storage:
        require_storage(world, newborn.node, storage, "rootdir", "rootfs.storage")
    used = {storage} if storage else {have[slot].partition(":")[0] for slot in filter(is_volume, have)}
    space = tuple(Need(f"/storage/{name}", ("Datastore.AllocateSpace",)) for name in sorted(used))
    draft.plan.blast.storages |= used
    call = {
        "newid": newborn.vmid,
        "full": int(wanted["full"]),
        "hostname": options.get("name"),
        "pool": newborn.pool,
        "snapname": wanted.get("snapshot"),
        "storage": storage,
        "target": newborn.node if newborn.node != origin.node else None,
    }
    draft.step(
        Step(
            "clone",
            newborn.target,
            "POST",
            f"{origin.path}/clone",
            {key: value for key, value in call.items() if value not in (None, "")},
            why=f"it does not exist; copied from {origin.target}",
            needs=(
                Need(f"/vms/{origin.vmid}", ("VM.Clone",)),
                *newborn.allocation(),
                *space,
                *bridge_needs(have),
            ),
        )
    )
    config = {**have, **without_macs(have), **newborn.copied_volumes(have, storage)}
    config["hostname"] = options.get("name") or have.get("hostname") or f"CT{newborn.vmid}"
    change = lxc_config.difference({**options, "rootfs": None, "name": None}, config)
    if newborn.source["keep_identity"]:  # the server gives the interfaces of every clone new addresses
        change.put.update(_with_macs(have, {**config, **change.put}))
    newborn.refuse_root_only(change.merged(), have, "A clone keeps the features of its origin; leave features out")
    newborn.adjust(change, config, "differs from its origin")
    draft.undo({"op": "destroy", "target": newborn.target})
    draft.blast("low", f"creates {newborn.target} from {origin.target}")
    draft.consulted(newborn.target, {"exists": False})
    draft.consulted(origin.target, have)
    return config


def _copied_config(newborn: Newborn, origin: Guest) -> dict[str, Any]:
    """What is copied: the configuration of the origin, or of its snapshot."""
    snapshot = newborn.source["clone"].get("snapshot")
    path = f"{origin.path}/snapshot/{segment(snapshot)}/config" if snapshot else ""
    config = newborn.world.get(path) if path else origin.config or {}
    return {key: value for key, value in config.items() if key not in _NOT_COPIED and not key.startswith("unused")}


def _refuse_impossible(newborn: Newborn, origin: Guest) -> None:
    """What the server would refuse."""
    wanted = newborn.source["clone"]
    if not wanted["full"] and not (origin.config or {}).get("template"):
        raise Refused(
            f"{origin.target} is not a template: only a template can have linked clones",
            "Set source.clone.full: true, or make it a template first",
        )
    if wanted["full"] and not wanted.get("snapshot") and read_state(newborn.world, origin)["power"] == "running":
        raise Refused(
            f"{origin.target} is running: only a stopped container or a snapshot can be copied",
            "Stop it first, or name source.clone.snapshot",
        )


def _with_macs(origin: Mapping[str, Any], copy: Mapping[str, Any]) -> dict[str, str]:
    """The interfaces of a copy with the addresses of its origin, where the task gives no other."""
    macs = {slot: NET.decode(origin[slot]).get("hwaddr") for slot in filter(is_net, origin)}
    nets = {slot: NET.decode(copy[slot]) for slot in filter(is_net, copy)}
    return {slot: NET.encode({"hwaddr": macs[slot], **nic}) for slot, nic in nets.items() if macs.get(slot)}
