# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of the task logs, and what is said of what could not be seen."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, BadInput, Unreachable
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._reconcile import task_log
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

SINCE, UNTIL = 1_000_000, 2_000_000


def row(number: int, start: int, node: str = "pve1", user: str = "root@pam", **more: Any) -> dict[str, Any]:
    upid = f"UPID:{node}:{number:08X}:00000001:{start:08X}:qmstart:100:{user}:"
    ended = {"endtime": start + 1, "status": "OK"}
    owner = user.partition("!")[0]
    return {
        "upid": upid,
        "node": node,
        "type": "qmstart",
        "id": "100",
        "user": owner,
        "starttime": start,
        **ended,
        **more,
    }


class Cluster:
    """Nodes with their task logs, as far as a credential sees them."""

    def __init__(self, logs: dict[str, Any], down: tuple[str, ...] = (), audits: tuple[str, ...] = ("/",)) -> None:
        self.logs, self.down = logs, down
        self.permissions = {path: {"Sys.Audit": 1} for path in audits}
        self.pages = 0

    def read(self, path: str, /, **params: Any) -> Any:
        if path == "/cluster/resources":
            states = {name: "offline" if name in self.down else "online" for name in self.logs}
            return [{"type": "node", "node": name, "status": status} for name, status in states.items()]
        if path == "/access/permissions":
            return self.permissions
        log = self.logs[path.split("/")[2]]
        if isinstance(log, Exception):
            raise log
        self.pages += 1
        fitting = [task for task in log if params.get("since", 0) <= task["starttime"] <= params["until"]]
        return fitting[params.get("start", 0) :][: params["limit"]]

    def log(self, *nodes: str, is_root: bool = False) -> task_log.TaskLog:
        world = World(self.read, Memory.of([]), False, "ci@pve!run", is_root)
        return task_log.read(world, nodes, SINCE, UNTIL)


def test_all_pages_of_all_nodes_by_their_beginning() -> None:
    many = [row(number, SINCE + number) for number in range(2500, 0, -1)]
    cluster = Cluster({"pve1": [*many, row(0, SINCE - 5)], "pve2": [row(1, SINCE, "pve2")]})
    log = cluster.log()
    assert [task.start for task in log.tasks] == [SINCE, *range(SINCE + 1, SINCE + 2501)]
    assert (log.unseen, log.whole_since, cluster.pages) == ([], {"pve1": SINCE, "pve2": SINCE}, 6)


def test_one_node_only() -> None:
    cluster = Cluster({"pve1": [row(1, SINCE)], "pve2": ApiError("not asked")})
    assert len(cluster.log("pve1").tasks) == 1
    with pytest.raises(BadInput, match="'pve9' is not a node of this cluster; it has: pve1, pve2"):
        cluster.log("pve9")


def test_a_row_as_running_and_as_ended() -> None:
    """A running task of a token names it in `user`, an ended one in `tokenid`; its UPID always does."""
    running = row(2, SINCE + 1, user="ci@pve!run", endtime=None, status="RUNNING")
    tasks = Cluster({"pve1": [running, row(1, SINCE, user="ci@pve!run")]}).log().tasks
    assert [(task.user, task.end, task.status) for task in tasks] == [
        ("ci@pve!run", SINCE + 1, "OK"),
        ("ci@pve!run", None, ""),
    ]


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        (Cluster({"pve1": []}, down=("pve1",)), "node pve1 does not answer"),
        (Cluster({"pve1": ApiError("500 broken")}), "the task log of node pve1 was not read: 500 broken"),
        (Cluster({"pve1": [row(1, SINCE)]}, audits=()), "only its own tasks on pve1: Sys.Audit on /nodes/pve1 shows"),
        (Cluster({"pve1": [row(1, SINCE)]}, audits=("/nodes/pve2",)), "sees only its own tasks on pve1"),
        (Cluster({"pve1": [row(number, SINCE + 9) for number in range(1000)]}), "begins at 1970-01-12T13:46:49Z"),
    ],
)
def test_what_was_not_seen_is_told(cluster: Cluster, told: str) -> None:
    log = cluster.log()
    assert [told in why for why in log.unseen] == [True]
    assert log.whole_since.get("pve1", UNTIL) > SINCE


def test_root_sees_all() -> None:
    assert Cluster({"pve1": [row(1, SINCE)]}, audits=()).log(is_root=True).unseen == []


def test_a_short_log_was_never_cut() -> None:
    """Nothing is older, and all of it is shorter than what Proxmox keeps: a new node."""
    assert Cluster({"pve1": [row(1, SINCE + 9)]}).log().whole_since == {"pve1": SINCE}


def test_no_node_answers_at_all() -> None:
    with pytest.raises(Unreachable):
        Cluster({"pve1": Unreachable("no node answers")}).log()
