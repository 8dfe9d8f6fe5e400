# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power state of a guest: reading it, and the steps to the wanted one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._world import World
from . import effects
from .draft import Draft
from .lookup import Guest


def read_state(world: World, guest: Guest) -> dict[str, Any]:
    """The live state as the plan shows it: power, lock, HA."""
    status = world.get(f"{guest.path}/status/current")
    managed = (status.get("ha") or {}).get("managed")
    return {
        "power": str(status.get("status", "unknown")),
        "lock": (guest.config or {}).get("lock"),
        "ha": str(status["ha"].get("state") or "managed") if managed else "unmanaged",
    }


def plan_power(draft: Draft, state: str, running: bool, options: Mapping[str, Any]) -> None:
    """Add the step that brings the guest to `state`, where it is not there yet."""
    wait = {"timeout": options["shutdown_timeout"]}
    if state == "started" and not running:
        _step(draft, "start", {}, "running", "it is stopped", {"op": "stop"})
    elif state == "restarted":
        if running:
            _step(draft, "reboot", wait, "running", "restarted is a verb: it runs every time", None)
        else:
            _step(draft, "start", {}, "running", "it is stopped", {"op": "stop"})
    elif state in ("stopped", "template") and running:
        force = {"forceStop": 1} if options["force"] else {}
        _step(draft, "shutdown", {**wait, **force}, "stopped", "it runs", {"op": "start"})


def _step(draft: Draft, op: str, data: dict[str, Any], becomes: str, why: str, undo: dict[str, Any] | None) -> None:
    guest = draft.guest
    draft.call(op, "POST", f"/status/{op}", data, why=why, needs=["VM.PowerMgmt"])
    draft.shows(
        "power",
        "running" if op in ("shutdown", "stop", "reboot") else "stopped",
        becomes if op != "reboot" else "running (again)",
    )
    draft.plan.effects += effects.powered(guest.kind, guest.node, guest.vmid, becomes)
    if undo:
        draft.undo({**undo, "target": guest.target})
    else:
        draft.cannot_undo("a reboot has happened")
    draft.blast("low" if op == "start" else "medium", f"{op} of {guest.target}")
