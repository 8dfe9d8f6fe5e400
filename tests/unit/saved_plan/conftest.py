# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan files as the plan callback writes them, and the runs that carry them out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan, Step, compute_digest
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.approvals import Approvals
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.saved import SavedPlan
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import origin
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.report import Report

THIS_RUN = {"token": "0123456789abcdef", "ledger": ""}
EIGHT_HOURS = 8 * 3600


def change(
    vmid: int = 200,
    cores: int = 3,
    *,
    host: str = "one",
    task: str = "Change",
    had: int = 2,
    check: bool = True,
    op: str = "update",
    bound: Mapping[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The record of a task that gives a container cores, as the front door keeps it."""
    target = f"lxc/{vmid}"
    step = Step(op, target, "PUT", f"/nodes/pve1/{target}/config", {"cores": cores}, why="cores differ")
    plan = Plan(summary=f"{op} {target} on pve1", steps=[step], objects={target: {"cores": had, "node": "pve1"}})
    plan.before, plan.after = {"cores": had}, {"cores": cores}
    plan.digest = compute_digest(plan, bound or {}, {})
    return {
        "host": host,
        "task": {"uuid": task, "name": task, "action": "steward.proxmox.lxc", "path": "/play.yml:1"},
        "check_mode": check,
        "no_log": False,
        "endpoint": ["pve1.example.com"],
        "plan": plan.public(),
        "binding": plan.binding,
        **more,
    }


def real(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same in a run that is no preview."""
    return {**record, "check_mode": False}


@dataclass
class Folder:
    """A plan file, and where its use is kept."""

    path: Path
    monkeypatch: pytest.MonkeyPatch

    def write(self, *records: Mapping[str, Any], failed: Iterable[str] = (), **changed: Any) -> dict[str, Any]:
        """Make the file as the callback of a --check run does; then lay `changed` over it."""
        self.command_line(check=True)
        report = Report.of(records, failed)
        document = {**report.public(origin.origin({"source": "os", "user": "alice"}, "", EIGHT_HOURS)), **changed}
        self.put(document)
        self.command_line()
        return document

    def put(self, document: Mapping[str, Any]) -> None:
        self.path.write_text(json.dumps(document, indent=2))
        self.path.chmod(0o600)

    def command_line(self, **options: Any) -> None:
        """What the current run was asked for."""
        given = {"args": ("/somewhere/site.yml",), "subset": None, "tags": ("all",), "skip_tags": (), "check": False}
        self.monkeypatch.setattr(origin.context, "CLIARGS", {**given, **options})

    def load(self, **policy: Any) -> SavedPlan:
        return SavedPlan.load(self.path, Policy.of(policy, lambda key: f"{key} of the policy"))

    def allow(self, record: Mapping[str, Any], run: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self.load().allow(record, run or THIS_RUN, self.uses)

    @property
    def uses(self) -> Approvals:
        return Approvals(self.path.parent / "approvals", EIGHT_HOURS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    made = Folder(tmp_path / "plan.json", monkeypatch)
    made.command_line()
    return made
