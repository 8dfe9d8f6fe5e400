# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a guest comes to be: from a template, a backup, another guest, a disk image, a disc, or from nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .._errors import BadInput, StewardError
from .._plan import Plan
from .._world import World
from . import cloud_init, effects
from .from_archive import from_archive
from .from_clone import from_clone
from .from_image import from_image, from_iso
from .from_nothing import from_nothing
from .from_template import from_template
from .identity import identity
from .limits import check_limits
from .lookup import Guest, config_now, twins, without_digest
from .newborn import Made, Newborn
from .node_state import tell
from .options import Table
from .power import new_state, plan_power
from .template import plan_template
from .wait_for import plan_wait

_TEXT = {"type": "str"}
_NO = {"type": "bool", "default": False}
_FORMAT = {"type": "str", "choices": ["raw", "qcow2", "vmdk"]}

_CLONE = {
    "vmid": {"type": "int"},
    "name": _TEXT,
    "full": {"type": "bool", "default": True},
    "snapshot": _TEXT,
    "storage": _TEXT,
}
_ARCHIVE = {
    "volid": _TEXT,
    "storage": _TEXT,
    "guest": {"type": "int"},
    "name": _TEXT,
    "newest": {"type": "bool", "default": True},
    "restore_storage": _TEXT,
}


def _spec(**sources: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "dict",
        "mutually_exclusive": [list(sources)],
        "options": {**sources, "keep_identity": _NO},
    }


def _dict(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "dict", "options": options}


#: the option `source` of each kind of guest
SOURCE_SPECS: dict[str, dict[str, Any]] = {
    "lxc": _spec(template=_TEXT, archive=_dict(_ARCHIVE), clone=_dict(_CLONE)),
    "qemu": _spec(
        archive=_dict({**_ARCHIVE, "live": _NO}),
        clone=_dict({**_CLONE, "format": _FORMAT}),
        image=_dict(
            {
                "volid": {**_TEXT, "required": True},
                "slot": {**_TEXT, "default": "scsi0"},
                "storage": _TEXT,
                "format": _FORMAT,
            }
        ),
        iso=_dict({"volid": {**_TEXT, "required": True}, "slot": _TEXT}),
    ),
}

#: source -> the planner that adds the making step
_MAKERS: dict[str, Callable[[Newborn], Made]] = {
    "template": from_template,
    "archive": from_archive,
    "clone": from_clone,
    "image": from_image,
    "iso": from_iso,
}


def give_birth(table: Table, options: Mapping[str, Any], world: World, over: Guest | None) -> Plan:
    """The plan that makes the guest, configures it and brings it to its power state.

    `over`: the guest that a restore overwrites.
    """
    newborn = Newborn(table, options, world, over)
    made = _maker(newborn)(newborn)
    draft, plan = newborn.draft, newborn.draft.plan
    _is_born(newborn, made)
    config = newborn.converge(made)
    draft.guest = replace(draft.guest, config=config)
    check_limits(options, world, draft, table, config, over.config if over else None)
    _show(newborn, config)
    power = {**new_state(), "power": "running" if made.running else "stopped"}
    becomes = plan_power(draft, options["state"], power, options)
    if options["state"] == "template" and not config.get("template"):
        config = {**config, **plan_template(draft, table, config)}
    plan_wait(draft, world, options, becomes, config)
    plan.steps = [replace(step, needs=tuple(map(newborn.through_pool, step.needs))) for step in plan.steps]
    plan.result |= {"vmid": newborn.vmid, "node": newborn.node, "config": config, "pending": []}
    plan.finish = _finish(newborn)
    _warn(newborn, config)
    _tell_way_back(newborn, config)
    tell(draft, world)
    return draft.done()


def _is_born(newborn: Newborn, made: Made) -> None:
    """What is there after the making step: for later tasks of a --check run, and for the steps that follow."""
    table, plan, draft = newborn.table, newborn.draft.plan, newborn.draft
    config = made.config
    plan.steps[0] = replace(plan.steps[0], yields=newborn.learned(config))
    name = str(config.get(table.name_key) or _unnamed(newborn))
    plan.effects = effects.born(table.kind, newborn.node, newborn.vmid, name, config, newborn.pool)
    if made.running:
        plan.effects += effects.powered(table.kind, newborn.node, newborn.vmid, "running")
    draft.guest = replace(draft.guest, config=config)


def _tell_way_back(newborn: Newborn, config: Mapping[str, Any]) -> None:
    """Whatever the steps after the first did goes with the guest."""
    draft = newborn.draft
    if newborn.over:
        draft.cannot_undo("what the guest held before is overwritten; only a backup of it brings it back", whole=True)
    else:
        draft.undo("destroy", whole=True, node=newborn.node, born=identity(newborn.table, config))


def _show(newborn: Newborn, config: Mapping[str, Any]) -> None:
    """Before and after, without what changes on the way."""
    plan, over = newborn.draft.plan, newborn.over
    plan.before = without_digest(over.config) if over else {"exists": False}
    plan.after = {**({} if over else {"exists": True}), **config}
    plan.state = plan.state or {"power": "absent", "lock": None, "ha": "unmanaged"}
    newborn.tell_space(config)


def _maker(newborn: Newborn) -> Callable[[Newborn], Made]:
    found = next((make for name, make in _MAKERS.items() if newborn.source.get(name)), None)
    if found:
        return found
    if newborn.table.kind == "lxc":
        raise BadInput(
            f"{newborn.target} does not exist and source says nothing to make it from",
            "Give source.template, source.archive or source.clone",
        )
    return from_nothing


def _unnamed(newborn: Newborn) -> str:
    """What the server calls a guest without a name."""
    return f"{'CT' if newborn.table.kind == 'lxc' else 'VM '}{newborn.vmid}"


def _finish(newborn: Newborn) -> Callable[[Any], dict[str, Any]]:
    """After the steps: what was made, and whether somebody made another one of this name at the same time."""
    now, options = config_now(newborn.path), newborn.options
    by_name = options.get("name") if options.get("vmid") is None and newborn.over is None else None

    def read(reader: Any) -> dict[str, Any]:
        found = now(reader)
        others = twins(reader, newborn.table.kind, by_name, newborn.vmid) if by_name else []
        if others:
            raise StewardError(
                f"{newborn.target} was made on {newborn.node}, and {', '.join(others)} has the same name '{by_name}':"
                " another run made it at the same time. Nothing was removed",
                "Destroy the one that is too many (state: absent with its vmid), or tell them apart by vmid",
                vmid=newborn.vmid,
                twins=others,
            )
        return found

    return read


def _warn(newborn: Newborn, config: Mapping[str, Any]) -> None:
    """Say what the task asks for and would not get."""
    options, warnings = newborn.options, newborn.draft.plan.warnings
    if options.get("cloud_init"):
        warnings += cloud_init.unread(newborn.target, config)
    unread = [name for name in ("password", "ssh_public_keys") if options.get(name)]
    if unread and not newborn.source.get("template"):
        warnings.append(f"{' and '.join(unread)}: only a container that is made from a template gets them")
