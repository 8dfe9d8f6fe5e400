# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who feels a change of a role or of a user: everyone whose privileges differ once it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._blast import Blast
from .._codec import BOOL, split_list
from .._world import World
from .access import tell_change
from .directory import read_directory
from .write import Write

Values = Mapping[str, Any]


def role_change(world: World, blast: Blast, before: Values | None, after: Values | None) -> None:
    """A role gives something else, or goes, and with it the entries that gave it. Nobody has a new one."""
    if before is None:
        return
    found = read_directory(world, blast)
    if found is None:
        return
    role, rights = before["roleid"], found.rights
    entries = [one for one in rights.entries if one.roleid == role]
    roles = {**rights.roles, role: frozenset(after["privs"] if after else ())}
    kept = rights.entries if after else tuple(one for one in rights.entries if one.roleid != role)
    tell_change(world, blast, found, entries, replace(rights, roles=roles, entries=kept), taken=after is None)


def role_write(world: World, blast: Blast, write: Write) -> None:
    """PUT and DELETE of a role by its path: what PUT does not send, the role loses; with `append` it keeps it."""
    role = write.names["roleid"]
    kept = write.before if BOOL.decode(write.data.get("append", 0)) else ()
    after = {"roleid": role, "privs": [*kept, *split_list(write.data.get("privs") or "")]}
    blast.others.add(f"role {role}")
    role_change(world, blast, {"roleid": role}, None if write.method == "delete" else after)


def user_change(world: World, blast: Blast, before: Values | None, after: Values | None) -> None:
    """A user joins or leaves groups, may not log in any more, or goes with its tokens and its entries."""
    name = (after or before or {})["userid"]
    found = read_directory(world, blast)
    if found is None:
        return
    blast.principals.update(found.with_tokens(name))
    if before is not None and name not in found.users:
        blast.unknown(f"groups and tokens of {name}")
    if after is None or (before is not None and before.get("enable", True) and not after.get("enable", True)):
        blast.because("high", f"whoever logs in as {name}, or with one of its tokens, is locked out")
        return
    joined = set(after.get("groups") or ()) ^ set((before or {}).get("groups") or ())
    if joined:
        groups = {**found.rights.groups, name: frozenset(after["groups"])}
        entries = [one for one in found.rights.entries if one.type == "group" and one.ugid in joined]
        subjects = found.with_tokens(name)
        after_it = replace(found.rights, groups=groups)
        tell_change(world, blast, found, entries, after_it, taken=False, subjects=subjects)


def user_write(world: World, blast: Blast, write: Write) -> None:
    """PUT and DELETE of a user by its path. PUT keeps what it does not send; with `append` the groups too."""
    before = {"userid": write.names["userid"], "groups": split_list(write.before.get("groups") or "")}
    before["enable"] = BOOL.decode(write.before.get("enable", 1))
    after = {**before, "enable": BOOL.decode(write.data.get("enable", before["enable"]))}
    if "groups" in write.data:
        kept = before["groups"] if BOOL.decode(write.data.get("append", 0)) else []
        after["groups"] = [*kept, *split_list(write.data["groups"])]
    user_change(world, blast, before, None if write.method == "delete" else after)
