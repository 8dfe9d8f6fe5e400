# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `task_info`: one task with the end of its log, or the newest tasks of a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput
from .._names import NODE, segment
from .._plan import Plan
from .._planner import Planner
from .._task import is_upid, log_tail, task_path
from .._world import World
from .bounded import shortened

_OPTIONS: dict[str, dict[str, Any]] = {
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
    "task_info", _OPTIONS, plan_task_info, reads_only=True, rules={"mutually_exclusive": [["upid", "node"]]}
)
