# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers: lists, power, removal, disks, migration."""

from __future__ import annotations

import time
from typing import Any

from . import disks, guests, lxc_config, lxc_create, snapshots
from .call import Call, serves
from .errors import BadParameter, Died
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


@serves("GET", ONE + "/interfaces")
def interfaces(call: Call) -> list[dict[str, Any]]:
    guest = guests.of(call, "lxc")
    if not guest.running:
        raise Died(f"CT {guest.vmid} not running")
    found = [_interface("lo", "00:00:00:00:00:00", "127.0.0.1/8")]
    for key, value in sorted(guest.config.items()):
        if key.startswith("net"):
            net = lxc_config.values_of(key, str(value))
            found.append(_interface(net["name"], net["hwaddr"].lower(), net.get("ip", "")))
    return found


def _interface(name: str, mac: str, cidr: str) -> dict[str, Any]:
    addresses: list[dict[str, Any]] = []
    entry: dict[str, Any] = {"name": name, "hwaddr": mac, "hardware-address": mac, "ip-addresses": addresses}
    if "/" in cidr:
        address, _unused, prefix = cidr.partition("/")
        addresses.append({"ip-address": address, "ip-address-type": "inet", "prefix": int(prefix)})
        entry["inet"] = cidr
    return entry


@serves("GET", ONE + "/feature")
def feature(call: Call) -> dict[str, int]:
    guest = guests.of(call, "lxc")
    wanted = call.params["feature"]
    able = snapshots.possible(call.state, guest) if wanted == "snapshot" else wanted == "copy" or guest.template
    return {"hasFeature": int(able)}


# power


@serves("POST", ONE + "/status/start")
def start(call: Call) -> str:
    found = call.state.guests.get(call.vmid)
    if call.params.get("skiplock") and not call.caller.is_root:
        raise BadParameter(skiplock="Only root may use this option.")
    if found and found.kind == "lxc" and found.node == call.node and found.running and not call.tasks.busy(call.vmid):
        raise Died(f"CT {call.vmid} already running")

    def work(task: Task) -> Steps:
        guest = guests.of(call, "lxc")
        if not call.params.get("skiplock"):
            guests.enter(task.log, guest)
        prepare_start(call.state, guest, task)
        yield
        run(guest, task)

    return call.task("vzstart", call.vmid, work, guest=call.vmid)


def power_on(state: State, guest: Guest, task: Task) -> None:
    prepare_start(state, guest, task)
    run(guest, task)


def run(guest: Guest, task: Task) -> None:
    guest.started, guest.pid = time.time(), task.pid + 30000


def prepare_start(state: State, guest: Guest, task: Task) -> None:
    """Everything that can stop a start; what waited for it takes effect."""
    if guest.template:
        raise Died("you can't start a CT if it's a template")
    if guest.running:
        raise Died(f"CT {guest.vmid} already running")
    lxc_config.apply_pending(guest)
    disks.require_volumes(state, guest)
    for key, value in guest.config.items():
        bridge = lxc_config.values_of(key, str(value)).get("bridge") if key.startswith("net") else None
        if bridge and bridge not in state.networks[guest.node]:
            task.log(f"bridge '{bridge}' does not exist")
            raise Died(f"startup for container '{guest.vmid}' failed")


def power_off(guest: Guest) -> None:
    """A stopped container takes the changes that waited for a restart."""
    guest.started, guest.paused = None, False
    lxc_config.apply_pending(guest)


def running(call: Call) -> Guest:
    guest = guests.of(call, "lxc")
    if not guest.running and not call.tasks.busy(guest.vmid):
        raise Died(f"CT {guest.vmid} not running")
    return guest


@serves("POST", ONE + "/status/stop")
def stop(call: Call) -> str:
    return _down(call, "vzstop")


@serves("POST", ONE + "/status/shutdown")
def shutdown(call: Call) -> str:
    return _down(call, "vzshutdown")


def _down(call: Call, kind: str) -> str:
    guest = running(call)
    if call.params.get("skiplock") and not call.caller.is_root:
        raise BadParameter(skiplock="Only root may use this option.")

    def work(task: Task) -> Steps:
        if not call.params.get("skiplock"):
            guests.enter(task.log, guest)
        if not guest.running:
            raise Died(f"CT {guest.vmid} not running")
        yield
        power_off(guest)

    return call.task(kind, guest.vmid, work, guest=guest.vmid)


@serves("POST", ONE + "/status/reboot")
def reboot(call: Call) -> str:
    guest = running(call)

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        yield
        power_off(guest)
        power_on(call.state, guest, task)

    return call.task("vzreboot", guest.vmid, work, guest=guest.vmid)


@serves("POST", ONE + "/status/suspend")
def suspend(call: Call) -> str:
    return _pause(call, "vzsuspend", paused=True)


@serves("POST", ONE + "/status/resume")
def resume(call: Call) -> str:
    return _pause(call, "vzresume", paused=False)


def _pause(call: Call, kind: str, *, paused: bool) -> str:
    guest = running(call)

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        yield
        guest.paused = paused

    return call.task(kind, guest.vmid, work, guest=guest.vmid)


# removal


@serves("DELETE", ONE)
def delete(call: Call) -> str:
    guest = guests.of(call, "lxc")
    force, purge = bool(call.params.get("force")), bool(call.params.get("purge"))
    check_removable(call.state, guest, purge=purge)
    if guest.running and not force:
        raise Died(f"unable to destroy CT {guest.vmid} - container is running")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        check_clones(call.state, guest)
        if guest.running:
            task.log(f"forced to stop CT {guest.vmid} before destroying!")
        power_off(guest)
        guest.config["lock"] = "destroyed"
        yield
        guests.destroy(call.state, guest, purge=purge)
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


# disks


@serves("PUT", ONE + "/resize")
def resize(call: Call) -> str:
    guest = guests.of(call, "lxc")
    key = call.params["disk"]
    guests.check_lock(guest)
    guests.check_digest(guest, call.params.get("digest"))
    volume = dict(disks.volumes_of(call.state, guest)).get(key)
    if volume is None:
        raise Died(f"disk '{key}' does not exist")
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
    guest = guests.of(call, "lxc")
    key, storage = call.params["volume"], call.params.get("storage")
    guests.check_lock(guest)
    if guest.running:
        raise Died("cannot move volumes of a running container")
    if not storage:
        raise Died("moving a volume to another container is not served by the lab")
    disks.check_content(call.state, guest.node, storage, "rootdir")
    disks.need_space(call, storage)
    if key not in guest.config:
        raise Died(f"volume '{key}' not found in config")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        source = dict(disks.volumes_of(call.state, guest)).get(key)
        if source is None:
            raise Died(f"volume '{key}' is not a storage volume")
        target = disks.allocate(call.state, guest.node, storage, "lxc", guest.vmid, source.size)
        disks.log_new_filesystem(task, call.state, target)
        lxc_create.log_copy(task)
        yield
        guest.config[key] = guests.rewrite("lxc", key, {"volume": target.volid}, str(guest.config[key]))
        if call.params.get("delete"):
            call.state.remove(source)
        else:
            disks.add_unused(guest, source.volid)

    return call.task("move_volume", guest.vmid, work, guest=guest.vmid)


# another node


@serves("GET", ONE + "/migrate")
def migrate_precondition(call: Call) -> dict[str, Any]:
    guest = guests.of(call, "lxc")
    others = [node for node in call.state.nodes if node != guest.node]
    return {"running": int(guest.running), "allowed-nodes": others, "not-allowed-nodes": {}}


@serves("POST", ONE + "/migrate")
def migrate(call: Call) -> str:
    target = call.params["target"]
    check_target(call, target)
    guest = guests.of(call, "lxc")
    restart, online = call.params.get("restart"), call.params.get("online")
    if guest.running and not restart and not online:
        raise Died("can't migrate running container without --online or --restart")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        task.log(f"{_clock()} starting migration of CT {guest.vmid} to node '{target}' (192.0.2.1)")
        if guest.running and not restart:
            task.log(f"{_clock()} ERROR: lxc live migration is currently not implemented")
            raise Died("migration aborted")
        was_running = guest.running
        guest.config["lock"] = "migrate"
        power_off(guest)
        yield
        guest.config.pop("lock", None)
        disks.move_to(call.state, guest, target)
        task.log(f"{_clock()} migration finished successfully (duration 00:00:01)")
        if was_running:
            power_on(call.state, guest, task)

    return call.task("vzmigrate", guest.vmid, work, guest=guest.vmid)


def check_target(call: Call, target: str) -> None:
    if target == call.node:
        raise BadParameter(target="target is local node.")
    if target not in call.state.nodes:
        raise Died(f"no such cluster node '{target}'")


def _clock() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
