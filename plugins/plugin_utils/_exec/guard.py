# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection does in one guest: allowed first, recorded second, done third.

A connection plugin has no task and no plan. Each command is a change of its own: an intent before it, an outcome after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._names import check_vmid
from ansible_collections.steward.proxmox.plugins.module_utils._plan import HIDDEN, Plan, Step, Undo, compute_digest
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy
from ansible_collections.steward.proxmox.plugins.plugin_utils._exec import allowed
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import settings
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import actor, fingerprint
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run

How = Literal["pct", "qga"]

_WORDS = {"exec": "run a command in", "put": "write a file in", "fetch": "read a file from"}
_KIND = {"pct": "lxc", "qga": "qemu"}


@dataclass
class Going:
    """How it goes. `began`: the guest was reached, so that an end that nobody saw is unknown, and not a failure."""

    began: bool = False
    exit_status: int | None = None
    #: of a file: bytes, and a checksum, of which only a keyed fingerprint is recorded: a short file could be guessed
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Guard:
    """One guest, and who goes there. `identity`: whom a task log of Proxmox would name."""

    how: How
    vmid: int
    #: its name in the inventory
    host: str
    #: the nodes that are asked, or the hosts of the API
    endpoint: list[str]
    identity: str
    #: record the commands themselves, and not only their fingerprints: they may hold secrets
    tell_command: bool = False

    @property
    def target(self) -> str:
        return _target(self.how, self.vmid)

    def admit(self, snapshot_before: str = "never", api: Mapping[str, Any] | None = None) -> None:
        """To be called before anything is started, connected or asked. Raises AnsibleError where it must not be.

        `snapshot_before` is the option of that name; the snapshot is taken through the API, with `api` or else with
        the connection of the environment, once in a run for each guest.
        """
        try:
            policy = policy_for(self.how, self.vmid)
            required = ledger_run.required() or policy.ledger_required
            if required and ledger_run.current() is None:
                raise AnsibleError(
                    f"A ledger is required and none is open, so nothing was run in {self.target}: enable the callback"
                    " steward.proxmox.ledger (callbacks_enabled)"
                )
            why = allowed.wants_snapshot(policy, snapshot_before)
            if why:
                # a connection is loaded anew for each task, and few want the whole engine
                from ansible_collections.steward.proxmox.plugins.plugin_utils._exec import undo_point

                undo_point.take(policy, why, self.target, api or {}, self.host)
        except StewardError as error:
            raise AnsibleError(f"{error}") from error

    @contextmanager
    def recorded(
        self, what: Literal["exec", "put", "fetch"], words: str, stdin: bytes | None = None
    ) -> Iterator[Going]:
        """Around one command or file. The intent is durable when the block begins. Raises AnsibleError.

        `words`: the command, or the paths of the file.
        """
        going, ledger = Going(), ledger_run.current()
        if ledger is None:
            yield going
            return
        try:
            op_id = ledger.intent(**self._intent(what, words, stdin))
        except ledger_run.LedgerError as error:
            raise AnsibleError(
                f"The intent could not be recorded, so nothing was run in {self.target}: {error}"
            ) from error
        status, why = "unknown" if what != "fetch" else "failed", None
        try:
            yield going
            status = "ok"
        except Exception as error:
            why = str(error)
            status = status if going.began else "failed"
            raise
        finally:
            ledger.outcome(op_id, **self._outcome(what, status, why, going))

    # -- what is recorded ----------------------------------------------------------------------------------------

    def _intent(self, what: str, words: str, stdin: bytes | None) -> dict[str, Any]:
        told = {"command": words, "stdin": stdin.decode("latin-1") if stdin else ""} if what == "exec" else {}
        plan = self._plan(what, words)
        return {
            "host": self.host,
            "task": {"uuid": "", "name": "", "action": f"steward.proxmox.{self.how}", "path": ""},
            "check_mode": False,
            "endpoint": self.endpoint,
            "identity": self.identity,
            "plan": plan.public(),
            "no_log": False,
            "fingerprints": _fingerprints(told),
        }

    def _plan(self, what: str, words: str) -> Plan:
        """As plans of tasks are, so that whoever reads the ledger finds it among them."""
        said = {"command": words if self.tell_command else HIDDEN} if what == "exec" else {"file": words}
        data = {"vmid": self.vmid, **said}
        step = Step(what, self.target, "RUN" if self.how == "pct" else "POST", f"{self.how} {what}", data)
        plan = Plan(f"{_WORDS[what]} {self.target}", [step])
        plan.blast.guests.add(self.target)
        if what == "fetch":
            plan.blast.because("low", "a command in the guest reads the file")
        else:
            plan.blast.because(*allowed.RISK)
            plan.undo = Undo(cannot=({"of": [1], "why": "what a command did is not known", "op": what},))
        plan.digest = compute_digest(plan, {}, {})
        return plan

    def _outcome(self, what: str, status: str, why: str | None, going: Going) -> dict[str, Any]:
        facts = {"exit_status": going.exit_status, "size": going.size}
        ended = {name: value for name, value in facts.items() if value is not None}
        went = {"ok": "done", "failed": "failed", "unknown": "unknown"}[status]
        return {
            "status": status,
            "changed": what != "fetch" and status != "failed",
            "upids": [],
            "error": why,
            "steps": [{"op": what, "target": self.target, "status": went, **ended}],
            "fingerprints": _fingerprints({"content": going.sha256}),
            "values": {},
            "remembers": {},
        }


def policy_for(how: How, vmid: int) -> Policy:
    """What holds for commands in this guest. Raises StewardError where there are to be none."""
    check_vmid("vmid", vmid)
    policy = settings.policy_of({}, [])
    # by what the command line gave: a connection knows of no task
    allowed.check(policy, how, _target(how, vmid), actor.actor(load_extra_vars(DataLoader())))
    return policy


def _fingerprints(told: Mapping[str, str]) -> dict[str, str]:
    return fingerprint.of((name, text) for name, text in told.items() if text)


def _target(how: How, vmid: int) -> str:
    return f"{_KIND[how]}/{vmid}"
