# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request on its way to a handler, and the table of handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import Died
from .permissions import Caller, Permissions
from .state import State
from .tasks import Outcome, Tasks, Worker


@dataclass
class Call:
    """What a handler gets: checked parameters (those of the path too) and who asks."""

    state: State
    tasks: Tasks
    caller: Caller
    method: str
    path: str
    params: dict[str, Any]
    sent: dict[str, Any] = field(default_factory=dict)  # the parameters as they came
    outcome: Outcome = field(default_factory=Outcome)
    by_manager: bool = False  # the HA manager asks

    @property
    def permissions(self) -> Permissions:
        return Permissions(self.state, self.caller)

    @property
    def node(self) -> str:
        return str(self.params["node"])

    @property
    def vmid(self) -> int:
        return int(self.params["vmid"])

    def need(self, path: str, *names: str, some: bool = False) -> None:
        self.permissions.need(path, *names, some=some)

    def may(self, path: str, *names: str, some: bool = False) -> bool:
        return self.permissions.may(path, *names, some=some)

    def options(self, *without: str) -> dict[str, Any]:
        """The parameters without those of the path and the named ones."""
        return {name: value for name, value in self.params.items() if name not in ("node", "vmid", *without)}

    def task(self, kind: str, id: object, worker: Worker, *, guest: int | None = None) -> str:
        """Starts a task on the node of the call and returns its UPID."""
        started = self.tasks.start(
            node=self.node,
            kind=kind,
            id=str(id),
            user=self.caller.id,
            worker=worker,
            guest=guest,
            outcome=self.outcome,
        )
        return started.upid

    def cluster_write(self, what: str, file: str) -> None:
        """A change of a cluster-wide file needs a quorum."""
        if not self.state.quorate:
            raise Died(f"{what}cfs-lock 'file-{file}' error: no quorum!")


@dataclass
class Answer:
    """Data with something beside it, as the lists of tasks have their total."""

    data: Any
    beside: dict[str, Any]


Handler = Callable[[Call], Any]
HANDLERS: dict[tuple[str, str], Handler] = {}


def serves(method: str, *paths: str) -> Callable[[Handler], Handler]:
    """Enters a handler into the table. The paths are those of the API description."""

    def enter(handler: Handler) -> Handler:
        for path in paths:
            HANDLERS[method, path] = handler
        return handler

    return enter
