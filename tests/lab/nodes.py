# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes: their list, status, time, network, and the tasks that ran on them."""

from __future__ import annotations

import time
from typing import Any

from .call import Answer, Call, serves
from .errors import BadParameter, Died
from .formats import split_list
from .older_version import VERSIONS
from .state import State
from .tasks import UPID, Task

NODE = "/nodes/{node}"
TASK = NODE + "/tasks/{upid}"
_STATES = {"ok", "warning", "error", "unknown"}
DISK, SWAP = 270553174016, 8589934592
BOOTED = time.time() - 86400


@serves("GET", "/version")
def version(call: Call) -> dict[str, str]:
    return VERSIONS[call.state.version]


def online(state: State, node: str) -> bool:
    return node not in state.offline


def figures(state: State, node: str) -> dict[str, Any]:
    found = state.nodes[node]
    return {
        "cpu": 0.05,
        "maxcpu": int(found.get("cores", 2)),
        "mem": int(found.get("memory_used", 2 << 30)),
        "maxmem": int(found.get("memory", 8 << 30)),
        "disk": int(found.get("disk_used", DISK // 8)),
        "maxdisk": DISK,
        "uptime": int(time.time() - BOOTED),
    }


def fingerprint(node: str) -> str:
    """The node's certificate in PVE; not the one that the lab serves."""
    return ":".join(f"{(ord(node[-1]) * 7 + n * 13) % 256:02X}" for n in range(32))


@serves("GET", "/nodes")
def index(call: Call) -> list[dict[str, Any]]:
    found = []
    for node in call.state.nodes:
        up = online(call.state, node)
        entry: dict[str, Any] = {
            "node": node,
            "type": "node",
            "id": f"node/{node}",
            "status": "online" if up else "offline",
            "level": "",
            "ssl_fingerprint": fingerprint(node),
        }
        if up and call.may(f"/nodes/{node}", "Sys.Audit"):
            entry |= figures(call.state, node)
        found.append(entry)
    return found


@serves("GET", NODE + "/status")
def status(call: Call) -> dict[str, Any]:
    own, release = figures(call.state, call.node), VERSIONS[call.state.version]
    cores = own["maxcpu"]
    return {
        "uptime": own["uptime"],
        "cpu": own["cpu"],
        "wait": 0,
        "idle": 0,
        "loadavg": ["0.10", "0.08", "0.05"],
        "pveversion": f"pve-manager/{release['version']}/{release['repoid']}",
        "kversion": "Linux 6.17.2-1-pve #1 SMP PREEMPT_DYNAMIC PMX 6.17.2-1",
        "current-kernel": {
            "release": "6.17.2-1-pve",
            "machine": "x86_64",
            "sysname": "Linux",
            "version": "#1 SMP PREEMPT_DYNAMIC PMX 6.17.2-1",
        },
        "boot-info": {"mode": "efi"},
        "cpuinfo": {
            "cores": cores,
            "cpus": cores,
            "sockets": 1,
            "model": "AMD EPYC",
            "vendor": "AuthenticAMD",
            "mhz": "2596.130",
            "hvm": "1",
            "flags": "fpu vme svm",
            "user_hz": 100,
            "family": "25",
        },
        "memory": {
            "total": own["maxmem"],
            "used": own["mem"],
            "free": own["maxmem"] - own["mem"],
            "available": own["maxmem"] - own["mem"],
        },
        "rootfs": {"total": DISK, "used": own["disk"], "avail": DISK - own["disk"], "free": DISK - own["disk"]},
        "swap": {"total": SWAP, "used": 0, "free": SWAP},
        "ksm": {"shared": 0},
    }


@serves("GET", NODE + "/time")
def clock(_call: Call) -> dict[str, Any]:
    now = int(time.time())
    return {"timezone": "Etc/UTC", "time": now, "localtime": now}


@serves("GET", NODE + "/version")
def node_version(call: Call) -> dict[str, str]:
    return VERSIONS[call.state.version]


CPUS = {
    "host": "default",
    "kvm64": "default",
    "qemu64": "default",
    "EPYC": "AuthenticAMD",
    "EPYC-Milan": "AuthenticAMD",
    "Haswell": "GenuineIntel",
    "Skylake-Server": "GenuineIntel",
}
ABSTRACT_CPUS = ("x86-64-v2", "x86-64-v2-AES", "x86-64-v3", "x86-64-v4")


@serves("GET", NODE + "/capabilities/qemu/cpu")
def cpu_models(_call: Call) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"name": name, "vendor": vendor, "custom": 0} for name, vendor in CPUS.items()]
    return found + [{"name": name, "vendor": "default", "custom": 0, "abstract": 1} for name in ABSTRACT_CPUS]


@serves("GET", NODE + "/capabilities/qemu/machines")
def machines(_call: Call) -> list[dict[str, str]]:
    kinds = {"i440fx": "pc-i440fx-", "q35": "pc-q35-"}
    numbers = ("10.0", "9.2", "9.0", "8.1")
    return [{"id": start + n, "type": kind, "version": n} for kind, start in kinds.items() for n in numbers]


# network


@serves("GET", NODE + "/network")
def networks(call: Call) -> list[dict[str, Any]]:
    """A bridge is shown to those who may use it."""
    wanted = call.params.get("type")
    return [
        {"iface": name, **found}
        for name, found in call.state.networks[call.node].items()
        if _of_type(found, wanted) and _visible(call, name, found)
    ]


def _of_type(found: dict[str, Any], wanted: str | None) -> bool:
    if wanted in ("any_bridge", "any_local_bridge"):
        return bool(found["type"] in ("bridge", "OVSBridge"))
    return wanted in (None, found["type"])


def _visible(call: Call, name: str, found: dict[str, Any]) -> bool:
    path = f"/sdn/zones/localnetwork/{name}"
    return found["type"] != "bridge" or call.may(path, "SDN.Audit", "SDN.Use", some=True)


@serves("GET", NODE + "/network/{iface}")
def network(call: Call) -> dict[str, Any]:
    found = call.state.networks[call.node].get(call.params["iface"])
    if found is None:
        raise BadParameter(iface="interface does not exist")
    return {key: value for key, value in found.items() if key != "iface"}


# tasks


def _visible_task(call: Call, task: Task) -> bool:
    owner = task.user.partition("!")[0]
    return (owner == call.caller.user and (not call.caller.token or task.user == call.caller.id)) or call.may(
        f"/nodes/{task.node}", "Sys.Audit"
    )


@serves("GET", NODE + "/tasks")
def tasks(call: Call) -> Answer:
    """What runs, the newest first; then what has ended, the last that ended first (PVE::API2::Tasks)."""
    params = call.params
    source = params.get("source", "archive")
    here = [task for task in reversed(call.tasks.all.values()) if task.node == call.node]
    active = [task for task in here if task.running and source != "archive"]
    ended = [task for task in here if not task.running and source != "active"]
    listed = [*active, *sorted(ended, key=lambda task: task.ended or 0, reverse=True)]
    found = [task for task in listed if _visible_task(call, task) and _wanted(task, params)]
    start = int(params.get("start", 0))
    shown = found[start : start + int(params.get("limit", 50))]
    entries = [({"status": "RUNNING"} if task.running else {}) | task.entry() for task in shown]
    return Answer(entries, {"total": len(found)} if found else {})


def _wanted(task: Task, params: dict[str, Any]) -> bool:
    states = {"warning", "error", "unknown"} if params.get("errors") else _STATES
    if params.get("statusfilter") and not params.get("errors"):
        states = {state.lower() for state in split_list(params["statusfilter"])}
    return all(
        (
            task.state in states,
            params.get("vmid") is None or task.id == str(params["vmid"]),
            params.get("userfilter", "").lower() in task.user.partition("!")[0].lower(),
            params.get("typefilter") in (None, task.kind),
            params.get("since") is None or int(task.started) >= params["since"],
            params.get("until") is None or int(task.started) <= params["until"],
        )
    )


@serves("GET", "/cluster/tasks")
def cluster_tasks(call: Call) -> list[dict[str, Any]]:
    found = [task for task in reversed(call.tasks.all.values()) if _visible_task(call, task)][:25]
    entries = []
    for number, task in enumerate(found):
        entry = {key: value for key, value in task.entry().items() if key not in ("pid", "pstart")}
        # a number for the newest, a string for what was read back from the list
        entries.append(entry if task.running else entry | {"saved": "1" if number else 1})
    return entries


def _find(call: Call) -> Task:
    task = call.tasks.find(call.params["upid"])
    if not _visible_task(call, task):
        call.need(f"/nodes/{call.node}", "Sys.Audit")
    return task


@serves("GET", TASK)
def task_children(_call: Call) -> list[dict[str, str]]:
    return [{"name": "log"}, {"name": "status"}]


@serves("GET", TASK + "/status")
def task_status(call: Call) -> dict[str, Any]:
    return _find(call).status()


@serves("GET", TASK + "/log")
def task_log(call: Call) -> Answer:
    upid = call.params["upid"]
    if UPID.fullmatch(upid) and upid not in call.tasks.all:
        lines = ["unable to open file - No such file or directory"]
    else:
        lines = _find(call).lines
    start, limit = int(call.params.get("start", 0)), int(call.params.get("limit", 50))
    shown = [{"n": n + 1, "t": text} for n, text in enumerate(lines)][start : start + limit or None]
    return Answer(shown or [{"n": 1, "t": "no content"}], {"total": len(lines)})


@serves("DELETE", TASK)
def task_stop(call: Call) -> None:
    task = call.tasks.find(call.params["upid"])
    if task.user != call.caller.id:
        call.need(f"/nodes/{call.node}", "Sys.Modify")
    if task.node != call.node:
        raise Died("no such task")
    call.tasks.stop(task)
