# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a series to keep, by the keep-* rules of Proxmox. Pure functions.

Each rule keeps the newest entry of each of its periods, and counts only periods that no rule before it has kept. What
a rule found too old within its period, no later rule looks at: a week may span two months, and keeps one entry
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
    decided: dict[int, bool] = {}  # position -> is it kept?
    for rule in RULES:
        count = keep.get(rule) or 0
        if count:
            _decide(decided, [(index, _period(rule, times[index], zone)) for index in newest_first], count)
    return {index for index, stays in decided.items() if stays}


def _period(rule: str, moment: float, zone: tzinfo) -> str:
    """What the rule counts: an hour, a day ..., or for `last` the moment itself."""
    return datetime.fromtimestamp(moment, zone).strftime(_PERIOD[rule]) if _PERIOD[rule] else str(int(moment))


def _decide(decided: dict[int, bool], entries: list[tuple[int, str]], count: int) -> None:
    """One rule: the newest of each period stays, up to `count` periods; the others of these periods do not."""
    already = {period for index, period in entries if decided.get(index)}
    mine: set[str] = set()
    for index, period in entries:
        if index in decided or period in already:
            continue
        if period not in mine and len(mine) >= count:
            return
        decided[index] = period not in mine
        mine.add(period)
