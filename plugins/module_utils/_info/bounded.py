# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bound on what is returned: a result has as many items as were asked for and as fit into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._errors import BadInput
from .._plan import canonical

#: characters
LONGEST = 500_000

LIMIT: dict[str, dict[str, Any]] = {"limit": {"type": "int"}}


def limited(items: Sequence[Any], limit: int | None) -> list[Any]:
    """The first `limit` items, or BadInput for a limit that no result can keep."""
    if limit is not None and limit < 1:
        raise BadInput(f"limit: {limit} is not valid: at least 1")
    return list(items[:limit])


def shortened(items: Sequence[Any]) -> tuple[list[Any], bool]:
    """As many items as fit into a result, and whether some were left out."""
    size = 0
    fitting: list[Any] = []
    for item in items:
        size += len(canonical(item))
        if size > LONGEST:
            return fitting, True
        fitting.append(item)
    return fitting, False
