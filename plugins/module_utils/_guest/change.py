# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference between a guest's configuration and the wanted one, in wire form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Change:
    """What to put and delete, and what volumes need a call of their own: slot -> new size, slot -> new place.

    A volume whose key is deleted is detached; those of `destroy` go with their data.
    """

    put: dict[str, Any] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    grow: dict[str, str] = field(default_factory=dict)
    move: dict[str, dict[str, str]] = field(default_factory=dict)
    destroy: list[str] = field(default_factory=list)
    #: what the server changes along with it
    follows: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.put or self.delete or self.grow or self.move or self.destroy)

    @property
    def data(self) -> dict[str, Any]:
        """As the parameters of one PUT."""
        return {**self.put, **({"delete": ",".join(sorted(self.delete))} if self.delete else {})}

    def merged(self) -> dict[str, Any]:
        """As keys of the configuration, None for what goes."""
        return {**self.put, **dict.fromkeys(self.delete)}

    def touched(self) -> set[str]:
        """Every key that it is about."""
        return {*self.merged(), *self.grow, *self.move, *self.destroy}
