# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""High availability: how the manager and the nodes are."""

from __future__ import annotations

import time
from typing import Any

from . import ha_manager
from .call import Call, serves
from .state import State


def _active(state: State) -> bool:
    """A manager that never had anything to do has no master and shows no node."""
    return bool(state.maintenance) or any(ha_manager.looked_at(state))


def _node_mode(state: State, node: str) -> str:
    """How the node's own resource manager is shown."""
    if node in state.offline:
        return "old timestamp - dead?"
    if node in state.maintenance:
        return "maintenance mode"
    busy = {
        guest.node
        for sid, service in ha_manager.looked_at(state)
        if service.state != "stopped" and (guest := ha_manager.guest_of(state, sid))
    }
    return "active" if node in busy else "idle"


@serves("GET", "/cluster/ha/status/current")
def status(call: Call) -> list[dict[str, Any]]:
    state, local = call.state, call.state.local
    now, clock = int(time.time()), time.strftime("%a %b %e %H:%M:%S %Y")
    text = "OK" if state.quorate else f"No quorum on node '{local}'!"
    found: list[dict[str, Any]] = [
        {"id": "quorum", "type": "quorum", "node": local, "quorate": int(state.quorate), "status": text}
    ]
    if _active(state):
        told = f"{local} (active, {clock})"
        found.append({"id": "master", "type": "master", "node": local, "status": told, "timestamp": now})
    mode, words = ("armed", "active") if _active(state) else ("standby", "standby")
    told = f"{mode} (CRM watchdog {words})"
    found.append({"id": "fencing", "type": "fencing", "node": local, "status": told, "armed-state": mode})
    if _active(state):
        found += [
            {
                "id": f"lrm:{node}",
                "type": "lrm",
                "node": node,
                "status": f"{node} ({_node_mode(state, node)}, {clock})",
                "timestamp": now - 3600 * (node in state.offline),
            }
            for node in sorted(state.nodes)
        ]
    return found + [_service(state, sid) for sid in sorted(state.ha)]


def _service(state: State, sid: str) -> dict[str, Any]:
    resource, service = state.ha[sid], state.ha_services.get(sid)
    guest = ha_manager.guest_of(state, sid)
    node = guest.node if guest else state.local
    shown = ha_manager.verbose_state(service, resource, running=bool(guest and guest.running))
    entry: dict[str, Any] = {"id": f"service:{sid}", "type": "service", "sid": sid, "node": node, "state": shown}
    entry |= {"status": f"{sid} ({node}, {shown})", "request_state": ha_manager.wish_of(resource)}
    if service and service.state:
        entry["crm_state"] = service.state
    return (
        entry
        | {"max_restart": 1, "max_relocate": 1, "failback": 1}
        | {key: resource[key] for key in ("comment", "failback", "max_relocate", "max_restart") if key in resource}
    )


@serves("GET", "/cluster/ha/status/manager_status")
def manager_status(call: Call) -> dict[str, Any]:
    state = call.state
    quorum = {"node": state.local, "quorate": int(state.quorate)}
    if not _active(state):
        return {"manager_status": {}, "quorum": quorum}
    now = int(time.time())
    services = {
        sid: {"state": service.state, "node": guest.node, "running": int(guest.running), "uid": sid}
        for sid, service in ha_manager.looked_at(state)
        if (guest := ha_manager.guest_of(state, sid))
    }
    modes = {node: "maintenance" if node in state.maintenance else "online" for node in state.nodes}
    modes |= dict.fromkeys(state.offline & state.nodes.keys(), "unknown")
    lrm: dict[str, dict[str, Any]] = {
        node: {
            "mode": "maintenance" if node in state.maintenance else "active",
            "state": "active" if _node_mode(state, node) == "active" else "wait_for_agent_lock",
            "results": {},
            "timestamp": now - 3600 * (node in state.offline),
        }
        for node in state.nodes
    }
    manager = {"master_node": state.local, "timestamp": now, "node_status": modes, "service_status": services}
    return {"manager_status": manager, "quorum": quorum, "lrm_status": lrm}
