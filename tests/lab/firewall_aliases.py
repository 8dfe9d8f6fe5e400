# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewall aliases of the cluster and of each guest."""

from __future__ import annotations

from typing import Any

from . import firewall
from .call import Call, serves
from .errors import BadParameter
from .firewall import LEVELS

LIST = [f"{level}/firewall/aliases" for level in LEVELS]
ONE = [f"{path}/{{name}}" for path in LIST]


def _shown(alias: dict[str, str]) -> dict[str, Any]:
    version = 6 if ":" in alias["cidr"] else 4
    return {key: value for key, value in alias.items() if value != ""} | {"ipversion": version}


@serves("GET", *LIST)
def index(call: Call) -> list[dict[str, Any]]:
    return [_shown(alias) | {"digest": firewall.digest_of(call)} for alias in firewall.of(call).aliases.values()]


@serves("POST", *LIST)
def create(call: Call) -> None:
    name = call.params["name"]
    found = firewall.of(call).aliases
    if name.lower() in found:
        raise BadParameter(name=f"alias '{name}' already exists")
    found[name.lower()] = {"name": name, "cidr": call.params["cidr"], "comment": call.params.get("comment", "")}


def _find(call: Call) -> dict[str, str]:
    found = firewall.of(call).aliases.get(call.params["name"].lower())
    if found is None:
        raise BadParameter(name="no such alias")
    return found


@serves("GET", *ONE)
def read(call: Call) -> dict[str, Any]:
    return _shown(_find(call))


@serves("PUT", *ONE)
def update(call: Call) -> None:
    """Replaces the alias: a comment that is not sent is gone, and the name is in lower case afterwards."""
    firewall.check_digest(call)
    _find(call)
    found, name = firewall.of(call).aliases, call.params["name"].lower()
    rename = call.params.get("rename", name)
    if rename.lower() != name and rename.lower() in found:
        raise BadParameter(name=f"alias '{rename}' already exists")
    del found[name]
    new = rename if rename.lower() != name else name
    found[new.lower()] = {"name": new, "cidr": call.params["cidr"], "comment": call.params.get("comment", "")}


@serves("DELETE", *ONE)
def delete(call: Call) -> None:
    firewall.check_digest(call)
    firewall.of(call).aliases.pop(call.params["name"].lower(), None)
