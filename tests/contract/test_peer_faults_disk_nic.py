# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the peer's modules for disks and interfaces, which are options of a guest here. Ids: peer_faults.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.guest_scenarios import IMAGE
from tests.contract.harness import Site
from tests.contract.peers import CT, RUNNING_VM, VM, config, converged, ops, parts, sent

WHOLE = "local-zfs:vm-320-disk-0,discard=on,iothread=1,size=4G,ssd=1,mbps_rd=100.0"


@pytest.fixture
def disk(site: Site) -> Site:
    """A disk with keys that somebody set by hand."""
    site.lab.state.guests[320].config["scsi0"] = WHOLE
    return site


def of_disk(**keys: Any) -> dict[str, Any]:
    return {**VM, "disks": [{"slot": "scsi0", **keys}]}


def volumes(site: Site) -> dict[str, int]:
    return {volume.volid: volume.size for volume in site.lab.state.volumes.values() if volume.vmid == 320}


# disks


def test_keys_of_a_disk_that_the_task_does_not_mention_stay(disk: Site) -> None:
    """2.3.1"""
    converged(disk, "vm", of_disk(cache="none"))
    assert parts(config(disk, VM)["scsi0"]) == {**parts(WHOLE), "cache": "none"}


def test_keys_that_somebody_else_set_are_no_difference(disk: Site) -> None:
    """2.3.1"""
    assert not disk.run().done("vm", of_disk(discard="on", size="4G", storage="local-zfs"))["changed"]
    assert disk.writes == []


@pytest.mark.parametrize(
    "same",
    [{"mbps_rd": 100}, {"mbps_rd": 100.0}, {"size": "4096M"}, {"size": "4G"}, {"size": "4"}, {"size": "4194304K"}],
)
def test_a_number_written_in_another_way_is_no_difference(disk: Site, same: dict[str, Any]) -> None:
    """2.3.2"""
    assert not disk.run().done("vm", of_disk(**same))["changed"]
    assert disk.writes == []


def test_a_relative_size_is_refused_because_it_would_grow_every_time(disk: Site) -> None:
    """2.3.2"""
    result = disk.run().task("vm", of_disk(size="+5G"))
    assert "'+5G' is not a size" in result["msg"]
    assert disk.writes == []


def test_a_disk_does_not_shrink_and_the_plan_says_so(disk: Site) -> None:
    """2.3.2"""
    for check in (True, False):
        result = disk.run(check=check).task("vm", of_disk(size="3G", cache="none"))
        assert result["refused"]
        assert "it is 4G and the task wants 3G: a volume cannot shrink" in result["msg"]
    assert disk.writes == []


def test_a_disk_smaller_than_its_image_is_refused_in_the_plan(site: Site) -> None:
    """2.3.2"""
    disk = {"slot": "scsi4", "storage": "local-zfs", "import_from": IMAGE, "size": "1G"}
    result = site.run(check=True).task("vm", {**VM, "disks": [disk]})
    assert result["refused"]
    assert "scsi4.size: 1G is less than the disk in" in result["msg"]
    missing = site.run(check=True).task("vm", {**VM, "disks": [{**disk, "import_from": "local:import/none.qcow2"}]})
    assert "scsi4.import_from: 'local:import/none.qcow2' cannot be read" in missing["msg"]


def test_a_disk_grows_once_although_other_changes_of_it_wait(site: Site) -> None:
    """2.3.2"""
    disk = {**RUNNING_VM, "disks": [{"slot": "scsi0", "cache": "writeback", "size": "5G"}]}
    assert ops(converged(site, "vm", disk)) == ["update", "resize"]
    site.run().done("vm", {**RUNNING_VM, "disks": [{"slot": "scsi1", "ssd": True}]})
    converged(site, "vm", {**RUNNING_VM, "disks": [{"slot": "scsi1", "size": "3G"}]})
    site.run().done("vm", {**RUNNING_VM, "reboot_if_pending": True})
    sizes = {slot: parts(config(site, RUNNING_VM)[slot])["size"] for slot in ("scsi0", "scsi1")}
    assert sizes == {"scsi0": "5G", "scsi1": "3G"}
    assert not site.run().done("vm", disk)["changed"]


def test_a_disk_that_could_not_grow_is_not_taken_for_large_enough(site: Site) -> None:
    """2.3.2"""
    disk = {**RUNNING_VM, "disks": [{"slot": "scsi0", "cache": "writeback", "size": "5G"}]}
    site.lab.fault(method="PUT", path=r"/resize$", task_exit="out of space")
    assert "out of space" in site.run().task("vm", disk)["msg"]
    assert "resize" in ops(converged(site, "vm", disk))
    assert parts(config(site, RUNNING_VM)["scsi0"])["size"] == "5G"


def test_a_disk_that_waits_for_the_next_start_does_not_grow_or_move_before(site: Site) -> None:
    """2.3.2"""
    site.run().done("vm", {**RUNNING_VM, "disks": [{"slot": "ide1", "storage": "local-zfs", "size": "1G"}]})
    for more in ({"size": "2G"}, {"storage": "ceph"}):
        result = site.run().task("vm", {**RUNNING_VM, "disks": [{"slot": "ide1", **more}]})
        assert result["refused"]
        assert "ide1 of qemu/321 is only there after its next start" in result["msg"]
    site.run().done("vm", {**RUNNING_VM, "reboot_if_pending": True})
    converged(site, "vm", {**RUNNING_VM, "disks": [{"slot": "ide1", "size": "2G"}]})


def test_a_volume_that_exists_is_not_given_a_size(site: Site) -> None:
    """2.3.2"""
    converged(site, "vm", {**VM, "disks": [{"slot": "scsi1", "state": "detached"}]})
    disk = {"slot": "virtio1", "volume": "local-zfs:vm-320-disk-1"}
    result = site.run(check=True).task("vm", {**VM, "disks": [{**disk, "size": "4G"}]})
    assert "virtio1.size: local-zfs:vm-320-disk-1 has a size" in result["msg"]
    converged(site, "vm", {**VM, "disks": [disk]})
    converged(site, "vm", {**VM, "disks": [{**disk, "size": "4G"}]})


@pytest.mark.parametrize("size", ["6", "6G", "6144M", "6291456K"])
def test_a_size_means_the_same_when_a_disk_is_made_and_when_it_grows(site: Site, size: str) -> None:
    """2.3.2"""
    converged(site, "vm", {**VM, "disks": [{"slot": "scsi3", "storage": "local-zfs", "size": size}]})
    converged(site, "vm", of_disk(size=size))
    assert parts(config(site, VM)["scsi3"])["size"] == parts(config(site, VM)["scsi0"])["size"] == "6G"


@pytest.mark.parametrize("more", [{"force": True}, {"state": "started"}, {}])
def test_nothing_makes_an_existing_disk_anew(disk: Site, more: dict[str, Any]) -> None:
    """2.3.3"""
    before = volumes(disk)
    disk.run().done("vm", {**of_disk(storage="local-zfs", size="4G"), **more})
    assert volumes(disk) == before


def test_a_detached_disk_keeps_its_data_and_is_destroyed_only_when_told(site: Site) -> None:
    """2.3.3"""
    before = volumes(site)
    detached = {**VM, "disks": [{"slot": "scsi1", "state": "detached"}]}
    converged(site, "vm", detached)
    assert (config(site, VM).get("scsi1"), config(site, VM)["unused0"]) == (None, "local-zfs:vm-320-disk-1")
    assert volumes(site) == before
    converged(site, "vm", {**VM, "delete": ["unused0"]})
    assert set(before) - set(volumes(site)) == {"local-zfs:vm-320-disk-1"}


def test_destroying_a_disk_is_previewed_with_what_it_takes(site: Site) -> None:
    """2.3.3"""
    plan = site.run(check=True).done("vm", {**VM, "disks": [{"slot": "scsi1", "state": "absent"}]})["plan"]
    assert plan["before"]["scsi1"].startswith("local-zfs:vm-320-disk-1")
    assert "volume local-zfs:vm-320-disk-1" in plan["blast_radius"]["others"]
    assert plan["risk"]["level"] == "high"
    assert site.writes == []


def test_a_change_of_a_disk_shows_before_and_after(disk: Site) -> None:
    """2.3.3"""
    diff = disk.run(check=True).done("vm", of_disk(cache="none"))["diff"]
    assert WHOLE in str(diff)
    assert "cache=none" in str(diff)


def test_a_disk_whose_size_is_not_written_down(disk: Site) -> None:
    """2.3.3"""
    disk.lab.state.guests[320].config["scsi0"] = "local-zfs:vm-320-disk-0,iothread=1"
    converged(disk, "vm", of_disk(cache="none"))
    converged(disk, "vm", of_disk(storage="ceph"))
    disk.lab.state.guests[320].config["scsi1"] = "local-zfs:vm-320-disk-1"
    result = disk.run(check=True).task("vm", {**VM, "disks": [{"slot": "scsi1", "size": "8G"}]})
    assert result["refused"]
    assert "scsi1.size: how large local-zfs:vm-320-disk-1 is does not stand in the configuration" in result["msg"]
    assert "rescan" in result["msg"]


def test_the_keys_of_a_disk_are_changed_moved_and_grown_in_one_task(disk: Site) -> None:
    """2.3.1 5.21"""
    result = converged(disk, "vm", of_disk(cache="writeback", storage="ceph", size="5G"))
    assert ops(result) == ["update", "resize", "move"]
    found = parts(config(disk, VM)["scsi0"])
    assert found.pop("volume").startswith("ceph:vm-320-disk-")
    assert found == {
        "discard": "on",
        "iothread": "1",
        "size": "5G",
        "ssd": "1",
        "mbps_rd": "100.0",
        "cache": "writeback",
    }


# interfaces


@pytest.mark.parametrize(
    ("module", "guest", "mac"),
    [("vm", VM, {"macaddr": "bc:24:11:00:03:20"}), ("lxc", CT, {"hwaddr": "bc:24:11:00:00:13"})],
)
def test_interfaces_of_both_kinds_are_merged_by_the_same_words(
    site: Site, module: str, guest: dict[str, Any], mac: dict[str, str]
) -> None:
    """2.4.0"""
    before = parts(config(site, guest)["net0"])
    converged(site, module, {**guest, "net": [{"slot": "net0", "rate": 10, "link_down": True, **mac}]})
    assert parts(config(site, guest)["net0"]) == {**before, "rate": "10", "link_down": "1"}


def test_one_option_of_an_interface_erases_no_other(site: Site) -> None:
    """2.4.1"""
    before = parts(config(site, VM)["net0"])
    result = converged(site, "vm", {**VM, "net": [{"slot": "net0", "rate": 10}]})
    assert parts(config(site, VM)["net0"]) == {**before, "rate": "10"}
    assert sent(result)[0].keys() == {"net0"}


@pytest.mark.parametrize(
    "same",
    [
        {"macaddr": "bc:24:11:00:03:20"},
        {"macaddr": "BC:24:11:00:03:20", "model": "virtio"},
        {"rate": 1.0},
        {"rate": 1},
        {"trunks": ["10", "20-30"]},
        {"link_down": False},
    ],
)
def test_an_interface_written_in_another_way_is_no_difference(site: Site, same: dict[str, Any]) -> None:
    """2.4.1"""
    net = "virtio=BC:24:11:00:03:20,bridge=vmbr0,rate=1.0,tag=5,trunks=10;20-30"
    site.lab.state.guests[320].config["net0"] = net
    assert not site.run().done("vm", {**VM, "net": [{"slot": "net0", **same}]})["changed"]
    assert site.writes == []


def test_an_interface_of_a_running_machine_keeps_what_the_task_does_not_mention(site: Site) -> None:
    """2.4.1"""
    before = parts(config(site, RUNNING_VM)["net0"])
    converged(site, "vm", {**RUNNING_VM, "net": [{"slot": "net0", "tag": 12}]})
    assert parts(config(site, RUNNING_VM)["net0"]) == {**before, "tag": "12"}
    assert site.lab.state.guests[321].running


@pytest.mark.parametrize(("module", "guest"), [("vm", VM), ("lxc", CT)])
def test_an_interface_goes_only_when_told(site: Site, module: str, guest: dict[str, Any]) -> None:
    """2.4.1"""
    converged(site, module, {**guest, "net": [{"slot": "net3", "bridge": "vmbr1"}]})
    assert {"net0", "net3"} <= config(site, guest).keys()
    converged(site, module, {**guest, "delete": ["net3"]})
    assert "net3" not in config(site, guest)
