# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `privileged_host`: what only root on a node can do, one thing at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .._errors import BadInput
from .._names import NODE
from .._plan import Plan
from .._planner import Planner
from .._world import World
from . import golden_lxc, sensors, smart, usb_mount

#: option -> its planner, which has OPTIONS and plan(wanted, node, world)
_PARTS: dict[str, ModuleType] = {
    "golden_lxc": golden_lxc,
    "sensors": sensors,
    "smart": smart,
    "usb_mount": usb_mount,
}


def plan_privileged_host(options: Mapping[str, Any], world: World) -> Plan:
    """The plan of the one thing that the task names."""
    node = NODE.check("node", options.get("node") or os.uname().nodename.partition(".")[0])
    named = [name for name in _PARTS if options.get(name) is not None]
    if len(named) != 1:
        raise BadInput(f"exactly one of {', '.join(_PARTS)} is needed, not {' and '.join(named) or 'none'}")
    plan: Plan = _PARTS[named[0]].plan(options[named[0]], node, world)
    return plan


PRIVILEGED_HOST = Planner(
    name="privileged_host",
    options={
        **{name: {"type": "dict", "options": part.OPTIONS} for name, part in _PARTS.items()},
        "node": {"type": "str"},
        "runner": {"type": "str", "default": "sudo", "choices": ["sudo", "direct"]},
        "pct": {"type": "str", "default": "/usr/sbin/pct"},
        "timeout": {"type": "int", "default": 600},
    },
    plan=plan_privileged_host,
    rules={"mutually_exclusive": [list(_PARTS)], "required_one_of": [list(_PARTS)]},
    where="host",
)
