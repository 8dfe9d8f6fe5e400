# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups: on one storage, on all of them, and what is said of those that cannot be read."""

import time
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._info.backups import plan_backup_info
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Effect
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.unit.engine.fakes import Cluster
from tests.unit.engine.test_info_guests import NODES, OFFLINE, WEB

LIST = "/cluster/resources"
DAY = 86400
#: sees all storages and all backups
ALL = {"/": {"Datastore.Audit": 1, "Datastore.Allocate": 1}}
LOCAL = [f"/nodes/{node}/storage/local/content?content=backup" for node in ("pve1", "pve2", "pve3")]
NAS = "/nodes/pve1/storage/nas/content?content=backup"


def storage(node: str, name: str, **more: Any) -> dict[str, Any]:
    row = {"id": f"storage/{node}/{name}", "type": "storage", "node": node, "storage": name, "shared": 0}
    return {**row, "status": "available", "content": "iso,backup", **more}


STORAGES = [
    *(storage(node, "local") for node in ("pve1", "pve2", "pve3")),
    *(storage(node, "nas", shared=1, content="backup") for node in ("pve1", "pve2", "pve3")),
    storage("pve1", "zfs", content="images,rootdir"),
]


def backup(name: str, vmid: int, days: float, **more: Any) -> dict[str, Any]:
    made = {"volid": f"x:backup/{name}", "content": "backup", "vmid": vmid, "ctime": int(time.time() - days * DAY)}
    return {**made, "subtype": "lxc", "size": 7, "notes": f"{name}\nmore", **more}


OLD, YOUNG = backup("old", 100, 9), backup("young", 100, 1, protected=1)
OTHER = backup("other", 101, 5, verification={"state": "ok", "upid": "UPID:x"}, encrypted="ab:cd")
THERE = {LOCAL[0]: [YOUNG, {"content": "iso", "volid": "x:iso/y"}], LOCAL[1]: [OTHER], LOCAL[2]: [], NAS: [OLD]}


def cluster(nodes: Any = NODES, rows: Any = STORAGES, permissions: Any = None, **answers: Any) -> Cluster:
    held = ALL if permissions is None else permissions
    return Cluster({LIST: [*nodes, *rows, WEB], "/access/permissions": held, **THERE, **answers})


def ask(known: Cluster, check: bool = False, memory: Memory | None = None, **options: Any) -> dict[str, Any]:
    """The result of backup_info."""
    world = World(known.get, memory or Memory(), check, "bob@pve!ci")
    return plan_backup_info({"concurrency": 4, "newest": False, **options}, world).result


def names(result: dict[str, Any]) -> list[str]:
    return [row["name"] for row in result["backups"]]


def test_on_all_storages_a_shared_one_is_read_once() -> None:
    known = cluster()
    result = ask(known)
    assert names(result) == ["old", "other", "young"]
    assert [(row["storage"], row["node"]) for row in result["backups"]] == [
        ("nas", "pve1"),
        ("local", "pve2"),
        ("local", "pve1"),
    ]
    assert (result["complete"], result["total"], result["truncated"]) == (True, 3, False)
    assert sorted(known.asked) == sorted([LIST, "/access/permissions", *LOCAL, NAS])


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"vmid": [100]}, ["old", "young"]),
    ({"vmid": [100, 101]}, ["old", "other", "young"]),
    ({"vmid": [102]}, []),
    ({"name": "young"}, ["young"]),
    ({"name": "young\nmore"}, []),
    ({"protected": True}, ["young"]),
    ({"protected": False}, ["old", "other"]),
    ({"newest": True}, ["other", "young"]),
    ({"newest": True, "protected": False}, ["old", "other"]),
    ({"max_age": "6d"}, ["other", "young"]),
    ({"older_than": "6d"}, ["old"]),
    ({"older_than": "2d", "max_age": "6d"}, ["other"]),
    ({"storage": "local"}, ["other", "young"]),
    ({"node": "pve2"}, ["old", "other"]),
]


@pytest.mark.parametrize(("options", "expected"), FILTERS, ids=str)
def test_filters_choose(options: dict[str, Any], expected: list[str]) -> None:
    known = cluster(**{"/nodes/pve2/storage/nas/content?content=backup": [OLD]})
    assert names(ask(known, **options)) == expected


def test_what_a_backup_server_tells_is_passed_on() -> None:
    (row,) = ask(cluster(), name="other")["backups"]
    assert (row["verification"]["state"], row["encrypted"], row["size"], row["protected"]) == ("ok", "ab:cd", 7, False)


def test_with_node_and_storage_it_is_one_request() -> None:
    known = cluster()
    assert names(ask(known, node="pve1", storage="local")) == ["young"]
    assert known.asked == [LOCAL[0], "/access/permissions"]


def test_a_refusal_of_the_one_storage_that_was_asked_for_is_raised() -> None:
    with pytest.raises(ApiError, match="nfs is away"):
        ask(cluster(**{LOCAL[0]: ApiError("nfs is away")}), node="pve1", storage="local")


def test_a_storage_that_cannot_be_read_is_told_and_spoils_no_other() -> None:
    result = ask(cluster(**{NAS: ApiError("nfs is away")}))
    assert names(result) == ["other", "young"]
    assert (result["complete"], result["unseen"]) == (False, ["storage nas on pve1: nfs is away"])


def test_what_does_not_answer_is_told_and_not_asked() -> None:
    rows = [*STORAGES[:1], storage("pve2", "local", status="unknown"), *STORAGES[2:]]
    known = cluster(nodes=OFFLINE, rows=rows)
    result = ask(known)
    assert result["unseen"] == ["storage local on pve2 does not answer", "storage local on pve3 does not answer"]
    assert names(result) == ["old", "young"]
    assert LOCAL[1] not in known.asked
    assert LOCAL[2] not in known.asked


def test_a_shared_storage_is_read_by_a_node_that_answers() -> None:
    rows = [storage("pve3", "nas", shared=1), storage("pve2", "nas", shared=1)]
    known = cluster(nodes=OFFLINE, rows=rows, **{"/nodes/pve2/storage/nas/content?content=backup": [OLD]})
    result = ask(known)
    assert (names(result), result["complete"]) == (["old"], True)


WEAK: list[tuple[Any, dict[str, Any], str]] = [
    ({"/storage/nas": {"Datastore.Allocate": 1}}, {}, "may not see all storages: Datastore.Audit or Datastore.Allo"),
    ({"/": {"Datastore.Audit": 1}}, {}, "may not see all backups on local: VM.Backup on the guests and Datastore.Al"),
    (
        {"/": {"Datastore.AllocateSpace": 1}, "/vms/100": {"VM.Backup": 1}},
        {"vmid": [100, 101]},
        "may not see all backups on local",
    ),
]


@pytest.mark.parametrize(("permissions", "options", "text"), WEAK, ids=str)
def test_a_credential_that_may_not_see_all_is_told(permissions: Any, options: dict[str, Any], text: str) -> None:
    result = ask(cluster(permissions=permissions), **options)
    assert not result["complete"]
    assert any(text in line for line in result["unseen"])


def test_a_storage_that_is_named_makes_the_others_no_matter() -> None:
    only = {"/storage/nas": {"Datastore.Allocate": 1}}
    assert ask(cluster(permissions=only), storage="nas")["complete"]
    own = {"/": {"Datastore.AllocateSpace": 1}, "/vms/100": {"VM.Backup": 1}}
    assert ask(cluster(permissions=own), vmid=[100])["complete"]


def test_a_storage_that_is_not_there_is_told() -> None:
    with pytest.raises(BadInput, match="storage: 'zfs' is not a storage with backups; these are: local, nas"):
        ask(cluster(), storage="zfs")
    with pytest.raises(BadInput, match=r"these are: none.*may not see all storages"):
        ask(cluster(rows=[], permissions={}), storage="nas")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_age": "old"}, "max_age: 'old' is not an age"),
        ({"older_than": "old"}, "older_than: 'old' is not an age"),
        ({"limit": 0}, "limit: 0 is not valid"),
        ({"concurrency": 99}, "concurrency: 99 is not valid"),
        ({"storage": "-"}, "storage: '-' is not valid"),
        ({"node": "pve9"}, "node: 'pve9' is not a node"),
        ({"node": "a/b", "storage": "nas"}, "node: 'a/b' is not valid"),
    ],
    ids=str,
)
def test_wrong_input_is_told(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        ask(cluster(), **options)


def test_a_limit_cuts_and_says_so() -> None:
    result = ask(cluster(), limit=2)
    assert (names(result), result["total"], result["truncated"]) == (["old", "other"], 3, True)


def test_a_planned_backup_is_seen_in_a_check_run_through_whatever_node_made_it() -> None:
    planned = {"volid": "nas:(known after apply: x)", "content": "backup", "vmid": 100, "notes": "planned"}
    elsewhere = "/nodes/pve3/storage/nas/content?content=backup"
    memory = Memory(effects={elsewhere: [Effect(elsewhere, "add", planned)]})
    known = cluster(**{elsewhere: [OLD]})
    result = ask(known, check=True, memory=memory, storage="nas")
    assert names(result) == ["old", "planned"], "a planned one is the newest"
    assert names(ask(known, check=True, memory=memory, storage="nas", max_age="1s")) == ["planned"]
    assert names(ask(known, memory=memory, storage="nas")) == ["old"]
