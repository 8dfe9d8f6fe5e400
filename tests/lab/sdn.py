# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SDN zones and vnets, as the seed has them: they can be read, and guests can be put on a vnet."""

from __future__ import annotations

from typing import Any

from .call import Call, serves
from .errors import Died
from .state import State, section_digest

ZONES, VNETS = "/cluster/sdn/zones", "/cluster/sdn/vnets"


def bridge_exists(state: State, node: str, name: str) -> bool:
    return name in state.networks[node] or name in state.vnets


def zone_of(state: State, bridge: str) -> str:
    """Bridges of the nodes are in a zone of their own."""
    return str(state.vnets.get(bridge, {}).get("zone", "localnetwork"))


def _digest(call: Call, sections: dict[str, Any]) -> str | None:
    """Only the configuration as it is edited has one."""
    return None if call.params.get("pending") or call.params.get("running") else section_digest(sections)


def _zone(call: Call, name: str) -> dict[str, Any]:
    own = {key: value for key, value in call.state.zones[name].items() if key != "status"}
    return {"zone": name, **own, "digest": _digest(call, call.state.zones)}


def _vnet(call: Call, name: str) -> dict[str, Any]:
    return {"vnet": name, "type": "vnet", **call.state.vnets[name], "digest": _digest(call, call.state.vnets)}


@serves("GET", ZONES)
def zones(call: Call) -> list[dict[str, Any]]:
    wanted = call.params.get("type")
    return [
        _zone(call, name)
        for name, own in call.state.zones.items()
        if wanted in (None, own["type"]) and call.may(f"/sdn/zones/{name}", "SDN.Audit", "SDN.Allocate", some=True)
    ]


@serves("GET", ZONES + "/{zone}")
def zone(call: Call) -> dict[str, Any]:
    if call.params["zone"] not in call.state.zones:
        raise Died(f"sdn '{call.params['zone']}' does not exist")
    return _zone(call, call.params["zone"])


@serves("GET", VNETS)
def vnets(call: Call) -> list[dict[str, Any]]:
    return [
        _vnet(call, name)
        for name, own in call.state.vnets.items()
        if call.may(f"/sdn/zones/{own['zone']}/{name}", "SDN.Audit", "SDN.Allocate", some=True)
    ]


@serves("GET", VNETS + "/{vnet}")
def vnet(call: Call) -> dict[str, Any]:
    name = call.params["vnet"]
    if name not in call.state.vnets:
        raise Died(f"sdn vnet '{name}' does not exist")
    call.need(f"/sdn/zones/{call.state.vnets[name]['zone']}/{name}", "SDN.Audit", "SDN.Allocate", some=True)
    return _vnet(call, name)
