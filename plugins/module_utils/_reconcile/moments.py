# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time as people write them, always UTC. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from .._errors import BadInput

_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d(?::\d\d(?::\d\d)?)?)?")


def first(option: str, text: str) -> int:
    """The first second of what is written: 2026-11-21 begins at midnight."""
    return _moment(option, text, "T00:00:00")


def last(option: str, text: str) -> int:
    """The last second of what is written."""
    return _moment(option, text, "T23:59:59")


def _moment(option: str, text: str, rest: str) -> int:
    written = text.removesuffix("Z")
    try:
        if not _WRITTEN.fullmatch(written):
            raise ValueError
        whole = written + rest[len(written) - len("2026-11-21") :]
        return int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    except ValueError:
        hint = "Give a date, or a time such as 2026-11-21T12:00:00, in UTC"
        raise BadInput(f"{option}: {text[:40]!r} is not a point in time", hint) from None


def shown(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
