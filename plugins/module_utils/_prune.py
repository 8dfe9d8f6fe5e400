# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a series to keep, by the keep-* rules of Proxmox. Pure functions.

Each rule keeps the newest entry of each of its periods, and counts only periods that no rule before it has kept
(pve-storage: prune_mark_backup_group; the order of the rules is last, hourly, daily, weekly, monthly, yearly).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from ._errors import BadInput

_PERIOD = {
    "last": "",
    "hourly": "%Y-%m-%d %H",
    "daily": "%Y-%m-%d",
    "weekly": "%G-%V",
    "monthly": "%Y-%m",
    "yearly": "%Y",
}
RULES = tuple(_PERIOD)

_AGE = re.compile(r"(\d+)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_age(option: str, text: str) -> timedelta:
    """An age such as `12h` or `7d`. Raises BadInput."""
    match = _AGE.fullmatch(text.strip())
    if not match:
        raise BadInput(f"{option}: '{text}' is not an age; write a number with s, m, h, d or w, for example 7d")
    return timedelta(seconds=int(match.group(1)) * _SECONDS[match.group(2)])


def kept(times: Sequence[float], keep: Mapping[str, int], zone: tzinfo) -> set[int]:
    """The positions in `times` (seconds since the epoch) that the rules keep. Periods are counted in `zone`."""
    newest_first = sorted(range(len(times)), key=lambda index: times[index], reverse=True)
    chosen: dict[int, str] = {}
    for rule in RULES:
        count = keep.get(rule) or 0
        if not count:
            continue
        if rule == "last":
            chosen.update(dict.fromkeys(newest_first[:count], rule))
            continue
        label = {index: datetime.fromtimestamp(times[index], zone).strftime(_PERIOD[rule]) for index in newest_first}
        already = {label[index] for index in chosen}
        periods: set[str] = set()
        for index in newest_first:
            if index in chosen or label[index] in already or label[index] in periods:
                continue
            if len(periods) >= count:
                break
            periods.add(label[index])
            chosen[index] = rule
    return set(chosen)
