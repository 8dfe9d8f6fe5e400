# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `doctor_info`: is the cluster reached, is it that cluster, and what may this credential do there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._connection import Connection, resolve
from .._errors import StewardError, grant_command
from .._info import sight
from .._names import NODE, STORAGE, check_vmid
from .._plan import Plan
from .._planner import Planner
from .._privileges import Need, held, held_below
from .._world import World
from .capabilities import CAPABILITIES, GUESTS, NAMES, NODES, SCOPES, STORAGES, ZONES, Capability

_OPTIONS: dict[str, dict[str, Any]] = {
    "capabilities": {"type": "list", "elements": "str", "choices": list(NAMES), "default": list(NAMES)},
    "vmids": {"type": "list", "elements": "int", "default": []},
    "storages": {"type": "list", "elements": "str", "default": []},
    "nodes": {"type": "list", "elements": "str", "default": []},
}
#: the type of a row of /cluster/resources -> the scope that its object is in, and the column of its name
_LISTED = {
    "lxc": (GUESTS, "vmid"),
    "qemu": (GUESTS, "vmid"),
    "storage": (STORAGES, "storage"),
    "node": (NODES, "node"),
    "sdn": (ZONES, "sdn"),
    "network": (ZONES, "network"),
}
EVERYWHERE, SOME, NOWHERE = "everywhere", "some", "nowhere"

Row = dict[str, Any]
Objects = Mapping[str, list[str]]


def plan_doctor_info(options: Mapping[str, Any], world: World) -> Plan:
    """What can be told, also where nothing answers: a doctor who fails tells nothing."""
    asked = _asked(options)
    connection = resolve(options)
    found: Row = {"identity": connection.identity, "hosts": list(connection.hosts), "tls": _tls(connection)}
    try:
        version = str(world.get("/version")["version"])
    except StewardError as error:
        nothing: Row = {"version": None, "capabilities": [], "gaps": []}
        return _told({**found, "connected": False, "problem": str(error), **nothing})
    rows = _rows(options, world, version, asked)
    return _told(
        {
            **found,
            "connected": True,
            "problem": "",
            "version": version,
            "capabilities": rows,
            "gaps": list(_gaps(rows, world.identity)),
        }
    )


def _told(result: Row) -> Plan:
    lines = list(_lines(result))
    healthy = result["connected"] and result["tls"]["verified"] and not result["gaps"]
    return Plan(summary="reads what the credential may do", result={**result, "healthy": healthy, "summary": lines})


def _asked(options: Mapping[str, Any]) -> Objects:
    """The objects that the options name. Raises BadInput."""
    for vmid in options["vmids"]:
        check_vmid("vmids", vmid)
    return {
        GUESTS: [str(vmid) for vmid in options["vmids"]],
        STORAGES: [STORAGE.check("storages", name) for name in options["storages"]],
        NODES: [NODE.check("nodes", name) for name in options["nodes"]],
        ZONES: [],
    }


def _tls(connection: Connection) -> Row:
    """Whether it is certain who answers, and by what."""
    if connection.fingerprint:
        return {"verified": True, "by": f"the pinned fingerprint {connection.fingerprint}"}
    if not connection.validate_certs:
        return {
            "verified": False,
            "by": "nothing: validate_certs is off, so that anybody can answer and read the secret",
        }
    return {"verified": True, "by": connection.ca_path or "the certificate authorities of the system"}


# -- what the credential may do ----------------------------------------------------------------------------------------


def _rows(options: Mapping[str, Any], world: World, version: str, asked: Objects) -> list[Row]:
    permissions = world.permissions_now()
    there = _there(world)
    chosen = [one for one in CAPABILITIES if one.name in options["capabilities"]]
    rows = []
    for capability in chosen:
        needs = capability.before_9 if capability.before_9 and int(version.partition(".")[0]) < 9 else capability.needs
        standing = [(need, *_standing(world, permissions, need, asked, there)) for need in needs]
        rows.append(_row(capability, standing, world, asked))
    return rows


def _there(world: World) -> Objects:
    """The objects that the credential sees."""
    found: dict[str, set[str]] = {scope: set() for scope in SCOPES}
    for row in sight.everything(world):
        if row["type"] in _LISTED and row.get("network-type", "zone") == "zone":
            scope, column = _LISTED[row["type"]]
            found[scope].add(str(row[column]))
    return {scope: sorted(names) for scope, names in found.items()}


def _standing(
    world: World, permissions: Mapping[str, Any] | None, need: Need, asked: Objects, there: Objects
) -> tuple[str, list[str]]:
    """Where one need is met, and the objects that meet it."""
    if world.is_root:
        return EVERYWHERE, []
    if need.path not in SCOPES:
        return (EVERYWHERE if held(permissions, need) else NOWHERE), []
    if not asked[need.path] and held_below(permissions, need.path, need.any_of):
        return EVERYWHERE, []
    objects = asked[need.path] or there[need.path]
    on = [name for name in objects if held(permissions, Need(f"{need.path}/{name}", need.any_of))]
    if on and on == asked[need.path]:
        return EVERYWHERE, on
    return (SOME if on else NOWHERE), on


def _row(capability: Capability, standing: list[tuple[Need, str, list[str]]], world: World, asked: Objects) -> Row:
    row: Row = {"capability": capability.name, "for_what": capability.for_what}
    if capability.root_only:
        return {**row, "held": EVERYWHERE if world.is_root else NOWHERE, "root_only": capability.root_only, "needs": []}
    needs = [
        {"path": need.path, "any_of": list(need.any_of), "held": how, "on": [f"{need.path}/{name}" for name in on]}
        for need, how, on in standing
    ]
    hows = {need["held"] for need in needs}
    whole = NOWHERE if NOWHERE in hows else SOME if SOME in hows else EVERYWHERE
    lacking: dict[str, list[str]] = {}
    for need, how, on in standing:
        if how == NOWHERE or (how == SOME and asked.get(need.path)):
            for path in _paths(need, on, asked):
                lacking.setdefault(path, []).append(need.any_of[0])
    grants = [{"path": path, "privileges": names} for path, names in lacking.items()]
    return {**row, "held": whole, "root_only": "", "needs": needs, "lacks": grants}


def _paths(need: Need, on: Iterable[str], asked: Objects) -> list[str]:
    """Where it has to be granted: on what was asked for, or on everything of that kind."""
    named = [name for name in asked.get(need.path, ()) if name not in on]
    return [f"{need.path}/{name}" for name in named] or [need.path]


def _gaps(rows: Iterable[Row], identity: str) -> Iterable[Row]:
    """What is missing, path by path, with the line that grants it."""
    by_path: dict[str, tuple[list[str], list[str]]] = {}
    for row in rows:
        for lack in row.pop("lacks", ()):
            privileges, wanted_by = by_path.setdefault(lack["path"], ([], []))
            privileges += lack["privileges"]
            wanted_by.append(row["capability"])
    for path, (privileges, wanted_by) in by_path.items():
        once = tuple(dict.fromkeys(privileges))
        yield {
            "path": path,
            "privileges": list(once),
            "capabilities": wanted_by,
            "grant": grant_command(path, once, identity),
        }


def _lines(result: Mapping[str, Any]) -> Iterable[str]:
    """For people: what is well, what is not, and what to do."""
    if not result["connected"]:
        yield f"not connected to {', '.join(result['hosts'])}: {result['problem']}"
        return
    yield f"connected as {result['identity']}, Proxmox VE {result['version']}"
    tls = result["tls"]
    yield f"the certificate is {'verified' if tls['verified'] else 'NOT verified'}, by {tls['by']}"
    for row in result["capabilities"]:
        yield f"{row['capability']}: {row['held']}{_where(row)}"
    for gap in result["gaps"]:
        yield f"for {', '.join(gap['capabilities'])}: {gap['grant']}"
    if result["gaps"] and "!" in result["identity"]:
        yield f"with privilege separation, {result['identity'].partition('!')[0]} needs the same as its token"


def _where(row: Mapping[str, Any]) -> str:
    if row["root_only"] and row["held"] == NOWHERE:
        return f" ({row['root_only']})"
    on = sorted({path for need in row["needs"] if need["held"] == SOME for path in need["on"]})
    return f" ({', '.join(on[:10])}{' and more' if len(on) > 10 else ''})" if row["held"] == SOME else ""


DOCTOR_INFO = Planner("doctor_info", _OPTIONS, plan_doctor_info, reads_only=True)
