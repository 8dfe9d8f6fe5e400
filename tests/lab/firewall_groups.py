# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Security groups of the cluster's firewall. Their rules are the affair of firewall_rules."""

from __future__ import annotations

from typing import Any

from . import firewall
from .call import Call, serves
from .errors import BadParameter, Died

LIST = "/cluster/firewall/groups"
ONE = f"{LIST}/{{group}}"


@serves("GET", LIST)
def index(call: Call) -> list[dict[str, Any]]:
    digest = firewall.digest_of(call)
    return [
        {"group": name, "digest": digest} | ({"comment": own["comment"]} if own.get("comment") else {})
        for name, own in firewall.of(call).groups.items()
    ]


@serves("POST", LIST)
def create(call: Call) -> None:
    """Makes a group, or gives one another name or comment. Names are stored in lower case, and one that is there in
    other letters is left as it is."""
    firewall.check_digest(call)
    name, old, found = call.params["group"], call.params.get("rename"), firewall.of(call).groups
    if old is not None:
        if old.lower() not in found:
            raise BadParameter(group=f"Security group '{old}' does not exist")
        if name.lower() in found and name.lower() != old.lower():
            raise BadParameter(group=f"Security group '{name}' does already exist")
        own = found.pop(old.lower())
        found[name.lower()] = own | {"comment": call.params.get("comment", own.get("comment", ""))}
        return
    if name in found:
        raise BadParameter(group=f"Security group '{name}' already exists")
    found.setdefault(name.lower(), {"comment": call.params.get("comment", "")})


@serves("DELETE", ONE)
def delete(call: Call) -> None:
    """Whether a rule brings it in does not matter."""
    name, found = call.params["group"], firewall.of(call).groups
    if name.lower() not in found:
        raise Died(f"no such security group '{name}'")
    if found[name.lower()].get("rules"):
        raise Died(f"Security group '{name}' is not empty")
    del found[name.lower()]
