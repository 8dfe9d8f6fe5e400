# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster: its resources, its status and its options."""

from __future__ import annotations

from typing import Any

from . import ha_manager, nodes, resources
from .call import Call, serves
from .errors import BadParameter, Died
from .formats import split_list
from .propertystring import Form, parse
from .schema import lookup, properties_of
from .state import Guest

TAGS_FIRST = ("tag-style", "console", "allowed-tags")


@serves("GET", "/cluster/resources")
def all_resources(call: Call) -> list[dict[str, Any]]:
    kind = call.params.get("type")
    found: list[dict[str, Any]] = []
    if kind in (None, "vm"):
        found += [resources.guest(call, guest) | _ha(call, guest) for guest in resources.visible_guests(call)]
    if kind is None:
        found = [*resources.pools(call), *found]
    if kind in (None, "node"):
        found += [resources.node(call, name) for name in call.state.nodes]
    if kind in (None, "storage"):
        found += resources.storages(call)
    if kind in (None, "sdn", "network"):
        found += resources.networks(call)
    return found


def _ha(call: Call, guest: Guest) -> dict[str, Any]:
    """The state that the manager gave to the guest, or before it looked the one that is asked for."""
    sid = ha_manager.sid_of(guest)
    if sid not in call.state.ha:
        return {}
    service = call.state.ha_services.get(sid)
    return {"hastate": (service and service.state) or call.state.ha[sid].get("state")}


@serves("GET", "/cluster/status")
def status(call: Call) -> list[dict[str, Any]]:
    state = call.state
    found: list[dict[str, Any]] = []
    if state.cluster:
        found.append(
            {
                "type": "cluster",
                "id": "cluster",
                "name": state.cluster,
                "version": len(state.nodes),
                "nodes": len(state.nodes),
                "quorate": int(state.quorate),
            }
        )
    for number, name in enumerate(state.nodes, start=1):
        found.append(
            {
                "type": "node",
                "id": f"node/{name}",
                "name": name,
                "nodeid": number if state.cluster else 0,
                "ip": f"192.0.2.{10 + number}",
                "online": int(nodes.online(state, name)),
                "local": int(name == state.local),
                "level": "",
            }
        )
    return found


@serves("GET", "/cluster/nextid")
def next_id(call: Call) -> str:
    wanted = call.params.get("vmid")
    if wanted is not None:
        if wanted in call.state.guests:
            raise BadParameter(vmid=f"VM {wanted} already exists")
        return str(wanted)
    limits = parse({"lower": {}, "upper": {}}, str(call.state.options.get("next-id", "")))
    free = (
        n for n in range(int(limits.get("lower", 100)), int(limits.get("upper", 1000000))) if n not in call.state.guests
    )
    found = next(free, None)
    if found is None:
        raise Died("unable to get any free VMID in range")
    return str(found)


# options


@serves("GET", "/cluster/options")
def options(call: Call) -> dict[str, Any]:
    shown = {key: _datacenter_option(key, value) for key, value in call.state.options.items()}
    shown["allowed-tags"] = sorted(_allowed_tags(call, shown))
    if call.may("/", "Sys.Audit"):
        return {"description": "", "mac_prefix": "BC:24:11", **shown}
    return {key: value for key, value in shown.items() if key in TAGS_FIRST}


def _allowed_tags(call: Call, shown: dict[str, Any]) -> set[str]:
    """The tags that the caller may give: registered ones are for those who may change the cluster."""
    access = shown.get("user-tag-access", {})
    registered, listed = set(shown.get("registered-tags", [])), set(access.get("user-allow-list", []))
    used = {tag for guest in resources.visible_guests(call) for tag in split_list(str(guest.config.get("tags", "")))}
    if call.may("/", "Sys.Modify"):
        return used | registered | listed
    free = {"list": listed, "none": set()}.get(access.get("user-allow", "free"), used)
    return free - registered


def _datacenter_option(key: str, value: Any) -> Any:
    if key == "description" and value:
        return f"{value}\n"
    return str(value) if key == "max_workers" else shown_option("/cluster/options", key, value)


LIST_OPTIONS = ("registered-tags", "user-allow-list")
# Formats that the description only names.
NAMED_FORMS: dict[str, Form] = {
    "backup-fleecing": {"enabled": {"type": "boolean", "default_key": 1}, "storage": {}},
    "backup-performance": {"max-workers": {}, "pbs-entries-max": {}},
    "prune-backups": {
        f"keep-{period}": {} for period in ("all", "last", "hourly", "daily", "weekly", "monthly", "yearly")
    },
}


def shown_option(path: str, key: str, value: Any) -> Any:
    """A property string is shown as an object in which only booleans are numbers; other numbers are text."""
    schema = lookup(properties_of("PUT", path), key) or {}
    form = schema.get("format")
    form = NAMED_FORMS.get(form) if isinstance(form, str) else form
    if form and key != "bwlimit":
        return {name: _typed(form.get(name, {}), name, text) for name, text in parse(form, str(value)).items()}
    if key in LIST_OPTIONS:
        return split_list(str(value))
    return value


def _typed(schema: dict[str, Any], name: str, text: str) -> Any:
    if name in LIST_OPTIONS:
        return split_list(text)
    return int(text) if schema.get("type") == "boolean" else text


@serves("PUT", "/cluster/options")
def update_options(call: Call) -> None:
    limits = parse({"lower": {}, "upper": {}}, str(call.params.get("next-id", "")))
    lower, upper = int(limits.get("lower", 100)), int(limits.get("upper", 1000000))
    if lower > upper:
        raise Died(f"lower ({lower}) <= upper ({upper}) boundary rule broken")
    call.cluster_write("", "datacenter_cfg")
    call.state.options |= {key: value for key, value in call.params.items() if key != "delete"}
    for key in split_list(call.params.get("delete", "")):
        call.state.options.pop(key, None)


@serves("GET", "/cluster")
def index(_call: Call) -> list[dict[str, str]]:
    names = (
        "replication",
        "metrics",
        "config",
        "firewall",
        "backup",
        "backup-info",
        "ha",
        "acme",
        "ceph",
        "jobs",
        "mapping",
        "sdn",
        "log",
        "resources",
        "tasks",
        "options",
        "status",
        "nextid",
    )
    return [{"name": name} for name in names]
