# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The read-only view: each GET once, and in check mode what the run has planned laid over it."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import NotFound, PermissionDenied
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Effect
from ansible_collections.steward.proxmox.plugins.module_utils._world import World, address, apply_effect

from tests.unit.engine.fakes import Cluster

CONFIG = "/nodes/pve1/lxc/100/config"
LIST = "/cluster/resources?type=vm"


def world_with(cluster: Cluster, *effects: Effect, check: bool = True) -> World:
    memory = Memory()
    for effect in effects:
        memory.effects.setdefault(effect.at, []).append(effect)
    return World(cluster.get, memory, check, "bob@pve!ci")


def test_a_read_is_named_by_its_path_and_its_parameters_in_order() -> None:
    assert address("/a") == "/a"
    assert address("/a", {"z": True, "b": "x", "none": None}) == "/a?b=x&z=1"


def test_each_get_is_sent_once() -> None:
    cluster = Cluster({CONFIG: {"hostname": "web"}, LIST: [{"vmid": 100}]})
    world = world_with(cluster)
    for _again in range(3):
        assert world.get(CONFIG) == world.find(CONFIG) == {"hostname": "web"}
        assert world.get("/cluster/resources", type="vm") == [{"vmid": 100}]
    assert cluster.asked == [CONFIG, LIST]


def test_other_parameters_are_another_read() -> None:
    cluster = Cluster({"/c?content=backup": [1], "/c?content=iso": [2]})
    world = world_with(cluster)
    assert (world.get("/c", content="backup"), world.get("/c", content="iso")) == ([1], [2])


def test_what_is_missing_is_found_to_be_none_and_any_other_refusal_is_raised() -> None:
    world = world_with(Cluster({"/secret": PermissionDenied("no")}))
    assert world.find(CONFIG) is None
    with pytest.raises(NotFound):
        world.get(CONFIG)
    with pytest.raises(PermissionDenied):
        world.find("/secret")


def test_a_planned_object_is_there_without_asking() -> None:
    cluster = Cluster({})
    world = world_with(cluster, Effect(CONFIG, "set", {"hostname": "planned"}))
    assert world.get(CONFIG) == {"hostname": "planned"}
    assert cluster.asked == []


def test_a_real_run_does_not_see_planned_effects() -> None:
    world = world_with(Cluster({CONFIG: {"hostname": "web"}}), Effect(CONFIG, "gone"), check=False)
    assert world.get(CONFIG) == {"hostname": "web"}


def test_an_object_that_is_planned_to_go_is_gone() -> None:
    world = world_with(Cluster({CONFIG: {"hostname": "web"}}), Effect(CONFIG, "gone"))
    assert world.find(CONFIG) is None
    with pytest.raises(NotFound, match="a task before this one removes it"):
        world.get(CONFIG)


def test_removed_and_made_again() -> None:
    world = world_with(Cluster({CONFIG: {"a": 1}}), Effect(CONFIG, "gone"), Effect(CONFIG, "set", {"b": 2}))
    assert world.get(CONFIG) == {"b": 2}


def test_a_merge_changes_keys_and_none_removes_one() -> None:
    effect = Effect(CONFIG, "merge", {"cores": 2, "tags": None})
    assert world_with(Cluster({CONFIG: {"cores": 1, "tags": "a", "swap": 0}}), effect).get(CONFIG) == {
        "cores": 2,
        "swap": 0,
    }


def test_a_merge_after_a_set_builds_on_it() -> None:
    cluster = Cluster({CONFIG: {"live": 1}})
    world = world_with(cluster, Effect(CONFIG, "set", {"a": 1}), Effect(CONFIG, "merge", {"b": 2}))
    assert world.get(CONFIG) == {"a": 1, "b": 2}
    assert cluster.asked == []


def test_lists_lose_and_gain_items() -> None:
    effects = [Effect(LIST, "drop", "lxc/100", by="id"), Effect(LIST, "add", {"id": "lxc/102"})]
    cluster = Cluster({LIST: [{"id": "lxc/100"}, {"id": "lxc/101"}]})
    assert world_with(cluster, *effects).get("/cluster/resources", type="vm") == [{"id": "lxc/101"}, {"id": "lxc/102"}]


def test_an_item_may_be_added_to_a_list_that_does_not_exist_yet() -> None:
    world = world_with(Cluster({}), Effect("/nodes/pve1/lxc/100/snapshot", "add", {"name": "s1"}))
    assert world.get("/nodes/pve1/lxc/100/snapshot") == [{"name": "s1"}]


def test_the_overlay_leaves_live_data_and_effects_as_they_are() -> None:
    live: dict[str, Any] = {"tags": ["a"]}
    added: dict[str, Any] = {"deep": {"x": 1}}
    world = world_with(Cluster({CONFIG: live, LIST: []}), Effect(CONFIG, "merge", {"b": 1}), Effect(LIST, "add", added))
    world.get(CONFIG)["tags"].append("b")
    world.get("/cluster/resources", type="vm")[0]["deep"]["x"] = 2
    assert live == {"tags": ["a"]}
    assert added == {"deep": {"x": 1}}
    assert world.get("/cluster/resources", type="vm") == [{"deep": {"x": 1}}]


def test_an_effect_that_does_not_exist_is_a_mistake_of_the_planner() -> None:
    with pytest.raises(ValueError, match="'explode' is not an effect"):
        apply_effect({}, Effect("/x", "explode"))


def test_permissions_are_read_once_per_run() -> None:
    cluster = Cluster({"/access/permissions": {"/": {"VM.Audit": 1}}})
    memory = Memory()
    for _task in range(3):
        world = World(cluster.get, memory, False, "bob@pve!ci")
        assert world.permissions() == {"/": {"VM.Audit": 1}}
    assert cluster.asked == ["/access/permissions"]
    assert World(cluster.get, memory, False, "alice@pve").permissions() == {"/": {"VM.Audit": 1}}
    assert len(cluster.asked) == 2


def test_permissions_of_root_and_foretold_ones_are_not_read() -> None:
    cluster = Cluster({})
    assert World(cluster.get, Memory(), False, "root@pam", is_root=True).permissions() is None
    memory = Memory.of([{"permissions_changed": "planned"}])
    assert World(cluster.get, memory, True, "bob@pve!ci").permissions() is None
    assert cluster.asked == []


def test_what_this_run_made_is_known() -> None:
    world = World(Cluster({}).get, Memory.of([{"bound": {"lxc/100": "sha256:x"}}]), False)
    assert world.made_here("lxc/100")
    assert not world.made_here("lxc/101")


def test_what_a_run_makes_is_counted_whether_it_is_planned_or_real() -> None:
    made = Memory.of([{"made": ["backup/nas:(known after apply: backup of lxc/100 1)"]}])
    for check in (True, False):
        world = World(Cluster({}).get, made, check)
        assert world.count_made("backup/nas:(known after apply: backup of lxc/100 ") == 1
        assert world.count_made("backup/nas:(known after apply: backup of lxc/101 ") == 0
