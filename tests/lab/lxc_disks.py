# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes of containers: growing, moving, giving to another container."""

from __future__ import annotations

from . import disks, guests, lxc_clone, lxc_config
from .call import Call, serves
from .errors import BadParameter, Died
from .state import Guest
from .tasks import Steps, Task

ONE = "/nodes/{node}/lxc/{vmid}"


@serves("PUT", ONE + "/resize")
def resize(call: Call) -> str:
    guest = guests.of(call, "lxc")
    key = call.params["disk"]
    guests.check_lock(guest)
    guests.check_digest(guest, call.params.get("digest"))
    volume = dict(disks.volumes_of(call.state, guest)).get(key)
    if volume is None:
        raise Died(f"disk '{key}' does not exist")
    disks.need_space(call, volume.storage)
    relative, size = disks.read_size(call.params["size"])
    size += volume.size if relative else 0
    if size < volume.size:
        raise Died("unable to shrink disk size")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        yield
        volume.size = size
        guest.config[key] = guests.rewrite("lxc", key, {"size": disks.show_size(size)}, str(guest.config[key]))

    return call.task("resize", guest.vmid, work, guest=guest.vmid)


@serves("POST", ONE + "/move_volume")
def move_volume(call: Call) -> str:
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
    guest, key = guests.of(call, "lxc"), call.params["volume"]
    guests.check_lock(guest)
    guests.check_digest(guest, call.params.get("digest"))
    if guest.running:
        raise Died("cannot move volumes of a running container")
    disks.check_content(call.state, guest.node, storage, "rootdir")
    disks.need_space(call, storage)
    if key not in guest.config:
        raise Died(f"volume '{key}' not found in config")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        source = dict(disks.volumes_of(call.state, guest)).get(key)
        if source is None:
            raise Died(f"volume '{key}' is not a storage volume")
        if call.params.get("delete") and disks.in_snapshot(guest, source.volid):
            raise Died("you can't move a volume with snapshots and delete the source")
        target = disks.allocate(call.state, guest.node, storage, "lxc", guest.vmid, source.size)
        disks.log_new_filesystem(task, call.state, target)
        lxc_clone.log_copy(task)
        yield
        guest.config[key] = guests.rewrite("lxc", key, {"volume": target.volid}, str(guest.config[key]))
        if call.params.get("delete"):
            call.state.remove(source)
        else:
            disks.add_unused(guest, source.volid)

    return call.task("move_volume", guest.vmid, work, guest=guest.vmid)


def _reassign(call: Call, vmid: int) -> str:
    """A volume changes its container, and with it its name."""
    source, key = guests.of(call, "lxc"), call.params["volume"]
    to = call.params.get("target-volume", key)
    call.need(f"/vms/{vmid}", "VM.Config.Disk")
    if vmid == source.vmid:
        raise BadParameter.of({"target-vmid": "must be different than source VMID to move disk to another container"})
    _check_reassign(call, source, vmid, key, to)

    def work(task: Task) -> Steps:
        target = _check_reassign(call, source, vmid, key, to)
        task.log(f"moving volume '{key}' from container '{source.vmid}' to '{vmid}'")
        yield
        volume = dict(disks.volumes_of(call.state, source))[key]
        value = str(source.config.pop(key))
        call.state.remove(volume)
        volume.volid = f"{volume.storage}:{disks.new_name(call.state, volume.storage, vmid, volume.format)}"
        volume.vmid = vmid
        call.state.add(volume)
        bare = to.startswith("unused") or key.startswith("unused")
        target.config[to] = volume.volid if bare else guests.rewrite("lxc", to, {"volume": volume.volid}, value)

    return call.task("move_volume", f"{source.vmid}-{key}>{vmid}-{to}", work, guest=source.vmid)


def _check_reassign(call: Call, source: Guest, vmid: int, key: str, to: str) -> Guest:
    target = call.state.guests.get(vmid)
    if target is None or target.kind != "lxc":
        raise Died(f"could not find target container {vmid}")
    if target.node != source.node:
        raise Died(f"Both containers need to be on the same node ({source.node} != {target.node})")
    guests.check_lock(source)
    guests.check_lock(target)
    if source.template or target.template:
        raise Died("Can't move volumes from or to template containers")
    values = lxc_config.values_of(key, str(source.config.get(key, "")))
    if "volume" not in values:
        raise Died(f"volume '{key}' for container '{source.vmid}' does not exist")
    if to in target.config:
        raise Died(f"Target volume key '{to}' is already in use for container '{vmid}'")
    if disks.in_snapshot(source, values["volume"]):
        raise Died("Can't move volume used by a snapshot to another container")
    if source.running:
        raise Died("Cannot move volume of a running container to another container")
    return target
