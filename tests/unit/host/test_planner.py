# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of golden_lxc: from what is there to one step, to none, or to a refusal."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, BadInput, NotFound, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST

TEMPLATE = "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz"
GOLDEN = {"vmid": 9001, "template": TEMPLATE, "storage": "local-zfs", "size": "4G", "hostname": "golden"}
CALL = {
    "vmid": 9001,
    "ostemplate": TEMPLATE,
    "unprivileged": 1,
    "features": "nesting=1,keyctl=1",
    "rootfs": "local-zfs:4",
    "hostname": "golden",
}
#: as `pct config` shows it once it is there
THERE = {
    "arch": "amd64",
    "features": "nesting=1,keyctl=1",
    "hostname": "golden",
    "memory": "512",
    "ostype": "alpine",
    "rootfs": "local-zfs:subvol-9001-disk-0,size=4G",
    "swap": "512",
    "unprivileged": "1",
}


class Node:
    """A host with at most one container. `made` is what `pct create` leaves behind."""

    def __init__(self, there: dict[str, str] | None = None, made: dict[str, str] | None = None) -> None:
        self.there, self.made = there, made or THERE
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def get(self, path: str, /, **params: Any) -> Any:
        self.asked.append((path, params))
        if path == "pct config" and self.there is None:
            raise NotFound("Configuration file 'nodes/pve1/lxc/9001.conf' does not exist")
        return self.there if path == "pct config" else True

    def send(self, method: str, path: str, data: Any = None) -> None:
        self.sent.append((method, path, dict(data)))
        self.there = self.made


def work(node: Node, check: bool = False, run: Memory | None = None, **golden: Any) -> Work:
    options = {"golden_lxc": {**GOLDEN, **golden}, "node": "pve1", "runner": "sudo", "pct": "/usr/sbin/pct"}
    return Work(PRIVILEGED_HOST, options, run or Memory(), check, writer=node)


def test_a_missing_base_is_one_step() -> None:
    plan = work(Node()).plan
    assert [(step.op, step.target, step.method, step.path) for step in plan.steps] == [
        ("create", "lxc/9001", "RUN", "pct create")
    ]
    assert plan.steps[0].data == CALL
    assert plan.steps[0].needs == ()
    assert plan.summary == "create lxc/9001 golden on pve1"
    assert plan.public()["risk"]["level"] == "medium"
    assert plan.public()["blast_radius"] == {
        "guests": ["lxc/9001"],
        "nodes": ["pve1"],
        "storages": ["local-zfs"],
        "complete": True,
    }


def test_it_reads_then_asks_whether_it_may() -> None:
    node = Node()
    work(node)
    assert node.asked == [
        ("pct config", {"node": "pve1", "vmid": 9001}),
        ("sudo -l", {"operation": "pct create", **CALL}),
    ]
    assert node.sent == []


def test_where_nothing_is_to_do_it_does_not_ask() -> None:
    node = Node(THERE)
    assert work(node).plan.changed is False
    assert [name for name, _params in node.asked] == ["pct config"]


def test_check_and_real_are_the_same_plan() -> None:
    check, real = work(Node(), check=True), work(Node())
    assert check.plan.digest == real.plan.digest
    assert check.result()["config"] == real.result()["config"]
    assert check.plan.public() == real.plan.public()


def test_carried_out_it_returns_what_is_there() -> None:
    node = Node()
    task = work(node)
    task.allow(task.plan.digest)
    task.carry_out()
    assert node.sent == [("RUN", "pct create", CALL)]
    assert task.result()["config"] == {**THERE, "memory": 512, "swap": 512, "unprivileged": 1}
    assert task.result()["plan"]["steps"][0]["status"] == "done"
    assert work(node).plan.steps == []


@pytest.mark.parametrize(
    ("made", "lacks"),
    [
        ({**THERE, "features": "nesting=1"}, "lacks the features keyctl"),
        ({key: value for key, value in THERE.items() if key != "features"}, "lacks the features nesting, keyctl"),
        ({**THERE, "unprivileged": "0"}, "is privileged"),
    ],
)
def test_a_base_that_did_not_get_what_was_asked_is_an_error(made: dict[str, str], lacks: str) -> None:
    task = work(Node(made=made))
    with pytest.raises(ApiError, match=f"was created, but it {lacks}"):
        task.carry_out()


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ({**THERE, "features": "nesting=1"}, "lacks the features keyctl.*features: nesting=1"),
        ({**THERE, "features": "nesting=1,keyctl=0"}, "lacks the features keyctl"),
        ({key: value for key, value in THERE.items() if key != "unprivileged"}, "is privileged"),
    ],
)
def test_a_container_that_is_something_else_is_left_alone(there: dict[str, str], says: str) -> None:
    node = Node(there)
    with pytest.raises(Refused, match=f"lxc/9001 exists on pve1 and {says}"):
        work(node)
    assert node.sent == []


def test_more_features_are_fine() -> None:
    assert work(Node({**THERE, "features": "fuse=1,keyctl=1,nesting=1"})).plan.steps == []


SHAPE: dict[str, Any] = {
    "arch": "arm64",
    "cores": 2,
    "cpulimit": 1.5,
    "cpuunits": 50,
    "description": "Base of Docker",
    "memory": 1024,
    "nameserver": ["192.0.2.1", "192.0.2.2"],
    "onboot": False,
    "ostype": "debian",
    "searchdomain": "example.org",
    "startup": {"order": 3, "up": 30, "down": None},
    "swap": 0,
    "tags": ["b", "A"],
    "timezone": "Europe/Berlin",
}


def test_all_of_its_shape_is_said_in_the_one_step() -> None:
    assert work(Node(), **SHAPE).plan.steps[0].data == {
        **CALL,
        "arch": "arm64",
        "cores": 2,
        "cpulimit": "1.5",
        "cpuunits": 50,
        "description": "Base of Docker",
        "memory": 1024,
        "nameserver": "192.0.2.1 192.0.2.2",
        "onboot": 0,
        "ostype": "debian",
        "searchdomain": "example.org",
        "startup": "3,up=30",
        "swap": 0,
        "tags": "a;b",
        "timezone": "Europe/Berlin",
    }


def test_a_base_of_that_shape_is_as_wanted() -> None:
    """As `pct config` shows it: a description is encoded, and what has its default is not shown."""
    shown = {
        **{key: str(value) for key, value in work(Node(), **SHAPE).plan.steps[0].data.items()},
        "description": "Base of Docker%0A",
        "rootfs": THERE["rootfs"],
        "startup": "order=3,up=30",
    }
    del shown["onboot"], shown["vmid"], shown["ostemplate"]
    plan = work(Node(shown), **SHAPE).plan
    assert (plan.steps, plan.warnings) == ([], [])
    assert plan.result["config"]["description"] == "Base of Docker\n"


@pytest.mark.parametrize(
    ("wanted", "warning"),
    [
        ({"hostname": "other"}, "hostname is golden, not other"),
        ({"memory": 1024}, "memory is 512, not 1024"),
        ({"size": "8G"}, "rootfs is local-zfs:subvol-9001-disk-0,size=4G, not local-zfs with 8G"),
        ({"storage": "local"}, "not local with 4G"),
        ({"net": [{"slot": "net0", "bridge": "vmbr0"}]}, "net0 is not set, not bridge=vmbr0,name=eth0"),
    ],
)
def test_what_else_differs_is_a_warning(wanted: dict[str, Any], warning: str) -> None:
    task = work(Node(THERE), **wanted)
    assert task.plan.steps == []
    (said,) = task.plan.warnings
    assert warning in said
    assert "steward.proxmox.lxc" in said


def test_as_wanted_there_is_no_warning() -> None:
    same: dict[str, Any] = {"memory": 512, "tags": ["b", "A"], "nameserver": ["192.0.2.1", "192.0.2.2"]}
    there = {**THERE, "tags": "a;b", "nameserver": "192.0.2.1 192.0.2.2"}
    assert work(Node(there), **same).plan.warnings == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"vmid": 99},
        {"template": "debian-12"},
        {"template": "local:backup/vzdump-lxc-1.tar.zst"},
        {"storage": "a;id"},
        {"hostname": "bad_name"},
        {"hostname": "a\nb"},
        {"size": "big"},
        {"size": "0.0000001G"},
        {"searchdomain": "a b"},
        {"net": [{"slot": "net0", "bridge": "vmbr0,hwaddr=x"}]},
        {"net": [{"slot": "eth0", "bridge": "vmbr0"}]},
        {"tags": ["a$b"]},
        {"ostype": "debian --mp0 /etc"},
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(wanted: dict[str, Any]) -> None:
    node = Node()
    with pytest.raises(BadInput, match="Nothing was sent"):
        work(node, **wanted)
    assert node.asked == []


def test_a_later_task_of_a_check_run_sees_it() -> None:
    memory = Memory()
    first = work(Node(), check=True, run=memory)
    memory.remember(first.plan, {}, check=True)
    seen = {effect.at for effects in memory.effects.values() for effect in effects}
    assert {"/nodes/pve1/lxc/9001/config", "pct config?node=pve1&vmid=9001", "/cluster/resources?type=vm"} <= seen
    rootfs = memory.effects["/nodes/pve1/lxc/9001/config"][0].value["rootfs"]
    assert rootfs == "local-zfs:(known after apply: rootfs of lxc/9001),size=4G"
    second = work(Node(), check=True, run=memory)
    assert (second.plan.steps, second.plan.warnings) == ([], [])


def test_what_one_host_will_have_another_has_not() -> None:
    memory = Memory()
    first = work(Node(), check=True, run=memory)
    memory.remember(first.plan, {}, check=True)
    options = {"golden_lxc": GOLDEN, "node": "pve2", "runner": "sudo", "pct": "/usr/sbin/pct"}
    assert Work(PRIVILEGED_HOST, options, memory, True, writer=Node()).plan.changed
