# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes between the two sides of a plan, key by key; property strings such as `net0` are broken up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_KEY = re.compile(r"[\w-]+")


class Change(NamedTuple):
    """One key. None stands for a side that has no such key."""

    key: str
    before: Any
    after: Any

    @property
    def only(self) -> Any:
        """The value of a key that has one side."""
        return self.after if self.before is None else self.before


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The keys that differ, each broken up as far as both sides allow."""
    found = []
    for key in dict.fromkeys([*before, *after]):
        found += _break_up(key, before.get(key), after.get(key))
    return found


def one_side(values: Mapping[str, Any], born: bool) -> list[Change]:
    """The keys of an object that comes to be, or goes."""
    there = [(key, item) for key, item in values.items() if key != "exists" and item is not None]
    return [Change(key, None, item) if born else Change(key, item, None) for key, item in there]


def _break_up(key: str, before: Any, after: Any) -> list[Change]:
    if before == after:
        return []
    left, right = _parts(before), _parts(after)
    if left is None or right is None or not all(any(side) for side in (left, right) if side):
        return [Change(key, before, after)]  # a side without named keys is no property string
    names = dict.fromkeys([*left, *right])
    inner = [_break_up(f"{key}.{name}" if name else key, left.get(name), right.get(name)) for name in names]
    return [change for changes in inner for change in changes] or [Change(key, before, after)]


def _parts(value: Any) -> dict[str, Any] | None:
    """The keys of a mapping or of a property string; the value that stands without a key is under ""."""
    if value is None or value == "":
        return {}
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, str) or "\n" in value:
        return None
    parts: dict[str, Any] = {}
    for place, part in enumerate(value.split(",")):
        key, equals, item = part.partition("=")
        if not equals and place == 0:
            key, item = "", part
        elif not equals or not _KEY.fullmatch(key):
            return None
        if key in parts:
            return None
        parts[key] = item
    return parts
