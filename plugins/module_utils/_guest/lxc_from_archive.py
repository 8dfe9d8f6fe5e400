# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container from a backup: a restore.

Identity (MAC, hostname as asked) is reset in the restore call itself, before the first start. The features of the
archive are kept, which no API token could set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import Refused
from .._plan import Step
from .._privileges import Need
from .._storage import require_storage
from . import lxc_config
from .archive import archived_config, choose
from .bridges import bridge_needs
from .lookup import without_digest
from .lxc_newborn import Newborn, is_net, without_macs
from .lxc_options import NET, VOLUME
from .power import read_state

#: keys of an archived configuration that a restore does not bring back
_NOT_RESTORED = frozenset({"parent", "lock", "template", "digest"})


def from_archive(newborn: Newborn) -> dict[str, Any]:
    """Add the restoring steps; returns the configuration that the container will have."""
    _refuse_overwriting(newborn)
    world, node, over, draft = newborn.world, newborn.node, newborn.over, newborn.draft
    archive = choose(world, node, newborn.source["archive"])
    volid = archive["volid"]
    inside = archived_config(world, node, volid)
    kept = {key: inside[key] for key in inside if key not in _NOT_RESTORED and not key.startswith("unused")}
    storage = newborn.storage or str(VOLUME.decode(kept["rootfs"])["volume"]).partition(":")[0]
    require_storage(world, node, storage, "rootdir", "rootfs.storage")
    identity = {} if newborn.source["keep_identity"] else without_macs(kept)
    change = lxc_config.difference({**newborn.options, "rootfs": None}, {**kept, **identity})
    newborn.refuse_root_only(
        change.merged(), kept, "A restore keeps the features of the archive as they are; leave features out"
    )
    overrides = {**identity, **change.put}
    draft.step(
        Step(
            "restore",
            newborn.target,
            "POST",
            f"/nodes/{node}/lxc",
            {
                "vmid": newborn.vmid,
                "ostemplate": volid,
                "restore": 1,
                "storage": storage,
                **overrides,
                **newborn.extras(),
                **_unique(newborn, overrides),
                **({"force": 1} if over else {}),
            },
            why=f"overwritten by {volid}" if over else f"it does not exist; restored from {volid}",
            needs=(
                *newborn.allocation(),
                *newborn.config_needs(overrides),
                *bridge_needs({**kept, **overrides}),
                Need(f"/storage/{storage}", ("Datastore.AllocateSpace",)),
                *_reading(newborn, archive),
            ),
            secrets=frozenset({"password"}),
        )
    )
    config = {**kept, **overrides, **newborn.copied_volumes(kept, storage)}
    left = lxc_config.Change(delete=change.delete)
    newborn.adjust(left, config, "the archive has what the task removes")
    draft.consulted(newborn.target, without_digest(over.config) if over else {"exists": False})
    draft.consulted(f"backup/{volid}", inside)
    draft.plan.blast.storages.add(storage)
    if over:
        draft.cannot_undo("what the container held before is overwritten; only a backup of it brings it back")
        draft.blast("high", f"overwrites {newborn.target} and everything in it")
    else:
        draft.undo({"op": "destroy", "target": newborn.target})
        draft.blast("low", f"creates {newborn.target} from {volid}")
    return config


def _refuse_overwriting(newborn: Newborn) -> None:
    over = newborn.over
    if over is None:
        return
    power = read_state(newborn.world, over)
    newborn.draft.plan.state = power
    if power["power"] == "running":
        raise Refused(f"{over.target} is running: a restore does not overwrite a running container", "Stop it first")
    if (over.config or {}).get("protection"):
        raise Refused(f"{over.target} is protected", "Set protection: false first")


def _unique(newborn: Newborn, overrides: Mapping[str, Any]) -> dict[str, int]:
    """Ask the server for new MACs, unless the task chose one, which `unique` would replace."""
    chosen = any("hwaddr" in NET.decode(overrides[slot]) for slot in filter(is_net, overrides))
    return {} if chosen or newborn.source["keep_identity"] else {"unique": 1}


def _reading(newborn: Newborn, archive: Mapping[str, Any]) -> tuple[Need, ...]:
    """Reading a backup: its storage, and its guest where that is another one (pve-storage: check_volume_access)."""
    space = Need(f"/storage/{archive['storage']}", ("Datastore.AllocateSpace",))
    owner = int(archive.get("vmid") or newborn.vmid)
    return (space,) if owner == newborn.vmid else (space, Need(f"/vms/{owner}", ("VM.Backup",)))
