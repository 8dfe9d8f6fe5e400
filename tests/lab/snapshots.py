# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of containers and virtual machines."""

from __future__ import annotations

import time
from typing import Any

from . import disks, guests, qemu_power
from .call import Call, serves
from .errors import Died, Refusal
from .state import Config, Guest, State
from .tasks import Steps, Task

KINDS = ("lxc", "qemu")
TASK = {"lxc": "vz", "qemu": "qm"}
LIST = [f"/nodes/{{node}}/{kind}/{{vmid}}/snapshot" for kind in KINDS]
ONE = [path + "/{snapname}" for path in LIST]


def kind_of(call: Call) -> str:
    return call.path.split("/")[3]


def possible(state: State, guest: Guest) -> bool:
    """Whether every disk of the guest can have snapshots. What lies on no storage cannot."""
    drives = [volid for key, volid in disks.used_by(guest) if not key.startswith("unused") and not _disc(guest, key)]
    able = (disks.backend(state, volid.split(":")[0]).snapshots or volid.endswith(".qcow2") for volid in drives)
    return not disks.of_the_node(guest) and all(able)


def _disc(guest: Guest, key: str) -> bool:
    return "media=cdrom" in str(guest.config[key])


@serves("GET", *LIST)
def index(call: Call) -> list[dict[str, Any]]:
    return guests.snapshot_list(guests.of(call, kind_of(call)))


@serves("GET", *(path + "/config" for path in ONE))
def read(call: Call) -> Config:
    guest = guests.of(call, kind_of(call))
    snapshot = guests.snapshot_of(guest, call.params["snapname"])
    return {key: value for key, value in guests.shown(guest, snapshot).items() if key != "lock"}


@serves("PUT", *(path + "/config" for path in ONE))
def describe(call: Call) -> None:
    guest = guests.of(call, kind_of(call))
    guests.check_lock(guest)
    snapshot = guests.snapshot_of(guest, call.params["snapname"])
    if "description" in call.params:
        snapshot["description"] = call.params["description"]


@serves("GET", *ONE)
def children(call: Call) -> list[dict[str, str]]:
    return [{"cmd": name} for name in ("rollback", "config")]


@serves("POST", *LIST)
def create(call: Call) -> str:
    kind, name = kind_of(call), call.params["snapname"]
    if name == "current":
        raise Died("unable to use snapshot name 'current' (reserved name)")
    if name == "pending":
        raise Died("unable to use snapshot name 'pending' (reserved name)")

    def work(task: Task) -> Steps:
        guest = guests.of(call, kind)
        guests.enter(task.log, guest)
        if name in guest.snapshots:
            raise Died(f"snapshot name '{name}' already used")
        if not possible(call.state, guest):
            raise Died("snapshot feature is not available")
        with_memory = bool(call.params.get("vmstate")) and guest.running and kind == "qemu"
        extra = _save_memory(call, task, guest, name) if with_memory else {}
        _log(call.state, task, guest, with_memory)
        guests.prepare_snapshot(guest, name, call.params.get("description", ""), extra)
        guest.config["lock"] = "snapshot"
        try:
            yield
        except Refusal:
            guest.snapshots.pop(name)
            raise
        finally:
            guest.config.pop("lock", None)
        guests.commit_snapshot(call.state, guest, name)

    return call.task(f"{TASK[kind]}snapshot", call.vmid, work, guest=call.vmid)


def _log(state: State, task: Task, guest: Guest, with_memory: bool) -> None:
    if guest.kind == "lxc":
        return
    if guest.running and not with_memory and str(guest.config.get("agent", "0")).startswith(("1", "enabled=1")):
        task.log("skipping guest filesystem freeze - agent configured but not running?")
    for key, volume in disks.volumes_of(state, guest, unused=False):
        task.log(f"snapshotting 'drive-{key}' ({volume.volid})")
        if guest.running:
            task.log("internal qemu snapshot")


def _save_memory(call: Call, task: Task, guest: Guest, name: str) -> Config:
    storage = qemu_power.memory_storage(call.state, guest)
    return qemu_power.save_memory(call.state, task, guest, name, storage)


@serves("POST", *(path + "/rollback" for path in ONE))
def rollback(call: Call) -> str:
    kind, name = kind_of(call), call.params["snapname"]

    def work(task: Task) -> Steps:
        guest = guests.of(call, kind)
        guests.enter(task.log, guest)
        with_memory = "vmstate" in guests.snapshot_of(guest, name)  # it goes on where it was
        _check_newest(call.state, guest, name)
        guest.config["lock"] = "rollback"
        guest.started = None
        try:
            yield
        finally:
            guest.config.pop("lock", None)
        guests.roll_back(call.state, guest, name)
        if call.params.get("start") or with_memory:
            guest.started = time.time()

    return call.task(f"{TASK[kind]}rollback", call.vmid, work, guest=call.vmid)


def _check_newest(state: State, guest: Guest, name: str) -> None:
    """ZFS, and chains of volumes, go back to the newest snapshot only."""
    newer = [other for other in guest.snapshots if guest.snapshots[other].get("parent") == name]
    for _unused, volume in disks.volumes_of(state, guest, unused=False):
        section = disks.section(state, volume.storage)
        if newer and (section["type"] == "zfspool" or section.get("snapshot-as-volume-chain")):
            raise Died(f"can't rollback, '{name}' is not most recent snapshot on '{volume.volid}'")


@serves("DELETE", *ONE)
def delete(call: Call) -> str:
    kind, name = kind_of(call), call.params["snapname"]

    def work(task: Task) -> Steps:
        guest = guests.of(call, kind)
        guests.check_lock_file(guest)
        if name not in guest.snapshots:
            raise Died(f"snapshot '{name}' does not exist")
        guests.check_lock(guest)
        guest.config["lock"] = "snapshot-delete"
        try:
            yield
        finally:
            guest.config.pop("lock", None)
        saved = guest.snapshots[name].get("vmstate")
        volume = call.state.volume(guest.node, saved) if saved else None
        if volume:
            call.state.remove(volume)
        guests.drop_snapshot(call.state, guest, name)

    return call.task(f"{TASK[kind]}delsnapshot", call.vmid, work, guest=call.vmid)
