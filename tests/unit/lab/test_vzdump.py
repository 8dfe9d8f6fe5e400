# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups: names, notes, protection, failures, and thinning out."""

from __future__ import annotations

import pytest

from tests.lab import Lab
from tests.lab.state import Volume
from tests.lab.vzdump import marks, parse_keep

from .conftest import LONG, Client, Wait

CONTENT = "/nodes/pve1/storage/local/content"
HOUR, DAY = 3600, 86400


def backup(client: Client, vmid: int = 100, /, **params: object) -> str:
    return client.task("POST", "/nodes/pve1/vzdump", vmid=vmid, **{"storage": "local", "compress": "zstd", **params})


def test_two_backups_in_one_second_have_two_names(root: Client) -> None:
    root.create(100)
    assert [backup(root), backup(root)] == ["OK", "OK"]
    names = [entry["volid"] for entry in root.data("GET", CONTENT, content="backup")]
    assert len(set(names)) == 2
    assert all(name.startswith("local:backup/vzdump-lxc-100-") and name.endswith(".tar.zst") for name in names)


def test_notes_and_protection(root: Client) -> None:
    root.create(100, hostname="web")
    notes = "{{guestname}} of {{cluster}}/{{node}}/{{vmid}}\\nline2"
    assert backup(root, protected=1, **{"notes-template": notes}) == "OK"
    entry = root.data("GET", CONTENT, content="backup")[0]
    assert (entry["notes"], entry["protected"], entry["subtype"]) == ("web of lab/pve1/100", 1, "lxc")
    item = root.data("GET", f"{CONTENT}/{entry['volid']}")
    assert item["notes"] == "web of lab/pve1/100\nline2"
    assert root.task("DELETE", f"{CONTENT}/{entry['volid']}") == (
        f"cannot remove protected volume '{entry['volid'].split(':')[1]}' on 'local'"
    )
    root.data("PUT", f"{CONTENT}/{entry['volid']}", protected=0)
    assert root.task("DELETE", f"{CONTENT}/{entry['volid']}") == "OK"
    assert root.data("GET", CONTENT, content="backup") == []


def test_the_log_names_the_archive(root: Client) -> None:
    root.create(100)
    upid = root.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="nas", compress="zstd")
    log = [line["t"] for line in root.data("GET", f"/nodes/pve1/tasks/{upid}/log")]
    archive = root.data("GET", "/nodes/pve1/storage/nas/content", content="backup")[0]["volid"].split("/")[1]
    assert f"INFO: creating vzdump archive '/mnt/pve/nas/dump/{archive}'" in log


@pytest.mark.parametrize(
    ("storage", "end"),
    [
        ("scratch", "could not get storage information for 'scratch': can't use storage 'scratch' for backups - wrong"),
        ("nope", "could not activate storage 'nope': storage 'nope' does not exist"),
    ],
)
def test_a_storage_that_takes_no_backups(root: Client, storage: str, end: str) -> None:
    root.create(100)
    assert backup(root, storage=storage).startswith(end)


def test_one_of_several_fails(lab: Lab, root: Client) -> None:
    root.create(100)
    root.create(101)
    root.data("PUT", "/nodes/pve1/lxc/100/config", lock="migrate")
    upid = root.data("POST", "/nodes/pve1/vzdump", vmid="100,101", storage="local")
    assert upid.split(":")[6] == ""
    assert root.end(upid) == "job errors"
    assert [volume.vmid for volume in lab.state.volumes.values() if volume.content == "backup"] == [101]
    log = [line["t"] for line in root.data("GET", f"/nodes/pve1/tasks/{upid}/log")]
    assert "ERROR: Backup of VM 100 failed - CT is locked (migrate)" in log


def test_a_backup_holds_the_guest_as_it_was(wait: Wait) -> None:
    with Lab(task_seconds=LONG) as slow:
        client = Client(slow)
        client.data(
            "POST",
            "/nodes/pve1/lxc",
            vmid=100,
            hostname="before",
            rootfs="local-zfs:1",
            ostemplate="local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz",
        )
        wait(LONG)
        client.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="local")
        assert client.data("GET", "/nodes/pve1/lxc/100/config")["lock"] == "backup"
        wait(LONG)
        client.data("PUT", "/nodes/pve1/lxc/100/config", hostname="after")
        volid = client.data("GET", CONTENT, content="backup")[0]["volid"]
        saved = client.data("GET", "/nodes/pve1/vzdump/extractconfig", volume=volid)
    assert "hostname: before\n" in saved
    assert "lock" not in saved


def made(*ages: int, protected: int | None = None) -> list[Volume]:
    noon = 1795176000  # 2026-11-20 12:00 UTC
    return [
        Volume(f"local:backup/{age}", "pve1", "backup", "tar.zst", 1, noon - age, vmid=100, protected=age == protected)
        for age in ages
    ]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("keep-last=2", [0, HOUR]),
        ("keep-all=1", [0, HOUR, DAY, 2 * DAY, 9 * DAY]),
        ("keep-daily=2", [0, DAY]),
        ("keep-last=1,keep-daily=2", [0, DAY, 2 * DAY]),
        ("keep-weekly=2", [0, 9 * DAY]),
        ("keep-yearly=1", [0]),
    ],
)
def test_marks(keep: str, kept: list[int]) -> None:
    found = marks(made(0, HOUR, DAY, 2 * DAY, 9 * DAY), parse_keep(keep))
    assert [int(volid.split("/")[1]) for volid, mark in found.items() if mark == "keep"] == kept
    assert set(found.values()) <= {"keep", "remove"}


def test_a_protected_backup_is_neither_kept_nor_removed() -> None:
    found = marks(made(0, HOUR, DAY, protected=HOUR), parse_keep("keep-last=1"))
    assert found == {"local:backup/0": "keep", f"local:backup/{HOUR}": "protected", f"local:backup/{DAY}": "remove"}


def test_pruning_does_what_its_preview_says(lab: Lab, root: Client) -> None:
    root.create(100)
    for _unused in range(3):
        backup(root)
    path = "/nodes/pve1/storage/local/prunebackups"
    preview = root.data("GET", path, vmid=100, **{"prune-backups": "keep-last=1"})
    assert sorted(entry["mark"] for entry in preview) == ["keep", "remove", "remove"]
    assert len(root.data("GET", CONTENT, content="backup")) == 3
    assert root.task("DELETE", path, vmid=100, **{"prune-backups": "keep-last=1"}) == "OK"
    kept = [entry["volid"] for entry in preview if entry["mark"] == "keep"]
    assert [entry["volid"] for entry in root.data("GET", CONTENT, content="backup")] == kept


def test_a_backup_prunes_its_own_guest(root: Client) -> None:
    for vmid in (100, 101):
        root.create(vmid)
        backup(root, vmid)
    backup(root, 100, **{"prune-backups": "keep-last=1"})
    assert sorted(entry["vmid"] for entry in root.data("GET", CONTENT, content="backup")) == [100, 101]
