# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a cluster as a whole: each flag, and the value from which on it is raised."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose import cluster
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.cluster import CLUSTER_CHECKS
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.flags import Flag, Limits

from tests.lab.schema import endpoint

NOW, DAY = 1_800_000_000, 86400
LIMITS = Limits(now=NOW, backup_age=7 * DAY)
Told = list[tuple[str, str, str]]


def told(flags: list[Flag]) -> Told:
    return [(flag.level, flag.subject, flag.what) for flag in flags]


def node(name: str, online: int = 1) -> dict[str, Any]:
    return {"type": "node", "name": name, "online": online}


@pytest.mark.parametrize(
    ("rows", "flags"),
    [
        ([node("pve1")], []),
        ([{"type": "cluster", "name": "lab", "quorate": 1}, node("pve1")], []),
        (
            [{"type": "cluster", "name": "lab", "quorate": 0}, node("pve1"), node("pve2", 0)],
            [("critical", "lab", "has no quorum: nothing can be changed or started")],
        ),
    ],
    ids=["a node on its own", "a cluster", "without quorum"],
)
def test_quorum(rows: list[dict[str, Any]], flags: Told) -> None:
    assert told(cluster.quorum(rows)[1]) == flags


def service(state: str) -> dict[str, Any]:
    return {"id": "service:vm:100", "type": "service", "sid": "vm:100", "state": state, "status": "x"}


@pytest.mark.parametrize(
    ("row", "level"),
    [
        ({"id": "quorum", "type": "quorum", "status": "OK"}, []),
        (service("started"), []),
        (service("stopped"), []),
        (service("freeze"), []),
        (service("error"), ["critical"]),
        (service("fence"), ["critical"]),
        (service("recovery"), ["critical"]),
        ({"id": "lrm:pve1", "type": "lrm", "status": "pve1 (active, Fri Nov 20 10:00:00 2026)"}, []),
        ({"id": "lrm:pve1", "type": "lrm", "status": "pve1 (maintenance mode, Fri Nov 20 10:00:00 2026)"}, []),
        ({"id": "lrm:pve1", "type": "lrm", "status": "pve1 (old timestamp - dead?, Fri Nov 20 2026)"}, ["critical"]),
        ({"id": "master", "type": "master", "status": "pve1 (detected time drift!, Fri Nov 20 2026)"}, ["critical"]),
    ],
)
def test_ha(row: dict[str, Any], level: list[str]) -> None:
    assert [flag.level for flag in cluster.ha([row])[1]] == level


FULL = {"OSD_NEARFULL": {"severity": "HEALTH_WARN", "summary": {"message": "1 nearfull osd(s)", "count": 1}}}


@pytest.mark.parametrize(
    ("health", "flags"),
    [
        ({"status": "HEALTH_OK", "checks": {}}, []),
        ({"status": "HEALTH_WARN", "checks": FULL}, [("warning", "ceph", "HEALTH_WARN: 1 nearfull osd(s)")]),
        ({"status": "HEALTH_ERR", "checks": {}}, [("critical", "ceph", "HEALTH_ERR")]),
        ({}, [("unread", "ceph", "no health is told")]),
        (None, [("unread", "ceph", "no health is told")]),
    ],
)
def test_ceph(health: Any, flags: Told) -> None:
    assert told(cluster.ceph({"fsid": "x", "health": health})[1]) == flags


def guest(vmid: int = 100, **more: Any) -> dict[str, Any]:
    known = {"id": f"lxc/{vmid}", "type": "lxc", "vmid": vmid, "node": "pve1", "name": "web", "status": "running"}
    return {**known, "template": 0, **more}


@pytest.mark.parametrize(
    ("row", "flags"),
    [
        (guest(disk=89, maxdisk=100), []),
        (guest(disk=90, maxdisk=100), [("warning", "lxc/100 web", "is 90.0 % full")]),
        (guest(disk=95, maxdisk=100), [("critical", "lxc/100 web", "is 95.0 % full")]),
        (guest(disk=99, maxdisk=100, status="stopped"), []),
        (guest(disk=0, maxdisk=0), []),
        (guest(disk=99, maxdisk=100, type="qemu"), []),
        (guest(status="unknown"), [("unread", "lxc/100", "node pve1 has not reported it")]),
        (guest(status="unknown", node="pve2"), []),
        ({"type": "storage", "node": "pve1", "status": "unknown"}, []),
    ],
    ids=["below", "at", "critical", "stopped", "no size", "a machine", "not reported", "its node is down", "no guest"],
)
def test_guests(row: dict[str, Any], flags: Told) -> None:
    assert told(cluster.guests([row], {"pve2"}, LIMITS)[1]) == flags


def backup(age: float, vmid: int = 100) -> dict[str, Any]:
    return {"vmid": vmid, "ctime": NOW - age, "content": "backup"}


@pytest.mark.parametrize(
    ("found", "complete", "flags"),
    [
        ([backup(7 * DAY)], True, []),
        ([backup(7 * DAY + 1)], True, [("warning", "lxc/100 web", "its newest backup is 7.0 days old")]),
        ([backup(DAY), backup(30 * DAY)], True, []),
        ([], True, [("warning", "lxc/100 web", "has no backup")]),
        ([backup(1, vmid=101)], True, [("warning", "lxc/100 web", "has no backup")]),
        ([], False, [("unread", "lxc/100 web", "has no backup that could be seen")]),
        (
            [backup(8 * DAY)],
            False,
            [("unread", "lxc/100 web", "its newest backup that could be seen is 8.0 days old")],
        ),
        ([backup(DAY)], False, []),
    ],
)
def test_backups(found: list[dict[str, Any]], complete: bool, flags: Told) -> None:
    assert told(cluster.backups([guest()], found, complete, LIMITS)[1]) == flags


def test_a_template_needs_no_backup() -> None:
    assert cluster.backups([guest(template=1)], [], True, LIMITS) == ({}, [])


@pytest.mark.parametrize("name", CLUSTER_CHECKS)
def test_what_a_check_needs_is_what_the_api_describes(name: str) -> None:
    check = CLUSTER_CHECKS[name]
    described = endpoint("GET", check.path)
    assert described
    assert described.permissions
    kind, where, any_of, *_unused = described.permissions["check"]
    assert (kind, where, set(any_of)) == ("perm", check.needs.path, set(check.needs.any_of))
