# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users ask of guests beyond what the peer has, where no scenario of the laws has it yet. Ids: peer_faults.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.guest_scenarios import KEY
from tests.contract.guest_scenarios import template as machine_template
from tests.contract.harness import Site
from tests.contract.peers import CT, RUNNING_VM, VM, config, converged, ops, parts, sent
from tests.contract.scenarios import container

SECRET = "a-password-that-nobody-sees"


def ident(value: Any) -> str:
    return value if isinstance(value, str) else ""


#: devices of a machine: option, the key, what the server then holds ("" = a new volume)
DEVICES = [
    (
        {"pci": [{"slot": "hostpci0", "host": ["0000:01:00"], "pcie": True}], "machine": "q35"},
        "hostpci0",
        "0000:01:00,pcie=1",
    ),
    ({"usb": [{"slot": "usb0", "host": "spice", "usb3": True}]}, "usb0", "spice,usb3=1"),
    ({"serial": [{"slot": "serial0", "device": "socket"}]}, "serial0", "socket"),
    ({"rng": {"source": "/dev/urandom", "max_bytes": 2048}}, "rng0", "/dev/urandom,max_bytes=2048"),
    ({"vga": {"type": "serial0"}}, "vga", "serial0"),
    ({"audio": {"device": "ich9-intel-hda", "driver": "none"}}, "audio0", "device=ich9-intel-hda,driver=none"),
    ({"watchdog": {"model": "i6300esb", "action": "reset"}}, "watchdog", "i6300esb,action=reset"),
    ({"tpmstate": {"storage": "local-zfs", "version": "v2.0"}}, "tpmstate0", ""),
    ({"efidisk": {"storage": "local-zfs", "efitype": "4m", "pre_enrolled_keys": True}}, "efidisk0", ""),
    ({"cpu": {"cputype": "host", "flags": ["+aes"]}}, "cpu", "host,flags=+aes"),
    ({"startup": {"order": 2, "up": 30}}, "startup", "2,up=30"),
]


@pytest.mark.parametrize(("options", "key", "value"), DEVICES, ids=ident)
def test_devices_are_structured_merged_and_removed(site: Site, options: dict[str, Any], key: str, value: str) -> None:
    """5.3"""
    converged(site, "vm", {**VM, **options}, identity="root")
    found = parts(config(site, VM)[key])
    assert parts(value).items() <= found.items() if value else found["volume"].startswith("local-zfs:vm-320-disk-")
    converged(site, "vm", {**VM, "delete": [key]}, identity="root")
    assert key not in config(site, VM)


def test_a_shared_directory_is_structured_and_merged(site: Site) -> None:
    """5.3"""
    site.lab.state.guests[320].config["virtiofs0"] = "dirid=share,cache=always"
    converged(site, "vm", {**VM, "virtiofs": [{"slot": "virtiofs0", "direct_io": True}]}, identity="root")
    assert parts(config(site, VM)["virtiofs0"]) == {"volume": "share", "cache": "always", "direct-io": "1"}


@pytest.mark.parametrize(
    ("path", "data", "secrets"),
    [
        ("agent/ping", {}, {}),
        ("agent/exec", {"command": ["uptime"]}, {}),
        ("agent/fsfreeze-freeze", {}, {}),
        ("agent/set-user-password", {"username": "root"}, {"password": SECRET}),
    ],
)
def test_the_agent_is_commanded_by_its_path(
    site: Site, path: str, data: dict[str, Any], secrets: dict[str, str]
) -> None:
    """5.7"""
    guest = site.lab.state.guests[321]
    guest.agent_seconds = 0
    task = {"path": f"/nodes/pve1/qemu/321/{path}", "method": "post", "data": data, "secrets": secrets}
    preview = site.run(check=True).done("api", task)
    assert preview["changed"]
    assert site.writes == []
    run = site.run()
    result = run.done("api", task)
    assert result["changed"]
    assert SECRET not in f"{preview} {result} {run.entries} {site.lab.requests}"


def test_features_devices_and_mounts_of_a_container_are_set_together_by_root(site: Site) -> None:
    """5.9"""
    task = {
        **CT,
        "features": {"nesting": True, "fuse": True},
        "devices": [{"slot": "dev0", "path": "/dev/kvm", "gid": 104}, {"slot": "dev1", "path": "/dev/fuse"}],
        "mounts": [
            {"slot": "mp0", "storage": "local-zfs", "size": "1G", "mp": "/data"},
            {"slot": "mp1", "volume": "/srv/host", "mp": "/host", "ro": True},
        ],
    }
    converged(site, "lxc", task, identity="root")
    found = config(site, CT)
    assert parts(found["features"]) == {"nesting": "1", "fuse": "1"}
    assert parts(found["dev0"]) == {"volume": "/dev/kvm", "gid": "104"}
    assert parts(found["mp1"]) == {"volume": "/srv/host", "mp": "/host", "ro": "1"}
    converged(site, "lxc", {**CT, "delete": ["dev0", "mp1"]}, identity="root")
    assert {"dev1", "mp0"} <= config(site, CT).keys()
    assert not {"dev0", "mp1"} & config(site, CT).keys()


def test_a_mount_point_moves_to_another_storage(site: Site) -> None:
    """5.12"""
    site.run().done("lxc", {**CT, "mounts": [{"slot": "mp0", "mp": "/srv", "storage": "local-zfs", "size": "1G"}]})
    assert ops(converged(site, "lxc", {**CT, "mounts": [{"slot": "mp0", "storage": "ceph"}]})) == ["move"]
    assert parts(config(site, CT)["mp0"])["volume"].startswith("ceph:")


@pytest.mark.parametrize(("module", "guest"), [("vm", VM), ("lxc", CT)])
def test_a_clone_goes_to_another_storage(site: Site, module: str, guest: dict[str, Any]) -> None:
    """5.13"""
    origin = {"vmid": guest["vmid"], "storage": "ceph"}
    converged(site, module, {"vmid": 610, "name": "copy", "node": "pve1", "source": {"clone": origin}})
    volumes = [volume for volume in site.lab.state.volumes.values() if volume.vmid == 610]
    assert {volume.storage for volume in volumes} == {"ceph"}


@pytest.mark.parametrize(("module", "guest"), [("vm", VM), ("lxc", CT)])
def test_a_clone_of_shared_volumes_goes_to_another_node(site: Site, module: str, guest: dict[str, Any]) -> None:
    """5.13"""
    copy = {"vmid": 610, "name": "copy", "node": "pve2", "source": {"clone": {"vmid": guest["vmid"]}}}
    refused = site.run(check=True).task(module, copy)
    assert refused["failed"]
    assert "local-zfs" in refused["msg"]
    slots = [{"slot": slot, "storage": "ceph"} for slot in ("scsi0", "scsi1")]
    moved = {"disks": slots} if module == "vm" else {"rootfs": {"storage": "ceph"}}
    site.run().done(module, {**guest, **moved})
    converged(site, module, copy)
    assert site.lab.state.guests[610].node == "pve2"


@pytest.mark.parametrize(("module", "guest"), [("vm", VM), ("lxc", CT)])
def test_a_clone_of_a_snapshot_is_as_the_snapshot_was(site: Site, module: str, guest: dict[str, Any]) -> None:
    """5.13"""
    site.run().done("snapshot", {"vmid": guest["vmid"], "snapshot": "early"})
    site.run().done(module, {**guest, "memory": 4096})
    task = {"name": "copy", "node": "pve1", "source": {"clone": {"vmid": guest["vmid"], "snapshot": "early"}}}
    copy = converged(site, module, task)["vmid"]
    assert config(site, {"vmid": copy})["memory"] in (512, 1024, "512", "1024")


def test_linked_clones_of_both_kinds_share_the_volumes_of_their_template(site: Site) -> None:
    """5.13 5.15"""
    site.reset({"guests": {349: machine_template(349), 213: container(213)}})
    converged(site, "lxc", {**CT, "state": "template"})
    for module, origin in (("vm", 349), ("lxc", 213)):
        source = {"clone": {"vmid": origin, "full": False}}
        copy = converged(site, module, {"name": f"linked{origin}", "node": "pve1", "source": source})["vmid"]
        assert any(volume.parent for volume in site.lab.state.volumes.values() if volume.vmid == copy)


def test_a_storage_map_says_where_each_disk_of_a_migration_goes(site: Site) -> None:
    """5.17"""
    task = {"vmid": 320, "node": "pve2", "migrate": {"storage": {"local-zfs": "btr"}}}
    assert ops(converged(site, "vm", task)) == ["migrate"]
    assert {volume.storage for volume in site.lab.state.volumes.values() if volume.vmid == 320} == {"btr"}


def test_every_part_of_cloud_init_is_compared(site: Site) -> None:
    """5.18"""
    cloud_init = {
        "storage": "local-zfs",
        "user": "admin",
        "password": SECRET,
        "ssh_keys": [KEY],
        "ip": [
            {"slot": "ipconfig0", "ip": "192.0.2.9/24", "gw": "192.0.2.1"},
            {"slot": "ipconfig1", "ip6": "auto"},
        ],
        "nameserver": ["192.0.2.2", "192.0.2.3"],
        "searchdomain": ["example.org"],
        "type": "nocloud",
        "upgrade": False,
    }
    run = site.run(check=True)
    preview = run.done("vm", {**VM, "cloud_init": cloud_init})
    assert SECRET not in f"{preview} {run.entries}"
    result = converged(site, "vm", {**VM, "cloud_init": cloud_init})
    assert SECRET not in f"{result} {site.lab.requests}"
    found = config(site, VM)
    assert (found["ciuser"], found["nameserver"], found["ciupgrade"]) == ("admin", "192.0.2.2 192.0.2.3", 0)
    other = {"ip": [{"slot": "ipconfig0", "gw": "192.0.2.254"}]}
    converged(site, "vm", {**VM, "cloud_init": other})
    assert parts(config(site, VM)["ipconfig0"]) == {"ip": "192.0.2.9/24", "gw": "192.0.2.254"}
    assert config(site, VM)["ipconfig1"] == "ip6=auto"


def test_the_password_of_cloud_init_is_set_again_only_when_told(site: Site) -> None:
    """5.18"""
    site.run().done("vm", {**VM, "cloud_init": {"storage": "local-zfs", "password": SECRET}})
    assert not site.run().done("vm", {**VM, "cloud_init": {"password": "another"}})["changed"]
    again = {**VM, "cloud_init": {"password": "another", "update_password": "always"}}
    for _turn in range(2):
        assert site.run().done("vm", again)["changed"]


def test_own_files_of_cloud_init_are_volume_ids(site: Site) -> None:
    """5.19"""
    custom = {"storage": "local-zfs", "custom": {"user": "local:snippets/user.yml"}}
    converged(site, "vm", {**VM, "cloud_init": custom})
    converged(site, "vm", {**VM, "cloud_init": {"custom": {"vendor": "local:snippets/vendor.yml"}}})
    assert parts(config(site, VM)["cicustom"]) == {
        "user": "local:snippets/user.yml",
        "vendor": "local:snippets/vendor.yml",
    }


def test_the_cloud_init_drive_is_written_anew_and_read(site: Site) -> None:
    """5.20"""
    site.run().done("vm", {**RUNNING_VM, "cloud_init": {"storage": "local-zfs", "user": "admin"}})
    path = "/nodes/pve1/qemu/321/cloudinit"
    site.run().done("api", {"path": path, "method": "put"})
    dump = site.run().done("api", {"path": f"{path}/dump", "data": {"type": "user"}})
    assert "admin" in str(dump)
    assert not dump["changed"]


def test_a_disk_is_imported_beside_those_that_are_there(site: Site) -> None:
    """5.21"""
    image = "local:import/debian-12-generic-amd64.qcow2"
    disk = {"slot": "scsi4", "storage": "local-zfs", "import_from": image, "size": "5G"}
    assert ops(converged(site, "vm", {**VM, "disks": [disk]})) == ["update", "resize"]
    assert parts(config(site, VM)["scsi4"])["size"] == "5G"


def test_the_disc_of_a_drive_is_changed_and_taken_out(site: Site) -> None:
    """5.21"""
    disc = {"slot": "ide0", "volume": "local:iso/debian-12.8.0-amd64-netinst.iso", "media": "cdrom"}
    untold = site.run().task("vm", {**VM, "disks": [{"slot": "ide0", "volume": disc["volume"]}]})
    assert "is a disc. Nothing was sent. Set ide0.media to cdrom" in untold["msg"]
    converged(site, "vm", {**VM, "disks": [disc]})
    assert parts(config(site, VM)["ide0"])["volume"] == disc["volume"]
    converged(site, "vm", {**VM, "disks": [{"slot": "ide0", "volume": "none"}]})
    assert parts(config(site, VM)["ide0"])["volume"] == "none"


def test_a_detached_volume_is_attached_elsewhere(site: Site) -> None:
    """5.21"""
    site.run().done("vm", {**VM, "disks": [{"slot": "scsi1", "state": "detached"}]})
    volume = config(site, VM)["unused0"]
    converged(site, "vm", {**VM, "disks": [{"slot": "virtio1", "volume": volume}]})
    assert parts(config(site, VM)["virtio1"])["volume"] == volume
    assert "unused0" not in config(site, VM)


@pytest.mark.parametrize("guest", [VM, RUNNING_VM], ids=["stopped", "running"])
@pytest.mark.parametrize(
    "gone", [{"delete": ["net0"]}, {"disks": [{"slot": "scsi0", "state": "detached"}]}, {"delete": ["net0", "scsi0"]}]
)
def test_what_goes_leaves_the_boot_order_as_previewed(site: Site, guest: dict[str, Any], gone: dict[str, Any]) -> None:
    """5.21"""
    preview = site.run(check=True).done("vm", {**guest, **gone})
    result = site.run().done("vm", {**guest, **gone})
    assert preview["config"]["boot"] == result["config"]["boot"] != config(site, {"vmid": 322})["boot"]
    assert preview["pending"] == result["pending"]
    assert preview["plan"]["after"]["boot"] == result["config"]["boot"]


@pytest.mark.parametrize("slot", ["ide2", "scsi7"])
def test_a_machine_keeps_its_cloud_init_drive_wherever_it_is_plugged_in(site: Site, slot: str) -> None:
    """5.18"""
    converged(site, "vm", {**VM, "cloud_init": {"slot": slot, "storage": "local-zfs", "user": "one"}})
    task = {**VM, "cloud_init": {"storage": "ceph", "user": "two"}}
    for guest in (task, {**task, "vmid": 611, "source": {"clone": {"vmid": 320}}}):
        result = converged(site, "vm", guest)
        assert not [data for data in sent(result) if {"ide2", "scsi7"} & data.keys()]
        found = config(site, guest)
        assert [key for key, text in found.items() if "cloudinit" in str(text)] == [slot]


def test_a_machine_without_the_drive_is_told_that_nothing_reads_it(site: Site) -> None:
    """5.18"""
    result = site.run(check=True).done("vm", {**VM, "cloud_init": {"user": "one"}})
    assert "qemu/320 has no cloud-init drive" in " ".join(result["warnings"])
    with_drive = {**VM, "cloud_init": {"user": "one", "storage": "local-zfs"}}
    assert not site.run(check=True).done("vm", with_drive).get("warnings")
