# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the credential sees: the server shortens lists to it, and a read that was refused is not an empty one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._blast import Blast
from .._errors import ApiError, Unreachable
from .._world import World

#: the answer of a server that has no such kind of object: PVE 8 knows no HA rules
_NOT_IN_THIS_PVE = 501


def sees_below(world: World, path: str, any_of: tuple[str, ...]) -> bool:
    """Is any one of the privileges held on everything below `path`? Not known counts as no."""
    if world.is_root:
        return True
    permissions = world.permissions()
    if permissions is None:
        return False
    nearest = path
    while nearest not in permissions and nearest != "/":
        nearest = nearest.rpartition("/")[0] or "/"
    reaches_down = any(str(permissions.get(nearest, {}).get(name, 0)) == "1" for name in any_of)
    below = (granted for place, granted in permissions.items() if place.startswith(f"{path}/"))
    return reaches_down and all(any(name in granted for name in any_of) for granted in below)


@contextmanager
def noting(blast: Blast, what: str) -> Iterator[None]:
    """Note `what` as unknown where it cannot be read: not allowed, failed, or on a node that does not answer."""
    try:
        yield
    except (ApiError, Unreachable) as error:
        status = error.facts.get("status")
        if status is None and isinstance(error, Unreachable):  # no node answers at all
            raise
        if status != _NOT_IN_THIS_PVE:
            blast.unknown(what)


def read(world: World, blast: Blast, what: str, path: str, **params: Any) -> Any:
    """The data at `path`, or None with `what` noted as unknown."""
    with noting(blast, what):
        return world.get(path, **params)
    return None


def read_rows(world: World, blast: Blast, what: str, path: str, **params: Any) -> list[dict[str, Any]]:
    """The rows at `path`; none, with `what` noted as unknown, where they cannot be read."""
    return read(world, blast, what, path, **params) or []
