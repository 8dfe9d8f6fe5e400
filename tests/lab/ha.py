# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""High availability: the resources."""

from __future__ import annotations

from typing import Any

from . import ha_manager
from .call import Call, serves
from .errors import Died
from .formats import split_list
from .state import State, section_digest

RESOURCES = "/cluster/ha/resources"
RESOURCE = RESOURCES + "/{sid}"
MODIFIED = "detected modified configuration - file changed by other user? Try again."
NO_GROUPS = "invalid parameter 'group': ha groups have been migrated to rules"
RESOURCE_OPTIONS = ("auto-rebalance", "comment", "failback", "group", "max_relocate", "max_restart", "state")


def check_digest(call: Call, sections: Any, prefix: str) -> None:
    sent = call.params.get("digest")
    if sent and sent != section_digest(sections):
        raise Died(f"{prefix}: {MODIFIED}")


# resources


def _sid(call: Call) -> str:
    sid = str(call.params["sid"])
    if sid.isdigit():
        guest = call.state.guests.get(int(sid))
        return f"{ha_manager.TYPES[guest.kind] if guest else 'vm'}:{sid}"
    if sid.partition(":")[0] not in ha_manager.KINDS:
        raise Died(f"unknown section type '{sid.partition(':')[0]}'")
    return sid


def _shown(call: Call, sid: str) -> dict[str, Any]:
    kind = sid.partition(":")[0]
    return {"sid": sid, "type": kind, **call.state.ha[sid], "digest": section_digest(call.state.ha)}


@serves("GET", RESOURCES)
def index(call: Call) -> list[dict[str, Any]]:
    wanted = call.params.get("type")
    return [_shown(call, sid) for sid in call.state.ha if wanted in (None, sid.partition(":")[0])]


@serves("GET", RESOURCE)
def read(call: Call) -> dict[str, Any]:
    sid = _sid(call)
    if sid not in call.state.ha:
        raise Died(f"no such resource '{sid}'")
    return _shown(call, sid)


@serves("POST", RESOURCES)
def create(call: Call) -> None:
    sid = _sid(call)
    kind, _unused, vmid = sid.partition(":")
    if "group" in call.params:
        raise Died(NO_GROUPS)
    guest = call.state.guests.get(int(vmid))
    if guest is None:
        raise Died(f"resource '{sid}' does not exist in cluster")
    if ha_manager.TYPES[guest.kind] != kind:
        what = {"ct": "container", "vm": "VM"}[kind]
        raise Died(f"resource '{sid}' - guest with ID {vmid} is not a {what}")
    if sid in call.state.ha:
        raise Died(f"create resource failed: resource ID '{sid}' already defined")
    call.state.ha[sid] = {key: call.params[key] for key in RESOURCE_OPTIONS if key in call.params}


@serves("PUT", RESOURCE)
def update(call: Call) -> None:
    sid, prefix = _sid(call), "update resources config failed"
    if "group" in call.params:
        raise Died(NO_GROUPS)
    service = call.state.ha_services.get(sid)
    if service and service.state == "error" and call.params.get("state") != "disabled":
        raise Died(f"service '{sid}' in error state, must be disabled and fixed first")
    check_digest(call, call.state.ha, prefix)
    if sid not in call.state.ha:
        raise Died(f"{prefix}: no such resource '{sid}'")
    deletes = split_list(call.params.get("delete", ""))
    for key in deletes:
        if key not in RESOURCE_OPTIONS:
            raise Died(f"{prefix}: no such option '{key}'")
    found = call.state.ha[sid]
    found |= {key: call.params[key] for key in RESOURCE_OPTIONS if key in call.params}
    for key in deletes:
        found.pop(key, None)


@serves("DELETE", RESOURCE)
def delete(call: Call) -> None:
    sid = _sid(call)
    if sid not in call.state.ha:
        raise Died(f"cannot delete service '{sid}', not HA managed!")
    del call.state.ha[sid]
    if call.params.get("purge", 1):
        drop_from_rules(call.state, sid)


def drop_from_rules(state: State, sid: str) -> None:
    """A rule loses the resource; one that says nothing without it goes."""
    for name, rule in list(state.ha_rules.items()):
        left = [other for other in split_list(rule["resources"]) if other != sid]
        rule["resources"] = ",".join(left)
        if not left:
            del state.ha_rules[name]


@serves("POST", RESOURCE + "/migrate", RESOURCE + "/relocate")
def migrate(call: Call) -> dict[str, str]:
    sid, node = _sid(call), call.params["node"]
    if sid not in ha_manager.managed(call.state):
        raise Died(f"cannot migrate service '{sid}', not HA managed!")
    if node not in call.state.nodes:
        raise Died(f"no such cluster node '{node}'")
    ha_manager.command(call.state, sid, "migrate", node)
    return {"sid": sid, "requested-node": node}


@serves("GET", "/cluster/ha/groups")
def groups(_call: Call) -> None:
    raise Died("cannot index groups: ha groups have been migrated to rules")
