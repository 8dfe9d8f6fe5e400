# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Destroying a guest takes with it what the plan named, and nothing else; limits hold from task to task."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _engine
from ansible_collections.steward.proxmox.plugins.module_utils._policy import POLICY
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.settings import policy_of

from tests.contract import harness
from tests.contract.harness import Site
from tests.contract.scenarios import TEMPLATE, Options

GIB = 1 << 30
MODULES = {"qemu": "vm", "lxc": "lxc"}
KINDS = tuple(MODULES)


def guest(kind: str, vmid: int, *, running: bool = False) -> dict[str, Any]:
    """A guest with one disk."""
    if kind == "qemu":
        disk = f"local-zfs:vm-{vmid}-disk-0"
        config = {"name": f"g{vmid}", "scsi0": f"{disk},size=1G"}
    else:
        disk = f"local-zfs:subvol-{vmid}-disk-0"
        config = {"hostname": f"g{vmid}", "arch": "amd64", "ostype": "debian", "rootfs": f"{disk},size=1G"}
    return {"kind": kind, "node": "pve1", "running": running, "config": config, "disks": {disk: GIB}}


def seeded(site: Site, kind: str, more: Options | None = None, *, running: bool = False) -> Site:
    site.reset({"guests": {101: guest(kind, 101, running=running), 102: guest(kind, 102)}, **(more or {})})
    return site


def absent(**options: Any) -> dict[str, Any]:
    return {"vmid": 101, "node": "pve1", "state": "absent", **options}


@pytest.mark.parametrize("kind", KINDS)
def test_absent_on_a_running_guest_is_never_ok(empty_site: Site, kind: str) -> None:
    """The peers report ok, changed=false, and leave it running."""
    site = seeded(empty_site, kind, running=True)
    for check in (True, False):
        result = site.run(check).task(MODULES[kind], absent())
        assert result["failed"]
        assert "is running" in result["msg"]
        assert "force: true" in result["msg"]
    assert site.writes == []
    done = site.run().done(MODULES[kind], absent(force=True))
    assert [step["op"] for step in done["plan"]["steps"]] == ["stop", "destroy"]
    assert 101 not in site.lab.state.guests
    assert not site.run().done(MODULES[kind], absent())["changed"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unreferenced", [False, True])
def test_what_went_was_named_and_what_was_named_went(empty_site: Site, kind: str, unreferenced: bool) -> None:
    site = seeded(empty_site, kind)
    lab = site.lab
    stray = f"local-zfs:{'vm' if kind == 'qemu' else 'subvol'}-101-disk-7"
    own = next(volume for volume in lab.state.volumes.values() if volume.vmid == 101)
    lab.state.add(type(own)(stray, own.node, own.content, own.format, GIB, own.ctime, vmid=101))
    site.run().done("backup", {"vmid": 101, "storage": "local", "name": "kept"})
    before = {volume.volid for volume in lab.state.volumes.values()}
    done = site.run().done(MODULES[kind], absent(destroy_unreferenced_disks=unreferenced))
    gone = before - {volume.volid for volume in lab.state.volumes.values()}
    blast = done["plan"]["blast_radius"]
    assert blast["complete"]
    named = {name.removeprefix("volume ") for name in blast["others"] if name.startswith("volume ")}
    assert gone == named
    assert (stray in gone) is unreferenced
    (kept,) = [name.removeprefix("backup ") for name in blast["others"] if name.startswith("backup ")]
    assert kept in done["plan"]["undo"]["why"]
    assert kept in {volume.volid for volume in lab.state.volumes.values()}


@pytest.mark.parametrize("kind", KINDS)
def test_replication_ha_and_backup_jobs_go_with_purge_and_are_in_the_way_without(empty_site: Site, kind: str) -> None:
    sid = f"{'vm' if kind == 'qemu' else 'ct'}:101"
    jobs = {
        "replication": {"101-0": {"guest": 101, "target": "pve2", "type": "local"}},
        "ha": {sid: {"state": "ignored"}},
        "backup_jobs": {
            "own": {"vmid": "101", "schedule": "02:00", "storage": "local"},
            "both": {"vmid": "101,102", "schedule": "02:00", "storage": "local"},
        },
    }
    site = seeded(empty_site, kind, jobs)
    refused = site.run().task(MODULES[kind], absent())
    assert f"is a resource of HA ({sid})" in refused["msg"]
    site.lab.state.ha.clear()
    assert "is replicated by 101-0" in site.run().task(MODULES[kind], absent())["msg"]
    assert site.writes == []
    site.lab.state.ha[sid] = {"state": "ignored"}
    plan = site.run().done(MODULES[kind], absent(purge=True))["plan"]
    assert {"replication job 101-0", f"HA resource {sid}", "backup job own", "backup job both"} <= set(
        plan["blast_radius"]["others"]
    )
    state = site.lab.state
    assert (state.replication, state.ha) == ({}, {})
    assert {name: job["vmid"] for name, job in state.backup_jobs.items()} == {"both": "102"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_ha_manages_is_stopped_by_it_and_then_destroyed(empty_site: Site, kind: str) -> None:
    sid = f"{'vm' if kind == 'qemu' else 'ct'}:101"
    site = seeded(empty_site, kind, {"ha": {sid: {"state": "started"}}}, running=True)
    done = site.run(identity="root").done(MODULES[kind], absent(force=True, purge=True))
    assert [step["status"] for step in done["plan"]["steps"]] == ["done", "done"]
    assert 101 not in site.lab.state.guests
    assert site.lab.state.ha == {}


def test_a_template_with_a_linked_clone_is_refused_before_the_task_fails(empty_site: Site) -> None:
    site = seeded(empty_site, "lxc")
    site.run().done("lxc", {"vmid": 101, "state": "template"})
    clone = {"vmid": 110, "node": "pve1", "source": {"clone": {"vmid": 101, "full": False}}}
    site.run().done("lxc", clone)
    site.forget()
    result = site.run().task("lxc", absent(force=True, purge=True))
    assert "has linked clones that need its disks: lxc/110" in result["msg"]
    assert site.writes == []
    site.run().done("lxc", {"vmid": 110, "state": "absent"})
    assert site.run().done("lxc", absent())["changed"]


def test_a_weak_token_may_destroy_but_is_told_what_it_cannot_see(empty_site: Site) -> None:
    site = seeded(empty_site, "lxc")
    plan = site.run(check=True, identity="vmadmin").done("lxc", absent())["plan"]
    assert plan["blast_radius"]["complete"] is False
    assert plan["risk"]["level"] == "high"
    unseen = "\n".join(why for why in plan["risk"]["reasons"] if why.startswith("could not be seen"))
    assert "HA resource ct:101" in unseen
    assert "backup jobs" in unseen
    assert "storages of node pve1" in unseen
    assert "whether there is a backup is not known" in plan["undo"]["why"]


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the front door finds in the environment of the controller."""
    variables: dict[str, str] = {}

    class Limited(_engine.Work):
        def __init__(self, planner: Any, options: Any, *rest: Any) -> None:
            super().__init__(planner, {**options, POLICY: policy_of(variables, []).export()}, *rest)

    monkeypatch.setattr(harness, "Work", Limited)
    return variables


def container(vmid: int, **more: Any) -> dict[str, Any]:
    return {
        "vmid": vmid,
        "node": "pve1",
        "source": {"template": TEMPLATE},
        "rootfs": {"storage": "local-zfs", "size": "4G"},
        "cores": 1,
        **more,
    }


@pytest.mark.parametrize("check", [True, False])
def test_guests_of_the_same_run_count(empty_site: Site, environment: dict[str, str], check: bool) -> None:
    site = seeded(empty_site, "lxc")
    environment["PROXMOX_MAX_VMS"] = "4"
    run = site.run(check)
    run.done("lxc", container(111))
    run.done("lxc", container(112))
    refused = run.task("lxc", container(113))
    assert refused["refused"]
    assert "would be guest number 5, and the limit is 4 (PROXMOX_MAX_VMS)" in refused["msg"]
    run.done("lxc", {"vmid": 111, "state": "absent"})
    assert run.done("lxc", container(113))["changed"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"cores": 17}, "number of cores would be 17, and the limit is 16"),
        ({"memory": 32769}, "memory in MiB would be 32769, and the limit is 32768"),
        ({"rootfs": {"storage": "local-zfs", "size": "501G"}}, "disk space in GiB would be 501, and the limit is 500"),
    ],
)
def test_guarded_holds_for_new_and_for_existing_guests(
    empty_site: Site, environment: dict[str, str], more: dict[str, Any], said: str
) -> None:
    site = seeded(empty_site, "lxc")
    environment["STEWARD_POLICY"] = "guarded"
    assert said in site.run().task("lxc", container(111, **more))["msg"]
    assert said in site.run(check=True).task("lxc", {"vmid": 101, **more, "limits": {"max_cpu": 999}})["msg"]
    assert site.writes == []


def test_a_copy_counts_by_what_it_will_be(empty_site: Site, environment: dict[str, str]) -> None:
    site = seeded(empty_site, "lxc")
    site.lab.state.guests[102].config |= {"cores": 8}
    environment["PROXMOX_MAX_CPU"] = "4"
    clone = {"vmid": 110, "node": "pve1", "source": {"clone": {"vmid": 102}}}
    assert "number of cores would be 8, and the limit is 4" in site.run().task("lxc", clone)["msg"]
    assert site.run(check=True).done("lxc", {**clone, "cores": 4})["changed"]


def test_a_restored_guest_counts_by_what_it_will_be(empty_site: Site, environment: dict[str, str]) -> None:
    site = seeded(empty_site, "lxc")
    site.lab.state.guests[102].config |= {"memory": 4096}
    site.run().done("backup", {"vmid": 102, "storage": "local", "name": "large"})
    site.forget()
    environment["PROXMOX_MAX_RAM_MB"] = "2048"
    archive = {"storage": "local", "guest": 102}
    restored = {"vmid": 110, "node": "pve1", "source": {"archive": archive}, "rootfs": {"storage": "local-zfs"}}
    assert "memory in MiB would be 4096, and the limit is 2048" in site.run().task("lxc", restored)["msg"]
    assert site.writes == []


def test_who_cannot_count_is_refused_where_the_number_is_limited(empty_site: Site, environment: dict[str, str]) -> None:
    vmadmin = {"nobody@pve": "PVEVMAdmin", "nobody@pve!nothing": "PVEVMAdmin"}
    site = seeded(empty_site, "lxc", {"acl": {"/vms/111": vmadmin}})
    environment["PROXMOX_MAX_VMS"] = "50"
    refused = site.run(check=True, identity="nothing").task("lxc", container(111))
    assert "how many guests there are is not known" in refused["msg"]
