# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of a guest before the first command that a run sends into it: the only way back from a command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.steward.proxmox.plugins.module_utils._connection import ENVIRONMENT, GROUP_OPTIONS, resolve
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused, StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._policy import POLICY, Policy
from ansible_collections.steward.proxmox.plugins.module_utils._snapshot import SNAPSHOTS
from ansible_collections.steward.proxmox.plugins.plugin_utils import _run_state
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run

#: begins as the undo points of modules do, so that the same pruning finds it
NAME = f"before_{_run_state.RUN[:8]}"


def take(policy: Policy, why: str, target: str, api: Mapping[str, Any], host: str) -> None:
    """Take it where nobody of this run has: others wait meanwhile. Raises StewardError, and then nothing may run."""
    with _run_state.once(f"undo-point-{target.replace('/', '-')}") as first:
        if first:
            _take(policy, target, why, api, host)


def _take(policy: Policy, target: str, why: str, api: Mapping[str, Any], host: str) -> None:
    try:
        work = Work(SNAPSHOTS, _options(target, why, api, policy), Memory(), check=False)
        work.judge()
        work.allow()
        _carry_out(work, host)
    except StewardError as error:
        raise Refused(f"Nothing was run in {target}: {why}, and it could not be taken: {error}") from error


def _options(target: str, why: str, api: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    given = {name: os.environ[variable] for name, variable in ENVIRONMENT.items() if os.environ.get(variable)}
    said = {name: api[name] for name in GROUP_OPTIONS if api.get(name) is not None}
    vmid, text = int(target.partition("/")[2]), f"Taken by steward.proxmox before commands: {why}"
    own = {"vmid": vmid, "snapshot": NAME, "description": text}
    validated = ArgumentSpecValidator(SNAPSHOTS.argument_spec()).validate({**given, **said, **own})
    if validated.error_messages:
        raise BadInput("; ".join(validated.error_messages))
    return {**validated.validated_parameters, POLICY: policy.export()}


def _carry_out(work: Work, host: str) -> None:
    ledger, plan = ledger_run.current(), work.plan
    if ledger is None or not plan.steps:
        work.carry_out()
        return
    where = {"endpoint": list(resolve(work.options).hosts), "identity": work.identity}
    task = {"uuid": "", "name": "", "action": f"steward.proxmox.{SNAPSHOTS.name}", "path": ""}
    op_id = ledger.intent(host=host, task=task, check_mode=False, no_log=False, plan=plan.public(), **where)
    status = "unknown"
    try:
        work.carry_out()
        status = "ok"
    except StewardError:
        status = "failed" if plan.progress and plan.progress[-1]["status"] == "failed" else "unknown"
        raise
    finally:
        upids = [went["upid"] for went in plan.progress if "upid" in went]
        ledger.outcome(op_id, status=status, changed=status != "failed", upids=upids, steps=plan.public()["steps"])
