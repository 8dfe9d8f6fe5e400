# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `lxc`: a container as a task wants it, from birth to power state, as one Plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._codec import print_size
from .._errors import Refused
from .._plan import Plan, Step
from .._planner import Planner
from .._privileges import Need
from .._world import World
from . import effects, lxc_config
from .bridges import bridge_needs
from .draft import Draft
from .lookup import Guest, config_now, find, without_digest
from .lxc_birth import SOURCE_SPEC, give_birth
from .lxc_options import CONFIG, FAMILIES, ROOTFS_SPEC, VOLUME, privilege_of
from .power import plan_power, read_state
from .symbols import learned, planned
from .template import plan_template

STATES = ("present", "started", "stopped", "restarted", "absent", "template")

_OPTIONS: dict[str, dict[str, Any]] = {
    "vmid": {"type": "int"},
    "node": {"type": "str"},
    "state": {"type": "str", "default": "present", "choices": list(STATES)},
    "source": SOURCE_SPEC,
    "rootfs": ROOTFS_SPEC,
    "pool": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ssh_public_keys": {"type": "list", "elements": "str", "no_log": False},
    "delete": {"type": "list", "elements": "str"},
    "force": {"type": "bool", "default": False},
    "purge": {"type": "bool", "default": False},
    "shutdown_timeout": {"type": "int", "default": 60},
    **{name: dict(option.spec) for name, option in CONFIG.items()},
    **{
        name: {"type": "list", "elements": "dict", "options": element}
        for name, (_prefix, _codec, _need, element) in FAMILIES.items()
    },
}


def plan_lxc(options: Mapping[str, Any], world: World) -> Plan:
    """The steps from what is there to what the task wants; none when it is there already."""
    lxc_config.check(options)
    guest = find(world, "lxc", options.get("vmid"), options.get("name"), options.get("node"))
    if options["state"] == "absent":
        return _absent(options, world, guest)
    if guest is None or _overwrite(options, guest):
        return give_birth(options, world, guest)
    return _converge(options, world, guest)


def _overwrite(options: Mapping[str, Any], guest: Guest) -> bool:
    """Restoring over a container is only ever done when it is said."""
    return bool(options["force"] and (options.get("source") or {}).get("archive") and guest.exists)


def _converge(options: Mapping[str, Any], world: World, guest: Guest) -> Plan:
    have = dict(guest.config or {})
    draft = Draft(guest)
    if options.get("vmid") is None and options.get("name"):
        options = {**options, "name": None}  # the name only says which container is meant
    change = lxc_config.difference(options, have)
    power = read_state(world, guest)
    draft.plan.state = power
    left = planned(guest.target, change.leaves(have))
    _configure(draft, world, change, have, left)
    plan_power(draft, options["state"], power["power"] == "running", options)
    becomes = plan_template(draft, have) if options["state"] == "template" and not have.get("template") else {}
    draft.consulted(
        guest.target,
        {
            **{key: have.get(key) for key in change.merged()},
            "power": power["power"],
            "template": have.get("template", 0),
        },
    )
    after = {key: value for key, value in without_digest({**have, **left, **becomes}).items() if value is not None}
    draft.plan.result = {"vmid": guest.vmid, "node": guest.node, "config": after}
    draft.plan.finish = config_now(guest.path)
    return draft.done()


def _configure(
    draft: Draft, world: World, change: lxc_config.Change, have: Mapping[str, Any], left: Mapping[str, Any]
) -> None:
    """The steps of a change. `left`: the keys that it leaves changed, as the server will have filled them in."""
    if not change:
        return
    guest = draft.guest
    path = f"{guest.path}/config"
    draft.plan.effects += effects.configured(guest.kind, guest.node, guest.vmid, left)
    forbidden = lxc_config.root_only(change.merged(), have)
    if forbidden and not world.is_root:
        raise Refused(
            f"{guest.target}: {forbidden} is only allowed for root@pam; {world.identity} cannot do it and no token can",
            "Log in as root@pam with api_password for this task",
        )
    if change.data:
        keys = list(change.merged())
        draft.step(
            Step(
                "update",
                guest.target,
                "PUT",
                path,
                change.data,
                why=f"{', '.join(sorted(keys))} differ",
                needs=(*(Need(f"/vms/{guest.vmid}", (privilege_of(key),)) for key in keys), *bridge_needs(change.put)),
                guard={"digest": have["digest"]} if have.get("digest") else {},
                yields=learned(path, left),
            )
        )
        for key in keys:
            draft.shows(key, have.get(key), change.put.get(key))
        draft.undo(
            {
                "op": "update",
                "target": guest.target,
                "data": {key: have[key] for key in keys if key in have},
                "delete": [key for key in keys if key not in have],
            }
        )
        running = (draft.plan.state or {}).get("power") == "running"
        draft.blast("medium" if running else "low", f"changes the configuration of {guest.target}")
    for slot, size in change.grow.items():
        draft.grow(slot, size)
        draft.shows(f"{slot}.size", print_size(VOLUME.decode(have[slot]).get("size", 0)), size)
        draft.cannot_undo(f"a volume does not shrink back ({slot})")
        draft.blast("medium", f"grows {slot}; it cannot shrink again")


def _absent(options: Mapping[str, Any], world: World, guest: Guest | None) -> Plan:
    if guest is None:
        return Plan(summary=f"lxc {options.get('vmid') or options.get('name')} does not exist")
    have = dict(guest.config or {})
    draft = Draft(guest)
    power = read_state(world, guest)
    draft.plan.state = power
    if have.get("protection"):
        raise Refused(f"{guest.target} is protected", "Set protection: false first")
    if power["power"] == "running":
        if not options["force"]:
            raise Refused(
                f"{guest.target} is running",
                "Stop it first, or set force: true to stop and destroy it",
            )
        draft.call("stop", "POST", "/status/stop", why="it runs and force is set", needs=["VM.PowerMgmt"])
    purge = {"purge": 1} if options["purge"] else {}
    draft.call("destroy", "DELETE", "", purge, why="state is absent", needs=["VM.Allocate"])
    _destroys(draft, world, have)
    draft.plan.before, draft.plan.after = {"exists": True, "name": guest.name}, {"exists": False}
    draft.plan.effects += effects.gone(guest.kind, guest.node, guest.vmid)
    draft.consulted(guest.target, without_digest(have) | {"power": power["power"]})
    draft.cannot_undo("its volumes are gone; only a backup brings it back")
    draft.plan.result = {"vmid": guest.vmid, "node": guest.node}
    return draft.done()


def _destroys(draft: Draft, world: World, have: Mapping[str, Any]) -> None:
    """What goes with a container: its volumes and snapshots; its backups stay."""
    guest, blast = draft.guest, draft.plan.blast
    volumes = [
        str(value).partition(",")[0]
        for key, value in have.items()
        if key == "rootfs" or key.startswith(("mp", "unused"))
    ]
    blast.others.update(f"volume {volume}" for volume in volumes if ":" in volume)
    blast.storages.update(volume.partition(":")[0] for volume in volumes if ":" in volume)
    blast.because("high", f"destroys {guest.target} with {len(volumes)} volume(s)")
    snapshots = [row["name"] for row in world.find(f"{guest.path}/snapshot") or [] if row["name"] != "current"]
    if snapshots:
        blast.others.update(f"snapshot {guest.target}@{name}" for name in snapshots)
        blast.because("high", f"destroys {len(snapshots)} snapshot(s)")


LXC = Planner(
    name="lxc",
    options=_OPTIONS,
    plan=plan_lxc,
    rules={"required_one_of": [["vmid", "name"]]},
)
