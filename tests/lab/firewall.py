# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall's file of the cluster, a node or a guest: its digest, its options, and what rules can refer to.

Whether a guest exists does not matter to it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .call import Call, serves
from .errors import BadParameter, Died
from .formats import split_list
from .schema import properties_of
from .state import Firewall, digest

LEVELS = ("/cluster", "/nodes/{node}/lxc/{vmid}", "/nodes/{node}/qemu/{vmid}")
OPTIONS = [f"{level}/firewall/options" for level in (*LEVELS, "/nodes/{node}")]


def scope(call: Call) -> str:
    if "vmid" in call.params:
        return f"/vms/{call.vmid}"
    return f"/nodes/{call.node}" if "node" in call.params else "/cluster"


def of(call: Call) -> Firewall:
    return call.state.firewalls.setdefault(scope(call), Firewall())


def digest_of(call: Call) -> str:
    """One digest for the whole file; an empty file has the digest of nothing."""
    found = {name: value for name, value in asdict(of(call)).items() if value}
    return digest(json.dumps(found, sort_keys=True) if found else "")


def check_digest(call: Call) -> None:
    sent = call.params.get("digest")
    if sent and sent != digest_of(call):
        raise Died("detected modified configuration - file changed by other user? Try again.")


@serves("GET", *OPTIONS)
def options(call: Call) -> dict[str, Any]:
    return {**of(call).options, "digest": digest_of(call)}


@serves("PUT", *OPTIONS)
def update_options(call: Call) -> None:
    check_digest(call)
    known = properties_of("PUT", "/cluster/firewall/options" if scope(call) == "/cluster" else _template(call))
    deletes = split_list(call.params.get("delete", ""))
    for key in deletes:
        if key not in known:
            raise BadParameter(delete=f"no such option '{key}'")
    found = of(call).options
    found |= {key: v for key, v in call.params.items() if key not in ("node", "vmid", "delete", "digest")}
    for key in deletes:
        found.pop(key, None)


def _template(call: Call) -> str:
    if "vmid" not in call.params:
        return "/nodes/{node}/firewall/options"
    return f"/nodes/{{node}}/{call.path.split('/')[3]}/{{vmid}}/firewall/options"


@serves("GET", *(f"{level}/firewall/refs" for level in LEVELS))
def refs(call: Call) -> list[dict[str, str]]:
    """The sets and aliases that a rule can name: those of the cluster too."""
    wanted, found = call.params.get("type"), []
    scopes = [("dc", "/cluster")] + ([("guest", scope(call))] if scope(call) != "/cluster" else [])
    for short, name in scopes:
        own = call.state.firewalls.get(name, Firewall())
        prefix = "" if short == "dc" else "guest/"
        if wanted in (None, "ipset"):
            found += [_ref("ipset", one["name"], f"+{prefix}{one['name']}", short, one) for one in own.ipsets.values()]
        if wanted in (None, "alias"):
            found += [_ref("alias", one["name"], f"{prefix}{one['name']}", short, one) for one in own.aliases.values()]
    return found


def _ref(kind: str, name: str, ref: str, short: str, one: dict[str, Any]) -> dict[str, str]:
    entry = {"type": kind, "name": name, "ref": ref, "scope": short}
    return entry | ({"comment": one["comment"]} if one.get("comment") else {})
