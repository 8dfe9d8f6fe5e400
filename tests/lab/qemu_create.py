# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where virtual machines come from: nothing, a backup, another one; and how they become templates."""

from __future__ import annotations

import copy
import re
import time
from typing import Any

from . import disks, guests, qemu_config
from .call import Call, serves
from .errors import Died, Forbidden, told_as
from .state import Config, Guest, State, Volume
from .tasks import Steps, Task

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
    if pool and pool not in call.state.pools:
        raise Died(f"pool '{pool}' does not exist")
    if not call.may(f"/vms/{vmid}", "VM.Allocate") and not (pool and call.may(f"/pool/{pool}", "VM.Allocate")):
        raise Forbidden()
    options = call.options(*NOT_CONFIG)
    for key, value in options.items():
        qemu_config.check_root_only(call, key, str(value))
    qemu_config.check_rights(call, vmid, options, [])
    if not call.state.quorate:
        raise Died("cluster not ready - no quorum?")
    old = call.state.guests.get(vmid)
    overwrite = bool(archive and params.get("force") and old and old.kind == "qemu" and old.node == call.node)
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
            for key in [key for key in options if qemu_config.DISK.fullmatch(key)]:
                places[key] = qemu_config.normalise(call.state, guest, key, options[key], task.log)
                made[:] = [v for v in call.state.volumes.values() if v.vmid == vmid and v.content == "images"]
            yield
            guest.config = {"lock": "create", **places}
            _fill(call, guest, {key: value for key, value in options.items() if key not in places})
            _finish(call, guest)

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
            state, guest, key, qemu_config.normalise(state, guest, key, options[key], lambda *_unused: None)
        )
    if "boot" not in guest.config:
        guest.config["boot"] = default_boot(guest.config)
    guest.config.pop("lock", None)


def default_boot(config: Config) -> str:
    """The first disk, the first CD drive, the first network card."""
    disk = [key for key in sorted(config) if re.fullmatch(r"(ide|sata|scsi|virtio)\d+", key)]
    drives = [key for key in disk if "media=cdrom" in str(config[key])]
    nets = [key for key in sorted(config) if re.fullmatch(r"net\d+", key)]
    first = [kind[0] for kind in ([key for key in disk if key not in drives], drives, nets) if kind]
    return f"order={';'.join(first)}" if first else " "


def _finish(call: Call, guest: Guest) -> None:
    pool = call.params.get("pool")
    if pool:
        call.state.pools[pool].setdefault("vms", []).append(guest.vmid)
    if call.params.get("start"):
        guest.started = time.time()


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
        if backup.archive is None or backup.archive.kind != "qemu":
            raise Died(f"ERROR: file '{disks.path_of(state, backup)}' does not look like a QemuServer vzdump backup")
        saved = copy.deepcopy(backup.archive)
        for _unused, volume in disks.volumes_of(state, guest):
            state.remove(volume)
        guest.config = {"lock": "create"}
        places = _same_disks(call, task, guest, saved)
        yield
        guest.config = {k: v for k, v in saved.config.items() if k not in ("lock", "parent", "template")} | places
        guest.snapshots, guest.pending, guest.deletes = {}, {}, set()
        if call.params.get("unique"):
            new_identity(state, guest)
        for key, value in options.items():
            qemu_config.put(state, guest, key, qemu_config.normalise(state, guest, key, value, task.log))
        _finish(call, guest)

    return call.task("qmrestore", vmid, work, guest=vmid)


def _same_disks(call: Call, task: Task, guest: Guest, saved: Guest) -> Config:
    places = {}
    for key, value in saved.config.items():
        values = qemu_config.values_of(key, str(value)) if qemu_config.DISK.fullmatch(key) else {}
        if values.get("media") == "cdrom" or "size" not in values:
            continue
        storage = call.params.get("storage") or values["file"].split(":", 1)[0]
        form = values["file"].rpartition(".")[2] if "." in values["file"] else None
        size = disks.read_size(values["size"])[1]
        volume = disks.allocate(call.state, guest.node, storage, "qemu", guest.vmid, size, form)
        qemu_config.log_disk(task.log, call.state, volume)
        places[key] = qemu_config.render_disk(key, values | {"file": volume.volid})
    return places


def new_identity(state: State, guest: Guest) -> None:
    for key in [key for key in guest.config if re.fullmatch(r"net\d+", key)]:
        guest.config[key] = guests.rewrite("qemu", key, {"macaddr": state.mac()}, str(guest.config[key]))


# copies


@serves("POST", ONE + "/clone")
def clone(call: Call) -> str:
    source = call.state.guests.get(call.vmid)
    if source is None or source.kind != "qemu" or source.node != call.node:
        raise Died(f"unable to find configuration file for VM {call.vmid} on node '{call.node}'")
    guests.check_lock(source)
    newid, snapshot, storage = int(call.params["newid"]), call.params.get("snapname"), call.params.get("storage")
    config = guests.snapshot_of(source, snapshot) if snapshot else source.config
    full = bool(call.params.get("full", not source.template))
    if newid in call.state.guests:
        raise Died(f"unable to create VM {newid}: config file already exists")
    for key, volume in disks.volumes_of(call.state, source, unused=False):
        if not full and not source.template:
            raise Died(f"Linked clone feature is not supported for '{volume.volid}' ({key})")
        disks.check_content(call.state, call.node, storage or volume.storage, "images")
        disks.need_space(call, storage or volume.storage)

    def work(task: Task) -> Steps:
        guests.enter(task.log, source)
        task.log(f"creating a clone of VM {source.vmid} with ID {newid}")
        made = Guest(newid, "qemu", call.node, {"lock": "clone"})
        call.state.guests[newid] = made
        volumes: list[Volume] = []
        with guests.undone(call.state, made, volumes):
            places = {
                key: _copy(call, task, made, key, volume, str(config[key]), full, volumes)
                for key, volume in disks.volumes_of(call.state, source, unused=False)
            }
            yield
        dropped = ("lock", "template", *guests.SNAPSHOT_KEYS)
        made.config = {k: v for k, v in config.items() if k not in dropped and not k.startswith("unused")} | places
        if "description" in config and snapshot is None:
            made.config["description"] = config["description"]
        made.config |= {"smbios1": f"uuid={call.state.uuid()}", "vmgenid": call.state.uuid()}
        made.config["name"] = call.params.get("name", f"Copy-of-VM-{source.name}")
        if "description" in call.params:
            made.config["description"] = call.params["description"]
        new_identity(call.state, made)
        if call.params.get("target"):
            disks.move_to(call.state, made, call.params["target"])

    return call.task("qmclone", source.vmid, work, guest=source.vmid)


def _copy(
    call: Call, task: Task, made: Guest, key: str, volume: Volume, value: str, full: bool, volumes: list[Volume]
) -> str:
    state, storage = call.state, call.params.get("storage") or volume.storage
    task.log(f"create {'full' if full else 'linked'} clone of drive {key} ({volume.volid})")
    copied = disks.allocate(
        state, made.node, storage, "qemu", made.vmid, volume.size, call.params.get("format") or volume.format
    )
    volumes.append(copied)
    if full:
        log_copy(task, state, copied)
    else:
        base, name = volume.name, copied.name.rpartition("/")[2]
        task.log(f"clone {base}: images, {name}, {made.vmid} to {name} (base=../{base})")
        state.remove(copied)
        log_overlay(task, state, copied, base)
        copied.parent, copied.volid = volume.volid, f"{volume.volid}/{copied.name}"
        state.add(copied)
    return qemu_config.render_disk(key, qemu_config.values_of(key, value) | {"file": copied.volid})


def log_overlay(task: Task, state: State, copied: Volume, base: str) -> None:
    if disks.backend(state, copied.storage).files:
        task.log(
            f"Formatting '{disks.path_of(state, copied)}', fmt=qcow2 cluster_size=131072 extended_l2=on "
            f"preallocation=metadata compression_type=zlib size={copied.size} backing_file=../{base} "
            "backing_fmt=qcow2 lazy_refcounts=off refcount_bits=16"
        )


def log_copy(task: Task, state: State, copied: Volume) -> None:
    qemu_config.log_disk(task.log, state, copied)
    whole = f"{copied.size / disks.GIB:.1f} GiB"
    task.log(
        f"allocated target volume '{copied.volid}'",
        f"transferred 0.0 B of {whole} (0.00%)",
        f"transferred {whole} of {whole} (100.00%)",
    )


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
        qemu_config.rename_base(state, volume)
        values: dict[str, Any] = qemu_config.values_of(key, str(guest.config[key]))
        guest.config[key] = qemu_config.render_disk(key, values | {"file": volume.volid})
