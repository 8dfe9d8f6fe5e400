# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `backup_info`: backups on one storage, or on all of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput, StewardError
from .._guest.archive import backup_name, content_path, sees_backups
from .._names import NODE, STORAGE
from .._plan import Plan
from .._planner import Planner
from .._prune import parse_age
from .._world import World
from . import sight
from .bounded import LIMIT, limited, shortened
from .details import AT_ONCE, check_concurrency

_OPTIONS: dict[str, dict[str, Any]] = {
    "node": {"type": "str"},
    "storage": {"type": "str"},
    "vmid": {"type": "list", "elements": "int"},
    "name": {"type": "str"},
    "newest": {"type": "bool", "default": False},
    "protected": {"type": "bool"},
    "max_age": {"type": "str"},
    "older_than": {"type": "str"},
    **LIMIT,
    **AT_ONCE,
}

Backup = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A storage with backups, and the node that reads it."""

    node: str
    storage: str


def plan_backup_info(options: Mapping[str, Any], world: World) -> Plan:
    """The backups that the options choose, the oldest first."""
    at_once, now = check_concurrency(options["concurrency"]), time.time()
    oldest, youngest = (_moment(option, options, now) for option in ("max_age", "older_than"))
    node, storage = options.get("node"), options.get("storage")
    unseen: list[str] = []
    if storage:
        STORAGE.check("storage", storage)
    if node and storage:
        places = [Place(NODE.check("node", node), storage)]
        found = _listed(places[0], world.get(content_path(node, storage), content="backup"))
    else:
        places = _places(world, node, storage, unseen)
        found = _of_all(world, places, at_once, unseen)
    unseen += _hidden(world, places, options.get("vmid"))
    rows = [row for row in found if _fits(row, options) and _between(row, oldest, youngest)]
    rows.sort(key=lambda row: (row.get("ctime") is None, row.get("ctime") or 0))  # one that is only planned comes last
    fitting = _newest(rows) if options["newest"] else rows
    wanted = limited(fitting, options.get("limit"))
    shown, cut = shortened(wanted)
    result = {
        "backups": shown,
        "total": len(fitting),
        "truncated": cut or len(wanted) < len(fitting),
        "complete": not unseen,
        "unseen": unseen,
    }
    return Plan(summary="reads backups", result=result)


def _places(world: World, node: str | None, storage: str | None, unseen: list[str]) -> list[Place]:
    """The storages that hold backups, a shared one once. What cannot be read is noted as unseen."""
    rows = sight.everything(world)
    sight.check_node(rows, node)
    offered = [row for row in rows if holds_backups(row) and node in (None, row["node"])]
    there = sorted({row["storage"] for row in offered})
    if storage not in there:
        unseen += sight.hidden(world, ["storages"])
        if storage:
            known = ", ".join(there) or "none"
            raise BadInput(f"storage: '{storage}' is not a storage with backups; these are: {known}", "; ".join(unseen))
    places, silent = readable(world, (row for row in offered if storage in (None, row["storage"])), sight.down(rows))
    unseen += [f"storage {name} does not answer" for name in silent]
    return places


def readable(
    world: World, offered: Iterable[Mapping[str, Any]], down: Collection[str]
) -> tuple[list[Place], list[str]]:
    """Where the backups of these storages are read, of a shared one once; and the storages that do not answer."""
    places, silent = [], []
    for name, same in _by_storage(offered).items():
        answering = [row for row in same if row.get("status") == "available" and row["node"] not in down]
        if answering:
            places.append(_reader_of(world, answering))
        else:
            silent.append(name)
    return places, silent


def _by_storage(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each storage: a shared one has a row for each node that offers it."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        shared = bool(int(row.get("shared") or 0))
        found.setdefault(row["storage"] if shared else f"{row['storage']} on {row['node']}", []).append(row)
    return found


def holds_backups(row: Mapping[str, Any]) -> bool:
    return row["type"] == "storage" and "backup" in str(row.get("content") or "").split(",")


def _reader_of(world: World, rows: Sequence[Mapping[str, Any]]) -> Place:
    """The first node that offers the storage; in a --check run, the one through which something was planned."""
    planned = (row for row in rows if world.foretold(content_path(row["node"], row["storage"]), content="backup"))
    row = next(planned, rows[0])
    return Place(row["node"], row["storage"])


def _of_all(world: World, places: Iterable[Place], at_once: int, unseen: list[str]) -> list[Backup]:
    """The backups of all the places. What cannot be read is noted as unseen."""
    paths = {place: content_path(place.node, place.storage) for place in places}
    answers = world.get_all(paths.values(), at_once, content="backup")
    found: list[Backup] = []
    for place, path in paths.items():
        answer = answers[path]
        if isinstance(answer, StewardError):
            unseen.append(f"storage {place.storage} on {place.node}: {answer}")
        else:
            found += _listed(place, answer)
    return found


def _listed(place: Place, rows: Iterable[Mapping[str, Any]]) -> list[Backup]:
    """Backups as the storage lists them, with where they are."""
    where = {"storage": place.storage, "node": place.node}
    return [
        {**row, **where, "name": backup_name(row), "protected": bool(int(row.get("protected") or 0))}
        for row in rows
        if row.get("content") == "backup"
    ]


def _hidden(world: World, places: Iterable[Place], vmids: Sequence[int] | None) -> list[str]:
    """The storages on which the credential may not see every such backup."""
    names, guests = dict.fromkeys(place.storage for place in places), vmids or (None,)
    return [
        f"{world.identity} may not see all backups on {name}: VM.Backup on the guests and Datastore.AllocateSpace on"
        f" /storage/{name} are needed"
        for name in names
        if not all(sees_backups(world, name, vmid) for vmid in guests)
    ]


def _moment(option: str, options: Mapping[str, Any], now: float) -> float | None:
    """The point in time that an age means."""
    text = options.get(option)
    return now - parse_age(option, text).total_seconds() if text else None


def _fits(row: Backup, options: Mapping[str, Any]) -> bool:
    return (
        options.get("name") in (None, row["name"])
        and options.get("protected") in (None, row["protected"])
        and (not options.get("vmid") or int(row.get("vmid") or 0) in options["vmid"])
    )


def _between(row: Backup, oldest: float | None, youngest: float | None) -> bool:
    """Was it made between the two? One that is only planned is as young as can be."""
    made = float(row["ctime"]) if row.get("ctime") is not None else float("inf")
    return (oldest is None or made >= oldest) and (youngest is None or made < youngest)


def _newest(rows: Iterable[Backup]) -> list[Backup]:
    """The newest of each guest, of rows that have the oldest first."""
    newest: dict[Any, Backup] = {}
    for row in rows:
        newest.pop(row.get("vmid"), None)  # so that the order stays by age
        newest[row.get("vmid")] = row
    return list(newest.values())


BACKUP_INFO = Planner("backup_info", _OPTIONS, plan_backup_info, reads_only=True)
