# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that a running guest has, and the one to reach it by. Pure functions over what the API reports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: below a guest's path: who knows its addresses (the guest agent of a machine, the node itself of a container)
INTERFACES = {"lxc": "interfaces", "qemu": "agent/network-get-interfaces"}

_NET = re.compile(r"net(\d+)")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


def agent_result(answer: Any) -> Any:
    """What the guest agent said; the API wraps it once more."""
    return answer["result"] if isinstance(answer, Mapping) and "result" in answer else answer


def addresses(interfaces: Any) -> list[dict[str, Any]]:
    """The addresses of a guest, loopback left out, in the order in which its interfaces are reported."""
    found = []
    for interface in agent_result(interfaces) or []:
        mac = str(interface.get("hardware-address") or interface.get("hwaddr") or "").lower()
        for text, prefix in _written(interface):
            address = ipaddress.ip_address(text)
            if not address.is_loopback:
                found.append(
                    {
                        "interface": interface.get("name"),
                        "mac": mac,
                        "address": text,
                        "prefix": prefix,
                        "family": f"ipv{address.version}",
                    }
                )
    return found


def is_ambiguous(found: Iterable[Mapping[str, Any]]) -> bool:
    """Could more than one interface be the one to reach the guest by (one with containers inside has bridges too)?"""
    return len({entry["interface"] for entry in found if _reachable(entry)}) > 1


def macs(config: Mapping[str, Any]) -> list[str]:
    """The MAC addresses of a guest's network interfaces, net0 first."""
    nets = sorted((int(slot.group(1)), str(config[slot.string])) for key in config if (slot := _NET.fullmatch(key)))
    return [mac.group() for _number, net in nets if (mac := _MAC.search(net.lower()))]


def ansible_host(found: Iterable[Mapping[str, Any]], known: Sequence[str] = ()) -> str | None:
    """The address to reach a guest by: of its first interface (in the order of the `known` MACs), IPv4 before IPv6."""
    order = {mac: number for number, mac in enumerate(known)}
    usable = [entry for entry in found if _reachable(entry)]
    best = min(usable, key=lambda entry: (order.get(entry["mac"], len(order)), entry["family"]), default=None)
    return str(best["address"]) if best else None


def _reachable(entry: Mapping[str, Any]) -> bool:
    return not ipaddress.ip_address(entry["address"]).is_link_local


def _written(interface: Mapping[str, Any]) -> Iterable[tuple[str, int | None]]:
    """Address and prefix; a zone (fe80::1%eth0) is left out. PVE 8 lists one of each family, as a network."""
    listed = interface.get("ip-addresses")
    if listed is None:
        listed = [
            {"ip-address": network.partition("/")[0], "prefix": network.partition("/")[2]}
            for network in (interface.get("inet"), interface.get("inet6"))
            if network
        ]
    for entry in listed:
        prefix = entry.get("prefix")
        yield entry["ip-address"].partition("%")[0], int(prefix) if prefix not in (None, "") else None
