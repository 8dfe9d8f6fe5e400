# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole cluster in two requests, and what is said of what cannot be seen."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, BadInput, PermissionDenied
from ansible_collections.steward.proxmox.plugins.module_utils._guest.effects import born
from ansible_collections.steward.proxmox.plugins.module_utils._info import bounded
from ansible_collections.steward.proxmox.plugins.module_utils._info.cluster import CLUSTER_INFO, plan_cluster_info
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.unit.engine.fakes import Cluster
from tests.unit.engine.test_info_guests import DB, LIST, NODES, OFFLINE, STORAGE, WEB

STATUS, HA, PERMISSIONS = "/cluster/status", "/cluster/ha/status/current", "/access/permissions"
EVERY = list(CLUSTER_INFO.options["kinds"]["default"])
ALL = {"/": {"VM.Audit": 1, "Datastore.Audit": 1, "Pool.Audit": 1, "SDN.Audit": 1, "Sys.Audit": 1}}
POOL = {"id": "/pool/web", "type": "pool", "pool": "web"}
ZONE = {"id": "network/pve1/zone/z", "type": "network", "node": "pve1", "network": "z", "network-type": "zone"}
OLD_ZONE = {"id": "sdn/pve2/z", "type": "sdn", "node": "pve2", "sdn": "z"}


def status(quorate: int = 1, **online: int) -> list[dict[str, Any]]:
    nodes = [
        {"type": "node", "name": name, "ip": f"192.0.2.{number}", "online": online.get(name, 1)}
        for number, name in enumerate(("pve1", "pve2", "pve3"), start=1)
    ]
    return [{"type": "cluster", "name": "lab", "quorate": quorate, "nodes": 3}, *nodes]


def cluster(nodes: Any = NODES, permissions: Any = None, **answers: Any) -> Cluster:
    rows = [*nodes, STORAGE, POOL, ZONE, OLD_ZONE, WEB, DB]
    return Cluster({LIST: rows, PERMISSIONS: ALL if permissions is None else permissions, STATUS: status(), **answers})


def ask(known: Cluster, check: bool = False, memory: Memory | None = None, **options: Any) -> dict[str, Any]:
    """The result of cluster_info."""
    world = World(known.get, memory or Memory(), check, "bob@pve!ci")
    return plan_cluster_info({"kinds": EVERY, "details": [], "concurrency": 4, **options}, world).result


def test_the_whole_cluster_is_two_requests_and_permissions_one_for_the_run() -> None:
    known, memory = cluster(), Memory()
    for _task in range(2):
        result = ask(known, memory=memory)
    assert known.asked == [LIST, STATUS, PERMISSIONS, LIST, STATUS]
    assert {kind: len(result[kind]) for kind in EVERY} == result["total"]
    assert result["total"] == {"nodes": 3, "storages": 1, "pools": 1, "sdn": 2, "guests": 2}
    assert (result["cluster"], result["quorate"]) == ("lab", True)
    assert (result["complete"], result["unseen"], result["truncated"]) == (True, [], False)
    assert [(node["node"], node["online"], node["ip"]) for node in result["nodes"]] == [
        ("pve1", True, "192.0.2.1"),
        ("pve2", True, "192.0.2.2"),
        ("pve3", True, "192.0.2.3"),
    ]
    assert [guest["vmid"] for guest in result["guests"]] == [100, 101]
    assert result["guests"][1]["tags"] == ["prod", "web"]


def test_kinds_and_node_choose() -> None:
    result = ask(cluster(), kinds=["guests", "storages", "pools"], node="pve1")
    assert "nodes" not in result
    assert "sdn" not in result
    assert result["total"] == {"storages": 1, "pools": 0, "guests": 1}
    with pytest.raises(BadInput, match="node: 'pve9' is not a node of this cluster"):
        ask(cluster(), node="pve9")


def test_a_cluster_without_quorum() -> None:
    result = ask(cluster(nodes=OFFLINE, **{STATUS: status(0, pve3=0)}))
    assert result["quorate"] is False
    assert [node["online"] for node in result["nodes"]] == [True, True, False]
    assert result["unseen"] == ["node pve3 does not answer: only what it last reported is known"]


def test_what_the_status_says_of_a_node_is_newer_than_the_list() -> None:
    assert [node["online"] for node in ask(cluster(**{STATUS: status(pve2=0)}))["nodes"]] == [True, False, True]


def test_a_node_on_its_own_needs_no_quorum() -> None:
    result = ask(cluster(**{STATUS: status()[1:2]}))
    assert (result["cluster"], result["quorate"], result["complete"]) == (None, True, True)


def test_a_credential_that_may_not_ask_gets_no_quorum_and_no_guess() -> None:
    denied = PermissionDenied("Permission check failed (/, Sys.Audit)")
    result = ask(cluster(nodes=OFFLINE, **{STATUS: denied}))
    assert (result["quorate"], result["cluster"], result["complete"]) == (None, None, False)
    assert "Sys.Audit" in result["unseen"][0]
    assert [(node["online"], node["ip"]) for node in result["nodes"]] == [(True, None), (True, None), (False, None)]


def test_each_kind_that_may_not_be_seen_is_told_where_it_was_asked_for() -> None:
    known = cluster(permissions={"/vms": {"VM.Audit": 1}})
    assert ask(known)["unseen"] == [
        "bob@pve!ci may not see all storages: Datastore.Audit or Datastore.AllocateSpace on /storage is needed",
        "bob@pve!ci may not see all pools: Pool.Audit on /pool is needed",
        "bob@pve!ci may not see all sdn: SDN.Audit or SDN.Allocate on /sdn/zones is needed",
    ]
    assert ask(known, kinds=["nodes", "guests"])["complete"]


def test_a_limit_is_for_each_kind_and_says_so() -> None:
    result = ask(cluster(), limit=1)
    assert {kind: len(result[kind]) for kind in EVERY} == dict.fromkeys(EVERY, 1)
    assert (result["total"]["nodes"], result["truncated"]) == (3, True)
    with pytest.raises(BadInput, match="limit: 0 is not valid"):
        ask(cluster(), limit=0)


def test_a_result_that_is_too_long_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "LONGEST", 600)
    result = ask(cluster())
    assert result["nodes"]
    assert len(result["guests"]) < result["total"]["guests"]
    assert result["truncated"]


VERSIONS = {f"/nodes/{node}/version": {"version": "9.2.11", "release": "9.2"} for node in ("pve1", "pve2")}


def test_versions_are_read_of_nodes_that_answer() -> None:
    known = cluster(nodes=OFFLINE, **{STATUS: status(pve3=0)}, **VERSIONS)
    result = ask(known, details=["version"])
    assert [node["version"] for node in result["nodes"]] == ["9.2.11", "9.2.11", None]
    assert not [name for name in known.asked if "pve3" in name]


def test_a_version_that_cannot_be_read_is_told() -> None:
    result = ask(cluster(**VERSIONS, **{"/nodes/pve3/version": ApiError("broken")}), details=["version"])
    assert result["nodes"][2]["version"] is None
    assert result["unseen"] == ["version of pve3: broken"]


def test_a_node_in_maintenance() -> None:
    lines = [
        {"id": "quorum", "type": "quorum", "node": "pve1", "status": "OK"},
        {"id": "lrm:pve1", "type": "lrm", "node": "pve1", "status": "pve1 (active, Fri Nov 20 10:00:00 2026)"},
        {
            "id": "lrm:pve2",
            "type": "lrm",
            "node": "pve2",
            "status": "pve2 (maintenance mode, Fri Nov 20 10:00:00 2026)",
        },
    ]
    nodes = ask(cluster(**{HA: lines}), details=["maintenance"])["nodes"]
    assert [node["maintenance"] for node in nodes] == [False, True, False]


def test_maintenance_that_may_not_be_asked_is_unknown() -> None:
    denied = PermissionDenied("Permission check failed (/, Sys.Audit)")
    result = ask(cluster(**{HA: denied}), details=["maintenance"])
    assert {node["maintenance"] for node in result["nodes"]} == {None}
    assert result["unseen"] == [f"maintenance: {denied}"]


def test_a_later_task_of_a_check_run_sees_planned_guests() -> None:
    memory = Memory()
    for effect in born("lxc", "pve1", 900, "new", {}):
        memory.effects.setdefault(effect.at, []).append(effect)
    result = ask(cluster(), check=True, memory=memory)
    assert [guest["vmid"] for guest in result["guests"]] == [100, 101, 900]
