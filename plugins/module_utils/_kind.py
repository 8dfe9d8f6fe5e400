# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the API that data can describe: a Kind is a row of a table, and one planner serves them all.

A Kind says how its key is made, where it is listed, which calls write it, whether PUT merges or replaces, how a field
is unset, and whether a config digest guards it. What a table cannot say is in the hooks `writes`, `wire` and `blast`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._blast import Blast
from ._codec import STRING, Codec
from ._errors import Refused
from ._names import check_text, segment
from ._plan import Effect, Plan, Step, Undo
from ._planner import Planner
from ._privileges import Need, held
from ._world import World, address

Values = Mapping[str, Any]

_INVERSE = {"create": "delete", "update": "update", "delete": "create"}
_WHY = {"create": "it does not exist", "update": "it differs", "delete": "state is absent"}


@dataclass(frozen=True)
class Field:
    """One option of the module and one value of the object."""

    spec: Mapping[str, Any]
    codec: Codec = STRING
    key: bool = False
    #: a new object cannot be without it
    needed: bool = False
    #: the value of an object that does not carry the field
    implied: Any = None
    check: Callable[[str, str], str] | None = None


@dataclass(frozen=True)
class Call:
    """A write: its path may hold {fields}; `extra` is sent with it."""

    method: str
    path: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    keys: bool = True


@dataclass(frozen=True)
class Kind:
    """One kind of object."""

    name: str
    #: how one object is called in plans; {fields} of it
    title: str
    fields: Mapping[str, Field]
    list_path: str
    create: Call
    update: Call
    delete: Call
    #: hook: what a write of the object needs
    writes: Callable[[Values], tuple[Need, ...]]
    #: what feels a change: its kind in the blast radius, and its name; {fields} of the object
    feels: tuple[str, str]
    #: any of these lets the credential see an entry; without, one that is not listed is unknown. Paths hold {fields}
    sees: tuple[Need, ...] = ()
    #: the parameters with which the list tells all fields
    list_with: Values = field(default_factory=dict)
    #: hook: what an update needs, where that is less than what `writes` says
    updates: Callable[[Values], tuple[Need, ...]] | None = None
    #: PUT forgets what it does not carry, so the whole object is sent
    replaces: bool = False
    #: the calls that take the list's config digest
    guards: tuple[str, ...] = ()
    #: (level, why) of a change; {fields} of the object
    risk: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: what a deleted object takes along, that no create brings back
    lost: str = ""
    #: hook: the parameters of a call as the API wants them
    wire: Callable[[Values], dict[str, Any]] | None = None
    #: hook: who else feels a change, from the object before and after it; None where it does not exist
    blast: Callable[[World, Blast, Values | None, Values | None], None] | None = None


def planner_of(kind: Kind) -> Planner:
    """The module of a kind."""
    options = {name: dict(one.spec) for name, one in kind.fields.items()}
    state = {"state": {"type": "str", "default": "present", "choices": ["present", "absent"]}}
    needed = [name for name, one in kind.fields.items() if one.needed]
    rules = {"required_if": [["state", "present", needed]]} if needed else {}
    return Planner(kind.name, {**options, **state}, lambda given, world: _Change(kind, given, world).plan(), rules)


class _Change:
    """One object as it is and as it is wanted."""

    def __init__(self, kind: Kind, options: Values, world: World) -> None:
        self.kind, self.world = kind, world
        self.state = options["state"]
        self.want = {
            name: one.codec.decode(options[name]) for name, one in kind.fields.items() if options.get(name) is not None
        }
        self._check()
        self.have, self.row = self._read()

    def plan(self) -> Plan:
        title = self.kind.title.format(**self.want)
        plan = Plan(summary=f"{title} is as wanted")
        plan.objects[title] = dict(self.have or {"exists": False})
        after = {**(self.have or {}), **self.want} if self.state == "present" else None
        plan.result = {self.kind.name: after}
        if after == self.have:
            return plan
        op = "delete" if after is None else "update" if self.have is not None else "create"
        values = after if after is not None else {**self.want, **(self.have or {})}
        plan.steps = [self._step(op, title, values)]
        plan.summary = f"{op} {title}"
        plan.before, plan.after = self.have or {}, after or {}
        plan.effects = self._effects(after)
        lost = self.kind.lost if op == "delete" else ""
        plan.undo = Undo(cannot=({"of": [0], "why": lost},)) if lost else Undo((self._way_back(op, title, after),))
        if op in self.kind.risk:
            level, why = self.kind.risk[op]
            plan.blast.because(level, why.format(**values))
        kind_of, name = self.kind.feels
        getattr(plan.blast, kind_of).add(name.format(**values))
        if self.kind.blast:
            self.kind.blast(self.world, plan.blast, self.have, after)
        return plan

    def _way_back(self, op: str, title: str, after: Values | None) -> dict[str, Any]:
        """What the object was, and what is left, so that a later change by somebody else is noticed."""
        was = self.have or {name: self.want[name] for name in self._keys()}
        implied = {name: one.implied for name, one in self.kind.fields.items() if one.implied is not None}
        left = {"left": {**implied, **after}} if after is not None else {}
        return {"op": _INVERSE[op], "target": title, "of": [0], "kind": self.kind.name, "data": was, **left}

    def _step(self, op: str, title: str, values: Values) -> Step:
        kind = self.kind
        call: Call = getattr(kind, op)
        whole = op == "create" or kind.replaces
        changed = {
            name: value
            for name, value in values.items()
            if whole or kind.fields[name].key or (self.have or {}).get(name) != value
        }
        data = {
            name: kind.fields[name].codec.encode(value)
            for name, value in changed.items()
            if op != "delete" or kind.fields[name].key
        }
        if not call.keys:
            data = {name: value for name, value in data.items() if not kind.fields[name].key}
        if kind.wire:
            data = kind.wire(data)
        names = {name: segment(value) for name, value in values.items() if kind.fields[name].key}
        digest = (self.row or {}).get("digest")
        return Step(
            op,
            title,
            call.method,
            call.path.format(**names),
            {**data, **call.extra},
            why=_WHY[op],
            needs=(kind.updates if kind.updates and op == "update" else kind.writes)(values),
            guard={"digest": digest} if digest and op in kind.guards else {},
        )

    def _read(self) -> tuple[dict[str, Any] | None, Values | None]:
        """The object as it is, decoded, and its row in the list."""
        sees = [Need(need.path.format(**self.want), need.any_of) for need in self.kind.sees]
        if sees:  # the last is the narrowest: who may write often holds it anyhow
            self.world.relies_on(sees[-1])
        for row in self._rows():
            decoded = self._decode(row)
            if all(decoded[name] == self.want[name] for name in self._keys()):
                return decoded, row
        if sees and not self.world.is_root and not self.world.made_here(self._list):
            self._refuse_unseen(sees)
        return None, None

    def _refuse_unseen(self, sees: list[Need]) -> None:
        """Raise Refused where the list may be shortened to what the credential sees."""
        if not any(held(self.world.permissions_now(), need) for need in sees):
            title = self.kind.title.format(**self.want)
            asked = " or ".join(f"{' or '.join(need.any_of)} on {need.path}" for need in sees)
            raise Refused(
                f"Whether {title} exists is unknown: {self.world.identity} may not see every entry",
                f"Grant {asked}",
            )

    def _decode(self, row: Values) -> dict[str, Any]:
        fields = self.kind.fields.items()
        decoded = {
            name: one.codec.decode(row[name]) if row.get(name) is not None else one.implied for name, one in fields
        }
        return {name: value for name, value in decoded.items() if value is not None or self.kind.fields[name].key}

    def _keys(self) -> list[str]:
        return [name for name, one in self.kind.fields.items() if one.key]

    def _check(self) -> None:
        for name, one in self.kind.fields.items():
            value = self.want.get(name)
            for text in value if isinstance(value, list) else [value] if isinstance(value, str) else []:
                check_text(name, text)
                if one.check:
                    one.check(name, text)

    def _effects(self, after: Values | None) -> list[Effect]:
        """The list as a later task of a --check run reads it."""
        rows = [row for row in self._rows() if row is not self.row and row != self.row]
        if after is not None:
            wire = {name: self.kind.fields[name].codec.encode(value) for name, value in after.items()}
            rows.append({**(self.row or {}), **wire})
        return [Effect(self._list, "set", rows)]

    @property
    def _list(self) -> str:
        return address(self.kind.list_path, self.kind.list_with)

    def _rows(self) -> list[dict[str, Any]]:
        return self.world.get(self.kind.list_path, **self.kind.list_with) or []
