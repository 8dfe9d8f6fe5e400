# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door on the controller: plan, then policy, then leave to do it, then the durable intent, then apply.

A local task is planned and applied in this process, with the engine that the module uses too. A task for a remote
target (or with become) runs the module twice: for the plan, then for real, bound to the digest of that plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.steward.proxmox.plugins.module_utils._connection import ENVIRONMENT, GROUP_OPTIONS, resolve
from ansible_collections.steward.proxmox.plugins.module_utils._engine import failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused, StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._planner import Planner
from ansible_collections.steward.proxmox.plugins.module_utils._policy import POLICY, Policy, gate_spec
from ansible_collections.steward.proxmox.plugins.plugin_utils import _run_state
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import resuming, settings
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.gate import Gate
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import actor, artifacts
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run
from ansible_collections.steward.proxmox.plugins.plugin_utils._records import Record, Records
from ansible_collections.steward.proxmox.plugins.plugin_utils._ways import Here, OnTarget

#: what module_defaults of the action group may say for all modules, also for those that have no use for it
FOR_THE_GROUP = frozenset({*GROUP_OPTIONS, *gate_spec(), "limits", "snapshot_before"})


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
        try:
            options = self._options()
            memory = _run_state.load_memory(resuming.remembered())
        except StewardError as error:
            return failure(error)
        records = Records(self.planner, self._task, options, str((task_vars or {}).get("inventory_hostname", "")))
        way = Here(self, options, memory) if self._is_local() else OnTarget(self, options, task_vars or {}, memory)
        try:
            result = self._through(way, options, records)
        except _run_state.NotKept as error:  # before anything was changed
            return failure(error)
        finally:
            lost = _lost(lambda: _run_state.store_memory(memory))
        # a secret that is told once: Ansible shows nothing of such a result
        hidden = {"_ansible_no_log": True} if result.get(self.planner.tells) and not self._task.check_mode else {}
        return {**records.clean(_warned(result, lost)), **hidden, **artifacts.of_run()}

    # -- the order of things -------------------------------------------------------------------------------------

    def _through(self, way: Here | OnTarget, options: dict[str, Any], records: Records) -> dict[str, Any]:
        preview = way.preview()
        plan = preview.get("plan") or {}
        refused = bool(preview.get("failed") and preview.get("refused"))
        if not refused and (preview.get("failed") or not plan.get("steps")):
            return preview
        record = records.of(plan, way.binding)
        if refused:
            why = str(records.clean(preview["msg"]))
            records.note("refused", record, reasons=[why])
            if plan.get("steps"):
                _run_state.add_plan({**record, "refused": why})
            return preview
        ledger = None if self._task.check_mode else self._ledger(options)
        try:
            permit = self._gate(options).admit(record)
        except Refused as error:
            why = str(records.clean(str(error)))
            _run_state.add_plan({**record, "refused": why})
            records.note("refused", record, reasons=[why])
            if not self._task.check_mode:
                return {**failure(error), "plan": plan}
            told = f"the real run would be refused: {why}"
            return _warned({**preview, **error.facts}, told)
        if self._task.check_mode:
            _run_state.add_plan(record)
            records.note("plan", record)
            return preview
        return _recorded(way, ledger, records, {**record, "permit": permit})

    def _gate(self, options: Mapping[str, Any]) -> Gate:
        identity = resolve(options).identity if self.planner.where == "api" else "root"
        return Gate(Policy.of_task(options), actor.of_task(self._task), identity, options.get("approve") or [])

    def _ledger(self, options: Mapping[str, Any]) -> ledger_run.RunLedger | None:
        """The open ledger. Raises where one is required and none is open, before anything is used up."""
        ledger = ledger_run.current()
        if ledger is None and (ledger_run.required() or Policy.of_task(options).ledger_required):
            raise AnsibleActionFail(
                "A ledger is required and none is open, so nothing was changed: enable the callback"
                " steward.proxmox.ledger (callbacks_enabled)"
            )
        return ledger

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
            name: value for name, value in self._task.args.items() if name in spec or name not in FOR_THE_GROUP
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
        options[POLICY] = settings.policy_of(own, self._defaults()).export()
        return options

    def _defaults(self) -> list[dict[str, Any]]:
        """What module_defaults says, also where the task says otherwise: of a policy the strictest holds."""
        mine = (f"steward.proxmox.{self.planner.name}", "group/steward.proxmox.")
        entries = (
            values
            for level in self._task.module_defaults or []
            for name, values in level.items()
            if name == mine[0] or name.startswith(mine[1])
        )
        return [dict(self._templar.template(values) or {}) for values in entries]

    def _task_environment(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for part in self._task.environment or []:
            merged.update(self._templar.template(part) or {})
        return merged


def _recorded(
    way: Here | OnTarget, ledger: ledger_run.RunLedger | None, records: Records, record: Record
) -> dict[str, Any]:
    """Intent first, durable; then the change; then what came of it, whatever happens in between."""
    op_id = records.intend(ledger, record) if ledger else ""
    result: dict[str, Any] = {}
    try:
        result = way.carry_out(record["plan"]["digest"])
    finally:
        went = result.get("plan") or record["plan"]
        if ledger:
            ledger.outcome(op_id, **records.outcome(result, went, way.memory))
        lost = _lost(lambda: _run_state.add_plan({**record, "plan": records.plan(went)}))
    return _warned(result, lost)


def _lost(keep: Callable[[], None]) -> str:
    """Why something could not be kept. After a change that is a warning: the change was made all the same."""
    try:
        keep()
    except _run_state.NotKept as error:
        return str(error)
    return ""


def _warned(result: dict[str, Any], why: str) -> dict[str, Any]:
    return {**result, "warnings": [*result.get("warnings", []), why]} if why else result


def _without_rival(given: dict[str, str], mentioned: Mapping[str, Any]) -> dict[str, str]:
    """A credential of the task outranks a whole credential of the environment, not only the option of its name."""
    own = {"api_user", "api_password", "api_token_id", "api_token_secret"}
    if own & mentioned.keys() and ({"api_password", "api_token_secret"} & mentioned.keys()):
        return {name: value for name, value in given.items() if name not in own}
    return given
