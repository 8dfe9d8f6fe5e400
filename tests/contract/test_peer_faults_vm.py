# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the peer's module for virtual machines. Ids: peer_faults.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.guest_scenarios import KEY
from tests.contract.harness import Site, planner_of
from tests.contract.peers import RUNNING_VM, TEMPLATE, VM, config, converged, ops, parts, sent

CLONE = {"name": "copy", "node": "pve1", "source": {"clone": {"vmid": 320}}}


def test_present_brings_an_existing_machine_to_what_the_task_says(site: Site) -> None:
    """2.1.1"""
    result = converged(site, "vm", {**VM, "memory": 2048, "cores": 2, "description": "new"})
    assert sent(result) == [{"description": "new", "memory": "2048"}]
    assert (config(site, VM)["memory"], config(site, VM)["description"].strip()) == ("2048", "new")


def test_what_is_as_wanted_is_not_changed_and_nothing_is_sent(site: Site) -> None:
    """2.1.1"""
    result = site.run().done(
        "vm", {**VM, "memory": 1024, "cores": 2, "onboot": True, "net": [{"slot": "net0", "tag": 5}]}
    )
    assert not result["changed"]
    assert site.writes == []


def test_a_missing_machine_is_made_by_the_task_that_configures_it(site: Site) -> None:
    """2.1.2"""
    task = {"vmid": 600, "node": "pve1", "name": "new", "memory": 2048, "cpulimit": 0.5}
    assert ops(converged(site, "vm", task)) == ["create"]
    assert ops(converged(site, "vm", {**task, "memory": 4096})) == ["update"]


def test_a_clone_is_configured_in_the_same_task(site: Site) -> None:
    """2.1.2"""
    task = {
        **CLONE,
        "vmid": 601,
        "cores": 4,
        "memory": 4096,
        "net": [{"slot": "net0", "bridge": "vmbr1"}],
        "cloud_init": {"storage": "local-zfs", "ip": [{"slot": "ipconfig0", "ip": "dhcp"}]},
    }
    converged(site, "vm", task)
    made = config(site, {"vmid": 601})
    assert (str(made["cores"]), str(made["memory"]), made["ipconfig0"]) == ("4", "4096", "ip=dhcp")
    assert parts(made["net0"])["bridge"] == "vmbr1"


def test_cloning_by_name_again_makes_no_other_machine(site: Site) -> None:
    """2.1.3"""
    before = set(site.lab.state.guests)
    converged(site, "vm", CLONE)
    assert len(set(site.lab.state.guests) - before) == 1


def test_the_task_after_a_clone_gets_the_id_of_the_copy(site: Site) -> None:
    """2.1.3"""
    run = site.run()
    for task in (CLONE, {**CLONE, "name": "other", "vmid": 602}):
        copy = run.done("vm", task)["vmid"]
        assert copy != 320
        run.done("vm", {"vmid": copy, "node": "pve1", "memory": 3072})
        assert config(site, {"vmid": copy})["memory"] == "3072"
    assert config(site, VM)["memory"] == "1024", "the origin is as it was"


@pytest.mark.parametrize(("state", "data"), [("paused", {}), ("hibernated", {"todisk": 1})])
def test_paused_and_hibernated_send_what_the_api_takes(site: Site, state: str, data: dict[str, Any]) -> None:
    """2.1.4"""
    assert sent(converged(site, "vm", {**RUNNING_VM, "state": state})) == [data]
    assert ops(converged(site, "vm", {**RUNNING_VM, "state": "started"})) == [
        "resume" if state == "paused" else "start"
    ]


@pytest.mark.parametrize("force", [False, True])
def test_a_running_machine_becomes_a_template(site: Site, force: bool) -> None:
    """2.1.5"""
    result = converged(site, "vm", {**RUNNING_VM, "state": "template", "force": force})
    assert ops(result) == ["shutdown", "template"]


def test_a_machine_that_does_not_listen_becomes_a_template_only_by_force(site: Site) -> None:
    """2.1.5"""
    site.lab.state.guests[321].deaf = True
    task = {**RUNNING_VM, "state": "template", "shutdown_timeout": 1}
    assert site.run().task("vm", task)["failed"]
    assert site.lab.state.guests[321].running
    site.run().done("vm", {**task, "force": True})
    assert site.lab.state.guests[321].template


def test_one_key_of_an_interface_leaves_its_mac_and_the_rest(site: Site) -> None:
    """2.1.7"""
    before = parts(config(site, VM)["net0"])
    converged(site, "vm", {**VM, "net": [{"slot": "net0", "tag": 9}]})
    assert parts(config(site, VM)["net0"]) == {**before, "tag": "9"}
    converged(site, "vm", {**VM, "delete": ["net0.tag"]})
    assert parts(config(site, VM)["net0"]) == {key: value for key, value in before.items() if key != "tag"}


def test_another_model_of_an_interface_keeps_its_mac(site: Site) -> None:
    """2.1.7"""
    converged(site, "vm", {**VM, "net": [{"slot": "net0", "model": "e1000"}]})
    assert parts(config(site, VM)["net0"]) == {
        "e1000": "BC:24:11:00:03:20",
        "bridge": "vmbr0",
        "firewall": "1",
        "tag": "5",
    }


def test_an_interface_of_a_single_key_is_read(site: Site) -> None:
    """2.1.7"""
    site.lab.state.guests[320].config["net0"] = "virtio=BC:24:11:00:03:20"
    converged(site, "vm", {**VM, "net": [{"slot": "net0", "bridge": "vmbr1"}]})
    assert config(site, VM)["net0"] == "virtio=BC:24:11:00:03:20,bridge=vmbr1"


def test_an_existing_disk_is_not_allocated_again(site: Site) -> None:
    """2.1.7"""
    volumes = {volume.volid for volume in site.lab.state.volumes.values()}
    disk = {"slot": "scsi0", "storage": "local-zfs", "size": "4G", "cache": "writeback"}
    converged(site, "vm", {**VM, "disks": [disk]})
    assert parts(config(site, VM)["scsi0"]) == {
        "volume": "local-zfs:vm-320-disk-0",
        "cache": "writeback",
        "discard": "on",
        "iothread": "1",
        "size": "4G",
    }
    assert {volume.volid for volume in site.lab.state.volumes.values()} == volumes


def test_one_key_of_a_passed_device_leaves_the_rest(site: Site) -> None:
    """2.1.7"""
    site.lab.state.guests[320].config["hostpci0"] = "0000:01:00,pcie=1,rombar=0"
    converged(site, "vm", {**VM, "pci": [{"slot": "hostpci0", "x_vga": True}]}, identity="root")
    assert parts(config(site, VM)["hostpci0"]) == {"volume": "0000:01:00", "pcie": "1", "rombar": "0", "x-vga": "1"}


def test_the_agent_is_typed_and_merged(site: Site) -> None:
    """2.1.8"""
    converged(site, "vm", {**VM, "agent": {"fstrim_cloned_disks": True}})
    assert parts(config(site, VM)["agent"]) == {"volume": "1", "fstrim_cloned_disks": "1"}
    planner = planner_of("vm")
    assert planner
    spec = planner.argument_spec()["agent"]
    assert (spec["type"], spec["options"]["enabled"]["type"]) == ("dict", "bool")


def test_half_a_cpu_is_a_limit(site: Site) -> None:
    """2.1.8"""
    converged(site, "vm", {**VM, "cpulimit": 0.5})
    assert float(config(site, VM)["cpulimit"]) == 0.5


def test_ssh_keys_are_compared_decoded(site: Site) -> None:
    """2.1.8"""
    keys = {**VM, "cloud_init": {"ssh_keys": [KEY], "storage": "local-zfs"}}
    converged(site, "vm", keys)
    assert "%20" in config(site, VM)["sshkeys"]
    stored = {**VM, "cloud_init": {"ssh_keys": [f"{KEY}\n"]}}
    assert not site.run().done("vm", stored)["changed"]


def test_an_efi_disk_needs_no_other_option_in_the_same_task(site: Site) -> None:
    """2.1.9"""
    site.run().done("vm", {**VM, "bios": "ovmf"})
    converged(site, "vm", {**VM, "efidisk": {"storage": "local-zfs", "efitype": "4m"}})
    volume = parts(config(site, VM)["efidisk0"])["volume"]
    assert not site.run().done("vm", {**VM, "efidisk": {"efitype": "4m"}})["changed"]
    converged(site, "vm", {**VM, "efidisk": {"storage": "ceph"}})
    assert parts(config(site, VM)["efidisk0"])["volume"] != volume
    assert parts(config(site, VM)["efidisk0"])["efitype"] == "4m"


@pytest.mark.parametrize(
    ("task", "calls"),
    [
        ({"state": "stopped"}, [("status/stop", {})]),
        ({"state": "stopped", "force": True}, [("status/stop", {})]),
        ({"state": "shutdown"}, [("status/shutdown", {"timeout": 180})]),
        ({"state": "shutdown", "force": True}, [("status/shutdown", {"timeout": 180, "forceStop": 1})]),
    ],
)
def test_stop_is_the_plug_and_shutdown_is_asked_for(site: Site, task: dict[str, Any], calls: list[Any]) -> None:
    """2.1.10"""
    result = converged(site, "vm", {**RUNNING_VM, **task})
    found = [(step["path"].partition("/321/")[2], step["data"]) for step in result["plan"]["steps"]]
    assert [path for path, _data in found] == [path for path, _data in calls]
    assert [data.get("forceStop") for _path, data in found] == [data.get("forceStop") for _path, data in calls]


def test_restarted_starts_a_machine_that_is_off(site: Site) -> None:
    """2.1.10"""
    result = site.run().done("vm", {**VM, "state": "restarted"})
    assert result["changed"]
    assert site.lab.state.guests[320].running


def test_a_stopped_machine_moves_and_the_rest_of_the_task_is_done(site: Site) -> None:
    """2.1.11"""
    task = {"vmid": 320, "node": "pve2", "migrate": {}, "memory": 2048, "state": "started"}
    result = converged(site, "vm", task)
    assert ops(result) == ["migrate", "update", "start"]
    assert "online" not in sent(result)[0]
    moved = site.lab.state.guests[320]
    assert (moved.node, moved.config["memory"], moved.running) == ("pve2", "2048", True)


def test_a_machine_that_was_never_a_template_becomes_one(site: Site) -> None:
    """2.1.13"""
    assert "template" not in config(site, VM)
    assert ops(converged(site, "vm", {**VM, "state": "template"})) == ["template"]
    assert not site.run().done("vm", {**TEMPLATE, "state": "template"})["changed"]


#: options of the API that the peer does not have, and what the server then holds
MISSING = [
    ({"affinity": "0,2-3"}, "affinity", "0,2-3"),
    ({"config": {"arch": "aarch64"}}, "arch", "aarch64"),
    ({"config": {"amd-sev": {"type": "snp", "allow-smt": False}}}, "amd-sev", "snp,allow-smt=0"),
    ({"config": {"intel-tdx": {"type": "tdx", "attestation": False}}}, "intel-tdx", "tdx,attestation=0"),
    ({"config": {"ivshmem": {"size": 32, "name": "shared"}}}, "ivshmem", "size=32,name=shared"),
    ({"config": {"keephugepages": True}}, "keephugepages", "1"),
    (
        {"config": {"vmgenid": "0b8a8f3e-5a0f-4f0e-9a77-6e2b6b9d5a11"}},
        "vmgenid",
        "0b8a8f3e-5a0f-4f0e-9a77-6e2b6b9d5a11",
    ),
    ({"config": {"vmstatestorage": "local-zfs"}}, "vmstatestorage", "local-zfs"),
]


@pytest.mark.parametrize(
    ("options", "key", "value"), MISSING, ids=lambda value: value if isinstance(value, str) else ""
)
def test_options_that_the_peer_lacks_are_set_and_compared(
    site: Site, options: dict[str, Any], key: str, value: str
) -> None:
    """2.1.0 5.6"""
    converged(site, "vm", {**VM, **options}, identity="root")
    assert parts(str(config(site, VM)[key])) == parts(value)


def test_what_only_root_may_set_is_said_before_anything_is_sent(site: Site) -> None:
    """2.1.0"""
    for check in (True, False):
        result = site.run(check=check).task("vm", {**VM, "affinity": "0-3"})
        assert result["refused"]
        assert "only allowed for root@pam" in result["msg"]
    assert site.writes == []
