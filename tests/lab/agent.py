# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs inside the guests: the agent of virtual machines, and the addresses of both kinds."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable
from typing import Any

from . import agent_inside, disks, guests
from .call import Call, serves
from .errors import Died
from .state import Guest, State

VM = "/nodes/{node}/qemu/{vmid}"
AGENT = VM + "/agent"
FSFREEZE = ("fsfreeze-freeze", "fsfreeze-status", "fsfreeze-thaw")
LOOPBACK = ["127.0.0.1/8", "::1/128"]


def has_system(state: State, guest: Guest) -> bool:
    """A container has an operating system; a machine has one if it came with a disk, or if the seed says so."""
    if guest.kind == "lxc" or guest.agent_seconds is not None or guest.addresses is not None:
        return True
    return any(volume.system for _unused, volume in disks.volumes_of(state, guest, unused=False))


def booted(state: State, guest: Guest) -> bool:
    if guest.started is None or guest.paused or not has_system(state, guest):
        return False
    takes = state.agent_seconds if guest.agent_seconds is None else guest.agent_seconds
    return time.time() - guest.started >= takes


# addresses


def addresses_of(guest: Guest) -> dict[str, list[str]]:
    """The interfaces and their addresses with prefix: from the seed, or as the configuration says."""
    if guest.addresses is not None:
        return guest.addresses
    found = {}
    for key in sorted(key for key in guest.config if re.fullmatch(r"net\d+", key)):
        number = int(key[3:])
        net = _pairs(str(guest.config[key]))
        own = net if guest.kind == "lxc" else _pairs(str(guest.config.get(f"ipconfig{number}", "ip=dhcp")))
        name = net.get("name", f"eth{number}")
        wanted = (_address(guest, number, own, key) for key in ("ip", "ip6"))
        found[name] = [text for text in wanted if text]
    return found


def _pairs(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _address(guest: Guest, number: int, own: dict[str, str], key: str) -> str | None:
    """What a DHCP server would give: always the same to the same guest."""
    value = own.get(key, "manual")
    if value == "manual":
        return None
    if value not in ("dhcp", "auto"):
        return value
    host = (guest.vmid * 4 + number) % (1 << 17)
    if key == "ip":
        return f"{ipaddress.IPv4Address('198.18.0.0') + host}/15"
    return f"{ipaddress.IPv6Address('2001:db8::') + host}/64"


def _mac(guest: Guest, name: str) -> str:
    for key in sorted(key for key in guest.config if re.fullmatch(r"net\d+", key)):
        text = str(guest.config[key])
        if _pairs(text).get("name", f"eth{key[3:]}") == name:
            found = re.search(r"(?i)[0-9a-f]{2}(:[0-9a-f]{2}){5}", text)
            return found[0].lower() if found else ""
    return "00:00:00:00:00:00"


def _entries(texts: list[str], kinds: tuple[str, str]) -> list[dict[str, Any]]:
    found = []
    for text in texts:
        interface = ipaddress.ip_interface(text)
        kind = kinds[interface.version == 6]
        found.append({"ip-address": str(interface.ip), "ip-address-type": kind, "prefix": interface.network.prefixlen})
    return found


@serves("GET", "/nodes/{node}/lxc/{vmid}/interfaces")
def container_interfaces(call: Call) -> list[dict[str, Any]]:
    guest = guests.of(call, "lxc")
    if not guest.running:
        raise Died(f"CT {guest.vmid} not running")
    own = addresses_of(guest)
    up = booted(call.state, guest)
    known = {"lo": LOOPBACK if up else [], **{name: texts if up else [] for name, texts in own.items()}}
    return [_container_interface(guest, name, texts) for name, texts in known.items()]


def _container_interface(guest: Guest, name: str, texts: list[str]) -> dict[str, Any]:
    mac = _mac(guest, name) if name != "lo" else "00:00:00:00:00:00"
    entries = _entries(texts, ("inet", "inet6"))
    found: dict[str, Any] = {"name": name, "hwaddr": mac, "hardware-address": mac, "ip-addresses": entries}
    for kind in ("inet", "inet6"):
        first = next((entry for entry in entries if entry["ip-address-type"] == kind), None)
        if first:
            found[kind] = f"{first['ip-address']}/{first['prefix']}"
    return found


# the agent


def answering(call: Call) -> Guest:
    """The machine, if its agent answers."""
    guest = guests.of(call, "qemu")
    if "agent" not in guest.config:
        raise Died("No QEMU guest agent configured")
    if not guest.running:
        raise Died(f"VM {guest.vmid} is not running")
    enabled = re.match(r"(enabled=)?1(,|$)", str(guest.config["agent"]))
    if not enabled or not booted(call.state, guest) or not agent_inside.of(guest).answers():
        raise Died("QEMU guest agent is not running")
    return guest


@serves("GET", AGENT + "/network-get-interfaces")
def machine_interfaces(call: Call) -> dict[str, Any]:
    guest = answering(call)
    known = {"lo": LOOPBACK, **addresses_of(guest)}
    return {"result": [_machine_interface(guest, name, texts) for name, texts in known.items()]}


def _machine_interface(guest: Guest, name: str, texts: list[str]) -> dict[str, Any]:
    counters = ("rx-bytes", "rx-dropped", "rx-errs", "rx-packets", "tx-bytes", "tx-dropped", "tx-errs", "tx-packets")
    return {
        "name": name,
        "hardware-address": _mac(guest, name) if name != "lo" else "00:00:00:00:00:00",
        "ip-addresses": _entries(texts, ("ipv4", "ipv6")),
        "statistics": dict.fromkeys(counters, 0),
    }


def _os_info(_guest: Guest) -> Any:
    return {
        "id": "debian",
        "name": "Debian GNU/Linux",
        "pretty-name": "Debian GNU/Linux 12 (bookworm)",
        "version": "12 (bookworm)",
        "version-id": "12",
        "machine": "x86_64",
        "kernel-release": "6.1.0-28-amd64",
        "kernel-version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)",
    }


ANSWERS: dict[str, Callable[[Guest], Any]] = {
    "get-fsinfo": lambda _guest: [],
    "get-host-name": lambda guest: {"host-name": guest.name},
    "get-osinfo": _os_info,
    "get-time": lambda _guest: int(time.time() * 1e9),
    "get-timezone": lambda _guest: {"zone": "UTC", "offset": 0},
    "get-users": lambda _guest: [],
    "get-vcpus": lambda guest: [
        {"logical-id": number, "online": 1, "can-offline": number > 0}
        for number in range(int(guest.config.get("cores", 1)) * int(guest.config.get("sockets", 1)))
    ],
    "info": lambda _guest: {"version": "7.2.15", "supported_commands": []},
}


@serves("GET", *(f"{AGENT}/{name}" for name in ANSWERS))
def read(call: Call) -> dict[str, Any]:
    guest = answering(call)
    return {"result": ANSWERS[call.path.rpartition("/")[2]](guest)}


@serves("POST", AGENT + "/ping")
def ping(call: Call) -> dict[str, Any]:
    answering(call)
    return {"result": {}}


@serves("POST", *(f"{AGENT}/{name}" for name in FSFREEZE))
def freeze(call: Call) -> dict[str, Any]:
    guest = answering(call)
    what = call.path.rpartition("-")[2]
    if what == "status":
        return {"result": "frozen" if guest.frozen else "thawed"}
    guest.frozen = what == "freeze"
    return {"result": 1}


@serves("POST", AGENT + "/set-user-password")
def set_password(call: Call) -> dict[str, Any]:
    answering(call)
    return {"result": {}}
