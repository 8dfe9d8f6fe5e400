# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of virtual machines: what is set and deleted, now or at the next start."""

from __future__ import annotations

from typing import Any

from . import cloud_init, disks, guests, hotplug, qemu_rights, qemu_values, sdn
from .call import Call, serves
from .errors import BadParameter, Died
from .propertystring import parse
from .state import Config, Guest, State
from .tasks import Steps, Task

ONE = "/nodes/{node}/qemu/{vmid}"
CONFIG = ONE + "/config"


@serves("GET", CONFIG)
def read(call: Call) -> Config:
    guest = guests.of(call, "qemu")
    name = call.params.get("snapshot")
    if name:
        return guests.shown(guest, guests.snapshot_of(guest, name)) | {"digest": guests.config_digest(guest)}
    return guests.current(guest, with_pending=not call.params.get("current"))


@serves("GET", ONE + "/pending")
def pending(call: Call) -> list[dict[str, Any]]:
    return guests.pending_list(guests.of(call, "qemu"))


@serves("PUT", CONFIG)
def update(call: Call) -> None:
    guest, change = _prepare(call)
    apply(call, guest, change, lambda *_unused: None)


@serves("POST", CONFIG)
def update_in_task(call: Call) -> str:
    guest, change = _prepare(call)

    def work(task: Task) -> Steps:
        guests.check_lock_file(guest)
        words = " ".join(f"-{key} {value}" for key, value in change.sets.items() if key != "cipassword")
        task.log(f"update VM {guest.vmid}: {words}")
        yield
        apply(call, guest, change, task.log)

    return call.task("qmconfig", guest.vmid, work, guest=guest.vmid)


def _prepare(call: Call) -> tuple[Guest, guests.Change]:
    """Every check that comes before the change."""
    qemu_rights.check_skiplock(call)
    change = guests.Change(call, "qemu")
    change.check_names()
    for key, value in change.sets.items():
        qemu_rights.check_root_only(call, key, str(value))
    guest = guests.of(call, "qemu")
    qemu_rights.check_rights(call, guest.vmid, change.sets, [*change.deletes, *change.reverts])
    guests.check_lock_file(guest)
    guests.check_digest(guest, call.params.get("digest"))
    resets_memory = "vmstate" in change.deletes and guest.lock == "suspended"
    if not call.params.get("skiplock") and not resets_memory:
        guests.check_lock(guest)
    _check_balloon(guest, change)
    return guest, change


def _check_balloon(guest: Guest, change: guests.Change) -> None:
    """The balloon can only take from the memory that is there."""
    if {"memory", "balloon"} & change.sets.keys():
        known = {**guest.config, **guest.pending, **change.sets}
        if int(known.get("balloon", 0)) > qemu_values.memory_of(known):
            raise Died("balloon value too large (must be smaller than assigned memory)")


# applying


def apply(call: Call, guest: Guest, change: guests.Change, log: Any) -> None:
    state, before = call.state, dict(guest.config)
    for key in change.reverts:
        _forget_waiting(state, guest, key)
        _keep_option(guest, key)
    _check_deletes(call, guest, change.deletes)
    for key in change.deletes:
        _delete(call, guest, key, force=bool(call.params.get("force")))
    if "boot" not in change.sets:
        drop_from_boot(guest, change.deletes)
    errors: dict[str, str] = {}
    with disks.made_together(state):
        values = {key: qemu_values.normalise(state, guest, key, value, log) for key, value in change.sets.items()}
    for key, value in values.items():
        text = _set(state, guest, key, value)
        if text:
            errors[key] = text
    disks.forget_used(guest)
    cloud_init.remember(guest, before)
    if "cloudinit" in hotplug.classes(guest):
        cloud_init.regenerate(guest)
    if errors:
        raise BadParameter.of(errors)


def _forget_waiting(state: State, guest: Guest, key: str) -> None:
    """A value waits no more; a disk that waited stays as unused one."""
    waiting = guest.pending.pop(key, None)
    if waiting is not None and qemu_values.DISK.fullmatch(key):
        _keep_unused(state, guest, str(waiting))


def _keep_option(guest: Guest, key: str) -> None:
    guest.deletes.discard(key)
    guest.forced.discard(key)


def _check_deletes(call: Call, guest: Guest, keys: list[str]) -> None:
    """A protected machine keeps its disks."""
    for key in keys:
        if guest.config.get("protection") and key in guest.config:
            if key.startswith("unused"):
                raise Died(f"can't remove unused disk '{guest.config[key]}' - protection mode enabled")
            if qemu_values.DISK.fullmatch(key):
                raise Died(f"can't remove drive '{key}' - protection mode enabled")


def _set(state: State, guest: Guest, key: str, value: Any) -> str | None:
    _keep_option(guest, key)
    if str(guest.pending.get(key, value)).split(",", 1)[0] != str(value).split(",", 1)[0]:
        _forget_waiting(state, guest, key)
    if guest.running and not hotplug.takes(guest, key, value):
        if guest.config.get(key) == value:
            guest.pending.pop(key, None)
        else:
            guest.pending[key] = value
        return None
    problem = _hotplug_problem(state, guest, key, value) if guest.running else None
    if problem:
        guest.pending[key] = value
        return problem
    guest.pending.pop(key, None)
    put(state, guest, key, value)
    return None


def _hotplug_problem(state: State, guest: Guest, key: str, value: Any) -> str | None:
    bridge = qemu_values.values_of(key, str(value)).get("bridge") if key.startswith("net") else None
    if bridge and not sdn.bridge_exists(state, guest.node, bridge):
        why = f"network script /usr/libexec/qemu-server/pve-bridge failed: bridge '{bridge}' does not exist"
        return f"hotplug problem - VM {guest.vmid} qmp command 'netdev_add' failed - {why}\n"
    return None


def put(state: State, guest: Guest, key: str, value: Any) -> None:
    """Writes an option; a disk that is replaced stays as unused one."""
    if key == "description" and not value:
        guest.config.pop(key, None)
        return
    old = guest.config.get(key)
    guest.config[key] = value
    if old and qemu_values.DISK.fullmatch(key):
        _keep_unused(state, guest, str(old))


def _keep_unused(state: State, guest: Guest, value: str) -> None:
    """A disk that is no more attached stays; a drive for cloud-init goes."""
    volid = value.split(",", 1)[0]
    volume = state.volume(guest.node, volid)
    named = [found for _unused, found in disks.used_by(guest)]
    if not volume or volume.vmid != guest.vmid or volid in named:
        return
    if disks.is_cloud_init(volid):
        state.remove(volume)
    else:
        disks.add_unused(guest, volid)


def _delete(call: Call, guest: Guest, key: str, *, force: bool) -> None:
    _forget_waiting(call.state, guest, key)
    if key not in guest.config:
        return
    if guest.running and not hotplug.lets_go(guest, key):
        guest.deletes.add(key)
        if force:
            guest.forced.add(key)
        return
    if force or key.startswith("unused"):
        _check_free(call, guest, key)
    drop_option(call.state, guest, key, force=force)


def _check_free(call: Call, guest: Guest, key: str) -> None:
    """A volume goes only for those who may allocate on its storage, and if no snapshot needs it."""
    if not qemu_values.DISK.fullmatch(key) and not key.startswith("unused"):
        return
    volid = str(guest.config[key]).split(",", 1)[0]
    volume = call.state.volume(guest.node, volid)
    if volume and volume.vmid == guest.vmid:
        disks.need_space(call, volume.storage)
        check_not_in_snapshot(guest, volid)


def check_not_in_snapshot(guest: Guest, volid: str) -> None:
    if disks.in_snapshot(guest, volid):
        raise Died(f"unable to delete '{volid}' - volume is still in use (snapshot?)")


def drop_option(state: State, guest: Guest, key: str, *, force: bool = False) -> None:
    value = str(guest.config.pop(key))
    disk = bool(qemu_values.DISK.fullmatch(key))
    if key == "vmstate":
        for other in ("lock", "runningmachine", "runningcpu", "running-nets-host-mtu"):
            guest.config.pop(other, None)
    if key == "vmstate" or key.startswith("unused") or (disk and force and "media=cdrom" not in value):
        volume = state.volume(guest.node, value.split(",", 1)[0])
        if volume and volume.vmid == guest.vmid:
            state.remove(volume)
    elif disk:
        _keep_unused(state, guest, value)


def drop_from_boot(guest: Guest, keys: list[str]) -> None:
    """What is gone is no more booted from; a running machine learns it at its next start."""
    devices = parse(qemu_values.BOOT, str(guest.config.get("boot", ""))).get("order", "").split(";")
    left = [device for device in devices if device not in keys]
    if left != devices:
        target = guest.pending if guest.running else guest.config
        target["boot"] = f"order={';'.join(left)}" if left else " "


def apply_pending(state: State, guest: Guest) -> None:
    for key in sorted(guest.deletes):
        if key in guest.config:
            drop_option(state, guest, key, force=key in guest.forced)
    for key, value in guest.pending.items():
        put(state, guest, key, value)
    guest.pending, guest.deletes, guest.forced = {}, set(), set()
