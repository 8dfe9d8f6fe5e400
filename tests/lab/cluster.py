# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster: its resources, status, options, and the jobs and HA entries that others need to see."""

from __future__ import annotations

from typing import Any

from . import nodes, resources
from .call import Call, serves
from .errors import BadParameter, Died, Forbidden
from .formats import split_list
from .propertystring import Form, parse
from .schema import lookup, properties_of
from .state import section_digest

SELECTORS = ("all", "exclude", "vmid", "pool")  # choosing guests one way ends the others
TAGS_FIRST = ("tag-style", "console", "allowed-tags")


@serves("GET", "/cluster/resources")
def all_resources(call: Call) -> list[dict[str, Any]]:
    kind = call.params.get("type")
    found: list[dict[str, Any]] = []
    if kind in (None, "vm"):
        found += [resources.guest(call, guest) for guest in resources.visible_guests(call)]
    if kind is None:
        found = [*resources.pools(call), *found]
    if kind in (None, "node"):
        found += [resources.node(call, name) for name in call.state.nodes]
    if kind in (None, "storage"):
        found += resources.storages(call)
    if kind in (None, "sdn", "network"):
        found += resources.networks(call)
    return found


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
    return str(value) if key == "max_workers" else _shown_option("/cluster/options", key, value)


LIST_OPTIONS = ("registered-tags", "user-allow-list")
# Formats that the description only names.
NAMED_FORMS: dict[str, Form] = {
    "backup-fleecing": {"enabled": {"type": "boolean", "default_key": 1}, "storage": {}},
    "backup-performance": {"max-workers": {}, "pbs-entries-max": {}},
    "prune-backups": {
        f"keep-{period}": {} for period in ("all", "last", "hourly", "daily", "weekly", "monthly", "yearly")
    },
}


def _shown_option(path: str, key: str, value: Any) -> Any:
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


# backup jobs


def _job_shown(name: str, job: dict[str, Any]) -> dict[str, Any]:
    shown = {key: _shown_option("/cluster/backup/{id}", key, value) for key, value in job.items()}
    return {"id": name, "type": "vzdump", "enabled": 1, **shown}


@serves("GET", "/cluster/backup")
def backup_jobs(call: Call) -> list[dict[str, Any]]:
    return [_job_shown(name, job) | {"next-run": 1795219200} for name, job in call.state.backup_jobs.items()]


@serves("GET", "/cluster/backup/{id}")
def backup_job(call: Call) -> dict[str, Any]:
    name = call.params["id"]
    if name not in call.state.backup_jobs:
        raise BadParameter(id=f"No such job '{name}'")
    return _job_shown(name, call.state.backup_jobs[name])


@serves("POST", "/cluster/backup")
def create_backup_job(call: Call) -> None:
    params = dict(call.params)
    name = params.pop("id", None) or call.state.uuid()
    if "schedule" not in params and "starttime" not in params:
        raise BadParameter(schedule="neither 'starttime' nor 'schedule' were set")
    if not {"all", "vmid", "pool"} & params.keys():
        raise BadParameter(vmid="property is missing").as_died()
    if "pool" in params and params["pool"] not in call.state.pools:
        raise Forbidden(f"pool '{params['pool']}' does not exist")
    if name in call.state.backup_jobs:
        raise Died(f"Job '{name}' already exists")
    if "starttime" in params:
        params["schedule"] = f"{params.pop('dow', '')} {params.pop('starttime')}".strip()
    call.state.backup_jobs[name] = params


@serves("PUT", "/cluster/backup/{id}")
def update_backup_job(call: Call) -> None:
    name = call.params["id"]
    if name not in call.state.backup_jobs:
        raise Died("no such vzdump job")
    changes = {key: value for key, value in call.params.items() if key not in ("id", "delete")}
    deletes = split_list(call.params.get("delete", ""))
    if not changes and not deletes:
        raise Died("no options specified")
    described = properties_of("POST", "/cluster/backup")
    for key in deletes:
        if key not in described or key == "enabled":
            raise BadParameter(delete=f"unknown option '{key}'").as_died()
    job = call.state.backup_jobs[name]
    chosen = [key for key in ("all", "vmid", "pool") if key in changes]
    for key in [*deletes, *(SELECTORS if chosen else ())]:
        job.pop(key, None)
    job |= changes


@serves("DELETE", "/cluster/backup/{id}")
def delete_backup_job(call: Call) -> None:
    name = call.params["id"]
    if name not in call.state.backup_jobs:
        raise BadParameter(id=f"No such job '{name}'").as_died()
    del call.state.backup_jobs[name]


@serves("GET", "/cluster/backup-info/not-backed-up")
def not_backed_up(call: Call) -> list[dict[str, Any]]:
    covered = {v for job in call.state.backup_jobs.values() for v in split_list(str(job.get("vmid", "")))}
    return [
        {"vmid": guest.vmid, "type": guest.kind}
        | ({"name": guest.name} if guest.kind == "lxc" or "name" in guest.config else {})
        for guest in call.state.guests.values()
        if str(guest.vmid) not in covered
    ]


# HA and replication


def _sid(call: Call) -> str:
    sid = str(call.params["sid"])
    guest = call.state.guests.get(int(sid)) if sid.isdigit() else None
    return f"{'ct' if guest and guest.kind == 'lxc' else 'vm'}:{sid}" if sid.isdigit() else sid


@serves("GET", "/cluster/ha/resources")
def ha_resources(call: Call) -> list[dict[str, Any]]:
    return [
        {"sid": sid, "type": sid.partition(":")[0], **found, "digest": section_digest(call.state.ha)}
        for sid, found in call.state.ha.items()
    ]


@serves("POST", "/cluster/ha/resources")
def add_ha_resource(call: Call) -> None:
    sid = _sid(call)
    if sid in call.state.ha:
        raise Died(f"create resource failed: resource ID '{sid}' already defined")
    if int(sid.split(":")[1]) not in call.state.guests:
        raise Died(f"resource '{sid}' does not exist in cluster")
    call.state.ha[sid] = {key: value for key, value in call.params.items() if key not in ("sid", "type")}


@serves("GET", "/cluster/ha/resources/{sid}")
def ha_resource(call: Call) -> dict[str, Any]:
    sid = _sid(call)
    if sid not in call.state.ha:
        raise Died(f"no such resource '{sid}'")
    return {"sid": sid, "type": sid.partition(":")[0], **call.state.ha[sid], "digest": section_digest(call.state.ha)}


@serves("DELETE", "/cluster/ha/resources/{sid}")
def delete_ha_resource(call: Call) -> None:
    sid = _sid(call)
    if sid not in call.state.ha:
        raise Died(f"cannot delete service '{sid}', not HA managed!")
    del call.state.ha[sid]


@serves("GET", "/cluster/ha/status/current")
def ha_status(call: Call) -> list[dict[str, Any]]:
    node = call.state.local
    text = "OK" if call.state.quorate else f"No quorum on node '{node}'!"
    return [
        {"id": "quorum", "type": "quorum", "node": node, "quorate": int(call.state.quorate), "status": text},
        {
            "id": "fencing",
            "type": "fencing",
            "node": node,
            "status": "standby (CRM watchdog standby)",
            "armed-state": "standby",
        },
    ]


@serves("GET", "/cluster/ha/rules")
def ha_rules(_call: Call) -> list[dict[str, Any]]:
    return []


@serves("GET", "/cluster/ha/groups")
def ha_groups(_call: Call) -> None:
    raise Died("cannot index groups: ha groups have been migrated to rules")


@serves("GET", "/cluster/replication")
def replication(call: Call) -> list[dict[str, Any]]:
    return [
        {"id": name, **job}
        for name, job in call.state.replication.items()
        if call.may(f"/vms/{job['guest']}", "VM.Audit")
    ]


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
