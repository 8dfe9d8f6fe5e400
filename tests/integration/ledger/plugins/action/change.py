# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the front door: records and "changes" (appends to a file) as a module of the collection would."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.run import RunLedger, current, required


def fill_the_disk(ledger: Path) -> None:
    full = ledger.stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))


def lose_the_id(ledger: Path) -> None:
    ledger.parents[1].joinpath("ledger_id").unlink(missing_ok=True)


def move_away(ledger: Path) -> None:
    ledger.rename(ledger.with_suffix(".gone"))


def die(_unused: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_ansible(_unused: Path) -> None:
    parent = os.getppid()
    os.kill(parent, signal.SIGKILL)
    wait_for_the_end_of(parent)


def wait(_unused: Path) -> None:
    Path(os.environ["CHANGES"]).with_name("waiting").touch()
    wait_for_the_end_of(os.getppid())


def wait_for_the_end_of(parent: int) -> None:
    """When ansible-playbook is gone this worker goes, too, and leaves its change in the air."""
    while os.getppid() == parent:
        time.sleep(0.05)
    os._exit(1)


Faults = dict[str, Callable[[Path], None]]
BEFORE: Faults = {"fill the disk": fill_the_disk, "lose the id": lose_the_id}
INTENDED: Faults = {"die": die, "kill ansible": kill_ansible, "wait": wait}
CHANGED: Faults = {"lose the outcome": move_away}


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        name = self._task.args["name"]
        ledger = current()
        if ledger is None:
            if required():
                raise AnsibleActionFail("refused: a ledger is required, and there is none")
            return self._change(name)
        facts = self._facts(task_vars or {}, name)
        if self._task.check_mode:
            ledger.plan(**facts)
            return {"changed": True}
        if self._task.args["fault"] == "refuse":
            ledger.refused(**facts, reasons=["the test says so"])
            raise AnsibleActionFail("refused")
        return self._recorded(ledger, name, facts)

    def _recorded(self, ledger: RunLedger, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        self._fail_if_told(BEFORE, ledger)
        op_id = ledger.intent(**facts)
        self._fail_if_told(INTENDED, ledger)
        result = self._change(name)
        self._fail_if_told(CHANGED, ledger)
        ledger.outcome(op_id, status="ok", changed=True, upids=[])
        return result

    def _fail_if_told(self, faults: Faults, ledger: RunLedger) -> None:
        fault = self._task.args["fault"]
        if fault in faults:
            faults[fault](Path(ledger.where))

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
