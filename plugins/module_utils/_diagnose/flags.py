# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diagnosis says: flags. What could not be read is one too, so that no flags means that all is well. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput, PermissionDenied, StewardError, grant_command
from .._privileges import Need

CRITICAL, WARNING, UNREAD = "critical", "warning", "unread"
LEVELS = (CRITICAL, WARNING, UNREAD)

Row = dict[str, Any]


@dataclass(frozen=True)
class Flag:
    """Something that somebody should look at. `needs` is the privilege without which something stayed unread; what is
    `shared` every node says, with figures of its own."""

    level: str
    check: str
    subject: str
    what: str
    evidence: Any = None
    needs: Need | None = None
    shared: bool = False


@dataclass(frozen=True)
class Limits:
    """From where on something is flagged: in percent, in days, in seconds; what time it is; and whether the node is
    `alone`, without a cluster."""

    now: float
    full: int = 90
    full_critical: int = 95
    memory: int = 90
    memory_critical: int = 97
    wear_left: int = 10
    certificate_days: int = 30
    certificate_days_critical: int = 7
    backup_age: float = 7 * 86400
    alone: bool = False


def check_limits(options: Mapping[str, Any]) -> None:
    """Raise BadInput for percents that are none, and for limits that are in the wrong order."""
    for name in ("full", "full_critical", "memory", "memory_critical", "wear_left"):
        if not 0 <= options[name] <= 100:
            raise BadInput(f"{name}: {options[name]} is not a percentage: 0 to 100")
    for first, last in (("full", "full_critical"), ("memory", "memory_critical")):
        if options[first] > options[last]:
            raise BadInput(f"{first}: {options[first]} is above {last}: {options[last]}; what warns comes first")
    if not 0 <= options["certificate_days_critical"] <= options["certificate_days"]:
        raise BadInput(
            f"certificate_days: {options['certificate_days']} is not valid: at least certificate_days_critical"
            f" ({options['certificate_days_critical']}), and that at least 0"
        )


def percent(part: Any, whole: Any) -> float | None:
    """None where there is no whole."""
    return 100 * float(part) / float(whole) if float(whole or 0) > 0 else None


def graded(value: float | None, warning: float, critical: float) -> str | None:
    """The level of a value that should stay below both."""
    if value is None or value < warning:
        return None
    return CRITICAL if value >= critical else WARNING


def filled(check: str, subject: str, part: Any, whole: Any, limits: Limits, shared: bool = False) -> list[Flag]:
    """A flag for something that is nearly full."""
    share = percent(part, whole)
    level = graded(share, limits.full, limits.full_critical)
    evidence = {"used": part, "total": whole}
    return [Flag(level, check, subject, f"is {share:.1f} % full", evidence, shared=shared)] if level else []


def unread(check: str, subject: str, error: StewardError, need: Need | None = None) -> Flag:
    """What a read that failed means. Of a refusal it says what is missing; whatever else went wrong, in its words."""
    if isinstance(error, PermissionDenied) and need:
        return hidden(check, subject, need)
    return Flag(UNREAD, check, subject, f"could not be read: {error.message}", {"error": str(error)})


def hidden(check: str, subject: str, need: Need, what: str = "could not be read") -> Flag:
    """Something that the credential may not see, or not all of it."""
    return Flag(
        UNREAD, check, subject, f"{what}: {' or '.join(need.any_of)} on {_granted_on(need)} is needed", needs=need
    )


def _granted_on(need: Need) -> str:
    return need.path.removesuffix("/*") or "/"


def distinct(flags: Iterable[Flag]) -> list[Flag]:
    """Each flag once."""
    once: dict[tuple[str, str, str, str, Need | None], Flag] = {}
    for flag in flags:
        once.setdefault((flag.level, flag.check, flag.subject, "" if flag.shared else flag.what, flag.needs), flag)
    return list(once.values())


def grants(flags: Iterable[Flag], identity: str) -> dict[str, str]:
    """For each path on which something is missing, the one line that grants all of it."""
    wanted: dict[str, dict[str, None]] = {}
    for flag in flags:
        if flag.needs:
            wanted.setdefault(_granted_on(flag.needs), {})[flag.needs.any_of[0]] = None
    return {path: grant_command(path, list(names), identity) for path, names in sorted(wanted.items())}


def shown(flag: Flag, lines: Mapping[str, str]) -> Row:
    """The flag as a result has it; `lines` are those of `grants`."""
    row = {name: getattr(flag, name) for name in ("level", "check", "subject", "what", "evidence")}
    if flag.needs:
        path = _granted_on(flag.needs)
        row |= {"needs": {"path": path, "any_of": list(flag.needs.any_of)}, "grant": lines[path]}
    return row


def ordered(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The worst first."""
    return sorted(map(dict, rows), key=lambda row: (LEVELS.index(row["level"]), row["check"], row["subject"]))


def counted(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many there are of each level."""
    levels = [row["level"] for row in rows]
    return {level: levels.count(level) for level in LEVELS}
