# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task logs of the nodes: what ran there, and how much of it this credential got to see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import ApiError, BadInput, Unreachable
from .._info import sight
from .._moments import shown
from .._names import segment
from .._privileges import Need, held
from .._task import user_of
from .._world import World

_PAGE = 1000
#: PVE renames its list of ended tasks above this size, and forgets the one that it renamed before
#: (pve-common: PVE::RESTEnvironment, active_workers)
_FIRST_CUT = 50_000
#: what a line of that list has beside the UPID and the status
_LINE = 11


@dataclass(frozen=True)
class Task:
    """A row of the task log. `end` is None while it runs; `status` is its exit status."""

    upid: str
    node: str
    type: str
    id: str
    user: str
    start: int
    end: int | None
    status: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Task:
        """The user from the UPID: rows of running and of ended tasks say it differently for a token."""
        upid, end = str(row["upid"]), row.get("endtime")
        status = str(row.get("status") or "") if end else ""
        node, type_, id_ = (str(row.get(key) or "") for key in ("node", "type", "id"))
        return cls(upid, node, type_, id_, user_of(upid), int(row["starttime"]), int(end) if end else None, status)

    @property
    def ok(self) -> bool:
        return self.status == "OK" or self.status.startswith("WARNINGS: ")

    def public(self) -> dict[str, Any]:
        return {
            "upid": self.upid,
            "node": self.node,
            "type": self.type,
            "id": self.id,
            "user": self.user,
            "start": self.start,
            "end": self.end,
            "status": self.status or "running",
        }


@dataclass
class TaskLog:
    """The tasks of a time, by their beginning; of which nodes they are all, and why not of the others."""

    tasks: list[Task] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    #: node -> the moment from which on nothing is missing
    whole_since: dict[str, float] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)


def read(world: World, nodes: Iterable[str], since: int, until: int) -> TaskLog:
    """The task logs of these nodes, or of all where none is named."""
    rows, log = sight.everything(world), TaskLog()
    log.nodes = sorted(row["node"] for row in rows if row["type"] == "node")
    wanted = list(nodes) or log.nodes
    for node in wanted:
        if node not in log.nodes:
            raise BadInput(f"nodes: {node[:80]!r} is not a node of this cluster; it has: {', '.join(log.nodes)}")
    down = set(sight.down(rows)) & set(wanted)
    log.unseen += [f"node {node} does not answer: its task log was not read" for node in sorted(down)]
    permissions = None if world.is_root else world.permissions_now()
    for node in (node for node in wanted if node not in down):
        try:
            tasks, older = list(_of_node(world, node, since, until)), _has_older(world, node, since)
        except (ApiError, Unreachable) as error:
            if isinstance(error, Unreachable) and "status" not in error.facts:  # no node answered at all
                raise
            log.unseen.append(f"the task log of node {node} was not read: {error}")
            continue
        log.tasks += tasks
        if not (world.is_root or held(permissions, Need(f"/nodes/{node}", ("Sys.Audit",)))):
            log.unseen.append(
                f"{world.identity} sees only its own tasks on {node}: Sys.Audit on /nodes/{node} shows all"
            )
        elif older or sum(len(task.upid) + len(task.status) + _LINE for task in tasks) < _FIRST_CUT:
            log.whole_since[node] = since
        else:
            log.whole_since[node] = min(task.start for task in tasks)
            begins = shown(log.whole_since[node])
            log.unseen.append(f"the task log of {node} begins at {begins}: Proxmox forgets the oldest tasks")
    log.tasks = sorted({task.upid: task for task in log.tasks}.values(), key=lambda task: (task.start, task.upid))
    return log


def _of_node(world: World, node: str, since: int, until: int) -> Iterator[Task]:
    start = 0
    while True:
        rows = world.get(_path(node), source="all", since=since, until=until, start=start, limit=_PAGE)
        yield from map(Task.of, rows)
        if len(rows) < _PAGE:
            return
        start += _PAGE


def _has_older(world: World, node: str, since: int) -> bool:
    return bool(world.get(_path(node), until=since - 1, limit=1))


def _path(node: str) -> str:
    return f"/nodes/{segment(node)}/tasks"
