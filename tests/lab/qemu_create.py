# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where virtual machines come from: nothing, a backup, another one; and how they become templates."""

from __future__ import annotations

import copy
import re
import time
from dataclasses import replace
from typing import Any

from . import disks, guests, qemu_config, qemu_power, qemu_rights, qemu_values
from .call import Call, serves
from .errors import Died, Forbidden, told_as
from .state import Config, Guest, State, Volume
from .tasks import Outcome, Steps, Task

BASE = "/nodes/{node}/qemu"
ONE = BASE + "/{vmid}"
NOT_CONFIG = (
    "archive",
    "force",
    "unique",
    "storage",
    "pool",
    "start",
    "bwlimit",
    "ha-managed",
    "live-restore",
    "import-working-storage",
    "lock",
)


@serves("POST", BASE)
def create(call: Call) -> str:
    params, vmid = call.params, call.vmid
    pool, archive = params.get("pool"), params.get("archive")
    check_pool(call)
    old = call.state.guests.get(vmid)
    overwrite = bool(archive and params.get("force") and old and old.kind == "qemu" and old.node == call.node)
    allowed = (
        call.may(f"/vms/{vmid}", "VM.Allocate")
        or (pool and call.may(f"/pool/{pool}", "VM.Allocate"))
        or (overwrite and call.may(f"/vms/{vmid}", "VM.Backup"))
    )
    if not allowed:
        raise Forbidden()
    options = call.options(*NOT_CONFIG)
    for key, value in options.items():
        qemu_rights.check_root_only(call, key, str(value))
    qemu_rights.check_rights(call, vmid, options, [], creates=True)
    if not call.state.quorate:
        raise Died("cluster not ready - no quorum?")
    if old and not overwrite:
        what = "restore" if archive else "create"
        taken = f"{guests.NOUN[old.kind]} {vmid} already exists on node '{old.node}'"
        raise Died(f"unable to {what} VM {vmid} - {taken}")
    if archive:
        return _restore(call, options, archive, old)

    def work(task: Task) -> Steps:
        guest = Guest(vmid, "qemu", call.node, {"lock": "create"})
        call.state.guests[vmid] = guest
        made: list[Volume] = []
        with told_as(f"unable to create VM {vmid}"), guests.undone(call.state, guest, made):
            places = {}
            for key in [key for key in options if qemu_values.DISK.fullmatch(key)]:
                places[key] = qemu_values.normalise(call.state, guest, key, options[key], task.log)
                made[:] = [v for v in call.state.volumes.values() if v.vmid == vmid and v.content == "images"]
            yield
            guest.config = {"lock": "create", **places}
            _fill(call, guest, {key: value for key, value in options.items() if key not in places})
            _finish(call, guest, task)

    return call.task("qmcreate", vmid, work, guest=vmid)


def _fill(call: Call, guest: Guest, options: Config) -> None:
    """The options that are no disks, and what PVE adds."""
    state = call.state
    guest.config |= {
        "meta": f"creation-qemu=10.0.13,ctime={int(time.time())}",
        "smbios1": f"uuid={state.uuid()}",
        "vmgenid": state.uuid(),
    }
    first = [key for key in options if key != "boot"]
    for key in [*first, *(["boot"] if "boot" in options else [])]:
        qemu_config.put(
            state, guest, key, qemu_values.normalise(state, guest, key, options[key], lambda *_unused: None)
        )
    if "boot" not in guest.config:
        guest.config["boot"] = default_boot(guest.config)
    guest.config.pop("lock", None)


def default_boot(config: Config) -> str:
    """The first disk, the first CD drive, the first network card."""
    buses = ("ide", "scsi", "virtio", "sata")
    disk = [key for bus in buses for key in sorted(config) if re.fullmatch(rf"{bus}\d+", key)]
    drives = [key for key in disk if "media=cdrom" in str(config[key])]
    nets = [key for key in sorted(config) if re.fullmatch(r"net\d+", key)]
    first = [kind[0] for kind in ([key for key in disk if key not in drives], drives, nets) if kind]
    return f"order={';'.join(first)}" if first else " "


def _finish(call: Call, guest: Guest, task: Task) -> None:
    into_pool(call, guest.vmid)
    if call.params.get("ha-managed"):
        call.state.ha[f"vm:{guest.vmid}"] = {"state": "started" if call.params.get("start") else "stopped"}
    if call.params.get("start"):
        start = replace(call, path=f"/nodes/{call.node}/qemu/{guest.vmid}/status/start", outcome=Outcome())
        start.params = {"node": call.node, "vmid": guest.vmid}
        task.then.append(lambda: qemu_power.start(start))


def _restore(call: Call, options: Config, archive: str, old: Guest | None) -> str:
    state, vmid = call.state, call.vmid
    disks.check_storage(state, call.node, archive.split(":", 1)[0])
    backup = state.volume(call.node, archive)
    if backup is None:
        raise Died(f"volume '{archive}' does not exist")
    if old and old.running:
        raise Died(f"unable to restore VM {vmid} - vm is running")
    if call.params.get("storage"):
        disks.check_content(state, call.node, call.params["storage"], "images")
        disks.need_space(call, call.params["storage"])

    def work(task: Task) -> Steps:
        guest = old or Guest(vmid, "qemu", call.node)
        state.guests[vmid] = guest
        if backup.archive is None or backup.archive.kind != "qemu":  # and the empty guest stays
            path = disks.path_of(state, backup)
            raise Died(f"ERROR: file '{path}' does not look like a QemuServer vzdump backup")
        for _unused, volume in disks.volumes_of(state, guest):
            state.remove(volume)
        guest.config = {"lock": "create"}
        places = _same_disks(call, task, guest, backup)
        yield
        saved = copy.deepcopy(backup.archive)
        guest.config = {k: v for k, v in saved.config.items() if k not in ("lock", "parent", "template")} | places
        guest.snapshots, guest.pending, guest.deletes = {}, {}, set()
        guest.deaf, guest.agent_seconds = saved.deaf, saved.agent_seconds
        _another_machine(call, guest)
        for key, value in options.items():
            qemu_config.put(state, guest, key, qemu_values.normalise(state, guest, key, value, task.log))
        if saved.template:
            make_base(state, guest)
            guest.config["template"] = 1
        _finish(call, guest, task)

    return call.task("qmrestore", vmid, work, guest=vmid)


def _same_disks(call: Call, task: Task, guest: Guest, backup: Volume) -> Config:
    """The disks of the backup, with their sizes, on the storage of the restore; other media stay what they are."""
    places, state = {}, call.state
    for key, value in backup.archive.config.items() if backup.archive else ():
        values = qemu_values.values_of(key, str(value)) if qemu_values.DISK.fullmatch(key) else {}
        cloud_init = disks.is_cloud_init(values.get("file", ""))
        if not cloud_init and (values.get("media") == "cdrom" or "size" not in values):
            continue
        storage = call.params.get("storage") or values["file"].split(":", 1)[0]
        if cloud_init:
            made = disks.allocate_cloud_init(state, guest.node, storage, guest.vmid)
        else:
            form = values["file"].rpartition(".")[2] if "." in values["file"] else None
            form, size = disks.fit_format(state, storage, form), disks.read_size(values["size"])[1]
            made = disks.allocate(state, guest.node, storage, "qemu", guest.vmid, size, form)
            qemu_values.log_disk(task.log, state, made)
        made.system = backup.system
        places[key] = qemu_values.render_value(key, values | {"file": made.volid})
    return places


def _another_machine(call: Call, guest: Guest) -> None:
    """A restored machine is of another generation, and with `unique` one of its own."""
    if "vmgenid" in guest.config:
        guest.config["vmgenid"] = call.state.uuid()
    if call.params.get("unique"):
        new_identity(call.state, guest)


def new_identity(state: State, guest: Guest) -> None:
    for key in [key for key in guest.config if re.fullmatch(r"net\d+", key)]:
        guest.config[key] = guests.rewrite("qemu", key, {"macaddr": state.mac()}, str(guest.config[key]))
    smbios = qemu_values.values_of("smbios1", str(guest.config.get("smbios1", ""))) | {"uuid": state.uuid()}
    guest.config["smbios1"] = qemu_values.render_value("smbios1", smbios)


def check_pool(call: Call) -> None:
    pool = call.params.get("pool")
    if pool and pool not in call.state.pools:
        raise Died(f"pool '{pool}' does not exist")


def into_pool(call: Call, vmid: int) -> None:
    pool = call.state.pools.get(call.params.get("pool", ""))
    if pool is not None:
        pool.setdefault("vms", []).append(vmid)


# templates


@serves("POST", ONE + "/template")
def template(call: Call) -> str:
    guest = guests.of(call, "qemu")
    guests.check_lock(guest)
    if guest.snapshots:
        raise Died("unable to create template, because VM contains snapshots")
    if guest.template:
        raise Died("you can't convert a template to a template")
    if guest.running:
        raise Died("you can't convert a VM to template if VM is running")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        yield
        make_base(call.state, guest)
        guest.config["template"] = 1

    return call.task("qmtemplate", guest.vmid, work, guest=guest.vmid)


def make_base(state: State, guest: Guest) -> None:
    for key, volume in disks.volumes_of(state, guest, unused=False):
        if disks.is_cloud_init(volume.volid):
            continue
        qemu_values.rename_base(state, volume)
        values: dict[str, Any] = qemu_values.values_of(key, str(guest.config[key]))
        guest.config[key] = qemu_values.render_value(key, values | {"file": volume.volid})
