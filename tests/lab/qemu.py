# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines: lists, power, removal, disks, migration."""

from __future__ import annotations

import time
from typing import Any

from . import disks, guests, qemu_config, qemu_create, snapshots
from .call import Call, serves
from .errors import BadParameter, Died
from .state import Guest, State
from .tasks import Steps, Task

BASE = "/nodes/{node}/qemu"
ONE = BASE + "/{vmid}"
STATUS = ONE + "/status"
COUNTERS = ("cpu", "disk", "mem", "memhost", "netin", "netout", "uptime")
PRESSURE = ("cpufull", "cpusome", "iofull", "iosome", "memoryfull", "memorysome")
AGENT_CALLS = (
    "get-fsinfo",
    "get-host-name",
    "get-osinfo",
    "get-time",
    "get-timezone",
    "get-users",
    "get-vcpus",
    "info",
    "network-get-interfaces",
)
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
    memory = qemu_config.values_of("memory", str(config.get("memory", 512)))
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
    return qemu_config.values_of("agent", str(guest.config.get("agent", "0"))).get("enabled") == "1"


@serves("GET", ONE + "/feature")
def feature(call: Call) -> dict[str, Any]:
    guest = guests.of(call, "qemu")
    wanted = call.params["feature"]
    able = snapshots.possible(call.state, guest) if wanted == "snapshot" else wanted == "copy" or guest.template
    return {"hasFeature": int(able), "nodes": [call.node]}


# power


def find(call: Call) -> Guest:
    return guests.of(call, "qemu")


@serves("POST", STATUS + "/start")
def start(call: Call) -> str:
    qemu_config.check_skiplock(call)

    def work(task: Task) -> Steps:
        guest = find(call)
        if not call.params.get("skiplock"):
            guests.enter(task.log, guest)
        prepare_start(call.state, guest)
        yield
        guest.started, guest.pid, guest.paused = time.time(), task.pid + 30000, False

    return call.task("qmstart", call.vmid, work, guest=call.vmid)


def prepare_start(state: State, guest: Guest) -> None:
    if guest.template:
        raise Died("you can't start a vm if it's a template")
    if guest.running:
        raise Died(f"VM {guest.vmid} already running")
    qemu_config.apply_pending(state, guest)
    disks.require_volumes(state, guest)
    for key, value in guest.config.items():
        bridge = qemu_config.values_of(key, str(value)).get("bridge") if key.startswith("net") else None
        if bridge and bridge not in state.networks[guest.node]:
            raise Died(f"bridge '{bridge}' does not exist")


@serves("POST", STATUS + "/stop")
def stop(call: Call) -> str:
    qemu_config.check_skiplock(call)

    def work(task: Task) -> Steps:
        guest = _on_node(call)
        if not call.params.get("skiplock"):
            guests.enter(task.log, guest)
        yield
        guest.started, guest.paused = None, False

    return call.task("qmstop", call.vmid, work, guest=call.vmid)


def _on_node(call: Call) -> Guest:
    guest = call.state.guests.get(call.vmid)
    if guest is None or guest.kind != "qemu" or guest.node != call.node:
        raise Died(f"unable to find configuration file for VM {call.vmid} on node '{call.node}'")
    return guest


@serves("POST", STATUS + "/shutdown")
def shutdown(call: Call) -> str:
    qemu_config.check_skiplock(call)
    guest = find(call)

    def work(task: Task) -> Steps:
        if not call.params.get("skiplock"):
            guests.enter(task.log, guest)
        yield
        guest.started, guest.paused = None, False

    return call.task("qmshutdown", guest.vmid, work, guest=guest.vmid)


@serves("POST", STATUS + "/reboot")
def reboot(call: Call) -> str:
    guest = _running(call)

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        yield
        guest.started = None
        prepare_start(call.state, guest)
        guest.started = time.time()

    return call.task("qmreboot", guest.vmid, work, guest=guest.vmid)


@serves("POST", STATUS + "/reset")
def reset(call: Call) -> str:
    return _in_place(call, "qmreset", None)


@serves("POST", STATUS + "/suspend")
def suspend(call: Call) -> str:
    return _in_place(call, "qmpause", True)


@serves("POST", STATUS + "/resume")
def resume(call: Call) -> str:
    return _in_place(call, "qmresume", False)


def _running(call: Call) -> Guest:
    guest = find(call)
    if not guest.running and not call.tasks.busy(guest.vmid):
        raise Died(f"VM {guest.vmid} not running")
    return guest


def _in_place(call: Call, kind: str, paused: bool | None) -> str:
    qemu_config.check_skiplock(call)
    guest = _running(call)

    def work(task: Task) -> Steps:
        if paused is not False:  # a locked VM may resume
            guests.enter(task.log, guest)
        yield
        guest.paused = bool(paused)

    return call.task(kind, guest.vmid, work, guest=guest.vmid)


# the guest agent


@serves("GET", *(f"{ONE}/agent/{name}" for name in AGENT_CALLS))
def agent_read(call: Call) -> None:
    _refuse_agent(call)


@serves("POST", f"{ONE}/agent/ping")
def agent_ping(call: Call) -> None:
    _refuse_agent(call)


def _refuse_agent(call: Call) -> None:
    """No agent runs in the lab's machines."""
    guest = find(call)
    if not agent_enabled(guest):
        raise Died("No QEMU guest agent configured")
    if not guest.running:
        raise Died(f"VM {guest.vmid} is not running")
    raise Died("QEMU guest agent is not running")


# removal


@serves("DELETE", ONE)
def delete(call: Call) -> str:
    qemu_config.check_skiplock(call)
    guest, purge = find(call), bool(call.params.get("purge"))
    if guest.config.get("protection"):
        raise Died(f"can't remove VM {guest.vmid} - protection mode enabled")
    if not purge:
        guests.check_not_managed(call.state, guest)
    if guest.running:
        raise Died(f"VM {guest.vmid} is running - destroy failed")

    def work(task: Task) -> Steps:
        if not call.params.get("skiplock"):
            guests.enter(task.log, guest)
        for _unused, volume in disks.volumes_of(call.state, guest):
            if disks.in_use_by_clones(call.state, volume):
                raise Died(f"base volume '{volume.volid}' is still in use by linked cloned")
        if guest.running:
            raise Died(f"VM {guest.vmid} is running - destroy failed")
        yield
        guests.destroy(call.state, guest, purge=purge)

    return call.task("qmdestroy", guest.vmid, work, guest=guest.vmid)


# disks


@serves("PUT", ONE + "/resize")
def resize(call: Call) -> str:
    guest, key = find(call), call.params["disk"]
    guests.check_digest(guest, call.params.get("digest"))

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        volume = dict(disks.volumes_of(call.state, guest)).get(key)
        if volume is None:
            raise Died(f"disk '{key}' does not exist")
        relative, size = disks.read_size(call.params["size"])
        size += volume.size if relative else 0
        if size < volume.size:
            raise Died("shrinking disks is not supported")
        yield
        task.log("Image resized.")
        volume.size = size
        values = qemu_config.values_of(key, str(guest.config[key]))
        guest.config[key] = qemu_config.render_disk(key, values | {"size": disks.show_size(size)})

    return call.task("resize", guest.vmid, work, guest=guest.vmid)


@serves("POST", ONE + "/move_disk")
def move_disk(call: Call) -> str:
    guest, key, storage = find(call), call.params["disk"], call.params.get("storage")
    guests.check_lock(guest)
    if not storage:
        raise Died("moving a disk to another VM is not served by the lab")
    disks.check_content(call.state, guest.node, storage, "images")
    disks.need_space(call, storage)
    source = dict(disks.volumes_of(call.state, guest)).get(key)
    if source is None:
        raise Died(f"disk '{key}' does not exist")
    form = call.params.get("format") or source.format
    if source.storage == storage and source.format == form:
        raise Died("you can't move to the same storage with same format")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        where = f"from current storage '{source.storage}' to target storage '{storage}'"
        task.log(f"copying volume '{source.volid}' {where}", f"create full clone of drive {key} ({source.volid})")
        target = disks.allocate(call.state, guest.node, storage, "qemu", guest.vmid, source.size, form)
        qemu_create.log_copy(task, call.state, target)
        yield
        values = qemu_config.values_of(key, str(guest.config[key]))
        guest.config[key] = qemu_config.render_disk(key, values | {"file": target.volid})
        if call.params.get("delete"):
            call.state.remove(source)
        else:
            unused = disks.add_unused(guest, source.volid)
            task.log(f"adding source volume '{source.volid}' as '{unused}' to config")

    return call.task("qmmove", guest.vmid, work, guest=guest.vmid)


# another node


@serves("GET", ONE + "/migrate")
def migrate_precondition(call: Call) -> dict[str, Any]:
    guest = find(call)
    others = [node for node in call.state.nodes if node != guest.node]
    local = [
        {
            "volid": volume.volid,
            "drivename": key,
            "size": volume.size,
            "is_attached": 1,
            "replicate": 1,
            "shared": 0,
            "cdrom": 0,
            "is_unused": int(key.startswith("unused")),
            "is_vmstate": 0,
            "is_cloudinit": 0,
            "is_tpmstate": 0,
        }
        for key, volume in disks.volumes_of(call.state, guest)
        if volume.node
    ]
    return {
        "running": int(guest.running),
        "allowed_nodes": others,
        "not_allowed_nodes": {node: {} for node in others},
        "local_disks": local,
        "local_resources": [],
        "mapped-resources": [],
        "mapped-resource-info": {},
        "has-dbus-vmstate": 1,
    }


@serves("POST", ONE + "/migrate")
def migrate(call: Call) -> str:
    target = call.params["target"]
    if target == call.node:
        raise BadParameter(target="target is local node.")
    if target not in call.state.nodes:
        raise Died(f"no such cluster node '{target}'")
    guest, online = find(call), call.params.get("online")
    guests.check_lock(guest)
    if guest.running and not online:
        raise Died("can't migrate running VM without --online")
    local = any(volume.node for _unused, volume in disks.volumes_of(call.state, guest))

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        task.log(f"{_clock()} starting migration of VM {guest.vmid} to node '{target}' (192.0.2.1)")
        if guest.running and local and not call.params.get("with-local-disks"):
            task.log(f"{_clock()} ERROR: can't live migrate attached local disks without with-local-disks option")
            raise Died("migration aborted")
        guest.config["lock"] = "migrate"
        try:
            yield
        finally:
            guest.config.pop("lock", None)
        disks.move_to(call.state, guest, target)
        task.log(f"{_clock()} migration finished successfully (duration 00:00:01)")

    return call.task("qmigrate", guest.vmid, work, guest=guest.vmid)


def _clock() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
