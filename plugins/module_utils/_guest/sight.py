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
from .._privileges import Need, held, held_below
from .._reads import dispensable
from .._world import World

#: the answer of a server that has no such kind of object: PVE 8 knows no HA rules
_NOT_IN_THIS_PVE = 501


def sees_below(world: World, path: str, any_of: tuple[str, ...]) -> bool:
    """Is any one of the privileges held on everything below `path`? Not known counts as no."""
    return world.is_root or held_below(world.permissions_now(), path, any_of)


def lists_every_volume(world: World, storage: str) -> bool:
    """Does the list of a storage hold the volumes of every guest? The server leaves out what the credential may not
    see."""
    space = Need(f"/storage/{storage}", ("Datastore.Allocate",))
    return bool(held(world.permissions_now(), space)) or sees_below(world, "/vms", ("VM.Config.Disk",))


@contextmanager
def noting(blast: Blast, what: str) -> Iterator[None]:
    """Note `what` as unknown where it cannot be read: not allowed, failed, or on a node that does not answer."""
    try:
        with dispensable():
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
