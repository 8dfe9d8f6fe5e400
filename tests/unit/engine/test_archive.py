# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups as a source: which one a selector means, and the configuration inside."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _backup
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest.archive import (
    archived_config,
    backup_name,
    backups,
    choose,
    parse_config,
    print_config,
)
from ansible_collections.steward.proxmox.plugins.module_utils._world import World
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.fakes import world_of


def backup(volid: str, vmid: int, ctime: int | None, notes: str = "") -> dict[str, Any]:
    return {"volid": volid, "content": "backup", "vmid": vmid, "ctime": ctime, "notes": notes}


NEW = backup("nas:backup/new", 100, 300, "golden\nbuilt by hand")
OLD = backup("nas:backup/old", 100, 100, "golden")
OTHER = backup("nas:backup/other", 101, 200, "other")
PLANNED = backup("(known after apply: volid)", 100, None, "golden")
STORAGES = [
    {"storage": "nas", "content": "backup,iso", "active": 1, "enabled": 1},
    {"storage": "off", "content": "backup", "active": 0, "enabled": 1},
    {"storage": "zfs", "content": "rootdir,images", "active": 1, "enabled": 1},
]


def world(*rows: dict[str, Any], permissions: dict[str, Any] | None = None) -> World:
    return world_of(
        {
            "/nodes/pve1/storage": STORAGES,
            "/nodes/pve1/storage/nas/content?content=backup": list(rows or (NEW, OLD, OTHER)),
            "/access/permissions": permissions or {"/storage": {"Datastore.Allocate": 1}},
        }
    )


def chosen(selector: dict[str, Any], *rows: dict[str, Any]) -> str:
    return str(choose(world(*rows), "pve1", selector)["volid"])


CHOSEN: list[tuple[dict[str, Any], str]] = [
    ({"volid": "nas:backup/old"}, "nas:backup/old"),
    ({"storage": "nas", "guest": 100, "newest": True}, "nas:backup/new"),
    ({"storage": "nas", "guest": 101, "newest": False}, "nas:backup/other"),
    ({"storage": "nas", "name": "golden", "newest": True}, "nas:backup/new"),
    ({"storage": "nas", "name": "other", "guest": 101}, "nas:backup/other"),
    ({"volid": "nas:backup/old", "name": "golden"}, "nas:backup/old"),
    # a volume id says it all: the guest it was made of need not match
    ({"volid": "nas:backup/other", "guest": 100}, "nas:backup/other"),
]


@pytest.mark.parametrize(("selector", "volid"), CHOSEN)
def test_choose(selector: dict[str, Any], volid: str) -> None:
    assert chosen(selector) == volid


def test_one_that_is_only_planned_is_the_newest() -> None:
    assert chosen({"storage": "nas", "guest": 100, "newest": True}, PLANNED, NEW, OLD) == PLANNED["volid"]


NOT_CHOSEN: list[tuple[dict[str, Any], str]] = [
    ({}, "source.archive needs volid, or storage with guest or name"),
    ({"volid": "no volume id"}, "source.archive.volid: 'no volume id' is not valid"),
    ({"volid": "nas:backup/gone"}, r"No backup on storage 'nas' of node pve1 matches .*nas:backup/gone"),
    ({"storage": "nas", "guest": 999}, r"matches \{'storage': 'nas', 'guest': 999\}"),
    ({"storage": "nas", "name": "gol"}, "No backup on storage 'nas'"),
    ({"storage": "nas", "guest": 100}, "matches 2 backups: nas:backup/old, nas:backup/new.*Set newest: true"),
    ({"storage": "zfs", "guest": 100}, "source.archive: storage 'zfs' holds rootdir,images, not backup; these do: nas"),
    ({"storage": "off", "guest": 100}, "storage 'off' is disabled or offline on node pve1"),
    ({"storage": "bad/../x", "guest": 100}, "source.archive.storage: .* is not valid"),
]


@pytest.mark.parametrize(("selector", "text"), NOT_CHOSEN)
def test_what_matches_none_or_too_many(selector: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        chosen(selector)


def test_a_storage_that_is_not_listed_is_missing_or_unknown() -> None:
    selector = {"storage": "nope", "guest": 100}
    with pytest.raises(Refused, match="Whether storage 'nope' has such a backup is unknown: bob@pve!ci"):
        choose(world(permissions={"/vms": {"VM.Backup": 1}}), "pve1", selector)
    with pytest.raises(BadInput, match="storage 'nope' does not exist on node pve1; there for backup: nas"):
        choose(world(permissions={"/storage": {"Datastore.Audit": 1}}), "pve1", selector)


WEAK: list[dict[str, Any]] = [
    {"/vms": {"VM.Audit": 1}},
    {"/storage": {"Datastore.AllocateSpace": 1}},
    {"/storage": {"Datastore.AllocateSpace": 1}, "/vms/101": {"VM.Backup": 1}},
    {"/storage/other": {"Datastore.Allocate": 1}, "/vms": {"VM.Backup": 1}},
]


@pytest.mark.parametrize("permissions", WEAK, ids=str)
def test_what_a_weak_token_does_not_see_is_unknown(permissions: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"is unknown: bob@pve!ci may not see them.*Grant VM.Backup on /vms/999"):
        choose(world(permissions=permissions), "pve1", {"storage": "nas", "guest": 999})


def test_a_token_that_sees_the_backups_of_the_guest_is_sure() -> None:
    permissions = {"/storage/nas": {"Datastore.AllocateSpace": 1}, "/vms/999": {"VM.Backup": 1}}
    with pytest.raises(BadInput, match="No backup on storage 'nas'"):
        choose(world(permissions=permissions), "pve1", {"storage": "nas", "guest": 999})


def test_backups_are_those_of_one_guest_the_oldest_first() -> None:
    image = {"volid": "nas:iso/x.iso", "content": "iso"}
    rows = backups(world(NEW, image, OTHER, OLD), "pve1", "nas", 100)
    assert [row["volid"] for row in rows] == ["nas:backup/old", "nas:backup/new"]


@pytest.mark.parametrize(
    ("notes", "name"), [("golden\nmore", "golden"), ("golden", "golden"), ("", ""), (None, ""), ("\nx", "")]
)
def test_the_name_of_a_backup_is_the_first_line_of_its_notes(notes: str | None, name: str) -> None:
    assert backup_name({"notes": notes}) == name


FILE = """#golden
#second: line
arch: amd64
features: keyctl=1,nesting=1
hostname: web
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip6=fd00::1/64
rootfs: local-zfs:subvol-100-disk-0,size=4G
unprivileged: 1

[before]
hostname: old
snaptime: 1
"""


def test_a_configuration_file_is_read_without_comments_and_snapshots() -> None:
    assert parse_config(FILE) == {
        "arch": "amd64",
        "features": "keyctl=1,nesting=1",
        "hostname": "web",
        "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip6=fd00::1/64",
        "rootfs": "local-zfs:subvol-100-disk-0,size=4G",
        "unprivileged": "1",
    }


def test_the_configuration_inside_a_backup_is_asked_of_its_node() -> None:
    answers = {"/nodes/pve1/vzdump/extractconfig?volume=nas:backup/old": FILE}
    assert archived_config(world_of(answers), "pve1", "nas:backup/old")["hostname"] == "web"


keys = st.from_regex(r"[a-z]+[0-9]?", fullmatch=True)
values = st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20).map(str.strip)


@given(st.dictionaries(keys, values, max_size=6))
def test_a_printed_configuration_reads_back(config: dict[str, str]) -> None:
    assert parse_config(print_config(config)) == config


def test_a_text_of_several_lines_is_left_out_of_a_printed_configuration() -> None:
    assert print_config({"description": "a\n[b]", "cores": 2}) == "cores: 2\n"


@pytest.mark.parametrize("now", [250.0, 300.0, 301.5, 9000.25])
def test_planned_backups_are_the_newest_and_each_of_a_second_of_its_own(
    monkeypatch: pytest.MonkeyPatch, now: float
) -> None:
    """Also where the clock of the node is ahead, and where this one is asked twice in the same moment."""
    monkeypatch.setattr(_backup.time, "time", lambda: now)
    times = _backup._made([OLD, NEW, PLANNED, PLANNED, PLANNED])
    assert times[:2] == [100, 300]
    assert times == sorted(times)
    assert len({int(moment) for moment in times}) == 5
    assert times[2] == max(now, 301)
