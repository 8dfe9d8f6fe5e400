# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of /cluster/resources, which pools show too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from . import lxc, nodes, qemu, storage
from .call import Call
from .state import Guest, State

Entry = dict[str, Any]
FIGURES = {"lxc": lxc.figures, "qemu": qemu.figures}
KEPT = (
    "cpu",
    "disk",
    "diskread",
    "diskwrite",
    "lock",
    "maxdisk",
    "maxmem",
    "mem",
    "name",
    "netin",
    "netout",
    "status",
    "tags",
    "uptime",
    "vmid",
)


def guest(call: Call, found: Guest) -> Entry:
    base: Entry = {"id": f"{found.kind}/{found.vmid}", "type": found.kind, "vmid": found.vmid, "node": found.node}
    if found.node not in call.state.nodes:  # a node that never reported
        return base | {"status": "unknown"} | ({"tags": found.config["tags"]} if "tags" in found.config else {})
    own = _statistics(call.state).get(found.vmid)
    if own is None:
        return base | {"status": "unknown"}
    entry = base | {key: own[key] for key in KEPT if key in own}
    entry |= {"maxcpu": own["cpus"], "template": int(found.template), "memhost": 0}
    entry |= {"diskread": 0, "diskwrite": 0}
    pool = pool_of(call, found.vmid)
    return entry | ({"pool": pool} if pool else {})


def _statistics(state: State) -> dict[int, Entry]:
    """What the nodes last reported; without `statistics_seconds` that is always now."""
    if time.time() - state.statistics_time >= state.statistics_seconds:
        state.statistics_time = time.time()
        state.statistics = {
            one.vmid: FIGURES[one.kind](state, one) for one in state.guests.values() if one.node in state.nodes
        }
    return state.statistics


def pool_of(call: Call, vmid: int) -> str | None:
    return next((name for name, pool in call.state.pools.items() if vmid in pool.get("vms", [])), None)


def visible_guests(call: Call) -> Iterator[Guest]:
    _statistics(call.state)  # the nodes report also when there is no guest
    for found in call.state.guests.values():
        if call.may(f"/vms/{found.vmid}", "VM.Audit"):
            yield found


def node(call: Call, name: str) -> Entry:
    entry: Entry = {"id": f"node/{name}", "type": "node", "node": name, "level": ""}
    if not nodes.online(call.state, name):
        return entry | {"status": "offline"}
    entry |= {"status": "online", "cgroup-mode": 2}
    return entry | (nodes.figures(call.state, name) if call.may(f"/nodes/{name}", "Sys.Audit") else {})


def storages(call: Call, only: str | None = None) -> Iterator[Entry]:
    for name, section in call.state.storages.items():
        if only not in (None, name) or not call.may(
            f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace", some=True
        ):
            continue
        for where in str(section.get("nodes") or ",".join(call.state.nodes)).split(","):
            own = storage.figures(call.state, name, where)
            up = own["active"] and nodes.online(call.state, where)
            entry = {
                "id": f"storage/{where}/{name}",
                "type": "storage",
                "node": where,
                "storage": name,
                "content": own["content"],
                "shared": own["shared"],
                "plugintype": own["type"],
                "status": "available" if up else "unknown",
            }
            yield entry | ({"disk": own["used"], "maxdisk": own["total"]} if up else {})


def pools(call: Call) -> Iterator[Entry]:
    for name, pool in call.state.pools.items():
        if call.may(f"/pool/{name}", "Pool.Audit"):
            entry: Entry = {"id": f"/pool/{name}", "type": "pool", "pool": name}
            members = [guest(call, call.state.guests[v]) for v in pool.get("vms", []) if v in call.state.guests]
            if members:
                entry |= {key: sum(m[key] for m in members) for key in ("cpu", "maxcpu", "maxmem", "mem", "uptime")}
            yield entry


def networks(call: Call) -> Iterator[Entry]:
    for zone, own in {"localnetwork": {}, **call.state.zones}.items():
        if not call.may(f"/sdn/zones/{zone}", "SDN.Audit", "SDN.Allocate", some=True):
            continue
        for name in call.state.nodes:
            entry = {
                "id": f"network/{name}/zone/{zone}",
                "type": "network",
                "node": name,
                "network": zone,
                "network-type": "zone",
                "status": own.get("status", "ok"),
            }
            yield entry | ({"zone-type": own["type"]} if own else {})
