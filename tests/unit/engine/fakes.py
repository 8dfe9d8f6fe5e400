# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for what the engine talks to: a cluster that is a table of answers, and a clock that does not wait."""

from collections.abc import Mapping
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import NotFound
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._world import World, address


class Cluster:
    """Answers GETs from a table, address -> data or exception, and notes what was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    def get(self, path: str, /, **params: Any) -> Any:
        name = address(path, params)
        self.asked.append(name)
        answer = self.answers.get(name, NotFound(f"{name} does not exist"))
        if isinstance(answer, Exception):
            raise answer
        return answer


def world_of(
    answers: Mapping[str, Any],
    memory: Memory | None = None,
    check: bool = False,
    identity: str = "bob@pve!ci",
    is_root: bool = False,
) -> World:
    """A World over a table of answers."""
    return World(Cluster(answers).get, memory or Memory(), check, identity, is_root)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
