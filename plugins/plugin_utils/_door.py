# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door on the controller: plan, then privileges, then the durable intent, then apply.

A local task is planned and applied in this process, with the engine that the module uses too. A task for a remote
target (or with become) runs the module twice: for the plan, then for real, bound to the digest of that plan.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.steward.proxmox.plugins.module_utils import _session
from ansible_collections.steward.proxmox.plugins.module_utils._connection import ENVIRONMENT, GROUP_OPTIONS, resolve
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work, failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused, StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._guest.limits import VARIABLES
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import HIDDEN
from ansible_collections.steward.proxmox.plugins.module_utils._planner import POLICY, Planner
from ansible_collections.steward.proxmox.plugins.module_utils._privileges import refuse_missing
from ansible_collections.steward.proxmox.plugins.plugin_utils import _run_state
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run

#: The engine imports it when a task needs it; named here, it is imported once, before each task forks.
IMPORTED_BEFORE_FORK = (_session,)


class Here:
    """Plans and applies in this process."""

    def __init__(self, door: Door, options: dict[str, Any], memory: Memory) -> None:
        self._planner, self._options, self._memory = door.planner, options, memory
        self._check, self._diff = bool(door._task.check_mode), bool(door._task.diff)
        self._work: Work | None = None

    def preview(self) -> dict[str, Any]:
        try:
            self._work = Work(self._planner, self._options, self._memory, self._check)
            if not self._work.plan.steps:
                self._work.settle()
        except StewardError as error:
            return failure(error, self._work)
        if self._check:
            self._memory.remember(self._work.plan, {}, check=True)
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

    def __init__(self, door: Door, policy: Any, task_vars: Mapping[str, Any], memory: Memory) -> None:
        self._door, self._policy, self._task_vars, self._memory = door, policy, task_vars, memory

    def preview(self) -> dict[str, Any]:
        return self._run({"plan_only": True})

    def carry_out(self, digest: str) -> dict[str, Any]:
        return self._run({"digest": digest})

    def _run(self, order: dict[str, Any]) -> dict[str, Any]:
        orders = {**order, "policy": self._policy, "memory": self._memory.export()}
        arguments = {**self._door._task.args, "front_door": orders}
        result = self._door._execute_module(module_args=arguments, task_vars=self._task_vars)
        for entry in result.pop("front_door", None) or []:
            self._memory.add(entry)
        result.pop("invocation", None)  # it holds the run's memory
        return result


class Door(ActionBase):
    """The action plugin of every module that has a Planner."""

    planner: ClassVar[Planner]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if self._task.async_val:
            raise AnsibleActionFail(
                f"{self.planner.name} does not run with async: its result would escape the ledger. Set wait: false and"
                " follow the task with task_info"
            )
        super().run(tmp, task_vars)
        options = self._options()
        memory = _run_state.load_memory()
        way = (
            Here(self, options, memory)
            if self._is_local()
            else OnTarget(self, options[POLICY], task_vars or {}, memory)
        )
        try:
            result = self._through(way, options, task_vars or {})
        finally:
            _run_state.store_memory(memory)
        return remove_values(result, _secrets(self.planner.argument_spec(), options))

    # -- the order of things -------------------------------------------------------------------------------------

    def _through(self, way: Here | OnTarget, options: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        preview = way.preview()
        if preview.get("failed"):
            if preview.get("refused"):
                self._record("refused", options, task_vars, preview.get("plan") or {}, reasons=[preview["msg"]])
            return preview
        plan = preview.get("plan")
        if plan is None or not plan["steps"]:
            return preview
        try:
            refuse_missing(plan["privileges"], resolve(options).identity if self.planner.where == "api" else "root")
        except Refused as error:
            self._keep(plan, options, task_vars)
            self._record("refused", options, task_vars, plan, reasons=[str(error)])
            if not self._task.check_mode:
                return {**failure(error), "plan": plan}
            return {**preview, "warnings": [*preview.get("warnings", []), f"the real run would be refused: {error}"]}
        if self._task.check_mode:
            self._keep(plan, options, task_vars)
            self._record("plan", options, task_vars, plan)
            return preview
        return self._recorded(way, options, task_vars, plan)

    def _recorded(
        self, way: Here | OnTarget, options: dict[str, Any], task_vars: Mapping[str, Any], plan: dict[str, Any]
    ) -> dict[str, Any]:
        """Intent first, durable; then the change; then what came of it, whatever happens in between."""
        ledger = self._ledger()
        op_id = self._intend(ledger, options, task_vars, plan) if ledger else ""
        result: dict[str, Any] = {}
        try:
            result = way.carry_out(plan["digest"])
        finally:
            went = result.get("plan") or plan
            if ledger:
                ledger.outcome(op_id, **self._outcome(result, went, options))
            self._keep(went, options, task_vars)
        return result

    def _ledger(self) -> ledger_run.RunLedger | None:
        ledger = ledger_run.current()
        if ledger is None and ledger_run.required():
            raise AnsibleActionFail(
                "A ledger is required and none is open, so nothing was changed: enable the callback"
                " steward.proxmox.ledger (callbacks_enabled)"
            )
        return ledger

    def _intend(
        self,
        ledger: ledger_run.RunLedger,
        options: dict[str, Any],
        task_vars: Mapping[str, Any],
        plan: dict[str, Any],
    ) -> str:
        try:
            return ledger.intent(**self._frame(options, task_vars, plan))
        except ledger_run.LedgerError as error:
            raise AnsibleActionFail(f"The intent could not be recorded, so nothing was changed: {error}") from error

    def _outcome(self, result: Mapping[str, Any], went: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        # without its plan the engine did not come to its end: killed, cut off, crashed
        unknown = "plan" not in result or any(step.get("status") in ("unknown", "sent") for step in went["steps"])
        steps = [
            {key: step[key] for key in ("op", "target", "status", "upid", "error") if key in step}
            for step in went["steps"]
        ]
        told = {
            "status": "unknown" if unknown else "failed" if result.get("failed") else "ok",
            "changed": bool(result.get("changed")),
            "upids": [step["upid"] for step in steps if "upid" in step],
            "error": result.get("msg") if result.get("failed") else None,
            "steps": steps,
        }
        return remove_values(told, _secrets(self.planner.argument_spec(), options))

    # -- what is kept ----------------------------------------------------------------------------------------------

    def _keep(self, plan: dict[str, Any], options: dict[str, Any], task_vars: Mapping[str, Any]) -> None:
        _run_state.add_plan({**self._frame(options, task_vars, plan), "no_log": bool(self._task.no_log)})

    def _record(
        self, kind: str, options: dict[str, Any], task_vars: Mapping[str, Any], plan: dict[str, Any], **more: Any
    ) -> None:
        ledger = ledger_run.current()
        if ledger is not None:
            more = remove_values(more, _secrets(self.planner.argument_spec(), options))
            try:
                getattr(ledger, kind)(**self._frame(options, task_vars, plan), **more)
            except ledger_run.LedgerError as error:
                raise AnsibleActionFail(
                    f"The {kind} could not be recorded, and nothing was changed: {error}"
                ) from error

    def _frame(self, options: dict[str, Any], task_vars: Mapping[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
        task = self._task
        return {
            "host": str(task_vars.get("inventory_hostname", "")),
            "task": {
                "uuid": str(task._uuid),
                "name": task.get_name(),
                "action": f"steward.proxmox.{self.planner.name}",
                "path": task.get_path() or "",
            },
            "check_mode": bool(task.check_mode),
            "plan": self._clean(plan, options),
        }

    def _clean(self, plan: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """The plan without secrets; of a no_log task without any value that it was given."""
        plan = remove_values(plan, _secrets(self.planner.argument_spec(), options))
        if self._task.no_log and plan:
            steps = [{**step, "data": dict.fromkeys(step["data"], HIDDEN)} for step in plan["steps"]]
            plan = {
                **{key: value for key, value in plan.items() if key not in ("before", "after", "undo")},
                "steps": steps,
            }
        return plan

    # -- where and with what -------------------------------------------------------------------------------------

    def _is_local(self) -> bool:
        return self._connection.transport == "local" and not self._play_context.become

    def _options(self) -> dict[str, Any]:
        """The validated options, the connection resolved: task, module_defaults, `environment:`, process."""
        if "front_door" in self._task.args:
            raise AnsibleActionFail("front_door is set by the collection itself; a task cannot set it")
        spec = self.planner.argument_spec()
        # defaults of the action group reach every module, also those that have no use for some of them
        self._task.args = {
            name: value
            for name, value in self._task.args.items()
            if name in spec or name not in {*GROUP_OPTIONS, "limits"}
        }
        own = self._task_environment()
        environment = {**os.environ, **own}
        if self.planner.where == "api":
            given = {name: environment[variable] for name, variable in ENVIRONMENT.items() if environment.get(variable)}
            mentioned = {name: value for name, value in self._task.args.items() if value is not None}
            self._task.args = {**_without_rival(given, mentioned), **mentioned}
        _result, options = self.validate_argument_spec(spec, **self.planner.rules)
        options.pop("front_door", None)
        # each for itself: a play may tighten what the process says, and not replace it
        limiting = [{name: given[name] for name in VARIABLES if given.get(name)} for given in (os.environ, own)]
        options[POLICY] = {"environments": limiting, "defaults": self._defaults()}
        return options

    def _defaults(self) -> list[dict[str, Any]]:
        """What module_defaults says about limits, also where the task says otherwise: the strictest wins."""
        mine = (f"steward.proxmox.{self.planner.name}", "group/steward.proxmox.")
        entries = (
            values
            for level in self._task.module_defaults or []
            for name, values in level.items()
            if name == mine[0] or name.startswith(mine[1])
        )
        templated = (self._templar.template(values) or {} for values in entries)
        return [dict(values["limits"]) for values in templated if values.get("limits")]

    def _task_environment(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for part in self._task.environment or []:
            merged.update(self._templar.template(part) or {})
        return merged


def _without_rival(given: dict[str, str], mentioned: Mapping[str, Any]) -> dict[str, str]:
    """A credential of the task outranks a whole credential of the environment, not only the option of its name."""
    own = {"api_user", "api_password", "api_token_id", "api_token_secret"}
    if own & mentioned.keys() and ({"api_password", "api_token_secret"} & mentioned.keys()):
        return {name: value for name, value in given.items() if name not in own}
    return given


def _secrets(spec: Mapping[str, Any], options: Mapping[str, Any]) -> set[str]:
    """The values that the spec marks no_log; ansible-core does not mask the result of an action plugin."""
    found: set[str] = set()
    for name, row in spec.items():
        value = options.get(name)
        if value is None:
            continue
        if row.get("no_log"):
            found.update(str(item) for item in (value if isinstance(value, list) else [value]) if str(item))
        if row.get("options"):
            for element in value if isinstance(value, list) else [value]:
                found |= _secrets(row["options"], element)
    return found
