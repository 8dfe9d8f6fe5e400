# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan touches, and how bad that may be. Unknown is never empty: what could not be read raises the risk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LEVELS = ("none", "low", "medium", "high")


@dataclass
class Blast:
    """The objects that feel a plan, by kind, and the reasons for its risk. LOW means "changes little", not "safe"."""

    guests: set[str] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    storages: set[str] = field(default_factory=set)
    principals: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    reasons: list[tuple[str, str]] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def because(self, level: str, why: str) -> Blast:
        """Add a reason for a level of risk."""
        if level not in LEVELS:
            raise ValueError(f"'{level}' is not one of {', '.join(LEVELS)}")
        self.reasons.append((level, why))
        return self

    def unknown(self, what: str) -> Blast:
        """Something could not be read, so what it holds is not known: the highest risk."""
        self.unseen.append(what)
        return self

    def risk(self, changes: bool) -> dict[str, Any]:
        """The level (the worst reason wins) with its reasons; `none` where nothing changes."""
        if not changes:
            return {"level": "none", "reasons": []}
        found = [*self.reasons, *(("high", f"could not be seen: {what}") for what in self.unseen)] or [
            ("low", "changes little")
        ]
        return {
            "level": max((level for level, _why in found), key=LEVELS.index),
            "reasons": [why for _level, why in found],
        }

    def public(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            name: sorted(getattr(self, name)) for name in ("guests", "nodes", "storages", "principals", "others")
        }
        return {**{name: items for name, items in shown.items() if items}, "complete": not self.unseen}
