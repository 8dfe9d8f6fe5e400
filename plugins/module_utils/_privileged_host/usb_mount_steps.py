# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a mount, and what they lead to, as later tasks of a --check run read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from .._errors import ApiError, Refused
from .._host.mounts import ALWAYS, OPTIONS
from .._plan import Effect, Plan, Step, Undo
from .._world import World, address
from .usb_mount_there import Lasting, Reader, There, is_ghost, options_of, unit_name

_NO_UNDO = "the module undo knows the API alone; a task of privileged_host with the other state or options does it"


class Draft:
    """A plan in the making: `now` is what the steps so far lead to."""

    def __init__(self, before: There, uuid: str, node: str, world: World) -> None:
        self.before = self.now = before
        self.path, self.uuid, self.node, self.world = before.path, uuid, node, world
        self.plan, self.target = Plan(), f"mount/{node}{self.path}"
        self.makes_directory = self.enables = False

    # -- steps -------------------------------------------------------------------------------------------------------

    def _step(self, op: str, operation: str, why: str, **data: Any) -> None:
        self.world.get("sudo -l", operation=operation, **data)
        self.plan.steps.append(Step(op, self.target, "RUN", operation, data, why=why))

    def unmount(self, times: int) -> None:
        for _time in range(times):
            row = self.now.rows[-1]
            self._step("unmount", "umount", self._why_not(row), path=self.path)
            self.plan.blast.because("medium", f"unmounts {row['source']}: what uses {self.path} does without it")
            self.now = replace(self.now, rows=self.now.rows[:-1])

    def _why_not(self, row: Mapping[str, Any]) -> str:
        if is_ghost(row):
            return f"{row['source']} has no UUID any more, as after its stick was pulled"
        if row["uuid"] != self.uuid:
            return f"{row['source']} with the UUID {row['uuid']} is mounted there"
        return "it is mounted more than once" if len(self.now.rows) > 1 else "it is mounted"

    def directory(self) -> None:
        found = self.world.find("stat", path=self.path, node=self.node)
        if found not in (None, "directory"):
            raise Refused(f"{self.path} on {self.node} is not a directory, but a {found}", "Choose another path")
        if found is None:
            self._step("create", "mkdir", "the directory does not exist", path=self.path)
            self.makes_directory = True

    def mount(self, device: Mapping[str, str], options: tuple[str, ...]) -> None:
        said = ",".join((*ALWAYS, *options))
        data = {"fstype": device["TYPE"], "options": said, "uuid": self.uuid, "path": self.path}
        self._step("mount", "mount", "it is not mounted", **data)
        row = {"target": self.path, "source": device["DEVNAME"], "uuid": self.uuid}
        self.now = replace(self.now, rows=[{**row, "fstype": device["TYPE"], "options": said}])

    def remount(self, row: Mapping[str, Any], options: tuple[str, ...]) -> None:
        said = ",".join((*ALWAYS, *(on if on in options else off for on, off in OPTIONS.items())))
        why = f"its options are {', '.join(options_of(row)) or 'others'}"
        self._step("update", "remount", why, options=said, uuid=self.uuid, path=self.path)
        self.now = replace(self.now, rows=[{**row, "options": said}])

    def drop(self, lasting: list[Lasting]) -> None:
        unit = unit_name(self.path)
        for by in dict.fromkeys(one.by for one in lasting):
            if by == "fstab":
                self._step("update", "no fstab line", "its line in /etc/fstab is not wanted", path=self.path)
            else:
                self._step("update", "systemctl disable", "its unit is not wanted", unit=unit)
                self._step("update", "no mount unit", "its unit is not wanted", unit=unit)
            self.now = self.now.without(by)
        if lasting:
            self._reload()

    def put(self, goal: Lasting) -> None:
        if not self.now.has(goal):
            fstab = goal.by == "fstab"
            operation, what = ("fstab line", "/etc/fstab") if fstab else ("mount unit", unit_name(self.path))
            self._step("update", operation, f"{what} shall mount it at each start", **goal.data(self.path))
            self.now = self.now.with_goal(goal)
            self._reload()
            self.enables = not fstab
        elif goal.by == "systemd":
            unit = unit_name(self.path)
            self.enables = not self.world.get("systemctl is-enabled", unit=unit, node=self.node)
        if self.enables:
            self._step("update", "systemctl reenable", "its unit is not enabled", unit=unit_name(self.path))

    def _reload(self) -> None:
        if self.before.by_systemd:
            self._step("update", "systemctl daemon-reload", "systemd has to read that again")

    # -- the plan ----------------------------------------------------------------------------------------------------

    def done(self) -> Plan:
        plan, where = self.plan, f"{self.path} on {self.node}"
        plan.result = {"usb_mount": self._shown(self.now)}
        plan.objects[self.target] = self._seen(self.before)
        plan.summary = f"{where} is as wanted"
        if plan.steps:
            plan.summary = f"{', '.join(dict.fromkeys(step.op for step in plan.steps))} {where}"
            plan.before, plan.after = self._seen(self.before), self._seen(self.now)
            plan.blast.nodes.add(self.node)
            plan.blast.others.add(f"{self.node}:{self.path}")
            plan.undo = Undo(cannot=({"of": list(range(len(plan.steps))), "why": _NO_UNDO},))
            plan.effects = self._effects()
            plan.finish = self._verified
        return plan

    def _effects(self) -> list[Effect]:
        """What later tasks of a --check run read."""
        before, now, unit = self.before, self.now, unit_name(self.path)

        def at(name: str, **params: str) -> str:
            return address(name, {"node": self.node, **params})

        told = [
            (now.rows != before.rows, Effect(at("findmnt", path=self.path), "set", now.rows)),
            (self.makes_directory, Effect(at("stat", path=self.path), "set", "directory")),
            (now.fstab != before.fstab, Effect(at("fstab"), "set", now.fstab)),
            (now.unit != before.unit, Effect(at("cat mount unit", unit=unit), "set" if now.unit else "gone", now.unit)),
            (self.enables, Effect(at("systemctl is-enabled", unit=unit), "set", True)),
        ]
        return [effect for happens, effect in told if happens]

    def _verified(self, reader: Reader) -> dict[str, Any]:
        """What is there now, which is what counts."""
        there = There.of(reader, self.path, self.node)
        seen, planned = self._seen(there), self._seen(self.now)
        if seen != planned:
            raise ApiError(
                f"Every command reported success, and {self.path} on {self.node} is not as planned: it is {seen}, not"
                f" {planned}",
                "Did somebody, or systemd, change it at the same time? Run the task again",
            )
        return {"usb_mount": self._shown(there)}

    def _seen(self, there: There) -> dict[str, Any]:
        return {
            "mounts": [{"uuid": row["uuid"], "options": options_of(row)} for row in there.rows],
            "persist": [{**asdict(one), "options": list(one.options)} for one in there.lasting],
        }

    def _shown(self, there: There) -> dict[str, Any]:
        row = there.rows[-1] if there.rows and there.rows[-1]["uuid"] == self.uuid else {}
        return {
            "uuid": self.uuid,
            "path": self.path,
            "mounted": bool(row),
            "source": row.get("source"),
            "fstype": row.get("fstype"),
            "options": options_of(row) if row else [],
            "persist": next((one.by for one in there.lasting if one.uuid == self.uuid), "none"),
        }
