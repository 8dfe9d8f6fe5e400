# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers: their list, their status, and their removal."""

from __future__ import annotations

import time
from typing import Any

from . import disks, guests, lxc_power, snapshots
from .call import Call, serves
from .errors import Died
from .state import Guest, State
from .tasks import Steps, Task

BASE = "/nodes/{node}/lxc"
ONE = BASE + "/{vmid}"
MIB = 1 << 20
COUNTERS = ("cpu", "disk", "diskread", "diskwrite", "mem", "netin", "netout", "swap", "uptime")
PRESSURE = ("cpufull", "cpusome", "iofull", "iosome", "memoryfull", "memorysome")
CHILDREN = (
    "config",
    "pending",
    "status",
    "vncproxy",
    "termproxy",
    "vncwebsocket",
    "spiceproxy",
    "migrate",
    "clone",
    "rrd",
    "rrddata",
    "firewall",
    "snapshot",
    "resize",
    "interfaces",
)


# lists and status


@serves("GET", BASE)
def index(call: Call) -> list[dict[str, Any]]:
    return [
        figures(call.state, guest)
        for guest in call.state.guests.values()
        if guest.kind == "lxc" and guest.node == call.node and call.may(f"/vms/{guest.vmid}", "VM.Audit")
    ]


@serves("GET", ONE)
def children(call: Call) -> list[dict[str, str]]:
    guests.of(call, "lxc")
    return [{"subdir": name} for name in CHILDREN]


@serves("GET", ONE + "/status/current")
def status(call: Call) -> dict[str, Any]:
    guest = guests.of(call, "lxc")
    return figures(call.state, guest) | {"ha": guests.ha_status(call.state, guest)}


def figures(state: State, guest: Guest) -> dict[str, Any]:
    config = guest.config
    being_made = set(config) <= {"lock"}
    found: dict[str, Any] = {
        **dict.fromkeys(COUNTERS, 0),
        "type": "lxc",
        "vmid": guest.vmid,
        "name": guest.name,
        "status": "running" if guest.running else "stopped",
        "cpus": cpus(state, guest),
        "maxmem": int(config.get("memory", 512)) * MIB,
        "maxswap": 0 if being_made else int(config.get("swap", 512)) * MIB,
        "maxdisk": next((v.size for key, v in disks.volumes_of(state, guest) if key == "rootfs"), 4 * disks.GIB),
    }
    found |= {key: config[key] for key in ("tags", "template") if config.get(key)}
    if guest.lock:
        found["lock"] = guest.lock
    if guest.running:
        uptime = int(time.time() - (guest.started or 0)) + 1
        found |= {f"pressure{name}": "0.00" for name in PRESSURE}
        found |= {"pid": guest.pid, "uptime": uptime, "mem": 5 * MIB, "disk": 2 * MIB}
    return found


def cpus(state: State, guest: Guest) -> int:
    config = guest.config
    return int(config.get("cores", 0)) or int(state.nodes[guest.node].get("cores", 2))


@serves("GET", ONE + "/feature")
def feature(call: Call) -> dict[str, int]:
    guest = guests.of(call, "lxc")
    wanted = call.params["feature"]
    able = snapshots.possible(call.state, guest) if wanted == "snapshot" else wanted == "copy" or guest.template
    return {"hasFeature": int(able)}


# removal


@serves("DELETE", ONE)
def delete(call: Call) -> str:
    guest = guests.of(call, "lxc")
    force, purge = bool(call.params.get("force")), bool(call.params.get("purge"))
    unreferenced = bool(call.params.get("destroy-unreferenced-disks"))
    check_removable(call.state, guest, purge=purge)
    if guest.running and not force:
        raise Died(f"unable to destroy CT {guest.vmid} - container is running")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        check_clones(call.state, guest)
        if guest.running:
            task.log(f"forced to stop CT {guest.vmid} before destroying!")
        lxc_power.power_off(call.state, guest)
        guest.config["lock"] = "destroyed"
        yield
        guests.destroy(call.state, guest, purge=purge, unreferenced=unreferenced)
        if purge:
            task.log(f"purging CT {guest.vmid} from related configurations..")

    return call.task("vzdestroy", guest.vmid, work, guest=guest.vmid)


def check_removable(state: State, guest: Guest, *, purge: bool) -> None:
    if guest.config.get("protection"):
        raise Died(f"can't remove CT {guest.vmid} - protection mode enabled")
    guests.check_lock(guest)
    if not purge:
        guests.check_not_managed(state, guest)


def check_clones(state: State, guest: Guest) -> None:
    """A base volume stays as long as linked clones need it; a btrfs clone needs nothing."""
    for _unused, volume in disks.volumes_of(state, guest):
        if disks.section(state, volume.storage)["type"] != "btrfs" and disks.in_use_by_clones(state, volume):
            raise Died(f"base volume '{volume.volid}' is still in use by linked cloned")
