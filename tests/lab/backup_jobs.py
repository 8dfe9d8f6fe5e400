# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backup jobs of the cluster, and the guests that none of them covers."""

from __future__ import annotations

from typing import Any

from .call import Call, serves
from .cluster import shown_option
from .errors import BadParameter, Died, Forbidden
from .formats import split_list
from .schema import properties_of

SELECTORS = ("all", "exclude", "vmid", "pool")  # choosing guests one way ends the others


def _job_shown(name: str, job: dict[str, Any]) -> dict[str, Any]:
    shown = {key: shown_option("/cluster/backup/{id}", key, value) for key, value in job.items()}
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
