# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a configuration: what the run changed, and nothing else; what somebody changed since is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.revert import Revert, all_of
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES

SYMBOL = "(known after apply: mp1 of lxc/101)"
DISK = "zfs:subvol-101-disk-1"


def revert(key: str, was: Any, left: Any, now: Any, made: bool = False, **more: Any) -> Revert:
    undo = {"data": {} if was is None else {key: was}, "left": {key: left}, "made": [key] if made else []}
    config = {**({} if now is None else {key: now}), **more}
    return Revert(TABLES["qemu" if key.startswith("scsi") else "lxc"], undo, Guest("lxc", 101, "pve1", config))


@pytest.mark.parametrize(
    ("key", "was", "left", "now", "put"),
    [
        pytest.param("cores", 1, 2, "2", 1, id="another value"),
        pytest.param("memory", None, 1024, 512, "", id="what the server takes for granted is as good as nothing"),
        pytest.param("tags", "a;b", "c", "c", "a;b", id="a list"),
        pytest.param("net0", "name=eth0,tag=5", "name=eth0", "mtu=9,name=eth0", "mtu=9,name=eth0,tag=5", id="part"),
        pytest.param("net0", "name=eth0", "name=eth0,tag=5", "name=eth0,tag=5", "name=eth0", id="a part that goes"),
        pytest.param("scsi0", "z:a,size=4G", "z:a,size=4G,ssd=1", "z:a,size=9G,ssd=1", "z:a,size=9G", id="grew since"),
    ],
)
def test_what_the_run_changed_goes_back(key: str, was: Any, left: Any, now: Any, put: Any) -> None:
    found = revert(key, was, left, now)
    assert found.drifted == []
    assert found.change.put == ({key: put} if put != "" else {})
    assert found.change.delete == []


@pytest.mark.parametrize(("was", "left", "now"), [(1, 2, 1), (1, 2, "1"), (None, "web", None)])
def test_what_is_back_already_is_left_alone(was: Any, left: Any, now: Any) -> None:
    found = revert("description" if was is None else "cores", was, left, now)
    assert not found.change
    assert found.drifted == []


@pytest.mark.parametrize(
    ("key", "was", "left", "now", "told"),
    [
        ("cores", 1, 2, 3, "cores is '3'; the run left '2', and before it was '1'"),
        ("cores", 1, None, 4, "cores is '4'; the run left not set, and before it was '1'"),
        ("hookscript", None, "local:snippets/a", None, ""),
        ("net0", "name=eth0,tag=5", "name=eth0,tag=7", "name=eth0,tag=9", "net0.tag is '9'; the run left '7', and"),
        ("net1", None, "name=eth1,tag=7", "name=eth1,tag=8", "net1 is 'name=eth1,tag=8'; the run left"),
        ("net0", "name=eth0,tag=5", "name=eth0,tag=7", None, "net0 is not set; the run left"),
    ],
)
def test_what_somebody_changed_since_is_told(key: str, was: Any, left: Any, now: Any, told: str) -> None:
    found = revert(key, was, left, now)
    assert [text.startswith(told) for text in found.drifted] == ([True] if told else [])


def test_a_volume_that_the_run_made_is_destroyed_and_no_other() -> None:
    made = f"{DISK},mp=/srv,size=1G"
    assert revert("mp1", None, made, made, made=True).change.destroy == ["mp1"]
    attached = revert("mp1", None, made, made)
    assert (attached.change.destroy, attached.change.delete) == ([], ["mp1"])
    unknown = revert("mp1", None, f"zfs:{SYMBOL},mp=/srv,size=1G", made, made=True)
    assert (unknown.change.destroy, unknown.change.delete, unknown.drifted) == ([], ["mp1"], [])
    other = revert("mp1", None, made, made.replace("disk-1", "disk-9"), made=True)
    assert other.change.destroy == []
    assert len(other.drifted) == 1


def test_a_detached_volume_comes_back_only_while_it_is_there() -> None:
    was = f"{DISK},mp=/srv,size=1G"
    assert revert("mp0", was, None, None, unused0=DISK).drifted == []
    assert "is not the guest's any more" in revert("mp0", was, None, None, unused0="zfs:subvol-101-disk-7").drifted[0]
    assert revert("mp0", "/srv/data,mp=/srv", None, None).drifted == [], "a path of the host is no volume"


def test_a_restored_guest_gets_what_it_had_but_its_volumes() -> None:
    had = {"cores": 4, "net0": "name=eth0,tag=5", "rootfs": "zfs:a,size=8G", "tags": "b;a", "unprivileged": 1}
    now = {"cores": 2, "net0": "name=eth0,tag=5", "rootfs": "zfs:b,size=4G", "tags": "a;b", "description": "old"}
    change = all_of(TABLES["lxc"], had, now)
    assert (change.put, change.delete) == ({"cores": 4}, ["description"])
    assert not change.destroy
