# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where containers come from: templates, backups, other containers; and how they become templates."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

from . import disks, guests, lxc_config, lxc_power
from .call import Call, serves
from .errors import Died, Forbidden, told_as
from .schema import lookup
from .state import Config, Guest, State, Volume
from .tasks import Outcome, Steps, Task

BASE = "/nodes/{node}/lxc"
NOT_CONFIG = (
    "ostemplate",
    "restore",
    "force",
    "unique",
    "storage",
    "password",
    "ssh-public-keys",
    "pool",
    "start",
    "bwlimit",
    "ignore-unpack-errors",
    "ha-managed",
    "lock",
)
DEFAULTS: Config = {"arch": "amd64", "memory": 512, "swap": 512}


@serves("POST", BASE)
def create(call: Call) -> str:
    """Checks in PVE's order: what is there, who asks, what is wanted, where it goes."""
    params = call.params
    restore, vmid = bool(params.get("restore")), call.vmid
    old = call.state.guests.get(vmid)
    overwrite = bool(restore and params.get("force") and old and old.kind == "lxc" and old.node == call.node)
    if not restore and params.get("unprivileged") == 0:
        call.need("/", "Sys.Modify")
    if overwrite and old:
        _check_overwrite(old)
    else:
        guests.check_unused(call.state, vmid)
    _check_rights(call, overwrite=overwrite)
    options = call.options(*NOT_CONFIG)
    lxc_config.check_rights(call, None, options, [], vmid)
    _check_source(call, params["ostemplate"], restore=restore)
    storage = params.get("storage", "local")
    mounts = {key: value for key, value in options.items() if re.fullmatch(r"rootfs|mp\d+", key)}
    if mounts and "rootfs" not in mounts:
        raise Died("mount points configured, but 'rootfs' not set - aborting")
    for target in _targets(storage, mounts):
        disks.check_content(call.state, call.node, target, "rootdir")
        disks.need_space(call, target)
    if not call.state.quorate:
        raise Died("cluster not ready - no quorum?")
    if overwrite and old and old.lock:
        raise Died(f"unable to restore CT {vmid} - CT is locked ({old.lock})")
    work = _restorer(call, options, mounts, storage) if restore else _creator(call, options, mounts, storage)
    return call.task("vzrestore" if restore else "vzcreate", vmid, work, guest=vmid)


def _check_rights(call: Call, *, overwrite: bool) -> None:
    pool = call.params.get("pool")
    if pool and pool not in call.state.pools:
        raise Died(f"pool '{pool}' does not exist")
    allowed = (
        call.may(f"/vms/{call.vmid}", "VM.Allocate")
        or (pool and call.may(f"/pool/{pool}", "VM.Allocate"))
        or (overwrite and call.may(f"/vms/{call.vmid}", "VM.Backup"))
    )
    if not allowed:
        raise Forbidden()


def _check_overwrite(old: Guest) -> None:
    if old.running:
        raise Died("can't overwrite running container")
    if old.config.get("protection"):
        raise Died(f"unable to restore CT {old.vmid} - protection mode enabled")


def _check_source(call: Call, volid: str, *, restore: bool) -> None:
    """A template is for all who see its storage; a backup for those who may back up its guest."""
    storage = volid.split(":", 1)[0]
    disks.check_storage(call.state, call.node, storage)
    place = f"/storage/{storage}"
    if not restore:
        call.need(place, "Datastore.AllocateSpace", "Datastore.Audit", some=True)
    elif not call.may(place, "Datastore.Allocate"):
        call.need(place, "Datastore.AllocateSpace")
        owner = re.search(r"vzdump-lxc-(\d+)-", volid)
        if owner:
            call.need(f"/vms/{owner[1]}", "VM.Backup")


def _targets(storage: str, mounts: Config) -> list[str]:
    """The storages that new disks are asked on."""
    if not mounts:
        return [storage]
    found = []
    for key, value in mounts.items():
        volume = lxc_config.values_of(key, _sized(storage, str(value))).get("volume", "")
        if volume.startswith("/"):
            continue
        if ":" not in volume:
            raise Died(f"unable to parse volume ID '{volume}'")
        found.append(volume.split(":", 1)[0])
    return found


def _sized(storage: str, value: str) -> str:
    """A bare number is a size on the default storage."""
    return f"{storage}:{value}" if re.match(r"\d+(\.\d+)?(,|$)", value) else value


def _blank(call: Call, old: Guest | None) -> Guest:
    """The guest while it is made: a new one has nothing but its lock."""
    guest = old or Guest(call.vmid, "lxc", call.node)
    guest.config["lock"] = "create"
    call.state.guests[guest.vmid] = guest
    return guest


def _disks(call: Call, task: Task, guest: Guest, mounts: Config, made: list[Volume]) -> Config:
    """Makes the disks that are asked for; returns the options that name them."""
    found = {}
    for key, value in sorted(mounts.items(), reverse=True):
        before = set(call.state.volumes)
        found[key] = lxc_config.new_disk(call.state, guest, key, str(value))
        for place in set(call.state.volumes) - before:
            made.append(call.state.volumes[place])
            disks.log_new_filesystem(task, call.state, made[-1])
    return found


def _normal(call: Call, guest: Guest, options: Config) -> Config:
    return {
        key: lxc_config.normalise(call.state, guest, key, value, allocate=False)
        for key, value in options.items()
        if not re.fullmatch(r"rootfs|mp\d+|unused\d+", key)
    }


def _finish(call: Call, guest: Guest, task: Task) -> None:
    """What comes with a new container; its start is a task of its own."""
    pool = call.params.get("pool")
    if pool:
        call.state.pools[pool].setdefault("vms", []).append(guest.vmid)
    if call.params.get("start"):
        task.then.append(lambda: lxc_power.start(replace(call, outcome=Outcome())))
    if call.params.get("ha-managed"):
        task.log("Add as HA resource")
        call.state.ha[f"ct:{guest.vmid}"] = {"state": "started" if call.params.get("start") else "stopped"}


def _creator(call: Call, options: Config, mounts: Config, storage: str) -> Any:
    state, template = call.state, call.params["ostemplate"]
    mounts = {key: _sized(storage, str(value)) for key, value in (mounts or {"rootfs": f"{storage}:4"}).items()}

    def work(task: Task) -> Steps:
        guests.check_unused(state, call.vmid)
        guest, made = _blank(call, None), list[Volume]()
        with told_as(f"unable to create CT {call.vmid}"), guests.undone(state, guest, made):
            places = _disks(call, task, guest, mounts, made)
            source = state.volume(call.node, template)
            if source is None:
                task.log(f"volume '{template}' does not exist")
                raise Died(f"volume '{template}' does not exist")
            task.log(f"extracting archive '{disks.path_of(state, source)}'")
            yield
            task.log("Total bytes read: 2078720 (2.0MiB, 99MiB/s)", "Detected container architecture: amd64")
            config = DEFAULTS | {"hostname": f"CT{guest.vmid}", "ostype": ostype(template)}
            config |= _normal(call, guest, options) | places
            config["unprivileged"] = options.get("unprivileged", 1)
            guest.config = {key: value for key, value in config.items() if (key, value) != ("unprivileged", 0)}
            _finish(call, guest, task)

    return work


def ostype(template: str) -> str:
    known = (lookup(guests.config_schema("lxc"), "ostype") or {})["enum"]
    return next((name for name in known if name in template), "unmanaged")


def _restorer(call: Call, options: Config, mounts: Config, storage: str) -> Any:
    state, volid = call.state, call.params["ostemplate"]

    def work(task: Task) -> Steps:
        """As the real one: once the new disks are made, the old container is gone, whatever happens then."""
        task.log(f"recovering backed-up configuration from '{volid}'")
        with told_as(f"unable to restore CT {call.vmid}"):
            saved = _saved_config(call, options)
            wanted = {k: _sized(storage, str(v)) for k, v in mounts.items()} or _same_disks(call, saved, storage)
            old = state.guests.get(call.vmid)
            old_disks = [volume for _unused, volume in disks.volumes_of(state, old)] if old else []
            guest, made = _blank(call, old), list[Volume]()
            with guests.undone(state, guest, made):
                places = _disks(call, task, guest, wanted, made)
                for volume in old_disks:
                    state.remove(volume)
                task.log(f"restoring '{volid}' now..", f"extracting archive '{_path(call, volid)}'")
                yield
                task.log("Total bytes read: 2170880 (2.1MiB, 119MiB/s)", "merging backed-up and given configuration..")
                guest.config = _merged(call, guest, saved, options) | places
                if saved.get("template"):
                    task.log("Convert restored container to template...")
                    _make_template(state, guest)
                guest.snapshots, guest.pending, guest.deletes = {}, {}, set()
                _finish(call, guest, task)

    return work


def _path(call: Call, volid: str) -> str:
    volume = call.state.volume(call.node, volid)
    assert volume is not None
    return disks.path_of(call.state, volume)


def _saved_config(call: Call, options: Config) -> Config:
    """The configuration in the backup, if the caller may bring it back."""
    volid = call.params["ostemplate"]
    backup = call.state.volume(call.node, volid)
    if backup is None:
        raise Died(f"volume '{volid}' does not exist")
    if backup.archive is None or backup.archive.kind != "lxc":
        raise Died("no container configuration found in archive")
    saved = copy.deepcopy(backup.archive.config)
    for key in [key for key in saved if re.fullmatch(r"net\d+", key) and key not in options]:
        lxc_config.check_bridge(call.permissions, str(saved[key]))
    if not options.get("unprivileged", saved.get("unprivileged", 0)):
        call.need("/", "Sys.Modify")
    return saved


def _same_disks(call: Call, saved: Config, storage: str) -> Config:
    """The disks of the backup, with their sizes, on the storage of the restore; bind mounts stay."""
    found = {}
    for key, value in saved.items():
        if re.fullmatch(r"rootfs|mp\d+", key):
            values = lxc_config.values_of(key, str(value))
            bind = values["volume"].startswith("/")
            if bind and not call.caller.is_root:
                raise Died(f"restoring '{key}' to bind mount is only possible for root")
            if not bind:
                size = disks.read_size(values.get("size", "4G"))[1] / disks.GIB
                value = guests.rewrite("lxc", key, {"volume": f"{storage}:{size:g}", "size": None}, str(value))
            found[key] = value
    return found


def _merged(call: Call, guest: Guest, saved: Config, options: Config) -> Config:
    """The backup's options with those of the call laid over. Features stay, whoever restores."""
    dropped = ("lock", "parent", "template", "digest")
    config = {k: v for k, v in saved.items() if k not in dropped and not re.fullmatch(r"rootfs|mp\d+|unused\d+", k)}
    if call.params.get("unique"):
        for key in [key for key in config if re.fullmatch(r"net\d+", key)]:
            config[key] = guests.rewrite("lxc", key, {"hwaddr": call.state.mac()}, str(config[key]))
    config |= _normal(call, guest, options)
    if config.get("unprivileged") == 0:
        config.pop("unprivileged")
    return DEFAULTS | {"hostname": f"CT{guest.vmid}"} | config


# templates


@serves("POST", BASE + "/{vmid}/template")
def template(call: Call) -> None:
    guest = guests.of(call, "lxc")
    guests.check_lock_file(guest)
    guests.check_lock(guest)
    if guest.template:
        raise Died("you can't convert a template to a template")
    if guest.running:
        raise Died("you can't convert a CT to template if the CT is running")
    if guest.snapshots:
        raise Died("unable to create template, because CT contains snapshots")
    _make_template(call.state, guest)


def _make_template(state: State, guest: Guest) -> None:
    """Its disks become base volumes."""
    for key, volume in disks.volumes_of(state, guest, unused=False):
        state.remove(volume)
        volume.volid = re.sub(r"([:/])(sub)?v(m|ol)-", lambda m: m[1] + ("basevol-" if m[2] else "base-"), volume.volid)
        state.add(volume)
        guest.config[key] = guests.rewrite("lxc", key, {"volume": volume.volid}, str(guest.config[key]))
    guest.config["template"] = 1
