# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container comes to be: from a template, from a backup (restore), or as a copy of another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .._errors import BadInput
from .._plan import Plan
from .._world import World
from . import effects
from .lookup import Guest, config_now, without_digest
from .lxc_from_archive import from_archive
from .lxc_from_clone import from_clone
from .lxc_from_template import from_template
from .lxc_newborn import Newborn
from .power import plan_power
from .symbols import learned, planned
from .template import plan_template

_GUEST = {"vmid": {"type": "int"}, "name": {"type": "str"}}

SOURCE_SPEC: dict[str, Any] = {
    "type": "dict",
    "mutually_exclusive": [["template", "archive", "clone"]],
    "required_one_of": [["template", "archive", "clone"]],
    "options": {
        "template": {"type": "str"},
        "archive": {
            "type": "dict",
            "options": {
                "volid": {"type": "str"},
                "storage": {"type": "str"},
                "guest": {"type": "int"},
                "name": {"type": "str"},
                "newest": {"type": "bool", "default": True},
            },
        },
        "clone": {
            "type": "dict",
            "options": {**_GUEST, "full": {"type": "bool", "default": True}, "snapshot": {"type": "str"}},
        },
        "keep_identity": {"type": "bool", "default": False},
    },
}

#: source -> the planner that adds its steps and returns the configuration that the container will have
_MAKERS: dict[str, Callable[[Newborn], dict[str, Any]]] = {
    "template": from_template,
    "archive": from_archive,
    "clone": from_clone,
}


def give_birth(options: Mapping[str, Any], world: World, over: Guest | None) -> Plan:
    """The plan that makes the container, configures it and brings it to its power state.

    `over`: the container that a restore overwrites.
    """
    newborn = Newborn(options, world, over)
    maker = next((make for source, make in _MAKERS.items() if newborn.source.get(source)), None)
    if maker is None:
        raise BadInput(
            f"{newborn.target} does not exist and source says nothing to make it from",
            "Give source.template, source.archive or source.clone",
        )
    config = planned(newborn.target, maker(newborn))
    draft, plan = newborn.draft, newborn.draft.plan
    # known after the first step; a later one may still give an interface another address
    for index in sorted({0, len(plan.steps) - 1}):
        plan.steps[index] = replace(plan.steps[index], yields=learned(f"{newborn.path}/config", config))
    draft.guest = replace(draft.guest, config=config)
    born = effects.born("lxc", newborn.node, newborn.vmid, draft.guest.name or f"CT{newborn.vmid}", config)
    plan.effects = [*born, *plan.effects]
    plan.after = config if over else {"exists": True, **config}
    plan_power(draft, options["state"], running=False, options=options)
    plan.before = without_digest(over.config) if over else {"exists": False}
    if options["state"] == "template":
        config = {**config, **plan_template(draft, config)}
    plan.result = {"vmid": newborn.vmid, "node": newborn.node, "config": config}
    plan.finish = config_now(newborn.path)
    plan.state = plan.state or {"power": "absent", "lock": None, "ha": "unmanaged"}
    return draft.done()
