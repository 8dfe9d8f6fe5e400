# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is to the engine: its options, and the pure function that turns them and the world into a Plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._connection import argument_spec, waiting_spec
from ._plan import Plan
from ._policy import gate_spec
from ._world import World

#: set by the front door alone: the run's memory, and the digest that a real run is bound to
FRONT_DOOR: dict[str, dict[str, Any]] = {"front_door": {"type": "raw", "no_log": False}}
#: beside the options, from the front door alone: what the ledger says of the operation that is to be taken back
RECORDED = "front_door_recorded"


@dataclass(frozen=True)
class Planner:
    """One module. `where` is the API, or the host itself for the root commands of the fence."""

    name: str
    options: Mapping[str, Mapping[str, Any]]
    plan: Callable[[Mapping[str, Any], World], Plan]
    #: mutually_exclusive, required_if and the like
    rules: Mapping[str, Any] = field(default_factory=dict)
    reads_only: bool = False
    #: what tasks on one machine take turns at, from planning to the last step; "" for nothing
    turn: Callable[[Mapping[str, Any]], str] = lambda _options: ""
    #: the key of the result that holds a secret, once: Ansible is to show nothing of such a result
    tells: str = ""
    where: str = "api"
    service: str = "PVE"

    def argument_spec(self) -> dict[str, Any]:
        """The module's whole argument spec; the doc fragments say the same."""
        shared = {} if self.reads_only else gate_spec()
        if self.where == "api":
            shared |= argument_spec() | ({} if self.reads_only else waiting_spec())
        return {**self.options, **shared, **FRONT_DOOR}
