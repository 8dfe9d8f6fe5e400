# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans as the front door keeps them, one per shape."""

from typing import Any

HOSTILE = "x\x1b[31m\r\n## | `code` </code><script>*b* @all \u202e\udc80 [a](http://b) \x9b2J"


def step(op: str, target: str = "lxc/200", path: str = "/nodes/pve1/lxc/200/config", **more: Any) -> dict[str, Any]:
    return {"op": op, "target": target, "method": "PUT", "path": path, "data": {}, "why": "", **more}


def plan(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    ops = ", ".join(one["op"] for one in steps)
    return {
        "summary": f"{ops} {steps[0]['target']} web on pve1",
        "digest": f"sha256:{ops}",
        "steps": list(steps),
        "blast_radius": {"guests": ["lxc/200"], "nodes": ["pve1"], "complete": True},
        "risk": {"level": "low", "reasons": ["changes little"]},
        "privileges": [],
        "undo": {"possible": True, "steps": []},
        **more,
    }


def record(
    plan: dict[str, Any], host: str = "one", task: str = "Task", uuid: str = "u1", **more: Any
) -> dict[str, Any]:
    named = {"uuid": uuid, "name": task, "action": "steward.proxmox.lxc", "path": "/play.yml:1"}
    bound = {"endpoint": ["pve1.example.com"], "binding": {"objects": {}, "symbols": {}}}
    return {"host": host, "task": named, "check_mode": True, "no_log": False, "plan": plan, **bound, **more}


def update(before: dict[str, Any], after: dict[str, Any], **more: Any) -> dict[str, Any]:
    return plan(step("update"), before=before, after=after, **more)


def create(**more: Any) -> dict[str, Any]:
    made = step("create", "lxc/9001", "/nodes/pve1/lxc")
    started = step("start", "lxc/9001", "/nodes/pve1/lxc/9001/status/start")
    after = {"exists": True, "cores": 2, "net0": "name=eth0,bridge=vmbr0", "power": "running"}
    return plan(made, started, before={"exists": False, "power": "stopped"}, after=after, **more)


def destroy(**more: Any) -> dict[str, Any]:
    return plan(
        step("destroy", path="/nodes/pve1/lxc/200"),
        before={"exists": True, "name": "web"},
        after={"exists": False},
        risk={"level": "high", "reasons": ["destroys lxc/200 with 1 volume(s)"]},
        undo={"possible": False, "why": "its volumes are gone"},
        **more,
    )
