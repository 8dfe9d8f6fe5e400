# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between a plan of now and the plan that was saved, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._plan import STEP_KEYS, symbolic
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.changes import compare
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.words import clip, pair

_ROOM = 60

Record = Mapping[str, Any]


def explain(now: Record, planned: Sequence[Record]) -> list[str]:
    """The differences from the entry that is nearest; `planned` are the entries of the same host."""
    then = max(planned, key=lambda entry: _nearness(now, entry), default=None)
    if then is None:
        return [f"nothing was planned for {now['host']}"]
    if _nearness(now, then) < _SAME_TARGETS:
        return [f"the task {now['task']['name']!r} was not planned to change anything there"]
    found = [*_objects(then, now), *_steps(then, now)]
    if then["redacted"] or now["no_log"]:
        found.append("some of its values are hidden, so that not all of what differs can be told")
    return found or ["something that it was planned from is different now"]


_SAME_TARGETS = 2


def _nearness(now: Record, then: Record) -> int:
    """How well two plans fit: the same objects weigh more than the same task."""
    same_task = now["task"]["name"] == then["task"]["name"] and now["task"]["action"] == then["task"].get("action")
    return _SAME_TARGETS * bool(_targets(now) & _targets(then)) + same_task


def _targets(record: Record) -> set[str]:
    return {step["target"] for step in _bare(record)}


def _objects(then: Record, now: Record) -> Iterator[str]:
    """What was looked at, and is not what it was."""
    before, after = (_symbolic(record, record["binding"].get("objects", {})) for record in (then, now))
    if not before or not after:  # hidden by no_log
        return
    for target in sorted(before.keys() | after.keys()):
        one, other = before.get(target), after.get(target)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from (f"{target} has changed since: {text}" for text in _changes(one, other))
        elif one is None:
            yield f"{target} was not looked at then, and is now"
        elif other is None:
            yield f"{target} was looked at then, and is not now"
        elif isinstance(other, str) and one != other:
            yield f"{target} was changed by an earlier task of this run, and not as planned"
        elif one != other:
            yield f"{target} was to be changed by an earlier task of the plan, and this run has not done so"


def _steps(then: Record, now: Record) -> Iterator[str]:
    """What was to be done, and is not what would be done."""
    before, after = _named(then), _named(now)
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield f"{name} was planned and is missing"
        elif name not in before:
            yield f"{name} is new"
        else:
            yield from (f"{name}: planned was {text}" for text in _changes(before[name], after[name]))


def _named(record: Record) -> dict[str, dict[str, Any]]:
    """What each step sends, and where to; a further step of the same name says so."""
    found: dict[str, dict[str, Any]] = {}
    for step in _bare(record):
        name = f"{step['op']} {step['target']}"
        while name in found:
            name += ", again"
        found[name] = {"method": step["method"], "path": step["path"], **step["data"]}
    return found


def _bare(record: Record) -> list[dict[str, Any]]:
    return list(_symbolic(record, [{key: step[key] for key in STEP_KEYS} for step in record["plan"]["steps"]]))


def _symbolic(record: Record, value: Any) -> Any:
    """With symbols for what each run chooses."""
    return symbolic(value, record["binding"].get("symbols", {}))


def _changes(before: Record, after: Record) -> Iterator[str]:
    for change in compare(before, after):
        one, other = pair(change.before, change.after, _ROOM)
        yield f"{clip(change.key, _ROOM)} {one} -> {other}"
