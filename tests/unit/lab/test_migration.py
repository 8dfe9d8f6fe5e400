# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests go to another node: what may, what may not, and what their volumes are called there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab import Lab

from .conftest import Client

VM, CT = "/nodes/pve1/qemu/100", "/nodes/pve1/lxc/100"


def migrate(client: Client, guest: str = "qemu/100", /, **params: Any) -> str:
    return client.task("POST", f"/nodes/pve1/{guest}/migrate", **{"target": "pve2", **params})


def log(client: Client, guest: str = "qemu/100", /, **params: Any) -> str:
    """The log of a migration that fails."""
    upid = client.data("POST", f"/nodes/pve1/{guest}/migrate", **{"target": "pve2", **params})
    assert client.end(upid) == "migration aborted"
    return " ".join(line["t"] for line in client.data("GET", f"/nodes/pve1/tasks/{upid}/log"))


def test_a_stopped_machine_takes_its_disks_along(root: Client) -> None:
    root.create_vm(100, scsi1="ceph:1", ide2="local:cloudinit")
    assert migrate(root) == "OK"
    config = root.config("qemu/100", "pve2")
    assert config["scsi0"] == "local-zfs:vm-100-disk-0,size=1G"
    assert root.volids("local-zfs", "pve2") == ["local-zfs:vm-100-disk-0"]
    assert root.volids("local-zfs", "pve1") == []
    assert root.volids("local", "pve2", content="images") == ["local:100/vm-100-cloudinit.qcow2"]
    assert root.volids("ceph", "pve3") == ["ceph:vm-100-disk-0"]


def test_a_running_machine(root: Client) -> None:
    root.create_vm(100)
    root.power("qemu/100", "start")
    assert root.refusal("POST", f"{VM}/migrate", target="pve2") == "can't migrate running VM without --online"
    why = "can't live migrate attached local disks without with-local-disks option"
    assert why in log(root, online=1)
    assert migrate(root, online=1, **{"with-local-disks": 1}) == "OK"
    assert root.status("qemu/100", "pve2")["status"] == "running"


def test_a_running_machine_on_shared_storage(root: Client) -> None:
    root.create_vm(100, scsi0="ceph:1")
    root.power("qemu/100", "start")
    assert migrate(root, online=1) == "OK"


@pytest.mark.parametrize(
    ("map", "disk0", "disk1"),
    [
        ("1", "local-zfs:vm-100-disk-0", "local:100/vm-100-disk-0.qcow2"),
        ("btr", "btr:100/vm-100-disk-0.raw", "btr:100/vm-100-disk-1.raw"),
        ("local-zfs:ceph,1", "ceph:vm-100-disk-0", "local:100/vm-100-disk-0.qcow2"),
    ],
)
def test_to_other_storages(root: Client, map: str, disk0: str, disk1: str) -> None:
    root.create_vm(100, scsi1="local:1,format=qcow2")
    assert migrate(root, targetstorage=map) == "OK"
    config = root.config("qemu/100", "pve2")
    assert {config["scsi0"].split(",")[0], config["scsi1"].split(",")[0]} == {disk0, disk1}


def test_a_name_that_is_taken_there(lab: Lab, root: Client) -> None:
    root.create_vm(100)
    root.data("POST", "/nodes/pve2/storage/local-zfs/content", vmid=100, filename="vm-100-disk-0", size="1G")
    assert migrate(root) == "OK"
    assert root.config("qemu/100", "pve2")["scsi0"] == "local-zfs:vm-100-disk-1,size=1G"


def test_a_storage_that_is_not_there(root: Client) -> None:
    root.data("PUT", "/storage/btr", nodes="pve1")
    root.create_vm(100, scsi0="btr:1")
    found = root.data("GET", f"{VM}/migrate")
    assert found["allowed_nodes"] == []
    assert found["not_allowed_nodes"]["pve2"] == {"unavailable_storages": ["btr"]}
    assert root.refusal("POST", f"{VM}/migrate", target="pve2") == "storage 'btr' is not available on node 'pve2'"
    assert migrate(root, targetstorage="local") == "OK"


def test_what_keeps_a_machine_where_it_is(root: Client) -> None:
    root.create_vm(100, scsi0="local:1", ide2="local:iso/debian-12.8.0-amd64-netinst.iso,media=cdrom")
    assert "local cdrom image" in log(root)
    root.data("PUT", f"{VM}/config", ide2="none,media=cdrom", hostpci0="00:02.0")
    assert "can't migrate VM which uses local devices: hostpci0" in log(root)
    assert root.data("GET", f"{VM}/migrate")["local_resources"] == ["hostpci0"]


def test_snapshots(root: Client) -> None:
    for vmid, disk in ((100, "local-zfs:1"), (101, "local:1,format=qcow2")):
        root.create_vm(vmid, scsi0=disk)
        assert root.task("POST", f"/nodes/pve1/qemu/{vmid}/snapshot", snapname="s1") == "OK"
    root.power("qemu/100", "start")
    assert "online storage migration not possible" in log(root, online=1, **{"with-local-disks": 1})
    root.power("qemu/100", "stop")
    assert migrate(root, targetstorage="btr") == "OK"
    snapshot = root.data("GET", "/nodes/pve2/qemu/100/snapshot/s1/config")
    assert snapshot["scsi0"].startswith("btr:100/vm-100-disk-0.raw")
    assert migrate(root, "qemu/101") == "OK"


def test_linked_clones_on_local_storage(root: Client) -> None:
    root.create_vm(100)
    root.task("POST", f"{VM}/template")
    root.task("POST", f"{VM}/clone", newid=101)
    assert "referenced by linked clone(s)" in log(root)
    assert "as it's a clone of 'base-100-disk-0'" in log(root, "qemu/101")
    root.task("DELETE", "/nodes/pve1/qemu/101")
    assert migrate(root) == "OK"
    assert root.config("qemu/100", "pve2")["template"] == 1


def test_a_node_that_is_off(lab: Lab, root: Client) -> None:
    root.create_vm(100)
    lab.fault(node_offline="pve2", seconds=60)
    assert "Can't connect to destination address" in log(root)


def test_a_replication_turns_round(root: Client) -> None:
    root.create_vm(100)
    root.data("POST", "/cluster/replication", id="100-0", target="pve2", type="local")
    root.power("qemu/100", "start")
    refused = root.refusal("POST", f"{VM}/migrate", target="pve3", online=1)
    assert refused.startswith("Cannot live-migrate replicated VM to node 'pve3' - not a replication target.")
    root.power("qemu/100", "stop")
    assert migrate(root) == "OK"
    job = root.data("GET", "/cluster/replication/100-0")
    assert (job["source"], job["target"]) == ("pve2", "pve1")


# containers


def test_a_container_restarts_on_the_other_node(root: Client) -> None:
    root.create(100, mp0="ceph:1,mp=/srv")
    root.power("lxc/100", "start")
    assert "lxc live migration is currently not implemented" in log(root, "lxc/100", online=1)
    assert migrate(root, "lxc/100", restart=1) == "OK"
    assert root.status("lxc/100", "pve2")["status"] == "running"
    assert root.volids("local-zfs", "pve2") == ["local-zfs:subvol-100-disk-0"]


def test_a_container_to_another_storage(root: Client) -> None:
    root.create(100)
    assert migrate(root, "lxc/100", **{"target-storage": "local"}) == "OK"
    assert root.config("lxc/100", "pve2")["rootfs"] == "local:100/vm-100-disk-0.raw,size=1G"


@pytest.mark.parametrize(("shared", "goes"), [("", False), (",shared=1", True)])
def test_a_directory_of_the_node(root: Client, shared: str, goes: bool) -> None:
    root.create(100)
    root.data("PUT", f"{CT}/config", mp0=f"/srv,mp=/srv{shared}")
    root.power("lxc/100", "start")
    if goes:
        assert migrate(root, "lxc/100", restart=1) == "OK"
    else:
        assert "cannot migrate local bind mount point 'mp0'" in log(root, "lxc/100", restart=1)
        assert root.status("lxc/100")["status"] == "running"


def test_a_container_with_snapshots(root: Client) -> None:
    root.create(100, rootfs="btr:1")
    root.create(101)
    for vmid in (100, 101):
        assert root.task("POST", f"/nodes/pve1/lxc/{vmid}/snapshot", snapname="s1") == "OK"
    assert "non-migratable snapshot exists" in log(root, "lxc/100")
    assert migrate(root, "lxc/101") == "OK"
