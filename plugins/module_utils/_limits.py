# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The most that a guest, and the cluster, may be: numbers, and who says so. The strictest wins. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ._errors import BadInput

_UNLIMITED = "unlimited"


@dataclass(frozen=True)
class Limit:
    """The most that is allowed, and who says so."""

    most: int
    origin: str


@dataclass(frozen=True)
class Limits:
    """What a guest may be at most; None is no limit."""

    max_cpu: Limit | None = None
    max_ram_mb: Limit | None = None
    max_disk_gb: Limit | None = None
    max_vms: Limit | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in LIMITS)

    @classmethod
    def of(cls, values: Mapping[str, Any], origin: Callable[[str], str]) -> Limits:
        """The limits in a mapping; what it leaves out is not limited. `origin`: who says so."""
        return cls(
            **{
                name: Limit(_number(origin(name), values[name]), origin(name))
                for name in LIMITS
                if values.get(name) not in (None, _UNLIMITED)
            }
        )

    @classmethod
    def strictest(cls, *many: Limits) -> Limits:
        """The lowest of each."""
        found = {name: [limit for one in many if (limit := getattr(one, name))] for name in LIMITS}
        return cls(**{name: min(limits, key=lambda one: one.most) for name, limits in found.items() if limits})


LIMITS = tuple(field.name for field in fields(Limits))
LIMITS_SPEC: dict[str, Any] = {"type": "dict", "options": {name: {"type": "int"} for name in LIMITS}}


def _number(origin: str, value: Any) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()):
        raise BadInput(f"{origin}: {text!r} is not a whole number")
    return int(text)
