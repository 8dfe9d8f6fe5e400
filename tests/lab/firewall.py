# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewall aliases of the cluster and of each guest; the options can only be read."""

from __future__ import annotations

import json
from typing import Any

from .call import Call, serves
from .errors import BadParameter, Died
from .state import digest

LEVELS = ("/cluster", "/nodes/{node}/lxc/{vmid}", "/nodes/{node}/qemu/{vmid}")
LIST = [f"{level}/firewall/aliases" for level in LEVELS]
ONE = [f"{path}/{{name}}" for path in LIST]


def _scope(call: Call) -> str:
    return f"/vms/{call.vmid}" if "vmid" in call.params else "/cluster"


def _aliases(call: Call) -> dict[str, dict[str, str]]:
    return call.state.aliases.setdefault(_scope(call), {})


def _digest(call: Call) -> str:
    """One digest for the whole file; an empty file has the digest of nothing."""
    found = _aliases(call)
    return digest(json.dumps(found, sort_keys=True) if found else "")


def _check_digest(call: Call) -> None:
    sent = call.params.get("digest")
    if sent and sent != _digest(call):
        raise Died("detected modified configuration - file changed by other user? Try again.")


def _shown(alias: dict[str, str]) -> dict[str, Any]:
    version = 6 if ":" in alias["cidr"] else 4
    return {key: value for key, value in alias.items() if value != ""} | {"ipversion": version}


@serves("GET", *LIST)
def index(call: Call) -> list[dict[str, Any]]:
    return [_shown(alias) | {"digest": _digest(call)} for alias in _aliases(call).values()]


@serves("POST", *LIST)
def create(call: Call) -> None:
    name = call.params["name"]
    found = _aliases(call)
    if name.lower() in found:
        raise BadParameter(name=f"alias '{name}' already exists")
    found[name.lower()] = {"name": name, "cidr": call.params["cidr"], "comment": call.params.get("comment", "")}


def _find(call: Call) -> dict[str, str]:
    found = _aliases(call).get(call.params["name"].lower())
    if found is None:
        raise BadParameter(name="no such alias")
    return found


@serves("GET", *ONE)
def read(call: Call) -> dict[str, Any]:
    return _shown(_find(call))


@serves("PUT", *ONE)
def update(call: Call) -> None:
    """Replaces the alias: a comment that is not sent is gone, and the name is in lower case afterwards."""
    _check_digest(call)
    _find(call)
    found, name = _aliases(call), call.params["name"].lower()
    rename = call.params.get("rename", name)
    if rename.lower() != name and rename.lower() in found:
        raise BadParameter(name=f"alias '{rename}' already exists")
    del found[name]
    new = rename if rename.lower() != name else name
    found[new.lower()] = {"name": new, "cidr": call.params["cidr"], "comment": call.params.get("comment", "")}


@serves("DELETE", *ONE)
def delete(call: Call) -> None:
    _check_digest(call)
    _aliases(call).pop(call.params["name"].lower(), None)


OPTIONS = [f"{level}/firewall/options" for level in (*LEVELS, "/nodes/{node}")]


@serves("GET", *OPTIONS)
def options(_call: Call) -> dict[str, str]:
    return {"digest": digest("")}
