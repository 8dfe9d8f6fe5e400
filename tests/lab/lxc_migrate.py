# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Migration of containers to another node."""

from __future__ import annotations

from typing import Any

from . import disks, guests, ha_manager, lxc_config, lxc_power, moving
from .call import Call, serves
from .errors import Died
from .state import Guest
from .tasks import Steps, Task

PATH = "/nodes/{node}/lxc/{vmid}/migrate"
MOVABLE = ("dir", "btrfs", "zfspool", "lvmthin", "lvm")


@serves("GET", PATH)
def precondition(call: Call) -> dict[str, Any]:
    guest = guests.of(call, "lxc")
    others = [node for node in call.state.nodes if node != guest.node]
    return {"running": int(guest.running), "allowed-nodes": others, "not-allowed-nodes": {}}


@serves("POST", PATH)
def migrate(call: Call) -> str:
    target = call.params["target"]
    moving.check_target(call, target)
    guest = guests.of(call, "lxc")
    restart, online = call.params.get("restart"), call.params.get("online")
    if guest.running and not restart and not online:
        raise Died("can't migrate running container without --online or --restart")
    wanted = call.params.get("target-storage")
    if wanted:
        moving.check_storages(call, guest, target, wanted, "rootdir")
    if ha_manager.manages(call):
        return ha_manager.request_migration(call, target)
    where = moving.storage_map(wanted)

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        moving.begin(call.state, task, guest, target, "CT")
        if guest.running and not restart:
            moving.fail(task, "lxc live migration is currently not implemented")
        was_running = guest.running
        if was_running:
            task.log(f"{moving.clock()} shutdown CT {guest.vmid}")
            lxc_power.go_down(guest, force=False)
            lxc_power.power_off(call.state, guest)
        try:
            _check_volumes(call, task, guest, where)
        except Died:
            if was_running:
                task.log(f"{moving.clock()} start container on source node")
                lxc_power.power_on(call.state, guest, task)
            raise
        guest.config["lock"] = "migrate"
        try:
            yield
        finally:
            guest.config.pop("lock", None)
        moving.carry(call.state, guest, target, where)
        moving.finish(task)
        if was_running:
            task.log(f"{moving.clock()} start container on target node")
            lxc_power.power_on(call.state, guest, task)

    return call.task("vzmigrate", guest.vmid, work, guest=guest.vmid)


def _check_volumes(call: Call, task: Task, guest: Guest, where: moving.Target) -> None:
    target = call.params["target"]
    for key, value in sorted(guest.config.items()):
        values = lxc_config.values_of(key, str(value)) if key.startswith("mp") else {}
        if values.get("volume", "").startswith("/") and values.get("shared") != "1":
            kind = "device" if values["volume"].startswith("/dev/") else "bind"
            moving.fail(task, f"cannot migrate local {kind} mount point '{key}'")
    problems = []
    for volid, use in sorted(moving.uses(guest).items()):
        try:
            why = _problem(call, guest, volid, use, target, where)
        except Died as error:
            why = str(error)
        if why:
            problems.append(f"can't migrate local volume '{volid}': {why}")
    if problems:
        task.log(*(f"{moving.clock()} {problem}" for problem in problems))
        moving.fail(task, "can't migrate CT - check log")


def _problem(call: Call, guest: Guest, volid: str, use: moving.Use, target: str, where: moving.Target) -> str | None:
    storage = volid.split(":")[0]
    section = disks.section(call.state, storage)
    if section.get("shared"):
        return None
    disks.check_storage(call.state, target, where(storage))
    volume = call.state.volume(guest.node, volid)
    if volume is None:
        return "no such volume"
    if use.snapshots and section["type"] != "zfspool":
        return "non-migratable snapshot exists"
    if section["type"] not in MOVABLE:
        return f"storage type '{section['type']}' not supported"
    return f"clone of '{volume.parent.split(':', 1)[1]}'" if volume.parent else None
