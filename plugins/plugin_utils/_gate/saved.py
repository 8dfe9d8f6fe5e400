# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A saved plan: the file that a --check run wrote, of which a real run may carry out each change once, in its order.

What is not in the file is refused before anything is sent, with what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import differs, plan_file, signatures
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.approvals import Approvals
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import origin
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.words import clip, listed

#: how many differences a message names, and with how many characters each
_MOST, _ROOM = 6, 200
_MAKE_ANEW = "Make a new plan with --check, and have that one looked at"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class SavedPlan:
    """A plan file that is right, in time, and signed as the policy asks."""

    file: plan_file.PlanFile
    policy: Policy
    #: those of the policy's signers who signed it
    signers: tuple[str, ...]

    @classmethod
    def load(cls, path: Path, policy: Policy) -> SavedPlan:
        """Raises Refused where nothing in the file may be carried out."""
        file = plan_file.read(path)
        check_time(file, policy)
        return cls(file, policy, _signed(file, policy))

    def allow(self, record: Record, run: Mapping[str, str], uses: Approvals) -> dict[str, Any]:
        """Use up the entry that this plan is, and return what the ledger keeps of it; a preview only looks."""
        self._check_run()
        index = self._entry_of(record, uses)
        entry = self.file.entries[index]
        if not {*map(str.lower, entry["endpoint"])} & {*map(str.lower, record["endpoint"])}:
            raise Refused(
                f"{self._names(entry)} was planned for {listed(entry['endpoint'])}, and this is"
                f" {listed(record['endpoint'])}",
                "Apply it to the cluster that it was made for, by a name or address that both runs use",
            )
        self.file.check_digest(index)
        if not record["check_mode"]:
            self._in_order(index, uses)
            uses.use_once(self._mark(index), run, self.file.expires, self._names(entry))
        return {"plan": self.file.id, "entry": index, "signers": list(self.signers)}

    def left(self, uses: Approvals, hosts: Iterable[str]) -> list[dict[str, Any]]:
        """The entries of these hosts that no run has begun."""
        indices = (index for host in hosts for index in self.file.of_host.get(host, ()))
        unused = [index for index in sorted(indices) if not uses.used(self._mark(index))]
        return [{"entry": index, **shown(self.file.entries[index])} for index in unused]

    def check(self) -> None:
        """Raise Refused where nothing in the file may be carried out by this run, or not all of it is right."""
        self._check_run()
        self.file.check_digests()

    def _check_run(self) -> None:
        """The run chose what the planned run chose: else what is missing in it would go unnoticed."""
        planned, now = self.file.run, origin.asked()
        for name, words in _CHOICES.items():
            if planned[name] != now[name]:
                raise Refused(
                    f"{self.file.path} was made with {words(planned[name])}, and this run has {words(now[name])}",
                    "Run the same as was planned, or make a new plan",
                )

    def _entry_of(self, record: Record, uses: Approvals) -> int:
        """The first entry of the host that is this plan and was not used; else the last that was."""
        host, digest = record["host"], record["plan"]["digest"]
        if host in self.file.failed_hosts:
            raise Refused(f"{host} failed in the run that made {self.file.path}: its plan is not whole", _MAKE_ANEW)
        mine = self.file.of_host.get(host, [])
        same = [index for index in mine if self.file.entries[index]["plan"]["digest"] == digest]
        if not same:
            planned = [self.file.entries[index] for index in mine]
            found = differs.explain(record, planned)
            said = "; ".join(clip(text, _ROOM) for text in found[:_MOST])
            more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
            raise Refused(
                f"{record['plan']['summary']} is not what {self.file.path} says: {said}{more}",
                _MAKE_ANEW,
                differs=found,
            )
        return next((index for index in same if not uses.used(self._mark(index))), same[-1])

    def _in_order(self, index: int, uses: Approvals) -> None:
        """What was planned before it on this host has been begun: later plans count on it."""
        mine = self.file.of_host[self.file.entries[index]["host"]]
        place = mine.index(index)
        if place and not uses.used(self._mark(mine[place - 1])):
            raise Refused(
                f"{self._names(self.file.entries[mine[place - 1]])} was planned before it and has not been done",
                _MAKE_ANEW,
            )

    def _mark(self, index: int) -> str:
        return f"plan-{self.file.id}-{index}"

    def _names(self, entry: Record) -> str:
        return f"{entry['plan']['summary']!r} of task {entry['task']['name']!r} in {self.file.path}"


def shown(entry: Record) -> dict[str, str]:
    """An entry in a few words."""
    return {"host": entry["host"], "task": entry["task"]["name"], "summary": entry["plan"]["summary"]}


def _words(option: str) -> Callable[[Any], str]:
    def words(chosen: Any) -> str:
        text = ",".join(chosen) if isinstance(chosen, list) else str(chosen or "")
        return f"{option} {text}" if text else f"no {option}"

    return words


#: what a run chose -> how it is said
_CHOICES = {
    "playbook": _words("the playbook"),
    "limit": _words("--limit"),
    "tags": _words("--tags"),
    "skip_tags": _words("--skip-tags"),
}


def check_time(file: plan_file.PlanFile, policy: Policy) -> None:
    """Made by a --check run, in the past, and not too long ago: by the file, and by the policy of today."""
    if not file.run["check_mode"]:
        raise Refused(f"{file.path} is the report of a real run and no plan", _MAKE_ANEW)
    now, made = datetime.now(UTC), origin.read(file.made)
    if made > now + origin.SLACK:
        raise Refused(f"{file.path} was made at {file.made}, and here it is {origin.written(now)}", "Set the clocks")
    expires = min(origin.read(file.expires), made + timedelta(seconds=policy.valid_for))
    if now > expires:
        raise Refused(f"{file.path} of {file.made} expired at {origin.written(expires)}", _MAKE_ANEW)


def _signed(file: plan_file.PlanFile, policy: Policy) -> tuple[str, ...]:
    """Who of the policy's signers signed it. A signature that does not fit is never just left out."""
    keys = file.signed_by
    found = tuple(name for name, key in (policy.signers or {}).items() if key in keys)
    if policy.signature_required and not found:
        others = f"only by {listed([signatures.fingerprint(key) for key in keys])}" if keys else "by nobody"
        raise Refused(
            f"{file.path} must be signed by {' or '.join(policy.signers or ['somebody whom the policy names'])}"
            f" ({policy.origins['signature']}), and it is signed {others}",
            "Have one of them sign it with the module sign_plan",
        )
    return found
