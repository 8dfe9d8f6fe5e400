# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records every change that this collection makes, in one verifiable file per run."""

from __future__ import annotations

DOCUMENTATION = """
name: ledger
type: aggregate
short_description: Record every change of this collection as evidence that can be verified
version_added: "0.1.0"
author: steward.proxmox contributors (!UNKNOWN)
description:
  - Opens a file for each run of a playbook, in which the modules of this collection record what they intend
    B(before) they change anything, and what came of it.
  - Every record carries a hash over the record before it. At the end of the run the last hash, the head, is printed.
    Whoever keeps the output of the job can prove later that the file is still the one that was written.
  - When recording fails, no further change is made, the run stops before its next task, and its exit status is not 0.
  - Arguments of tasks and variables are never recorded. Plans are recorded with their secrets removed.
options:
  path:
    description: The directory of the ledger. It is created when it is not there.
    type: path
    default: ~/.local/share/steward-proxmox/ledger
    ini:
      - section: steward_ledger
        key: path
    env:
      - name: STEWARD_LEDGER_PATH
  required:
    description:
      - Refuse to change anything without a ledger.
        A ledger that cannot be opened then stops the run before its first task.
      - The modules read this from the environment and from C(ansible.cfg) themselves, so that it holds
        when this callback is left out of C(callbacks_enabled), too.
      - Every value but a clear no (V(0), V(no), V(false), V(off), or nothing) counts as yes.
      - A policy (E(STEWARD_POLICY)) with C(ledger=required) asks for it, too.
    type: bool
    default: false
    ini:
      - section: steward_ledger
        key: required
    env:
      - name: STEWARD_LEDGER_REQUIRED
requirements:
  - enabled by its full name, C(steward.proxmox.ledger), in C(callbacks_enabled)
seealso:
  - module: steward.proxmox.verify_ledger
"""

EXAMPLES = """
ansible.cfg: |
  [defaults]
  callbacks_enabled = steward.proxmox.ledger

  [steward_ledger]
  path = /var/lib/steward/ledger
  required = true
"""

import os
from typing import Any, NoReturn

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import actor, run

EXIT_STATUS = 74  # sysexits.h: input/output error. ansible-playbook itself does not use it


class CallbackModule(CallbackBase):
    """Runs in ansible-playbook's own process, and only in events of its main thread.

    An exception that leaves a callback is only a warning for ansible-core, and in the thread of item results
    it hangs the play. So every exception is caught here, and SystemExit is what stops the run.
    """

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "steward.proxmox.ledger"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        try:
            run.require(self.get_option("required"))
            run.open_run(self.get_option("path"), **_opening(playbook))
        except Exception as error:  # noqa: BLE001 - raised, it would be a warning, and the play would go on unrecorded
            self._cannot_open(error)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._stop_if_broken()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._stop_if_broken()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._stop_if_broken()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        ledger = run.current()
        if ledger is None:
            return
        run.close()
        try:
            closed = ledger.close()
        except Exception as error:  # noqa: BLE001 - raised, it would be a warning, and the run would end with 0
            self._stop(f"the run was not closed: {error}")
        if not closed.problem:
            self._display.display(
                f"steward.proxmox ledger: run {ledger.run_id} head sha256:{closed.head}"
                f" frames {closed.records} file {ledger.path}"
            )
        for change in [*closed.unknown, *closed.pending.values()]:
            self._display.error(
                f"steward.proxmox ledger: outcome unknown: operation {change.op_id} of {change.host}"
                f" on {change.target}: {change.summary}"
            )
        if ledger.broken or closed.pending:
            self._stop(ledger.broken or "changes were made whose outcome nobody recorded")

    def _cannot_open(self, error: Exception) -> None:
        if run.required():
            self._stop(f"{error}. A ledger is required, so nothing was started")
        self._display.warning(f"steward.proxmox ledger: {error}. CHANGES OF THIS RUN ARE NOT RECORDED")

    def _stop_if_broken(self) -> None:
        ledger = run.current()
        if ledger is not None and ledger.broken:
            self._stop(f"{ledger.broken}. The run stops here. What it had changed: verify {ledger.path}")

    def _stop(self, why: str) -> NoReturn:
        self._display.error(f"steward.proxmox ledger: {why}")
        raise SystemExit(EXIT_STATUS)


def _opening(playbook: Any) -> dict[str, Any]:
    plays = playbook.get_plays()
    extra_vars = plays[0].get_variable_manager().extra_vars if plays else {}
    arguments = context.CLIARGS
    file_name = getattr(playbook, "_file_name", None)
    return {
        "actor": actor.actor(extra_vars),
        "playbook": os.path.abspath(file_name) if file_name else None,
        "check_mode": bool(arguments.get("check")),
        "limit": arguments.get("subset"),
        "tags": arguments.get("tags") or [],
        "skip_tags": arguments.get("skip_tags") or [],
        "versions": actor.versions(),
        **actor.machine(),
    }
