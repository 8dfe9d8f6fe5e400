# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the server's version does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .._codec import PropertyString
from .._errors import Refused
from .._world import World
from .config import require_row, wanted
from .options import Table


def refuse_newer(table: Table, options: Mapping[str, Any], world: World) -> None:
    """Raise Refused, naming both versions, for an option that the server is too old for. Asks only where it matters."""
    gated = list(_gated(table, options))
    if not gated:
        return
    version = str(world.get("/version").get("version", ""))
    for name, since in gated:
        if _parts(version) < _parts(since):
            raise Refused(f"{name} needs Proxmox VE {since}; this one is {version}", "Upgrade, or leave the option out")


def _gated(table: Table, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in wanted(table, options, {}).items():
        row = require_row(table, key, key)
        if row.since:
            yield row.option or key, row.since
        if isinstance(row.codec, PropertyString):
            parts = {row.codec.key(part) for part in value} if isinstance(value, Mapping) else row.codec.decode(value)
            yield from ((f"{key}.{part}", row.since_keys[part]) for part in parts if part in row.since_keys)


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:2]]
