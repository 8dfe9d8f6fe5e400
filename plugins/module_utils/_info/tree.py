# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's snapshots as the tree that they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: the row that stands for the guest as it is now
_NOW = "current"


def tree(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The snapshots, the oldest first, each with its parent and its children; `current` is the one that the guest's
    present state descends from."""
    rows = list(rows)
    now = next((row.get("parent") for row in rows if row["name"] == _NOW), None)
    taken = [row for row in rows if row["name"] != _NOW]
    names = {row["name"] for row in taken}
    found = [
        {
            "name": row["name"],
            "description": str(row.get("description") or "").rstrip("\n"),
            "snaptime": row.get("snaptime"),
            "vmstate": bool(int(row.get("vmstate") or 0)),
            "parent": row["parent"] if row.get("parent") in names else None,
            "children": sorted(other["name"] for other in taken if other.get("parent") == row["name"]),
            "current": row["name"] == now,
        }
        for row in taken
    ]
    return sorted(found, key=lambda snapshot: _age(snapshot, {one["name"]: one for one in found}))


def _age(snapshot: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> tuple[bool, float, int, str]:
    """Sorts the oldest first, one that is only planned last; of the same second, the one that others descend from."""
    depth, parent = 0, snapshot["parent"]
    while parent is not None and depth <= len(known):
        depth, parent = depth + 1, known[parent]["parent"]
    time = snapshot["snaptime"]
    return time is None, float(time or 0), depth, str(snapshot["name"])
