# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as Markdown for a comment on a merge request: a table, and per plan the details to unfold.

Whatever comes from a plan stands in <code>, where no Markdown, mention or reference is read, and every character but
letters, digits, blanks and a few harmless signs is written as an HTML entity.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.report import Entry, Report
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.terminal import operation_text
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.words import (
    because,
    clip,
    counted,
    listed,
    pair,
    privilege,
    touched,
    unseen,
    value,
)

#: a comment on GitHub may hold 65536 characters
ROOM = 60_000
_HARMLESS = frozenset(" .,:;/-+=()")
_VALUE = 200


def render(report: Report) -> str:
    """The whole document. Where it grows too long for a comment, the details go first, then rows of the table."""
    head = "\n".join(_head(report)) + "\n"
    room = ROOM - len(head)
    rows, room = _fit([_row(entry) for entry in report.entries], room)
    details, room = _fit([_details(entry) for entry in report.entries[: len(rows)]], room)
    left = len(report.entries) - len(details)
    table = "\n".join(["| Plan | Host / task | Risk | Note |", "|---|---|---|---|", *rows, ""]) if rows else ""
    note = f"\n{counted(left, 'plan')} without details here: too long for a comment. The JSON file holds all of them.\n"
    return "\n".join([head, table, *details]) + (note if left else "")


def code(text: object, room: int = _VALUE) -> str:
    """Any text, so that it can only be read, not obeyed."""
    shown = clip(text, room)
    safe = (char if char.isalnum() or char in _HARMLESS else f"&#{ord(char)};" for char in shown)
    return f"<code>{''.join(safe)}</code>"


def _fit(parts: list[str], room: int) -> tuple[list[str], int]:
    """The first parts, as many as there is room for, and the room that is left."""
    taken = []
    for part in parts:
        room -= len(part) + 1
        if room < 0:
            break
        taken.append(part)
    return taken, max(room, 0)


def _head(report: Report) -> Iterator[str]:
    totals = report.totals
    yield f"### {report.headline()}"
    yield ""
    if report.entries:
        risk = f"**{totals['risk']}**" if totals["risk"] in ("medium", "high") else totals["risk"]
        unknown = f" ({totals['unknown_privileges']} not known)" if totals["unknown_privileges"] else ""
        yield f"Highest risk: {risk}. Missing privileges: {totals['missing_privileges']}{unknown}."
        yield 'LOW means "changes little", not "safe".'
        yield ""
        yield f"Digest of all plans: `{report.digest}`"
        yield ""
    if report.failed:
        hosts = code(listed(report.failed), 500)
        yield f"**Incomplete:** failed: {hosts}; what later tasks there would do is not known."
        yield ""


def _row(entry: Entry) -> str:
    plan = "<br>".join(code(f"{operation.sign} {operation_text(operation)}") for operation in entry.operations)
    marks = [
        *([code(entry.outcome)] if entry.outcome else []),
        *(["no_log"] if entry.no_log else []),
        *(["**incomplete**"] if unseen(entry.plan) else []),
        *([f"**missing: {counted(len(entry.privileges(False)), 'privilege')}**"] if entry.privileges(False) else []),
        *(["cannot be undone"] if entry.cannot_undo else []),
    ]
    task = f"{code(entry.host)}<br>{code(entry.task['name'])}"
    return f"| {plan} | {task} | {code(entry.risk)} | {', '.join(marks)} |"


def _details(entry: Entry) -> str:
    title = f"{code(entry.plan['summary'], 300)} ({code(entry.host)} / {code(entry.task['name'])})"
    lines = ["", *_changes(entry), *_facts(entry), ""]
    return "\n".join([f"<details><summary>{title}</summary>", *lines, "</details>", ""])


def _changes(entry: Entry) -> Iterator[str]:
    for change in entry.changes:
        if entry.comes_or_goes:
            yield f"- {code(change.key)}: {code(value(change.only))}"
        else:
            before, after = pair(change.before, change.after, _VALUE)
            yield f"- {code(change.key)}: {code(before, 2 * _VALUE)} → {code(after, 2 * _VALUE)}"


def _facts(entry: Entry) -> Iterator[str]:
    plan = entry.plan
    if entry.no_log:
        yield "- Its values are hidden by no_log"
    yield f"- Risk {code(entry.risk)}: {code(because(plan) or unseen(plan), 1000)}"
    around = touched(plan["blast_radius"])
    if around:
        yield f"- Touches {code(around, 1000)}"
    if unseen(plan):
        yield f"- **Incomplete**: {code(unseen(plan), 500)}"
    yield from (f"- **Missing privilege**: {code(privilege(row))}" for row in entry.privileges(False))
    yield from (f"- Not known whether held: {code(privilege(row))}" for row in entry.privileges("unknown"))
    if entry.refused and not entry.privileges(False):
        yield f"- **The real run would be refused**: {code(entry.refused, 500)}"
    if entry.cannot_undo:
        yield f"- Cannot be undone: {code(entry.cannot_undo, 500)}"
    for step in plan["steps"]:
        if step.get("error"):
            yield f"- **{code(step['op'])} failed**: {code(step['error'], 500)}"
    yield f"- Digest {code(plan['digest'])}"
