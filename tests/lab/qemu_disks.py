# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks of virtual machines: growing, moving, giving to another machine, taking away."""

from __future__ import annotations

import re
from typing import Any

from . import disks, guests, qemu_clone, qemu_config, qemu_values
from .call import Call, serves
from .errors import BadParameter, Died
from .state import Guest, Volume
from .tasks import Steps, Task

ONE = "/nodes/{node}/qemu/{vmid}"


@serves("PUT", ONE + "/resize")
def resize(call: Call) -> str:
    guest, key = guests.of(call, "qemu"), call.params["disk"]
    guests.check_digest(guest, call.params.get("digest"))

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        values = _drive(guest, key, "you can't resize a cdrom")
        volume = call.state.volume(guest.node, values["file"])
        if volume is None:
            raise Died(f"volume '{values['file']}' does not exist")
        disks.need_space(call, volume.storage)
        relative, size = disks.read_size(call.params["size"])
        size += volume.size if relative else 0
        if size < volume.size:
            raise Died("shrinking disks is not supported")
        yield
        task.log("Image resized.")
        volume.size = size
        guest.config[key] = qemu_values.render_value(key, values | {"size": disks.show_size(size)})

    return call.task("resize", guest.vmid, work, guest=guest.vmid)


def _drive(guest: Guest, key: str, no_cdrom: str) -> dict[str, str]:
    if key not in guest.config:
        raise Died(f"disk '{key}' does not exist")
    values = qemu_values.values_of(key, str(guest.config[key]))
    if values.get("media") == "cdrom" and not disks.is_cloud_init(values["file"]):
        raise Died(no_cdrom)
    return values


@serves("POST", ONE + "/move_disk")
def move_disk(call: Call) -> str:
    storage, other = call.params.get("storage"), call.params.get("target-vmid")
    if storage and other:
        text = "either set 'storage' or 'target-vmid', but not both"
        raise BadParameter.of({"storage": text, "target-vmid": text})
    if other:
        return _reassign(call, int(other))
    if not storage:
        text = "both 'storage' and 'target-vmid' missing, either needs to be set"
        raise BadParameter.of({"storage": text, "target-vmid": text})
    return _move(call, storage)


def _move(call: Call, storage: str) -> str:
    guest, key = guests.of(call, "qemu"), call.params["disk"]
    disks.need_space(call, storage)
    guests.check_lock(guest)
    guests.check_digest(guest, call.params.get("digest"))
    values = _drive(guest, key, "you can't move a cdrom")
    disks.check_content(call.state, guest.node, storage, "images")
    source = call.state.volume(guest.node, values["file"])
    if source is None:
        raise Died(f"volume '{values['file']}' does not exist")
    wanted = call.params.get("format")
    if source.storage == storage and wanted in (None, source.format):
        raise Died("you can't move to the same storage with same format")
    if call.params.get("delete") and disks.in_snapshot(guest, source.volid):
        raise Died("you can't move a disk with snapshots and delete the source")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        where = f"from current storage '{source.storage}' to target storage '{storage}'"
        task.log(f"copying volume '{source.volid}' {where}", f"create full clone of drive {key} ({source.volid})")
        form = disks.fit_format(call.state, storage, wanted, source.format)
        target = _copy(call, guest, source, storage, form)
        qemu_clone.log_copy(task, call.state, target)
        try:
            yield
        except Died:
            call.state.remove(target)
            raise
        if guest.template:
            qemu_values.rename_base(call.state, target)
        values = qemu_values.values_of(key, str(guest.config[key]))
        guest.config[key] = qemu_values.render_value(key, values | {"file": target.volid})
        if call.params.get("delete"):
            call.state.remove(source)
        else:
            unused = disks.add_unused(guest, source.volid)
            task.log(f"adding source volume '{source.volid}' as '{unused}' to config")

    return call.task("qmmove", guest.vmid, work, guest=guest.vmid)


def _copy(call: Call, guest: Guest, source: Volume, storage: str, form: str) -> Volume:
    if disks.is_cloud_init(source.volid):
        return disks.allocate_cloud_init(call.state, guest.node, storage, guest.vmid)
    made = disks.allocate(call.state, guest.node, storage, "qemu", guest.vmid, source.size, form)
    made.system = source.system
    return made


def _reassign(call: Call, vmid: int) -> str:
    """A disk changes its machine, and with it its name."""
    source, key = guests.of(call, "qemu"), call.params["disk"]
    to = call.params.get("target-disk", key)
    call.need(f"/vms/{vmid}", "VM.Config.Disk")
    if vmid == source.vmid:
        raise BadParameter.of({"target-vmid": "must be different than source VMID to reassign disk"})
    _check_reassign(call, source, vmid, key, to)

    def work(task: Task) -> Steps:
        target = _check_reassign(call, source, vmid, key, to)
        task.log(f"moving disk '{key}' from VM '{source.vmid}' to '{vmid}'")
        yield
        values = qemu_values.values_of(key, str(source.config.pop(key)))
        task.log(f"removing disk '{key}' from VM '{source.vmid}' config")
        qemu_config.drop_from_boot(source, [key])
        volume = call.state.volume(source.node, values["file"])
        if volume is None:
            raise Died(f"volume '{values['file']}' does not exist")
        call.state.remove(volume)
        volume.volid = f"{volume.storage}:{disks.new_name(call.state, volume.storage, vmid, volume.format)}"
        volume.vmid = vmid
        call.state.add(volume)
        known = {} if to.startswith("unused") else qemu_values.known_keys(to, values)
        target.config[to] = qemu_values.render_value(to, known | {"file": volume.volid})

    return call.task("qmmove", f"{source.vmid}-{key}>{vmid}-{to}", work, guest=source.vmid)


def _check_reassign(call: Call, source: Guest, vmid: int, key: str, to: str) -> Guest:
    target = call.state.guests.get(vmid)
    if target is None or target.kind != "qemu":
        raise Died(f"could not find target VM {vmid}")
    if target.node != source.node:
        raise Died(f"Both VMs need to be on the same node ({source.node} != {target.node})")
    guests.check_lock(source)
    guests.check_lock(target)
    if source.template or target.template:
        raise Died("Can't move disks from or to template VMs")
    if key not in source.config:
        raise Died(f"Disk '{key}' for VM '{source.vmid}' does not exist")
    if to in target.config:
        raise Died(f"Target disk key '{to}' is already in use for VM '{vmid}'")
    values = _drive(source, key, "CD drive contents can't be moved to another VM")
    if disks.in_snapshot(source, values["file"]):
        raise Died("Can't move disk used by a snapshot to another VM")
    if source.running and not key.startswith("unused"):
        raise Died("Cannot move disk to another VM while the source VM is running - detach first")
    return target


@serves("PUT", ONE + "/unlink")
def unlink(call: Call) -> None:
    """The same as `delete` in the configuration."""
    ids = re.split(r"[,;\s]+", call.params["idlist"].strip())
    call.params = {key: value for key, value in call.params.items() if key != "idlist"} | {"delete": ",".join(ids)}
    result: Any = qemu_config.update(call)
    return result
