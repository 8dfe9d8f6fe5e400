# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs, and whether the credential holds it, from one read of /access/permissions per run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import Refused, grant_command


@dataclass(frozen=True)
class Need:
    """Any one of `any_of` on any one of the paths (the second is an alternative, such as the guest's pool)."""

    path: str
    any_of: tuple[str, ...]
    or_path: str = ""


def held(permissions: Mapping[str, Mapping[str, Any]] | None, need: Need) -> bool | None:
    """Does the credential hold it? None: its permissions could not be read.

    The server lists the paths where something is set; a path that is not listed inherits from the nearest one above,
    where the privilege carries the propagate flag.
    """
    if permissions is None:
        return None
    return any(_on(permissions, path, need.any_of) for path in (need.path, need.or_path) if path)


def _on(permissions: Mapping[str, Mapping[str, Any]], path: str, any_of: tuple[str, ...]) -> bool:
    if path in permissions:
        return any(name in permissions[path] for name in any_of)
    while path not in ("", "/"):
        path = path.rpartition("/")[0] or "/"
        if path in permissions:
            return any(str(permissions[path].get(name, 0)) == "1" for name in any_of)
    return False


def held_below(permissions: Mapping[str, Mapping[str, Any]] | None, path: str, any_of: tuple[str, ...]) -> bool:
    """Does the credential hold any one of them on everything below `path`? Not known counts as no."""
    if permissions is None:
        return False
    nearest = path
    while nearest not in permissions and nearest != "/":
        nearest = nearest.rpartition("/")[0] or "/"
    reaches_down = any(str(permissions.get(nearest, {}).get(name, 0)) == "1" for name in any_of)
    below = (granted for place, granted in permissions.items() if place.startswith(f"{path}/"))
    return reaches_down and all(any(name in granted for name in any_of) for granted in below)


def assess(needs: list[Need], permissions: Mapping[str, Any] | None, is_root: bool) -> list[dict[str, Any]]:
    """The plan's `privileges`: each need once, with `held` true, false or unknown."""
    rows = []
    for need in dict.fromkeys(needs):
        has = True if is_root else held(permissions, need)
        row: dict[str, Any] = {
            "path": need.path,
            "any_of": list(need.any_of),
            "held": "unknown" if has is None else has,
        }
        if need.or_path:
            row["or_path"] = need.or_path
        rows.append(row)
    return rows


def missing(privileges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in privileges if row["held"] is False]


def refuse_missing(privileges: list[dict[str, Any]], identity: str) -> None:
    """Raise Refused, with the lines that grant what is missing, before anything is sent."""
    lacking = missing(privileges)
    if not lacking:
        return
    wants = "; ".join(f"{' or '.join(row['any_of'])} on {row['path']}" for row in lacking)
    by_path: dict[str, list[str]] = {}
    for row in lacking:
        by_path.setdefault(row["path"], []).append(row["any_of"][0])
    grants = " && ".join(grant_command(path, tuple(dict.fromkeys(names)), identity) for path, names in by_path.items())
    if "!" in identity:
        grants += f" (with privilege separation, {identity.partition('!')[0]} needs them too)"
    raise Refused(f"{identity} lacks: {wants}", f"An administrator can grant it: {grants}", privileges=lacking)
