# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file of plans comes from: which run made it, when, and until when it may be carried out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any

from ansible import context

#: how far the clocks of two machines may be apart
SLACK = timedelta(minutes=5)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def origin(actor: Mapping[str, Any], ledger_run: str, valid_for: int) -> dict[str, Any]:
    """The head of the file. The id is random: it is what the use of each plan is recorded under."""
    now = datetime.now(UTC)
    return {
        "id": secrets.token_hex(16),
        "made": written(now),
        "expires": written(now + timedelta(seconds=valid_for)),
        "run": {**asked(), "check_mode": is_check(), "actor": dict(actor), "ledger_run": ledger_run},
        "signatures": [],
    }


def asked() -> dict[str, Any]:
    """What the command line chose to run. A plan holds for the same choice, wherever it is run."""
    arguments = context.CLIARGS
    named = arguments.get("args") or ()
    playbooks = [named] if isinstance(named, str) else named  # the pattern of hosts, where there is no playbook
    return {
        "playbook": ", ".join(PurePath(name).name for name in playbooks),
        "limit": arguments.get("subset") or None,
        "tags": sorted(arguments.get("tags") or ()),
        "skip_tags": sorted(arguments.get("skip_tags") or ()),
    }


def is_check() -> bool:
    """Was the whole run asked to change nothing?"""
    return bool(context.CLIARGS.get("check"))


def written(time: datetime) -> str:
    return f"{time:{_TIME}}"


def read(text: str) -> datetime:
    """The time behind what `written` gave. Raises ValueError."""
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
