# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `reconcile`: it reads task logs, and matches them with what the front door found in the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import _moments as moments
from .._connection import resolve
from .._errors import BadInput, Refused
from .._info.bounded import shortened
from .._plan import Plan
from .._planner import RECORDED, Planner
from .._world import World
from . import task_log
from .match import Matching, Operation, Patience, Verdict
from .task_log import Task

_WEEK = 7 * 86400
_OPTIONS: dict[str, dict[str, Any]] = {
    "nodes": {"type": "list", "elements": "str", "default": []},
    "since": {"type": "str"},
    "until": {"type": "str"},
    "ignore": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"type": {"type": "str"}, "user": {"type": "str"}, "id": {"type": "str"}},
        "required_one_of": [["type", "user", "id"]],
    },
    "endpoints": {"type": "list", "elements": "str", "default": []},
    "within": {"type": "int", "default": 3600},
    "clock_skew": {"type": "int", "default": 30},
    "resolve": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "op": {"type": "str", "required": True},
            "status": {"type": "str", "required": True, "choices": ["ok", "failed"]},
            "why": {"type": "str", "required": True},
            "upids": {"type": "list", "elements": "str", "default": []},
        },
    },
    "settle": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
}


def period(options: Mapping[str, Any]) -> tuple[int, int]:
    """The first and the last second that are looked at. Raises BadInput."""
    now = int(time.time())
    since = moments.first("since", options["since"]) if options.get("since") else now - _WEEK
    until = moments.last("until", options["until"]) if options.get("until") else now
    if since > until:
        raise BadInput(f"since: {moments.shown(since)} is later than until, {moments.shown(until)}")
    return since, until


def plan_reconcile(options: Mapping[str, Any], world: World) -> Plan:
    """What nobody recorded, and what became of changes whose outcome nobody recorded."""
    recorded = options.get(RECORDED)
    if recorded is None:
        raise Refused("What the ledger holds is only known to the front door of this module on the controller")
    for name in ("within", "clock_skew"):
        if options[name] < 0:
            raise BadInput(f"{name}: {options[name]} is not valid: seconds, 0 or more")
    since, until = period(options)
    until = min(until, recorded["read_at"])  # what others have begun since then is not yet in what was read
    log = task_log.read(world, options["nodes"], since, until)
    names = {name.lower() for name in (*resolve(options).hosts, *options["endpoints"])}
    here: list[Mapping[str, Any]] = []
    elsewhere: list[Mapping[str, Any]] = []
    for row in recorded["operations"]:
        (here if _is_here(row, names, log.nodes) else elsewhere).append(row)
    patience = Patience(options["within"], options["clock_skew"])
    matching = Matching(log, recorded["upids"], map(_operation, here), patience, until)
    _resolve_by_hand(matching.verdicts, options["resolve"])
    told = [verdict for verdict in matching.verdicts if verdict.status]
    untold = [verdict for verdict in matching.verdicts if not verdict.status]
    loose = matching.unrecorded()
    unrecorded = [task for task in loose if not any(_fits(task, rule) for rule in options["ignore"])]
    shown, cut = shortened([task.public() for task in unrecorded])
    result = {
        "unrecorded": shown,
        "consequences": [{**task.public(), "of": cause} for task, cause in matching.consequences],
        "resolved": [_row(verdict) for verdict in told],
        "open": [_row(verdict) for verdict in untold],
        "ignored": len(loose) - len(unrecorded),
        "elsewhere": sorted({name for row in elsewhere if row["open"] for name in row["endpoint"]}),
        "unseen": log.unseen,
        "truncated": cut,
        "complete": not log.unseen,
        "clean": not (unrecorded or untold or log.unseen),
    }
    return Plan(summary="reads task logs", result={**result, "summary": list(_lines(result, len(unrecorded)))})


def _resolve_by_hand(verdicts: Iterable[Verdict], found: Iterable[Mapping[str, Any]]) -> None:
    """What somebody found out where the task log does not tell."""
    untold = {verdict.operation.op: verdict for verdict in verdicts if not verdict.status}
    for row in found:
        verdict = untold.get(row["op"])
        if verdict is None:
            raise BadInput(f"resolve: no change '{row['op'][:40]}' is open of which the task log tells nothing")
        verdict.status, verdict.why, verdict.upids = row["status"], f"found out by hand: {row['why']}", row["upids"]


def _is_here(row: Mapping[str, Any], names: Iterable[str], nodes: Iterable[str]) -> bool:
    """Was it sent to this cluster? A node's own commands name the node."""
    on_host = any(step["method"] == "RUN" for step in row["steps"] or ())
    asked = {name.lower() for name in row["endpoint"]}
    return bool(asked & {*names, *(map(str.lower, nodes) if on_host else ())})


def _operation(row: Mapping[str, Any]) -> Operation:
    steps = None if row["steps"] is None else tuple(row["steps"])
    said = {key: row[key] for key in ("host", "task", "summary")}
    return Operation(row["run"], row["op"], row["at"], row["until"], row["open"], row["identity"], steps, said)


def _fits(task: Task, rule: Mapping[str, Any]) -> bool:
    """A user stands for its tokens, too."""
    user = rule.get("user")
    return (
        rule.get("type") in (None, task.type)
        and rule.get("id") in (None, task.id)
        and user in (None, task.user, task.user.partition("!")[0])
    )


def _row(verdict: Verdict) -> dict[str, Any]:
    operation = verdict.operation
    return {
        "run": operation.run,
        "op": operation.op,
        "at": moments.shown(operation.at),
        **operation.said,
        "status": verdict.status or "unknown",
        "why": verdict.why,
        "upids": verdict.upids,
        "candidates": verdict.candidates,
    }


def _lines(result: Mapping[str, Any], unrecorded: int) -> Iterator[str]:
    """The result for people."""
    yield f"{unrecorded} change(s) that no record names" if unrecorded else "every change in the task log is recorded"
    for task in result["unrecorded"]:
        at = moments.shown(task["start"])
        yield f"unrecorded: {task['type']} {task['id']} on {task['node']} by {task['user']}, {at}"
    for row in result["resolved"]:
        yield f"resolved: {row['summary']} (run {row['run'][:8]}, op {row['op']}): {row['status']}, {row['why']}"
    for row in result["open"]:
        yield f"still open: {row['summary']} (run {row['run'][:8]}, op {row['op']}): {row['why']}"
    for name in result["elsewhere"]:
        yield f"changes without outcome at {name} were not looked at; endpoints says that it is this cluster, too"
    yield from (f"not seen: {why}" for why in result["unseen"])


RECONCILE = Planner("reconcile", _OPTIONS, plan_reconcile, reads_only=True)
