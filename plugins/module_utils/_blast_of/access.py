# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry of the access control list gives and takes: by privilege, for everyone whom it concerns.

An entry replaces what is inherited, so giving one can take something away, and removing one can give.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._blast import Blast
from .._codec import BOOL, split_list
from .._guest.configs import guests, target_of
from .._guest.sight import read_rows
from .._world import World
from .directory import Directory, concerned, read_directory
from .rights import Entry, Rights
from .write import Write, few

#: who holds one of these may give itself the rest
_GRAVE = frozenset({"Permissions.Modify", "Realm.Allocate"})
#: paths from which a right reaches the whole cluster, or all data
_TOP = ("/", "/access", "/storage")
_KINDS = ("user", "group", "token")


def acl_entry(world: World, blast: Blast, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
    """An entry comes to be, changes its reach, or goes."""
    row = after if after is not None else before or {}
    tell(world, blast, [Entry.of(row)], taken=after is None)


def acl_write(world: World, blast: Blast, write: Write) -> None:
    """PUT /access/acl: each subject with each role."""
    data = write.data
    path, propagate = "/" + str(data.get("path") or "").strip("/"), bool(BOOL.decode(data.get("propagate", 1)))
    entries = [
        Entry(path, kind, ugid, role, propagate)
        for kind in _KINDS
        for ugid in split_list(data.get(f"{kind}s") or "")
        for role in split_list(data.get("roles") or "")
    ]
    tell(world, blast, entries, taken=bool(BOOL.decode(data.get("delete", 0))))


def tell(world: World, blast: Blast, entries: Sequence[Entry], taken: bool) -> None:
    """Entries come or go: compare everyone's privileges before and after."""
    blast.principals.update(one.ugid for one in entries)
    for path in dict.fromkeys(one.path for one in entries):
        _name_objects(world, blast, path)
    found = read_directory(world, blast)
    if found is None:
        return
    keys = {one.key for one in entries}
    rest = tuple(one for one in found.rights.entries if one.key not in keys)
    for role in dict.fromkeys(one.roleid for one in entries):
        if role not in found.rights.roles:
            blast.unknown(f"privileges of role {role}")
    after = replace(found.rights, entries=rest if taken else (*rest, *entries))
    tell_change(world, blast, found, entries, after, taken)


def tell_change(
    world: World,
    blast: Blast,
    directory: Directory,
    entries: Sequence[Entry],
    after: Rights,
    taken: bool,
    subjects: Sequence[str] = (),
) -> None:
    """Say whose privileges differ where the entries stand; of the subjects, where there are such."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in entries:
        for subject in subjects or concerned(world, blast, directory, entry):
            for told in _compare(subject, entry, directory.rights, after, taken):
                found[told].append(subject)
    for (level, text), names in found.items():
        who = dict.fromkeys(names)
        blast.principals.update(who)
        blast.because(level, f"{few(who)}: {text}")
    if not found:
        blast.because("medium", "nobody's privileges change by it now")


def _compare(subject: str, entry: Entry, before: Rights, after: Rights, taken: bool) -> list[tuple[str, str]]:
    """What changes for one user or token: on the path, below it, and where a deeper entry stands."""
    at, new = entry.path, all(one.key != entry.key for one in before.entries)

    def told(change: tuple[frozenset[str], frozenset[str]], where: str) -> list[tuple[str, str]]:
        gained, lost = change
        found = []
        if gained:
            inherited = f"what is inherited comes through {where}: gains {_privileges(gained)}"
            plain = f"gains {_privileges(gained)} {where}"
            found.append(("high", inherited) if taken else (_level(gained, at), plain))
        if lost:
            replaced = f"the entry replaces what is inherited {where}: loses {_privileges(lost)}"
            found.append(("high", replaced if new else f"loses {_privileges(lost)} {where}"))
        return found

    below = f"{at.rstrip('/')}/*"  # no object has this name: it is what the others inherit
    found = told(_change(subject, at, before, after), f"on {at}")
    if _change(subject, below, before, after) != _change(subject, at, before, after):
        found += told(_change(subject, below, before, after), f"on what is below {at}")
    deeper = {one.path for one in before.concern(subject) if one.path.startswith(f"{at.rstrip('/')}/")} if found else ()
    for path in sorted(deeper):
        if any(_change(subject, path, before, after)):
            found += told(_change(subject, path, before, after), f"on {path}")
        else:
            has = _privileges(after.at(subject, path)) or "nothing"
            found.append(("medium", f"the deeper entry on {path} stands, with {has}"))
    return found


def _change(subject: str, path: str, before: Rights, after: Rights) -> tuple[frozenset[str], frozenset[str]]:
    """The privileges that come to be on a path, and those that go."""
    now, then = before.at(subject, path), after.at(subject, path)
    return then - now, now - then


def _privileges(names: frozenset[str]) -> str:
    """By name, those first that give the others."""
    return few(sorted(names, key=lambda name: (name not in _GRAVE, name)))


def _level(gained: frozenset[str], path: str) -> str:
    only_looks = all(name.endswith(".Audit") for name in gained)
    return "high" if gained & _GRAVE or (path in _TOP and not only_looks) else "medium"


def _name_objects(world: World, blast: Blast, path: str) -> None:
    """The objects that a path is about: a guest, a storage, a node, or what a pool holds."""
    _unused, area, *rest = f"{path}/".split("/")
    name = "/".join(rest).strip("/")
    if not name:
        return
    if area == "storage":
        blast.storages.add(name)
    elif area == "nodes":
        blast.nodes.add(name)
    elif area == "vms":
        blast.guests.update(target_of(row) for row in guests(world, blast) if str(row["vmid"]) == name)
    elif area == "pool":
        _name_members(world, blast, name)


def _name_members(world: World, blast: Blast, pool: str) -> None:
    """The guests and storages of a pool and of the pools in it: a right on a pool is one on its members."""

    def within(name: object) -> bool:
        return name == pool or str(name).startswith(f"{pool}/")

    blast.guests.update(target_of(row) for row in guests(world, blast) if row.get("pool") and within(row["pool"]))
    pools = read_rows(world, blast, f"pools in pool {pool}", "/pools")
    for name in sorted({pool, *(str(row["poolid"]) for row in pools if within(row["poolid"]))}):
        for row in read_rows(world, blast, f"members of pool {name}", "/pools", poolid=name):
            members = row.get("members") or ()
            blast.storages.update(str(one["storage"]) for one in members if one.get("type") == "storage")
