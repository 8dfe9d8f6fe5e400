# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who needs a storage that goes: guests with their snapshots, backups, templates, jobs and replication."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.blast_of.cluster import ANSWERS, CT, IDLE, REFUSALS, VM, level, rows, seen, touched, why

NAS = {"storage": "nas", "type": "nfs", "content": "images,backup", "shared": 1}
LOCAL = {"storage": "local", "type": "dir", "content": "images,rootdir,backup"}
ON_NAS, ON_LOCAL = "/nodes/pve1/storage/nas/content", "/nodes/{}/storage/local/content"
EMPTY: dict[str, Any] = {ON_NAS: [], ON_LOCAL.format("pve1"): [], ON_LOCAL.format("pve2"): []}


def test_the_guests_on_a_deleted_storage_are_named_with_what_they_have_there() -> None:
    blast = touched("delete", "/storage/nas", before=NAS, changed=EMPTY)
    assert seen(blast) == {"guests": ["qemu/101"], "nodes": ["pve1", "pve2"], "storages": ["nas"]}
    assert "qemu/101 has there: all its disks (scsi0, scsi0 of snapshot s1), and it is running" in why(blast)
    assert level(blast) == "high"


def test_disabling_is_like_deleting_and_enabling_harms_nobody() -> None:
    assert touched("put", "/storage/nas", {"disable": 1}, NAS, EMPTY).guests == {"qemu/101"}
    for before in (NAS, {**NAS, "disable": 1}):
        blast = touched("put", "/storage/nas", {"delete": "disable"}, before)
        assert (blast.guests, level(blast)) == (set(), "medium")


def test_a_snapshot_alone_that_needs_it_is_named_and_so_is_what_waits() -> None:
    waits = rows({"cicustom": "user=zfs:snippets/a.yml"}, ide2="local:iso/debian.iso,media=cdrom")
    blast = touched("delete", "/storage/local", before=LOCAL, changed={**EMPTY, f"{VM}/pending": waits})
    assert "qemu/101 has there: the disc in ide2, vmstate of snapshot s1, and it is running" in why(blast)
    assert "lxc/102 has there: all its disks (rootfs)" in why(blast)
    zfs = touched("delete", "/storage/zfs", before={}, changed={f"{VM}/pending": waits} | _on("zfs"))
    assert "qemu/101 has there: cicustom, and it is running" in why(zfs)


def _on(storage: str) -> dict[str, Any]:
    return {f"/nodes/{node}/storage/{storage}/content": [] for node in ("pve1", "pve2")}


@pytest.mark.parametrize(
    ("nodes", "before", "guests"),
    [
        ("pve1", {}, ["lxc/102"]),
        ("pve2", {}, ["qemu/101"]),
        ("pve1,pve2", {}, []),
        ("", {"nodes": "pve1"}, []),
        ("pve1", {"nodes": "pve1"}, []),
    ],
)
def test_only_the_nodes_that_lose_it_matter(nodes: str, before: dict[str, str], guests: list[str]) -> None:
    """A disk of the one guest, and a saved memory of the other, are on the storage of this name on their nodes."""
    blast = touched("put", "/storage/local", {"nodes": nodes}, {**LOCAL, **before}, EMPTY)
    assert blast.public().get("guests", []) == guests
    assert blast.public()["complete"]


def test_what_else_lies_there_or_goes_there_is_told() -> None:
    changed = {
        ON_NAS: [{"content": "backup"}, {"content": "backup"}, {"content": "iso"}, {"content": "images"}],
        "/cluster/backup": [{"id": "nightly", "storage": "nas"}, {"id": "other", "storage": "local"}],
        "/cluster/replication": [{"id": "101-0", "guest": 101, "target": "pve3"}, {"id": "9-0", "guest": 9}],
    }
    blast = touched("delete", "/storage/nas", before=NAS, changed=changed)
    assert seen(blast)["others"] == ["backup job nightly", "replication job 101-0"]
    assert "it holds 2 backups, 1 ISO images, which cannot be used then" in why(blast)
    assert "backup job nightly writes to it, and fails then" in why(blast)


def test_a_storage_that_nobody_uses_is_no_high_risk() -> None:
    assert level(touched("delete", "/storage/spare", before={"storage": "spare"}, changed=_on("spare"))) == "medium"


def test_images_alone_are_a_medium_risk_and_backups_a_high_one() -> None:
    for content, risk in (("iso", "medium"), ("backup", "high")):
        there = {**_on("spare"), "/nodes/pve2/storage/spare/content": [{"content": content}]}
        assert level(touched("delete", "/storage/spare", before={"storage": "spare"}, changed=there)) == risk


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        ("nas", "what it starts from (scsi0)"),
        ("b", "scsi1"),
        ("c", "ide2"),
        ("d", "the disc in ide3"),
        ("e", "unused0"),
    ],
)
def test_a_disk_to_start_from_is_told_apart(storage: str, text: str) -> None:
    disks = {"scsi0": "nas:vm-101-disk-0,size=8G", "scsi1": "b:vm-101-disk-1,size=8G", "unused0": "e:vm-101-disk-2"}
    disks |= {"ide2": "c:vm-101-cloudinit,media=cdrom", "ide3": "d:iso/x.iso,media=cdrom", "boot": "order=scsi0;net0"}
    there = {f"{VM}/pending": rows(disks), f"{VM}/snapshot": [], **_on(storage)}
    blast = touched("delete", f"/storage/{storage}", before={"storage": storage}, changed=there)
    assert f"qemu/101 has there: {text}, and it is running" in why(blast)
    assert level(blast) == ("medium" if storage in "de" else "high")


def test_what_it_takes_no_more_is_told() -> None:
    blast = touched("put", "/storage/local", {"content": "rootdir,images,iso"}, LOCAL)
    assert blast.reasons == [("medium", "changes storage local"), ("medium", "it takes no new backup any more")]
    assert len(touched("put", "/storage/local", {"prune-backups": "keep-all=1"}, LOCAL).reasons) == 1


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("/cluster/resources?type=vm", "guests of the cluster"),
        (f"{IDLE}/pending", "configuration of lxc/103"),
        (f"{CT}/snapshot", "snapshots of lxc/102"),
        (f"{VM}/snapshot/s1/config", "snapshot qemu/101@s1"),
        ("/nodes/pve2/storage/spare/content", "volumes on storage spare of node pve2"),
        ("/cluster/backup", "backup jobs to storage spare"),
        ("/cluster/replication", "replication jobs"),
        ("/nodes", "nodes of the cluster"),
    ],
)
def test_a_refused_read_is_unknown_and_the_highest_risk(path: str, unknown: str, refusal: Exception) -> None:
    spare = {**_on("spare"), path: refusal}
    blast = touched("delete", "/storage/spare", before={"storage": "spare", "nodes": "pve1,pve2"}, changed=spare)
    if path == "/nodes":
        blast = touched("delete", "/storage/spare", before={"storage": "spare"}, changed=spare)
    assert unknown in blast.unseen
    assert level(blast) == "high"


@pytest.mark.parametrize(("lacking", "unknown"), [("VM.Audit", "guests without"), ("Datastore.Allocate", "volumes on")])
def test_a_list_that_is_shortened_to_what_one_may_see_is_not_the_whole(lacking: str, unknown: str) -> None:
    less = {name: 1 for name in ANSWERS["/access/permissions"]["/"] if name != lacking}
    blast = touched("delete", "/storage/nas", before=NAS, changed={**EMPTY, "/access/permissions": {"/": less}})
    assert any(what.startswith(unknown) for what in blast.unseen), blast.unseen
