# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power of virtual machines: start, stop, reset, pause and hibernation."""

from __future__ import annotations

import time
from typing import Any

from . import disks, guests, ha_manager, qemu_config, qemu_rights, qemu_values, sdn
from .call import Call, serves
from .cloud_init import regenerate
from .errors import BadParameter, Died
from .state import Guest, State
from .tasks import Steps, Task

STATUS = "/nodes/{node}/qemu/{vmid}/status"
# What a saved memory adds to the configuration, of the machine that it needs to come back.
SAVED_MACHINE = {
    "runningmachine": "pc-i440fx-10.0",
    "running-nets-host-mtu": "net0=1500",
    "runningcpu": "kvm64,enforce,+kvm_pv_eoi,+kvm_pv_unhalt,+lahf_lm,+sep",
}
SUSPENDED = ("lock", "vmstate", *SAVED_MACHINE)


def find(call: Call) -> Guest:
    return guests.of(call, "qemu")


def check_not_locked(call: Call, task: Task, guest: Guest, *but: str) -> None:
    """A worker takes the lock file and finds the guest unlocked, or locked by what does not matter to it."""
    if call.params.get("skiplock"):
        return
    if guest.lock in but:
        guests.check_lock_file(guest)
    else:
        guests.enter(task.log, guest)


def _check_before_stop(call: Call, task: Task, guest: Guest) -> None:
    """A lock does not matter to what is stopped already."""
    if guest.running:
        check_not_locked(call, task, guest)
    else:
        guests.check_lock_file(guest)


@serves("POST", STATUS + "/start")
def start(call: Call) -> str:
    qemu_rights.check_skiplock(call)
    if ha_manager.manages(call):
        return ha_manager.request_start(call)

    def work(task: Task) -> Steps:
        guest = find(call)
        check_not_locked(call, task, guest, "suspended")
        prepare_start(call.state, guest)
        if guest.lock == "suspended":
            task.log("Resuming suspended VM")
        yield
        run(call.state, guest, task)

    return call.task("qmstart", call.vmid, work, guest=call.vmid)


def prepare_start(state: State, guest: Guest) -> None:
    """Everything that can stop a start; what waited for it takes effect."""
    if guest.template:
        raise Died("you can't start a vm if it's a template")
    if guest.running:
        raise Died(f"VM {guest.vmid} already running")
    qemu_config.apply_pending(state, guest)
    regenerate(guest)
    disks.require_volumes(state, guest)
    for key, value in guest.config.items():
        bridge = qemu_values.values_of(key, str(value)).get("bridge") if key.startswith("net") else None
        if bridge and not sdn.bridge_exists(state, guest.node, bridge):
            raise Died(f"bridge '{bridge}' does not exist")


def run(state: State, guest: Guest, task: Task) -> None:
    """It runs; a hibernated one has its memory back and needs the saved one no more."""
    guest.started, guest.pid, guest.paused = time.time(), task.pid + 30000, False
    if guest.config.get("lock") != "suspended":
        return
    saved = state.volume(guest.node, guest.config.get("vmstate", ""))
    if saved:
        state.remove(saved)
    for key in SUSPENDED:
        guest.config.pop(key, None)


def power_off(guest: Guest) -> None:
    guest.started, guest.paused = None, False


@serves("POST", STATUS + "/stop")
def stop(call: Call) -> str:
    qemu_rights.check_skiplock(call)
    overrule = call.params.get("overrule-shutdown")
    if ha_manager.manages(call):
        if overrule:
            raise BadParameter.of({"overrule-shutdown": "Not applicable for HA resources."})
        return ha_manager.request_stop(call, timeout=0)
    if overrule:
        call.tasks.abort(call.vmid, "qmshutdown")

    def work(task: Task) -> Steps:
        guest = _on_node(call)
        _check_before_stop(call, task, guest)
        yield
        power_off(guest)

    return call.task("qmstop", call.vmid, work, guest=call.vmid)


def _on_node(call: Call) -> Guest:
    guest = call.state.guests.get(call.vmid)
    if guest is None or guest.kind != "qemu" or guest.node != call.node:
        raise Died(f"unable to find configuration file for VM {call.vmid} on node '{call.node}'")
    return guest


@serves("POST", STATUS + "/shutdown")
def shutdown(call: Call) -> str:
    qemu_rights.check_skiplock(call)
    guest, force = find(call), bool(call.params.get("forceStop"))
    if guest.paused and not force:
        raise Died("VM is paused - cannot shutdown")
    if ha_manager.manages(call):
        return ha_manager.request_stop(call, timeout=int(call.params.get("timeout", 60)))

    def work(task: Task) -> Steps:
        _check_before_stop(call, task, guest)
        yield
        go_down(task, guest, force=force)

    return call.task("qmshutdown", guest.vmid, work, guest=guest.vmid)


def go_down(task: Task, guest: Guest, *, force: bool) -> None:
    """A guest that does not listen goes down only by force."""
    if guest.deaf and guest.running:
        if not force:
            raise Died("VM quit/powerdown failed - got timeout")
        task.log("VM quit/powerdown failed - terminating now with SIGTERM")
    power_off(guest)


@serves("POST", STATUS + "/reboot")
def reboot(call: Call) -> str:
    guest = find(call)
    if guest.paused:
        raise Died("VM is paused - cannot shutdown")
    running(call)

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        yield
        go_down(task, guest, force=False)
        prepare_start(call.state, guest)
        run(call.state, guest, task)

    return call.task("qmreboot", guest.vmid, work, guest=guest.vmid)


def running(call: Call) -> Guest:
    guest = find(call)
    if not guest.running and not call.tasks.busy(guest.vmid):
        raise Died(f"VM {guest.vmid} not running")
    return guest


@serves("POST", STATUS + "/reset")
def reset(call: Call) -> str:
    qemu_rights.check_skiplock(call)
    guest = running(call)

    def work(task: Task) -> Steps:
        check_not_locked(call, task, guest)
        yield
        guest.started = time.time() if guest.running else None

    return call.task("qmreset", guest.vmid, work, guest=guest.vmid)


@serves("POST", STATUS + "/suspend")
def suspend(call: Call) -> str:
    qemu_rights.check_skiplock(call)
    guest = running(call)
    if call.params.get("todisk"):
        return _hibernate(call, guest)

    def work(task: Task) -> Steps:
        check_not_locked(call, task, guest, "backup")
        yield
        guest.paused = guest.running

    return call.task("qmpause", guest.vmid, work, guest=guest.vmid)


def _hibernate(call: Call, guest: Guest) -> str:
    if ha_manager.sid_of(guest) in ha_manager.managed(call.state):
        raise Died("Cannot suspend HA managed VM to disk")
    call.need(f"/vms/{guest.vmid}", "VM.Config.Disk")
    if any(key.startswith("hostpci") for key in guest.config):
        what = "passed-through PCI device(s), which lack the possibility to save/restore their internal state"
        raise Died(f"cannot suspend VM to disk due to {what}")
    storage = call.params.get("statestorage") or memory_storage(call.state, guest)
    call.need(f"/storage/{storage}", "Datastore.AllocateSpace")

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        saved = save_memory(call.state, task, guest, f"suspend-{time.strftime('%Y-%m-%d')}", storage)
        guest.config |= {"lock": "suspending", **saved}
        yield
        task.log("State saved, quitting")
        guest.config["lock"] = "suspended"
        power_off(guest)

    return call.task("qmsuspend", guest.vmid, work, guest=guest.vmid)


def memory_storage(state: State, guest: Guest) -> str:
    """Where the memory of a guest is saved if nobody says it: with its disks, shared ones first."""
    wanted = guest.config.get("vmstatestorage")
    used = [volume.storage for _unused, volume in disks.volumes_of(state, guest, unused=False)]
    shared = [storage for storage in used if disks.section(state, storage).get("shared")]
    return str(wanted or next(iter([*shared, *used]), "local"))


def save_memory(state: State, task: Task, guest: Guest, name: str, storage: str) -> dict[str, Any]:
    """Writes the memory to a volume of its own; returns what the configuration keeps of it."""
    size = (int(qemu_values.memory_of(guest.config)) * 2 + 500) << 20
    volume = disks.allocate(state, guest.node, storage, "qemu", guest.vmid, size, "raw")
    state.remove(volume)
    end = ".raw" if disks.backend(state, storage).files else ""
    volume.volid = f"{volume.volid.rpartition('vm-')[0]}vm-{guest.vmid}-state-{name}{end}"
    state.add(volume)
    task.log(
        f"Formatting '{disks.path_of(state, volume)}', fmt=raw size={size} preallocation=off",
        f"saving VM state and RAM using storage '{storage}'",
        "completed saving the VM state in 0s, saved 4.00 KiB",
    )
    return {"vmstate": volume.volid, **SAVED_MACHINE}


@serves("POST", STATUS + "/resume")
def resume(call: Call) -> str:
    qemu_rights.check_skiplock(call)
    guest = find(call)
    hibernated = guest.lock == "suspended"
    if not hibernated:
        running(call)

    def work(task: Task) -> Steps:
        if hibernated:
            prepare_start(call.state, guest)
            task.log("Resuming suspended VM")
        elif guest.paused:
            check_not_locked(call, task, guest, "backup")
        yield
        if hibernated:
            run(call.state, guest, task)
        guest.paused = False

    return call.task("qmresume", guest.vmid, work, guest=guest.vmid)
