# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a scenario is: one task, and what has to come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Options = dict[str, Any]
Task = tuple[str, Options]


@dataclass(frozen=True)
class Scenario:
    """One task, and what has to come of it."""

    module: str
    title: str
    options: Options
    #: the steps that it must plan; none where nothing is to be done
    steps: tuple[str, ...] = ()
    #: runs every time, as its documentation says
    verb: bool = False
    #: tasks that come before it, for real
    first: tuple[Task, ...] = ()
    #: whose rights it needs; a name of the lab's credentials
    identity: str = "admin"
    #: values that must not be seen anywhere
    secrets: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.module}: {self.title}"
