# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pools and their members."""

from __future__ import annotations

from typing import Any

from . import resources
from .call import Call, serves
from .errors import Died
from .formats import split_list

ONE = "/pools/{poolid}"


def _pool(call: Call, prefix: str = "") -> dict[str, Any]:
    name = call.params["poolid"]
    if name not in call.state.pools:
        raise Died(f"{prefix}pool '{name}' does not exist")
    return call.state.pools[name]


@serves("GET", "/pools")
def index(call: Call) -> list[dict[str, Any]]:
    name = call.params.get("poolid")
    if name:
        found = _shown(call)
        call.need(f"/pool/{name}", "Pool.Audit")
        return [{"poolid": name, **found}]
    return [
        {"poolid": name, **_comment(pool)}
        for name, pool in sorted(call.state.pools.items())
        if call.may(f"/pool/{name}", "Pool.Audit")
    ]


def _comment(pool: dict[str, Any]) -> dict[str, Any]:
    return {"comment": pool["comment"]} if pool.get("comment") else {}


def _shown(call: Call) -> dict[str, Any]:
    pool, kind = _pool(call), call.params.get("type")
    members = [
        {k: v for k, v in resources.guest(call, call.state.guests[vmid]).items() if k not in ("pool", "tags")}
        for vmid in pool.get("vms", [])
        if vmid in call.state.guests and kind in (None, call.state.guests[vmid].kind)
    ]
    if kind in (None, "storage"):
        members += [entry for name in pool.get("storage", []) for entry in resources.storages(call, name)]
    return {**_comment(pool), "members": members}


@serves("GET", ONE)
def read(call: Call) -> dict[str, Any]:
    return {"poolid": call.params["poolid"], **_shown(call)}


@serves("POST", "/pools")
def create(call: Call) -> None:
    name = call.params["poolid"]
    call.cluster_write("create pool failed: ", "user_cfg")
    if name in call.state.pools:
        raise Died(f"create pool failed: pool '{name}' already exists")
    parent = name.rpartition("/")[0]
    if parent and parent not in call.state.pools:
        raise Died(f"create pool failed: parent '{parent}' of pool '{name}' does not exist")
    call.state.pools[name] = {"comment": call.params.get("comment", ""), "vms": [], "storage": []}


@serves("PUT", "/pools", ONE)
def update(call: Call) -> None:
    pool = _pool(call, "update pools failed: ")
    call.cluster_write("update pools failed: ", "user_cfg")
    vms = [int(vmid) for vmid in split_list(call.params.get("vms", ""))]
    storages = split_list(call.params.get("storage", ""))
    change = _remove if call.params.get("delete") else _add
    change(call, pool, vms, storages)
    pool["comment"] = call.params.get("comment", pool.get("comment", ""))


def _remove(_call: Call, pool: dict[str, Any], vms: list[int], storages: list[str]) -> None:
    for vmid in vms:
        if vmid not in pool.get("vms", []):
            raise Died(f"update pools failed: VM {vmid} is not a pool member")
    for name in storages:
        if name not in pool.get("storage", []):
            raise Died(f"update pools failed: Storage '{name}' is not a pool member")
    pool["vms"] = [vmid for vmid in pool.get("vms", []) if vmid not in vms]
    pool["storage"] = [name for name in pool.get("storage", []) if name not in storages]


def _add(call: Call, pool: dict[str, Any], vms: list[int], storages: list[str]) -> None:
    """All or nothing. What does not exist is added too."""
    for vmid in vms:
        owner = resources.pool_of(call, vmid)
        if vmid in pool.get("vms", []):
            raise Died(f"update pools failed: VM {vmid} is already a pool member")
        if owner and not call.params.get("allow-move"):
            raise Died(f"update pools failed: VM {vmid} belongs already to pool '{owner}' and 'allow-move' is not set")
    for name in storages:
        if name in pool.get("storage", []):
            raise Died(f"update pools failed: Storage '{name}' is already a pool member")
    for other in call.state.pools.values():
        other["vms"] = [vmid for vmid in other.get("vms", []) if vmid not in vms]
    pool["vms"] = [*pool.get("vms", []), *vms]
    pool["storage"] = [*pool.get("storage", []), *storages]


@serves("DELETE", "/pools", ONE)
def delete(call: Call) -> None:
    name, pool = call.params["poolid"], _pool(call, "delete pool failed: ")
    child = next((other for other in call.state.pools if other.startswith(f"{name}/")), None)
    content = [f"pool '{child}'"] if child else []
    content += [f"VM {vmid}" for vmid in pool.get("vms", []) if vmid in call.state.guests]
    content += [f"storage '{storage}'" for storage in pool.get("storage", []) if storage in call.state.storages]
    if content:
        raise Died(f"delete pool failed: pool '{name}' is not empty (contains {content[0]})")
    del call.state.pools[name]
