# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewall IP sets of the cluster and of each guest, and their entries."""

from __future__ import annotations

import ipaddress
from typing import Any

from . import firewall
from .call import Call, serves
from .errors import BadParameter, Died
from .firewall import LEVELS

LIST = [f"{level}/firewall/ipset" for level in LEVELS]
SET = [f"{path}/{{name}}" for path in LIST]
ENTRY = [f"{path}/{{cidr}}" for path in SET]


def _set(call: Call) -> dict[str, Any]:
    name = call.params["name"]
    found = firewall.of(call).ipsets.get(name.lower())
    if found is None:
        raise Died(f"no such IPSet '{name}'")
    return found


@serves("GET", *LIST)
def index(call: Call) -> list[dict[str, Any]]:
    digest = firewall.digest_of(call)
    return [
        {"name": one["name"], "digest": digest} | ({"comment": one["comment"]} if one.get("comment") else {})
        for one in firewall.of(call).ipsets.values()
    ]


@serves("POST", *LIST)
def create(call: Call) -> None:
    """Makes a set, or gives one another name or comment. The case of letters is not kept, and not seen either."""
    firewall.check_digest(call)
    name, old, sets = call.params["name"], call.params.get("rename"), firewall.of(call).ipsets
    if old is not None:
        if old.lower() not in sets:
            raise BadParameter(name=f"IPSet '{old}' does not exist")
        if name.lower() in sets and name.lower() != old.lower():
            raise BadParameter(name=f"IPSet '{name}' does already exist")
        found = sets.pop(old.lower())
        found["name"] = name.lower()
        found["comment"] = call.params.get("comment", found.get("comment", ""))
        sets[name.lower()] = found
        return
    if name in sets:
        raise BadParameter(name=f"IPSet '{name}' already exists")
    if name.lower() not in sets:
        sets[name.lower()] = {"name": name.lower(), "comment": call.params.get("comment", ""), "entries": {}}


@serves("DELETE", *SET)
def delete(call: Call) -> None:
    if _set(call)["entries"] and not call.params.get("force"):
        raise Died(f"IPSet '{call.params['name']}' is not empty")
    del firewall.of(call).ipsets[call.params["name"].lower()]


# entries


def _normal(cidr: str) -> str:
    """An address without its prefix if that is whole, a network without host bits; an alias stays."""
    try:
        interface = ipaddress.ip_interface(cidr)
    except ValueError:
        return cidr
    whole = interface.network.prefixlen == interface.max_prefixlen
    return cidr.split("/")[0] if whole else str(interface.network)


def _shown(call: Call, cidr: str, entry: dict[str, Any]) -> dict[str, Any]:
    shown = {"cidr": cidr, "digest": firewall.digest_of(call)} | {
        key: v for key, v in entry.items() if v not in ("", 0)
    }
    return shown | ({"errors": {"cidr": f"no such alias '{cidr}'"}} if _dangles(call, cidr) else {})


def _dangles(call: Call, cidr: str) -> bool:
    try:
        ipaddress.ip_interface(cidr)
    except ValueError:
        name = cidr.removeprefix("dc/").removeprefix("guest/").lower()
        cluster = call.state.firewalls.get("/cluster")
        return name not in firewall.of(call).aliases and not (cluster and name in cluster.aliases)
    return False


@serves("GET", *SET)
def entries(call: Call) -> list[dict[str, Any]]:
    return [_shown(call, cidr, entry) for cidr, entry in _set(call)["entries"].items()]


@serves("POST", *SET)
def add(call: Call) -> None:
    cidr, found = _normal(call.params["cidr"]), _set(call)["entries"]
    if call.params["cidr"].endswith("/0"):
        raise BadParameter(cidr="a zero prefix is not allowed in ipset entries")
    if cidr in found:
        raise BadParameter(cidr=f"address '{cidr}' already exists")
    if _dangles(call, cidr):
        raise Died(f"no such alias '{cidr}'")
    found[cidr] = {key: call.params[key] for key in ("comment", "nomatch") if key in call.params}


def _entry(call: Call) -> dict[str, Any]:
    found: dict[str, Any] | None = _set(call)["entries"].get(_normal(call.params["cidr"]))
    if found is None:
        raise BadParameter(cidr="no such IP/Network")
    return found


@serves("GET", *ENTRY)
def read(call: Call) -> dict[str, Any]:
    return _shown(call, _normal(call.params["cidr"]), _entry(call))


@serves("PUT", *ENTRY)
def update(call: Call) -> None:
    """Replaces the entry: what is not sent is gone."""
    firewall.check_digest(call)
    found = _entry(call)
    found.clear()
    found |= {key: call.params[key] for key in ("comment", "nomatch") if key in call.params}


@serves("DELETE", *ENTRY)
def remove(call: Call) -> None:
    firewall.check_digest(call)
    _set(call)["entries"].pop(_normal(call.params["cidr"]), None)
