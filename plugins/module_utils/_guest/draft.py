# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan about one guest in the making: steps are added with what they show, touch and how they are taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._plan import Plan, Step, Undo
from .._privileges import Need
from .lookup import Guest


class Draft:
    """Collects one Plan. `done` writes its summary."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.plan = Plan()
        self._undo: list[dict[str, Any]] = []
        self._why_not = ""

    def step(self, step: Step) -> None:
        self.plan.steps.append(step)

    def call(
        self, op: str, method: str, below: str, data: Mapping[str, Any] | None = None, *, why: str, needs: Iterable[str]
    ) -> None:
        """A step on a path below the guest's own, with the privileges that it needs on the guest."""
        guest = self.guest
        on_guest = tuple(Need(f"/vms/{guest.vmid}", (name,)) for name in dict.fromkeys(needs))
        self.step(Step(op, guest.target, method, f"{guest.path}{below}", data or {}, why=why, needs=on_guest))

    def grow(self, slot: str, size: str) -> None:
        """A volume becomes larger."""
        data = {"disk": slot, "size": size}
        self.call("resize", "PUT", "/resize", data, why=f"{slot} grows to {size}", needs=["VM.Config.Disk"])

    def shows(self, key: str, before: Any, after: Any) -> None:
        """One line of the diff; a missing side is left out."""
        for side, value in ((self.plan.before, before), (self.plan.after, after)):
            if value is not None:
                side[key] = value

    def consulted(self, target: str, facts: dict[str, Any]) -> None:
        """What the planner looked at: the plan's digest binds it."""
        self.plan.objects[target] = facts

    def undo(self, step: dict[str, Any]) -> None:
        """One step that takes this one back; they are run in reverse order."""
        self._undo.insert(0, step)

    def cannot_undo(self, why: str) -> None:
        self._why_not = self._why_not or why

    def blast(self, level: str, why: str) -> None:
        self.plan.blast.because(level, why)

    def done(self) -> Plan:
        plan, guest = self.plan, self.guest
        if plan.steps:
            plan.blast.guests.add(guest.target)
            plan.blast.nodes.add(guest.node)
            name = guest.name or plan.after.get("hostname") or ""
            plan.summary = (
                f"{', '.join(step.op for step in plan.steps)} {guest.target}{f' {name}' if name else ''} on"
                f" {guest.node}"
            )
        else:
            plan.summary = f"{guest.target} is as wanted"
        plan.undo = Undo(why=self._why_not) if self._why_not else Undo(tuple(self._undo))
        return plan
