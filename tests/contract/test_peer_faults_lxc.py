# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the peer's module for containers. Ids: peer_faults.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.harness import Site
from tests.contract.peers import CT, RUNNING_CT, config, converged, ops, parts, sent
from tests.contract.scenarios import TEMPLATE, container, machine


def test_a_limit_of_the_cpu_is_no_weight(site: Site) -> None:
    """2.2.1"""
    new = {"vmid": 600, "node": "pve1", "source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs"}}
    converged(site, "lxc", {**new, "cores": 2, "cpulimit": 2})
    converged(site, "lxc", {**CT, "cores": 2, "cpulimit": 2})
    for guest in (new, CT):
        found = config(site, guest)
        assert (int(found["cores"]), float(found["cpulimit"]), found.get("cpuunits")) == (2, 2.0, None)


def test_a_key_that_goes_is_seen_and_the_mac_stays(site: Site) -> None:
    """2.2.2"""
    before = parts(config(site, CT)["net1"])
    converged(site, "lxc", {**CT, "delete": ["net1.tag"]})
    assert parts(config(site, CT)["net1"]) == {key: value for key, value in before.items() if key != "tag"}


def test_a_feature_that_is_switched_off_is_seen(site: Site) -> None:
    """2.2.2"""
    site.lab.state.guests[213].config["features"] = "keyctl=1,nesting=1"
    converged(site, "lxc", {**CT, "features": {"keyctl": False}}, identity="root")
    assert parts(config(site, CT)["features"]).get("keyctl", "0") == "0"
    assert parts(config(site, CT)["features"])["nesting"] == "1"


def test_a_value_is_compared_as_a_whole_and_not_by_what_it_contains(site: Site) -> None:
    """2.2.2"""
    site.lab.state.guests[213].config["net1"] = "name=eth1,bridge=vmbr10,hwaddr=BC:24:11:00:01:13,tag=70,type=veth"
    converged(site, "lxc", {**CT, "net": [{"slot": "net1", "bridge": "vmbr1", "tag": 7}]})
    assert parts(config(site, CT)["net1"]) == {
        "name": "eth1",
        "bridge": "vmbr1",
        "hwaddr": "BC:24:11:00:01:13",
        "tag": "7",
        "type": "veth",
    }


def test_only_what_differs_is_sent_so_root_s_keys_are_in_nobody_s_way(site: Site) -> None:
    """2.2.3"""
    site.reset({"guests": {213: container(213, features="keyctl=1,nesting=1", mp1="/srv/host,mp=/b")}})
    task = {
        **CT,
        "memory": 1024,
        "features": {"keyctl": True, "nesting": True},
        "mounts": [{"slot": "mp1", "volume": "/srv/host", "mp": "/b"}],
        "cores": 1,
    }
    assert sent(converged(site, "lxc", task)) == [{"memory": 1024}]


def test_deleting_what_is_not_there_changes_nothing(site: Site) -> None:
    """2.2.4"""
    converged(site, "lxc", {**CT, "delete": ["net1", "onboot", "mp7"]})
    assert "net1" not in config(site, CT)


def test_a_key_that_the_api_does_not_have_is_refused_before_anything_is_sent(site: Site) -> None:
    """2.2.4"""
    result = site.run().task("lxc", {**CT, "config": {"ip_address": "192.0.2.1"}})
    assert "'ip_address' is not an option of a lxc guest" in result["msg"]
    assert site.writes == []
    converged(site, "lxc", {**CT, "net": [{"slot": "net0", "ip": "192.0.2.1/24"}]})


def test_a_running_container_becomes_a_template(site: Site) -> None:
    """2.2.5"""
    assert ops(converged(site, "lxc", {**RUNNING_CT, "state": "template", "force": True})) == ["shutdown", "template"]


def test_a_container_that_is_mounted_is_told_so_with_its_node(site: Site) -> None:
    """2.2.5"""
    site.lab.fault(guest_lock={"vmid": 213, "lock": "mounted"})
    result = site.run().task("lxc", {**CT, "state": "absent", "force": True})
    assert "lxc/213 is locked (mounted)" in result["msg"]
    assert "on node pve1" in result["msg"]
    assert site.writes == []


def test_root_file_system_and_mount_points_grow_by_their_own_call(site: Site) -> None:
    """2.2.6"""
    site.run().done("lxc", {**CT, "mounts": [{"slot": "mp0", "mp": "/srv", "storage": "local-zfs", "size": "1G"}]})
    task = {**CT, "rootfs": {"size": "6G"}, "mounts": [{"slot": "mp0", "size": "2G"}]}
    result = converged(site, "lxc", task)
    assert {data["disk"]: data["size"] for data in sent(result)} == {"rootfs": "6G", "mp0": "2G"}
    assert parts(config(site, CT)["rootfs"])["size"] == "6G"
    shrink = site.run(check=True).task("lxc", {**CT, "rootfs": {"size": "5G"}})
    assert shrink["refused"]
    assert "cannot shrink" in shrink["msg"]


def test_a_node_that_is_down_does_not_break_a_task_that_goes_by_name(site: Site) -> None:
    """2.2.7"""
    site.reset({"guests": {213: container(213), 214: container(214, node="pve3"), 215: container(215, node="dead")}})
    site.lab.fault(node_offline="pve3")
    converged(site, "lxc", {"name": "c213", "cores": 3})
    result = site.run().task("lxc", {"name": "c999", "state": "absent"})
    assert "is unknown: lxc/215 on dead are on nodes that do not answer" in result["msg"]


def test_a_machine_of_the_same_name_is_not_taken_for_the_container(site: Site) -> None:
    """2.2.7"""
    twin = machine(270)
    twin["config"]["name"] = "c213"
    site.reset({"guests": {270: twin, 213: container(213)}})
    result = converged(site, "lxc", {"name": "c213", "cores": 3})
    assert result["vmid"] == 213
    assert config(site, {"vmid": 270})["cores"] == 1


def test_clone_and_update_are_one_task_that_can_run_again(site: Site) -> None:
    """2.2.9"""
    task = {"name": "copy", "node": "pve1", "source": {"clone": {"vmid": 213}}, "memory": 1024}
    assert ops(converged(site, "lxc", task)) == ["clone", "update"]
    assert ops(converged(site, "lxc", {**task, "memory": 2048})) == ["update"]


def test_force_alone_destroys_nothing(site: Site) -> None:
    """2.2.9"""
    before = site.picture
    again = {"source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs", "size": "4G"}}
    assert not site.run().done("lxc", {**CT, **again, "force": True})["changed"]
    assert site.picture == before


#: options of the API that the peer does not have, who may set them, and what the server then holds
MISSING = [
    ({"protection": True}, "admin", "protection", "1"),
    ({"entrypoint": "/init --quiet"}, "admin", "entrypoint", "/init --quiet"),
    ({"env": {"LANG": "C.UTF-8"}}, "admin", "env", "LANG=C.UTF-8"),
    ({"arch": "arm64"}, "admin", "arch", "arm64"),
    ({"devices": [{"slot": "dev0", "path": "/dev/net/tun", "mode": "0660"}]}, "root", "dev0", "/dev/net/tun,mode=0660"),
]


@pytest.mark.parametrize(
    ("options", "identity", "key", "value"), MISSING, ids=lambda value: value if isinstance(value, str) else ""
)
def test_options_that_the_peer_lacks_are_set_and_compared(
    site: Site, options: dict[str, Any], identity: str, key: str, value: str
) -> None:
    """2.2.0 5.9 5.11"""
    converged(site, "lxc", {**CT, **options}, identity=identity)
    assert parts(str(config(site, CT)[key])) == parts(value)


def test_devices_and_id_maps_are_said_to_be_root_s_before_anything_is_sent(site: Site) -> None:
    """2.2.0 5.10"""
    tasks: list[dict[str, Any]] = [
        {"devices": [{"slot": "dev0", "path": "/dev/kvm"}]},
        {"mounts": [{"slot": "mp1", "volume": "/srv", "mp": "/srv"}]},
        {"rootfs": {"idmap": "passthrough"}},
    ]
    for task in tasks:
        result = site.run(check=True).task("lxc", {**CT, **task})
        assert result["refused"], task
        assert "only allowed for root@pam" in result["msg"]
    raw = site.run().task("lxc", {**CT, "config": {"lxc": "lxc.idmap: u 0 1000 1"}})
    assert "cannot be set" in raw["msg"]
    assert site.writes == []
