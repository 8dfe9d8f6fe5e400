# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots a guest keeps, whatever the order in which the server lists them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import to_rows
from ansible_collections.steward.proxmox.plugins.module_utils._snapshot import plan_snapshot

from tests.unit.engine.fakes import world_of

OPTIONS: dict[str, Any] = {"vmid": 100, "node": "pve1", "state": "pruned", "prefix": "", "description": None}
#: three of one second, each the parent of the next
SAME_SECOND = [
    {"name": "b", "snaptime": 100},
    {"name": "c", "snaptime": 100, "parent": "b"},
    {"name": "a", "snaptime": 100, "parent": "c"},
]


#: two that a check run only plans, after one of a node whose clock is ahead
PLANNED = [{"name": "b", "snaptime": 4_000_000_000}, {"name": "c", "parent": "b"}, {"name": "a", "parent": "c"}]


@pytest.mark.parametrize("rows", [*permutations(SAME_SECOND), *permutations(PLANNED)])
@pytest.mark.parametrize(("keep", "removed"), [(0, ["b", "c", "a"]), (1, ["b", "c"]), (2, ["b"]), (3, [])])
def test_of_the_same_second_the_ancestor_is_the_older(rows: Any, keep: int, removed: list[str]) -> None:
    path = "/nodes/pve1/lxc/100"
    world = world_of(
        {
            "/cluster/resources?type=vm": [{"type": "lxc", "vmid": 100, "node": "pve1", "name": "x"}],
            f"{path}/pending": to_rows({"hostname": "x", "rootfs": "zfs:vol,size=1G"}),
            f"{path}/snapshot": [*rows, {"name": "current", "parent": "a"}],
        }
    )
    plan = plan_snapshot({**OPTIONS, "keep": keep}, world)
    assert [step.path for step in plan.steps] == [f"{path}/snapshot/{name}" for name in removed]
