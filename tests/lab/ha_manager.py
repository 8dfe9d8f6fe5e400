# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HA manager: it makes of the guests what their resources ask for, some time after it was asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .call import HANDLERS, Call
from .errors import Refusal
from .permissions import Caller
from .state import ROOT, Config, Guest, State
from .tasks import Outcome, Steps, Task, Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TYPES = {"lxc": "ct", "qemu": "vm"}
KINDS = {name: kind for kind, name in TYPES.items()}
METHOD = "HA"  # for faults, where a request has its HTTP method
NOUN = {"lxc": "CT", "qemu": "VM"}


@dataclass
class Service:
    """What the manager knows of a resource. It has no state before the manager has looked at it."""

    since: float  # when it was last asked for something
    state: str | None = None
    wish: str | None = None
    command: tuple[str, str] | None = None  # ("stop", seconds) or ("migrate", node)
    upid: str = ""  # the task that it works with
    failures: int = 0
    home: str | None = None  # where it goes back to after the maintenance of that node


def sid_of(guest: Guest) -> str:
    return f"{TYPES[guest.kind]}:{guest.vmid}"


def guest_of(state: State, sid: str) -> Guest | None:
    return state.guests.get(int(sid.split(":")[1]))


def wish_of(resource: Config) -> str:
    state = str(resource.get("state", "started"))
    return "started" if state == "enabled" else state


def managed(state: State) -> set[str]:
    """The resources that the manager cares for: an ignored one is as if it were none."""
    return {sid for sid, resource in state.ha.items() if wish_of(resource) != "ignored"}


def manages(call: Call) -> bool:
    """Whether a request for this guest goes to the manager; its own do not."""
    return not call.by_manager and _sid(call) in managed(call.state)


def _sid(call: Call) -> str:
    return f"{TYPES[_kind(call)]}:{call.vmid}"


def _kind(call: Call) -> str:
    return call.path.split("/")[3]


# requests: each is a task that only passes the request on


def request_start(call: Call) -> str:
    def ask() -> None:
        call.state.ha[_sid(call)]["state"] = "started"

    return _request(call, "hastart", f"Requesting HA start for {NOUN[_kind(call)]} {call.vmid}", ask)


def request_stop(call: Call, timeout: int) -> str:
    def ask() -> None:
        command(call.state, _sid(call), "stop", str(timeout))

    return _request(call, "hastop", f"Requesting HA stop for {NOUN[_kind(call)]} {call.vmid}", ask)


def request_migration(call: Call, target: str) -> str:
    def ask() -> None:
        command(call.state, _sid(call), "migrate", target)

    text = f"Requesting HA migration for {NOUN[_kind(call)]} {call.vmid} to node {target}"
    return _request(call, "hamigrate", text, ask)


def _request(call: Call, kind: str, text: str, ask: Any) -> str:
    def work(task: Task) -> Steps:
        task.log(text)
        yield
        ask()

    return call.task(kind, call.vmid, work)


def command(state: State, sid: str, verb: str, argument: str) -> None:
    """A command waits for the manager's next round."""
    service = state.ha_services.setdefault(sid, Service(time.time()))
    service.command, service.since, service.failures = (verb, argument), time.time(), 0


# the manager's rounds


def settle(state: State, tasks: Tasks, outcome: Callable[[str, str], Outcome]) -> None:
    """`outcome` says what becomes of a task: faults for the method HA meet the manager's."""
    for sid in [sid for sid in state.ha_services if sid not in state.ha]:
        del state.ha_services[sid]
    if state.quorate:
        for sid, resource in state.ha.items():
            service = state.ha_services.setdefault(sid, Service(time.time()))
            guest = guest_of(state, sid)
            if guest and guest.node not in state.offline and _due(state, service, resource):
                _Round(state, tasks, outcome, guest, service, resource).go()


def _due(state: State, service: Service, resource: Config) -> bool:
    wish = wish_of(resource)
    if wish != service.wish:
        service.wish, service.since, service.failures = wish, time.time(), 0
        if service.state == "error" and wish == "disabled":
            service.state = "stopped"
    return time.time() - service.since >= state.ha_seconds


@dataclass
class _Round:
    """One look at one resource."""

    state: State
    tasks: Tasks
    outcome: Callable[[str, str], Outcome]
    guest: Guest
    service: Service
    resource: Config

    def go(self) -> None:
        if self.service.wish == "ignored" or self.tasks.busy(self.guest.vmid):
            return
        self._look_back()
        if self.service.state == "error":
            return
        self._plan_maintenance()
        if self.service.command:
            self._obey(*self.service.command)
        elif self.service.wish == "started":
            self._keep_running()
        else:
            self._keep_stopped(timeout=60)

    def _look_back(self) -> None:
        """How the last task ended: after too many failures the resource is in error."""
        task = self.tasks.all.get(self.service.upid)
        if task is None or task.running:
            return
        self.service.upid = ""
        if task.exit == "OK" or str(task.exit).startswith("WARNINGS"):
            self.service.failures = 0
            return
        self.service.failures += 1
        if self.service.command:
            self.service.command = None  # a failed migration is given up
        elif self.service.failures > int(self.resource.get("max_restart", 1)):
            self.service.state = "error"

    def _plan_maintenance(self) -> None:
        """What runs leaves a node in maintenance, and comes back when that is over."""
        state, service, node = self.state, self.service, self.guest.node
        if service.command or service.wish != "started":
            return
        free = [name for name in state.nodes if name not in state.maintenance and name not in state.offline]
        if node in state.maintenance and free:
            service.home, service.command = service.home or node, ("migrate", free[0])
        elif service.home in free and self.resource.get("failback", 1):
            service.command, service.home = (("migrate", service.home), None) if node != service.home else (None, None)

    def _obey(self, verb: str, argument: str) -> None:
        if verb == "stop":
            self.resource["state"], self.service.wish, self.service.command = "stopped", "stopped", None
            self._keep_stopped(timeout=int(argument))
        elif self.guest.node == argument:
            self.service.command = None
            self.service.state = "started" if self.service.wish == "started" else "stopped"
        elif not self.service.upid:
            how = {"online": 1, "with-local-disks": 1} if self.guest.kind == "qemu" else {"restart": 1}
            self.service.state = "migrate"
            self._run("migrate", target=argument, **(how if self.guest.running else {}))

    def _keep_running(self) -> None:
        self.service.state = "started"
        if not self.guest.running and not self.service.upid:
            self._run("status/start")

    def _keep_stopped(self, timeout: int) -> None:
        if not self.guest.running:
            self.service.state = "stopped"
        elif not self.service.upid:
            self.service.state = "request_stop"
            if timeout:
                self._run("status/shutdown", timeout=timeout, forceStop=1)
            else:
                self._run("status/stop")

    def _run(self, what: str, **params: Any) -> None:
        """The node's own resource manager does it, as root, in a task."""
        guest = self.guest
        template = f"/nodes/{{node}}/{guest.kind}/{{vmid}}/{what}"
        own = {"node": guest.node, "vmid": guest.vmid}
        path = template.format(**own)
        call = Call(self.state, self.tasks, Caller(ROOT), "POST", path, {**own, **params}, by_manager=True)
        call.outcome = self.outcome(METHOD, path)
        try:
            self.service.upid = str(HANDLERS["POST", template](call))
        except Refusal:
            self.service.failures += 1
            self.service.command = None
            if self.service.failures > int(self.resource.get("max_restart", 1)):
                self.service.state = "error"


# how it is shown


def verbose_state(service: Service | None, resource: Config, *, running: bool) -> str:
    """Says at once what was asked, before it is so."""
    wish = wish_of(resource)
    if wish == "ignored":
        return "ignored"
    if service is None or service.state is None:
        return "queued"
    hasty = {
        ("stopped", "started"): "starting",
        ("stopped", "disabled"): "disabled",
        ("started", "stopped"): "stopping",
        ("started", "disabled"): "stopping",
        ("error", "disabled"): "clearing error flag",
    }
    if service.state == "started" and not running:
        return "starting"
    return hasty.get((service.state, wish), service.state)


def looked_at(state: State) -> Iterator[tuple[str, Service]]:
    return ((sid, service) for sid, service in sorted(state.ha_services.items()) if service.state is not None)
