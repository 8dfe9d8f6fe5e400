# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run remembers between its tasks: planned effects, objects that it made, ids that it allocated, permissions.

Pure data. On the controller it lives in the run's private directory; a module on a target gets it with its arguments
and hands back what it added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ._plan import Effect, Plan, substitute


@dataclass
class Memory:
    """The run so far. `entries` are what this process added; whoever owns the run stores them."""

    effects: dict[str, list[Effect]] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    #: the names, as symbols, of the objects that came to be
    made: list[str] = field(default_factory=list)
    permissions: dict[str, Any] = field(default_factory=dict)
    #: a --check run has planned to change permissions: what is held by then cannot be known
    permissions_foretold: bool = False
    entries: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Iterable[Mapping[str, Any]]) -> Memory:
        """The memory that these stored entries amount to."""
        memory = cls()
        for entry in entries:
            memory._learn(entry)
        return memory

    def add(self, entry: dict[str, Any]) -> None:
        self._learn(entry)
        self.entries.append(entry)

    def remember(self, plan: Plan, found: Mapping[str, str], check: bool) -> None:
        """A plan was shown (check mode) or carried out; `found` are the values behind its symbols."""
        if not plan.steps:
            return
        if any(step.path.startswith("/access/") for step in plan.steps):
            # what the credential may do from here on is not what was read before
            self.add({"permissions_changed": "planned" if check else "done"})
        names = [substitute(name, found) for name in plan.makes]
        entry: dict[str, Any] = {
            "bound": dict.fromkeys([*plan.targets, *names, *(effect.at for effect in plan.effects)], plan.digest)
        }
        entry["made"] = plan.makes
        entry["symbols"] = {**plan.symbols, **{actual: symbol for symbol, actual in found.items() if actual}}
        if check:
            entry["effects"] = [asdict(effect) for effect in plan.effects]
        self.add(entry)

    def export(self) -> list[dict[str, Any]]:
        """The whole memory as entries, for a module on a target."""
        effects = [asdict(effect) for group in self.effects.values() for effect in group]
        known = {
            "effects": effects,
            "bound": self.bound,
            "symbols": self.symbols,
            "made": self.made,
            "permissions": self.permissions,
        }
        return [{"permissions_changed": "planned"}, known] if self.permissions_foretold else [known]

    def _learn(self, entry: Mapping[str, Any]) -> None:
        for effect in entry.get("effects", ()):
            self.effects.setdefault(effect["at"], []).append(Effect(**effect))
        self.bound.update(entry.get("bound", {}))
        self.made += entry.get("made", [])
        self.symbols.update(entry.get("symbols", {}))
        if "permissions_changed" in entry:
            self.permissions.clear()
            self.permissions_foretold = entry["permissions_changed"] == "planned"
        self.permissions.update(entry.get("permissions", {}))
