# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `guest_info` reads of each guest beside the cluster's list: concurrently, and no guest spoils the others.

A detail that cannot be read is None, and `errors` of its guest says why: its agent is down, it is stopped, a privilege
is missing, its node does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .._connection import MOST_AT_ONCE
from .._errors import BadInput, NotFound, StewardError
from .._guest.addresses import INTERFACES, addresses, agent_result, ansible_host, is_ambiguous, macs
from .._guest.lookup import from_rows, guest_path, without_digest
from .._world import World
from .tree import tree

AT_ONCE: dict[str, dict[str, Any]] = {"concurrency": {"type": "int", "default": 8}}

_BOTH = {"config": "pending", "pending": "pending", "status": "status/current", "snapshots": "snapshot"}
#: type of guest -> detail -> what is read for it, below the guest's path; a detail that is not here the type has not
_READS = {
    "lxc": {**_BOTH, "addresses": INTERFACES["lxc"]},
    "qemu": {**_BOTH, "addresses": INTERFACES["qemu"], "agent": INTERFACES["qemu"]},
}
#: what else an agent is asked once it has answered
_AGENT = {"hostname": "agent/get-host-name", "os": "agent/get-osinfo"}

DETAILS = ("config", "pending", "status", "snapshots", "agent", "addresses")

Guest = dict[str, Any]


def check_concurrency(at_once: int) -> int:
    if not 1 <= at_once <= MOST_AT_ONCE:
        raise BadInput(f"concurrency: {at_once} is not valid: 1 to {MOST_AT_ONCE}")
    return at_once


def add_details(
    world: World, guests: Sequence[Guest], wanted: Sequence[str], down: Iterable[str], at_once: int
) -> None:
    """Add the wanted details to each guest, and its `errors`."""
    details = _Details(world, wanted, frozenset(down), check_concurrency(at_once))
    details.read_of(guests)
    for guest in guests:
        guest["errors"] = {}
        for detail in wanted:
            details.show(guest, detail)


class _Details:
    """The answers of all guests, read in two rounds: what everyone is asked, and what follows from those answers."""

    def __init__(self, world: World, wanted: Sequence[str], down: frozenset[str], at_once: int) -> None:
        self.world, self.wanted, self.down, self.at_once = world, wanted, down, at_once
        self.answers: dict[str, Any] = {}
        self.shown: dict[str, Callable[[Guest, Any], Guest]] = {
            "config": self._config,
            "pending": self._pending,
            "status": lambda _guest, status: {"status": status},
            "snapshots": lambda _guest, rows: {"snapshots": tree(rows)},
            "agent": self._agent,
            "addresses": self._addresses,
        }

    def read_of(self, guests: Sequence[Guest]) -> None:
        guests = [guest for guest in guests if guest["node"] not in self.down]
        self._fetch(_path(guest, detail) for guest in guests for detail in self.wanted)
        self._fetch(path for guest in guests for path in self._follow_up(guest))

    def _fetch(self, paths: Iterable[str | None]) -> None:
        new = [path for path in paths if path is not None and path not in self.answers]
        self.answers |= self.world.get_all(new, self.at_once)

    def _follow_up(self, guest: Guest) -> Iterable[str]:
        if "agent" in self.wanted and self._answered(guest, "agent"):
            yield from (_below(guest, path) for path in _AGENT.values())
        if "addresses" in self.wanted and is_ambiguous(addresses(self._answered(guest, "addresses"))):
            yield _below(guest, _BOTH["config"])

    def _answered(self, guest: Guest, detail: str) -> Any:
        """What was answered, or None."""
        answer = self.answers.get(_path(guest, detail) or "")
        return None if isinstance(answer, StewardError) else answer

    def show(self, guest: Guest, detail: str) -> None:
        """Put the detail into the guest, or why there is none."""
        guest[detail] = None
        if detail == "addresses":
            guest["ansible_host"] = None
        path = _path(guest, detail)
        if path is None:
            return
        if guest["node"] in self.down:
            guest["errors"][detail] = f"node {guest['node']} does not answer"
            return
        answer = self.answers[path]
        if isinstance(answer, StewardError):
            guest["errors"][detail] = self._why(guest, answer)
        else:
            guest.update(self.shown[detail](guest, answer))

    def _why(self, guest: Guest, error: StewardError) -> str:
        if isinstance(error, NotFound) and self.world.made_here(guest["id"]):
            return "it is not there: a task of this run makes or removes it"
        return str(error)

    def _config(self, _guest: Guest, rows: Any) -> Guest:
        return {"config": without_digest(from_rows(rows)[0])}

    def _pending(self, _guest: Guest, rows: Any) -> Guest:
        config, now = from_rows(rows)
        return {"pending": {key: {"value": now[key], "pending": config.get(key)} for key in sorted(now)}}

    def _agent(self, guest: Guest, interfaces: Any) -> Guest:
        said = {name: self.answers[_below(guest, path)] for name, path in _AGENT.items()}
        for name, answer in said.items():
            if isinstance(answer, StewardError):
                guest["errors"][f"agent.{name}"] = str(answer)
        known = {name: agent_result(answer) for name, answer in said.items() if not isinstance(answer, StewardError)}
        hostname = (known.get("hostname") or {}).get("host-name")
        return {"agent": {"hostname": hostname, "os": known.get("os"), "interfaces": agent_result(interfaces)}}

    def _addresses(self, guest: Guest, interfaces: Any) -> Guest:
        found = addresses(interfaces)
        rows = self.answers.get(_below(guest, _BOTH["config"])) if is_ambiguous(found) else None
        known = macs(from_rows(rows)[0]) if isinstance(rows, list) else []
        return {"addresses": found, "ansible_host": ansible_host(found, known)}


def _path(guest: Mapping[str, Any], detail: str) -> str | None:
    below = _READS[guest["type"]].get(detail)
    return _below(guest, below) if below else None


def _below(guest: Mapping[str, Any], path: str) -> str:
    return f"{guest_path(guest['type'], guest['node'], guest['vmid'])}/{path}"
