# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time as people write them, down to the second or up to the year, always UTC. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ._errors import BadInput

_WRITTEN = re.compile(r"[12]\d{3}(?:-\d\d(?:-\d\d(?:T\d\d(?::\d\d(?::\d\d)?)?)?)?)?")
_EARLIEST = "0001-01-01T00:00:00"
#: how long what is written lasts, by its length; a month and a year are of many lengths
_LASTS = {
    len("2026-11-21"): timedelta(days=1),
    len("2026-11-21T12"): timedelta(hours=1),
    len("2026-11-21T12:30"): timedelta(minutes=1),
    len("2026-11-21T12:30:00"): timedelta(seconds=1),
}


def first(option: str, text: str) -> int:
    """The first second of what is written: 2026-11-21 begins at midnight. Raises BadInput."""
    return int(_beginning(option, text)[0].timestamp())


def last(option: str, text: str) -> int:
    """The last second of what is written. Raises BadInput."""
    begins, length = _beginning(option, text)
    if length == len("2026"):
        ends = begins.replace(year=begins.year + 1)
    elif length == len("2026-11"):
        ends = (begins + timedelta(days=31)).replace(day=1)
    else:
        ends = begins + _LASTS[length]
    return int(ends.timestamp()) - 1


def seconds(recorded: str) -> float:
    """Of the time in a record: 2026-11-21T12:30:00.000000Z."""
    return datetime.fromisoformat(recorded).timestamp()


def shown(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _beginning(option: str, text: str) -> tuple[datetime, int]:
    """When it begins, and how much of it was written."""
    # YAML makes a date of a date
    written = text.strip().replace(" ", "T").removesuffix("+00:00").removesuffix("Z")
    try:
        if not _WRITTEN.fullmatch(written):
            raise ValueError
        return datetime.fromisoformat(written + _EARLIEST[len(written) :]).replace(tzinfo=UTC), len(written)
    except ValueError:
        hint = "Write it like 2026-11-21T12:30:00Z or 2026-11"
        raise BadInput(f"{option}: {text[:40]!r} is not a time in UTC", hint) from None
