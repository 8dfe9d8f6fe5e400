# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on a terminal: lines, each with the part it plays. Which colour that is, the callback knows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.steward.proxmox.plugins.module_utils._operations import BACK, CHANGE, CREATE, DESTROY, OTHER
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.changes import Change
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.report import Entry, Operation, Report
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.words import (
    because,
    clip,
    listed,
    pair,
    privilege,
    touched,
    unseen,
    value,
    visible,
)

NARROW, WIDE = 72, 140
_NAME = 100
_DETAIL = "    "
_PARTS = {CREATE: "create", CHANGE: "change", DESTROY: "destroy", BACK: "destroy", OTHER: "other"}
_RISKS = {"medium": "warning", "high": "alarm"}


class Line(NamedTuple):
    """`part`: title, create, change, destroy, other, detail, warning, alarm or total."""

    text: str
    part: str


def render(report: Report, columns: int) -> list[Line]:
    """The whole report. Long values are cut; what somebody must act on is wrapped."""
    width = min(max(columns, NARROW), WIDE)
    lines = [line for entry in report.entries for line in _entry(entry, width)]
    return [*lines, *_end(report, width)]


def operation_text(operation: Operation) -> str:
    """`create lxc/9001 golden-docker on pve1`."""
    words = [clip(operation.op, 40), clip(operation.target, _NAME), clip(operation.name, _NAME)]
    if operation.node:
        words += ["on", clip(operation.node, _NAME)]
    if operation.status:
        words.append(f"({clip(operation.status, 20)})")
    return " ".join(filter(None, words))


def change_text(change: Change, width: int) -> str:
    """`cores: 2 -> 3`; of an object that comes or goes the one value it has."""
    key = clip(change.key, 60)
    before, after = pair(change.before, change.after, max(20, (width - len(key) - 12) // 2))
    return f"{key}: {before} -> {after}"


def value_text(change: Change, width: int) -> str:
    key = clip(change.key, 60)
    return f"{key}: {clip(value(change.only), max(20, width - len(key) - 8))}"


def _entry(entry: Entry, width: int) -> Iterator[Line]:
    outcome = f" (not only planned: {clip(entry.outcome, _NAME)})" if entry.outcome else ""
    marks = f"{outcome} (no_log)" if entry.no_log else outcome
    yield Line(f"{clip(entry.host, _NAME)} / {clip(entry.task['name'], _NAME)}{marks}", "title")
    shown_at = _place_of_changes(entry)
    for place, operation in enumerate(entry.operations):
        yield Line(f"  {operation.sign} {operation_text(operation)}", _PARTS[operation.sign])
        if place == shown_at:
            shown = value_text if entry.comes_or_goes else change_text
            yield from (Line(f"{_DETAIL}  {shown(change, width)}", "detail") for change in entry.changes)
    for text, part in _remarks(entry):
        yield from _wrapped(text, part, width)


def _place_of_changes(entry: Entry) -> int:
    """Below the first operation that changes an object; a start or stop has nothing to show."""
    places = [place for place, operation in enumerate(entry.operations) if operation.sign != OTHER]
    return places[0] if places else len(entry.operations) - 1


def _remarks(entry: Entry) -> Iterator[tuple[str, str]]:
    plan = entry.plan
    if entry.no_log:
        yield "its values are hidden by no_log", "detail"
    if entry.risk in _RISKS:
        yield f"risk {entry.risk}: {because(plan) or unseen(plan)}", _RISKS[entry.risk]
    around = touched(plan["blast_radius"])
    if around:
        yield f"touches {around}", "detail"
    if unseen(plan):
        yield f"INCOMPLETE: {unseen(plan)}", "alarm"
    for row in entry.privileges(False):
        yield f"missing privilege: {privilege(row)}", "alarm"
    for row in entry.privileges("unknown"):
        yield f"not known whether held: {privilege(row)}", "warning"
    if entry.refused and not entry.privileges(False):  # those are named above
        yield f"the real run would be refused: {clip(entry.refused, 500)}", "alarm"
    if entry.cannot_undo:
        yield f"cannot be undone: {clip(entry.cannot_undo, 300)}", "warning"


def _end(report: Report, width: int) -> Iterator[Line]:
    if report.failed:
        text = f"INCOMPLETE: failed: {listed(report.failed)}; what later tasks there would do is not known"
        yield from _wrapped(text, "alarm", width, indent="")
    if not report.entries:
        yield Line(report.headline(), "total")
        return
    totals = report.totals
    yield Line(f"Digest of all plans: {report.digest}", "detail")
    unknown = f" ({totals['unknown_privileges']} not known)" if totals["unknown_privileges"] else ""
    risk = f"highest risk: {totals['risk']}, missing privileges: {totals['missing_privileges']}{unknown}"
    done = sum(not entry.check_mode for entry in report.entries)
    real = f"; {done} of {len(report.entries)} plans not only planned" if done else ""
    yield Line(f"{report.headline()}; {risk}{real}", "total")


def _wrapped(text: str, part: str, width: int, indent: str = _DETAIL) -> list[Line]:
    lines = textwrap.wrap(
        visible(text), width, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
    )
    return [Line(line, part) for line in lines]
