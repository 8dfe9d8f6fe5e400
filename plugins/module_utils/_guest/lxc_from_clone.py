# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as a copy of another one."""

from __future__ import annotations

from typing import Any

from .._plan import Step
from .._privileges import Need
from .._storage import require_storage
from . import lxc_config
from .lookup import require
from .lxc_newborn import Newborn, is_volume

#: keys of the origin's configuration that a copy does not take over
_NOT_COPIED = frozenset({"digest", "parent", "lock", "template"})


def from_clone(newborn: Newborn) -> dict[str, Any]:
    """Add the cloning steps; returns the configuration that the container will have."""
    options, world, draft = newborn.options, newborn.world, newborn.draft
    wanted = newborn.source["clone"]
    origin = require(world, "lxc", wanted.get("vmid"), wanted.get("name"), None)
    have = {key: value for key, value in (origin.config or {}).items() if key not in _NOT_COPIED}
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
            needs=(Need(f"/vms/{origin.vmid}", ("VM.Clone",)), *newborn.allocation(), *space),
        )
    )
    config = {**have, **newborn.fresh_identity(have), **newborn.copied_volumes(have, storage)}
    config["hostname"] = options.get("name") or have.get("hostname") or f"CT{newborn.vmid}"
    change = lxc_config.difference({**options, "rootfs": None, "name": None}, config)
    newborn.refuse_root_only(change.merged(), have, "A clone keeps the features of its origin; leave features out")
    newborn.adjust(change, config, "differs from its origin")
    draft.undo({"op": "destroy", "target": newborn.target})
    draft.blast("low", f"creates {newborn.target} from {origin.target}")
    draft.consulted(newborn.target, {"exists": False})
    draft.consulted(origin.target, have)
    return config
