# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what a run with --check would change, on the terminal and as files."""

from __future__ import annotations

DOCUMENTATION = """
name: plan
type: aggregate
short_description: Show what a run with --check would change
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - At the end of a run with C(--check), shows every plan of the modules of this collection, what it touches, its risk,
    the privileges that are missing, and the totals.
  - A real run stays silent; the files are written, with the status of every step, when they are asked for.
  - Tasks with C(no_log) are shown without their values.
  - A file that cannot be written stops the run before its first task. When it fails later, the exit status is 74.
  - The JSON file of a run with C(--check) is a saved plan. A real run to which C(STEWARD_PLAN) gives one makes the
    changes in it and no other. It does not start where the file is not right, and is told at its end what was not done.
  - When O(json) or O(markdown) is used together with P(steward.proxmox.ledger#callback), name the ledger first in
    C(callbacks_enabled), so that it is closed before this callback can end the run.
options:
  json:
    description: File that gets the plans as JSON. It is replaced as a whole, and only its owner can read it.
    type: path
    ini:
      - section: steward_plan
        key: json
    env:
      - name: STEWARD_PLAN_JSON
  markdown:
    description: File that gets the plans as Markdown, for a comment on a merge request.
    type: path
    ini:
      - section: steward_plan
        key: markdown
    env:
      - name: STEWARD_PLAN_MARKDOWN
requirements:
  - enabled by its full name, C(steward.proxmox.plan), in C(callbacks_enabled)
"""

EXAMPLES = """
ansible.cfg: |
  [defaults]
  callbacks_enabled = steward.proxmox.ledger, steward.proxmox.plan

  [steward_plan]
  json = plan.json
  markdown = plan.md
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy

# imported here, before the first fork: it fixes the name of the directory that the workers of this run share
from ansible_collections.steward.proxmox.plugins.plugin_utils import _run_state
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import resuming, settings
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.approvals import Approvals
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.saved import SavedPlan
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import actor, artifacts
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import files, markdown, origin, terminal
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.report import Report
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.words import counted, listed

EXIT_STATUS = 74  # sysexits.h: input/output error. ansible-playbook itself does not use it

COLOURS = {
    "title": "COLOR_HIGHLIGHT",
    "create": "COLOR_DIFF_ADD",
    "change": "COLOR_CHANGED",
    "destroy": "COLOR_DIFF_REMOVE",
    "other": "COLOR_DIFF_LINES",
    "warning": "COLOR_WARN",
    "alarm": "COLOR_ERROR",
    "total": "COLOR_HIGHLIGHT",
}


class CallbackModule(CallbackBase):
    """Reads what the front door kept of each plan. An exception that leaves a callback is only a warning for
    ansible-core, so every one is caught here, and SystemExit is what makes the run fail."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "steward.proxmox.plan"
    CALLBACK_NEEDS_ENABLED = True

    #: who runs this, and what the ledger calls it
    _who: Mapping[str, Any] = MappingProxyType({"actor": {}, "ledger_run": ""})
    #: the plan that this run carries out
    _saved: SavedPlan | None = None

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        super().set_options(*args, **kwargs)
        try:
            for path in self._files():
                files.check(path)
            artifacts.plan_is(self.get_option("json"))
            plan_file = settings.plan_file()
            if plan_file and not origin.is_check():
                # here, before the first fork, so that every task finds it read
                self._saved = self._load(plan_file)
        except OSError as error:
            self._stop(f"{error}. Nothing was started")
        except StewardError as error:
            self._stop(f"{error.message}. Nothing was started. {error.hint}".rstrip())

    def v2_playbook_on_play_start(self, play: Any) -> None:
        # not at the end: the ledger is closed by then
        ledger = ledger_run.current()
        extra_vars = play.get_variable_manager().extra_vars
        self._who = {"actor": actor.actor(extra_vars), "ledger_run": ledger.run_id if ledger else ""}

    def v2_playbook_on_stats(self, stats: Any) -> None:
        try:
            report = self._report(stats)
            if report.check_mode:
                self._show(report)
            self._write(report, self._left(stats))
        except Exception as error:  # noqa: BLE001 - raised, it would be a warning, and the run would end with 0
            what = f"the plans could not be shown or written: {type(error).__name__}: {error}"
            if self._files():
                self._stop(what)
            self._display.error(f"steward.proxmox plan: {what}")

    def _report(self, stats: Any) -> Report:
        records = _run_state.plans()
        check_mode = origin.is_check() or any(record["check_mode"] for record in records)
        return Report.of(records, {*stats.failures, *stats.dark}, check_mode)

    def _show(self, report: Report) -> None:
        self._display.banner("STEWARD PLAN")
        for line in terminal.render(report, self._display.columns):
            colour = COLOURS.get(line.part)
            self._display.display(line.text, color=getattr(constants, colour) if colour else None)

    def _left(self, stats: Any) -> dict[str, Any]:
        """What of the saved plan nobody has carried out on the hosts of this run."""
        if self._saved is None:
            return {}
        approvals = Approvals(settings.approvals_directory(), self._saved.policy.valid_for)
        left = self._saved.left(resuming.store(approvals), stats.processed)
        if left:
            named = listed([f"{entry['host']} / {entry['task']}: {entry['summary']}" for entry in left])
            self._display.warning(f"steward.proxmox plan: {counted(len(left), 'planned change')} not made: {named}")
        return {"applies": self._saved.file.id, "not_applied": left}

    def _write(self, report: Report, left: Mapping[str, Any]) -> None:
        if self.get_option("json"):
            head = origin.origin(**self._who, valid_for=_policy().valid_for)
            files.write(self.get_option("json"), json.dumps(report.public({**head, **left}), indent=2) + "\n")
        if self.get_option("markdown"):
            files.write(self.get_option("markdown"), markdown.render(report))

    def _load(self, path: Path) -> SavedPlan:
        if path.resolve() in [Path(written).resolve() for written in self._files()]:
            raise BadInput(f"{path} is the plan to carry out, and would be replaced by the report of this run")
        saved = SavedPlan.load(path, _policy())
        saved.check()
        return saved

    def _files(self) -> list[str]:
        return [path for path in (self.get_option("json"), self.get_option("markdown")) if path]

    def _stop(self, why: str) -> NoReturn:
        self._display.error(f"steward.proxmox plan: {why}")
        raise SystemExit(EXIT_STATUS)


def _policy() -> Policy:
    """What holds for the whole run; a task may have it stricter."""
    return settings.policy_of({}, [])
