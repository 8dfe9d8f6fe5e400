# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power state of a guest: reading it, and the steps to the wanted one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import ApiError, Refused
from .._plan import Effect, Step
from .._privileges import Need
from .._world import World
from . import effects, ha
from .draft import Draft
from .lookup import Guest
from .volumes import storage_of

STATES = ("present", "started", "stopped", "shutdown", "restarted", "absent", "template")
VM_STATES = (*STATES, "reset", "paused", "hibernated")
#: module options that only power needs; `vm` has those of VM_OPTIONS beside them
OPTIONS: dict[str, dict[str, Any]] = {
    "shutdown_timeout": {"type": "int", "default": 60},
    "reboot_if_pending": {"type": "bool", "default": False},
}
VM_OPTIONS: dict[str, dict[str, Any]] = {"state_storage": {"type": "str"}}

_DRIVE = re.compile(r"(?:ide|sata|scsi|virtio)\d+")
#: how long the server may take beyond shutdown_timeout to say that it ran out, and a reboot to start the guest again
_SLACK = 30
_BACK_AFTER_REBOOT = 90


@dataclass(frozen=True)
class _Operation:
    """One call on a guest's power: what it is to the API, what it leads to, what it does to whoever uses the guest."""

    call: str
    becomes: str
    level: str
    reason: str
    undo: str = ""  # the operation that takes it back; "" = none does


_OPERATIONS = {
    "start": _Operation("start", "running", "low", "starts", "stop"),
    "resume": _Operation("resume", "running", "low", "goes on", "pause"),
    "shutdown": _Operation("shutdown", "stopped", "medium", "is shut down: its services stop", "start"),
    "stop": _Operation(
        "stop", "stopped", "high", "is switched off at once: what it has not written to its disks is lost", "start"
    ),
    "reboot": _Operation("reboot", "running", "medium", "is shut down and started again: its services are interrupted"),
    "reset": _Operation("reset", "running", "high", "is reset at once: what it has not written to its disks is lost"),
    "pause": _Operation("suspend", "paused", "medium", "stands still: its services do not answer", "resume"),
    "hibernate": _Operation("suspend", "hibernated", "medium", "is saved to disk: its services stop", "start"),
}

#: wanted state -> power now -> the operations that lead there; a power that is left out is there already
_WAYS: dict[str, dict[str, tuple[str, ...]]] = {
    "started": {"stopped": ("start",), "hibernated": ("start",), "paused": ("resume",)},
    "stopped": {"running": ("stop",), "paused": ("stop",)},
    "shutdown": {"running": ("shutdown",)},
    "template": {"running": ("shutdown",)},
    "restarted": {"running": ("reboot",), "stopped": ("start",), "hibernated": ("start", "reboot")},
    "reset": {"running": ("reset",), "paused": ("reset",)},
    "paused": {"running": ("pause",)},
    "hibernated": {"running": ("hibernate",), "paused": ("hibernate",)},
}
_DEAF = "it is paused, and hears no shutdown"
_RESUME_FIRST = "Resume it first (state: started), or set force: true to switch it off"
_START_FIRST = "Start it first (state: started)"
#: what the server would refuse, or do nothing about: (wanted state, power now) -> why, and what to do instead
_DEAD_ENDS = {
    ("shutdown", "paused"): (_DEAF, _RESUME_FIRST),
    ("template", "paused"): (_DEAF, _RESUME_FIRST),
    ("restarted", "paused"): (_DEAF, "Resume it first (state: started), or state: reset"),
    ("template", "hibernated"): ("its memory is saved on disk", "Start it and shut it down first"),
    ("reset", "stopped"): ("it does not run", "state: restarted starts it"),
    ("reset", "hibernated"): ("it does not run", "state: restarted starts it"),
    ("paused", "stopped"): ("it does not run", _START_FIRST),
    ("paused", "hibernated"): ("it does not run", _START_FIRST),
    ("hibernated", "stopped"): ("it does not run, so there is no memory to save", _START_FIRST),
}
#: what a memory that is saved on disk leaves in the configuration until the guest goes on
_SAVED = frozenset({"lock", "vmstate", "runningmachine", "runningcpu", "running-nets-host-mtu"})
#: how the HA manager is asked; the other operations do not concern it
_HA_STATES = {"start": "started", "stop": "stopped", "shutdown": "stopped"}


def read_state(world: World, guest: Guest) -> dict[str, Any]:
    """The live state as the plan shows it: power, lock, HA."""
    status = world.get(f"{guest.path}/status/current")
    lock = status.get("lock") or (guest.config or {}).get("lock")
    managed = (status.get("ha") or {}).get("managed")
    return {
        "power": _power(status, lock),
        "lock": lock,
        "ha": str(status["ha"].get("state") or "managed") if managed else ha.UNMANAGED,
    }


def gone_on(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a hibernated guest once it runs again."""
    return {key: value for key, value in config.items() if key not in _SAVED}


def new_state() -> dict[str, Any]:
    """The state of a guest that was just made."""
    return {"power": "stopped", "lock": None, "ha": ha.UNMANAGED}


def _power(status: Mapping[str, Any], lock: str | None) -> str:
    found = str(status.get("status", "unknown"))
    if found == "running" and status.get("qmpstatus") in ("paused", "suspended"):
        return "paused"
    if found == "stopped" and lock == "suspended":
        return "hibernated"
    return found


def plan_power(
    draft: Draft,
    state: str,
    power: Mapping[str, Any],
    options: Mapping[str, Any],
    pending: Mapping[str, Any] | None = None,
) -> str:
    """Add the steps that bring the guest to `state`, where it is not there yet; returns its power after them.

    `pending`: the keys that wait for a restart once the steps so far are done, with the values that they then take
    (None: the key goes).
    """
    operations = _operations(draft.guest, state, power, options, pending or {})
    if power["lock"] and power["lock"] != "suspended" and operations:
        draft.blast("medium", f"{draft.guest.target} is locked ({power['lock']}): nothing happens until that ends")
    now = power["power"]
    for op in operations:
        _add(draft, op, {**power, "power": now}, options, pending or {})
        now = now if op == "reset" else _OPERATIONS[op].becomes
    return now


def _operations(
    guest: Guest, state: str, power: Mapping[str, Any], options: Mapping[str, Any], pending: Mapping[str, Any]
) -> tuple[str, ...]:
    now = power["power"]
    if state in _WAYS and now not in ("running", "stopped", "paused", "hibernated"):
        raise Refused(f"The power state of {guest.target} is {now}: how to reach {state} is unknown")
    if state in ("shutdown", "template") and now == "paused" and options.get("force"):
        return ("stop",)
    if (state, now) in _DEAD_ENDS:
        why, hint = _DEAD_ENDS[state, now]
        raise Refused(f"{guest.target} cannot become {state}: {why}", hint)
    operations = _WAYS.get(state, {}).get(now, ())
    if ha.is_managed(power) and ha.wants_otherwise(power, state):
        operations = ("start",) if state == "started" else ("stop",)
    _check_possible(guest, operations, power)
    if options.get("reboot_if_pending") and pending and _runs_on(now, operations):
        return (*operations, "reboot")
    return operations


def _runs_on(now: str, operations: tuple[str, ...]) -> bool:
    """Does the guest run before and after, without having been started in between?"""
    return operations == ("resume",) or (now == "running" and not operations)


def _check_possible(guest: Guest, operations: tuple[str, ...], power: Mapping[str, Any]) -> None:
    config = guest.config or {}
    if "start" in operations and str(config.get("template", 0)) == "1":
        raise Refused(f"{guest.target} is a template, which never runs", "Clone it")
    if "hibernate" in operations:
        passed = sorted(key for key in config if key.startswith("hostpci"))
        if passed:
            raise Refused(
                f"{guest.target} cannot be hibernated: the state of {', '.join(passed)} cannot be saved",
                "Shut it down instead",
            )
        if ha.is_managed(power):
            raise Refused(
                f"{guest.target} is HA-managed, and PVE does not hibernate such a guest",
                "Set its HA state to ignored first, or shut it down",
            )


def _add(
    draft: Draft,
    op: str,
    power: Mapping[str, Any],
    options: Mapping[str, Any],
    pending: Mapping[str, Any],
) -> None:
    guest, operation = draft.guest, _OPERATIONS[op]
    becomes = power["power"] if op == "reset" else operation.becomes
    draft.blast(operation.level, f"{guest.target} {operation.reason}")
    draft.shows("power", power["power"], f"{becomes} (again)" if op in ("reboot", "reset") else becomes)
    draft.plan.effects += _effects(guest, becomes, power, pending if op in ("start", "reboot") else {})
    if ha.is_managed(power) and op in _HA_STATES:
        _through_ha(draft, op, power, options)
    else:
        draft.step(_step(guest, op, _why(op, power), options))
    if operation.undo:
        # what went on from a saved memory saves it again
        draft.undo("hibernate" if power["power"] == "hibernated" and op == "start" else operation.undo)
    else:
        draft.cannot_undo(f"a {op} has happened")


def _step(
    guest: Guest, op: str, why: str, options: Mapping[str, Any], until: Callable[[Any], str] | None = None
) -> Step:
    """The guest's own call."""
    on_guest = f"/vms/{guest.vmid}"
    needs = [Need(on_guest, ("VM.PowerMgmt",))]
    if op == "hibernate":
        needs.append(Need(on_guest, ("VM.Config.Disk",)))
        storage = _state_storage(guest, options)
        needs += [Need(f"/storage/{storage}", ("Datastore.AllocateSpace",))] if storage else []
    shuts_down = op in ("shutdown", "reboot")
    return Step(
        op,
        guest.target,
        "POST",
        f"{guest.path}/status/{_OPERATIONS[op].call}",
        _data(op, options),
        why=why,
        needs=tuple(needs),
        until=until or (_back_after_reboot(guest) if op == "reboot" else None),
        lasts=options["shutdown_timeout"] + _SLACK if shuts_down else 0,
    )


def _state_storage(guest: Guest, options: Mapping[str, Any]) -> str:
    """Where the memory will be saved; "" where the server chooses among several storages (find_vmstate_storage)."""
    config = guest.config or {}
    drives = [str(value) for key, value in config.items() if _DRIVE.fullmatch(key) and "media=cdrom" not in str(value)]
    used = {storage_of(drive.partition(",")[0]) for drive in drives} - {""}
    chosen = options.get("state_storage") or config.get("vmstatestorage")
    return str(chosen or (used.pop() if len(used) == 1 else ""))


def _data(op: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if op == "shutdown":
        return {"timeout": options["shutdown_timeout"], **({"forceStop": 1} if options.get("force") else {})}
    if op == "reboot":
        return {"timeout": options["shutdown_timeout"]}
    if op == "hibernate":
        storage = options.get("state_storage")
        return {"todisk": 1, **({"statestorage": storage} if storage else {})}
    return {}


def _why(op: str, power: Mapping[str, Any]) -> str:
    if op == "reboot":
        return "it takes over what waits for a restart, or was asked to restart"
    if op == "reset":
        return "reset is a verb: it happens every time"
    return f"it is {power['power']}"


def _through_ha(draft: Draft, op: str, power: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Ask the HA manager, which would otherwise undo what is done to the guest behind its back.

    The server makes of the guest's own call a request that sets the HA state; it needs no more than VM.PowerMgmt, and
    is the only one that carries how long a shutdown may take (none for a stop). Where the guest is already as wanted,
    and only the HA manager is about to change that, the call would be refused: there the HA state itself is set.
    """
    guest, state = draft.guest, _HA_STATES[op]
    ha.require_hearing(guest, power)
    until = ha.has_power(guest, running=op == "start")
    draft.blast("low", f"{guest.target} is HA-managed: its HA state becomes {state}")
    if op == "shutdown" and guest.kind == "qemu" and not options.get("force"):
        draft.blast(
            "high", f"the HA manager switches {guest.target} off after {options['shutdown_timeout']} s, force or not"
        )
    already = (power["power"] in ("running", "paused")) is (op == "start")
    if already:
        why = f"it is {power['power']}, but its HA state {power['ha']} leads elsewhere"
        path = f"/cluster/ha/resources/{ha.sid(guest)}"
        draft.step(Step(op, guest.target, "PUT", path, {"state": state}, why=why, needs=(ha.CONSOLE,), until=until))
    else:
        draft.step(_step(guest, op, f"{_why(op, power)}; the HA manager does it", options, until))
    draft.plan.effects += ha.state_is(guest, state)


def _back_after_reboot(guest: Guest) -> Callable[[Any], str]:
    """Step.until: the guest runs again. The task of a reboot ends once the guest is down; another one starts it."""
    deadline: float | None = None

    def missing(reader: Any) -> str:
        nonlocal deadline
        if reader.get(f"{guest.path}/status/current").get("status") == "running":
            return ""
        deadline = deadline or time.monotonic() + _BACK_AFTER_REBOOT
        if time.monotonic() >= deadline:
            raise ApiError(
                f"{guest.target} was shut down to reboot and did not start again within {_BACK_AFTER_REBOOT} seconds",
                f"The log of its start task on {guest.node} says why",
            )
        return "it has not started again"

    return missing


def _effects(guest: Guest, becomes: str, power: Mapping[str, Any], taken_over: Mapping[str, Any]) -> list[Effect]:
    """What later tasks of a --check run read: the power, the lock of a saved memory, the values taken over."""
    on = becomes in ("running", "paused")
    status: dict[str, Any] = {"status": "running" if on else "stopped"}
    if guest.kind == "qemu":
        status["qmpstatus"] = becomes if on else "stopped"
    changes: dict[str, Any] = dict(taken_over)
    if power["power"] == "hibernated":
        status["lock"] = None
        changes |= dict.fromkeys(_SAVED)
    if becomes == "hibernated":
        status["lock"] = changes["lock"] = "suspended"
    found = [Effect(f"{guest.path}/status/current", "merge", status)]
    return found + (effects.configured(guest.kind, guest.node, guest.vmid, changes) if changes else [])
