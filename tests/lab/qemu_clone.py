# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of virtual machines: full ones, and linked ones of templates."""

from __future__ import annotations

import re

from . import disks, guests, moving, qemu_create, qemu_rights, qemu_values
from .call import Call, serves
from .errors import Died
from .state import Config, Guest, State, Volume
from .tasks import Steps, Task

ONE = "/nodes/{node}/qemu/{vmid}"


@serves("POST", ONE + "/clone")
def clone(call: Call) -> str:
    source = call.state.guests.get(call.vmid)
    if source is None or source.kind != "qemu" or source.node != call.node:
        raise Died(f"unable to find configuration file for VM {call.vmid} on node '{call.node}'")
    guests.check_lock(source)
    newid, snapshot = int(call.params["newid"]), call.params.get("snapname")
    config = guests.snapshot_of(source, snapshot) if snapshot else source.config
    full = bool(call.params.get("full", not source.template))
    _check_clone(call, source, config, full=full)

    def work(task: Task) -> Steps:
        guests.enter(task.log, source)
        if newid in call.state.guests:
            raise Died(f"unable to create VM {newid}: config file already exists")
        task.log(f"creating a clone of VM {source.vmid} with ID {newid}")
        made = Guest(newid, "qemu", call.node, {"lock": "clone"})
        made.deaf, made.agent_seconds = source.deaf, source.agent_seconds
        call.state.guests[newid] = made
        volumes: list[Volume] = []
        with guests.undone(call.state, made, volumes):
            places = {
                key: _copy(call, task, made, key, volume, str(config[key]), full, volumes)
                for key, volume in disks.volumes_of(call.state, source, unused=False)
                if key in config
            }
            yield
        made.config = _cloned(call, source, config) | places
        target = call.params.get("target")
        if target:
            moving.carry(call.state, made, target, moving.storage_map(None))
        qemu_create.into_pool(call, newid)

    return call.task("qmclone", source.vmid, work, guest=newid)


def _check_clone(call: Call, source: Guest, config: Config, *, full: bool) -> None:
    """Everything that is known before the copy begins."""
    state, newid = call.state, int(call.params["newid"])
    qemu_create.check_pool(call)
    _check_clone_target(call, source)
    for name in ("storage", "format"):
        if name in call.params and not full:
            raise Died(f"parameter '{name}' not allowed for linked clones")
    for key in [key for key in config if re.fullmatch(r"net\d+", key)]:
        qemu_rights.check_bridge(call, key, str(config[key]))
    if newid in state.guests:
        raise Died(f"unable to create VM {newid}: config file already exists")
    for key, volume in disks.volumes_of(state, source, unused=False):
        if not full and not _linked(volume, source) and not _is_copied_anyway(key, volume):
            raise Died(f"Linked clone feature is not supported for '{volume.volid}' ({key})")


def _check_clone_target(call: Call, source: Guest) -> None:
    """Another node gets a copy only of what both can see."""
    state, storage = call.state, call.params.get("storage")
    target = call.params.get("target", call.node)
    if target not in state.nodes:
        raise Died(f"no such cluster node '{target}'")
    if storage:
        disks.check_content(state, call.node, storage, "images")
        disks.check_storage(state, target, storage)
        if target != call.node and not disks.section(state, storage).get("shared"):
            raise Died(f"can't clone to non-shared storage '{storage}'")
    for _key, volume in disks.volumes_of(state, source, unused=False):
        disks.check_content(state, call.node, storage or volume.storage, "images")
        disks.need_space(call, storage or volume.storage)
        if target != call.node and volume.node is not None:
            raise Died(f"can't clone VM to node '{target}' (VM uses local storage)")


def _linked(volume: Volume, source: Guest) -> bool:
    return source.template and "base-" in volume.volid


def _is_copied_anyway(key: str, volume: Volume) -> bool:
    return key == "tpmstate0" or disks.is_cloud_init(volume.volid)


def _cloned(call: Call, source: Guest, config: Config) -> Config:
    """The configuration of a copy: its own name, addresses and identity."""
    dropped = ("lock", "template", *guests.SNAPSHOT_KEYS)
    new = {k: v for k, v in config.items() if k not in dropped and not k.startswith("unused")}
    if "description" in config and "snapname" not in call.params:
        new["description"] = config["description"]
    if "vmgenid" in config:
        new["vmgenid"] = call.state.uuid()
    new["name"] = call.params.get("name", f"Copy-of-VM-{config.get('name', source.vmid)}")
    if "description" in call.params:
        new["description"] = call.params["description"]
    made = Guest(0, "qemu", source.node, new)
    qemu_create.new_identity(call.state, made)
    return made.config


def _copy(
    call: Call, task: Task, made: Guest, key: str, volume: Volume, value: str, full: bool, volumes: list[Volume]
) -> str:
    state, storage = call.state, call.params.get("storage") or volume.storage
    full = full or _is_copied_anyway(key, volume)
    task.log(f"create {'full' if full else 'linked'} clone of drive {key} ({volume.volid})")
    if disks.is_cloud_init(volume.volid):
        copied = disks.allocate_cloud_init(state, made.node, storage, made.vmid)
    elif full:
        form = disks.fit_format(state, storage, call.params.get("format"), volume.format)
        copied = disks.allocate(state, made.node, storage, "qemu", made.vmid, volume.size, form)
    else:
        form = "qcow2" if disks.section(state, storage)["type"] in ("dir", "nfs", "cifs") else volume.format
        copied = disks.allocate(state, made.node, storage, "qemu", made.vmid, volume.size, form)
    copied.system = volume.system
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
    return qemu_values.render_value(key, qemu_values.values_of(key, value) | {"file": copied.volid})


def log_overlay(task: Task, state: State, copied: Volume, base: str) -> None:
    if disks.backend(state, copied.storage).files:
        task.log(
            f"Formatting '{disks.path_of(state, copied)}', fmt=qcow2 cluster_size=131072 extended_l2=on "
            f"preallocation=metadata compression_type=zlib size={copied.size} backing_file=../{base} "
            "backing_fmt=qcow2 lazy_refcounts=off refcount_bits=16"
        )


def log_copy(task: Task, state: State, copied: Volume) -> None:
    qemu_values.log_disk(task.log, state, copied)
    whole = f"{copied.size / disks.GIB:.1f} GiB"
    task.log(
        f"allocated target volume '{copied.volid}'",
        f"transferred 0.0 B of {whole} (0.00%)",
        f"transferred {whole} of {whole} (100.00%)",
    )
