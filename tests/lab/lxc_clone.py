# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of containers: full ones, and linked ones of templates."""

from __future__ import annotations

import re

from . import disks, guests, lxc_config, moving
from .call import Call, serves
from .errors import Died
from .state import Config, Guest, State, Volume
from .tasks import Steps, Task

BASE = "/nodes/{node}/lxc"


@serves("POST", BASE + "/{vmid}/clone")
def clone(call: Call) -> str:
    source = guests.of(call, "lxc")
    newid, snapshot = int(call.params["newid"]), call.params.get("snapname")
    target = call.params.get("target", call.node)
    guests.check_lock_file(source)
    guests.check_lock(source)
    config = guests.snapshot_of(source, snapshot) if snapshot else source.config
    full = bool(call.params.get("full", not source.template))
    storage = call.params.get("storage")
    guests.check_unused(call.state, newid)
    if source.running and full and not snapshot:
        raise Died("Cannot do full clones on a running container without snapshots")
    if not full and not source.template:
        raise Died("Linked clone feature is only available for templates")
    for _unused, volume in disks.volumes_of(call.state, source, unused=False):
        disks.check_content(call.state, call.node, storage or volume.storage, "rootdir")
        disks.need_space(call, storage or volume.storage)
    for key in [key for key in config if re.fullmatch(r"net\d+", key)]:
        lxc_config.check_bridge(call.permissions, str(config[key]))

    def work(task: Task) -> Steps:
        guests.enter(task.log, source)
        task.log(f"creating a clone of container {source.vmid} with ID {newid}")
        made = Guest(newid, "lxc", call.node, {"lock": "create"})
        call.state.guests[newid] = made
        source.config["lock"] = "disk"
        volumes: list[Volume] = []
        try:
            with guests.undone(call.state, made, volumes):
                places = _copy_disks(call, task, source, made, storage, full, volumes)
                yield
        finally:
            source.config.pop("lock", None)
        made.config = _cloned(call, config) | places
        if target != call.node:
            moving.carry(call.state, made, target, moving.storage_map(None))
        pool = call.params.get("pool")
        if pool in call.state.pools:
            call.state.pools[pool].setdefault("vms", []).append(newid)

    return call.task("vzclone", source.vmid, work, guest=source.vmid)


def _copy_disks(
    call: Call, task: Task, source: Guest, made: Guest, storage: str | None, full: bool, volumes: list[Volume]
) -> Config:
    places = {}
    for key, volume in disks.volumes_of(call.state, source, unused=False):
        place = storage or volume.storage
        what = "full" if full else "linked"
        task.log(f"create {what} clone of mountpoint {key} ({volume.volid})")
        copied = disks.allocate(call.state, made.node, place, "lxc", made.vmid, volume.size)
        volumes.append(copied)
        if full:
            disks.log_new_filesystem(task, call.state, copied)
            log_copy(task)
        else:
            call.state.remove(copied)
            _link(call.state, volume, copied)
            call.state.add(copied)
        places[key] = guests.rewrite("lxc", key, {"volume": copied.volid}, str(source.config[key]))
    return places


def _link(state: State, base: Volume, copied: Volume) -> None:
    """A linked clone carries its base in its name, but on btrfs it needs it no more."""
    if disks.section(state, base.storage)["type"] != "btrfs":
        copied.parent, copied.volid = base.volid, f"{base.volid}/{copied.name}"


def log_copy(task: Task) -> None:
    """The statistics of rsync."""
    task.log(
        "",
        "Number of files: 88 (reg: 12, dir: 26, link: 50)",
        "Number of created files: 86 (reg: 12, dir: 24, link: 50)",
        "Number of deleted files: 0",
        "Number of regular files transferred: 12",
        "Total file size: 1,892,134 bytes",
        "Total transferred file size: 1,889,850 bytes",
        "Literal data: 1,889,850 bytes",
        "Matched data: 0 bytes",
        "File list size: 0",
        "File list generation time: 0.001 seconds",
        "File list transfer time: 0.000 seconds",
        "Total bytes sent: 1,896,520",
        "Total bytes received: 359",
        "",
        "sent 1,896,520 bytes  received 359 bytes  3,793,758.00 bytes/sec",
        "total size is 1,892,134  speedup is 1.00",
    )


def _cloned(call: Call, config: Config) -> Config:
    dropped = ("lock", "template", *guests.SNAPSHOT_KEYS)
    new = {k: v for k, v in config.items() if k not in dropped and not k.startswith("unused")}
    for key in [key for key in new if re.fullmatch(r"net\d+", key)]:
        new[key] = guests.rewrite("lxc", key, {"hwaddr": call.state.mac()}, str(new[key]))
    for key in ("hostname", "description"):
        if key in call.params:
            new[key] = call.params[key]
    return new
