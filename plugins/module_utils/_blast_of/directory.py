# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everyone's rights as they are, read from the access control list, the roles, the users and their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._blast import Blast
from .._codec import split_list
from .._guest.sight import read
from .._privileges import Need, held
from .._world import World
from .rights import Entry, Rights

_SEES_EVERY_ENTRY = Need("/access", ("Sys.Audit", "Permissions.Modify"))


@dataclass(frozen=True)
class Directory:
    """The rights, and the users that the credential may see."""

    rights: Rights
    users: Mapping[str, Mapping[str, Any]]

    def with_tokens(self, name: str) -> list[str]:
        """A user and its tokens."""
        return [name, *(f"{name}!{token['tokenid']}" for token in self.users.get(name, {}).get("tokens") or ())]


def read_directory(world: World, blast: Blast) -> Directory | None:
    """None, with what it is noted as unknown, where one of the lists cannot be read."""
    if not world.is_root and not held(world.permissions_now(), _SEES_EVERY_ENTRY):
        blast.unknown("entries of the access control list without Sys.Audit on /access")
    acl = read(world, blast, "access control list", "/access/acl")
    roles = read(world, blast, "roles", "/access/roles")
    rows = read(world, blast, "users", "/access/users", full=1)
    if acl is None or roles is None or rows is None:
        return None
    users = {str(row["userid"]): row for row in rows}
    rights = Rights(
        tuple(Entry.of(row) for row in acl),
        {str(row["roleid"]): frozenset(split_list(row.get("privs") or "")) for row in roles},
        {name: frozenset(split_list(row.get("groups") or "")) for name, row in users.items()},
        _separated(users),
    )
    return Directory(rights, users)


def _separated(users: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    tokens = ((name, token) for name, row in users.items() for token in row.get("tokens") or ())
    return frozenset(f"{name}!{token['tokenid']}" for name, token in tokens if str(token.get("privsep", 1)) != "0")


def concerned(world: World, blast: Blast, directory: Directory, entry: Entry) -> list[str]:
    """The users whom an entry is for, with their tokens; of a token, itself."""
    names = [entry.ugid.partition("!")[0]]
    if entry.type == "group":
        group = read(world, blast, f"members of group {entry.ugid}", f"/access/groups/{entry.ugid}") or {}
        names = list(group.get("members") or ())
    for name in names:
        if name not in directory.users:
            blast.unknown(f"groups and tokens of {name}")
    found = [subject for name in names for subject in directory.with_tokens(name)]
    if entry.type != "token":
        return found
    if entry.ugid not in found:
        blast.unknown(f"token {entry.ugid}")
    return [entry.ugid]
