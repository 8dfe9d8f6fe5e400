# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks of virtual machines and volumes of containers: made, imported, grown, moved, taken away."""

from __future__ import annotations

import pytest

from tests.lab import Lab

from .conftest import Client

VM, CT = "/nodes/pve1/qemu/100", "/nodes/pve1/lxc/100"
IMAGE = "local:import/debian-12-generic-amd64.qcow2"


@pytest.mark.parametrize(
    ("slot", "asked", "kept"),
    [
        ("scsi1", "local-zfs:2", "local-zfs:vm-100-disk-1,size=2G"),
        ("scsi1", "ceph:2,ssd=1", "ceph:vm-100-disk-0,size=2G,ssd=1"),
        ("virtio0", "local:1,format=qcow2", "local:100/vm-100-disk-0.qcow2,size=1G"),
        ("efidisk0", "local:1,efitype=4m", "local:100/vm-100-disk-0.raw,efitype=4m,size=528K"),
        ("efidisk0", "local:1", "local:100/vm-100-disk-0.raw,size=128K"),
        ("efidisk0", "local-zfs:1,efitype=4m", "local-zfs:vm-100-disk-1,efitype=4m,size=1M"),
        ("tpmstate0", "ceph:1,version=v2.0", "ceph:vm-100-disk-0,size=4M,version=v2.0"),
        ("ide2", "ceph:cloudinit", "ceph:vm-100-cloudinit,media=cdrom"),
        ("ide2", "local:cloudinit", "local:100/vm-100-cloudinit.qcow2,media=cdrom"),
        ("ide2", "none,media=cdrom", "none,media=cdrom"),
    ],
)
def test_what_is_asked_and_what_is_kept(root: Client, slot: str, asked: str, kept: str) -> None:
    root.create_vm(100)
    root.data("PUT", f"{VM}/config", **{slot: asked})
    assert root.config("qemu/100")[slot] == kept


def test_an_image_is_imported_with_the_size_of_its_disk(root: Client) -> None:
    root.create_vm(100, scsi0=f"ceph:0,import-from={IMAGE}")
    assert root.config("qemu/100")["scsi0"] == "ceph:vm-100-disk-0,size=3G"
    root.create_vm(101, scsi0="local:0,format=qcow2,import-from=ceph:vm-100-disk-0")
    assert root.config("qemu/101")["scsi0"] == "local:101/vm-101-disk-0.qcow2,size=3G"


@pytest.mark.parametrize(
    ("disk", "refused"),
    [
        (f"local:5,import-from={IMAGE}", "'import-from' requires special syntax"),
        ("local:0,import-from=local:iso/debian-12.8.0-amd64-netinst.iso", "has wrong type 'iso'"),
    ],
)
def test_an_import_that_is_no_import(root: Client, disk: str, refused: str) -> None:
    assert refused in root.refusal("POST", "/nodes/pve1/qemu", vmid=100, scsi0=disk)


@pytest.mark.parametrize(
    ("disk", "end"),
    [
        ("local-zfs:1,format=qcow2", "unable to create VM 100 - unsupported format 'qcow2'"),
        (
            "local:0,import-from=local:import/no.raw",
            "unable to create VM 100 - volume 'local:import/no.raw' does not exist",
        ),
    ],
)
def test_a_failed_disk_leaves_nothing(root: Client, disk: str, end: str) -> None:
    assert root.task("POST", "/nodes/pve1/qemu", vmid=100, scsi0="local:1", scsi1=disk) == end
    assert root.call("GET", f"{VM}/config").status_code == 500
    assert root.volids("local", content="images") == []


@pytest.mark.parametrize(
    ("guest", "disks"),
    [
        ("qemu/100", {"scsi1": "ceph:1", "scsi2": "ceph:vm-100-disk-9"}),
        ("lxc/101", {"mp0": "ceph:1,mp=/a", "mp1": "nas:1,mp=/b"}),
    ],
)
def test_a_change_that_fails_leaves_no_disk(root: Client, guest: str, disks: dict[str, str]) -> None:
    root.create_vm(100)
    root.create(101)
    assert root.call("PUT", f"/nodes/pve1/{guest}/config", **disks).status_code >= 400
    assert root.volids("ceph") == []


def test_an_import_needs_the_right_to_clone(lab: Lab, root: Client) -> None:
    root.create_vm(100)
    root.data("PUT", "/access/acl", path="/vms/100", roles="NoAccess", users="alice@pve")
    asked = {"vmid": 101, "scsi0": "local:0,import-from=local-zfs:vm-100-disk-0"}
    assert Client(lab, "alice").refusal("POST", "/nodes/pve1/qemu", **asked) == (
        "Permission check failed (/vms/100, VM.Clone)"
    )


def test_growing(root: Client) -> None:
    root.create_vm(100, ide2="none,media=cdrom")
    assert root.task("PUT", f"{VM}/resize", disk="scsi0", size="+512M") == "OK"
    assert root.task("PUT", f"{VM}/resize", disk="scsi0", size="5G") == "OK"
    assert root.config("qemu/100")["scsi0"].endswith("size=5G")
    assert root.task("PUT", f"{VM}/resize", disk="scsi0", size="4G") == "shrinking disks is not supported"
    assert root.task("PUT", f"{VM}/resize", disk="scsi7", size="4G") == "disk 'scsi7' does not exist"
    assert root.task("PUT", f"{VM}/resize", disk="ide2", size="4G") == "you can't resize a cdrom"


def test_moving_keeps_the_old_one_unless_told(root: Client) -> None:
    root.create_vm(100)
    assert root.task("POST", f"{VM}/move_disk", disk="scsi0", storage="local", format="qcow2") == "OK"
    config = root.config("qemu/100")
    assert (config["scsi0"], config["unused0"]) == ("local:100/vm-100-disk-0.qcow2,size=1G", "local-zfs:vm-100-disk-0")
    assert root.task("POST", f"{VM}/move_disk", disk="scsi0", storage="ceph", delete=1) == "OK"
    assert root.config("qemu/100")["scsi0"] == "ceph:vm-100-disk-0,size=1G"
    assert root.volids("local", content="images") == []
    assert root.refusal("POST", f"{VM}/move_disk", disk="scsi0", storage="ceph") == (
        "you can't move to the same storage with same format"
    )


def test_a_disk_with_a_snapshot_stays(root: Client) -> None:
    root.create_vm(100)
    assert root.task("POST", f"{VM}/snapshot", snapname="s1") == "OK"
    refused = root.refusal("POST", f"{VM}/move_disk", disk="scsi0", storage="ceph", delete=1)
    assert refused == "you can't move a disk with snapshots and delete the source"
    refused = root.refusal("PUT", f"{VM}/config", delete="scsi0", force=1)
    assert refused == "unable to delete 'local-zfs:vm-100-disk-0' - volume is still in use (snapshot?)"


def test_a_disk_changes_its_machine(root: Client) -> None:
    root.create_vm(100, scsi1="local:1")
    root.create_vm(101)
    asked = {"disk": "scsi1", "target-vmid": 101, "target-disk": "virtio3"}
    assert root.task("POST", f"{VM}/move_disk", **asked) == "OK"
    assert "scsi1" not in root.config("qemu/100")
    assert root.config("qemu/101")["virtio3"] == "local:101/vm-101-disk-0.raw,size=1G"
    assert root.refusal("POST", f"{VM}/move_disk", **(asked | {"disk": "scsi0"})) == (
        "Target disk key 'virtio3' is already in use for VM '101'"
    )
    assert root.task("POST", f"{VM}/snapshot", snapname="s1") == "OK"
    refused = root.refusal("POST", f"{VM}/move_disk", disk="scsi0", **{"target-vmid": 101})
    assert refused == "Target disk key 'scsi0' is already in use for VM '101'"
    asked = {"disk": "scsi0", "target-vmid": 101, "target-disk": "virtio4"}
    assert root.refusal("POST", f"{VM}/move_disk", **asked) == "Can't move disk used by a snapshot to another VM"


def test_detached_and_destroyed(root: Client) -> None:
    root.create_vm(100, scsi1="local-zfs:1", ide2="local:cloudinit")
    assert root.config("qemu/100")["boot"] == "order=scsi0;ide2;net0"
    root.data("PUT", f"{VM}/config", delete="scsi0")
    config = root.config("qemu/100")
    assert (config["unused0"], config["boot"]) == ("local-zfs:vm-100-disk-0", "order=ide2;net0")
    root.data("PUT", f"{VM}/config", scsi5="local-zfs:vm-100-disk-0")
    assert root.config("qemu/100")["scsi5"] == "local-zfs:vm-100-disk-0,size=1G"
    root.data("PUT", f"{VM}/unlink", idlist="scsi5")
    root.data("PUT", f"{VM}/unlink", idlist="scsi1", force=1)
    assert root.volids("local-zfs", content="images") == ["local-zfs:vm-100-disk-0"]
    root.data("PUT", f"{VM}/config", delete="unused0,ide2")
    assert root.volids("local-zfs", content="images") + root.volids("local", content="images") == []


def test_a_disk_that_is_attached_again_is_not_unused_any_more(root: Client) -> None:
    root.create_vm(100)
    root.data("PUT", f"{VM}/config", delete="scsi0")
    root.data("PUT", f"{VM}/config", scsi0="local-zfs:vm-100-disk-0")
    assert "unused0" not in root.config("qemu/100")


def test_protection(root: Client) -> None:
    root.create_vm(100, protection=1)
    assert root.refusal("PUT", f"{VM}/config", delete="scsi0") == "can't remove drive 'scsi0' - protection mode enabled"


def test_linked_clones(root: Client) -> None:
    root.create_vm(100, scsi0="local:1,format=qcow2", scsi1="ceph:1", ide2="ceph:cloudinit", tpmstate0="ceph:1")
    assert root.task("POST", f"{VM}/template") == "OK"
    config = root.config("qemu/100")
    assert config["scsi0"] == "local:100/base-100-disk-0.qcow2,size=1G"
    assert config["ide2"] == "ceph:vm-100-cloudinit,media=cdrom"
    assert root.task("POST", f"{VM}/clone", newid=101) == "OK"
    config = root.config("qemu/101")
    assert config["scsi0"] == "local:100/base-100-disk-0.qcow2/101/vm-101-disk-0.qcow2,size=1G"
    assert config["scsi1"] == "ceph:base-100-disk-0/vm-101-disk-0,size=1G"
    assert config["ide2"] == "ceph:vm-101-cloudinit,media=cdrom"
    assert config["tpmstate0"] == "ceph:vm-101-disk-1,size=4M"
    entries = {e["volid"]: e["parent"] for e in root.data("GET", "/nodes/pve1/storage/ceph/content")}
    assert entries["ceph:base-100-disk-0/vm-101-disk-0"] == "base-100-disk-0@__base__"
    assert root.task("DELETE", VM).endswith("is still in use by linked cloned")
    assert root.refusal("POST", f"{VM}/clone", newid=102, storage="ceph") == (
        "parameter 'storage' not allowed for linked clones"
    )


def test_a_clone_goes_to_another_node_only_from_a_shared_storage(root: Client) -> None:
    root.create_vm(100, scsi0="ceph:1")
    root.create_vm(101)
    assert root.task("POST", f"{VM}/clone", newid=200, target="pve2", full=1) == "OK"
    assert root.config("qemu/200", "pve2")["scsi0"] == "ceph:vm-200-disk-0,size=1G"
    path = "/nodes/pve1/qemu/101/clone"
    assert root.refusal("POST", path, newid=201, target="pve2") == (
        "can't clone VM to node 'pve2' (VM uses local storage)"
    )
    assert root.refusal("POST", f"{VM}/clone", newid=201, target="pve2", storage="local") == (
        "can't clone to non-shared storage 'local'"
    )


def test_a_clone_in_a_pool(root: Client) -> None:
    root.create_vm(100)
    root.data("POST", "/pools", poolid="p")
    assert root.task("POST", f"{VM}/clone", newid=101, pool="p") == "OK"
    assert [member["vmid"] for member in root.data("GET", "/pools/p")["members"]] == [101]
    assert root.refusal("POST", f"{VM}/clone", newid=102, pool="q") == "pool 'q' does not exist"


# containers


def test_mount_points(root: Client) -> None:
    root.create(100, mp0="ceph:1,mp=/srv")
    root.data("PUT", f"{CT}/config", delete="mp0")
    config = root.config("lxc/100")
    assert "mp0" not in config
    assert config["unused0"] == "ceph:vm-100-disk-0"
    root.data("PUT", f"{CT}/config", mp1="ceph:vm-100-disk-0,mp=/srv")
    root.data("PUT", f"{CT}/config", delete="mp1")
    root.data("PUT", f"{CT}/config", delete="unused0")
    assert root.volids("ceph") == []


def test_a_volume_moves(root: Client) -> None:
    root.create(100, mp0="local:1,mp=/srv")
    assert root.task("POST", f"{CT}/move_volume", volume="mp0", storage="ceph", delete=1) == "OK"
    assert root.config("lxc/100")["mp0"] == "ceph:vm-100-disk-0,mp=/srv,size=1G"
    root.create(101)
    assert root.task("POST", f"{CT}/move_volume", volume="mp0", **{"target-vmid": 101, "target-volume": "mp3"}) == "OK"
    assert root.config("lxc/101")["mp3"] == "ceph:vm-101-disk-0,mp=/srv,size=1G"
    assert "mp0" not in root.config("lxc/100")
