# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines: their list, their status, and their removal."""

from __future__ import annotations

import time
from typing import Any

from . import disks, guests, qemu_rights, qemu_values, snapshots
from .call import Call, serves
from .errors import Died
from .state import Guest, State
from .tasks import Steps, Task

BASE = "/nodes/{node}/qemu"
ONE = BASE + "/{vmid}"
STATUS = ONE + "/status"
COUNTERS = ("cpu", "disk", "mem", "memhost", "netin", "netout", "uptime")
PRESSURE = ("cpufull", "cpusome", "iofull", "iosome", "memoryfull", "memorysome")
CHILDREN = (
    "config",
    "pending",
    "clone",
    "feature",
    "status",
    "snapshot",
    "migrate",
    "resize",
    "move_disk",
    "firewall",
    "agent",
    "cloudinit",
    "rrd",
    "rrddata",
    "monitor",
    "vncproxy",
    "termproxy",
    "vncwebsocket",
    "spiceproxy",
)


# lists and status


@serves("GET", BASE)
def index(call: Call) -> list[dict[str, Any]]:
    found = []
    for guest in call.state.guests.values():
        if guest.kind == "qemu" and guest.node == call.node and call.may(f"/vms/{guest.vmid}", "VM.Audit"):
            entry = figures(call.state, guest)
            found.append(entry | ({"template": 1} if guest.template else {}))
    return found


@serves("GET", ONE)
def children(call: Call) -> list[dict[str, str]]:
    guests.of(call, "qemu")
    return [{"subdir": name} for name in CHILDREN]


def figures(state: State, guest: Guest) -> dict[str, Any]:
    config = guest.config
    memory = qemu_values.values_of("memory", str(config.get("memory", 512)))
    volumes = [volume for _unused, volume in disks.volumes_of(state, guest, unused=False)]
    found: dict[str, Any] = {
        **dict.fromkeys(COUNTERS, 0),
        "vmid": guest.vmid,
        "name": guest.name,
        "status": "running" if guest.running else "stopped",
        "cpus": int(config.get("vcpus", int(config.get("cores", 1)) * int(config.get("sockets", 1)))),
        "maxmem": int(memory["current"]) << 20,
        "maxdisk": volumes[0].size if volumes else 0,
    }
    found |= {"tags": config["tags"]} if config.get("tags") else {}
    found |= {"lock": guest.lock} if guest.lock else {}
    if guest.running:
        found |= {"pid": guest.pid, "uptime": int(time.time() - (guest.started or 0)) + 1}
    return found


@serves("GET", STATUS + "/current")
def status(call: Call) -> dict[str, Any]:
    guest = guests.of(call, "qemu")
    found = figures(call.state, guest) | {"ha": guests.ha_status(call.state, guest)}
    found["qmpstatus"] = "paused" if guest.paused else found["status"]
    if agent_enabled(guest):
        found["agent"] = 1
    if guest.template:
        found["template"] = 1
    if guest.running:
        nets = [key for key in guest.config if key.startswith("net") and key[3:].isdigit()]
        found["nics"] = {f"tap{guest.vmid}i{key[3:]}": {"netin": 0, "netout": 0} for key in nets}
        found |= {f"pressure{name}": 0 for name in PRESSURE}
    return found


def agent_enabled(guest: Guest) -> bool:
    return qemu_values.values_of("agent", str(guest.config.get("agent", "0"))).get("enabled") == "1"


@serves("GET", ONE + "/feature")
def feature(call: Call) -> dict[str, Any]:
    guest = guests.of(call, "qemu")
    wanted = call.params["feature"]
    able = snapshots.possible(call.state, guest) if wanted == "snapshot" else wanted == "copy" or guest.template
    return {"hasFeature": int(able), "nodes": [call.node]}


# removal


@serves("DELETE", ONE)
def delete(call: Call) -> str:
    qemu_rights.check_skiplock(call)
    guest, purge = guests.of(call, "qemu"), bool(call.params.get("purge"))
    unreferenced = bool(call.params.get("destroy-unreferenced-disks"))
    if guest.config.get("protection"):
        raise Died(f"can't remove VM {guest.vmid} - protection mode enabled")
    if not purge:
        guests.check_not_managed(call.state, guest)
    if guest.running:
        raise Died(f"VM {guest.vmid} is running - destroy failed")

    def work(task: Task) -> Steps:
        if not call.params.get("skiplock") and guest.lock != "suspended":
            guests.enter(task.log, guest)
        for _unused, volume in disks.volumes_of(call.state, guest):
            if disks.in_use_by_clones(call.state, volume):
                raise Died(f"base volume '{volume.volid}' is still in use by linked cloned")
        if guest.running:
            raise Died(f"VM {guest.vmid} is running - destroy failed")
        yield
        guests.destroy(call.state, guest, purge=purge, unreferenced=unreferenced)

    return call.task("qmdestroy", guest.vmid, work, guest=guest.vmid)
