# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Migration of virtual machines to another node."""

from __future__ import annotations

from typing import Any

from . import disks, guests, ha_manager, moving, qemu_values
from .call import Call, serves
from .errors import BadParameter, Died
from .state import Guest, State
from .tasks import Steps, Task

PATH = "/nodes/{node}/qemu/{vmid}/migrate"
MOVABLE = ("dir", "btrfs", "zfspool", "lvmthin", "lvm")
ROOT_ONLY = ("force", "migration_type", "migration_network")


@serves("GET", PATH)
def precondition(call: Call) -> dict[str, Any]:
    guest = guests.of(call, "qemu")
    guests.check_lock(guest)
    others = [node for node in call.state.nodes if node != guest.node]
    missing = {node: _missing_storages(call.state, guest, node) for node in others}
    return {
        "running": int(guest.running),
        "allowed_nodes": [node for node in others if not missing[node]],
        "not_allowed_nodes": {
            node: {"unavailable_storages": names} if names else {} for node, names in missing.items()
        },
        "local_disks": [_local_disk(guest, use, volume.volid, volume.size) for use, volume in _local(call, guest)],
        "local_resources": local_devices(guest),
        "mapped-resources": [],
        "mapped-resource-info": {},
        "has-dbus-vmstate": 1,
    }


def _local(call: Call, guest: Guest) -> list[tuple[moving.Use, Any]]:
    return moving.local_volumes(call.state, guest)


def _missing_storages(state: State, guest: Guest, node: str) -> list[str]:
    names = {volid.split(":")[0] for volid in moving.uses(guest)}
    sections = {name: state.storages.get(name, {}) for name in names}
    return sorted(name for name, own in sections.items() if node not in str(own.get("nodes", node)).split(","))


def _local_disk(guest: Guest, use: moving.Use, volid: str, size: int) -> dict[str, Any]:
    values = qemu_values.values_of(use.key, str(guest.config.get(use.key, "")))
    return {
        "volid": volid,
        "drivename": use.key,
        "size": size,
        "is_attached": int(use.attached),
        "replicate": int(values.get("replicate", 1)),
        "shared": 0,
        "cdrom": int(values.get("media") == "cdrom"),
        "is_unused": int(use.unused),
        "is_vmstate": int(use.key == "vmstate"),
        "is_cloudinit": int(disks.is_cloud_init(volid)),
        "is_tpmstate": int(use.key == "tpmstate0"),
    }


def local_devices(guest: Guest) -> list[str]:
    """What belongs to the node: passed-through devices without a mapping, and host ports."""
    harmless = {"hostpci": "mapping=", "usb": "spice", "serial": "socket", "parallel": "-"}
    found = []
    for key, value in sorted(guest.config.items()):
        name, number = guests.indexed(key)
        text = str(value)
        if number is not None and name in harmless and harmless[name] not in text and "mapping=" not in text:
            found.append(key)
    return found + (["ivshmem"] if "ivshmem" in guest.config else [])


@serves("POST", PATH)
def migrate(call: Call) -> str:
    target, params = call.params["target"], call.params
    moving.check_target(call, target)
    for name in ROOT_ONLY:
        if params.get(name) and not call.caller.is_root:
            raise BadParameter.of({name: "Only root may use this option."})
    guest = guests.of(call, "qemu")
    guests.check_lock(guest)
    if guest.running and not params.get("online"):
        raise Died("can't migrate running VM without --online")
    _check_replication(call.state, guest, target, force=bool(params.get("force")))
    wanted = params.get("targetstorage")
    if wanted and wanted != "1":
        call.need(f"/vms/{guest.vmid}", "VM.Config.Disk")
    moving.check_storages(call, guest, target, wanted, "images")
    if ha_manager.manages(call):
        return ha_manager.request_migration(call, target)
    where = moving.storage_map(wanted)

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        moving.begin(call.state, task, guest, target, "VM")
        problems = list(_problems(call, guest, where))
        if problems:
            task.log(*(f"{moving.clock()} {problem}" for problem in problems))
            moving.fail(task, problems[-1])
        guest.config["lock"] = "migrate"
        try:
            yield
        finally:
            guest.config.pop("lock", None)
        moving.carry(call.state, guest, target, where)
        moving.finish(task)

    return call.task("qmigrate", guest.vmid, work, guest=guest.vmid)


def _check_replication(state: State, guest: Guest, target: str, *, force: bool) -> None:
    targets = {job["target"] for job in state.replication.values() if job.get("guest") == guest.vmid}
    if guest.running and targets and target not in targets and not force:
        where = f"Cannot live-migrate replicated VM to node '{target}' - not a replication target."
        raise Died(f"{where} Use 'force' to override.")


def _problems(call: Call, guest: Guest, where: moving.Target) -> list[str]:
    """Why the disks cannot go; the last line is what ends the migration."""
    devices = local_devices(guest)
    if devices and (guest.running or not call.params.get("force")):
        return [f"can't migrate VM which uses local devices: {', '.join(devices)}"]
    found = []
    for volid, use in sorted(moving.uses(guest).items()):
        why = _problem(call, guest, volid, use)
        if why:
            found.append(f"can't migrate local disk '{volid}': {why}")
    head = "Problem found while scanning volumes - "
    if found:
        return [*found, f"{head}can't migrate VM - check log"]
    for _use, volume in moving.local_volumes(call.state, guest):
        kind = disks.section(call.state, volume.storage)["type"]
        if kind not in MOVABLE:
            return [f"{head}can't migrate '{volume.volid}' - storage type '{kind}' not supported"]
        if volume.parent:
            return [f"{head}can't migrate '{volume.volid}' as it's a clone of '{volume.parent.split(':', 1)[1]}'"]
    return []


def _problem(call: Call, guest: Guest, volid: str, use: moving.Use) -> str | None:
    state = call.state
    storage = disks.section(state, volid.split(":")[0])
    if storage.get("shared"):
        return None
    volume = state.volume(guest.node, volid)
    if ":iso/" in volid:
        return "local cdrom image"
    if volume is None:
        return "no such volume"
    if volume.vmid != guest.vmid:
        return f"owned by other VM (owner = VM {volume.vmid})"
    if use.snapshots and use.key != "vmstate":
        if guest.running:
            return "online storage migration not possible if non-replicated snapshot exists"
        if not (storage["type"] in ("zfspool", "btrfs") or volume.format == "qcow2"):
            return "non-migratable snapshot exists"
    if disks.in_use_by_clones(state, volume):
        return "referenced by linked clone(s)"
    attached = use.attached and not disks.is_cloud_init(volid)
    if guest.running and attached and not call.params.get("with-local-disks"):
        return "can't live migrate attached local disks without with-local-disks option"
    return None
