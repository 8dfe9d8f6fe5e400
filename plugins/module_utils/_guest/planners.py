# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `lxc` and `vm` take: the options of every guest, those of its table, and a few of one kind alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from .._limits import LIMITS_SPEC
from .._planner import Planner
from . import before, migrate, power, wait_for
from .birth import SOURCE_SPECS
from .guest import plan_guest
from .tables import TABLES

Options = Mapping[str, Any]

_NO: dict[str, Any] = {"type": "bool", "default": False}
_TEXTS: dict[str, Any] = {"type": "list", "elements": "str"}

_COMMON: dict[str, dict[str, Any]] = {
    "vmid": {"type": "int"},
    "node": {"type": "str"},
    "pool": {"type": "str"},
    "config": {"type": "dict"},
    "delete": _TEXTS,
    "tags_mode": {"type": "str", "choices": ["exact", "additive"], "default": "exact"},
    "force": _NO,
    "purge": _NO,
    "destroy_unreferenced_disks": _NO,
    "migrate": migrate.SPEC,
    "wait_for": wait_for.SPEC,
    "limits": LIMITS_SPEC,
    "snapshot_before": before.SPEC,
    **power.OPTIONS,
}

_STATES = {"lxc": power.STATES, "qemu": power.VM_STATES}


def _planner(name: str, kind: str, own: Options) -> Planner:
    table = TABLES[kind]
    state = {"type": "str", "default": "present", "choices": list(_STATES[kind])}
    shared = {**_COMMON, "state": state, "source": SOURCE_SPECS[kind]}
    return Planner(
        name=name,
        options={**shared, **table.argument_spec(), **own},
        plan=partial(plan_guest, table),
        rules={"required_one_of": [["vmid", "name"]]},
        turn=partial(_same_name, kind),
    )


def _same_name(kind: str, options: Options) -> str:
    """A name without an id: whoever asks for it first makes the guest, and the next one finds it."""
    return f"{kind} '{options['name']}'" if options.get("vmid") is None and options["state"] != "absent" else ""


LXC = _planner(
    "lxc",
    "lxc",
    {"password": {"type": "str", "no_log": True}, "ssh_public_keys": {**_TEXTS, "no_log": False}},
)
VM = _planner("vm", "qemu", power.VM_OPTIONS)
