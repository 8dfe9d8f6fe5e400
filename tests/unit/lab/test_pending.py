# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running guest takes at once, and what waits for its next start."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Client

VM, CT = "/nodes/pve1/qemu/100", "/nodes/pve1/lxc/100"
NET = "virtio=BC:24:11:00:00:01,bridge=vmbr0"


def waiting(client: Client, path: str) -> dict[str, Any]:
    entries = client.data("GET", f"{path}/pending")
    return {e["key"]: e.get("pending", e.get("delete")) for e in entries if "pending" in e or "delete" in e}


@pytest.mark.parametrize(
    ("hotplug", "change", "waits"),
    [
        ("0", {"net0": f"{NET},tag=5"}, False),
        ("0", {"net0": f"{NET},mtu=1400"}, True),
        ("network", {"net0": f"{NET},mtu=1400"}, False),
        ("disk", {"net1": NET}, True),
        ("network", {"net1": NET}, False),
        ("disk", {"scsi1": "local-zfs:1"}, False),
        ("network", {"scsi1": "local-zfs:1"}, True),
        ("disk", {"sata1": "local-zfs:1"}, True),
        ("disk", {"scsi0": "local-zfs:vm-100-disk-0,size=1G,mbps_rd=10"}, False),
        ("disk", {"scsi0": "local-zfs:vm-100-disk-0,size=1G,discard=on"}, True),
        ("0", {"ide2": "local:iso/debian-12.8.0-amd64-netinst.iso,media=cdrom"}, False),
        ("disk", {"efidisk0": "local-zfs:1"}, True),
        ("network,disk,usb,memory", {"memory": 1024}, False),
        ("network,disk,usb", {"memory": 1024}, True),
        ("cpu", {"vcpus": 1}, False),
        ("cpu", {"cores": 4}, True),
        ("0", {"cpulimit": 2}, False),
        ("0", {"ciuser": "a"}, False),
        ("0", {"name": "new", "tags": "a", "description": "d", "onboot": 1}, False),
        ("1", {"agent": 1}, True),
        ("1", {"machine": "q35"}, True),
        ("1", {"hotplug": "network"}, False),
        ("1", {"hotplug": "network,memory"}, True),
        ("1", {"balloon": 256}, False),
        ("1", {"balloon": 0}, True),
    ],
)
def test_a_change_of_a_running_machine(root: Client, hotplug: str, change: dict[str, Any], waits: bool) -> None:
    root.create_vm(100, net0=NET, memory=512, hotplug=hotplug, cores=2, ide2="none,media=cdrom")
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/config", **change)
    assert (waiting(root, VM).keys() == change.keys()) is waits
    if not waits:
        assert waiting(root, VM) == {}


@pytest.mark.parametrize(
    ("hotplug", "key", "waits"),
    [
        ("disk", "scsi1", False),
        ("0", "scsi1", True),
        ("1", "sata0", True),
        ("network", "net1", False),
        ("1", "cores", True),
    ],
)
def test_what_a_running_machine_lets_go(root: Client, hotplug: str, key: str, waits: bool) -> None:
    root.create_vm(100, hotplug=hotplug, scsi1="local-zfs:1", sata0="local-zfs:1", net1=NET, cores=2)
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/config", delete=key)
    assert waiting(root, VM) == ({key: 1} if waits else {})
    root.power("qemu/100", "stop")
    root.power("qemu/100", "start")
    assert key not in root.config("qemu/100")


def test_the_boot_order_waits_for_the_next_start(root: Client) -> None:
    root.create_vm(100)
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/config", delete="net0")
    assert waiting(root, VM) == {"boot": "order=scsi0"}


def test_a_forced_deletion_waits_too(root: Client) -> None:
    root.create_vm(100, hotplug="0", scsi1="local-zfs:1")
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/unlink", idlist="scsi1", force=1)
    assert waiting(root, VM) == {"scsi1": 2}
    root.power("qemu/100", "reboot")
    assert "unused0" not in root.config("qemu/100")
    assert root.volids("local-zfs") == ["local-zfs:vm-100-disk-0"]


def test_a_disk_that_waits_and_is_not_wanted_any_more(root: Client) -> None:
    root.create_vm(100, hotplug="0")
    root.power("qemu/100", "start")
    for number, other in ((1, {"delete": "scsi1"}), (2, {"revert": "scsi1"}), (3, {"scsi1": "local:1"})):
        root.data("PUT", f"{VM}/config", scsi1="local-zfs:1")
        root.data("PUT", f"{VM}/config", **other)
        assert waiting(root, VM) == ({"scsi1": "local:100/vm-100-disk-0.raw,size=1G"} if "scsi1" in other else {})
        assert root.config("qemu/100")[f"unused{number - 1}"] == f"local-zfs:vm-100-disk-{number}"


def test_a_revert(root: Client) -> None:
    root.create_vm(100, memory=512)
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/config", memory=1024, delete="name")
    root.data("PUT", f"{VM}/config", revert="memory,name")
    assert waiting(root, VM) == {}


@pytest.mark.parametrize(
    ("change", "waits"),
    [
        ({"memory": 256, "swap": 0, "cores": 1, "cpulimit": 1, "hostname": "new"}, []),
        ({"net0": "name=eth0,bridge=vmbr1"}, []),
        ({"mp1": "local:1,mp=/a"}, []),
        ({"mp1": "/srv,mp=/a"}, []),
        ({"mp0": "ceph:vm-100-disk-0,mp=/srv,ro=1"}, ["mp0"]),
        ({"mp0": "ceph:1,mp=/srv"}, []),
        ({"nameserver": "192.0.2.1", "searchdomain": "x.test", "tty": 1}, ["nameserver", "searchdomain", "tty"]),
        ({"delete": "net1"}, []),
        ({"delete": "mp0"}, ["mp0"]),
        ({"delete": "swap"}, []),
    ],
)
def test_a_change_of_a_running_container(root: Client, change: dict[str, Any], waits: list[str]) -> None:
    root.create(100, mp0="ceph:1,mp=/srv", net1="name=eth1,bridge=vmbr0")
    root.power("lxc/100", "start")
    root.data("PUT", f"{CT}/config", **change)
    assert sorted(waiting(root, CT)) == waits
    root.power("lxc/100", "reboot")
    assert waiting(root, CT) == {}
