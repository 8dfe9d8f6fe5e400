# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a guest to be reachable: its agent, its addresses, in one budget of wall-clock time."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .._errors import ApiError, BadInput, NotFound, PermissionDenied, StewardError, TaskTimeout, Unreachable
from .._plan import after_apply
from .._privileges import Need
from .._world import World
from .addresses import INTERFACES, addresses, ansible_host, macs
from .draft import Draft
from .lookup import Guest
from .tables import TABLES

SPEC: dict[str, Any] = {
    "type": "dict",
    "options": {
        "agent": {"type": "bool", "default": False},
        "ip": {"type": "str", "choices": ["any", "ipv4", "ipv6", "none"], "default": "any"},
        "network": {"type": "str"},
        "interface": {"type": "str"},
        "timeout": {"type": "int", "default": 300},
    },
}

#: who may ask the guest agent: PVE 9, PVE 8
_AGENT_NEED = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted", "VM.Monitor")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
#: interfaces that programs inside a guest make for themselves
_INNER = re.compile(r"^(?:docker|br-|veth|virbr|vnet|podman|cni|cali|flannel|lxcbr|lxdbr|incusbr|tun|tap)")
_NOT_YET = re.compile(
    r"guest agent is not running|got timeout|timed? ?out|short read on command socket|QMP not ready", re.I
)
_STOPPED = re.compile(r"\b(?:VM|CT) \d+ (?:is )?not running|^container is not running", re.I)
_HINT = "Raise wait_for.timeout, or look at the guest's console"


def plan_wait(
    draft: Draft,
    world: World,
    options: Mapping[str, Any],
    power: str,
    config: Mapping[str, Any],
    pending: Mapping[str, Any] | None = None,
) -> None:
    """Let the plan end with waiting for what `wait_for` asks, where it asks.

    `power`, `config` and `pending` are those of the guest after the plan's steps. Raises BadInput for what would be
    waited for in vain.
    """
    asked = options.get("wait_for")
    if asked is None:
        return
    guest = replace(draft.guest, config=config)
    _check(guest, asked, power, pending or {})
    draft.plan.wait_for = waiter(guest, asked)
    _needs_agent(draft)
    if asked["ip"] == "none":
        return
    found = [] if draft.plan.steps else _now(world, guest, asked)
    host = ansible_host(found, macs(config)) or after_apply(f"address of {guest.target}")
    if found:  # an address is there: nothing is left to wait for
        draft.plan.wait_for = None
    # what cannot be known yet is left out, rather than shown as none
    draft.plan.result |= {"ansible_host": host, **({"addresses": found} if found else {})}


def _check(guest: Guest, asked: Mapping[str, Any], power: str, pending: Mapping[str, Any]) -> None:
    """Raise BadInput for what can never come."""
    network(asked)
    if asked["ip"] == "none" and not asked["agent"]:
        raise BadInput("wait_for waits for nothing", "Set wait_for.agent: true, or leave wait_for.ip at any")
    if power != "running":
        raise BadInput(f"wait_for: {guest.target} is left {power}, so it will never answer", "Set state: started")
    if guest.kind == "lxc":
        if asked["agent"]:
            raise BadInput("wait_for.agent: a container has no guest agent", "Leave it out; wait_for.ip needs none")
        return
    if not TABLES["qemu"].codec("agent").decode((guest.config or {}).get("agent", "0")).get("enabled"):
        raise BadInput(
            f"wait_for: the guest agent is not enabled in the configuration of {guest.target}",
            "Set agent: {enabled: true}, and install qemu-guest-agent in the guest",
        )
    if "agent" in pending:
        raise BadInput(
            f"wait_for: the guest agent of {guest.target} is only enabled from its next start",
            "Set reboot_if_pending: true",
        )


def network(asked: Mapping[str, Any]) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The network that addresses must be in."""
    if not asked.get("network"):
        return None
    try:
        return ipaddress.ip_network(asked["network"], strict=False)
    except ValueError as error:
        raise BadInput(f"wait_for.network: {error}", "Write it like 10.0.0.0/24") from None


def wanted(found: list[dict[str, Any]], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The addresses that `wait_for` is about: not link-local, not those of bridges inside the guest."""
    inside, family, only = network(asked), asked["ip"], asked.get("interface")
    kept = []
    for entry in found:
        address = ipaddress.ip_address(entry["address"])
        name = str(entry["interface"] or "")
        fits = name == only if only else not _INNER.match(name)
        if address.is_link_local or not fits or family not in ("any", entry["family"]):
            continue
        if inside is None or address in inside:
            kept.append(entry)
    return kept


def waiter(
    guest: Guest,
    asked: Mapping[str, Any],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Callable[[Any], dict[str, Any]]:
    """Plan.wait_for: asks until the guest answers as wanted, at most wait_for.timeout seconds altogether."""

    def wait(reader: Any) -> dict[str, Any]:
        deadline, pause = clock() + asked["timeout"], _FIRST_PAUSE
        while True:
            found, lacks = _look(reader, guest, asked)
            if not lacks:
                return found
            left = deadline - clock()
            if left <= 0:
                raise TaskTimeout(f"{guest.target} was waited for {asked['timeout']} seconds: {lacks}", _HINT)
            sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    return wait


def _look(reader: Any, guest: Guest, asked: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What is there of what is wanted, and what is still missing."""
    wants_ip = asked["ip"] != "none"
    try:
        answer = reader.get(f"{guest.path}/{INTERFACES[guest.kind] if wants_ip else 'agent/info'}")
    except (NotFound, PermissionDenied):
        raise
    except Unreachable as error:
        return {}, error.message
    except ApiError as error:
        if _STOPPED.search(error.message):
            raise _stopped(guest) from None
        if _NOT_YET.search(error.message):
            return {}, "its guest agent does not answer" if guest.kind == "qemu" else error.message
        raise
    if not wants_ip:
        return {}, ""
    every = addresses(answer)
    fitting = wanted(every, asked)
    if fitting:
        return {"addresses": fitting, "ansible_host": ansible_host(fitting, macs(guest.config or {}))}, ""
    if guest.kind == "lxc" and not answer and _is_off(reader, guest):
        raise _stopped(guest)
    return {}, _seen(every, asked)


def _seen(every: list[dict[str, Any]], asked: Mapping[str, Any]) -> str:
    what = {"any": "address", "ipv4": "IPv4 address", "ipv6": "IPv6 address"}[asked["ip"]]
    where = f" in {asked['network']}" if asked.get("network") else ""
    where += f" on {asked['interface']}" if asked.get("interface") else ""
    others = ", ".join(f"{entry['address']} on {entry['interface']}" for entry in every)
    return f"it has no {what}{where} yet" + (f" (only {others})" if others else "")


def _is_off(reader: Any, guest: Guest) -> bool:
    """A stopped container has no interfaces, not even loopback, and that is all that the list says."""
    return bool(reader.get(f"{guest.path}/status/current").get("status") == "stopped")


def _stopped(guest: Guest) -> StewardError:
    return ApiError(f"{guest.target} stopped while it was waited for", "Its console or its log says why")


def _now(world: World, guest: Guest, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The addresses of a guest that nothing is done to; none where it does not tell them now."""
    try:
        return wanted(addresses(world.get(f"{guest.path}/{INTERFACES[guest.kind]}")), asked)
    except PermissionDenied:
        raise
    except (ApiError, Unreachable):
        return []


def _needs_agent(draft: Draft) -> None:
    """Asking the agent is part of what the task does, so that a missing privilege is told before anything is sent."""
    steps = draft.plan.steps
    if steps and draft.guest.kind == "qemu":
        beside = next((need.or_path for step in steps for need in step.needs if need.or_path.startswith("/pool/")), "")
        need = Need(f"/vms/{draft.guest.vmid}", _AGENT_NEED, beside)
        steps[-1] = replace(steps[-1], needs=(*steps[-1].needs, need))
