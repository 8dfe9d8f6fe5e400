# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power of containers."""

from __future__ import annotations

import time

from . import disks, guests, ha_manager, lxc_config, sdn
from .call import Call, serves
from .errors import BadParameter, Died
from .state import Guest, State
from .tasks import Steps, Task

STATUS = "/nodes/{node}/lxc/{vmid}/status"


@serves("POST", STATUS + "/start")
def start(call: Call) -> str:
    found = call.state.guests.get(call.vmid)
    _check_skiplock(call)
    if found and found.kind == "lxc" and found.node == call.node and found.running and not call.tasks.busy(call.vmid):
        raise Died(f"CT {call.vmid} already running")
    if not call.state.quorate:
        raise Died("cluster not ready - no quorum?")
    if ha_manager.manages(call):
        return ha_manager.request_start(call)

    def work(task: Task) -> Steps:
        guest = guests.of(call, "lxc")
        if not call.params.get("skiplock"):
            guests.enter(task.log, guest)
        prepare_start(call.state, guest, task)
        yield
        run(guest, task)

    return call.task("vzstart", call.vmid, work, guest=call.vmid)


def _check_skiplock(call: Call) -> None:
    if call.params.get("skiplock") and not call.caller.is_root:
        raise BadParameter(skiplock="Only root may use this option.")


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
    lxc_config.apply_pending(state, guest)
    disks.require_volumes(state, guest)
    for key, value in guest.config.items():
        bridge = lxc_config.values_of(key, str(value)).get("bridge") if key.startswith("net") else None
        if bridge and not sdn.bridge_exists(state, guest.node, bridge):
            task.log(f"bridge '{bridge}' does not exist")
            raise Died(f"startup for container '{guest.vmid}' failed")


def power_off(state: State, guest: Guest) -> None:
    """A stopped container takes the changes that waited for a restart."""
    guest.started, guest.paused = None, False
    lxc_config.apply_pending(state, guest)


def running(call: Call) -> Guest:
    guest = guests.of(call, "lxc")
    if not guest.running and not call.tasks.busy(guest.vmid):
        raise Died(f"CT {guest.vmid} not running")
    return guest


@serves("POST", STATUS + "/stop")
def stop(call: Call) -> str:
    if call.params.get("overrule-shutdown") and not ha_manager.manages(call):
        call.tasks.abort(call.vmid, "vzshutdown")
    return _down(call, "vzstop", force=True, timeout=0)


@serves("POST", STATUS + "/shutdown")
def shutdown(call: Call) -> str:
    force, timeout = bool(call.params.get("forceStop")), int(call.params.get("timeout", 60))
    return _down(call, "vzshutdown", force=force, timeout=timeout)


def _down(call: Call, kind: str, *, force: bool, timeout: int) -> str:
    guest = running(call)
    _check_skiplock(call)
    if ha_manager.manages(call):
        return ha_manager.request_stop(call, timeout)

    def work(task: Task) -> Steps:
        if not call.params.get("skiplock"):
            guests.enter(task.log, guest)
        if not guest.running:
            raise Died(f"CT {guest.vmid} not running")
        yield
        go_down(guest, force=force, timeout=timeout)
        power_off(call.state, guest)

    return call.task(kind, guest.vmid, work, guest=guest.vmid)


def go_down(guest: Guest, *, force: bool, timeout: int = 180) -> None:
    """A container that does not listen goes down only by force."""
    if guest.deaf and not force:
        raise Died(f"command 'lxc-stop -n {guest.vmid} --nokill --timeout {timeout}' failed: exit code 1")


@serves("POST", STATUS + "/reboot")
def reboot(call: Call) -> str:
    guest = running(call)

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        yield
        go_down(guest, force=False)
        power_off(call.state, guest)
        power_on(call.state, guest, task)

    return call.task("vzreboot", guest.vmid, work, guest=guest.vmid)


@serves("POST", STATUS + "/suspend")
def suspend(call: Call) -> str:
    return _pause(call, "vzsuspend", paused=True)


@serves("POST", STATUS + "/resume")
def resume(call: Call) -> str:
    return _pause(call, "vzresume", paused=False)


def _pause(call: Call, kind: str, *, paused: bool) -> str:
    guest = running(call)

    def work(task: Task) -> Steps:
        guests.enter(task.log, guest)
        yield
        guest.paused = paused

    return call.task(kind, guest.vmid, work, guest=guest.vmid)
