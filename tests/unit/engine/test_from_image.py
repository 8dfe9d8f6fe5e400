# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines from disk images and from the discs of installers."""

from typing import Any

from tests.unit.engine.births import GIB, IMAGE, ISO, NET, SEED, Births, data, reasons, steps

CLOUD: dict[str, Any] = {
    "name": "cloud",
    "node": "pve1",
    "source": {"image": {"volid": IMAGE, "storage": "btr"}},
    "cloud_init": {"user": "ops", "ip": [{"slot": "ipconfig0", "ip": "dhcp"}]},
    "net": NET,
}


def image(volid: str = IMAGE, **more: Any) -> dict[str, Any]:
    return {"image": {"volid": volid, "storage": "btr", **more}}


def disc(**more: Any) -> dict[str, Any]:
    return {"name": "new", "node": "pve1", "source": {"iso": {"volid": ISO}}, **more}


# -- images --------------------------------------------------------------------------------------------------------


def test_a_cloud_image_becomes_a_configured_running_machine_in_one_task(births: Births) -> None:
    task: dict[str, Any] = {
        **CLOUD,
        "state": "started",
        "disks": [{"slot": "scsi0", "size": "10G", "discard": "on", "ssd": True}],
    }
    result = births.done("vm", **task)
    assert steps(result) == ["create", "resize", "start"]
    assert data(result)["scsi0"] == f"btr:0,discard=on,import-from={IMAGE},ssd=1"
    assert data(result)["boot"] == "order=scsi0"
    assert data(result)["ide2"] == "btr:cloudinit,media=cdrom"
    made = births.config(result["vmid"])
    assert made["scsi0"].endswith("discard=on,size=10G,ssd=1")
    assert births.state.guests[result["vmid"]].running
    assert births.again("vm", **task) == []


def test_an_image_is_left_as_large_as_it_is_where_no_size_is_said(births: Births) -> None:
    result = births.done("vm", **CLOUD)
    assert steps(result) == ["create"]
    assert births.config(result["vmid"])["scsi0"].endswith("size=2G")
    assert "takes up to 2G on btr" in reasons(result)


def test_the_size_of_the_image_is_no_reason_to_resize(births: Births) -> None:
    assert steps(births.done("vm", **CLOUD, disks=[{"slot": "scsi0", "size": "2G"}])) == ["create"]


def test_a_disk_smaller_than_its_image_is_refused_in_the_plan(births: Births) -> None:
    said = births.refused("vm", **CLOUD, disks=[{"slot": "scsi0", "size": "1G"}])
    assert f"1G is less than the disk in {IMAGE} has (2G)" in said


def test_another_slot_and_boot_order_are_taken(births: Births) -> None:
    source = image(slot="virtio1", format="qcow2", storage="local")
    result = births.done("vm", name="new", node="pve1", source=source, boot=["net0", "virtio1"], net=NET)
    assert data(result)["virtio1"] == f"local:0,format=qcow2,import-from={IMAGE}"
    assert data(result)["boot"] == "order=net0;virtio1"


def test_what_the_disk_says_of_its_storage_counts(births: Births) -> None:
    source = {"image": {"volid": IMAGE}}
    result = births.done(
        "vm", name="new", node="pve1", source=source, disks=[{"slot": "scsi0", "storage": "local-zfs"}]
    )
    assert data(result)["scsi0"] == f"local-zfs:0,import-from={IMAGE}"


def test_an_image_needs_a_storage(births: Births) -> None:
    said = births.refused("vm", name="new", node="pve1", source={"image": {"volid": IMAGE}})
    assert "source.image.storage is needed" in said


def test_several_disks_are_made_from_images(births: Births) -> None:
    disks = [{"slot": f"scsi{number}", "storage": "btr", "import_from": IMAGE, "size": "3G"} for number in (0, 1)]
    result = births.done("vm", name="new", node="pve1", disks=disks)
    assert steps(result) == ["create", "resize", "resize"]
    assert all(births.config(result["vmid"])[slot].endswith("size=3G") for slot in ("scsi0", "scsi1"))


def test_a_path_on_the_node_is_root_s_and_said_before(births: Births) -> None:
    said = births.refused("vm", name="new", node="pve1", source=image("/root/debian.qcow2"))
    assert "only root@pam with its password may import" in said
    planned = births.done("vm", "root", name="new", node="pve1", source=image("/root/debian.qcow2"), check=True)
    assert data(planned)["scsi0"] == "btr:0,import-from=/root/debian.qcow2"


def test_an_image_that_was_stored_as_a_disc_is_explained(births: Births) -> None:
    said = births.refused("vm", name="new", node="pve1", source=image("local:iso/debian.iso"))
    assert "content 'import'" in said


def test_a_missing_image_names_those_that_are_there(births: Births) -> None:
    said = births.refused("vm", name="new", node="pve1", source=image("local:import/nope.qcow2"))
    assert "'local:import/nope.qcow2' cannot be read" in said
    assert IMAGE in said


def test_the_disk_of_a_guest_is_an_image_for_who_may_clone_the_guest(births: Births) -> None:
    result = births.done("vm", name="new", node="pve1", source=image("local:151/vm-151-disk-0.qcow2"))
    rights = [(row["path"], row["any_of"]) for row in result["plan"]["privileges"]]
    assert ("/vms/151", ["VM.Clone"]) in rights
    assert births.config(result["vmid"])["scsi0"].endswith("size=2G")


def test_an_image_of_a_storage_is_read_by_who_sees_the_storage(births: Births) -> None:
    result = births.done("vm", **CLOUD, check=True)
    rights = [(row["path"], row["any_of"]) for row in result["plan"]["privileges"]]
    assert ("/storage/local", ["Datastore.Audit", "Datastore.AllocateSpace"]) in rights


def test_the_plan_knows_the_size_before_and_after_growing(births: Births) -> None:
    births.seed(volumes={**SEED["volumes"], IMAGE: {"content": "import", "format": "qcow2", "size": 3 * GIB}})
    after = births.done("vm", **CLOUD, check=True)["plan"]["after"]
    assert after["scsi0"].endswith(",size=3G")
    after = births.done("vm", **CLOUD, disks=[{"slot": "scsi0", "size": "5G"}], check=True)["plan"]["after"]
    assert after["scsi0"].endswith(",size=5G")


# -- discs ---------------------------------------------------------------------------------------------------------


def test_a_disc_lies_in_ide2_and_is_booted_while_the_disk_is_empty(births: Births) -> None:
    task = disc(disks=[{"slot": "virtio0", "storage": "btr", "size": "4G"}])
    result = births.done("vm", **task)
    assert data(result)["ide2"] == f"{ISO},media=cdrom"
    assert data(result)["boot"] == "order=virtio0;ide2"
    assert births.again("vm", **task) == []


def test_a_disc_makes_room_for_cloud_init(births: Births) -> None:
    result = births.done("vm", **disc(cloud_init={"user": "ops", "storage": "btr"}))
    assert data(result)["ide2"] == "btr:cloudinit,media=cdrom"
    assert data(result)["ide3"] == f"{ISO},media=cdrom"


def test_a_disc_goes_where_the_task_says(births: Births) -> None:
    source = {"iso": {"volid": ISO, "slot": "sata3"}}
    result = births.done("vm", **disc(source=source, boot=["sata3"]))
    assert data(result)["sata3"] == f"{ISO},media=cdrom"
    assert data(result)["boot"] == "order=sata3"


def test_a_missing_disc_names_those_that_are_there(births: Births) -> None:
    said = births.refused("vm", **disc(source={"iso": {"volid": "local:iso/nope.iso"}}))
    assert "'local:iso/nope.iso' does not exist on node pve1" in said
    assert ISO in said
