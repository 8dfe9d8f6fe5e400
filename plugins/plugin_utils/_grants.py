# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plans of a run to what a credential must be given to carry them out: paths, and the privileges on each."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

#: how a path ends that stands for everything below it
_BELOW = "/*"
_ID = "/vms/"

Row = Mapping[str, Any]


def grants(report: Mapping[str, Any], extra: Iterable[Row], prefix: str) -> list[dict[str, Any]]:
    """The entries of the access list: `path`, `propagate`, `privileges`, and the `role` that holds just these.

    Raises ValueError where the plans do not tell what they need.
    """
    plans = report.get("plans")
    if report.get("version") != 1 or not isinstance(plans, list):
        raise ValueError("this is not the file that the callback steward.proxmox.plan writes (STEWARD_PLAN_JSON)")
    if report.get("failed_hosts"):
        raise ValueError(f"the tasks of {', '.join(report['failed_hosts'])} failed: what they need is not known")
    rows = [*_given(extra)]
    for entry in plans:
        rows += _needed_by(entry, known=bool(rows))
    chosen = _inherited(_chosen(rows))
    return [
        {"path": path, "propagate": below, "privileges": sorted(names), "role": _role(prefix, names)}
        for (path, below), names in sorted(chosen.items())
    ]


def _given(extra: Iterable[Row]) -> Iterable[Row]:
    """What no plan tells, as the user says it."""
    for row in extra:
        if not isinstance(row, Mapping) or not str(row.get("path", "")).startswith("/") or not row.get("privileges"):
            raise ValueError(f"{row!r} is no pair of a path and its privileges")
        for name in row["privileges"]:
            yield {"path": row["path"], "any_of": [name]}


def _needed_by(entry: Row, known: bool) -> list[Row]:
    """What one plan needs, for its writes and for its reads."""
    plan, action = entry["plan"], entry["task"]["action"]
    rows: list[Row] = [*plan.get("privileges", []), *plan.get("reads", [])]
    if action == "steward.proxmox.api" and not known:
        raise ValueError(
            f"'{plan['summary']}' is a write by path, and what that needs is not known: say it as an extra privilege"
        )
    own = entry.get("binding", {}).get("symbols", {})
    for row in rows:
        vmid = row["path"].removeprefix(_ID)
        if row["path"].startswith(_ID) and vmid in own:
            raise ValueError(
                f"'{plan['summary']}' has the id {vmid} only because it was free, and another run may find another one:"
                " give it a vmid"
            )
    return rows


def _chosen(rows: Iterable[Row]) -> dict[tuple[str, bool], set[str]]:
    """The fewest privileges that satisfy every row. Those without a choice come first: they may settle the others."""
    chosen: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for row in sorted(rows, key=lambda row: len(row["any_of"])):
        places = [_place(path) for path in (row["path"], row.get("or_path")) if path]
        if not any(chosen[place] & set(row["any_of"]) for place in places if place in chosen):
            chosen[places[0]].add(row["any_of"][0])
    return chosen


def _place(path: str) -> tuple[str, bool]:
    return (path.removesuffix(_BELOW) or "/", True) if path.endswith(_BELOW) else (path, False)


def _inherited(chosen: Mapping[tuple[str, bool], set[str]]) -> dict[tuple[str, bool], set[str]]:
    """An entry takes the place of what its path inherits, so each path repeats what holds above it."""
    found = {place: set(names) for place, names in chosen.items()}
    for (above, below), names in chosen.items():
        for path, _unused in chosen if below else ():
            if path.startswith(f"{above.rstrip('/')}/"):
                found[path, _unused] |= names
    return found


def _role(prefix: str, names: Iterable[str]) -> str:
    """One name for one set of privileges, whichever plan needs it."""
    return f"{prefix}-{hashlib.sha256(','.join(sorted(names)).encode()).hexdigest()[:8]}"
