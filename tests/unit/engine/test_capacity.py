# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a storage has room: what is little, what is nothing, and what nobody knows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied
from ansible_collections.steward.proxmox.plugins.module_utils._guest.capacity import (
    add,
    readable,
    size_in,
    taken_by,
    tell_room,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest.change import Change
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES

from tests.unit.engine.fakes import Cluster, Memory, World, world_of

GIB = 1 << 30
STORAGES = "/nodes/pve1/storage"
CONTENT = f"{STORAGES}/fast/content"
ROWS = [
    {"volid": "fast:vm-7-disk-0", "content": "images", "vmid": 7},
    {"volid": "fast:subvol-8-disk-0", "content": "rootdir", "vmid": 8},
    {"volid": "fast:vm-9-disk-0", "content": "images", "vmid": 9},
    {"volid": "fast:backup/x", "content": "backup", "vmid": 10},
]


def row(free: int, total: int = 1000, **more: Any) -> dict[str, Any]:
    return {"storage": "fast", "content": "images,rootdir", "avail": free * GIB, "total": total * GIB, **more}


def room(seen: dict[str, Any], size: int | None, **answers: Any) -> Blast:
    blast = Blast()
    world = world_of({STORAGES: [seen], CONTENT: ROWS, **answers}, is_root=True)
    tell_room(world, blast, "pve1", {"fast": size}, "qemu/9")
    return blast


@pytest.mark.parametrize(
    ("free", "total", "size", "level"),
    [
        (500, 1000, 10, "low"),
        (500, 1000, 400, "low"),
        (500, 1000, 401, "medium"),  # less than a tenth is left
        (20, 30, 10, "low"),
        (20, 30, 11, "medium"),  # less than 10 GiB is left
        (20, 30, 20, "high"),
        (20, 30, 21, "high"),
    ],
)
def test_what_is_little_and_what_is_nothing(free: int, total: int, size: int, level: str) -> None:
    blast = room(row(free, total), size * GIB)
    assert blast.risk(True)["level"] == level
    assert blast.storages == {"fast"}
    assert blast.guests == ({"qemu/7", "lxc/8"} if level == "high" else set())
    (why,) = blast.risk(True)["reasons"]
    assert ("2 other guest(s) stand still" in why) is (level == "medium")


@pytest.mark.parametrize("seen", [{"storage": "other", "avail": GIB}, {"storage": "fast", "content": "images"}])
def test_a_storage_that_does_not_tell_its_room_is_unknown(seen: dict[str, Any]) -> None:
    assert room(seen, GIB).unseen == ["free space of storage fast on node pve1"]


def test_a_size_that_nobody_knows_is_unknown() -> None:
    blast = room(row(500), None)
    assert blast.unseen == ["how much it takes on storage fast"]
    assert blast.risk(True)["level"] == "high"


def test_who_shares_a_full_storage_may_be_unknown() -> None:
    assert room(row(5), GIB, **{CONTENT: PermissionDenied("no", status=403)}).unseen == ["guests on storage fast"]


def test_nothing_that_is_taken_costs_no_request() -> None:
    cluster = Cluster({})
    tell_room(World(cluster.get, Memory(), False), Blast(), "pve1", {}, "qemu/9")
    assert cluster.asked == []


HAVE = {"scsi0": "a:vm-1-disk-0,size=4G", "scsi1": "a:vm-1-disk-1,size=2G", "scsi2": "a:vm-1-disk-2"}
NEW = "(known after apply: {} of qemu/1)"


@pytest.mark.parametrize(
    ("change", "left", "taken"),
    [
        (Change(grow={"scsi0": "10G"}), {"scsi0": "a:vm-1-disk-0,size=10G"}, {"a": 6 * GIB}),
        (Change(move={"scsi1": {"storage": "b"}}), {"scsi1": f"b:{NEW.format('moved scsi1')},size=2G"}, {"b": 2 * GIB}),
        (Change(put={"scsi5": "b:8"}), {"scsi5": f"b:{NEW.format('scsi5')},size=8G"}, {"b": 8 * GIB}),
        (Change(put={"scsi5": "b:vm-1-disk-9"}), {"scsi5": "b:vm-1-disk-9"}, {}),
        (Change(put={"scsi0": f"{HAVE['scsi0']},ssd=1"}), {"scsi0": f"{HAVE['scsi0']},ssd=1"}, {}),
        (Change(put={"ide2": "b:iso/x.iso,media=cdrom"}), {"ide2": "b:iso/x.iso,media=cdrom"}, {}),
        (Change(move={"scsi2": {"storage": "b"}}), {"scsi2": f"b:{NEW.format('moved scsi2')}"}, {"b": None}),
        (Change(put={"efidisk0": "b:1"}), {"efidisk0": f"b:{NEW.format('efidisk0')}"}, {"b": 0}),
    ],
    ids=str,
)
def test_what_a_change_takes(change: Change, left: dict[str, str], taken: dict[str, int | None]) -> None:
    assert taken_by(TABLES["qemu"], change, HAVE, left) == taken


def test_what_is_not_known_of_a_part_is_not_known_of_the_whole() -> None:
    taken: dict[str, int | None] = {}
    for size in (GIB, None, GIB):
        add(taken, "a", size)
    assert taken == {"a": None}
    assert size_in(TABLES["lxc"], "rootfs", "a:subvol-1-disk-0") is None


@pytest.mark.parametrize(("size", "text"), [(2 * GIB, "2G"), (GIB + 1, "1.0 GiB"), (252 * GIB + 12345, "252.0 GiB")])
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert readable(size) == text
