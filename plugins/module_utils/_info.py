# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planners that only read: guests, backups and tasks. Their plan has no steps; their result is what they found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._errors import BadInput
from ._guest.archive import backup_name, backups, sees_backups
from ._guest.lookup import guest_path, resources
from ._names import NODE, STORAGE, segment
from ._plan import Plan, canonical
from ._planner import Planner
from ._task import is_upid, log_tail, task_path
from ._world import World

LONGEST = 500_000

_GUEST_OPTIONS: dict[str, dict[str, Any]] = {
    "vmid": {"type": "int"},
    "name": {"type": "str"},
    "node": {"type": "str"},
    "type": {"type": "str", "choices": ["lxc", "qemu"]},
    "tag": {"type": "str"},
    "pool": {"type": "str"},
    "details": {"type": "list", "elements": "str", "choices": ["config", "status", "snapshots"], "default": []},
}

_DETAILS = {"config": "config", "status": "status/current", "snapshots": "snapshot"}


def shortened(items: list[Any]) -> tuple[list[Any], bool]:
    """As many items as fit into a result, and whether some were left out."""
    size = 0
    fitting: list[Any] = []
    for item in items:
        size += len(canonical(item))
        if size > LONGEST:
            return fitting, True
        fitting.append(item)
    return fitting, False


def plan_guest_info(options: Mapping[str, Any], world: World) -> Plan:
    """The guests that the credential may see and the options choose."""
    rows = [dict(row) for row in resources(world) if _chosen(options, row)]
    rows.sort(key=lambda row: int(row["vmid"]))
    for row in rows:
        row["tags"] = [tag for tag in str(row.get("tags") or "").strip().split(";") if tag]
        path = guest_path(row["type"], row["node"], row["vmid"])
        for detail in options["details"]:
            row[detail] = None if row.get("status") == "unknown" else world.find(f"{path}/{_DETAILS[detail]}")
    guests, cut = shortened(rows)
    return Plan(summary="reads guests", result={"guests": guests, "truncated": cut})


GUEST_INFO = Planner("guest_info", _GUEST_OPTIONS, plan_guest_info, reads_only=True)


def _chosen(options: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    tests: dict[str, Callable[[Any], bool]] = {
        "vmid": lambda wanted: int(row["vmid"]) == wanted,
        "name": lambda wanted: row.get("name") == wanted,
        "node": lambda wanted: row.get("node") == wanted,
        "type": lambda wanted: row["type"] == wanted,
        "tag": lambda wanted: wanted in str(row.get("tags") or "").split(";"),
        "pool": lambda wanted: row.get("pool") == wanted,
    }
    return all(test(options[name]) for name, test in tests.items() if options.get(name) is not None)


_BACKUP_OPTIONS: dict[str, dict[str, Any]] = {
    "node": {"type": "str", "required": True},
    "storage": {"type": "str", "required": True},
    "vmid": {"type": "int"},
    "name": {"type": "str"},
}


def plan_backup_info(options: Mapping[str, Any], world: World) -> Plan:
    """The backups on a storage that the options choose, the oldest first."""
    node, storage = NODE.check("node", options["node"]), STORAGE.check("storage", options["storage"])
    rows = [{**row, "name": backup_name(row)} for row in backups(world, node, storage, options.get("vmid"))]
    complete = sees_backups(world, storage, options.get("vmid"))
    found, cut = shortened([row for row in rows if options.get("name") in (None, row["name"])])
    return Plan(summary="reads backups", result={"backups": found, "complete": complete, "truncated": cut})


BACKUP_INFO = Planner("backup_info", _BACKUP_OPTIONS, plan_backup_info, reads_only=True)

_TASK_OPTIONS: dict[str, dict[str, Any]] = {
    "upid": {"type": "str"},
    "node": {"type": "str"},
    "vmid": {"type": "int"},
    "errors": {"type": "bool", "default": False},
    "limit": {"type": "int", "default": 50},
    "log_lines": {"type": "int", "default": 20},
}


def plan_task_info(options: Mapping[str, Any], world: World) -> Plan:
    """One task with the end of its log, or the newest tasks of a node."""
    upid = options.get("upid")
    if not upid:
        return _newest_tasks(options, world)
    if not is_upid(upid):
        raise BadInput(f"upid: {upid[:120]!r} is not a UPID; it looks like UPID:node:...:user@realm:")
    task = dict(world.get(f"{task_path(upid)}/status"))
    task["running"] = task.get("status") != "stopped"
    exitstatus = str(task.get("exitstatus", ""))
    task["ok"] = None if task["running"] else exitstatus == "OK" or exitstatus.startswith("WARNINGS")
    task["log"] = log_tail(world, upid, options["log_lines"])
    return Plan(summary="reads a task", result={"tasks": [task], "truncated": False})


def _newest_tasks(options: Mapping[str, Any], world: World) -> Plan:
    if not options.get("node"):
        raise BadInput("Neither upid nor node is given", "Give one of them")
    asked = {"limit": options["limit"], "errors": int(options["errors"]), "vmid": options.get("vmid")}
    rows = world.get(f"/nodes/{segment(NODE.check('node', options['node']))}/tasks", **asked)
    tasks, cut = shortened(rows)
    return Plan(summary="reads tasks", result={"tasks": tasks, "truncated": cut})


TASK_INFO = Planner(
    "task_info", _TASK_OPTIONS, plan_task_info, reads_only=True, rules={"mutually_exclusive": [["upid", "node"]]}
)
