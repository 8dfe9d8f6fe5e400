# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a node: each flag, and the value from which on it is raised."""

import re
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose import nodes
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.flags import Limits
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.nodes import MOST_TASKS, NODE_CHECKS

from tests.lab.schema import endpoint

NOW, DAY = 1_800_000_000, 86400
LIMITS = Limits(now=NOW)
Told = list[tuple[str, str, str]]


def told(judge: Any, answer: Any, limits: Limits = LIMITS) -> Told:
    return [(flag.level, flag.subject, flag.what) for flag in judge("pve1", answer, limits)[1]]


def levels(judge: Any, answer: Any, limits: Limits = LIMITS) -> list[str]:
    return [level for level, _subject, _what in told(judge, answer, limits)]


@pytest.mark.parametrize(
    ("used", "level"),
    [(0, []), (899, []), (900, ["warning"]), (949, ["warning"]), (950, ["critical"]), (1000, ["critical"])],
)
def test_what_is_nearly_full(used: int, level: list[str]) -> None:
    storage = {"storage": "local", "active": 1, "enabled": 1, "used": used, "total": 1000}
    assert levels(nodes.storages, [storage]) == level
    assert levels(nodes.root_disk, {"rootfs": {"used": used, "avail": 1000 - used, "total": 2000}}) == level
    assert levels(nodes.zfs, [{"name": "rpool", "health": "ONLINE", "alloc": used, "size": 1000}]) == level


def test_the_limits_are_those_that_were_asked_for() -> None:
    storage = {"storage": "local", "active": 1, "used": 50, "total": 100}
    assert levels(nodes.storages, [storage], Limits(NOW, full=51)) == []
    assert levels(nodes.storages, [storage], Limits(NOW, full=50)) == ["warning"]
    assert levels(nodes.storages, [storage], Limits(NOW, full=10, full_critical=50)) == ["critical"]


@pytest.mark.parametrize(
    ("row", "flags"),
    [
        ({"active": 0, "enabled": 1}, [("critical", "s on pve1", "is not active: the node cannot reach it")]),
        ({"active": 0, "enabled": 0}, []),
        ({"active": 1, "enabled": 1, "used": 0, "total": 0}, []),
        ({"active": 1, "shared": 1, "used": 93, "total": 100}, [("warning", "s", "is 93.0 % full")]),
        ({"active": 1, "shared": 0, "used": 93, "total": 100}, [("warning", "s on pve1", "is 93.0 % full")]),
    ],
    ids=["not active", "disabled", "without a size", "shared", "its own"],
)
def test_storages(row: dict[str, Any], flags: Told) -> None:
    assert told(nodes.storages, [{"storage": "s", **row}]) == flags


def task(status: str | None, kind: str = "vzdump", target: str = "") -> dict[str, Any]:
    known = {"type": kind, "id": target, "upid": f"UPID:{kind}", "user": "root@pam"}
    return known if status is None else {**known, "status": status}


@pytest.mark.parametrize(
    ("rows", "flags"),
    [
        ([], []),
        ([task("OK"), task("WARNINGS: 2")], []),
        ([task("job errors")], [("warning", "vzdump on pve1", "failed: job errors")]),
        ([task(None)], [("warning", "vzdump on pve1", "failed: it ended without a status")]),
        (
            [task("new", "vzstart", "101"), task("old", "vzstart", "101"), task("x", "vzstart", "102")],
            [
                ("warning", "vzstart 101 on pve1", "failed 2 times, last: new"),
                ("warning", "vzstart 102 on pve1", "failed: x"),
            ],
        ),
    ],
    ids=["none", "good", "one", "without a status", "several"],
)
def test_failed_tasks(rows: list[dict[str, Any]], flags: Told) -> None:
    assert told(nodes.tasks, rows) == flags


def test_more_failed_tasks_than_are_read_are_told() -> None:
    assert levels(nodes.tasks, [task("x")] * (MOST_TASKS - 1)) == ["warning"]
    assert levels(nodes.tasks, [task("x")] * MOST_TASKS) == ["warning", "unread"]


@pytest.mark.parametrize(
    ("name", "active", "unit", "level"),
    [
        ("pveproxy", "active", "enabled", []),
        ("pveproxy", "inactive", "enabled", ["critical"]),
        ("pveproxy", "activating", "enabled", ["critical"]),
        ("cron", "inactive", "enabled", ["warning"]),
        ("cron", "inactive", "enabled-runtime", ["warning"]),
        ("cron", "inactive", "disabled", []),
        ("cron", "inactive", "masked", []),
        ("syslog", "inactive", "not-found", []),
        ("syslog", "unknown", "not-found", []),
        ("cron", "failed", "disabled", ["critical"]),
        ("cron", "failed", "enabled", ["critical"]),
        ("cron", "unknown", "unknown", ["unread"]),
    ],
)
def test_services(name: str, active: str, unit: str, level: list[str]) -> None:
    row = {"service": name, "state": "dead", "active-state": active, "unit-state": unit}
    assert levels(nodes.services, [row]) == level


def test_a_service_whose_state_is_not_told_is_unread() -> None:
    assert levels(nodes.services, [{"service": "cron", "state": "running"}]) == ["unread"]


@pytest.mark.parametrize(
    ("used", "level"), [(899, []), (900, ["warning"]), (969, ["warning"]), (970, ["critical"]), (1000, ["critical"])]
)
def test_memory(used: int, level: list[str]) -> None:
    assert levels(nodes.memory, {"memory": {"used": used, "total": 1000}}) == level


def test_a_root_disk_is_as_full_as_it_is_for_everybody() -> None:
    # recorded: 31 of 270 GB are used, and 77 GB are left
    recorded = {"free": 239341211648, "used": 31211962368, "avail": 77732331520, "total": 270553174016}
    assert levels(nodes.root_disk, {"rootfs": recorded}) == []
    assert levels(nodes.root_disk, {"rootfs": {**recorded, "avail": 31211962368 // 9}}) == ["warning"]


@pytest.mark.parametrize(
    ("left", "level"),
    [
        (30 * DAY + 1, []),
        (30 * DAY, ["warning"]),
        (7 * DAY + 1, ["warning"]),
        (7 * DAY, ["critical"]),
        (1, ["critical"]),
        (0, ["critical"]),
        (-DAY, ["critical"]),
        (None, ["unread"]),
    ],
)
def test_certificates(left: int | None, level: list[str]) -> None:
    row = {"filename": "pve-ssl.pem", "notafter": None if left is None else NOW + left, "pem": "-----BEGIN"}
    assert levels(nodes.certificates, [row]) == level
    kept, _flags = nodes.certificates("pve1", [row], LIMITS)
    assert "pem" not in kept[0]


JOB = {"id": "100-0", "target": "pve2"}


@pytest.mark.parametrize(
    ("row", "flags"),
    [
        ({"fail_count": 0, "last_sync": NOW}, []),
        ({"fail_count": 3, "error": "no route", "last_sync": 1}, ["failed 3 times in a row: no route"]),
        ({"fail_count": 1, "last_sync": 0}, ["failed 1 times in a row: it does not say why"]),
        ({"fail_count": 0, "last_sync": 0}, ["has never been carried out"]),
        ({"fail_count": 0, "last_sync": 0, "disable": 1}, []),
    ],
)
def test_replication(row: dict[str, Any], flags: list[str]) -> None:
    found = told(nodes.replication, [{**JOB, **row}])
    assert [what for _level, _subject, what in found] == flags
    assert {subject for _level, subject, _what in found} <= {"job 100-0 from pve1 to pve2"}


@pytest.mark.parametrize(
    ("health", "wearout", "level"),
    [
        ("PASSED", "N/A", []),
        ("OK", 100, []),
        ("PASSED", 11, []),
        ("PASSED", 10, ["warning"]),
        ("PASSED", "0", ["warning"]),
        ("FAILED!", "N/A", ["critical"]),
        ("FAILED!", 3, ["critical", "warning"]),
        ("UNKNOWN", "N/A", ["unread"]),
        ("SMART Disabled", None, ["unread"]),
        (None, None, ["unread"]),
        ("", "N/A", ["unread"]),
    ],
)
def test_disks(health: str | None, wearout: Any, level: list[str]) -> None:
    assert levels(nodes.disks, [{"devpath": "/dev/sda", "health": health, "wearout": wearout}]) == level


@pytest.mark.parametrize(
    ("health", "level"), [("ONLINE", []), ("DEGRADED", ["critical"]), ("SUSPENDED", ["critical"]), (None, ["critical"])]
)
def test_zfs(health: str | None, level: list[str]) -> None:
    assert levels(nodes.zfs, [{"name": "rpool", "health": health, "alloc": 1, "size": 10}]) == level


def test_updates() -> None:
    # recorded
    row = {"Package": "tzdata", "Version": "2026f-0+deb13u1", "OldVersion": "2026c-0+deb13u1", "Origin": "Debian"}
    assert told(nodes.updates, []) == []
    assert told(nodes.updates, [row, row]) == [("warning", "pve1", "2 packages can be updated")]


@pytest.mark.parametrize("name", NODE_CHECKS)
def test_what_a_check_needs_is_what_the_api_describes(name: str) -> None:
    """Either the server asks for it, or it leaves out what it does not cover, and then the check knows."""
    check = NODE_CHECKS[name]
    described = endpoint("GET", check.path)
    assert described
    assert described.permissions
    assert set(check.params(0)) <= set(described.properties)
    if described.permissions.get("user") == "all":
        assert check.sees or name == "certificates"
        return
    rules = re.findall(r"\['perm', '([^']+)', \['([\w.]+)'\]", str(described.permissions["check"]))
    assert check.sees is None
    assert all((check.needs.path, own) in rules for own in check.needs.any_of)
