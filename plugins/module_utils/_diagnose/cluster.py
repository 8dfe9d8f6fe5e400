# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at for the cluster as a whole: its quorum, its HA manager, Ceph, and the guests with their backups.
Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .._guest.lookup import KINDS
from .._moments import shown
from .._privileges import Need
from .flags import CRITICAL, UNREAD, WARNING, Flag, Limits, filled
from .nodes import Finding, Row

_SILENT = re.compile(r"old timestamp - dead\?|detected time drift!")
_FAILED_SERVICES = {
    "error": "is in error: its last command failed",
    "fence": "waits for its node to be fenced",
    "recovery": "is being recovered from a node that failed",
}
_CEPH = {"HEALTH_WARN": WARNING, "HEALTH_ERR": CRITICAL}


@dataclass(frozen=True)
class ClusterCheck:
    """A read of the cluster and its judge; `none`: what the server says where there is no such thing; `expects`: the
    type of an answer."""

    path: str
    judge: Callable[[Any], Finding]
    needs: Need
    none: re.Pattern[str] | None = None
    expects: type = list


def quorum(rows: Sequence[Row]) -> Finding:
    """A node on its own has no row of a cluster, and needs no quorum. Of nodes that do not answer `planner` tells."""
    return rows, [
        Flag(CRITICAL, "cluster", row["name"], "has no quorum: nothing can be changed or started", row)
        for row in rows
        if row["type"] == "cluster" and not int(row.get("quorate") or 0)
    ]


def ha(rows: Sequence[Row]) -> Finding:
    flags = []
    for row in rows:
        said = str(row.get("status") or "")
        if row["type"] == "service" and row.get("state") in _FAILED_SERVICES:
            flags.append(Flag(CRITICAL, "ha", row["sid"], _FAILED_SERVICES[row["state"]], row))
        elif row["type"] in ("lrm", "master") and _SILENT.search(said):
            flags.append(Flag(CRITICAL, "ha", row["id"], f"the HA manager does not know how it is: {said}", row))
    return rows, flags


def ceph(status: Row) -> Finding:
    health = status.get("health") or {}
    said = {name: (check.get("summary") or {}).get("message") for name, check in (health.get("checks") or {}).items()}
    kept = {"status": health.get("status"), "checks": said}
    if health.get("status") == "HEALTH_OK":
        return kept, []
    what = ": ".join(filter(None, (health.get("status") or "no health is told", ", ".join(map(str, said.values())))))
    return kept, [Flag(_CEPH.get(str(health.get("status")), UNREAD), "ceph", "ceph", what, kept)]


def guests(rows: Iterable[Row], down: Iterable[str], limits: Limits) -> Finding:
    """The root disks of containers, which the cluster lists; of machines only their own agent knows."""
    flags, seen = [], 0
    for row in rows:
        if row["type"] not in KINDS or row["node"] in down:
            continue
        seen += 1
        if row.get("status") == "unknown":
            flags.append(Flag(UNREAD, "guests", row["id"], f"node {row['node']} has not reported it", dict(row)))
        elif row["type"] == "lxc" and row.get("status") == "running":
            flags += filled("guests", _called(row), row.get("disk", 0), row.get("maxdisk"), limits)
    return {"looked_at": seen}, flags


def backups(rows: Iterable[Row], found: Iterable[Row], complete: bool, limits: Limits) -> Finding:
    """Of each guest that is no template, how old its newest backup is. Where not all backups could be seen, there may
    be a younger one: then nobody knows."""
    newest: dict[int, float] = {}
    for backup in found:
        vmid = int(backup.get("vmid") or 0)
        newest[vmid] = max(newest.get(vmid, 0.0), float(backup.get("ctime") or 0))
    flags, times = [], {}
    level, seen = (WARNING, "") if complete else (UNREAD, " that could be seen")
    for row in sorted((row for row in rows if _wants_backups(row)), key=lambda row: int(row["vmid"])):
        made = newest.get(int(row["vmid"]))
        times[row["id"]] = None if made is None else shown(made)
        if made is None:
            flags.append(Flag(level, "backups", _called(row), f"has no backup{seen}"))
        elif limits.now - made > limits.backup_age:
            what = f"its newest backup{seen} is {(limits.now - made) / 86400:.1f} days old"
            flags.append(Flag(level, "backups", _called(row), what, {"made": shown(made)}))
    return times, flags


def _wants_backups(row: Row) -> bool:
    return row["type"] in KINDS and not int(row.get("template") or 0)


def _called(row: Row) -> str:
    return f"{row['id']} {row.get('name') or ''}".rstrip()


_AUDIT = Need("/", ("Sys.Audit",))

CLUSTER_CHECKS: dict[str, ClusterCheck] = {
    "cluster": ClusterCheck("/cluster/status", quorum, _AUDIT),
    "ha": ClusterCheck("/cluster/ha/status/current", ha, _AUDIT),
    "ceph": ClusterCheck(
        "/cluster/ceph/status",
        ceph,
        Need("/", ("Sys.Audit", "Datastore.Audit")),
        none=re.compile("binary not installed|configuration not (?:initialized|enabled)"),
        expects=dict,
    ),
}
