# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the front door: records and "changes" (appends to a file) as a module of the collection would."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run


def wait_for_the_end_of(parent: int) -> None:
    """When ansible-playbook is gone this worker goes, too, and leaves its change in the air."""
    while os.getppid() == parent:
        time.sleep(0.05)
    os._exit(1)


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        name, fault = self._task.args["name"], self._task.args.get("fault", "")
        ledger, parent = run.current(), os.getppid()
        if ledger is None:
            if run.required():
                raise AnsibleActionFail("refused: a ledger is required, and there is none")
            return self._change(name)
        facts = self._facts(task_vars or {}, name)
        if self._task.check_mode:
            ledger.plan(**facts)
            return {"changed": True}
        if fault == "refuse":
            ledger.refused(**facts, reasons=["the test says so"])
            raise AnsibleActionFail("refused")
        if fault == "fill the disk":
            full = Path(ledger.path).stat().st_size + 100
            resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))
        if fault == "lose the id":
            Path(ledger.path).parents[1].joinpath("ledger_id").unlink(missing_ok=True)
        op_id = ledger.intent(**facts)
        if fault == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "kill ansible":
            os.kill(parent, signal.SIGKILL)
            wait_for_the_end_of(parent)
        if fault == "wait":
            Path(os.environ["CHANGES"]).with_name("waiting").touch()
            wait_for_the_end_of(parent)
        result = self._change(name)
        if fault == "lose the outcome":
            Path(ledger.path).rename(ledger.path + ".gone")
        ledger.outcome(op_id, status="ok", changed=True, upids=[])
        return result

    def _facts(self, task_vars: dict[str, Any], name: str) -> dict[str, Any]:
        return {
            "host": task_vars["inventory_hostname"],
            "task": {"uuid": self._task._uuid, "name": self._task.get_name(), "action": self._task.action},
            "check_mode": self._task.check_mode,
            "plan": {"summary": f"change {name}", "steps": [{"op": "create", "target": f"lxc/{name}"}]},
        }

    def _change(self, name: str) -> dict[str, Any]:
        with open(os.environ["CHANGES"], "a") as changes:
            changes.write(f"{name}\n")
        return {"changed": True}
