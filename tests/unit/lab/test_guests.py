# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers and virtual machines: what the recordings do not reach, and time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import Lab

from .conftest import LONG, TEMPLATE, Client, Wait


@pytest.fixture
def slow() -> Iterator[Client]:
    with Lab(task_seconds=LONG) as lab:
        yield Client(lab)


def archive(lab: Lab) -> str:
    return max(volume.volid for volume in lab.state.volumes.values() if volume.content == "backup")


def config(client: Client, vmid: int) -> dict[str, object]:
    found: dict[str, object] = client.data("GET", f"/nodes/pve1/lxc/{vmid}/config")
    return found


def test_a_container_that_is_being_made(slow: Client, wait: Wait) -> None:
    upid = slow.data("POST", "/nodes/pve1/lxc", vmid=100, ostemplate=TEMPLATE, hostname="web", rootfs="local-zfs:2")
    assert slow.end(upid) == "running"
    assert set(config(slow, 100)) == {"lock", "digest"}
    assert slow.call("PUT", "/nodes/pve1/lxc/100/config", cores=1).reason == "CT is locked (create)"
    assert slow.data("GET", "/nodes/pve1/lxc/100/status/current")["name"] == "CT100"
    wait(LONG)
    assert slow.end(upid) == "OK"
    assert config(slow, 100)["hostname"] == "web"


def test_a_task_can_be_stopped(slow: Client) -> None:
    upid = slow.data("POST", "/nodes/pve1/lxc", vmid=100, ostemplate=TEMPLATE, rootfs="local-zfs:2")
    slow.data("DELETE", f"/nodes/pve1/tasks/{upid}")
    assert slow.end(upid) == "interrupted by signal"
    assert slow.call("GET", "/nodes/pve1/lxc/100/config").status_code == 500


def test_a_digest_changes_with_the_configuration(root: Client) -> None:
    root.create(100)
    before = str(config(root, 100)["digest"])
    assert config(root, 100)["digest"] == before
    root.data("PUT", "/nodes/pve1/lxc/100/config", cores=2, digest=before)
    assert config(root, 100)["digest"] != before
    refused = root.call("PUT", "/nodes/pve1/lxc/100/config", cores=3, digest=before)
    assert refused.reason == "detected modified configuration - file changed by other user? Try again."


def test_a_restore_has_the_identity_of_its_backup_unless_it_is_to_be_unique(lab: Lab, root: Client) -> None:
    root.create(100, hostname="golden", features="nesting=1,keyctl=1", memory=256, mp0="local-zfs:1,mp=/data,backup=1")
    root.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="nas", compress="zstd")
    source = archive(lab)
    root.task("POST", "/nodes/pve1/lxc", vmid=101, ostemplate=source, restore=1, storage="btr")
    root.task(
        "POST",
        "/nodes/pve1/lxc",
        vmid=102,
        ostemplate=source,
        restore=1,
        storage="local",
        unique=1,
        hostname="copy",
        memory=512,
    )
    first, same, other = config(root, 100), config(root, 101), config(root, 102)
    assert same["net0"] == first["net0"]
    assert (same["hostname"], same["features"]) == ("golden", "nesting=1,keyctl=1")
    assert (same["rootfs"], same["mp0"]) == (
        "btr:101/vm-101-disk-0.raw,size=1G",
        "btr:101/vm-101-disk-1.raw,mp=/data,backup=1,size=1G",
    )
    assert other["net0"] != first["net0"]
    assert (other["hostname"], other["memory"]) == ("copy", 512)


def test_a_restore_over_a_guest(lab: Lab, root: Client) -> None:
    root.create(100, hostname="golden")
    root.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="local")
    restore = {"vmid": 100, "ostemplate": archive(lab), "restore": 1, "storage": "local-zfs"}
    assert root.call("POST", "/nodes/pve1/lxc", **restore).reason == "CT 100 already exists on node 'pve1'"
    root.data("POST", "/nodes/pve1/lxc/100/status/start")
    assert root.call("POST", "/nodes/pve1/lxc", **restore, force=1).reason == "can't overwrite running container"
    root.data("POST", "/nodes/pve1/lxc/100/status/stop")
    root.data("PUT", "/nodes/pve1/lxc/100/config", protection=1)
    assert "protection mode enabled" in root.call("POST", "/nodes/pve1/lxc", **restore, force=1).reason
    root.data("PUT", "/nodes/pve1/lxc/100/config", delete="protection", hostname="changed")
    assert root.task("POST", "/nodes/pve1/lxc", **restore, force=1) == "OK"
    assert config(root, 100)["hostname"] == "golden"
    assert [v.volid for v in lab.state.volumes.values() if v.vmid == 100 and v.content == "rootdir"] == [
        str(config(root, 100)["rootfs"]).partition(",")[0]
    ]


def test_a_restore_that_fails_while_unpacking_has_lost_the_old_guest(lab: Lab, root: Client) -> None:
    root.create(100, hostname="golden")
    root.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="local")
    before = config(root, 100)
    restore = {"vmid": 100, "restore": 1, "storage": "local-zfs", "force": 1}
    missing = "local:backup/vzdump-lxc-100-2020_01_01-00_00_00.tar.zst"
    assert "does not exist" in root.task("POST", "/nodes/pve1/lxc", ostemplate=missing, **restore)
    assert config(root, 100) == before
    lab.fault(path=r"/lxc$", task_exit="unpacking failed")
    assert root.task("POST", "/nodes/pve1/lxc", ostemplate=archive(lab), **restore) == "unpacking failed"
    assert root.call("GET", "/nodes/pve1/lxc/100/config").status_code == 500
    assert not [volume for volume in lab.state.volumes.values() if volume.vmid == 100 and volume.content == "rootdir"]


def test_changes_of_a_running_container(root: Client) -> None:
    root.create(100)
    root.data("POST", "/nodes/pve1/lxc/100/status/start")
    root.data("PUT", "/nodes/pve1/lxc/100/config", memory=1024, nameserver="192.0.2.1", features="nesting=1")
    pending = {entry["key"]: entry for entry in root.data("GET", "/nodes/pve1/lxc/100/pending")}
    assert pending["memory"] == {"key": "memory", "value": 1024}
    assert pending["features"] == {"key": "features", "pending": "nesting=1"}
    assert "features" not in root.data("GET", "/nodes/pve1/lxc/100/config", current=1)
    root.data("PUT", "/nodes/pve1/lxc/100/config", revert="nameserver")
    root.data("POST", "/nodes/pve1/lxc/100/status/reboot")
    assert root.data("GET", "/nodes/pve1/lxc/100/config", current=1)["features"] == "nesting=1"
    assert "nameserver" not in config(root, 100)


def test_zfs_goes_back_to_the_newest_snapshot_only(root: Client) -> None:
    root.create(100)
    for name in ("s1", "s2"):
        assert root.task("POST", "/nodes/pve1/lxc/100/snapshot", snapname=name) == "OK"
    assert "is not most recent snapshot" in root.task("POST", "/nodes/pve1/lxc/100/snapshot/s1/rollback")
    assert root.task("DELETE", "/nodes/pve1/lxc/100/snapshot/s2") == "OK"
    assert root.task("POST", "/nodes/pve1/lxc/100/snapshot/s1/rollback") == "OK"


def test_a_rollback_brings_the_old_configuration_back(root: Client) -> None:
    root.create(100, cores=1)
    root.data("POST", "/nodes/pve1/lxc/100/snapshot", snapname="s1", description="before")
    root.data("PUT", "/nodes/pve1/lxc/100/config", cores=4)
    root.data("POST", "/nodes/pve1/lxc/100/snapshot/s1/rollback")
    assert config(root, 100)["cores"] == 1
    snapshots = root.data("GET", "/nodes/pve1/lxc/100/snapshot")
    assert [(entry["name"], entry.get("parent"), entry["description"]) for entry in snapshots] == [
        ("s1", None, "before\n"),
        ("current", "s1", "You are here!"),
    ]


def test_a_rollback_brings_sizes_back_and_keeps_what_is_of_today(lab: Lab, root: Client) -> None:
    here, volume = "/nodes/pve1/lxc/100", "local-zfs:subvol-100-disk-0"
    root.create(100, mp0="local-zfs:1,mp=/old")
    root.data("POST", f"{here}/snapshot", snapname="s1")
    root.data("PUT", f"{here}/resize", disk="rootfs", size="3G")
    root.data("PUT", f"{here}/config", mp1="local-zfs:1,mp=/new", description="today", delete="mp0")
    assert root.task("POST", f"{here}/snapshot/s1/rollback") == "OK"
    now = config(root, 100)
    assert (now["rootfs"], lab.state.volumes["pve1", volume].size) == (f"{volume},size=1G", 1 << 30)
    assert str(now["mp0"]).startswith("local-zfs:subvol-100-disk-1")
    assert (now["unused1"], now["description"]) == ("local-zfs:subvol-100-disk-2", "today\n")
    assert {"mp1", "unused0"}.isdisjoint(now)


def test_a_bind_mount_has_no_snapshots(root: Client) -> None:
    root.create(100)
    assert root.data("GET", "/nodes/pve1/lxc/100/feature", feature="snapshot") == {"hasFeature": 1}
    root.data("PUT", "/nodes/pve1/lxc/100/config", mp0="/srv,mp=/srv")
    assert root.data("GET", "/nodes/pve1/lxc/100/feature", feature="snapshot") == {"hasFeature": 0}
    assert root.task("POST", "/nodes/pve1/lxc/100/snapshot", snapname="s1") == "snapshot feature is not available"


def test_a_machine_is_another_one_after_a_rollback(root: Client) -> None:
    here = "/nodes/pve1/qemu/100"
    root.create_vm(100)
    before = root.config("qemu/100")["vmgenid"]
    root.data("POST", f"{here}/snapshot", snapname="s1")
    root.data("POST", f"{here}/snapshot/s1/rollback")
    assert root.config("qemu/100")["vmgenid"] != before


def test_a_linked_clone_holds_its_template(lab: Lab, root: Client) -> None:
    root.create(100)
    root.data("POST", "/nodes/pve1/lxc/100/template")
    assert config(root, 100)["rootfs"] == "local-zfs:basevol-100-disk-0,size=1G"
    assert root.task("POST", "/nodes/pve1/lxc/100/clone", newid=101) == "OK"
    assert config(root, 101)["rootfs"] == "local-zfs:basevol-100-disk-0/subvol-101-disk-0,size=1G"
    assert "still in use by linked cloned" in root.task("DELETE", "/nodes/pve1/lxc/100")
    assert root.task("DELETE", "/nodes/pve1/lxc/101") == "OK"
    assert root.task("DELETE", "/nodes/pve1/lxc/100") == "OK"
    assert not [volume for volume in lab.state.volumes.values() if volume.vmid]


def test_deleting_with_purge_leaves_no_trace(lab: Lab, root: Client) -> None:
    root.create(100)
    root.data("POST", "/pools", poolid="crew")
    root.data("PUT", "/pools", poolid="crew", vms=100)
    root.data("POST", "/cluster/backup", id="nightly", vmid="100,101", schedule="daily", storage="nas")
    root.data("PUT", "/access/acl", path="/vms/100", roles="PVEVMUser", users="alice@pve")
    root.data("POST", "/cluster/ha/resources", sid="ct:100")
    assert "used in HA resources" in root.call("DELETE", "/nodes/pve1/lxc/100").reason
    assert root.task("DELETE", "/nodes/pve1/lxc/100", purge=1) == "OK"
    assert root.data("GET", "/pools/crew")["members"] == []
    assert root.data("GET", "/cluster/backup/nightly")["vmid"] == "101"
    assert "/vms/100" not in [entry["path"] for entry in root.data("GET", "/access/acl")]
    assert root.data("GET", "/cluster/ha/resources") == []


def test_a_backup_of_a_virtual_machine_comes_back(lab: Lab, root: Client) -> None:
    root.data(
        "POST", "/nodes/pve1/qemu", vmid=200, name="web", scsi0="local:4,format=qcow2", net0="virtio,bridge=vmbr0"
    )
    assert root.task("POST", "/nodes/pve1/vzdump", vmid=200, storage="local", compress="zstd") == "OK"
    source = archive(lab)
    assert source.endswith(".vma.zst")
    assert root.task("POST", "/nodes/pve1/qemu", vmid=201, archive=source, storage="local", unique=1) == "OK"
    first, second = (root.data("GET", f"/nodes/pve1/qemu/{vmid}/config") for vmid in (200, 201))
    assert second["scsi0"] == "local:201/vm-201-disk-0.qcow2,size=4G"
    assert (second["name"], second["net0"] == first["net0"]) == ("web", False)


def test_a_guest_moves_with_its_disks(lab: Lab, root: Client) -> None:
    root.create(100)
    assert root.task("POST", "/nodes/pve1/lxc/100/migrate", target="pve2") == "OK"
    assert root.data("GET", "/nodes/pve2/lxc/100/config")["hostname"] == "CT100"
    assert [volume.node for volume in lab.state.volumes.values() if volume.vmid == 100] == ["pve2"]
    assert root.call("GET", "/nodes/pve1/lxc/100/config").reason == (
        "Configuration file 'nodes/pve1/lxc/100.conf' does not exist"
    )


def test_a_start_after_the_creation_is_a_task_of_its_own(lab: Lab, root: Client) -> None:
    root.create(100, start=1)
    root.create(101, start=1, net0="name=eth0,bridge=vmbr77")
    assert [guest.running for guest in lab.state.guests.values()] == [True, False]
    ends = [(task["type"], task["id"], task["status"]) for task in root.data("GET", "/nodes/pve1/tasks")]
    assert ends == [
        ("vzstart", "101", "startup for container '101' failed"),
        ("vzcreate", "101", "OK"),
        ("vzstart", "100", "OK"),
        ("vzcreate", "100", "OK"),
    ]


def test_the_backup_of_a_template_comes_back_as_one(lab: Lab, root: Client) -> None:
    root.create(100)
    root.data("POST", "/nodes/pve1/lxc/100/template")
    root.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="local")
    assert root.task("POST", "/nodes/pve1/lxc", vmid=101, ostemplate=archive(lab), restore=1, storage="btr") == "OK"
    assert (config(root, 101)["template"], config(root, 101)["rootfs"]) == (1, "btr:101/base-101-disk-0.raw,size=1G")


def test_a_bridge_that_is_not_there_is_found_at_the_start(root: Client) -> None:
    root.create(100, net0="name=eth0,bridge=vmbr77")
    upid = root.data("POST", "/nodes/pve1/lxc/100/status/start")
    assert root.end(upid) == "startup for container '100' failed"
    log = [line["t"] for line in root.data("GET", f"/nodes/pve1/tasks/{upid}/log")]
    assert log[0] == "bridge 'vmbr77' does not exist"
