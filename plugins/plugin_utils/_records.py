# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a task's plan, without its secrets: for the ledger, for the gate, for the plan callback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.steward.proxmox.plugins.module_utils._connection import GROUP_OPTIONS, resolve
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import HIDDEN
from ansible_collections.steward.proxmox.plugins.module_utils._planner import RECORDED, Planner
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import fingerprint
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run

#: only for the gate and the saved plan
_NOT_FOR_THE_LEDGER = ("binding", "no_log")
#: what a step of an outcome says
_WENT = ("op", "target", "status", "upid", "error")
#: a value of `secrets` that is shorter is none, and would be masked in ids, paths and digests, too
_SHORTEST = 4

Record = dict[str, Any]


class Records:
    """The records of one task on one host."""

    def __init__(self, planner: Planner, task: Any, options: Mapping[str, Any], host: str) -> None:
        self._planner, self._task, self._options, self._host = planner, task, options, host
        self._secrets = list(secrets(planner.argument_spec(), options))

    def of(self, plan: dict[str, Any], binding: dict[str, Any]) -> Record:
        """A plan with the task that it is of."""
        task, hidden = self._task, bool(self._task.no_log)
        recorded = self._options.get(RECORDED)
        return {
            "host": self._host,
            "task": {
                "uuid": str(task._uuid),
                "name": task.get_name(),
                "action": f"steward.proxmox.{self._planner.name}",
                "path": task.get_path() or "",
            },
            "check_mode": bool(task.check_mode),
            "endpoint": self._options["api_host"] if self._planner.where == "api" else [self._host],
            # a task of Proxmox names it, too
            "identity": resolve(self._options).identity if self._planner.where == "api" else "root@pam",
            "plan": self.plan(plan),
            "no_log": hidden,
            "binding": {} if hidden else self.clean(binding),
            **({"undoes": recorded["of"]} if recorded else {}),
        }

    def plan(self, plan: dict[str, Any]) -> dict[str, Any]:
        """The plan without secrets; of a no_log task without any value that it was given."""
        if not plan:
            return plan
        # what the change is bound to holds no secret, but may look like a short one
        plan = {**self.clean(plan), "digest": plan["digest"]}
        if self._task.no_log:
            plan = {key: value for key, value in plan.items() if key not in ("before", "after", "undo")}
            plan["steps"] = [{**step, "data": dict.fromkeys(step["data"], HIDDEN)} for step in plan["steps"]]
        return plan

    def clean(self, value: Any) -> Any:
        return remove_values(value, {secret for _unused, secret in self._secrets if len(secret) >= _SHORTEST})

    def intend(self, ledger: ledger_run.RunLedger, record: Record) -> str:
        """Before the first write. Without it there is none."""
        try:
            return ledger.intent(**_frame(record), **self._fingerprints())
        except ledger_run.LedgerError as error:
            raise AnsibleActionFail(f"The intent could not be recorded, so nothing was changed: {error}") from error

    def _fingerprints(self) -> Record:
        """Of what the task sets; the secrets of the connection only say who asks."""
        told = fingerprint.of((name, value) for name, value in self._secrets if name not in GROUP_OPTIONS)
        return {"fingerprints": told} if told else {}

    def note(self, kind: str, record: Record, **more: Any) -> None:
        """A plan of check mode, or a refusal: nothing was changed."""
        ledger = ledger_run.current()
        if ledger is not None:
            try:
                getattr(ledger, kind)(**_frame(record), **self.clean(more))
            except ledger_run.LedgerError as error:
                raise AnsibleActionFail(
                    f"The {kind} could not be recorded, and nothing was changed: {error}"
                ) from error

    def outcome(self, result: Mapping[str, Any], went: Mapping[str, Any], memory: Memory) -> Record:
        """What came of an intent."""
        # without its plan the engine did not come to its end: killed, cut off, crashed
        unknown = "plan" not in result or any(step.get("status") in ("unknown", "sent") for step in went["steps"])
        told: Record = self.clean(
            {
                "status": "unknown" if unknown else "failed" if result.get("failed") else "ok",
                "changed": bool(result.get("changed")),
                "upids": [step["upid"] for step in went["steps"] if "upid" in step],
                "error": result.get("msg") if result.get("failed") else None,
                "steps": [{key: step[key] for key in _WENT if key in step} for step in went["steps"]],
                "values": went.get("values", {}),
                # for a run that goes on with this one; without it the change did not come to its end
                "remembers": next((entry for entry in memory.entries if "bound" in entry), {}),
            }
        )
        return told


def secrets(spec: Mapping[str, Any], options: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """The values that the spec marks no_log, each with its option (`cloud_init.password`).

    ansible-core does not mask the result of an action plugin.
    """
    for name, row in spec.items():
        value, path = options.get(name), f"{within}{name}"
        if row.get("no_log"):
            yield from _texts(value, path)
        elif row.get("options") and isinstance(value, list):
            for place, element in enumerate(value):
                yield from secrets(row["options"], element, f"{path}[{place}].")
        elif row.get("options") and value is not None:
            yield from secrets(row["options"], value, f"{path}.")


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text and number in a value of any shape."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, f"{path}.{name}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _texts(item, f"{path}[{place}]")
    elif not isinstance(value, bool) and value not in (None, ""):
        yield path, str(value)


def _frame(record: Record) -> Record:
    return {name: value for name, value in record.items() if name not in _NOT_FOR_THE_LEDGER}
