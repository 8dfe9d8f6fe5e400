# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups: making them, looking into them, thinning them out."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from . import agent, disks, guests, lxc_power
from .call import Call, serves
from .errors import BadParameter, Died
from .formats import split_list
from .propertystring import parse
from .state import Guest, Volume
from .tasks import Steps, Task

NODE = "/nodes/{node}"
PRUNE = NODE + "/storage/{storage}/prunebackups"
ROOT_ONLY = ("dumpdir", "script", "tmpdir")
EXTENSION = {"zstd": "zst", "gzip": "gz", "1": "gz", "lzo": "lzo"}
NOT_SHOWN = ("password",)


@serves("POST", NODE + "/vzdump")
def backup(call: Call) -> str:
    params = call.params
    for key in ROOT_ONLY:
        if key in params and not call.caller.is_root:
            raise BadParameter.of({key: "Only root may set this option."})
    storage = params.get("storage", "local")
    if storage in call.state.storages:
        call.need(f"/storage/{storage}", "Datastore.AllocateSpace")
    vmids = _wanted(call)
    for vmid in vmids:
        call.need(f"/vms/{vmid}", "VM.Backup")

    def work(task: Task) -> Steps:
        _check_target(call, storage)
        task.log(f"INFO: starting new backup job: vzdump {_command_line(call, vmids)}")
        failed = False
        for vmid in vmids:
            try:
                yield from _one(call, task, vmid, storage)
            except Died as error:
                failed = True
                task.log(f"ERROR: Backup of VM {vmid} failed - {error}", f"INFO: Failed at {_clock()}")
        if failed:
            task.log("INFO: Backup job finished with errors")
            raise Died("job errors")
        task.log("INFO: Backup job finished successfully")

    single = vmids[0] if len(vmids) == 1 else None
    return call.task("vzdump", single or "", work, guest=single)


def _wanted(call: Call) -> list[int]:
    params = call.params
    if params.get("all"):
        excluded = split_list(params.get("exclude", ""))
        return sorted(g.vmid for g in call.state.guests.values() if g.node == call.node and str(g.vmid) not in excluded)
    if params.get("pool"):
        return sorted(call.state.pools.get(params["pool"], {}).get("vms", []))
    found = [int(vmid) for vmid in split_list(str(params.get("vmid", "")))]
    if not found:
        raise BadParameter(vmid="property is missing and it is not optional")
    return found


def _check_target(call: Call, storage: str) -> None:
    if storage not in call.state.storages:
        text = f"'{storage}': storage '{storage}' does not exist"
        raise Died(f"could not activate storage {text} could not get storage information for {text}")
    if storage in call.state.storages_offline:
        raise Died(f"could not activate storage '{storage}': storage '{storage}' is not online")
    if "backup" not in disks.contents(call.state.storages[storage]):
        text = f"can't use storage '{storage}' for backups - wrong content type"
        raise Died(f"could not get storage information for '{storage}': {text}")


def _command_line(call: Call, vmids: list[int]) -> str:
    options = [(k, v) for k, v in call.sent.items() if k not in ("node", "vmid", *NOT_SHOWN)]
    words = [*map(str, vmids)]
    for key, value in [*options, ("node", call.node)]:
        text = str(value)
        words += [f"--{key}", f"'{text}'" if " " in text or "{" in text else text]
    return " ".join(words)


def _clock(moment: float | None = None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))


def _one(call: Call, task: Task, vmid: int, storage: str) -> Steps:
    state = call.state
    guest = state.guests.get(vmid)
    if guest is None or guest.node != call.node:
        raise Died(f"unable to find VM '{vmid}'")
    guests.check_lock_file(guest)
    status = "running" if guest.running else "stopped"
    mode = call.params.get("mode", "snapshot") if guest.running or guest.kind == "qemu" else "stop"
    began = time.time()
    task.log(
        f"INFO: Starting Backup of VM {vmid} ({guest.kind})",
        f"INFO: Backup started at {_clock(began)}",
        f"INFO: status = {status}",
    )
    guests.check_lock(guest)
    task.log(f"INFO: backup mode: {mode}", "INFO: ionice priority: 7")
    noun = guests.NOUN[guest.kind]
    task.log(f"INFO: {noun} Name: {guest.name}")
    _log_disks(state, task, guest)
    volume = _archive(call, guest, storage, began)
    task.log(f"INFO: creating vzdump archive '{disks.path_of(state, volume)}'")
    saved = copy.deepcopy(guest)
    restart = guest.running and mode == "stop"
    guest.config["lock"] = "backup"
    if restart:
        guest.started = None
    try:
        yield
    finally:
        guest.config.pop("lock", None)
        if restart:
            lxc_power.run(guest, task)
    saved.config.pop("lock", None)
    volume.archive, volume.system = saved, agent.has_system(state, guest)
    state.add(volume)
    task.log("INFO: Total bytes written: 2170880 (2.1MiB, 348MiB/s)", f"INFO: archive file size: {volume.size >> 20}MB")
    _finish(call, task, guest, volume)
    spent = time.strftime("%H:%M:%S", time.gmtime(time.time() - began))
    task.log(f"INFO: Finished Backup of VM {vmid} ({spent})", f"INFO: Backup finished at {_clock()}")


def _log_disks(state: Any, task: Task, guest: Guest) -> None:
    if guest.kind == "qemu":
        for key, volume in disks.volumes_of(state, guest, unused=False):
            task.log(f"INFO: include disk '{key}' '{volume.volid}' {disks.show_size(volume.size)}")
        return
    for key, volume in sorted(disks.volumes_of(state, guest, unused=False), reverse=True):
        values = parse({"volume": {"default_key": 1}, "mp": {}, "backup": {}}, str(guest.config[key]))
        where = "/" if key == "rootfs" else values.get("mp", "")
        if key == "rootfs" or values.get("backup") == "1":
            task.log(f"INFO: including mount point {key} ('{where}') in backup")
        else:
            task.log(f"INFO: excluding volume mount point {key} ('{where}') from backup (not included by default)")
        assert volume


def _archive(call: Call, guest: Guest, storage: str, began: float) -> Volume:
    """The backup's name holds the time to the second; a second one in the same second takes the next."""
    extension = "tar" if guest.kind == "lxc" else "vma"
    packed = EXTENSION.get(str(call.params.get("compress", "0")))
    form = f"{extension}.{packed}" if packed else extension
    node = None if call.state.storages[storage].get("shared") else call.node
    moment = int(began)
    while True:
        stamp = time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime(moment))
        stem = f"{storage}:backup/vzdump-{guest.kind}-{guest.vmid}-{stamp}."
        if not any(volid.startswith(stem) for _unused, volid in call.state.volumes):
            break
        moment += 1
    return Volume(stem + form, node, "backup", form, 1104361 if packed else 2170880, moment, vmid=guest.vmid)


def _finish(call: Call, task: Task, guest: Guest, volume: Volume) -> None:
    template = call.params.get("notes-template")
    if template:
        task.log("INFO: adding notes to backup")
        volume.notes = _notes(call, guest, template)
    if call.params.get("protected"):
        task.log("INFO: marking backup as protected")
        volume.protected = True
    keep = parse_keep(call.params.get("prune-backups"))
    if keep and call.params.get("remove", 1):
        _prune(call, volume.storage, keep, guest.kind, guest.vmid)


def _notes(call: Call, guest: Guest, template: str) -> str:
    values = {"cluster": call.state.cluster or "", "guestname": guest.name, "node": guest.node, "vmid": str(guest.vmid)}
    text = template.replace("\\n", "\n").replace("\\\\", "\\")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text


@serves("GET", NODE + "/vzdump/extractconfig")
def extract(call: Call) -> str:
    volid = call.params["volume"]
    storage = volid.split(":", 1)[0]
    disks.check_storage(call.state, call.node, storage)
    call.need(f"/storage/{storage}", "Datastore.AllocateSpace", "Datastore.Audit", some=True)
    volume = call.state.volume(call.node, volid)
    if volume is None or volume.archive is None:
        raise Died(f"volume '{volid}' does not exist")
    return guests.config_text(volume.archive.config)


@serves("GET", NODE + "/vzdump/defaults")
def defaults(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = {"mailnotification": "always", "mode": "snapshot", "remove": 1}
    storage = call.params.get("storage")
    if storage:
        keep = disks.check_storage(call.state, call.node, storage).get("prune-backups")
        found |= {"storage": storage} | ({"prune-backups": parse_keep(keep)} if keep else {})
    return found


# thinning out

Choose = Callable[[Volume], str]
PERIODS = {
    "keep-hourly": "%Y-%m-%d %H",
    "keep-daily": "%Y-%m-%d",
    "keep-weekly": "%G-%V",
    "keep-monthly": "%Y-%m",
    "keep-yearly": "%Y",
}


def parse_keep(text: str | None) -> dict[str, int]:
    pairs = (part.split("=", 1) for part in str(text or "").split(",") if part)
    return {key: int(value) for key, value in pairs}


def marks(backups: list[Volume], keep: dict[str, int]) -> dict[str, str]:
    """What would become of each backup: keep, remove or protected."""
    found = {volume.volid: "protected" for volume in backups if volume.protected}
    rest = sorted((v for v in backups if not v.protected), key=lambda v: v.ctime, reverse=True)
    if keep.get("keep-all") or not any(keep.values()):
        return found | {volume.volid: "keep" for volume in rest}
    _mark(rest, keep.get("keep-last", 0), lambda volume: str(volume.ctime), found)
    for name, pattern in PERIODS.items():
        _mark(rest, keep.get(name, 0), partial(_period, pattern), found)
    return found | {volume.volid: "remove" for volume in rest if volume.volid not in found}


def _period(pattern: str, volume: Volume) -> str:
    return time.strftime(pattern, time.gmtime(volume.ctime))


def _mark(rest: list[Volume], count: int, period: Choose, found: dict[str, str]) -> None:
    """Keeps the newest backup of each of the last periods, and gives up the others in them."""
    done = {period(volume) for volume in rest if found.get(volume.volid) == "keep"}
    mine: set[str] = set()
    for volume in rest:
        if not count or volume.volid in found or period(volume) in done:
            continue
        if period(volume) not in mine and len(mine) >= count:
            return
        found[volume.volid] = "remove" if period(volume) in mine else "keep"
        mine.add(period(volume))


def _groups(call: Call, storage: str, kind: str | None, vmid: int | None) -> list[list[Volume]]:
    groups: dict[tuple[str, int | None], list[Volume]] = {}
    for volume in call.state.volumes.values():
        if volume.content != "backup" or volume.storage != storage or volume.node not in (None, call.node):
            continue
        own = volume.archive.kind if volume.archive else "lxc"
        if kind in (None, own) and vmid in (None, volume.vmid):
            groups.setdefault((own, volume.vmid), []).append(volume)
    return list(groups.values())


def _keep(call: Call) -> dict[str, int]:
    storage = disks.check_storage(call.state, call.node, call.params["storage"])
    return parse_keep(call.params.get("prune-backups") or storage.get("prune-backups"))


@serves("GET", PRUNE)
def prune_preview(call: Call) -> list[dict[str, Any]]:
    found = []
    keep = _keep(call)
    for group in _groups(call, call.params["storage"], call.params.get("type"), call.params.get("vmid")):
        for volid, mark in marks(group, keep).items():
            volume = next(v for v in group if v.volid == volid)
            kind = volume.archive.kind if volume.archive else "lxc"
            found.append({"volid": volid, "ctime": volume.ctime, "mark": mark, "type": kind, "vmid": volume.vmid})
    return found


@serves("DELETE", PRUNE)
def prune(call: Call) -> str:
    storage, vmid = call.params["storage"], call.params.get("vmid")
    if not call.may(f"/storage/{storage}", "Datastore.Allocate"):
        call.need(f"/storage/{storage}", "Datastore.AllocateSpace")
        call.need(f"/vms/{vmid}", "VM.Backup")
    keep = _keep(call)

    def work(task: Task) -> Steps:
        yield
        for volid in _prune(call, storage, keep, call.params.get("type"), vmid):
            task.log(f"removing backup '{volid}'")

    return call.task("prunebackups", f"{vmid or ''}@{storage}", work)


def _prune(call: Call, storage: str, keep: dict[str, int], kind: str | None, vmid: int | None) -> list[str]:
    gone = []
    for group in _groups(call, storage, kind, vmid):
        marked = marks(group, keep)
        for volume in group:
            if marked[volume.volid] == "remove":
                call.state.remove(volume)
                gone.append(volume.volid)
    return gone
