# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One write to a known path, and how many names a reason takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST = 6


@dataclass(frozen=True)
class Write:
    """What is to be sent. `names`: what the path says, such as its node; `before`: what a GET of it answers."""

    method: str
    names: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)


def few(names: Collection[str]) -> str:
    """The names, or the first of them and how many more there are."""
    first = list(names)[:_MOST]
    return ", ".join(first) + (f" and {len(names) - len(first)} more" if len(names) > len(first) else "")
