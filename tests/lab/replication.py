# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replication jobs. Nothing is replicated; a job that is to go goes some time later, as the scheduler comes by."""

from __future__ import annotations

import time
from typing import Any

from . import disks
from .call import Call, serves
from .errors import Died
from .formats import split_list
from .state import Guest, State, section_digest

LIST = "/cluster/replication"
ONE = LIST + "/{id}"
OPTIONS = ("comment", "disable", "rate", "remove_job", "schedule", "source")
REPLICATES = ("zfspool",)


def settle(state: State) -> None:
    """The scheduler removes what is marked."""
    for name, job in list(state.replication.items()):
        marked = state.replication_marked.get(name)
        if "remove_job" in job and marked is not None and time.time() - marked >= state.replication_seconds:
            del state.replication[name], state.replication_marked[name]


def jobs_of(state: State, vmid: int) -> list[str]:
    return [name for name, job in state.replication.items() if int(job["guest"]) == vmid]


def _shown(state: State, name: str) -> dict[str, Any]:
    job = state.replication[name]
    guest = state.guests.get(int(job["guest"]))
    entry = {"id": name, "jobnum": int(name.rpartition("-")[2]), "type": "local", **job}
    return entry | ({"source": guest.node} if guest else {})


@serves("GET", LIST)
def index(call: Call) -> list[dict[str, Any]]:
    return [
        _shown(call.state, name)
        for name, job in call.state.replication.items()
        if call.may(f"/vms/{job['guest']}", "VM.Audit")
    ]


def _vmid(name: str) -> int:
    return int(name.partition("-")[0])


@serves("GET", ONE)
def read(call: Call) -> dict[str, Any]:
    name = call.params["id"]
    if name not in call.state.replication:
        raise Died(f"no such replication job '{name}'")
    call.need(f"/vms/{_vmid(name)}", "VM.Audit")
    return _shown(call.state, name) | {"digest": section_digest(call.state.replication)}


@serves("POST", LIST)
def create(call: Call) -> None:
    state, name, target = call.state, call.params["id"], call.params["target"]
    vmid = _vmid(name)
    call.need(f"/vms/{vmid}", "VM.Replicate")
    guest = state.guests.get(vmid)
    if name in state.replication:
        raise Died(f"replication job '{name}' already exists")
    if guest is None:
        raise Died(f"Guest '{vmid}' does not exist.")
    if target not in state.nodes:
        raise Died(f"Target '{target}' does not exist.")
    if target == guest.node:
        raise Died("Source and target must not be identical")
    _check_volumes(state, guest)
    if any(state.replication[other]["target"] == target for other in jobs_of(state, vmid)):
        raise Died(f"replication job for guest '{vmid}' to target 'local/{target}' already exists")
    options = {key: call.params[key] for key in OPTIONS if key in call.params and key != "source"}
    state.replication[name] = {"guest": vmid, "target": target, **_typed(options)}


def _typed(options: dict[str, Any]) -> dict[str, Any]:
    return {key: float(value) if key == "rate" else value for key, value in options.items()}


def _check_volumes(state: State, guest: Guest) -> None:
    volumes = [volume for _unused, volume in disks.volumes_of(state, guest) if volume.node is not None]
    if not volumes:
        raise Died("No replicatable volumes found")
    for volume in volumes:
        if disks.section(state, volume.storage)["type"] not in REPLICATES:
            raise Died(f"missing replicate feature on volume '{volume.volid}'")


@serves("PUT", ONE)
def update(call: Call) -> None:
    name = call.params["id"]
    call.need(f"/vms/{_vmid(name)}", "VM.Replicate")
    if call.params.get("digest") not in (None, section_digest(call.state.replication)):
        raise Died("detected modified configuration - file changed by other user? Try again.")
    if name not in call.state.replication:
        raise Died(f"no such job '{name}'")
    deletes = split_list(call.params.get("delete", ""))
    for key in deletes:
        if key not in OPTIONS:
            raise Died(f"no such option '{key}'")
    job = call.state.replication[name]
    job |= _typed({key: call.params[key] for key in OPTIONS if key in call.params})
    for key in deletes:
        job.pop(key, None)


@serves("DELETE", ONE)
def delete(call: Call) -> None:
    name, state = call.params["id"], call.state
    call.need(f"/vms/{_vmid(name)}", "VM.Replicate")
    if call.params.get("force"):
        state.replication.pop(name, None)
        return
    if name not in state.replication:
        raise Died(f"no such job '{name}'")
    state.replication[name]["remove_job"] = "local" if call.params.get("keep") else "full"
    state.replication_marked[name] = time.time()


NEVER_RUN = {"last_sync": 0, "last_try": 0, "next_sync": 86400, "fail_count": 0}


def _here(call: Call, name: str) -> dict[str, Any] | None:
    """How a job went, if its guest is on the node and the caller may see it."""
    guest = call.state.guests.get(_vmid(name))
    if guest is None or guest.node != call.node or not call.may(f"/vms/{guest.vmid}", "VM.Audit"):
        return None
    return _shown(call.state, name) | NEVER_RUN | call.state.replication_results.get(name, {}) | {"vmtype": guest.kind}


@serves("GET", "/nodes/{node}/replication")
def on_node(call: Call) -> list[dict[str, Any]]:
    wanted = call.params.get("guest")
    found = [_here(call, name) for name in call.state.replication]
    return [entry for entry in found if entry and wanted in (None, entry["guest"])]


@serves("GET", "/nodes/{node}/replication/{id}/status")
def status(call: Call) -> dict[str, Any]:
    name = call.params["id"]
    found = _here(call, name) if name in call.state.replication else None
    if found is None:
        raise Died(f"no such replication job '{name}'")
    return found
