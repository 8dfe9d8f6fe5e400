# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that the HA manager looks after: when it acts, how it is asked, and how one sees that it did.

It takes up a request within some ten seconds, after the task that asked has ended. A guest whose HA state is `ignored`
reads as unmanaged, and is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._errors import ApiError, NotFound, Refused
from .._plan import Effect
from .._privileges import Need
from .lookup import RESOURCES, Guest, guest_path

UNMANAGED = "unmanaged"
#: whoever may change HA resources
CONSOLE = Need("/", ("Sys.Console",))
_RECOVER = "Set its HA state to disabled, then to started (ha-manager set SID --state …)"
#: HA states in which requests go unheard, what they mean and what helps
_DEAF = {
    "error": ("the HA manager gave up on it", _RECOVER),
    "fence": ("its node is being fenced", "Run the task again once HA has recovered it"),
    "recovery": ("the HA manager is recovering it from a lost node", "Run the task again once HA has recovered it"),
    "freeze": ("the HA manager froze it while its node restarts", "Run the task again once its node is back"),
    "migrate": ("the HA manager is migrating it just now", "Run the task again once it has arrived"),
    "relocate": ("the HA manager is relocating it just now", "Run the task again once it has arrived"),
}
_MOVING = ("migrate", "relocate")
#: HA states that lead to a power state, whatever it is now
_LEADS_UP = ("started", "request_start", "request_start_balance")
_LEADS_DOWN = ("stopped", "request_stop")


def sid(guest: Guest) -> str:
    """The guest's name in HA."""
    return f"{'ct' if guest.kind == 'lxc' else 'vm'}:{guest.vmid}"


def is_managed(power: Mapping[str, Any]) -> bool:
    return power["ha"] != UNMANAGED


def wants_otherwise(power: Mapping[str, Any], state: str) -> bool:
    """Is the guest where the task wants it, while the HA manager is about to take it elsewhere?"""
    if state == "started":
        return power["power"] == "running" and power["ha"] in _LEADS_DOWN
    return state in ("stopped", "shutdown") and power["power"] == "stopped" and power["ha"] in _LEADS_UP


def require_hearing(guest: Guest, power: Mapping[str, Any]) -> None:
    """Raise Refused where the HA manager would not act on a request."""
    if power["ha"] in _DEAF:
        why, hint = _DEAF[power["ha"]]
        raise Refused(
            f"{guest.target} is HA-managed and {why} (HA state {power['ha']})", hint.replace("SID", sid(guest))
        )


def state_is(guest: Guest, state: str) -> list[Effect]:
    """What a later task of a --check run reads of HA."""
    return [
        Effect(f"/cluster/ha/resources/{sid(guest)}", "merge", {"state": state}),
        Effect(f"{guest.path}/status/current", "merge", {"ha": {"managed": 1, "state": state}}),
    ]


def has_power(guest: Guest, running: bool) -> Callable[[Any], str]:
    """Step.until: the HA manager has brought the guest up or down, on the node that it chose for it."""

    def missing(reader: Any) -> str:
        status = _status(reader, guest)
        state = _state(status)
        if (status.get("status") == "running") is running:
            return ""
        _not_given_up(guest, state)
        return f"the HA manager has not {'started' if running else 'stopped'} it (HA state {state})"

    return missing


def has_arrived(guest: Guest, node: str, running: bool) -> Callable[[Any], str]:
    """Step.until: the HA manager has moved the guest to `node`. A move that it gave up fails at once."""
    moving = False

    def missing(reader: Any) -> str:
        nonlocal moving
        try:
            status = reader.get(f"{guest_path(guest.kind, node, guest.vmid)}/status/current")
        except NotFound:
            status = _status(reader, guest)
            state = _state(status)
            _not_given_up(guest, state)
            if moving and state not in _MOVING:
                raise ApiError(
                    f"The HA manager could not move {guest.target} to {node}: it is left on {guest.node}",
                    f"The log of the migration task on {guest.node} says why",
                ) from None
            moving = state in _MOVING
            return f"it is still on {guest.node} (HA state {state})"
        if running and status.get("status") != "running":
            _not_given_up(guest, _state(status))
            return f"it is on {node} and does not run again (HA state {_state(status)})"
        return ""

    return missing


def _status(reader: Any, guest: Guest) -> Mapping[str, Any]:
    """The live state of a guest that HA may have moved to another node."""
    try:
        return dict(reader.get(f"{guest.path}/status/current"))
    except NotFound:
        row = next((row for row in reader.get(RESOURCES, type="vm") if row.get("vmid") == guest.vmid), None)
        if row is None or row["node"] == guest.node:  # the list lags behind: on its way
            return {}
        return dict(reader.get(f"{guest_path(guest.kind, row['node'], guest.vmid)}/status/current"))


def _state(status: Mapping[str, Any]) -> str:
    return str((status.get("ha") or {}).get("state") or "unknown")


def _not_given_up(guest: Guest, state: str) -> None:
    if state == "error":
        hint = _RECOVER.replace("SID", sid(guest))
        raise ApiError(f"The HA manager gave up on {guest.target} (HA state error)", hint)
