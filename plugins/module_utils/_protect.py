# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may not be destroyed, whoever approves it: guests by what they are, storages and nodes by their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ._errors import ApiError, Refused, Unreachable
from ._operations import destructive
from ._plan import Plan
from ._privileges import held_below
from ._world import World

_GUEST = re.compile(r"(?:lxc|qemu)/(\d+)")
#: what brings a guest into being: until then there is nothing of it to protect
_BIRTHS = frozenset({"clone", "create", "restore"})
_HINT = "No approval lifts a protection: whoever set it can"

#: guest ids, both ends included
Ids = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Protect:
    """One rule: `what` (one of PROTECTS) is `value`. `from_any`: from every step, not only from those that destroy."""

    what: str
    value: str
    from_any: bool
    origin: str

    def __str__(self) -> str:
        return f"{_SHOWN[self.what].format(self.value)} ({self.origin})"


def ids_of(text: str) -> tuple[int, int] | None:
    """`100` or `200-299` as the first and the last guest id; None for anything else."""
    match = re.fullmatch(r"([1-9]\d{2,8})(?:-([1-9]\d{2,8}))?", text.strip(), re.ASCII)
    if not match:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return (first, last) if first <= last else None


def _has_id(wanted: str, vmid: Any) -> bool:
    first, last = ids_of(wanted) or (0, -1)
    return first <= int(vmid) <= last


def _is_named(wanted: str, name: Any) -> bool:
    return fnmatchcase(str(name).lower(), wanted.lower())


def _is_tagged(wanted: str, tags: Any) -> bool:
    return wanted.lower() in re.split(r"[;,\s]+", str(tags).lower())


def _is_in_pool(wanted: str, pool: Any) -> bool:
    return pool == wanted or str(pool).startswith(f"{wanted}/")


def _is(wanted: str, there: Any) -> bool:
    return bool(wanted == there)


#: what a rule is about -> the column of the cluster's list of guests, and whether its value is meant
_OF_GUESTS: dict[str, tuple[str, Callable[[str, Any], bool]]] = {
    "vmids": ("vmid", _has_id),
    "names": ("name", _is_named),
    "tags": ("tags", _is_tagged),
    "pools": ("pool", _is_in_pool),
    "nodes": ("node", _is),
}
_SHOWN = {
    "vmids": "id {}",
    "names": "name {!r}",
    "tags": "tag {!r}",
    "pools": "pool {!r}",
    "storages": "storage {!r}",
    "nodes": "node {!r}",
}
PROTECTS = tuple(_SHOWN)


def refuse_protected(rules: Sequence[Protect], plan: Plan, world: World) -> None:
    """Raise Refused where the plan would do to a protected thing what its rule forbids, or where nobody can tell."""
    destroys = bool(destructive(plan.steps))
    rules = [rule for rule in rules if destroys or rule.from_any]
    if not rules:
        return
    for rule in rules:
        named = getattr(plan.blast, rule.what, ())  # nodes and storages feel it by their names
        if rule.value in named:
            raise Refused(f"{plan.summary}: protected by {rule}", _HINT)
    guests = _Guests(plan, world)
    for rule in rules:
        for guest in guests.meant_by(rule):
            raise Refused(f"{plan.summary}: {guest} is protected by {rule}", _HINT)
    if plan.blast.unseen:
        raise Refused(
            f"{plan.summary}: whether it touches what is protected cannot be told, because it could not be seen:"
            f" {'; '.join(plan.blast.unseen)}. Protected is {rules[0]}{', and more' if rules[1:] else ''}",
            "Let the credential see it, or use the module that knows what it touches",
        )


class _Guests:
    """The guests that feel a plan, as the cluster lists them. It is asked only when a rule cannot do without."""

    def __init__(self, plan: Plan, world: World) -> None:
        self._plan, self._world = plan, world
        born = {step.target for step in plan.steps if step.op in _BIRTHS}
        self._targets = sorted(name for name in {*plan.blast.guests, *plan.targets} - born if _GUEST.fullmatch(name))
        self._listed: Mapping[str, Mapping[str, Any]] | None = None

    def meant_by(self, rule: Protect) -> Iterator[str]:
        """The guests that the rule protects. Raises Refused where that cannot be told."""
        if rule.what not in _OF_GUESTS:
            return
        column, is_meant = _OF_GUESTS[rule.what]
        for target in self._targets:
            value = target.partition("/")[2] if column == "vmid" else self._value(target, column, rule)
            if value is not None and is_meant(rule.value, value):
                yield target

    def _value(self, target: str, column: str, rule: Protect) -> Any:
        """What the guest has in this column; None where it has nothing there, or is certainly no guest any more."""
        try:
            row = self._rows().get(target)
            if row is None and self._sees_all():
                return None
            if row is not None and (column != "name" or "name" in row):
                return row.get(column)
            if row is not None:  # the list has no names of guests on nodes that do not report
                config = self._world.get(f"/nodes/{row['node']}/{target}/config")
                return config.get("name") or config.get("hostname")
            why = f"{self._world.identity} may not see it"
        except (ApiError, Unreachable) as error:
            why = error.message
        raise Refused(
            f"{self._plan.summary}: whether {target} is protected by {rule} cannot be told: {why}",
            "Grant VM.Audit on it; protect.vmids needs no such read",
        )

    def _rows(self) -> Mapping[str, Mapping[str, Any]]:
        if self._listed is None:
            rows = self._world.get("/cluster/resources", type="vm")
            self._listed = {f"{row['type']}/{row['vmid']}": row for row in rows if "vmid" in row}
        return self._listed

    def _sees_all(self) -> bool:
        return self._world.is_root or held_below(self._world.permissions_now(), "/vms", ("VM.Audit",))
