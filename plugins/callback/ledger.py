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
  - Opens a chain of records for each run of a playbook, in which the modules of this collection record what they intend
    B(before) they change anything, and what came of it.
  - Every record carries a hash over the record before it. The beginning and the end of each run, and its state every
    O(checkpoint_every) operations, are entered into a log of the whole ledger, a Merkle tree. The state of that tree,
    a checkpoint, is printed each time, signed with O(key) where there is one.
    Whoever keeps the output of a job can prove later that nothing of the ledger was edited or removed since.
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
  dsn:
    description:
      - The PostgreSQL database of the ledger, such as V(postgresql://steward@db.example.com/steward).
        Then O(path) is not used.
      - Keep the password out of it; libpq finds one in C(PGPASSFILE) or C(PGPASSWORD).
    type: str
    ini:
      - section: steward_ledger
        key: dsn
    env:
      - name: STEWARD_LEDGER_DSN
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
  key:
    description:
      - The private key that signs checkpoints, as M(steward.proxmox.ledger_key) makes it.
      - Without it checkpoints are printed unsigned.
        M(steward.proxmox.ledger_checkpoint) signs them elsewhere, where who runs playbooks has no access to the key.
    type: path
    ini:
      - section: steward_ledger
        key: key
    env:
      - name: STEWARD_LEDGER_KEY
  checkpoint_every:
    description: After how many operations of a run a checkpoint is made, beside those at its beginning and its end.
    type: int
    default: 50
    ini:
      - section: steward_ledger
        key: checkpoint_every
    env:
      - name: STEWARD_LEDGER_CHECKPOINT_EVERY
  sinks:
    description:
      - Where else checkpoints are sent.
      - V(file:/mnt/witness/steward) appends to a file.
        The ledger is not opened when it no longer holds what this file has seen of it.
      - V(syslog:) sends to the syslog of this machine, V(syslog:HOST:PORT) to that one by UDP,
        V(syslog+tcp:HOST:PORT) by TCP.
    type: list
    elements: str
    default: []
    ini:
      - section: steward_ledger
        key: sinks
    env:
      - name: STEWARD_LEDGER_SINKS
  sinks_required:
    description: Whether a checkpoint that a sink does not take is a failure to record. By default it is a warning.
    type: bool
    default: false
    ini:
      - section: steward_ledger
        key: sinks_required
    env:
      - name: STEWARD_LEDGER_SINKS_REQUIRED
  segment_size:
    description: From which size on, in bytes, a file is continued in another one. Not for a database.
    type: int
    default: 67108864
    ini:
      - section: steward_ledger
        key: segment_size
    env:
      - name: STEWARD_LEDGER_SEGMENT_SIZE
  emergency_path:
    description:
      - A directory of its own, for runs that have to be made while the ledger cannot be written.
      - It is used only where E(STEWARD_LEDGER_EMERGENCY) says why.
        The first run that can write the ledger again takes the runs from there into it.
    type: path
    ini:
      - section: steward_ledger
        key: emergency_path
    env:
      - name: STEWARD_LEDGER_EMERGENCY_PATH
  fingerprint_key:
    description:
      - A file with 64 hexadecimal digits, readable by its owner only. With it, an intent holds a keyed fingerprint
        (HMAC-SHA256) of each secret that the task sets, so that whoever has this file can tell later which one it was.
      - Keep it outside of the ledger. Without it nothing of a secret is recorded.
    type: path
    ini:
      - section: steward_ledger
        key: fingerprint_key
    env:
      - name: STEWARD_LEDGER_FINGERPRINT_KEY
  artifacts:
    description:
      - Whether results carry C(ansible_stats) with the run, its ledger and its newest checkpoint, which AWX and
        ansible-runner keep as artifacts of the job.
      - By default where the run was started by one of them.
    type: bool
    ini:
      - section: steward_ledger
        key: artifacts
    env:
      - name: STEWARD_LEDGER_ARTIFACTS
requirements:
  - enabled by its full name, C(steward.proxmox.ledger), in C(callbacks_enabled)
  - psycopg >= 3.1, for a ledger in PostgreSQL
seealso:
  - module: steward.proxmox.verify_ledger
  - module: steward.proxmox.ledger_info
  - module: steward.proxmox.ledger_key
  - module: steward.proxmox.reconcile
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
from contextlib import suppress
from typing import Any, NoReturn

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import (
    actor,
    artifacts,
    fingerprint,
    revision,
    run,
)

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
            artifacts.ask(self.get_option("artifacts"))
            fingerprint.use(self.get_option("fingerprint_key"), self.get_option("path"))
            run.open_run(self.get_options(), **_opening(playbook))
            self._tell()
        except Exception as error:  # noqa: BLE001 - raised, it would be a warning, and the play would go on unrecorded
            self._cannot_open(error)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._stop_if_broken()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._stop_if_broken()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._stop_if_broken()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._publish()

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._publish()

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._publish()

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._publish()

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
            self._tell(ledger)
            self._display.display(
                f"steward.proxmox ledger: run {ledger.run_id} head sha256:{closed.head}"
                f" frames {closed.records} in {ledger.where}"
            )
        for change in [*closed.unknown, *closed.pending.values()]:
            self._display.error(
                f"steward.proxmox ledger: outcome unknown: operation {change.op_id} of {change.host}"
                f" on {change.target}: {change.summary}"
            )
        if ledger.broken or closed.pending:
            self._stop(ledger.broken or "changes were made whose outcome nobody recorded")

    def _publish(self) -> None:
        """In the thread of results nothing may be raised: a failure is known to all processes of the run, and the next
        event of the main thread stops it."""
        ledger = run.current()
        with suppress(Exception):
            if ledger is not None and ledger.checkpoint_if_due():
                self._tell(ledger)

    def _tell(self, ledger: run.RunLedger | None = None) -> None:
        """Print the newest checkpoint, as whoever reads the job's output can verify it, and what is to be told."""
        ledger = ledger or run.current()
        if ledger is None:
            return
        while ledger.warnings:
            self._display.warning(f"steward.proxmox ledger: {ledger.warnings.pop(0)}")
        self._display.display(f"steward.proxmox ledger: checkpoint of {ledger.ledger}\n{ledger.checkpoint.rstrip()}")

    def _cannot_open(self, error: Exception) -> None:
        if run.required():
            self._stop(f"{error}. A ledger is required, so nothing was started")
        self._display.warning(f"steward.proxmox ledger: {error}. CHANGES OF THIS RUN ARE NOT RECORDED")

    def _stop_if_broken(self) -> None:
        ledger = run.current()
        if ledger is not None and ledger.broken:
            self._stop(f"{ledger.broken}. The run stops here. What it had changed: verify {ledger.where}")

    def _stop(self, why: str) -> NoReturn:
        self._display.error(f"steward.proxmox ledger: {why}")
        raise SystemExit(EXIT_STATUS)


def _opening(playbook: Any) -> dict[str, Any]:
    plays = playbook.get_plays()
    extra_vars = plays[0].get_variable_manager().extra_vars if plays else {}
    arguments = context.CLIARGS
    file_name = os.path.abspath(name) if (name := getattr(playbook, "_file_name", None)) else ""
    return {
        "actor": actor.actor(extra_vars),
        "playbook": file_name or None,
        "revision": revision.of(os.path.dirname(file_name)) if file_name else None,
        "check_mode": bool(arguments.get("check")),
        "limit": arguments.get("subset"),
        "tags": arguments.get("tags") or [],
        "skip_tags": arguments.get("skip_tags") or [],
        "versions": actor.versions(),
        **actor.machine(),
    }
