# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores: what comes back, what the task changes of it, and what a restore over a guest destroys."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.archive import kind_of

from tests.unit.engine.births import Births, container, data, machine, reasons, steps


@pytest.fixture
def saved(births: Births) -> Births:
    """Backups `vm` of qemu/151 and `ct` of lxc/160."""
    save(births, 151, "vm")
    save(births, 160, "ct")
    return births


def save(births: Births, vmid: int, name: str, storage: str = "local") -> None:
    births.site.run().done("backup", {"vmid": vmid, "storage": storage, "name": name})


def archive(name: str, storage: str = "local", **more: Any) -> dict[str, Any]:
    return {"archive": {"storage": storage, "name": name, **more}}


# -- a new guest ---------------------------------------------------------------------------------------------------


def test_a_machine_is_restored_configured_and_started_in_one_task(saved: Births) -> None:
    task: dict[str, Any] = {
        "name": "back",
        "node": "pve1",
        "state": "started",
        "source": archive("vm"),
        "cores": 3,
        "net": [{"slot": "net0", "tag": 9}],
        "disks": [{"slot": "scsi0", "size": "6G", "discard": "on"}],
        "delete": ["boot"],
    }
    result = saved.done("vm", **task)
    assert steps(result) == ["restore", "update", "resize", "start"]
    sent = data(result)
    assert sent["archive"].startswith("local:backup/vzdump-qemu-151-")
    assert (sent["name"], sent["cores"], sent["unique"]) == ("back", 3, 1)
    assert "scsi0" not in sent, "the server takes no drives with a restore"
    made = saved.config(result["vmid"])
    assert made["scsi0"].endswith("discard=on,size=6G")
    assert made["net0"].endswith("bridge=vmbr0,tag=9")
    assert saved.again("vm", **task) == []


def test_a_container_is_restored_configured_and_started_in_one_task(saved: Births) -> None:
    task: dict[str, Any] = {
        "name": "back",
        "node": "pve1",
        "state": "started",
        "source": archive("ct"),
        "rootfs": {"storage": "btr", "size": "2G"},
        "net": [{"slot": "net0", "tag": 5}],
        "mounts": [{"slot": "mp0", "mp": "/srv", "storage": "btr", "size": "1G"}],
    }
    result = saved.done("lxc", **task)
    assert steps(result) == ["restore", "update", "resize", "start"]
    sent = data(result)
    assert (sent["restore"], sent["storage"], sent["hostname"]) == (1, "btr", "back")
    assert {"rootfs", "mp0"}.isdisjoint(sent), "naming a volume makes the server forget those of the archive"
    assert saved.config(result["vmid"])["rootfs"].endswith("size=2G")
    assert saved.again("lxc", **task) == []


@pytest.mark.parametrize(("module", "name", "origin"), [("vm", "vm", 151), ("lxc", "ct", 160)])
def test_identity_is_new_unless_it_is_kept(saved: Births, module: str, name: str, origin: int) -> None:
    new = saved.done(module, name="new", node="pve1", source=archive(name))
    assert saved.config(new["vmid"])["net0"] != saved.config(origin)["net0"]
    kept = saved.done(module, name="kept", node="pve1", source={**archive(name), "keep_identity": True})
    assert "unique" not in data(kept)
    assert saved.config(kept["vmid"])["net0"] == saved.config(origin)["net0"]


def test_an_address_that_the_task_chose_is_taken(saved: Births) -> None:
    result = saved.done(
        "vm", name="new", node="pve1", source=archive("vm"), net=[{"slot": "net0", "macaddr": "BC:24:11:AA:AA:AA"}]
    )
    assert "virtio=BC:24:11:AA:AA:AA" in saved.config(result["vmid"])["net0"]
    result = saved.done(
        "lxc", name="new", node="pve1", source=archive("ct"), net=[{"slot": "net0", "hwaddr": "BC:24:11:AA:AA:AB"}]
    )
    assert "hwaddr=BC:24:11:AA:AA:AB" in saved.config(result["vmid"])["net0"]


def test_a_machine_goes_to_the_storage_that_is_said(saved: Births) -> None:
    result = saved.done("vm", name="new", node="pve1", source=archive("vm", restore_storage="scratch"))
    assert data(result)["storage"] == "scratch"
    assert saved.config(result["vmid"])["scsi0"].startswith("scratch:")
    assert "takes up to 2G on scratch" in reasons(result)


def test_without_one_its_disks_go_where_they_were(saved: Births) -> None:
    result = saved.done("vm", name="new", node="pve1", source=archive("vm"))
    assert "storage" not in data(result)
    assert saved.config(result["vmid"])["scsi0"].startswith("local:")


def test_a_volume_id_names_the_backup_and_its_kind(saved: Births) -> None:
    volid = next(one.volid for one in saved.state.volumes.values() if "vzdump-lxc-160" in one.volid)
    said = saved.refused("vm", name="new", node="pve1", source={"archive": {"volid": volid}})
    assert f"{volid} is a backup of a lxc guest, not of qemu" in said
    assert steps(saved.done("lxc", name="new", node="pve1", source={"archive": {"volid": volid}})) == ["restore"]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"volid": "pbs:backup/vm/100/2026-11-20T10:00:00Z"}, "qemu"),
        ({"volid": "pbs:backup/ct/100/2026-11-20T10:00:00Z"}, "lxc"),
        ({"volid": "pbs:backup/ct/100/2026-11-20T10:00:00Z", "subtype": "lxc"}, "lxc"),
        ({"volid": "local:backup/vzdump-qemu-100-2026_11_20-10_00_00.vma.zst"}, "qemu"),
        ({"volid": "local:backup/custom.tar"}, ""),
    ],
)
def test_the_kind_of_a_backup_is_known_by_its_name(row: dict[str, Any], kind: str) -> None:
    assert kind_of(row) == kind


def test_a_selector_takes_backups_of_the_wanted_kind_only(saved: Births) -> None:
    said = saved.refused("lxc", name="new", node="pve1", source=archive("vm"))
    assert "No backup on storage 'local' of node pve1 matches {'storage': 'local', 'name': 'vm'}" in said


def test_a_template_comes_back_as_a_template(births: Births) -> None:
    save(births, 150, "golden")
    said = births.refused("vm", name="new", node="pve1", state="started", source=archive("golden"))
    assert "holds a template, and a template never runs" in said
    planned = births.done("vm", name="new", node="pve1", state="template", source=archive("golden"), check=True)
    assert steps(planned) == ["restore"]


def test_a_bind_mount_in_the_archive_is_root_s(births: Births) -> None:
    births.seed(guests={160: container(160, "box", mp0="/srv,mp=/srv")})
    save(births, 160, "bound")
    said = births.refused("lxc", name="new", node="pve1", source=archive("bound"))
    assert "only root@pam with its password restores a bind mount" in said
    task: dict[str, Any] = {"name": "new", "node": "pve1", "source": archive("bound")}
    assert steps(births.done("lxc", "root", check=True, **task)) == ["restore"]


# -- while it runs -------------------------------------------------------------------------------------------------


def test_a_live_restore_needs_a_backup_server(saved: Births) -> None:
    said = saved.refused("vm", name="new", node="pve1", state="started", source=archive("vm", live=True))
    assert "only a backup on a Proxmox Backup Server" in said


def test_a_live_restore_starts_the_machine(births: Births) -> None:
    save(births, 151, "live", "nas")
    births.state.storages["nas"]["type"] = "pbs"
    source = archive("live", "nas", live=True)
    assert "state is not started" in births.refused("vm", name="new", node="pve1", source=source)
    result = births.done("vm", name="new", node="pve1", state="started", source=source, check=True)
    assert steps(result) == ["restore"]
    assert data(result)["live-restore"] == 1


# -- over a guest --------------------------------------------------------------------------------------------------


def test_a_guest_is_only_overwritten_when_it_is_said(saved: Births) -> None:
    assert steps(saved.done("vm", vmid=151, source=archive("vm"))) == []
    result = saved.done("vm", vmid=151, force=True, source=archive("vm"))
    assert steps(result) == ["overwrite"]
    assert data(result)["force"] == 1
    assert result["plan"]["undo"]["possible"] is False
    assert result["plan"]["risk"]["level"] == "high"


def test_a_running_guest_is_not_overwritten(saved: Births) -> None:
    for module, vmid, name in (("vm", 151, "vm"), ("lxc", 160, "ct")):
        saved.done(module, vmid=vmid, state="started")
        said = saved.refused(module, vmid=vmid, force=True, source=archive(name))
        assert "is running: a restore does not overwrite" in said
        assert "Stop it first" in said
        assert saved.state.guests[vmid].running


def test_a_protected_guest_is_not_overwritten(saved: Births) -> None:
    saved.state.guests[151].config["protection"] = 1
    assert "qemu/151 is protected" in saved.refused("vm", vmid=151, force=True, source=archive("vm"))


def test_the_blast_tells_which_disks_go_and_which_stay(saved: Births) -> None:
    """A machine keeps the disks that the backup lacks, as unused ones."""
    saved.done("vm", vmid=151, disks=[{"slot": "scsi5", "storage": "btr", "size": "1G"}])
    result = saved.done("vm", vmid=151, force=True, source=archive("vm"), check=True)
    assert result["plan"]["blast_radius"]["others"] == ["volume local:151/vm-151-disk-0.qcow2"]
    assert "scsi5 (btr:151/vm-151-disk-0.raw) is not in the backup: it stays as an unused disk" in reasons(result)
    assert result["plan"]["after"]["unused0"] == "btr:151/vm-151-disk-0.raw"


def test_a_container_loses_all_of_its_volumes_and_snapshots(births: Births) -> None:
    births.seed(guests={160: container(160, "box", "local-zfs:subvol-160-disk-0")})
    save(births, 160, "ct")
    births.site.run().done("snapshot", {"vmid": 160, "snapshot": "before"})
    births.done("lxc", vmid=160, mounts=[{"slot": "mp0", "mp": "/srv", "storage": "local-zfs", "size": "1G"}])
    result = births.done("lxc", vmid=160, force=True, source=archive("ct"), check=True)
    assert result["plan"]["blast_radius"]["others"] == [
        "snapshot lxc/160@before",
        "volume local-zfs:subvol-160-disk-0",
        "volume local-zfs:subvol-160-disk-1",
    ]
    assert "destroys 1 snapshot(s)" in reasons(result)


def test_disks_that_were_left_out_of_the_backup_do_not_come_back(births: Births) -> None:
    more = {"scsi1": "local:151/vm-151-disk-1.raw,backup=0,size=1G"}
    births.seed(guests={151: machine(151, "web", **more)})
    save(births, 151, "vm")
    after = births.done("vm", name="new", node="pve1", source=archive("vm"), check=True)["plan"]["after"]
    assert "scsi0" in after
    assert "scsi1" not in after
