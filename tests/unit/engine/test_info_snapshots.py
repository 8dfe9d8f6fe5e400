# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots: the tree of one guest, and those of many."""

import time
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._info.snapshots import plan_snapshot_info
from ansible_collections.steward.proxmox.plugins.module_utils._info.tree import tree
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Effect
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.unit.engine.fakes import Cluster
from tests.unit.engine.test_info_guests import BASE, DB, LIST, LXC, NODES, OFFLINE, SEES_ALL, VM, WEB

NOW = {"name": "current", "description": "You are here!"}
FORKED: list[dict[str, Any]] = [
    {"name": "b1", "parent": "root", "snaptime": 30, "description": ""},
    {"name": "root", "snaptime": 10, "description": "first\n", "vmstate": 1},
    {"name": "a1", "parent": "root", "snaptime": 20},
    {"name": "a2", "parent": "a1", "snaptime": 20},
    {**NOW, "parent": "a2"},
]


def test_the_tree_names_parents_and_children_the_oldest_first() -> None:
    found = tree(FORKED)
    assert [(one["name"], one["parent"], one["children"]) for one in found] == [
        ("root", None, ["a1", "b1"]),
        ("a1", "root", ["a2"]),
        ("a2", "a1", []),
        ("b1", "root", []),
    ]
    assert [one["name"] for one in found if one["current"]] == ["a2"]
    assert (found[0]["description"], found[0]["vmstate"]) == ("first", True)


def test_a_guest_without_snapshots() -> None:
    nothing: list[dict[str, Any]] = []
    assert tree([NOW]) == tree(nothing) == []


def test_a_tree_whose_parent_is_gone_or_which_bites_its_tail() -> None:
    assert [one["parent"] for one in tree([{"name": "s1", "parent": "deleted"}])] == [None]
    circle = tree([{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}])
    assert sorted(one["name"] for one in circle) == ["a", "b"]


def ask(known: Cluster, check: bool = False, memory: Memory | None = None, **options: Any) -> dict[str, Any]:
    """The result of snapshot_info."""
    world = World(known.get, memory or Memory(), check, "bob@pve!ci")
    return plan_snapshot_info({"concurrency": 4, **options}, world).result


def cluster(nodes: Any = NODES, **answers: Any) -> Cluster:
    old = time.time() - 10 * 86400
    answers = {
        f"{LXC}/snapshot": [{"name": "auto-1", "snaptime": old}, {"name": "manual", "snaptime": time.time()}, NOW],
        f"{VM}/snapshot": [{"name": "auto-1", "snaptime": old + 1, "vmstate": 0}, NOW],
        "/nodes/pve3/qemu/102/snapshot": [NOW],
        **answers,
    }
    return Cluster({LIST: [*nodes, WEB, DB, BASE], "/access/permissions": SEES_ALL, **answers})


def names(result: dict[str, Any]) -> list[tuple[int, str]]:
    return [(row["vmid"], row["name"]) for row in result["snapshots"]]


FILTERS: list[tuple[dict[str, Any], list[tuple[int, str]]]] = [
    ({}, [(100, "auto-1"), (101, "auto-1"), (101, "manual")]),
    ({"vmid": [101]}, [(101, "auto-1"), (101, "manual")]),
    ({"type": "qemu"}, [(100, "auto-1")]),
    ({"tags": ["web"], "snapshot": "manual"}, [(101, "manual")]),
    ({"snapshot": "auto"}, []),
    ({"prefix": "auto-"}, [(100, "auto-1"), (101, "auto-1")]),
    ({"older_than": "9d"}, [(100, "auto-1"), (101, "auto-1")]),
    ({"older_than": "11d"}, []),
]


@pytest.mark.parametrize(("options", "expected"), FILTERS, ids=str)
def test_filters_choose(options: dict[str, Any], expected: list[tuple[int, str]]) -> None:
    result = ask(cluster(), **options)
    assert names(result) == expected
    assert (result["total"], result["truncated"], result["complete"]) == (len(expected), False, True)


def test_all_snapshots_are_one_request_for_each_guest() -> None:
    known = cluster()
    result = ask(known)
    assert sorted(known.asked[2:]) == sorted([f"{LXC}/snapshot", f"{VM}/snapshot", "/nodes/pve3/qemu/102/snapshot"])
    first = result["snapshots"][0]
    assert {key: first[key] for key in ("vmid", "type", "node", "guest")} == {
        "vmid": 100,
        "type": "qemu",
        "node": "pve2",
        "guest": "db",
    }


def test_a_limit_cuts_and_says_so() -> None:
    result = ask(cluster(), limit=2)
    assert (len(result["snapshots"]), result["total"], result["truncated"]) == (2, 3, True)


def test_a_guest_that_cannot_be_read_is_told_and_spoils_no_other() -> None:
    result = ask(cluster(**{f"{LXC}/snapshot": ApiError("got no lock")}))
    assert names(result) == [(100, "auto-1")]
    assert (result["complete"], result["unseen"]) == (False, ["lxc/101: got no lock"])


def test_a_dead_node_is_told_and_not_asked() -> None:
    known = cluster(nodes=OFFLINE)
    result = ask(known)
    assert result["unseen"] == ["node pve3 does not answer: only what it last reported is known"]
    assert not [name for name in known.asked if "pve3" in name]


def test_an_age_that_is_none_is_told_before_anything_is_read() -> None:
    known = cluster()
    with pytest.raises(BadInput, match="older_than: 'soon' is not an age"):
        ask(known, older_than="soon")
    assert known.asked == []


def test_a_planned_snapshot_is_seen_in_a_check_run_and_is_not_old() -> None:
    planned = Effect(f"{VM}/snapshot", "set", [{"name": "s1"}, {**NOW, "parent": "s1"}])
    memory = Memory(effects={planned.at: [planned]})
    (row,) = ask(cluster(), check=True, memory=memory, vmid=[100])["snapshots"]
    assert (row["name"], row["snaptime"], row["current"]) == ("s1", None, True)
    assert ask(cluster(), check=True, memory=memory, vmid=[100], older_than="1s")["snapshots"] == []
