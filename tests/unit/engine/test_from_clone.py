# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of guests: what is new about them, what the task changes, and what cannot be copied."""

from typing import Any

import pytest

from tests.unit.engine.births import GIB, Births, container, data, machine, reasons, steps

FROM_GOLDEN: dict[str, Any] = {"clone": {"name": "golden"}}


def clone(vmid: int, **more: Any) -> dict[str, Any]:
    return {"clone": {"vmid": vmid, **more}}


# -- what peers get wrong ------------------------------------------------------------------------------------------


def test_cloning_by_name_again_makes_no_second_machine(births: Births) -> None:
    """A peer without newid makes another VM on every run."""
    task: dict[str, Any] = {"name": "web1", "source": FROM_GOLDEN}
    assert steps(births.done("vm", **task)) == ["clone"]
    assert births.again("vm", **task) == []
    assert births.task("vm", **task)["changed"] is False
    assert len(births.named("web1")) == 1


def test_the_vmid_of_a_clone_is_its_own_and_not_its_template_s(births: Births) -> None:
    """A peer returns the template's, and the next task changes the template."""
    for task in ({"name": "web1"}, {"vmid": 300}):
        result = births.done("vm", **task, source=FROM_GOLDEN)
        assert result["vmid"] not in (150, None)
        assert result["config"]["scsi0"].startswith(f"local:{result['vmid']}/")
        assert births.state.guests[result["vmid"]].config["scsi0"] == result["config"]["scsi0"]


def test_a_clone_gets_what_the_task_says_in_the_same_task(births: Births) -> None:
    """Peers ignore cores, memory, net and ipconfig of a task that clones."""
    task: dict[str, Any] = {
        "name": "web1",
        "source": FROM_GOLDEN,
        "state": "started",
        "cores": 4,
        "memory": 2048,
        "net": [{"slot": "net0", "tag": 5}, {"slot": "net1", "bridge": "vmbr1"}],
        "cloud_init": {"storage": "btr", "user": "ops", "ip": [{"slot": "ipconfig0", "ip": "10.0.0.5/24"}]},
        "disks": [
            {"slot": "scsi0", "size": "8G", "discard": "on"},
            {"slot": "scsi1", "storage": "btr", "size": "1G"},
        ],
        "delete": ["boot"],
        "tags": ["web"],
    }
    result = births.done("vm", **task)
    assert steps(result) == ["clone", "update", "resize", "start"]
    made = births.config(result["vmid"])
    assert (made["cores"], made["memory"], made["tags"], made["ipconfig0"]) == (4, "2048", "web", "ip=10.0.0.5/24")
    assert made["net0"].endswith(",bridge=vmbr0,tag=5")
    assert made["scsi0"].endswith("discard=on,size=8G")
    assert "boot" not in made
    assert births.state.guests[result["vmid"]].running
    assert births.again("vm", **task) == []


def test_later_tasks_of_a_check_run_see_the_copy_as_it_will_be(births: Births) -> None:
    run = births.site.run(check=True)
    run.done("vm", {"name": "web1", "source": FROM_GOLDEN, "cores": 4, "disks": [{"slot": "scsi0", "size": "8G"}]})
    seen = run.done("vm", {"name": "web1", "cores": 4, "disks": [{"slot": "scsi0", "size": "9G"}]})
    assert steps(seen) == ["resize"]


def test_a_container_gets_it_too(births: Births) -> None:
    task: dict[str, Any] = {
        "name": "box2",
        "source": {"clone": {"name": "box"}},
        "state": "started",
        "cores": 3,
        "rootfs": {"size": "3G"},
        "net": [{"slot": "net0", "tag": 5}],
        "mounts": [{"slot": "mp0", "mp": "/srv", "storage": "btr", "size": "1G"}],
    }
    result = births.done("lxc", **task)
    assert steps(result) == ["clone", "update", "resize", "start"]
    made = births.config(result["vmid"])
    assert made["cores"] == 3
    assert made["rootfs"].endswith("size=3G")
    assert "tag=5" in made["net0"]
    assert births.again("lxc", **task) == []


def test_identity_is_new(births: Births) -> None:
    """MAC, uuid and generation id: two machines must not share them."""
    made = births.config(births.done("vm", name="web1", source=FROM_GOLDEN)["vmid"])
    origin = births.config(150)
    for key in ("net0", "smbios1", "vmgenid"):
        assert made[key] != origin[key]
    assert made["net0"].endswith(",bridge=vmbr0,tag=7")


def test_a_change_of_an_interface_keeps_the_new_address(births: Births) -> None:
    result = births.done("vm", name="web1", source=FROM_GOLDEN, net=[{"slot": "net0", "tag": 9}])
    symbol = f"(known after apply: MAC of net0 of qemu/{result['vmid']})"
    assert data(result, 1)["net0"] == f"virtio={symbol},bridge=vmbr0,tag=9"
    assert symbol not in births.config(result["vmid"])["net0"]


def test_addresses_are_kept_on_request(births: Births) -> None:
    result = births.done("vm", name="twin", source={**FROM_GOLDEN, "keep_identity": True})
    assert births.config(result["vmid"])["net0"] == births.config(150)["net0"]
    result = births.done("lxc", name="box2", source={"clone": {"name": "box"}, "keep_identity": True})
    assert "hwaddr=BC:24:11:00:01:60" in births.config(result["vmid"])["net0"]


def test_the_machine_s_uuid_survives_a_change_beside_it(births: Births) -> None:
    """The server chooses the uuid; what the task adds to smbios1 is written with it."""
    result = births.done("vm", name="web1", source=FROM_GOLDEN, config={"smbios1": {"serial": "A1"}})
    assert steps(result) == ["clone", "update"]
    made = births.config(result["vmid"])["smbios1"]
    assert "known after apply" not in made
    assert "33360ba9" not in made
    assert "base64=1" in made


# -- kinds of copies -----------------------------------------------------------------------------------------------


def test_a_linked_clone_needs_a_template(births: Births) -> None:
    said = births.refused("vm", name="web1", source=clone(151, full=False))
    assert "qemu/151 is not a template" in said


def test_a_linked_clone_builds_on_its_template(births: Births) -> None:
    result = births.done("vm", name="web1", source=clone(150, full=False))
    assert data(result)["full"] == 0
    assert births.config(result["vmid"])["scsi0"].startswith("local:150/")


@pytest.mark.parametrize("option", [{"storage": "btr"}, {"format": "raw"}])
def test_a_linked_clone_lies_where_its_template_does(births: Births, option: dict[str, Any]) -> None:
    said = births.refused("vm", name="web1", source=clone(150, full=False, **option))
    assert f"source.clone.{next(iter(option))}: a linked clone lies where its template does" in said


def test_a_full_clone_goes_to_another_storage_and_format(births: Births) -> None:
    result = births.done("vm", name="web1", source=clone(150, storage="local", format="raw"))
    assert (data(result)["storage"], data(result)["format"]) == ("local", "raw")
    assert births.config(result["vmid"])["scsi0"].startswith(f"local:{result['vmid']}/vm-{result['vmid']}-disk-0.raw")


def test_rootfs_storage_says_where_a_copied_container_goes(births: Births) -> None:
    task: dict[str, Any] = {"name": "box2", "source": {"clone": {"name": "box"}}, "rootfs": {"storage": "btr"}}
    result = births.done("lxc", **task)
    assert steps(result) == ["clone"]
    assert births.config(result["vmid"])["rootfs"].startswith("btr:")
    assert births.again("lxc", **task) == []


def test_pool_and_description_are_said_with_the_call(births: Births) -> None:
    births.seed(pools={"dev": {}})
    result = births.done("vm", name="web1", source=FROM_GOLDEN, pool="dev", description="copy")
    assert steps(result) == ["clone"]
    assert data(result) == {"newid": result["vmid"], "full": 1, "name": "web1", "pool": "dev", "description": "copy"}
    assert births.config(result["vmid"])["description"] == "copy"
    assert result["vmid"] in births.state.pools["dev"]["vms"]


def test_a_copy_without_a_name_has_the_server_s(births: Births) -> None:
    assert births.done("vm", vmid=300, source=FROM_GOLDEN)["config"]["name"] == "Copy-of-VM-golden"
    assert births.done("vm", vmid=301, source=FROM_GOLDEN, check=True)["config"]["name"] == "Copy-of-VM-golden"


def test_a_snapshot_is_copied_as_it_was(births: Births) -> None:
    births.seed(
        guests={
            151: {
                **machine(151, "web", scsi0="local-zfs:vm-151-disk-0,size=2G"),
                "disks": {"local-zfs:vm-151-disk-0": 2 * GIB},
            }
        }
    )
    births.state.guests[151].config["cores"] = 2
    births.site.run().done("snapshot", {"vmid": 151, "snapshot": "before"})
    births.state.guests[151].config["cores"] = 8
    result = births.done("vm", name="old", source=clone(151, snapshot="before"))
    assert data(result)["snapname"] == "before"
    assert births.config(result["vmid"])["cores"] == 2
    assert result["config"]["cores"] == 2


def test_what_waits_for_a_restart_of_the_origin_is_not_copied(births: Births) -> None:
    births.state.guests[151].pending["cores"] = 8
    result = births.done("vm", name="copy", source=clone(151), cores=8)
    assert steps(result) == ["clone", "update"]
    assert births.config(result["vmid"])["cores"] == 8


def test_a_copy_becomes_a_template(births: Births) -> None:
    result = births.done("vm", name="golden2", source=clone(151), state="template")
    assert steps(result) == ["clone", "template"]
    assert births.config(result["vmid"])["template"] == 1


# -- what cannot be copied -----------------------------------------------------------------------------------------


def test_a_running_machine_can_be_copied(births: Births) -> None:
    births.seed(guests={151: {**machine(151, "web"), "running": True}})
    assert steps(births.done("vm", name="copy", source=clone(151))) == ["clone"]


def test_the_tpm_of_a_running_machine_cannot(births: Births) -> None:
    tpm = {"tpmstate0": "local:151/vm-151-disk-1.raw,size=4M,version=v2.0"}
    births.seed(guests={151: {**machine(151, "web", **tpm), "running": True}})
    assert "TPM" in births.refused("vm", name="copy", source=clone(151))


def test_a_running_container_is_only_copied_from_a_snapshot(births: Births) -> None:
    births.seed(guests={160: {**container(160, "box"), "running": True}})
    said = births.refused("lxc", name="box2", source=clone(160))
    assert "lxc/160 is running: only a stopped container or a snapshot can be copied" in said


def test_a_container_with_a_bind_mount_cannot_be_copied(births: Births) -> None:
    births.seed(guests={160: container(160, "box", mp0="/srv,mp=/srv")})
    assert "bind mount" in births.refused("lxc", name="box2", source=clone(160))


def test_a_copy_for_another_node_names_the_volume_that_is_not_shared(births: Births) -> None:
    said = births.refused("vm", name="far", node="pve2", source=clone(151))
    assert "scsi0 on storage 'local' (local:151/vm-151-disk-0.qcow2), which node pve1 does not share" in said
    disc = {"ide2": "local:iso/debian.iso,media=cdrom"}
    births.seed(guests={152: machine(152, "shared", "nas", **disc)})
    assert "ide2 on storage 'local'" in births.refused("vm", name="far", node="pve2", source=clone(152))


def test_a_copy_for_another_node_goes_to_a_shared_storage(births: Births) -> None:
    assert "'btr' is not shared" in births.refused("vm", name="far", node="pve2", source=clone(152, storage="btr"))
    result = births.done("vm", name="far", node="pve2", source=clone(152, storage="nas"))
    assert data(result)["target"] == "pve2"
    assert births.state.guests[result["vmid"]].node == "pve2"


def test_a_copy_is_made_where_its_origin_is(births: Births) -> None:
    births.seed(guests={155: {**machine(155, "elsewhere", "nas"), "node": "pve3"}})
    result = births.done("vm", name="copy", source={"clone": {"name": "elsewhere"}})
    assert result["node"] == "pve3"
    assert result["plan"]["steps"][0]["path"] == "/nodes/pve3/qemu/155/clone"


def test_an_origin_that_is_not_there_is_said(births: Births) -> None:
    result = births.task("vm", name="copy", source={"clone": {"name": "nobody"}})
    assert "No guest 'nobody' exists" in result["msg"]
    assert births.site.writes == []


def test_what_a_copy_takes_and_needs_is_in_the_plan(births: Births) -> None:
    result = births.done("vm", name="copy", source=clone(150, storage="btr"), check=True)
    rights = [(row["path"], row["any_of"][0]) for row in result["plan"]["privileges"]]
    assert {("/vms/150", "VM.Clone"), ("/storage/btr", "Datastore.AllocateSpace")} <= set(rights)
    assert ("/sdn/zones/localnetwork/vmbr0/7", "SDN.Use") in rights
    assert "creates qemu/100 from qemu/150" in reasons(result)
    assert "takes up to 2G on btr" in reasons(result)
