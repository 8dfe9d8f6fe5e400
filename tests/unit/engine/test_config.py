# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wanted configuration of a guest against the one that is there: what is put, removed, grown, moved, destroyed."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest.change import Change
from ansible_collections.steward.proxmox.plugins.module_utils._guest.config import (
    check,
    difference,
    root_only,
    waiting,
    whole,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lxc_options import LXC
from ansible_collections.steward.proxmox.plugins.module_utils._guest.vm_options import VM

HAVE: dict[str, Any] = {
    "arch": "amd64",
    "cores": 2,
    "description": "notes\n",
    "digest": "abc",
    "features": "nesting=1,keyctl=1",
    "hostname": "web",
    "memory": 1024,
    "mp0": "local-zfs:subvol-100-disk-1,mp=/data,backup=1,size=8G",
    "mp1": "/mnt/shared,mp=/shared,ro=1",
    "nameserver": "1.1.1.1 8.8.8.8",
    "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,tag=5,type=veth",
    "onboot": 1,
    "ostype": "debian",
    "rootfs": "local-zfs:subvol-100-disk-0,size=4G",
    "startup": "order=2,up=30",
    "swap": 512,
    "tags": "a;b",
    "unprivileged": 1,
}

NOTHING: list[dict[str, Any]] = [
    {},
    {"name": "web", "memory": 1024, "cores": 2, "onboot": True, "tags": ["B", "a"], "description": "notes"},
    {"nameserver": ["1.1.1.1", "8.8.8.8"]},
    {"nameserver": ["1.1.1.1 8.8.8.8"]},
    {"tags": ["a;b"]},
    {"features": {"keyctl": True, "nesting": True}},
    {"features": {"fuse": False}},
    {"features": {"fuse": None, "mount": []}},
    {"startup": {"order": 2}},
    {"net": [{"slot": "net0", "bridge": "vmbr0", "hwaddr": "bc:24:11:00:00:01", "firewall": False}]},
    {"net": [{"slot": "net0", "gw": ""}]},
    {"mounts": [{"slot": "mp0", "mp": "/data", "ro": False, "size": "8G", "storage": "local-zfs"}]},
    {"mounts": [{"slot": "mp0", "mountoptions": []}]},
    {"mounts": [{"slot": "mp1", "volume": "/mnt/shared", "ro": True}]},
    {"rootfs": {"size": "4G", "storage": "local-zfs"}},
    {"rootfs": {"size": "4096M"}},
    # what a missing key means
    {"protection": False, "cmode": "tty", "console": True, "tty": 2, "debug": False, "cpulimit": 0.0},
    {"searchdomain": ""},
    {"unprivileged": True},
    {"delete": ["net5", "searchdomain"]},
]


@pytest.mark.parametrize("options", NOTHING, ids=str)
def test_what_is_there_already_changes_nothing(options: dict[str, Any]) -> None:
    change = difference(LXC, options, HAVE)
    assert (change.put, change.delete, change.grow) == ({}, [], {})
    assert not change


def parts(data: dict[str, Any]) -> dict[str, Any]:
    """Property strings without their order, which means nothing."""
    return {key: sorted(str(text).split(",")) for key, text in data.items()}


PUT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"name": "db"}, {"hostname": "db"}),
    ({"memory": 2048, "swap": 512}, {"memory": 2048}),
    ({"onboot": False}, {"onboot": 0}),
    ({"cpulimit": 0.5}, {"cpulimit": "0.5"}),
    ({"tags": ["C", "a"]}, {"tags": "a;c"}),
    ({"description": "line1\nline2"}, {"description": "line1\nline2"}),
    ({"nameserver": ["8.8.8.8", "1.1.1.1"]}, {"nameserver": "8.8.8.8 1.1.1.1"}),
    # one flag changes, the others stay
    ({"features": {"fuse": True}}, {"features": "fuse=1,keyctl=1,nesting=1"}),
    ({"features": {"nesting": False}}, {"features": "keyctl=1,nesting=0"}),
    ({"features": {"mount": ["nfs", "cifs"]}}, {"features": "keyctl=1,mount=cifs;nfs,nesting=1"}),
    ({"startup": {"down": 60}}, {"startup": "2,down=60,up=30"}),
    # the MAC stays, and so does everything else that is not mentioned
    (
        {"net": [{"slot": "net0", "bridge": "vmbr1"}]},
        {"net0": "bridge=vmbr1,hwaddr=BC:24:11:00:00:01,ip=dhcp,name=eth0,tag=5,type=veth"},
    ),
    (
        {"net": [{"slot": "net0", "ip": ""}]},
        {"net0": "bridge=vmbr0,hwaddr=BC:24:11:00:00:01,name=eth0,tag=5,type=veth"},
    ),
    # another slot leaves the first alone
    ({"net": [{"slot": "net1", "bridge": "vmbr1"}]}, {"net1": "bridge=vmbr1,name=eth1"}),
    # the volume and its size stay
    (
        {"mounts": [{"slot": "mp0", "ro": True}]},
        {"mp0": "local-zfs:subvol-100-disk-1,backup=1,mp=/data,ro=1,size=8G"},
    ),
    ({"mounts": [{"slot": "mp2", "mp": "/new", "volume": "nas:x/y"}]}, {"mp2": "nas:x/y,mp=/new"}),
    ({"rootfs": {"acl": True}}, {"rootfs": "local-zfs:subvol-100-disk-0,acl=1,size=4G"}),
]


@pytest.mark.parametrize(("options", "put"), PUT, ids=lambda value: str(value)[:60])
def test_only_what_differs_is_put(options: dict[str, Any], put: dict[str, Any]) -> None:
    change = difference(LXC, options, HAVE)
    assert (parts(change.put), change.delete, change.grow) == (parts(put), [], {})
    assert not difference(LXC, options, {**HAVE, **put})


def test_a_new_volume_is_put_as_an_allocation() -> None:
    change = difference(LXC, {"mounts": [{"slot": "mp2", "mp": "/new", "storage": "nas", "size": "2G"}]}, HAVE)
    assert (change.put, change.delete, change.grow) == ({"mp2": "nas:2,mp=/new"}, [], {})


REMOVED: list[tuple[dict[str, Any], list[str]]] = [
    ({"tags": []}, ["tags"]),
    ({"description": ""}, ["description"]),
    ({"nameserver": []}, ["nameserver"]),
    ({"delete": ["mp0", "net0", "net7"]}, ["mp0", "net0"]),
    ({"delete": ["tags"], "tags": []}, ["tags"]),
]


@pytest.mark.parametrize(("options", "keys"), REMOVED, ids=str)
def test_removing_is_explicit(options: dict[str, Any], keys: list[str]) -> None:
    change = difference(LXC, options, HAVE)
    assert (change.put, change.delete, change.grow) == ({}, keys, {})
    assert not difference(LXC, options, {key: value for key, value in HAVE.items() if key not in keys})


def test_the_last_feature_is_removed_with_its_key() -> None:
    change = difference(LXC, {"features": {"mount": []}}, {**HAVE, "features": "mount=nfs"})
    assert (change.put, change.delete) == ({}, ["features"])


@pytest.mark.parametrize(
    ("options", "grow"),
    [
        ({"rootfs": {"size": "8G"}}, {"rootfs": "8G"}),
        ({"rootfs": {"size": "8"}}, {"rootfs": "8G"}),
        ({"mounts": [{"slot": "mp0", "size": "9000M"}]}, {"mp0": "9000M"}),
    ],
)
def test_a_larger_size_grows_the_volume_and_puts_nothing(options: dict[str, Any], grow: dict[str, str]) -> None:
    change = difference(LXC, options, HAVE)
    assert (change.put, change.delete, change.grow) == ({}, [], grow)


def test_growing_and_changing_at_once() -> None:
    change = difference(LXC, {"mounts": [{"slot": "mp0", "size": "16G", "ro": True}]}, HAVE)
    assert change.grow == {"mp0": "16G"}
    assert parts(change.put) == parts({"mp0": "local-zfs:subvol-100-disk-1,backup=1,mp=/data,ro=1,size=8G"})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rootfs": {"size": "2G"}}, "rootfs.size: it is 4G and the task wants 2G: a volume cannot shrink"),
    ({"unprivileged": False}, "unprivileged: it is True and can only be set at creation"),
    ({"delete": ["rootfs"]}, "delete: a guest cannot be without 'rootfs'"),
    ({"delete": ["tags"], "tags": ["x"]}, "delete: 'tags' is also set by this task"),
    ({"mounts": [{"slot": "mp5", "storage": "nas", "size": "1G"}]}, "mp5.mp is needed for a new mount point"),
    ({"mounts": [{"slot": "mp5", "mp": "/x"}]}, "mp5: a new volume needs either storage"),
    ({"mounts": [{"slot": "mp5", "mp": "/x", "storage": "nas", "volume": "nas:x"}]}, "either storage"),
    ({"mounts": [{"slot": "mp5", "mp": "/x", "storage": "nas"}]}, "mp5.size is needed for a new volume"),
]


@pytest.mark.parametrize(("options", "text"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises((BadInput, Refused), match=text):
        difference(LXC, options, HAVE)


def test_a_container_without_the_key_is_privileged() -> None:
    with pytest.raises(BadInput, match="unprivileged: it is False"):
        difference(LXC, {"unprivileged": True}, {"hostname": "old"})
    assert not difference(LXC, {"unprivileged": False}, {"hostname": "old"})


WHOLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    (
        {"name": "web", "memory": 512, "onboot": False, "tags": ["B", "a"], "description": ""},
        {"hostname": "web", "memory": 512, "onboot": 0, "tags": "a;b"},
    ),
    ({"features": {"nesting": True, "keyctl": None}}, {"features": "nesting=1"}),
    ({"features": {}}, {}),
    (
        {"net": [{"slot": "net0", "bridge": "vmbr0", "gw": ""}, {"slot": "net1", "name": "lan", "bridge": "vmbr1"}]},
        {"net0": "bridge=vmbr0,name=eth0", "net1": "bridge=vmbr1,name=lan"},
    ),
    ({"rootfs": {"storage": "local-zfs"}}, {"rootfs": "local-zfs:4"}),
    ({"rootfs": {"storage": "local-zfs", "size": "512M"}}, {"rootfs": "local-zfs:0.5"}),
    ({"rootfs": {"storage": "local-zfs", "size": "8", "acl": True}}, {"rootfs": "local-zfs:8,acl=1"}),
    (
        {"mounts": [{"slot": "mp0", "mp": "/a", "volume": "/mnt/a", "mountoptions": ["noatime,ro=0"]}]},
        {"mp0": "/mnt/a,mountoptions=noatime;ro=0,mp=/a"},
    ),
]


@pytest.mark.parametrize(("options", "data"), WHOLE, ids=lambda value: str(value)[:60])
def test_a_new_container_gets_all_that_is_mentioned(options: dict[str, Any], data: dict[str, Any]) -> None:
    assert whole(LXC, options) == data


ROOT_ONLY: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"features": "nesting=1,keyctl=1"}, {"unprivileged": 1}, "changing feature flags (except nesting)"),
    ({"features": "mount=nfs"}, {"unprivileged": 1}, "changing feature flags (except nesting)"),
    ({"features": "nesting=1"}, {"unprivileged": 1}, ""),
    ({"features": "nesting=1,fuse=0"}, {"unprivileged": 1}, ""),
    # keyctl stays, in any order
    ({"features": "nesting=0,keyctl=1"}, {"unprivileged": 1, "features": "keyctl=1,nesting=1"}, ""),
    ({"features": "keyctl=1,nesting=1"}, {"unprivileged": 1, "features": "nesting=1,keyctl=1"}, ""),
    ({"features": "mount=cifs;nfs"}, {"unprivileged": 1, "features": "mount=nfs;cifs"}, ""),
    # keyctl goes
    ({"features": None}, {"unprivileged": 1, "features": "keyctl=1"}, "changing feature flags (except nesting)"),
    ({"features": None}, {"unprivileged": 1, "features": "nesting=1"}, ""),
    # a privileged container says so, or says nothing
    ({"features": "nesting=1"}, {"unprivileged": 0}, "changing feature flags of a privileged container"),
    ({"features": "nesting=1"}, {}, "changing feature flags of a privileged container"),
    ({"features": "nesting=1", "unprivileged": 0}, {"unprivileged": 1}, "changing feature flags of a privileged"),
    ({"mp0": "/mnt/host,mp=/x"}, {"unprivileged": 1}, "setting mp0 to '/mnt/host,mp=/x'"),
    ({"mp0": "nas:1,mp=/x"}, {"unprivileged": 1}, ""),
    ({"mp0": None}, {"unprivileged": 1}, ""),
    ({"hookscript": "local:snippets/h.pl"}, {"unprivileged": 1}, "setting hookscript to "),
    ({"memory": 512}, {}, ""),
]


@pytest.mark.parametrize(("change", "have", "what"), ROOT_ONLY, ids=str)
def test_what_only_root_may_change(change: dict[str, Any], have: dict[str, Any], what: str) -> None:
    found = root_only(LXC, change, have)
    assert found.startswith(what)
    assert bool(found) is bool(what)


CHECKED: list[tuple[dict[str, Any], str]] = [
    ({"name": "bad_name"}, "name: 'bad_name' is not valid"),
    ({"description": "a\x00"}, "description: .* has control characters"),
    ({"searchdomain": "a\nb"}, "searchdomain: .* has control characters"),
    ({"net": [{"slot": "eth0"}]}, "net.slot: 'eth0' is not valid: net0 to net31"),
    ({"net": [{"slot": "net0", "hwaddr": "01:00:00:00:00:00"}]}, "net0.hwaddr: .* unicast MAC"),
    ({"net": [{"slot": "net0", "bridge": "vmbr0,tag=9"}]}, "net0.bridge: .* must not hold a comma"),
    ({"net": [{"slot": "net0", "ip": "a=b"}]}, "net0.ip: .* must not hold a comma or an equals sign"),
    ({"net": [{"slot": "net0", "name": "e\n"}]}, "net0.name: .* has control characters"),
    ({"mounts": [{"slot": "mp256"}]}, "mounts.slot: 'mp256' is not valid"),
    ({"mounts": [{"slot": "mp0", "mp": "/a,b"}]}, "mp0.mp: .* must not hold a comma"),
    ({"mounts": [{"slot": "mp0", "size": "much"}]}, "mp0.size: 'much' is not a size"),
    ({"rootfs": {"storage": "1x"}}, "rootfs.storage: '1x' is not valid"),
    ({"mounts": [{"slot": "mp5", "mp": "/x", "volume": "no volume"}]}, "mp5.volume: 'no volume' is not valid"),
    ({"rootfs": {"size": "big"}}, "rootfs.size: 'big' is not a size"),
]


@pytest.mark.parametrize(("options", "text"), CHECKED, ids=lambda value: str(value)[:60])
def test_a_bad_value_is_refused_by_its_option(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        check(LXC, options)


def test_good_values_pass() -> None:
    check(LXC, {"name": "web.example", "description": "a\nb", "net": [{"slot": "net0", "ip6": "fd00::1/64"}]})
    check(LXC, {"mounts": [{"slot": "mp0", "mp": "/a", "volume": "/mnt/a=b", "size": None}], "rootfs": {"size": "4G"}})


def test_a_change_as_keys_of_the_configuration() -> None:
    assert Change({"a": 1}, ["b"], {"rootfs": "8G"}).merged() == {"a": 1, "b": None}


KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
MACHINE: dict[str, Any] = {
    "agent": "1,fstrim_cloned_disks=1",
    "bios": "ovmf",
    "boot": "order=scsi0;net0",
    "cipassword": "**********",
    "cores": 2,
    "description": "one",
    "digest": "abc",
    "efidisk0": "nvme:vm-100-disk-9,efitype=4m,pre-enrolled-keys=1,size=4M",
    "ide2": "nvme:vm-100-cloudinit,media=cdrom",
    "ide3": "local:iso/debian.iso,media=cdrom,size=4K",
    "ipconfig0": "ip=10.0.0.5/24,gw=10.0.0.1",
    "memory": "2048",
    "name": "web",
    "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=5",
    "onboot": 1,
    "scsi0": "nvme:vm-100-disk-0,discard=on,iothread=1,size=32G",
    "scsi1": "nvme:vm-100-disk-1,mbps_rd=100,size=8G",
    "smbios1": "uuid=33360ba9-d34a-4dca-9457-46298e5c303a",
    "sshkeys": f"ssh-rsa%20{KEY}%20me%0Assh-ed25519%20{KEY}%20you",
    "tags": "a;b",
    "unused0": "nvme:vm-100-disk-7",
}

UNCHANGED: list[dict[str, Any]] = [
    {},
    {"memory": 2048, "cores": 2, "sockets": 1, "bios": "ovmf", "onboot": True, "tags": ["B", "a"]},
    {"tags": ["a"], "tags_mode": "additive"},
    {"agent": {"enabled": True}},
    {"boot": ["scsi0", "net0"]},
    {"net": [{"slot": "net0", "macaddr": "bc:24:11:00:00:01", "model": "virtio", "link_down": False}]},
    # sizes and limits are numbers, however they are written
    {"disks": [{"slot": "scsi0", "size": "32768M", "storage": "nvme", "iothread": True}]},
    {"disks": [{"slot": "scsi1", "mbps_rd": 100.0, "backup": True}]},
    # what made the disk once is not done again
    {"disks": [{"slot": "scsi0", "import_from": "local:import/cloud.qcow2", "size": "32G"}]},
    {"disks": [{"slot": "ide3", "volume": "local:iso/debian.iso", "media": "cdrom"}]},
    {"disks": [{"slot": "scsi7", "state": "absent"}, {"slot": "scsi6", "state": "detached"}]},
    {"efidisk": {"storage": "nvme", "efitype": "4m", "pre_enrolled_keys": True}},
    {"cloud_init": {"storage": "nvme", "password": "secret-word"}},
    {"cloud_init": {"ssh_keys": [f"ssh-ed25519 {KEY} you", f"ssh-rsa {KEY} me"]}},
    {"cloud_init": {"ip": [{"slot": "ipconfig0", "gw": "10.0.0.1"}]}},
    {"config": {"acpi": True, "smbios1": {"uuid": "33360BA9-D34A-4DCA-9457-46298E5C303A"}}},
]


@pytest.mark.parametrize("options", UNCHANGED, ids=str)
def test_what_a_machine_is_already_changes_nothing(options: dict[str, Any]) -> None:
    assert difference(VM, options, MACHINE) == Change()


CHANGED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"memory": 4096}, {"memory": "4096"}),
    # the MAC stays, and what is not mentioned
    (
        {"net": [{"slot": "net0", "tag": 7}]},
        {"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=7"},
    ),
    (
        {"net": [{"slot": "net0", "model": "e1000"}]},
        {"net0": "e1000=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=5"},
    ),
    ({"delete": ["net0.tag"]}, {"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1"}),
    ({"net": [{"slot": "net1", "bridge": "vmbr1"}]}, {"net1": "virtio,bridge=vmbr1"}),
    # the volume stays, never an allocation
    (
        {"disks": [{"slot": "scsi0", "cache": "none", "storage": "nvme", "size": "32G"}]},
        {"scsi0": "nvme:vm-100-disk-0,discard=on,iothread=1,size=32G,cache=none"},
    ),
    ({"disks": [{"slot": "scsi2", "storage": "nvme", "size": "512M"}]}, {"scsi2": "nvme:0.5"}),
    ({"disks": [{"slot": "scsi2", "volume": "nvme:vm-100-disk-7"}]}, {"scsi2": "nvme:vm-100-disk-7"}),
    ({"disks": [{"slot": "ide3", "volume": "none"}]}, {"ide3": "none,media=cdrom"}),
    ({"tags": ["c"], "tags_mode": "additive"}, {"tags": "a;b;c"}),
    ({"tags": ["c"]}, {"tags": "c"}),
    ({"cloud_init": {"password": "secret-word", "update_password": "always"}}, {"cipassword": "secret-word"}),
    ({"cloud_init": {"ip": [{"slot": "ipconfig0", "ip": "dhcp", "gw": ""}]}}, {"ipconfig0": "ip=dhcp"}),
    ({"config": {"ivshmem": "size=1,name=shared"}}, {"ivshmem": "size=1,name=shared"}),
    # what travels encoded may hold what separates keys
    (
        {"config": {"smbios1": {"manufacturer": "a,b=c"}}},
        {"smbios1": f"base64=1,manufacturer=YSxiPWM=,{MACHINE['smbios1']}"},
    ),
    (
        {"disks": [{"slot": "scsi1", "serial": "a=b"}]},
        {"scsi1": "nvme:vm-100-disk-1,mbps_rd=100,serial=a%3Db,size=8G"},
    ),
]


@pytest.mark.parametrize(("options", "put"), CHANGED, ids=lambda value: str(value)[:70])
def test_of_a_machine_only_what_differs_is_put(options: dict[str, Any], put: dict[str, Any]) -> None:
    change = difference(VM, options, MACHINE)
    assert parts(change.put) == parts(put)
    assert change == Change(put=change.put)


def test_volumes_have_calls_of_their_own() -> None:
    disks = [
        {"slot": "scsi0", "size": "40G", "storage": "tank", "format": "raw"},
        {"slot": "scsi1", "state": "detached"},
        {"slot": "efidisk0", "state": "absent"},
    ]
    options = {"disks": disks[:2], "efidisk": {"state": "absent"}, "delete": ["unused0"]}
    assert difference(VM, options, MACHINE) == Change(
        delete=["scsi1"],
        grow={"scsi0": "40G"},
        move={"scsi0": {"storage": "tank", "format": "raw"}},
        destroy=["efidisk0", "unused0"],
    )


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"disks": [{"slot": "scsi0", "size": "8G"}]}, "scsi0.size: it is 32G and the task wants 8G: .* cannot shrink"),
    ({"disks": [{"slot": "scsi0", "volume": "nvme:vm-100-disk-7"}]}, "scsi0 holds nvme:vm-100-disk-0"),
    ({"disks": [{"slot": "ide2", "volume": "local:iso/debian.iso"}]}, "ide2 is the cloud-init drive"),
    ({"disks": [{"slot": "scsi2"}]}, "scsi2: a new volume needs either storage"),
    ({"disks": [{"slot": "scsi2", "storage": "nvme"}]}, "scsi2.size is needed"),
    ({"config": {"cores": 2}}, "config: 'cores' has an option of its own: cores"),
    ({"config": {"watchdogs": "x"}}, "config: 'watchdogs' is not an option.* Did you mean watchdog"),
    ({"config": {"vmgenid": None}}, "config: 'vmgenid' has no value"),
    ({"config": {"meta": "x"}}, "config: 'meta' is the server's own"),
    ({"delete": ["net0.nothing"]}, "'net0' has no part 'nothing'"),
]


@pytest.mark.parametrize(("options", "text"), IMPOSSIBLE, ids=lambda value: str(value)[:60])
def test_what_a_machine_cannot_be_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises((BadInput, Refused), match=text):
        difference(VM, options, MACHINE)


@pytest.mark.parametrize(
    ("options", "have", "keys"),
    [
        # at once: names and notes, what can be plugged in, throttles of a disk
        ({"description": "two", "onboot": False, "net": [{"slot": "net1", "bridge": "vmbr1"}]}, {}, []),
        ({"disks": [{"slot": "scsi1", "mbps_rd": 50}, {"slot": "scsi3", "storage": "nvme", "size": 1}]}, {}, []),
        # at the next start: memory and cores without their hotplug, the cache of a disk in use
        ({"memory": 4096, "cores": 4, "bios": "seabios"}, {}, ["bios", "cores", "memory"]),
        ({"disks": [{"slot": "scsi1", "cache": "none"}]}, {}, ["scsi1"]),
        ({"cores": 4, "memory": 4096, "vcpus": 1}, {"hotplug": "cpu,memory"}, ["cores"]),
        ({"net": [{"slot": "net1", "bridge": "vmbr1"}]}, {"hotplug": "0"}, ["net1"]),
    ],
)
def test_what_waits_for_the_next_start(options: dict[str, Any], have: dict[str, Any], keys: list[str]) -> None:
    change = difference(VM, options, {**MACHINE, **have})
    assert sorted(waiting(VM, change, {**MACHINE, **have})) == keys
