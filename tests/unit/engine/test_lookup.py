# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding a guest: what cannot be seen is never taken for what is not there."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    BadInput,
    NotFound,
    PermissionDenied,
    Refused,
    StewardError,
    Unreachable,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import (
    Guest,
    find,
    free_vmid,
    from_rows,
    online_nodes,
    require,
    to_rows,
)
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.unit.engine.fakes import Cluster

WEB = {"type": "lxc", "vmid": 100, "node": "pve1", "name": "web", "status": "running"}
VM = {"type": "qemu", "vmid": 200, "node": "pve2", "name": "vm", "status": "stopped"}
HIDDEN = {"type": "lxc", "vmid": 300, "node": "pve3", "status": "unknown"}  # its node is down: no name
SEES_ALL = {"/": {"VM.Audit": 1}}
LIST = "/cluster/resources?type=vm"


def cluster(*rows: dict[str, Any], **answers: Any) -> Cluster:
    """A cluster with these guests in its list; each can be read on its node."""
    known: dict[str, Any] = {
        LIST: list(rows),
        "/nodes": [
            {"node": "pve1", "status": "online"},
            {"node": "pve2", "status": "online"},
            {"node": "pve3", "status": "offline"},
        ],
        "/access/permissions": SEES_ALL,
        "/nodes/pve1/lxc": [],
        "/nodes/pve2/lxc": [],
    }
    for row in rows:
        key = "hostname" if row["type"] == "lxc" else "name"
        known[pending(row)] = to_rows({key: row.get("name"), "digest": "d"})
    return Cluster({**known, **answers})


def pending(row: dict[str, Any]) -> str:
    return f"/nodes/{row['node']}/{row['type']}/{row['vmid']}/pending"


def looked_for(
    cluster: Cluster, vmid: int | None = None, name: str | None = None, node: str | None = None, kind: str = "lxc"
) -> Guest | None:
    return find(World(cluster.get, Memory(), False, "bob@pve!ci"), kind, vmid, name, node)


def test_with_id_and_node_it_is_one_request() -> None:
    known = cluster(WEB)
    guest = looked_for(known, vmid=100, node="pve1")
    assert guest == Guest("lxc", 100, "pve1", {"hostname": "web", "digest": "d"})
    assert known.asked == [pending(WEB)]


FOUND: list[tuple[dict[str, Any], tuple[str, int, str]]] = [
    ({"vmid": 100}, ("lxc", 100, "pve1")),
    ({"name": "web"}, ("lxc", 100, "pve1")),
    ({"name": "web", "node": "pve1"}, ("lxc", 100, "pve1")),
    # the id says which; the name is what it shall be called
    ({"vmid": 100, "name": "other"}, ("lxc", 100, "pve1")),
    ({"vmid": 200, "kind": "qemu"}, ("qemu", 200, "pve2")),
    ({"name": "vm", "kind": "qemu"}, ("qemu", 200, "pve2")),
]


@pytest.mark.parametrize(("asked", "place"), FOUND)
def test_found(asked: dict[str, Any], place: tuple[str, int, str]) -> None:
    guest = looked_for(cluster(WEB, VM), **asked)
    assert guest is not None
    assert (guest.kind, guest.vmid, guest.node) == place
    assert guest.exists


ABSENT: list[dict[str, Any]] = [
    {"vmid": 101},
    {"vmid": 101, "node": "pve1"},
    {"name": "gone"},
    {"name": "gone", "node": "pve1"},
    {"name": "vm"},
]


@pytest.mark.parametrize("asked", ABSENT, ids=str)
def test_certainly_absent(asked: dict[str, Any]) -> None:
    assert looked_for(cluster(WEB, VM), **asked) is None


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({}, "Neither vmid nor name is given"),
    ({"vmid": 100, "node": "pve2"}, "lxc/100 is on node pve1, not on pve2.*Give node: pve1"),
    ({"name": "web", "node": "pve2"}, r"lxc 'web' \(100\) is on node pve1, not on pve2"),
    ({"vmid": 200}, "200 is a qemu guest on pve2, not lxc"),
    ({"vmid": 100, "node": "pve2", "kind": "qemu"}, "100 is a lxc guest on pve1, not qemu"),
    ({"vmid": 5}, "vmid: 5 is not valid"),
    ({"vmid": 100, "node": "pve1/../x"}, "node: .* is not valid"),
    ({"name": "bad name"}, "name: 'bad name' is not valid"),
]


@pytest.mark.parametrize(("asked", "text"), CONTRADICTIONS, ids=str)
def test_contradictions_are_named(asked: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        looked_for(cluster(WEB, VM), **asked)


def test_two_of_one_name_are_named() -> None:
    twin = {**WEB, "vmid": 101, "node": "pve2"}
    with pytest.raises(BadInput, match=r"2 lxc guests are called 'web': lxc/100 on pve1, lxc/101 on pve2.*Give vmid"):
        looked_for(cluster(WEB, twin), name="web")


def test_a_container_and_a_machine_may_share_a_name() -> None:
    guest = looked_for(cluster(WEB, {**VM, "name": "web"}), name="web")
    assert guest is not None
    assert guest.vmid == 100


def test_a_name_that_the_lagging_list_does_not_show_yet_is_asked_of_the_nodes() -> None:
    answers = {
        "/nodes/pve2/lxc": [{"vmid": "102", "name": "fresh", "status": "stopped"}],
        "/nodes/pve2/lxc/102/pending": to_rows({"hostname": "fresh"}),
    }
    guest = looked_for(cluster(WEB, **answers), name="fresh")
    assert guest is not None
    assert (guest.vmid, guest.node) == (102, "pve2")


UNKNOWN: list[tuple[Cluster, dict[str, Any], type[StewardError], str]] = [
    (cluster(WEB, HIDDEN), {"name": "gone"}, Refused, "unknown: lxc/300 on pve3 are on nodes that do not answer"),
    (
        cluster(WEB, **{"/access/permissions": {"/vms/100": {"VM.Audit": 1}}}),
        {"name": "gone"},
        Refused,
        "unknown: bob@pve!ci may not see every guest.*grant VM.Audit on /vms",
    ),
    (
        cluster(**{"/nodes/pve1/lxc/100/pending": PermissionDenied("Permission check failed (/vms/100, VM.Audit)")}),
        {"vmid": 100},
        PermissionDenied,
        "VM.Audit",
    ),
    (
        cluster(**{"/nodes/pve1/lxc/100/pending": PermissionDenied("Permission check failed (/vms/100, VM.Audit)")}),
        {"vmid": 100, "node": "pve1"},
        PermissionDenied,
        "VM.Audit",
    ),
    (
        cluster(HIDDEN, **{pending(HIDDEN): Unreachable("the node behind it did not answer")}),
        {"vmid": 300},
        Unreachable,
        "did not answer",
    ),
]


@pytest.mark.parametrize(("known", "asked", "kind", "text"), UNKNOWN, ids=lambda value: str(value)[:40])
def test_what_cannot_be_seen_is_unknown(
    known: Cluster, asked: dict[str, Any], kind: type[StewardError], text: str
) -> None:
    with pytest.raises(kind, match=text):
        looked_for(known, **asked)


def test_a_guest_on_a_dead_node_does_not_hide_one_that_is_found() -> None:
    assert looked_for(cluster(WEB, HIDDEN), name="web") is not None


def test_require_finds_either_kind_and_says_what_is_missing() -> None:
    world = World(cluster(WEB, VM).get, Memory(), False, "bob@pve!ci")
    assert require(world, None, 200, None, None).kind == "qemu"
    assert require(world, None, None, "vm", None).vmid == 200
    assert require(world, "lxc", 100, None, "pve1").name == "web"
    with pytest.raises(NotFound, match="No guest 101 exists"):
        require(world, None, 101, None, None)
    with pytest.raises(NotFound, match="No guest 'gone' exists on node pve1"):
        require(world, None, None, "gone", "pve1")


def test_require_does_not_choose_between_a_container_and_a_machine_of_one_name() -> None:
    world = World(cluster(WEB, {**VM, "name": "web"}).get, Memory(), False, "bob@pve!ci")
    with pytest.raises(BadInput, match="2 guests are called 'web': lxc/100 on pve1, qemu/200 on pve2"):
        require(world, None, None, "web", None)


def test_a_free_id_is_one_that_neither_the_cluster_nor_the_list_has() -> None:
    known = cluster(WEB, {**WEB, "vmid": 101}, **{"/cluster/nextid": "100"})
    assert free_vmid(World(known.get, Memory(), False)) == 102


def test_only_nodes_that_are_online_count() -> None:
    assert online_nodes(World(cluster().get, Memory(), False)) == ["pve1", "pve2"]


def test_a_guest_knows_its_names() -> None:
    guest = Guest("qemu", 200, "pve2", {"name": "vm"})
    assert (guest.target, guest.path, guest.name) == ("qemu/200", "/nodes/pve2/qemu/200", "vm")
    assert Guest("lxc", 100, "pve1").exists is False
    assert Guest("lxc", 100, "pve1").name == ""


def test_what_waits_for_a_restart_is_told_apart() -> None:
    rows: list[dict[str, Any]] = [
        {"key": "name", "value": "web"},
        {"key": "memory", "value": "256", "pending": "1024"},
        {"key": "net2", "pending": "virtio=BC:24:11:00:00:02,bridge=vmbr0"},
        {"key": "agent", "value": "1", "delete": 1},
        {"key": "digest", "value": "d"},
    ]
    config, waiting = from_rows(rows)
    assert config == {
        "name": "web",
        "memory": "1024",
        "net2": "virtio=BC:24:11:00:00:02,bridge=vmbr0",
        "digest": "d",
    }
    assert waiting == {"memory": "256", "net2": None, "agent": "1"}
