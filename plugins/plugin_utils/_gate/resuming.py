# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going on with a run that did not come to its end: `STEWARD_RESUME` names it, by its id in the ledger.

What it made or changed counts as made by this run, so that the digests of a saved plan still fit; what it was permitted
and did not get done may be tried once more. Running a playbook again without a saved plan needs none of this.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.approvals import Approvals
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.read import Recorded, read
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import ledger_of

VARIABLE = "STEWARD_RESUME"


@cache
def resumed() -> Recorded | None:
    """The run that this one goes on with, verified; None where it begins anew."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        return None
    current = ledger_run.current()
    with ledger_of({}) as ledger:
        return read(ledger, named, current.run_id if current else "")


def remembered() -> list[dict[str, Any]]:
    """What the run's memory begins with: what the resumed run made and changed."""
    recorded = resumed()
    outcomes = (operation.outcome for operation in recorded.operations) if recorded else ()
    return [outcome["remembers"] for outcome in outcomes if outcome.get("remembers")]


@dataclass(frozen=True)
class Resuming(Approvals):
    """The store as a resumed run sees it: what `run` had leave for, and has not `done`, counts as not used yet."""

    run: str = ""
    done: frozenset[str] = field(default_factory=frozenset)

    def use_once(self, name: str, run: Mapping[str, str], expires: str = "", what: str = "") -> None:
        super().use_once(self._name(name), run, expires, what)

    def used(self, name: str) -> dict[str, Any] | None:
        return super().used(self._name(name))

    def _name(self, name: str) -> str:
        """The mark that counts now: the second use has a mark of its own, so that there is no third one."""
        first = super().used(name)
        begun = first is not None and first["run"].get("ledger") == self.run and name not in self.done
        return f"{name}-after-{self.run}" if begun else name


def store(approvals: Approvals) -> Approvals:
    """The approvals, as this run sees them."""
    recorded = resumed()
    if recorded is None:
        return approvals
    permits = (one.intent.get("permit") or {} for one in recorded.operations if one.outcome.get("status") == "ok")
    done = frozenset(mark for permit in permits for mark in marks(permit))
    return Resuming(approvals.directory, approvals.valid_for, recorded.run, done)


def marks(permit: Mapping[str, Any]) -> list[str]:
    """The names under which the use of a permit is marked."""
    found = [f"plan-{permit['plan']}-{permit['entry']}"] if "plan" in permit else []
    return [*found, f"approval-{permit['approval']}"] if "approval" in permit else found
