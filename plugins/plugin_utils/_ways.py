# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways to plan a task and carry it out: in this process, or as a module on the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail
from ansible_collections.steward.proxmox.plugins.module_utils import _session
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work, failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._planner import RECORDED
from ansible_collections.steward.proxmox.plugins.module_utils._policy import POLICY

if TYPE_CHECKING:
    from ansible_collections.steward.proxmox.plugins.plugin_utils._door import Door

#: The engine imports it when a task needs it; named here, it is imported once, before each task forks.
IMPORTED_BEFORE_FORK = (_session,)


class Here:
    """Plans and applies in this process."""

    def __init__(self, door: Door, options: dict[str, Any], memory: Memory) -> None:
        self._planner, self._options, self.memory = door.planner, options, memory
        self._check, self._diff = bool(door._task.check_mode), bool(door._task.diff)
        self._work: Work | None = None

    @property
    def binding(self) -> dict[str, Any]:
        """What the digest of the plan is over."""
        return self._work.plan.binding if self._work else {}

    def preview(self) -> dict[str, Any]:
        try:
            self._work = Work(self._planner, self._options, self.memory, self._check)
            self._work.judge()
            if not self._work.plan.steps:
                self._work.settle()
        except StewardError as error:
            return failure(error, self._work)
        if self._check:
            self.memory.remember(self._work.plan, {}, check=True)
        return self._work.result(self._diff)

    def carry_out(self, digest: str) -> dict[str, Any]:
        work = self._work
        if work is None:
            raise AnsibleActionFail("nothing was planned")
        try:
            work.allow(digest)
            work.carry_out()
        except StewardError as error:
            return failure(error, work)
        return work.result(self._diff)


class OnTarget:
    """Runs the module on the target, which plans and applies there."""

    def __init__(self, door: Door, options: Mapping[str, Any], task_vars: Mapping[str, Any], memory: Memory) -> None:
        self._door, self._task_vars, self.memory = door, task_vars, memory
        self._told = {"policy": options[POLICY], "recorded": options.get(RECORDED)}
        self.binding: dict[str, Any] = {}

    def preview(self) -> dict[str, Any]:
        return self._run({"plan_only": True})

    def carry_out(self, digest: str) -> dict[str, Any]:
        return self._run({"digest": digest})

    def _run(self, order: dict[str, Any]) -> dict[str, Any]:
        orders = {**order, **self._told, "memory": self.memory.export()}
        arguments = {**self._door._task.args, "front_door": orders}
        result = self._door._execute_module(module_args=arguments, task_vars=self._task_vars)
        answer = result.pop("front_door", None) or {}
        for entry in answer.get("memory", []):
            self.memory.add(entry)
        self.binding = answer.get("binding", {})
        result.pop("invocation", None)  # it holds the run's memory
        return result
