# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wanted configuration of a container against the one that is there: what is put, removed and grown."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lxc_config import (
    Change,
    check,
    difference,
    root_only,
    whole,
)

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
    change = difference(options, HAVE)
    assert (change.put, change.delete, change.grow) == ({}, [], {})
    assert not change


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
    change = difference(options, HAVE)
    assert (change.put, change.delete, change.grow) == (put, [], {})
    assert not difference(options, {**HAVE, **put})


def test_a_new_volume_is_put_as_an_allocation() -> None:
    change = difference({"mounts": [{"slot": "mp2", "mp": "/new", "storage": "nas", "size": "2G"}]}, HAVE)
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
    change = difference(options, HAVE)
    assert (change.put, change.delete, change.grow) == ({}, keys, {})
    assert not difference(options, {key: value for key, value in HAVE.items() if key not in keys})


def test_the_last_feature_is_removed_with_its_key() -> None:
    change = difference({"features": {"mount": []}}, {**HAVE, "features": "mount=nfs"})
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
    change = difference(options, HAVE)
    assert (change.put, change.delete, change.grow) == ({}, [], grow)


def test_growing_and_changing_at_once() -> None:
    change = difference({"mounts": [{"slot": "mp0", "size": "16G", "ro": True}]}, HAVE)
    assert change.grow == {"mp0": "16G"}
    assert change.put == {"mp0": "local-zfs:subvol-100-disk-1,backup=1,mp=/data,ro=1,size=8G"}
    assert change.leaves(HAVE)["mp0"] == "local-zfs:subvol-100-disk-1,backup=1,mp=/data,ro=1,size=16G"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rootfs": {"size": "2G"}}, "rootfs.size: it is 4G; a volume cannot shrink to 2G"),
    ({"rootfs": {"storage": "nas"}}, "does not move a volume to storage 'nas'"),
    ({"unprivileged": False}, "unprivileged: it is True and can only be set at creation"),
    ({"delete": ["rootfs"]}, "delete: 'rootfs' cannot be removed from a container"),
    ({"delete": ["tags"], "tags": ["x"]}, "delete: 'tags' is also set by this task"),
    ({"mounts": [{"slot": "mp5", "storage": "nas", "size": "1G"}]}, "mp5.mp is needed for a new mount point"),
    ({"mounts": [{"slot": "mp5", "mp": "/x"}]}, "mp5: a new volume needs either storage"),
    ({"mounts": [{"slot": "mp5", "mp": "/x", "storage": "nas", "volume": "nas:x"}]}, "either storage"),
    ({"mounts": [{"slot": "mp5", "mp": "/x", "storage": "nas"}]}, "mp5.size: '' is not a size"),
    ({"mounts": [{"slot": "mp5", "mp": "/x", "volume": "no volume"}]}, "mp5.volume: 'no volume' is not valid"),
]


@pytest.mark.parametrize(("options", "text"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        difference(options, HAVE)


def test_a_container_without_the_key_is_privileged() -> None:
    with pytest.raises(BadInput, match="unprivileged: it is False"):
        difference({"unprivileged": True}, {"hostname": "old"})
    assert not difference({"unprivileged": False}, {"hostname": "old"})


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
    assert whole(options) == data


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
    ({"mp0": "/mnt/host,mp=/x"}, {"unprivileged": 1}, "a bind mount"),
    ({"mp0": "nas:1,mp=/x"}, {"unprivileged": 1}, ""),
    ({"mp0": None}, {"unprivileged": 1}, ""),
    ({"hookscript": "local:snippets/h.pl"}, {"unprivileged": 1}, "changing the hookscript"),
    ({"memory": 512}, {}, ""),
]


@pytest.mark.parametrize(("change", "have", "what"), ROOT_ONLY, ids=str)
def test_what_only_root_may_change(change: dict[str, Any], have: dict[str, Any], what: str) -> None:
    found = root_only(change, have)
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
    ({"rootfs": {"size": "big"}}, "rootfs.size: 'big' is not a size"),
]


@pytest.mark.parametrize(("options", "text"), CHECKED, ids=lambda value: str(value)[:60])
def test_a_bad_value_is_refused_by_its_option(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        check(options)


def test_good_values_pass() -> None:
    check({"name": "web.example", "description": "a\nb", "net": [{"slot": "net0", "ip6": "fd00::1/64"}]})
    check({"mounts": [{"slot": "mp0", "mp": "/a", "volume": "/mnt/a=b", "size": None}], "rootfs": {"size": "4G"}})


def test_a_change_as_keys_of_the_configuration() -> None:
    assert Change({"a": 1}, ["b"], {"rootfs": "8G"}).merged() == {"a": 1, "b": None}
