# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hangs on a guest is named, and what could not be seen is never taken for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, PermissionDenied, Unreachable
from ansible_collections.steward.proxmox.plugins.module_utils._guest.dependents import (
    Dependents,
    Job,
    find_dependents,
    linked_clones,
    owned_volumes,
    volumes,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.sight import sees_below
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES

from tests.unit.engine.fakes import Cluster, Memory, World, world_of

VM = Guest("qemu", 101, "pve1", {"name": "web", "scsi0": "local:101/vm-101-disk-0.qcow2,size=8G"})
HERE = "/nodes/pve1/qemu/101"
CONTENT = "/nodes/pve1/storage/local/content"
ADMIN = {"/": dict.fromkeys(("VM.Audit", "VM.Allocate", "VM.Backup", "VM.Config.Disk", "Datastore.Allocate"), 1)}
ADMIN["/"] |= {"Datastore.Audit": 1, "Datastore.AllocateSpace": 1, "Sys.Audit": 1}

ANSWERS: dict[str, Any] = {
    "/access/permissions": ADMIN,
    "/access/acl": [
        {"path": "/vms/101", "type": "user", "ugid": "bob@pve", "roleid": "PVEVMUser", "propagate": 1},
        {"path": "/vms", "type": "group", "ugid": "ops", "roleid": "PVEVMAdmin", "propagate": 1},
    ],
    "/cluster/resources?type=vm": [{"type": "qemu", "vmid": 101, "node": "pve1", "pool": "web"}],
    "/cluster/replication": [{"id": "101-0", "guest": 101}, {"id": "102-0", "guest": 102}],
    "/cluster/ha/rules": [
        {"rule": "apart", "resources": "vm:101,vm:102"},
        {"rule": "others", "resources": "vm:1010"},
    ],
    "/cluster/backup": [
        {"id": "named", "vmid": "100,101"},
        {"id": "own", "vmid": "101"},
        {"id": "pooled", "pool": "web"},
        {"id": "everything", "all": 1},
        {"id": "elsewhere", "all": 1, "node": "pve2"},
        {"id": "without", "all": 1, "exclude": "101"},
        {"id": "stranger", "vmid": "1010"},
    ],
    f"{HERE}/snapshot": [{"name": "s1"}, {"name": "current", "parent": "s1"}],
    f"{HERE}/firewall/rules": [{"pos": 0}, {"pos": 1}],
    f"{HERE}/firewall/options": {"enable": 1, "digest": "d"},
    f"{HERE}/firewall/refs": [
        {"scope": "dc", "type": "alias", "name": "office", "ref": "office"},
        {"scope": "guest", "type": "ipset", "name": "own", "ref": "+own"},
    ],
    "/nodes/pve1/storage": [
        {"storage": "local", "content": "images,backup"},
        {"storage": "scratch", "content": "images"},
        {"storage": "off", "content": "backup", "enabled": 0},
    ],
    f"{CONTENT}?content=images": [{"volid": "local:101/vm-101-disk-0.qcow2", "content": "images", "vmid": 101}],
    f"{CONTENT}?content=backup": [
        {"volid": "local:backup/new", "content": "backup", "vmid": 101, "ctime": 200},
        {"volid": "local:backup/old", "content": "backup", "vmid": 101, "ctime": 100},
        {"volid": "local:backup/other", "content": "backup", "vmid": 102, "ctime": 300},
    ],
}


def look(changed: Mapping[str, Any] | None = None, managed: bool = True) -> tuple[Dependents, Blast]:
    blast = Blast()
    world = world_of({**ANSWERS, **(changed or {})})
    power = {"power": "stopped", "lock": None, "ha": "started" if managed else "unmanaged"}
    return find_dependents(TABLES["qemu"], world, VM, blast, power), blast


def test_everything_is_found_and_named() -> None:
    found, blast = look()
    assert found.snapshots == ["s1"]
    assert [row["volid"] for row in found.backups] == ["local:backup/old", "local:backup/new"]
    assert found.replication == ["101-0"]
    assert (found.in_ha, found.ha_rules) == (True, ["apart"])
    assert found.firewall == [
        "2 firewall rule(s) of qemu/101",
        "firewall options of qemu/101",
        "firewall ipset own of qemu/101",
    ]
    assert found.pool == "web"
    assert found.jobs == [
        Job("named", by_id=True),
        Job("own", by_id=True, alone=True),
        Job("pooled", by_id=False),
        Job("everything", by_id=False),
    ]
    assert found.acls == ["PVEVMUser of user bob@pve"]
    assert blast.public() == {
        "complete": True,
        "principals": ["bob@pve"],
        "others": sorted(
            [
                "2 firewall rule(s) of qemu/101",
                "HA resource vm:101",
                "HA rule apart",
                "backup job everything",
                "backup job named",
                "backup job own",
                "backup job pooled",
                "backup local:backup/new",
                "backup local:backup/old",
                "firewall ipset own of qemu/101",
                "firewall options of qemu/101",
                "pool web",
                "replication job 101-0",
                "snapshot qemu/101@s1",
            ]
        ),
    }


def test_few_requests() -> None:
    cluster = Cluster(ANSWERS)
    world = World(cluster.get, Memory(), False, "bob@pve!ci")
    find_dependents(TABLES["qemu"], world, VM, Blast(), {"ha": "unmanaged"})
    assert len(cluster.asked) == len(set(cluster.asked)) == 13


def test_nothing_that_hangs_on_it_is_nothing_unknown() -> None:
    bare = {
        "/access/acl": [],
        "/cluster/replication": [],
        "/cluster/backup": [],
        f"{HERE}/snapshot": [{"name": "current"}],
        f"{HERE}/firewall/rules": [],
        f"{HERE}/firewall/options": {"digest": "d"},
        f"{HERE}/firewall/refs": [],
        f"{CONTENT}?content=backup": [],
        "/cluster/resources?type=vm": [{"type": "qemu", "vmid": 101, "node": "pve1"}],
    }
    found, blast = look(bare, managed=False)
    assert found == Dependents()
    assert blast.public() == {"complete": True}


@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        (f"{HERE}/snapshot", "snapshots of qemu/101"),
        ("/cluster/replication", "replication jobs of qemu/101"),
        ("/cluster/ha/rules", "HA rules that name vm:101"),
        (f"{HERE}/firewall/rules", "firewall rules of qemu/101"),
        (f"{HERE}/firewall/options", "firewall options of qemu/101"),
        (f"{HERE}/firewall/refs", "firewall aliases and sets of qemu/101"),
        ("/cluster/backup", "backup jobs that take in qemu/101"),
        ("/access/acl", "permissions on /vms/101"),
        ("/nodes/pve1/storage", "storages of node pve1"),
        (f"{CONTENT}?content=backup", "backups of qemu/101 on storage local"),
        ("/cluster/resources?type=vm", "pool of qemu/101"),
    ],
)
@pytest.mark.parametrize(
    "refusal",
    [PermissionDenied("no", status=403), ApiError("broken", status=500), Unreachable("node down", status=595)],
)
def test_a_refused_or_failed_read_is_unknown_and_the_highest_risk(path: str, unknown: str, refusal: Exception) -> None:
    _found, blast = look({path: refusal})
    assert blast.unseen == [unknown]
    assert blast.public()["complete"] is False
    assert blast.risk(changes=True)["level"] == "high"


def test_a_guest_that_ha_ignores_is_a_resource_of_it_all_the_same() -> None:
    found, blast = look({"/cluster/ha/resources/vm:101": {"sid": "vm:101", "state": "ignored"}}, managed=False)
    assert (found.in_ha, found.ha_rules) == (True, ["apart"])
    assert "HA resource vm:101" in blast.others


def test_whether_ha_knows_an_unmanaged_guest_may_be_unknown() -> None:
    found, blast = look({"/cluster/ha/resources/vm:101": PermissionDenied("no", status=403)}, managed=False)
    assert not found.in_ha
    assert blast.unseen == ["HA resource vm:101"]


def test_where_no_node_answers_at_all_nothing_is_planned() -> None:
    with pytest.raises(Unreachable):
        look({"/cluster/backup": Unreachable("no node answers")})


def test_pve_8_has_no_ha_rules() -> None:
    found, blast = look({"/cluster/ha/rules": ApiError("not implemented", status=501)})
    assert (found.ha_rules, blast.unseen) == ([], [])


@pytest.mark.parametrize(
    ("permissions", "unknown"),
    [
        ({"/": {**ADMIN["/"], "VM.Allocate": 0, "Sys.Audit": 0}, "/vms": {"VM.Audit": 1}}, "permissions on /vms/101"),
        (
            {"/": {**ADMIN["/"]}, "/storage": {"Datastore.Allocate": 1}},
            "storages of node pve1 without Datastore.Audit or Datastore.AllocateSpace",
        ),
        (
            {"/": ADMIN["/"], "/storage/local": {"Datastore.AllocateSpace": 1}, "/vms/101": {"VM.Allocate": 1}},
            "backups of qemu/101 on storage local",
        ),
    ],
)
def test_a_list_that_the_server_shortens_is_not_the_whole(permissions: Any, unknown: str) -> None:
    _found, blast = look({"/access/permissions": permissions})
    assert unknown in blast.unseen


def test_an_invisible_row_says_nothing_about_the_pool() -> None:
    _found, blast = look({"/cluster/resources?type=vm": []})
    assert blast.unseen == ["pool of qemu/101"]


# -- linked clones -----------------------------------------------------------------------------------------------------

#: how a directory, ZFS and a thin pool list a template and its linked clone
LINKED = [
    ("local:9/base-9-disk-0.qcow2", "local:9/base-9-disk-0.qcow2/10/vm-10-disk-0.qcow2", None),
    ("local:9/base-9-disk-0.qcow2", "local:10/vm-10-disk-0.qcow2", "../9/base-9-disk-0.qcow2"),
    ("local:base-9-disk-0", "local:base-9-disk-0/vm-10-disk-0", "base-9-disk-0@__base__"),
    ("local:basevol-9-disk-0", "local:basevol-9-disk-0/subvol-10-disk-0", None),
    # a backing file that somebody made by hand: Proxmox would destroy it, and with it what the other one shows
    ("local:9/vm-9-disk-0.qcow2", "local:10/vm-10-disk-0.qcow2", "../9/vm-9-disk-0.qcow2"),
]
UNLINKED = [
    ("local:9/base-9-disk-0.qcow2", "local:10/vm-10-disk-0.qcow2", None),
    ("local:9/base-9-disk-0.qcow2", "local:90/base-90-disk-0.qcow2/10/vm-10-disk-0.qcow2", None),
    ("local:vm-9-disk-0", "local:vm-10-disk-0", None),
]


def clones(base: str, volid: str, parent: str | None, permissions: Any = None) -> tuple[list[str], Blast]:
    rows = [{"volid": base, "vmid": 9, "parent": None}, {"volid": volid, "vmid": 10, "parent": parent}]
    world = world_of({f"{CONTENT}?content=images": rows, "/access/permissions": permissions or ADMIN})
    guest, blast = Guest("qemu", 9, "pve1", {"template": 1, "scsi0": f"{base},size=8G"}), Blast()
    return linked_clones(TABLES["qemu"], world, guest, blast), blast


@pytest.mark.parametrize(("base", "volid", "parent"), LINKED)
def test_linked_clones_are_found_by_their_volumes(base: str, volid: str, parent: str | None) -> None:
    found, blast = clones(base, volid, parent)
    assert found == ["qemu/10"]
    assert blast.public() == {"guests": ["qemu/10"], "complete": True}


@pytest.mark.parametrize(("base", "volid", "parent"), UNLINKED)
def test_full_copies_and_other_templates_do_not_depend(base: str, volid: str, parent: str | None) -> None:
    assert clones(base, volid, parent)[0] == []


def test_linked_clones_of_guests_that_are_not_visible_are_unknown() -> None:
    _found, blast = clones(*LINKED[0], permissions={"/": {"Datastore.Audit": 1}, "/vms/9": {"VM.Config.Disk": 1}})
    assert blast.unseen == ["linked clones of qemu/9 on storage local"]


def test_its_own_snapshots_are_no_clones() -> None:
    """Where snapshots are a chain of volumes, they rest on one another."""
    rows = [{"volid": "local:9/snap_s1_vm-9-disk-0.qcow2", "vmid": 9, "parent": "../9/vm-9-disk-0.qcow2"}]
    world = world_of({f"{CONTENT}?content=images": rows}, is_root=True)
    guest = Guest("qemu", 9, "pve1", {"scsi0": "local:9/vm-9-disk-0.qcow2,size=8G"})
    assert linked_clones(TABLES["qemu"], world, guest, Blast()) == []


def test_a_guest_whose_volumes_cannot_be_rested_on_costs_no_request() -> None:
    """Neither bases nor files."""
    cluster, guest = Cluster({}), Guest("qemu", 101, "pve1", {"scsi0": "local-zfs:vm-101-disk-0,size=8G"})
    assert linked_clones(TABLES["qemu"], World(cluster.get, Memory(), False), guest, Blast()) == []
    assert cluster.asked == []


# -- volumes -----------------------------------------------------------------------------------------------------------


def test_the_volumes_of_a_vm() -> None:
    config = {
        "scsi0": "local:101/vm-101-disk-0.qcow2,size=8G",
        "efidisk0": "local:101/vm-101-disk-1.qcow2,size=528K",
        "unused0": "local:101/vm-101-disk-2.qcow2",
        "ide2": "local:iso/debian.iso,media=cdrom",
        "ide0": "local:101/vm-101-cloudinit.qcow2,media=cdrom",
        "sata0": "none,media=cdrom",
        "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
    }
    assert volumes(TABLES["qemu"], config) == [
        "local:101/vm-101-cloudinit.qcow2",
        "local:101/vm-101-disk-0.qcow2",
        "local:101/vm-101-disk-1.qcow2",
        "local:101/vm-101-disk-2.qcow2",
    ]


def test_the_volumes_of_a_container() -> None:
    config = {"rootfs": "zfs:subvol-1-disk-0,size=4G", "mp0": "/srv,mp=/srv", "unused1": "zfs:subvol-1-disk-1"}
    assert volumes(TABLES["lxc"], config) == ["zfs:subvol-1-disk-0", "zfs:subvol-1-disk-1"]


def test_volumes_that_only_bear_the_id() -> None:
    rows = [{"volid": "local:101/vm-101-disk-9.qcow2", "vmid": 101}]
    answers = {
        f"{CONTENT}?content=images&vmid=101": rows,
        "/nodes/pve1/storage/scratch/content?content=images&vmid=101": [],
    }
    blast = Blast()
    assert owned_volumes(world_of({**ANSWERS, **answers}), VM, blast) == ["local:101/vm-101-disk-9.qcow2"]
    assert blast.public() == {"others": ["volume local:101/vm-101-disk-9.qcow2"], "complete": True}


# -- sight -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permissions", "sees"),
    [
        ({"/": {"VM.Audit": 1}}, True),
        ({"/vms": {"VM.Audit": 1}}, True),
        ({"/vms": {"VM.Audit": 0}}, False),  # without propagate: on /vms itself only
        ({"/": {"VM.Audit": 1}, "/vms": {"Sys.Audit": 1}}, False),
        ({"/": {"VM.Audit": 1}, "/vms/100": {}}, False),  # one guest is taken out
        ({"/": {"VM.Audit": 1}, "/vms/100": {"VM.Audit": 1}}, True),
        ({"/vms/100": {"VM.Audit": 1}}, False),
        ({}, False),
    ],
)
def test_whether_everything_below_a_path_is_seen(permissions: Any, sees: bool) -> None:
    assert sees_below(world_of({"/access/permissions": permissions}), "/vms", ("VM.Audit",)) is sees


def test_root_sees_everything() -> None:
    assert sees_below(world_of({}, is_root=True), "/vms", ("VM.Audit",))


def test_what_is_read_now_is_read_with_the_permissions_of_now_not_with_planned_ones() -> None:
    world = world_of(
        {"/access/permissions": {"/": {"VM.Audit": 1}}}, memory=Memory(permissions_foretold=True), check=True
    )
    assert sees_below(world, "/vms", ("VM.Audit",))
    assert not sees_below(world, "/storage", ("Datastore.Audit",))
    assert world.permissions() is None
