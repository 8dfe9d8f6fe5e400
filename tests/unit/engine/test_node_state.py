# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a node can carry out a change, from the rows that the real API answered with."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest.draft import Draft
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.node_state import node_state, tell
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Step
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.unit.engine.fakes import Cluster, world_of

DENIED = PermissionDenied("Permission check failed (/, Sys.Audit)")
STEP = Step("start", "qemu/101", "POST", "/nodes/pve2/qemu/101/status/start")


def cluster(online: int = 1, quorate: int = 1, lrm: str = "active") -> dict[str, Any]:
    return {
        "/cluster/status": [
            {"type": "cluster", "id": "cluster", "name": "lab", "nodes": 2, "quorate": quorate},
            {"type": "node", "name": "pve1", "online": 1, "local": 1},
            {"type": "node", "name": "pve2", "online": online, "local": 0},
        ],
        "/cluster/ha/status/current": [
            {"type": "quorum", "id": "quorum", "node": "pve1", "status": "OK", "quorate": quorate},
            {"type": "lrm", "id": "lrm:pve1", "node": "pve1", "status": "pve1 (maintenance mode, Fri Nov 20)"},
            {"type": "lrm", "id": "lrm:pve2", "node": "pve2", "status": f"pve2 ({lrm}, Fri Nov 20)"},
        ],
    }


STATES = [
    (cluster(), "online"),
    (cluster(online=0), "offline"),
    (cluster(online=0, quorate=0), "offline"),
    (cluster(quorate=0), "no quorum"),
    (cluster(lrm="maintenance mode"), "maintenance"),
    (cluster() | {"/cluster/ha/status/current": DENIED}, "online"),
    ({"/cluster/status": DENIED}, "unknown"),
    ({"/cluster/status": [{"type": "node", "name": "pve1", "online": 1}]}, "unknown"),
    ({"/cluster/status": [{"type": "node", "name": "pve2", "nodeid": 0, "online": 1, "local": 1}]}, "online"),
]


def draft_on_pve2() -> Draft:
    draft = Draft(Guest("qemu", 101, "pve2", {}))
    draft.plan.state = {"power": "stopped"}
    draft.step(STEP)
    return draft


@pytest.mark.parametrize(("answers", "state"), STATES)
def test_the_state_of_a_node(answers: dict[str, Any], state: str) -> None:
    assert node_state(world_of(answers), "pve2") == state


@pytest.mark.parametrize(("answers", "state"), [row for row in STATES if row[1] not in ("offline", "no quorum")])
def test_the_plan_tells_it(answers: dict[str, Any], state: str) -> None:
    draft = draft_on_pve2()
    tell(draft, world_of(answers))
    assert draft.plan.state == {"power": "stopped", "node": state}
    told = any("pve2 is in maintenance" in why for why in draft.plan.blast.risk(True)["reasons"])
    assert told is (state == "maintenance")


@pytest.mark.parametrize(
    ("answers", "says"),
    [(cluster(online=0), "Node pve2 is offline"), (cluster(quorate=0), "no quorum on node pve2")],
)
def test_a_change_that_cannot_be_carried_out_is_refused_by_name(answers: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says) as refused:
        tell(draft_on_pve2(), world_of(answers))
    assert "qemu/101" in str(refused.value)


def test_without_steps_nothing_is_asked() -> None:
    draft, server = Draft(Guest("qemu", 101, "pve2", {})), Cluster({})
    tell(draft, World(server.get, Memory(), False))
    assert server.asked == []
    assert draft.plan.state is None
