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
        if (guest.config or {}).get("digest"):
            self.plan.marks[guest.target] = str((guest.config or {})["digest"])
        self._undo: list[dict[str, Any]] = []
        self._cannot: list[dict[str, Any]] = []
        self._of: list[int] = []

    def step(self, step: Step) -> None:
        self.plan.steps.append(step)

    def call(
        self, op: str, method: str, below: str, data: Mapping[str, Any] | None = None, *, why: str, needs: Iterable[str]
    ) -> None:
        """A step on a path below the guest's own, with the privileges that it needs on the guest."""
        guest = self.guest
        on_guest = tuple(Need(f"/vms/{guest.vmid}", (name,)) for name in dict.fromkeys(needs))
        self.step(Step(op, guest.target, method, f"{guest.path}{below}", data or {}, why=why, needs=on_guest))

    def grow(self, slot: str, size: str, storage: str) -> None:
        """A volume becomes larger, on its storage."""
        guest, data = self.guest, {"disk": slot, "size": size}
        needs = (
            Need(f"/vms/{guest.vmid}", ("VM.Config.Disk",)),
            Need(f"/storage/{storage}", ("Datastore.AllocateSpace",)),
        )
        path, why = f"{guest.path}/resize", f"{slot} grows to {size}"
        self.step(Step("resize", guest.target, "PUT", path, data, why=why, needs=needs))

    def shows(self, key: str, before: Any, after: Any) -> None:
        """One line of the diff; a missing side is left out."""
        for side, value in ((self.plan.before, before), (self.plan.after, after)):
            if value is not None:
                side[key] = value

    def consulted(self, target: str, facts: dict[str, Any]) -> None:
        """What the planner looked at: the plan's digest binds it."""
        self.plan.objects[target] = facts

    def undo(self, op: str, *, whole: bool = False, target: str = "", **more: Any) -> None:
        """What takes back the steps since it was last told; or the whole plan, whatever was told of its parts."""
        step = {"op": op, "target": target or self.guest.target, "of": self._since(whole), **more}
        self._undo.insert(0, step)

    def cannot_undo(self, why: str, *, whole: bool = False) -> None:
        """Nothing takes back the steps since it was last told, or the whole plan; or not all of them."""
        self._cannot.insert(0, {"of": self._since(whole), "why": why})

    def _since(self, whole: bool) -> list[int]:
        if whole:
            for told in (self._undo, self._cannot, self._of):
                told.clear()
        first = self._of[-1] + 1 if self._of else 0
        # nothing new: more is told of the same steps
        self._of = list(range(first, len(self.plan.steps))) or self._of
        return self._of

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
        plan.undo = Undo(tuple(self._undo), tuple(self._cannot))
        return plan
