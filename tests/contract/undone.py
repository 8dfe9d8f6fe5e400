# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run with a real ledger, as the front door writes it, and its operations taken back from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work, failure, open_writer
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._planner import RECORDED
from ansible_collections.steward.proxmox.plugins.module_utils._undo import UNDO
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.read import Recorded, read
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.run import RunLedger

from tests.contract.harness import Site, planner_of, validated

NO_OUTCOME = "none"


class Book:
    """Tasks that are recorded, and the undoing of them, which is recorded too."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder
        self.ledger = RunLedger.begin(FileStore(folder))
        self.memory = Memory()

    def do(self, module: str, options: Mapping[str, Any], identity: str = "admin", outcome: str = "") -> dict[str, Any]:
        """A task that must not fail. `outcome`: "none" = the run was killed before it was recorded."""
        planner = planner_of(module)
        assert planner is not None
        around = {"pct": str(self.site.lab.pct)} if planner.where == "host" else self.site.connection(identity)
        known = planner.argument_spec()
        given = validated(planner, {name: value for name, value in around.items() if name in known} | dict(options))
        work = Work(planner, given, self.memory, False, open_writer(planner, given))
        result = self._through(work, f"steward.proxmox.{module}", given, {}, outcome)
        assert not result.get("failed"), result["msg"]
        return result

    def recorded(self, run: str = "") -> Recorded:
        return read(verify.source(self.folder), run or self.ledger.run_id)

    def undo(
        self, op: str = "", step: int | None = None, *, check: bool = False, identity: str = "admin", **more: Any
    ) -> dict[str, Any]:
        """One step, in a run of its own."""
        recorded = self.recorded()
        given = validated(
            UNDO,
            {"run": recorded.run, "op": op or recorded.operations[-1].op, **self.site.connection(identity), **more},
        )
        work = None
        try:
            story = recorded.step(given["op"], step)
            options = {**given, RECORDED: story}
            work = Work(UNDO, options, Memory(), check, open_writer(UNDO, options))
            if check:
                return work.result(diff=True)
        except StewardError as error:
            return failure(error, work)
        later = Book(self.site, self.folder)
        return later._through(work, "steward.proxmox.undo", options, {"undoes": story["of"]})

    def undo_all(self, **more: Any) -> list[dict[str, Any]]:
        """Everything that can be, the last first."""
        rows = [row for row in self.recorded().rows() if row["possible"]]
        return [self.undo(row["op"], row["step"], **more) for row in rows]

    def _through(
        self, work: Work, action: str, options: Mapping[str, Any], more: Mapping[str, Any], outcome: str = ""
    ) -> dict[str, Any]:
        if not work.plan.steps:
            return work.result(diff=True)
        endpoint = options.get("api_host") or ["node"]
        intent = self.ledger.intent(plan=work.plan.public(), endpoint=endpoint, task={"action": action}, **more)
        try:
            work.allow(work.plan.digest)
            work.carry_out()
            result = work.result(diff=True)
        except StewardError as error:
            result = failure(error, work)
        if outcome != NO_OUTCOME:
            self.ledger.outcome(
                intent,
                status="failed" if result.get("failed") else "ok",
                steps=work.plan.progress,
                values=result["plan"].get("values", {}),
            )
        return result


def ops(results: Iterable[Mapping[str, Any]]) -> list[str]:
    return [step["op"] for result in results for step in result["plan"]["steps"]]
