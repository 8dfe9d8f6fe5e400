# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to a result: the order of things, the same for the front door and for a module on a target.

options -> planner(wanted, world) -> Plan -> policy -> [privileges, approval, ledger] -> carry out -> result
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from ._apply import Patience, Writer, carry_out
from ._connection import resolve
from ._errors import Refused, StewardError, Taken
from ._memory import Memory
from ._plan import Plan, compute_digest
from ._planner import Planner
from ._policy import Policy, judge
from ._privileges import assess, refuse_missing
from ._turn import Turn
from ._world import World

#: how often another id is tried, where others create guests at the same time
_MOST_IDS = 40


def open_writer(planner: Planner, options: Mapping[str, Any]) -> Writer:
    """The session or host that the planner reads and the applier writes."""
    if planner.where == "host":
        from ._host.runner import Host

        return Host(options)
    from ._session import open_session

    return open_session(resolve(options), planner.service, float(options.get("lock_timeout") or 0))


class Work:
    """One task on its way: planned first, then carried out or not."""

    def __init__(
        self, planner: Planner, options: Mapping[str, Any], memory: Memory, check: bool, writer: Writer | None = None
    ) -> None:
        self.planner, self.options, self.memory, self.check = planner, options, memory, check
        self.writer = writer or open_writer(planner, options)
        self._turn = self._take_turn()
        self.plan = self._plan()

    def _take_turn(self) -> Turn | None:
        """Wait for others that would make the same thing. A preview makes nothing."""
        what = "" if self.check else self.planner.turn(self.options)
        return self._turn_at(what) if what and self.where else None

    def _turn_at(self, what: str) -> Turn:
        return Turn(f"{what} at {self.where}", self._patience.task_timeout)

    @property
    def where(self) -> str:
        """The cluster, as far as the connection tells; "" for root's commands on a node."""
        connection = getattr(self.writer, "connection", None)
        return f"{', '.join(connection.hosts)}:{connection.port}" if connection else ""

    def _plan(self) -> Plan:
        self._planned_at = time.time_ns()
        connection = getattr(self.writer, "connection", None)
        identity = connection.identity if connection else "root"
        is_root = connection.is_root if connection else True
        self._world = world = World(self.writer.get, self.memory, self.check, identity, is_root)
        plan = self.planner.plan(self.options, world)
        plan.digest = compute_digest(plan, self.memory.bound, self.memory.symbols)
        needs = [need for step in plan.steps for need in step.needs]
        plan.privileges = assess(needs, world.permissions() if needs else None, is_root)
        if plan.steps:
            plan.reads = [{"path": need.path, "any_of": list(need.any_of)} for need in world.relied_on]
        self.identity = identity
        return plan

    def judge(self) -> None:
        """Raise Refused where the policy forbids the plan, whoever approves it."""
        judge(Policy.of_task(self.options), self.plan, self._world)

    def allow(self, bound_to: str | None = None) -> None:
        """Raise Refused where the plan may not run: a privilege is missing, or it is not the plan that was recorded."""
        if bound_to and bound_to != self.plan.digest:
            raise Refused(
                f"The plan changed between preview and apply (was {bound_to}, is {self.plan.digest})",
                "Somebody changed the object in between: run the task again",
            )
        refuse_missing(self.plan.privileges, self.identity)

    def carry_out(self) -> None:
        """Do it, and remember what this run made."""
        patience = self._patience
        with self._alone():
            self.plan.values = self._carry_out(patience)
        self.memory.remember(self.plan, self.plan.values, check=False)
        if self.plan.finish and patience.wait:
            self.plan.result.update(self.plan.finish(self.writer))
        self.settle()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else of this machine changes these objects; whoever did since they were planned is noticed."""
        with ExitStack() as held:
            turns = []
            for target in sorted(self.plan.targets) if self.where else ():
                turns.append(self._turn_at(target))
                held.callback(turns[-1].end)
            if any(turn.used_since(self._planned_at) for turn in turns):
                again = self._plan()
                if again.digest != self.plan.digest:
                    raise Refused(
                        f"Another task of this machine has changed {', '.join(self.plan.targets)} since this was"
                        " planned",
                        "Run the task again to plan from the new state",
                    )
                self._go_on_with(again)
            yield

    @property
    def _patience(self) -> Patience:
        options = self.options
        return Patience(
            options.get("wait") is not False,
            float(options.get("task_timeout") or 600),
            float(options.get("lock_timeout") or 0),
        )

    def _carry_out(self, patience: Patience) -> dict[str, str]:
        """Do what the plan says. Where an id that it chose was taken in between, the same plan with another id."""
        for _attempt in range(_MOST_IDS):
            try:
                return carry_out(self.plan, self.writer, patience)
            except Taken:
                if self.plan.progress[0]["status"] != "failed":  # something was done already
                    raise
                again = self._plan()
                if again.digest != self.plan.digest or again.symbols == self.plan.symbols:
                    raise
                self._go_on_with(again)
        return carry_out(self.plan, self.writer, patience)

    def _go_on_with(self, again: Plan) -> None:
        """The same plan, from what is there now; an id that it chose may be another one."""
        if again.symbols != self.plan.symbols:
            taken = ", ".join(self.plan.symbols)
            again.warnings.append(
                f"{taken} was taken by somebody else in the meantime; {', '.join(again.symbols)} is used"
            )
        self.plan = again

    def settle(self) -> None:
        """Wait for what a real run waits for at its end, also where nothing had to be done."""
        if self._turn:
            self._turn.end()
        if self.plan.wait_for and not self.check and self.options.get("wait") is not False:
            self.plan.result.update(self.plan.wait_for(self.writer))

    def result(self, diff: bool = False) -> dict[str, Any]:
        """The task's result. `changed` is the plan's, in check mode and for real."""
        shown: dict[str, Any] = {"changed": self.plan.changed, **self.plan.result}
        if not self.planner.reads_only:
            shown["plan"] = self.plan.public()
            upids = [went["upid"] for went in self.plan.progress if "upid" in went]
            if upids:
                shown["upids"] = upids
            if diff:
                shown["diff"] = self.plan.diff()
        if self.plan.warnings:
            shown["warnings"] = list(self.plan.warnings)
        return shown


def failure(error: StewardError, work: Work | None = None) -> dict[str, Any]:
    """The result of a task that failed: the message, the facts behind it, and how far the plan got."""
    shown: dict[str, Any] = {"failed": True, "changed": False, "msg": str(error)}
    if isinstance(error, Refused):
        shown["refused"] = True
    shown.update({key: value for key, value in error.facts.items() if key not in shown and value not in (None, {}, [])})
    if work is not None:
        shown["plan"] = work.plan.public()
        steps = work.plan.progress
        shown["changed"] = any(step["status"] in ("done", "started", "unknown") for step in steps)
        failed = next(
            (
                step
                for step, went in zip(work.plan.steps, steps, strict=False)
                if went["status"] in ("failed", "unknown")
            ),
            None,
        )
        if failed:
            shown["failed_step"] = failed.public()
    return shown
