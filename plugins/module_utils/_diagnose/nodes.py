# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at on each node: one read for each check, and what its answer means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._privileges import Need
from .flags import CRITICAL, UNREAD, WARNING, Flag, Limits, filled, graded, percent

Row = Mapping[str, Any]
#: what is kept of an answer, and what is wrong with it
Finding = tuple[Any, list[Flag]]

#: so many failed tasks are read of a node
MOST_TASKS = 500
_DAY = 86400.0
#: without these a node cannot be used
_ESSENTIAL = ("corosync", "pve-cluster", "pvedaemon", "pveproxy", "pvescheduler", "pvestatd")
_HEALTHY_DISKS = ("PASSED", "OK")


@dataclass(frozen=True)
class NodeCheck:
    """A read of a node and its judge. `sees`: without it the server leaves things out; `none`: what it says where the
    node has no such thing; `always`: every node has some, so that an empty list is no answer;
    `expects`: the type of an answer."""

    path: str
    judge: Callable[[str, Any, Limits], Finding]
    needs: Need
    sees: Need | None = None
    none: re.Pattern[str] | None = None
    always: bool = False
    expects: type = list
    params: Callable[[float], Mapping[str, Any]] = field(default=lambda _since: {})


def storages(node: str, rows: list[Row], limits: Limits) -> Finding:
    kept, flags = [], []
    for row in rows:
        kept.append({key: row[key] for key in ("storage", "type", "enabled", "active", "used", "total") if key in row})
        where = f"{row['storage']} on {node}"
        if not _true(row.get("enabled", 1)):
            continue
        if not _true(row.get("active", 0)):
            flags.append(Flag(CRITICAL, "storages", where, "is not active: the node cannot reach it", kept[-1]))
            continue
        shared = _true(row.get("shared", 0))
        where = row["storage"] if shared else where
        flags += filled("storages", where, row.get("used", 0), row.get("total"), limits, shared)
    return kept, flags


def tasks(node: str, rows: list[Row], _limits: Limits) -> Finding:
    """The tasks that failed, those of one kind on one object together. The server lists the newest first."""
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not str(row.get("status") or "").startswith(("OK", "WARNINGS")):
            alike.setdefault((row["type"], str(row.get("id") or "")), []).append(row)
    flags = []
    for (kind, target), same in alike.items():
        often = "failed" if len(same) == 1 else f"failed {len(same)} times, last"
        evidence = {"count": len(same), "upid": same[0]["upid"], "user": same[0]["user"]}
        what = f"{often}: {same[0].get('status') or 'it ended without a status'}"
        flags.append(Flag(WARNING, "tasks", " ".join(filter(None, (kind, target, "on", node))), what, evidence))
    if len(rows) >= MOST_TASKS:
        flags.append(Flag(UNREAD, "tasks", node, f"only the newest {MOST_TASKS} failed tasks were read"))
    return {"failed": sum(len(same) for same in alike.values())}, flags


def services(node: str, rows: list[Row], limits: Limits) -> Finding:
    """A service should run where its unit is enabled; corosync only where there is a cluster."""
    flags, kept = [], {}
    for row in rows:
        name, state, unit = row["service"], row.get("active-state", "unknown"), row.get("unit-state", "unknown")
        kept[name] = f"{state} ({row.get('state', 'unknown')}), {unit}"
        where, level = f"{name} on {node}", CRITICAL if name in _ESSENTIAL else WARNING
        if state == "failed":
            flags.append(Flag(CRITICAL, "services", where, "has failed", kept[name]))
        elif state == "unknown" and unit != "not-found":
            flags.append(Flag(UNREAD, "services", where, "its state is not known", kept[name]))
        elif unit.startswith("enabled") and state != "active" and not (limits.alone and name == "corosync"):
            flags.append(Flag(level, "services", where, f"is enabled and does not run: {state}", kept[name]))
    return kept, flags


def memory(node: str, status: Row, limits: Limits) -> Finding:
    own = status["memory"]
    share = percent(own["used"], own["total"])
    level = graded(share, limits.memory, limits.memory_critical)
    return own, [Flag(level, "memory", node, f"{share:.1f} % of its memory is in use", own)] if level else []


def root_disk(node: str, status: Row, limits: Limits) -> Finding:
    """As `df` counts: what is kept for root alone is not there for anybody else."""
    own = status["rootfs"]
    return own, filled("root_disk", f"/ on {node}", own["used"], float(own["used"]) + float(own["avail"]), limits)


def certificates(node: str, rows: list[Row], limits: Limits) -> Finding:
    kept, flags = [], []
    for row in rows:
        kept.append({key: row.get(key) for key in ("filename", "subject", "notafter", "fingerprint")})
        where, ends = f"{row.get('filename')} on {node}", row.get("notafter")
        if ends is None:
            flags.append(Flag(UNREAD, "certificates", where, "it is not known when it ends", kept[-1]))
            continue
        days = (float(ends) - limits.now) / _DAY
        if days <= 0:
            flags.append(Flag(CRITICAL, "certificates", where, f"expired {-days:.0f} days ago", kept[-1]))
        elif days <= limits.certificate_days:
            level = CRITICAL if days <= limits.certificate_days_critical else WARNING
            flags.append(Flag(level, "certificates", where, f"expires in {days:.0f} days", kept[-1]))
    return kept, flags


def replication(node: str, rows: list[Row], _limits: Limits) -> Finding:
    flags = []
    for row in rows:
        where = f"job {row['id']} from {node} to {row.get('target')}"
        if int(row.get("fail_count") or 0):
            what = f"failed {row['fail_count']} times in a row: {row.get('error') or 'it does not say why'}"
            flags.append(Flag(CRITICAL, "replication", where, what, row))
        elif not int(row.get("last_sync") or 0) and not _true(row.get("disable", 0)):
            flags.append(Flag(WARNING, "replication", where, "has never been carried out", row))
    return rows, flags


def disks(node: str, rows: list[Row], limits: Limits) -> Finding:
    """What SMART says of each disk. `wearout` is what is left of it, in percent."""
    kept, flags = [], []
    for row in rows:
        kept.append({key: row.get(key) for key in ("devpath", "type", "model", "serial", "size", "health", "wearout")})
        where, health, left = f"{row['devpath']} on {node}", str(row.get("health") or "UNKNOWN"), row.get("wearout")
        if health.upper() in ("UNKNOWN", "SMART DISABLED"):
            flags.append(Flag(UNREAD, "disks", where, f"its health is not known: {health}", kept[-1]))
        elif health not in _HEALTHY_DISKS:
            flags.append(Flag(CRITICAL, "disks", where, f"SMART says {health}", kept[-1]))
        if re.fullmatch(r"[\d.]+", str(left)) and float(str(left)) <= limits.wear_left:
            flags.append(Flag(WARNING, "disks", where, f"is worn: {left} % are left", kept[-1]))
    return kept, flags


def zfs(node: str, rows: list[Row], limits: Limits) -> Finding:
    flags = []
    for row in rows:
        where = f"{row['name']} on {node}"
        if row.get("health") != "ONLINE":
            flags.append(Flag(CRITICAL, "zfs", where, f"is {row.get('health')}", row))
        flags += filled("zfs", where, row.get("alloc", 0), row.get("size"), limits)
    return rows, flags


def updates(node: str, rows: list[Row], _limits: Limits) -> Finding:
    names = sorted(f"{row['Package']} {row['Version']}" for row in rows)
    return names, [Flag(WARNING, "updates", node, f"{len(names)} packages can be updated", names)] if names else []


def _true(value: Any) -> bool:
    return str(value) in ("1", "True", "true")


def _audit(node: str = "{node}") -> Need:
    return Need(f"/nodes/{node}", ("Sys.Audit",))


_ROOT = Need("/", ("Sys.Audit",))
_STORAGES = Need("/storage/*", ("Datastore.Audit", "Datastore.AllocateSpace"))
_GUESTS = Need("/vms/*", ("VM.Audit",))

#: {node} in paths and needs is the node
NODE_CHECKS: dict[str, NodeCheck] = {
    "storages": NodeCheck("/nodes/{node}/storage", storages, _STORAGES, sees=_STORAGES),
    "tasks": NodeCheck(
        "/nodes/{node}/tasks",
        tasks,
        _audit(),
        sees=_audit(),
        params=lambda since: {"errors": 1, "since": int(since), "limit": MOST_TASKS},
    ),
    "services": NodeCheck("/nodes/{node}/services", services, _audit(), always=True),
    "memory": NodeCheck("/nodes/{node}/status", memory, _audit(), expects=dict),
    "root_disk": NodeCheck("/nodes/{node}/status", root_disk, _audit(), expects=dict),
    "certificates": NodeCheck("/nodes/{node}/certificates/info", certificates, _audit(), always=True),
    "replication": NodeCheck("/nodes/{node}/replication", replication, _GUESTS, sees=_GUESTS),
    "disks": NodeCheck("/nodes/{node}/disks/list", disks, _audit(), always=True),
    "zfs": NodeCheck("/nodes/{node}/disks/zfs", zfs, _ROOT, none=re.compile("zfsutils-linux not installed")),
    "updates": NodeCheck("/nodes/{node}/apt/update", updates, Need("/nodes/{node}", ("Sys.Modify",))),
}
