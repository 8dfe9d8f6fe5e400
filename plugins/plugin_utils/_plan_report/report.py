# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plans of a run as one report: operations, changes, totals, digest. Pure; terminal, Markdown and JSON show it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heapreplace
from typing import Any, NamedTuple

from ansible_collections.steward.proxmox.plugins.module_utils._blast import LEVELS
from ansible_collections.steward.proxmox.plugins.module_utils._operations import (
    BACK,
    CHANGE,
    CREATE,
    DESTROY,
    OTHER,
    sign,
)
from ansible_collections.steward.proxmox.plugins.module_utils._plan import digest_of, sha256
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.changes import Change, compare, one_side
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.words import counted

VERSION = 1
_NODE = re.compile(r"/nodes/([^/]+)/")

Record = Mapping[str, Any]


class Operation(NamedTuple):
    """One step of a plan in a few words."""

    sign: str
    op: str
    target: str
    name: str
    node: str
    status: str


class Entry:
    """One plan, of one task (or one item of its loop) on one host."""

    def __init__(self, record: Record) -> None:
        self.host, self.task, self.plan = record["host"], record["task"], record["plan"]
        self.check_mode, self.no_log = bool(record["check_mode"]), bool(record["no_log"])
        self.endpoint, self._binding = list(record["endpoint"]), record["binding"] or {"objects": {}, "symbols": {}}
        #: why the gate would not let it through
        self.refused = str(record.get("refused") or "")
        # a no_log task has neither
        self._before, self._after = self.plan.get("before") or {}, self.plan.get("after") or {}

    @cached_property
    def operations(self) -> list[Operation]:
        return [self._operation(step) for step in self.plan["steps"]]

    @cached_property
    def comes_or_goes(self) -> bool:
        """Does the plan make or remove a whole object? Then there is one side to show, not two."""
        return self._born or self._gone

    @cached_property
    def changes(self) -> list[Change]:
        """Before and after of what the plan changes; of a no_log task nothing is known."""
        if self.comes_or_goes:
            return one_side(self._after if self._born else self._before, self._born)
        return compare(self._before, self._after)

    @property
    def risk(self) -> str:
        return str(self.plan["risk"]["level"])

    def privileges(self, held: bool | str) -> list[dict[str, Any]]:
        """What the plan needs and the credential has (True), lacks (False), or nobody could say ("unknown")."""
        return [row for row in self.plan["privileges"] if row["held"] == held]

    @property
    def complete(self) -> bool:
        """Is everything known that the plan touches?"""
        return bool(self.plan["blast_radius"].get("complete", False))

    @property
    def outcome(self) -> str:
        """How a real run went; empty for what was only planned."""
        found = {operation.status for operation in self.operations} - {""}
        if self.check_mode:
            return ""
        return "carried out" if found == {"done"} else ", ".join(sorted(found)) or "outcome not reported"

    @property
    def cannot_undo(self) -> str:
        undo = self.plan.get("undo") or {"possible": True}
        return "" if undo["possible"] else str(undo["why"])

    def public(self) -> dict[str, Any]:
        """The entry of the JSON file."""
        return {
            "host": self.host,
            "task": self.task,
            "check_mode": self.check_mode,
            "no_log": self.no_log,
            **({"refused": self.refused} if self.refused else {}),
            "changes": [change._asdict() for change in self.changes],
            "plan": self.plan,
            "endpoint": self.endpoint,
            "binding": self._binding,
            "redacted": self._redacted,
        }

    @property
    def _redacted(self) -> bool:
        """Are values left out, so that nobody can compute the digest again?"""
        return digest_of(self.plan["steps"], self._binding) != self.plan["digest"]

    @property
    def _born(self) -> bool:
        makes = any(operation.sign == CREATE for operation in self.operations)
        return _absent(self._before) or (makes and not self._before)

    @property
    def _gone(self) -> bool:
        removes = any(operation.sign == DESTROY for operation in self.operations)
        return _absent(self._after) or (removes and not self._after)

    def _operation(self, step: Record) -> Operation:
        op, target = str(step["op"]), str(step["target"])
        name = re.search(rf"{re.escape(target)} (\S+) on ", self.plan["summary"])
        node = _NODE.match(step["path"])
        status = str(step.get("status", ""))
        return Operation(sign(op), op, target, name[1] if name else "", node[1] if node else "", status)


@dataclass(frozen=True)
class Report:
    """All plans of a run. `failed`: hosts whose tasks failed, so that not everything could be planned."""

    entries: list[Entry]
    failed: list[str]
    check_mode: bool

    @classmethod
    def of(cls, records: Iterable[Record], failed: Iterable[str] = (), check_mode: bool = True) -> Report:
        return cls([Entry(record) for record in in_order(list(records))], sorted(failed), check_mode)

    @cached_property
    def totals(self) -> dict[str, Any]:
        """An object that is created or destroyed counts so, whatever else the same plan does to it."""
        create = change = destroy = other = 0
        for entry in self.entries:
            signs = [(operation.target, operation.sign) for operation in entry.operations]
            settled = {target for target, mark in signs if mark in (CREATE, DESTROY)}
            create += sum(mark == CREATE for _target, mark in signs)
            destroy += sum(mark == DESTROY for _target, mark in signs)
            change += len({target for target, mark in signs if mark in (CHANGE, BACK)} - settled)
            other += sum(mark == OTHER for _target, mark in signs)
        return {
            "plans": len(self.entries),
            "create": create,
            "change": change,
            "destroy": destroy,
            "other": other,
            "risk": max((entry.risk for entry in self.entries), key=LEVELS.index, default="none"),
            "missing_privileges": self._privileges(False),
            "unknown_privileges": self._privileges("unknown"),
            "incomplete_blast_radius": sum(not entry.complete for entry in self.entries),
            "cannot_be_undone": sum(bool(entry.cannot_undo) for entry in self.entries),
        }

    @property
    def digest(self) -> str:
        """One digest over the digests of the plans, in their order."""
        return sha256([entry.plan["digest"] for entry in self.entries])

    def public(self, origin: Record) -> dict[str, Any]:
        """The JSON file. `origin`: which run made it, and when."""
        return {
            "version": VERSION,
            **origin,
            "check_mode": self.check_mode,
            "plans": [entry.public() for entry in self.entries],
            "totals": self.totals,
            "failed_hosts": self.failed,
            "digest": self.digest,
        }

    def headline(self) -> str:
        """`Plan: 1 to create, 2 to change, 0 to destroy`."""
        totals = self.totals
        if not self.entries:
            return "Plan: nothing to change" + (" as far as it could be planned" if self.failed else "")
        line = f"Plan: {totals['create']} to create, {totals['change']} to change, {totals['destroy']} to destroy"
        return f"{line}, {counted(totals['other'], 'other operation')}" if totals["other"] else line

    def _privileges(self, held: bool | str) -> int:
        rows = ((entry.host, row) for entry in self.entries for row in entry.privileges(held))
        return len({(host, row["path"], *row["any_of"]) for host, row in rows})


def in_order(records: list[Record]) -> list[Record]:
    """Task by task, host by host, and the plans of each host in the order in which it made them.

    Forks finish in any order, and the digest of the report must not depend on it; a saved plan is carried out in it.
    """
    uuids = dict.fromkeys(record["task"]["uuid"] for record in records)
    rank = {uuid: place for place, uuid in enumerate(uuids)}
    waiting: dict[str, deque[Record]] = {}
    for record in records:
        waiting.setdefault(record["host"], deque()).append(record)
    first = [(rank[mine[0]["task"]["uuid"]], host) for host, mine in waiting.items()]
    heapify(first)
    ordered = []
    while first:
        _rank, host = first[0]
        mine = waiting[host]
        ordered.append(mine.popleft())
        if mine:
            heapreplace(first, (rank[mine[0]["task"]["uuid"]], host))
        else:
            heappop(first)
    return ordered


def _absent(side: Mapping[str, Any]) -> bool:
    return side.get("exists") is False
