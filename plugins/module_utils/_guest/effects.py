# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What later tasks of a --check run read after a guest was planned: made, changed, started, destroyed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._plan import Effect
from .lookup import NAME_KEYS, RESOURCES, guest_path, to_rows

_LIST = f"{RESOURCES}?type=vm"


def born(kind: str, node: str, vmid: int, name: str, config: Mapping[str, Any], pool: str = "") -> list[Effect]:
    """A guest exists, stopped."""
    path = guest_path(kind, node, vmid)
    row = {
        "id": f"{kind}/{vmid}",
        "type": kind,
        "vmid": vmid,
        "node": node,
        "name": name,
        "status": "stopped",
        "template": 0,
        **({"pool": pool} if pool else {}),
    }
    return [
        *config_is(kind, node, vmid, config),
        Effect(
            f"{path}/status/current", "set", {"vmid": vmid, "name": name, "status": "stopped", "ha": {"managed": 0}}
        ),
        Effect(f"{path}/snapshot", "set", [{"name": "current", "description": "You are here!"}]),
        Effect(_LIST, "drop", row["id"], by="id"),
        Effect(_LIST, "add", row),
        Effect(f"/nodes/{node}/{kind}", "drop", vmid, by="vmid"),
        Effect(f"/nodes/{node}/{kind}", "add", {"vmid": vmid, "name": name, "status": "stopped"}),
    ]


def gone(kind: str, node: str, vmid: int) -> list[Effect]:
    """A guest does not exist any more."""
    path = guest_path(kind, node, vmid)
    return [
        *(Effect(f"{path}/{part}", "gone") for part in ("config", "pending", "status/current", "snapshot")),
        Effect(_LIST, "drop", f"{kind}/{vmid}", by="id"),
        Effect(f"/nodes/{node}/{kind}", "drop", vmid, by="vmid"),
    ]


def config_is(kind: str, node: str, vmid: int, config: Mapping[str, Any]) -> list[Effect]:
    """The whole configuration is this, and nothing waits."""
    path = guest_path(kind, node, vmid)
    return [Effect(f"{path}/config", "set", dict(config)), Effect(f"{path}/pending", "set", to_rows(config))]


def configured(
    kind: str, node: str, vmid: int, changes: Mapping[str, Any], waiting: Mapping[str, Any] | None = None
) -> list[Effect]:
    """Keys of the configuration changed; None removes one. `waiting`: those that a running guest takes over only at
    its next start, with the values that it has."""
    path = guest_path(kind, node, vmid)
    effects = [Effect(f"{path}/config", "merge", dict(changes))]
    for key, value in changes.items():
        effects.append(Effect(f"{path}/pending", "drop", key, by="key"))
        effects += [Effect(f"{path}/pending", "add", row) for row in _row(key, value, waiting or {})]
    name = changes.get(NAME_KEYS[kind])
    if name:
        row = {"id": f"{kind}/{vmid}", "type": kind, "vmid": vmid, "node": node, "name": name, "status": "stopped"}
        effects += [Effect(_LIST, "drop", row["id"], by="id"), Effect(_LIST, "add", row)]
    return effects


def powered(kind: str, node: str, vmid: int, status: str) -> list[Effect]:
    """The guest is now running or stopped."""
    return [Effect(f"{guest_path(kind, node, vmid)}/status/current", "merge", {"status": status})]


def _row(key: str, value: Any, waiting: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How `…/pending` lists a changed key; a removed one that waits for nothing is not listed."""
    if key not in waiting:
        return [] if value is None else [{"key": key, "value": value}]
    now = {} if waiting[key] is None else {"value": waiting[key]}
    return [{"key": key, **now, **({"delete": 1} if value is None else {"pending": value})}]
