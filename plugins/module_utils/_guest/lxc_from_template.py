# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container from a template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput
from .._names import VOLID
from .._plan import Step
from .._privileges import Need
from .._storage import require_storage, sees_storage
from . import lxc_config
from .archive import content_path
from .bridges import bridge_needs
from .lxc_newborn import Newborn, is_volume


def from_template(newborn: Newborn) -> dict[str, Any]:
    """Add the creating step; returns the configuration that the container will have."""
    template = _template(newborn)
    data = lxc_config.whole(newborn.options)
    newborn.refuse_root_only(
        data,
        {"unprivileged": 1},
        "Create it with privileged_host (golden_lxc), or restore it from a backup that has the features",
    )
    reads_template = Need(f"/storage/{template.partition(':')[0]}", ("Datastore.Audit", "Datastore.AllocateSpace"))
    newborn.draft.step(
        Step(
            "create",
            newborn.target,
            "POST",
            f"/nodes/{newborn.node}/lxc",
            {"vmid": newborn.vmid, "ostemplate": template, **data, **newborn.extras()},
            why="it does not exist",
            needs=(
                *newborn.allocation(),
                *newborn.config_needs(data),
                *bridge_needs(data),
                *_space(data),
                *_privileged(data),
                reads_template,
            ),
            secrets=frozenset({"password"}),
        )
    )
    newborn.draft.undo({"op": "destroy", "target": newborn.target})
    newborn.draft.blast("low", f"creates {newborn.target}")
    newborn.draft.plan.blast.storages.add(newborn.storage)
    newborn.draft.consulted(newborn.target, {"exists": False})
    # what the server writes by itself
    return {"hostname": f"CT{newborn.vmid}", "memory": 512, "swap": 512, "unprivileged": 1, **data}


def _template(newborn: Newborn) -> str:
    """The template's volume id, which exists, and a storage for the root file system."""
    world, node = newborn.world, newborn.node
    template = VOLID.check("source.template", newborn.source["template"])
    if not newborn.storage:
        raise BadInput("rootfs.storage is needed to create a container: the storage for its root file system")
    require_storage(world, node, newborn.storage, "rootdir", "rootfs.storage")
    storage = template.partition(":")[0]
    require_storage(world, node, storage, "vztmpl", "source.template")
    if not sees_storage(world, storage):
        return template
    there = sorted(row["volid"] for row in world.get(content_path(node, storage), content="vztmpl"))
    if template not in there:
        shown = ", ".join(there) or "none"
        raise BadInput(f"source.template: '{template}' does not exist on node {node}; there: {shown}")
    return template


def _privileged(data: Mapping[str, Any]) -> tuple[Need, ...]:
    """A privileged container can reach the node."""
    return (Need("/", ("Sys.Modify",)),) if str(data.get("unprivileged", 1)) == "0" else ()


def _space(data: Mapping[str, Any]) -> tuple[Need, ...]:
    volumes = [str(data[slot]) for slot in filter(is_volume, data)]
    storages = [volume.partition(":")[0] for volume in volumes if not volume.startswith("/")]
    return tuple(Need(f"/storage/{storage}", ("Datastore.AllocateSpace",)) for storage in storages)
