# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""diagnose_info over HTTPS: each thing that can be wrong, what each credential may not see of it, and dead nodes."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.harness import Site
from tests.lab import Lab
from tests.lab.state import Volume

DAY = 86400
SEED: dict[str, Any] = {
    "guests": {
        100: {
            "kind": "lxc",
            "node": "pve1",
            "running": True,
            "config": {"hostname": "web", "rootfs": "local-zfs:subvol-100-disk-0,size=4G"},
            "disks": {"local-zfs:subvol-100-disk-0": 4 << 30},
        },
        101: {"kind": "qemu", "node": "pve2", "running": True, "config": {"name": "db"}},
        102: {"kind": "qemu", "node": "pve1", "config": {"name": "golden", "template": 1}},
    }
}
Told = set[tuple[str, str, str]]


@pytest.fixture(scope="module")
def shared_site() -> Iterator[Site]:
    with Lab() as lab:
        yield Site(lab)


@pytest.fixture
def site(shared_site: Site) -> Site:
    shared_site.reset(SEED)
    for vmid in (100, 101):
        back_up(shared_site, vmid, hours=1)
    return shared_site


def back_up(site: Site, vmid: int, hours: float, storage: str = "nas") -> None:
    made = int(time.time() - hours * 3600)
    node = None if storage == "nas" else "pve1"
    volid = f"{storage}:backup/vzdump-lxc-{vmid}-2026_11_20-10_42_28.tar.zst"
    site.lab.state.add(Volume(volid, node, "backup", "tar.zst", 1 << 20, made, vmid=vmid))


def change(site: Site, **own: Any) -> None:
    """pve1 alone: in the seed the nodes are one and the same."""
    site.lab.state.nodes["pve1"] = {**site.lab.state.nodes["pve1"], **own}


def ask(site: Site, identity: str = "admin", **options: Any) -> dict[str, Any]:
    return site.run(identity=identity).done("diagnose_info", options)


def told(result: dict[str, Any]) -> Told:
    return {(flag["level"], flag["check"], flag["subject"]) for flag in result["flags"]}


@pytest.mark.parametrize("identity", ["admin", "root", "root_token"])
def test_a_healthy_cluster_has_no_flags_and_every_check_has_evidence(site: Site, identity: str) -> None:
    result = ask(site, identity)
    assert (result["flags"], result["grants"], result["changed"]) == ([], [], False)
    assert site.writes == []
    read = {*result["evidence"]["cluster"], *result["evidence"]["pve3"]}
    # there is no Ceph, and updates are looked for on request
    default = set(site.run().done("diagnose_info", {})["evidence"]["pve1"]) | {"cluster", "ha", "guests", "backups"}
    assert read == default
    assert {"storages", "services", "disks", "zfs", "certificates", "replication", "tasks"} <= read


def test_an_older_version_is_looked_at_as_well(shared_site: Site) -> None:
    shared_site.reset({"version": "8.4"})
    assert ask(shared_site)["flags"] == []


OF_NODES = ["services", "certificates", "memory", "root_disk", "disks", "zfs"]
DEAD = {"active-state": "inactive", "state": "dead"}
VIRTUAL = {"devpath": "/dev/vda", "health": "UNKNOWN", "wearout": "N/A"}  # as recorded
NODE_FLAGS: list[tuple[dict[str, Any], Told]] = [
    ({"services": {"pveproxy": DEAD}}, {("critical", "services", "pveproxy on pve1")}),
    ({"services": {"cron": DEAD}}, {("warning", "services", "cron on pve1")}),
    ({"services": {"cron": {**DEAD, "active-state": "failed"}}}, {("critical", "services", "cron on pve1")}),
    ({"services": {"cron": {**DEAD, "unit-state": "masked"}}}, set()),
    ({"certificate_days": 20}, {("warning", "certificates", "pve-ssl.pem on pve1")}),
    ({"certificate_days": -1}, {("critical", "certificates", "pve-ssl.pem on pve1")}),
    ({"memory_used": 64 << 30}, {("critical", "memory", "pve1")}),
    ({"disk_used": 250 << 30}, {("critical", "root_disk", "/ on pve1")}),
    ({"disks": [{"health": "FAILED!"}]}, {("critical", "disks", "/dev/nvme0n1 on pve1")}),
    ({"disks": [{"wearout": 3}]}, {("warning", "disks", "/dev/nvme0n1 on pve1")}),
    ({"disks": [VIRTUAL]}, {("unread", "disks", "/dev/vda on pve1")}),
    ({"zfs": [{"health": "DEGRADED"}]}, {("critical", "zfs", "rpool on pve1")}),
    ({"zfs": [{"alloc": 900000000000}]}, {("critical", "zfs", "rpool on pve1")}),
    ({"zfs": False}, set()),
]


@pytest.mark.parametrize(("own", "flags"), NODE_FLAGS, ids=[str(own)[:60] for own, _flags in NODE_FLAGS])
def test_what_is_wrong_with_a_node(site: Site, own: dict[str, Any], flags: Told) -> None:
    change(site, **own)
    assert told(ask(site, nodes=["pve1"], checks=OF_NODES)) == flags


def test_what_is_wrong_with_storages(site: Site) -> None:
    state, total = site.lab.state, 270553174016
    state.storage_used = {"nas": total * 92 // 100, "local-zfs": total * 96 // 100}
    state.storages_offline.add("scratch")
    state.storages["btr"]["disable"] = 1
    assert told(ask(site)) == {
        ("warning", "storages", "nas"),
        *(("critical", "storages", f"local-zfs on {node}") for node in state.nodes),
        *(("critical", "storages", f"scratch on {node}") for node in state.nodes),
    }
    assert told(ask(site, nodes=["pve1"], full=93)) == {
        ("critical", "storages", "local-zfs on pve1"),
        ("critical", "storages", "scratch on pve1"),
    }


def test_tasks_that_failed(site: Site) -> None:
    site.lab.fault(method="POST", path="/vzdump", task_exit="job errors")
    assert site.run().task("backup", {"vmid": 100, "storage": "nas"})["failed"]
    result = ask(site)
    assert told(result) == {("warning", "tasks", "vzdump 100 on pve1")}
    assert result["flags"][0]["what"] == "failed: job errors"
    for task in site.lab.app.tasks.all.values():
        task.started -= 2 * DAY
    assert told(ask(site)) == set()
    assert told(ask(site, since="3d")) == {("warning", "tasks", "vzdump 100 on pve1")}


def test_guests_without_a_young_backup(site: Site) -> None:
    volumes = site.lab.state.volumes
    for key in [key for key, volume in volumes.items() if volume.vmid == 100 and volume.content == "backup"]:
        del volumes[key]
    back_up(site, 101, hours=8 * 24)
    result = ask(site)
    assert [(flag["level"], flag["subject"], flag["what"]) for flag in result["flags"]] == [
        ("warning", "lxc/100 web", "has no backup"),
        ("warning", "qemu/101 db", "its newest backup is 8.0 days old"),
    ]
    assert told(ask(site, backup_max_age="9d")) == {("warning", "backups", "lxc/100 web")}
    # on another storage, on which only its node has it
    back_up(site, 100, hours=1, storage="local")
    assert told(ask(site)) == {("warning", "backups", "qemu/101 db")}


def test_replication_that_fails(site: Site) -> None:
    state = site.lab.state
    state.replication["100-0"] = {"guest": 100, "target": "pve2"}
    assert told(ask(site)) == {("warning", "replication", "job 100-0 from pve1 to pve2")}
    now = int(time.time())
    state.replication_results["100-0"] = {"last_sync": now, "last_try": now}
    assert told(ask(site)) == set()
    state.replication_results["100-0"] |= {"fail_count": 2, "error": "no route to host"}
    (flag,) = ask(site)["flags"]
    assert (flag["level"], flag["what"]) == ("critical", "failed 2 times in a row: no route to host")


def test_what_is_wrong_with_the_cluster(site: Site) -> None:
    site.lab.state.ceph_health = {"status": "HEALTH_WARN", "checks": {"X": {"summary": {"message": "1 osds down"}}}}
    site.lab.fault(no_quorum=True)
    result = ask(site)
    assert told(result) == {("critical", "cluster", "lab"), ("warning", "ceph", "ceph")}
    assert result["flags"][1]["what"] == "HEALTH_WARN: 1 osds down"


def test_updates_need_more_than_reading(site: Site) -> None:
    change(site, updates=[{"Package": "tzdata", "Version": "2026f"}])
    assert told(ask(site, "root_token", checks=["updates"])) == {("warning", "updates", "pve1")}
    (one, *_others) = ask(site, "auditor", checks=["updates"])["flags"]
    assert one["needs"] == {"path": "/nodes/pve1", "any_of": ["Sys.Modify"]}


def grant(site: Site, line: str) -> None:
    """What an administrator does with such a line."""
    made = r"pveum role add (\S+) --privs '([^']+)'"
    given = r"pveum acl modify '([^']+)' --tokens '([^']+)' --roles \1"
    found = re.fullmatch(f"{made} && {given}", line)
    assert found, line
    role, privileges, path, who = found.groups()
    known = set(site.lab.state.roles.get(role, ()))
    site.lab.state.roles[role] = known | set(privileges.split())
    for subject in dict.fromkeys((who, who.partition("!")[0])):  # a token with privilege separation, and its user
        entry = {"path": path, "ugid": subject, "roleid": role, "propagate": 1}
        site.lab.state.acl.append(entry | {"type": "token" if "!" in subject else "user"})


@pytest.mark.parametrize("identity", ["nothing", "auditor", "vmadmin"])
def test_every_gap_names_the_privilege_and_the_lines_close_all_of_them(site: Site, identity: str) -> None:
    result = ask(site, identity)
    assert {flag["level"] for flag in result["flags"]} == {"unread"}
    assert result["counts"]["unread"] >= 3
    assert all(flag["grant"] in result["grants"] for flag in result["flags"] if "needs" in flag)
    # what may be seen then may show what else is needed
    for _round in range(3):
        for line in result["grants"]:
            grant(site, line)
        result = ask(site, identity)
    assert result["flags"] == []
    assert len(result["evidence"]["pve1"]) == 9


def test_a_credential_that_sees_nothing_says_so_of_every_check(site: Site) -> None:
    flags = ask(site, "nothing")["flags"]
    # every credential may read certificates
    checks = {"cluster", "ha", "ceph", "guests", "backups", "storages", "tasks", "services", "memory", "root_disk"}
    assert {flag["check"] for flag in flags} == checks | {"replication", "disks", "zfs"}
    assert all(flag["needs"]["any_of"] and flag["grant"] for flag in flags)


def test_who_may_not_see_the_backups_is_not_told_that_there_are_none(site: Site) -> None:
    flags = [flag for flag in ask(site, "auditor")["flags"] if flag["check"] == "backups"]
    assert {flag["level"] for flag in flags} == {"unread"}
    assert {flag["subject"] for flag in flags} == {"guests", "local", "nas", "lxc/100 web", "qemu/101 db"}


def test_a_dead_node_hides_nothing_of_the_others(site: Site) -> None:
    site.lab.fault(node_offline="pve2")
    change(site, certificate_days=1)
    result = ask(site)
    assert told(result) == {
        ("critical", "cluster", "pve2"),
        ("critical", "certificates", "pve-ssl.pem on pve1"),
        ("unread", "nodes", "pve2"),
        ("unread", "backups", "local on pve2"),
    }
    assert result["flags"][1]["evidence"] == {"guests": ["qemu/101"]}
    assert not [entry for entry in site.lab.requests if entry["path"].startswith("/nodes/pve2/")]


@pytest.mark.slow
def test_a_node_that_dies_while_it_is_asked(site: Site) -> None:
    site.lab.fault(method="GET", path="^/nodes/pve3/", status=595, reason="No route to host", count=99)
    flags = ask(site, checks=["services", "zfs"])["flags"]
    assert {(flag["level"], flag["check"], flag["subject"]) for flag in flags} == {
        ("unread", "services", "pve3"),
        ("unread", "zfs", "pve3"),
    }
    assert all("No route to host" in flag["what"] for flag in flags)


@pytest.mark.parametrize(
    "fault", [{"status": 500, "reason": "it broke"}, {"status": 501, "reason": "no"}, {"status": 403}], ids=str
)
def test_one_read_that_fails_spoils_no_other(site: Site, fault: dict[str, Any]) -> None:
    site.lab.fault(method="GET", path="^/nodes/pve1/disks/list", count=9, **fault)
    assert told(ask(site)) == {("unread", "disks", "pve1")}


def test_few_requests_are_needed(site: Site) -> None:
    site.forget()
    ask(site)
    asked = [entry["path"] for entry in site.lab.requests]
    assert len(asked) == len(set(asked)) == 1 + 3 + 1 + 4 + 3 * 8
