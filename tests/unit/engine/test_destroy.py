# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest that must not be there: refused where something is in the way, and never reported as done while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import compute_digest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest.destroy import plan_absent
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan

from tests.unit.engine.fakes import Cluster, Memory, World, world_of

KINDS = ("qemu", "lxc")
DISKS = {
    "qemu": {
        "scsi0": "local:101/vm-101-disk-0.qcow2,size=8G",
        "unused0": "local:101/vm-101-disk-1.qcow2",
        "ide2": "local:iso/debian.iso,media=cdrom",
    },
    "lxc": {
        "rootfs": "local:101/vm-101-disk-0.raw,size=4G",
        "unused0": "local:101/vm-101-disk-1.raw",
        "mp0": "/srv,mp=/srv",
    },
}
NAMES = {"qemu": "name", "lxc": "hostname"}
CONTENT = "/nodes/pve1/storage/local/content"
BACKUP = {"volid": "local:backup/new", "content": "backup", "vmid": 101, "ctime": 1_700_000_000}
OLDER = {"volid": "local:backup/old", "content": "backup", "vmid": 101, "ctime": 1_600_000_000}
OPTIONS: dict[str, Any] = {"vmid": 101, "force": False, "purge": False}


def guest_of(kind: str, **config: Any) -> Guest:
    return Guest(kind, 101, "pve1", {NAMES[kind]: "web", "digest": "d1", **DISKS[kind], **config})


def answers(
    kind: str, changed: Mapping[str, Any] | None = None, *, power: str = "stopped", managed: bool = False
) -> dict[str, Any]:
    """A cluster in which nothing hangs on the guest but one backup."""
    here = f"/nodes/pve1/{kind}/101"
    ha = {"managed": 1, "state": "started"} if managed else {"managed": 0}
    bare = {
        f"{here}/status/current": {"vmid": 101, "status": power, "ha": ha},
        f"{here}/snapshot": [{"name": "current"}],
        f"{here}/firewall/rules": [],
        f"{here}/firewall/options": {"digest": "d"},
        f"{here}/firewall/refs": [],
        "/access/acl": [],
        "/cluster/backup": [],
        "/cluster/ha/rules": [],
        "/cluster/replication": [],
        "/cluster/resources?type=vm": [{"type": kind, "vmid": 101, "node": "pve1"}],
        "/nodes/pve1/storage": [{"storage": "local", "content": "images,rootdir,backup"}],
        f"{CONTENT}?content=backup": [BACKUP],
        f"{CONTENT}?content=images": [],
        f"{CONTENT}?content=rootdir": [],
        "/nodes": [{"node": "pve1", "status": "online"}],
        "/cluster/status": [{"type": "node", "name": "pve1", "online": 1}],
    }
    return {**bare, **(changed or {})}


def absent(guest: Guest, known: Mapping[str, Any], **options: Any) -> Plan:
    world = world_of(known, identity="root@pam", is_root=True)
    return plan_absent(TABLES[guest.kind], {**OPTIONS, **options}, world, guest)


def ops(plan: Plan) -> list[str]:
    return [step.op for step in plan.steps]


def reasons(plan: Plan) -> str:
    return "\n".join(plan.blast.risk(changes=True)["reasons"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_guest_that_is_not_there_is_absent(kind: str) -> None:
    cluster = Cluster({})
    plan = plan_absent(TABLES[kind], OPTIONS, World(cluster.get, Memory(), False), None)
    assert not plan.changed
    assert plan.summary == f"{kind} 101 does not exist"
    assert cluster.asked == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_guest_is_destroyed(kind: str) -> None:
    plan = absent(guest_of(kind), answers(kind))
    assert ops(plan) == ["destroy"]
    step = plan.steps[0]
    assert (step.method, step.path, step.data) == ("DELETE", f"/nodes/pve1/{kind}/101", {})
    assert [(need.path, need.any_of) for need in step.needs] == [("/vms/101", ("VM.Allocate",))]
    suffix = "qcow2" if kind == "qemu" else "raw"
    shown = plan.public()
    assert shown["blast_radius"] == {
        "guests": [f"{kind}/101"],
        "nodes": ["pve1"],
        "storages": ["local"],
        "others": [
            "backup local:backup/new",
            f"volume local:101/vm-101-disk-0.{suffix}",
            f"volume local:101/vm-101-disk-1.{suffix}",
        ],
        "complete": True,
    }
    assert shown["risk"] == {"level": "high", "reasons": [f"destroys {kind}/101 with 2 volume(s)"]}


@pytest.mark.parametrize("kind", KINDS)
def test_absent_on_a_running_guest_never_reports_ok(kind: str) -> None:
    """The peers answer changed=false and leave it running (proxmox_kvm and proxmox, state absent)."""
    with pytest.raises(Refused, match=f"{kind}/101 is running.*force: true"):
        absent(guest_of(kind), answers(kind, power="running"))


@pytest.mark.parametrize("kind", KINDS)
def test_with_force_a_running_guest_is_stopped_first(kind: str) -> None:
    known = answers(kind, power="running")
    plan = absent(guest_of(kind), known, force=True)
    assert ops(plan) == ["stop", "destroy"]
    assert plan.steps[0].path == f"/nodes/pve1/{kind}/101/status/stop"
    assert "is switched off at once" in reasons(plan)
    assert plan.after == {"exists": False}


def test_what_ha_stops_is_waited_for_before_it_is_destroyed() -> None:
    plan = absent(guest_of("qemu"), answers("qemu", power="running", managed=True), force=True, purge=True)
    assert ops(plan) == ["stop", "destroy"]
    still = plan.steps[0].until
    assert still is not None
    assert "has not stopped it" in still(Cluster(answers("qemu", power="running", managed=True)))
    assert still(Cluster(answers("qemu", managed=True))) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_force_does_not_stop_what_is_stopped(kind: str) -> None:
    assert ops(absent(guest_of(kind), answers(kind), force=True)) == ["destroy"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_protected_guest_is_refused_also_with_force(kind: str) -> None:
    with pytest.raises(Refused, match=r"is protected.*Set protection: false first"):
        absent(guest_of(kind, protection=1), answers(kind), force=True, purge=True)


@pytest.mark.parametrize(("kind", "tool"), [("qemu", "qm"), ("lxc", "pct")])
def test_a_locked_guest_is_refused_before_the_task_fails(kind: str, tool: str) -> None:
    """For a VM Proxmox answers 200, and only the task says that it is locked."""
    with pytest.raises(Refused, match=rf"is locked \(backup\).*{tool} unlock 101"):
        absent(guest_of(kind, lock="backup"), answers(kind), force=True)


def test_on_a_node_that_is_offline_nothing_is_destroyed() -> None:
    offline = {"/cluster/status": [{"type": "node", "name": "pve1", "online": 0}]}
    with pytest.raises(Refused, match="Node pve1 is offline"):
        absent(guest_of("qemu"), answers("qemu", offline))


def test_a_hibernated_vm_may_be_destroyed_under_its_lock() -> None:
    assert ops(absent(guest_of("qemu", lock="suspended"), answers("qemu"))) == ["destroy"]


@pytest.mark.parametrize(("kind", "resource"), [("qemu", "vm:101"), ("lxc", "ct:101")])
def test_a_guest_that_ha_knows_goes_only_with_purge(kind: str, resource: str) -> None:
    ignored = {f"/cluster/ha/resources/{resource}": {"sid": resource, "state": "ignored"}}
    with pytest.raises(Refused, match="is a resource of HA"):
        absent(guest_of(kind), answers(kind, ignored))
    rules = {"/cluster/ha/rules": [{"rule": "apart", "resources": f"vm:7,{resource}"}]}
    known = answers(kind, rules, managed=True)
    with pytest.raises(Refused, match=rf"is a resource of HA \({resource}\).*purge: true"):
        absent(guest_of(kind), known)
    plan = absent(guest_of(kind), known, purge=True)
    assert plan.steps[-1].data == {"purge": 1}
    assert f"takes {resource} out of HA, which the rules apart name" in reasons(plan)
    assert {f"HA resource {resource}", "HA rule apart"} <= plan.blast.others


@pytest.mark.parametrize("kind", KINDS)
def test_a_replicated_guest_goes_only_with_purge(kind: str) -> None:
    known = answers(kind, {"/cluster/replication": [{"id": "101-0", "guest": 101}, {"id": "101-1", "guest": 101}]})
    with pytest.raises(Refused, match=r"is replicated by 101-0, 101-1.*purge: true"):
        absent(guest_of(kind), known)
    assert "removes the replication jobs 101-0, 101-1" in reasons(absent(guest_of(kind), known, purge=True))


def test_a_template_with_linked_clones_is_refused_naming_them() -> None:
    """Proxmox says it only in the task, when the clones are not named any more."""
    rows = [
        {"volid": f"local:101/base-101-disk-0.qcow2/{vmid}/vm-{vmid}-disk-0.qcow2", "vmid": vmid} for vmid in (7, 8)
    ]
    known = answers("qemu", {f"{CONTENT}?content=images": rows})
    template = guest_of("qemu", template=1, scsi0="local:101/base-101-disk-0.qcow2,size=8G")
    with pytest.raises(Refused, match="linked clones that need its disks: qemu/7, qemu/8"):
        absent(template, known, force=True, purge=True)


@pytest.mark.parametrize(
    ("jobs", "purge", "said"),
    [
        ([{"id": "nightly", "vmid": "100,101"}], False, "backup job nightly goes on naming it, and fails"),
        ([{"id": "nightly", "vmid": "100,101"}], True, "takes it out of backup job nightly"),
        ([{"id": "nightly", "vmid": "101"}], True, "removes backup job nightly, which names no other guest"),
        ([{"id": "nightly", "all": 1}], False, "backup job nightly includes it until then"),
    ],
)
def test_what_becomes_of_backup_jobs(jobs: list[dict[str, Any]], purge: bool, said: str) -> None:
    plan = absent(guest_of("qemu"), answers("qemu", {"/cluster/backup": jobs}), purge=purge)
    assert said in reasons(plan)
    assert "backup job nightly" in plan.blast.others


def test_snapshots_firewall_permissions_and_pool_go_along() -> None:
    here = "/nodes/pve1/qemu/101"
    more = {
        f"{here}/snapshot": [{"name": "s1"}, {"name": "current"}],
        f"{here}/firewall/rules": [{"pos": 0}],
        "/access/acl": [{"path": "/vms/101", "type": "user", "ugid": "bob@pve", "roleid": "PVEVMUser"}],
        "/cluster/resources?type=vm": [{"type": "qemu", "vmid": 101, "node": "pve1", "pool": "web"}],
    }
    said = reasons(absent(guest_of("qemu"), answers("qemu", more)))
    assert "destroys 1 snapshot(s)" in said
    assert "removes 1 firewall rule(s) of qemu/101" in said
    assert "removes the permissions on it: PVEVMUser of user bob@pve" in said
    assert "takes it out of pool web" in said


def test_a_volume_of_another_guest_stays_and_is_said_to() -> None:
    plan = absent(guest_of("qemu", scsi1="local:55/vm-55-disk-3.qcow2,size=1G"), answers("qemu"))
    assert "volume local:55/vm-55-disk-3.qcow2 belongs to guest 55 and stays" in reasons(plan)
    assert "volume local:55/vm-55-disk-3.qcow2" not in plan.blast.others


def test_unreferenced_disks_go_only_when_told_and_are_named() -> None:
    rows = [
        {"volid": "local:101/vm-101-disk-0.qcow2", "vmid": 101},
        {"volid": "local:101/vm-101-disk-9.qcow2", "vmid": 101},
    ]
    known = answers("qemu", {f"{CONTENT}?content=images&vmid=101": rows})
    plan = absent(guest_of("qemu"), known, destroy_unreferenced_disks=True)
    assert plan.steps[0].data == {"destroy-unreferenced-disks": 1}
    assert "destroys volumes that it does not use any more: local:101/vm-101-disk-9.qcow2" in reasons(plan)
    assert "volume local:101/vm-101-disk-9.qcow2" in plan.blast.others


# -- undo --------------------------------------------------------------------------------------------------------------


def test_the_newest_backup_is_what_brings_it_back() -> None:
    plan = absent(guest_of("qemu"), answers("qemu", {f"{CONTENT}?content=backup": [BACKUP, OLDER]}))
    undo = plan.undo.public()
    why = (
        "its volumes are gone; its newest backup, local:backup/new of 2023-11-14 22:13 UTC, brings back what they held"
        " then"
    )
    assert (undo["possible"], undo["why"]) == (False, why)
    restore, configure = undo["steps"]
    assert (restore["op"], restore["archive"], restore["of"]) == ("restore", "local:backup/new", [0])
    assert (configure["op"], configure["config"]["name"], configure["of"]) == ("configure", "web", [0])


def test_without_a_backup_nothing_brings_it_back() -> None:
    plan = absent(guest_of("qemu"), answers("qemu", {f"{CONTENT}?content=backup": []}))
    assert plan.undo.why == "its volumes are gone, and there is no backup of it"
    assert "there is no backup of it on the storages of node pve1" in reasons(plan)


def test_backups_that_cannot_be_seen_are_not_taken_for_none() -> None:
    refused = {f"{CONTENT}?content=backup": PermissionDenied("no", status=403)}
    plan = absent(guest_of("qemu"), answers("qemu", refused))
    assert plan.undo.why == "its volumes are gone, and whether there is a backup is not known"
    assert "there is no backup" not in reasons(plan)
    assert plan.public()["blast_radius"]["complete"] is False


# -- digest and preview ------------------------------------------------------------------------------------------------


def digest(**config: Any) -> str:
    return compute_digest(absent(guest_of("qemu", **config), answers("qemu")), {}, {})


def test_the_digest_binds_the_configuration_and_not_its_digest() -> None:
    assert digest() == digest(digest="another")
    assert digest() != digest(cores=4)


def test_later_tasks_of_a_preview_see_it_gone() -> None:
    plan = absent(
        guest_of("qemu"),
        answers("qemu", {"/cluster/replication": [{"id": "101-0", "guest": 101}]}),
        purge=True,
    )
    done = {(effect.at, effect.do) for effect in plan.effects}
    assert ("/nodes/pve1/qemu/101/pending", "gone") in done
    assert ("/cluster/resources?type=vm", "drop") in done
    assert ("/cluster/replication", "drop") in done
