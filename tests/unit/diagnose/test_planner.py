# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What could not be read is told, whatever it was and however it failed; no flags at all mean that all is well."""

import time
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.planner import (
    CHECKS,
    DIAGNOSE_INFO,
    plan_diagnose_info,
)
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    AuthenticationFailed,
    BadInput,
    PermissionDenied,
    StewardError,
    Unreachable,
)
from ansible_collections.steward.proxmox.plugins.module_utils._info import bounded
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

NOW = time.time()
DEFAULTS = {name: spec.get("default") for name, spec in DIAGNOSE_INFO.options.items()}
SEES = ("Sys.Audit", "VM.Audit", "VM.Backup", "Datastore.Audit", "Datastore.AllocateSpace")
EVERYTHING = {"/": dict.fromkeys(SEES, 1)}
ROWS: list[dict[str, Any]] = [
    {"type": "node", "node": "pve1", "id": "node/pve1", "status": "online"},
    {"type": "node", "node": "pve2", "id": "node/pve2", "status": "online"},
    {"type": "lxc", "node": "pve1", "id": "lxc/100", "vmid": 100, "name": "web", "status": "running", "template": 0},
    {
        "type": "storage",
        "node": "pve1",
        "id": "storage/pve1/nas",
        "storage": "nas",
        "content": "backup",
        "shared": 1,
        "status": "available",
    },
]
STATUS: list[dict[str, Any]] = [
    {"type": "cluster", "name": "lab", "quorate": 1},
    {"type": "node", "name": "pve1", "online": 1},
    {"type": "node", "name": "pve2", "online": 1},
]
OF_A_NODE: dict[str, Any] = {
    "storage": [{"storage": "local", "active": 1, "enabled": 1, "used": 1, "total": 100}],
    "tasks": [],
    "services": [{"service": "pveproxy", "state": "running", "active-state": "active", "unit-state": "enabled"}],
    "status": {"memory": {"used": 1, "total": 10}, "rootfs": {"used": 1, "avail": 9}},
    "certificates/info": [{"filename": "pve-ssl.pem", "notafter": NOW + 400 * 86400}],
    "replication": [],
    "disks/list": [{"devpath": "/dev/sda", "health": "PASSED", "wearout": "N/A"}],
    "disks/zfs": ApiError("GET /nodes/pve1/disks/zfs was refused with 500: zfsutils-linux not installed"),
}
WELL: dict[str, Any] = {
    "/cluster/resources": ROWS,
    "/access/permissions": EVERYTHING,
    "/cluster/status": STATUS,
    "/cluster/ha/status/current": [{"id": "quorum", "type": "quorum", "status": "OK"}],
    "/cluster/ceph/status": ApiError("was refused with 500: binary not installed: /usr/bin/ceph-mon"),
    "/nodes/pve1/storage/nas/content": [{"content": "backup", "vmid": 100, "ctime": NOW - 60}],
    **{f"/nodes/{node}/{path}": answer for node in ("pve1", "pve2") for path, answer in OF_A_NODE.items()},
}
#: what each check asks on pve1 or of the cluster
READ_BY = {
    "cluster": "/cluster/status",
    "ha": "/cluster/ha/status/current",
    "ceph": "/cluster/ceph/status",
    "backups": "/nodes/pve1/storage/nas/content",
    "storages": "/nodes/pve1/storage",
    "tasks": "/nodes/pve1/tasks",
    "services": "/nodes/pve1/services",
    "memory": "/nodes/pve1/status",
    "root_disk": "/nodes/pve1/status",
    "certificates": "/nodes/pve1/certificates/info",
    "replication": "/nodes/pve1/replication",
    "disks": "/nodes/pve1/disks/list",
    "zfs": "/nodes/pve1/disks/zfs",
}
Flags = list[dict[str, Any]]


def ask(answers: dict[str, Any], is_root: bool = False, **options: Any) -> dict[str, Any]:
    def read(path: str, /, **_params: Any) -> Any:
        if isinstance(answers[path], Exception):
            raise answers[path]
        return answers[path]

    world = World(read, Memory(), False, "bob@pve!ci", is_root)
    return plan_diagnose_info({**DEFAULTS, **options}, world).result


def unread(result: dict[str, Any]) -> Flags:
    assert result["counts"]["unread"] == len([flag for flag in result["flags"] if flag["level"] == "unread"])
    return [flag for flag in result["flags"] if flag["level"] == "unread"]


def test_where_all_is_well_there_are_no_flags_and_everything_was_asked() -> None:
    result = ask(WELL)
    assert result["flags"] == []
    assert result["counts"] == {"critical": 0, "warning": 0, "unread": 0}
    assert (result["nodes"], result["grants"], result["truncated"]) == (["pve1", "pve2"], [], False)
    # neither Ceph nor ZFS is there
    assert set(result["evidence"]["cluster"]) == {"cluster", "ha", "guests", "backups"}
    of_a_node = set(CHECKS) - {"cluster", "ha", "ceph", "guests", "backups", "updates", "zfs"}
    assert set(result["evidence"]["pve1"]) == set(result["evidence"]["pve2"]) == of_a_node


FAILURES: list[StewardError] = [
    ApiError("it broke"),
    PermissionDenied("Permission check failed"),
    Unreachable("no answer within 30 seconds"),
    Unreachable("the node behind it did not answer", status=595),
    AuthenticationFailed("the ticket ran out"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: f"{type(failure).__name__} {failure.message[:9]}")
@pytest.mark.parametrize("check", READ_BY)
def test_a_read_that_fails_is_told_and_ends_nothing(check: str, failure: StewardError) -> None:
    result = ask({**WELL, READ_BY[check]: failure}, checks=[check])
    assert result["counts"]["critical"] == result["counts"]["warning"] == 0
    # a guest might have a backup on the storage that was not read
    (flag,) = [flag for flag in unread(result) if flag["subject"] != "lxc/100 web"]
    assert flag["check"] == check
    if isinstance(failure, PermissionDenied):
        assert flag["needs"]["any_of"]
        assert f"pveum acl modify '{flag['needs']['path']}' --tokens 'bob@pve!ci'" in flag["grant"]
        assert result["grants"] == [flag["grant"]]
    else:
        assert failure.message in flag["what"]


@pytest.mark.parametrize("check", READ_BY)
@pytest.mark.parametrize("answer", [{}, [{}], "text", 5, [None]], ids=str)
def test_an_answer_of_another_kind_is_told_and_ends_nothing(check: str, answer: Any) -> None:
    result = ask({**WELL, READ_BY[check]: answer}, checks=[check])
    assert {flag["check"] for flag in result["flags"]} == {check}
    assert unread(result)


def test_no_answer_at_all_of_the_cluster_is_a_failure() -> None:
    with pytest.raises(Unreachable):
        ask({**WELL, "/cluster/resources": Unreachable("no node answered")})


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        ("Sys.Audit", {("tasks", "pve1", "/nodes/pve1"), ("tasks", "pve2", "/nodes/pve2")}),
        (
            "VM.Audit",
            {
                ("guests", "guests", "/vms"),
                ("backups", "guests", "/vms"),
                ("replication", "pve1", "/vms"),
                ("replication", "pve2", "/vms"),
            },
        ),
        ("VM.Backup", {("backups", "guests", "/vms")}),
        ("Datastore.AllocateSpace", {("backups", "nas", "/storage/nas")}),
    ],
)
def test_a_list_that_was_shortened_is_told(lacking: str, expected: set[tuple[str, str, str]]) -> None:
    """The server leaves out what may not be seen, and says nothing of it."""
    held = {"/": {name: 1 for name in SEES if name != lacking}}
    flags = unread(ask({**WELL, "/access/permissions": held}))
    assert {(flag["check"], flag["subject"], flag["needs"]["path"]) for flag in flags} == expected
    assert all(lacking in flag["grant"] for flag in flags)


def test_storages_that_may_not_be_seen_are_told() -> None:
    held = {"/": {"Sys.Audit": 1, "VM.Audit": 1, "VM.Backup": 1}, "/storage/nas": {"Datastore.AllocateSpace": 1}}
    flags = unread(ask({**WELL, "/access/permissions": held}))
    told = {(flag["check"], flag["subject"]) for flag in flags}
    assert told == {("storages", "pve1"), ("storages", "pve2"), ("backups", "storages")}


def test_one_line_grants_everything_on_a_path() -> None:
    held = {"/": {name: 1 for name in SEES if not name.startswith("VM.")}}
    result = ask({**WELL, "/access/permissions": held})
    (line,) = result["grants"]
    assert "--privs 'VM." in line
    assert {"VM.Audit", "VM.Backup"} <= set(line.replace("'", " ").split())


def test_root_sees_everything() -> None:
    assert ask({**WELL, "/access/permissions": {}}, is_root=True)["flags"] == []


def test_a_backup_that_could_not_be_seen_may_be_there() -> None:
    answers = {**WELL, "/nodes/pve1/storage/nas/content": []}
    assert [flag["level"] for flag in ask(answers)["flags"]] == ["warning"]
    held = {"/": {name: 1 for name in SEES if name != "VM.Backup"}}
    flags = ask({**answers, "/access/permissions": held}, checks=["backups"])["flags"]
    assert {flag["level"] for flag in flags} == {"unread"}


def down(node: str, known_by: str) -> dict[str, Any]:
    rows = [{**row, "status": "offline"} if row["id"] == f"node/{node}" else row for row in ROWS]
    status = [{**row, "online": 0} if row.get("name") == node else row for row in STATUS]
    answers = {path: answer for path, answer in WELL.items() if not path.startswith(f"/nodes/{node}/")}
    return answers | ({"/cluster/resources": rows} if known_by == "resources" else {"/cluster/status": status})


@pytest.mark.parametrize("known_by", ["resources", "status"])
def test_a_dead_node_is_one_flag_and_everything_unknown_of_it_another(known_by: str) -> None:
    flags = ask(down("pve2", known_by))["flags"]
    assert [(flag["level"], flag["check"], flag["subject"]) for flag in flags] == [
        ("critical", "cluster", "pve2"),
        ("unread", "nodes", "pve2"),
    ]
    assert all(check in flags[1]["what"] for check in ("storages", "disks", "certificates"))


def test_the_guests_of_a_dead_node_are_named() -> None:
    flags = ask(down("pve1", "status"))["flags"]
    assert flags[0]["evidence"] == {"guests": ["lxc/100"]}
    assert "guests" in next(flag for flag in flags if flag["check"] == "nodes")["what"]


def test_only_the_nodes_that_were_asked_for() -> None:
    answers = {**WELL, "/nodes/pve2/disks/list": [{"devpath": "/dev/sda", "health": "FAILED!"}]}
    assert ask(answers, nodes=["pve1"])["flags"] == []
    assert ask(answers, nodes=["pve2"])["nodes"] == ["pve2"]
    assert ask(answers, nodes=["pve2"])["counts"]["critical"] == 1
    with pytest.raises(BadInput, match="'pve9' is not a node of this cluster"):
        ask(WELL, nodes=["pve9"])


def test_a_shared_storage_is_full_once_and_a_pool_can_be_wrong_in_two_ways() -> None:
    full = [{"storage": "nas", "active": 1, "shared": 1, "used": 960, "total": 1000}]
    fuller = [{**full[0], "used": 961}]
    pool = [{"name": "rpool", "health": "DEGRADED", "alloc": 99, "size": 100}]
    answers = {**WELL, "/nodes/pve1/storage": full, "/nodes/pve2/storage": fuller, "/nodes/pve1/disks/zfs": pool}
    flags = ask(answers)["flags"]
    assert [(flag["subject"], flag["what"]) for flag in flags] == [
        ("nas", "is 96.0 % full"),
        ("rpool on pve1", "is DEGRADED"),
        ("rpool on pve1", "is 99.0 % full"),
    ]


@pytest.mark.parametrize("check", ["services", "certificates", "disks"])
def test_a_node_that_lists_none_of_what_each_has_is_unread(check: str) -> None:
    (flag,) = ask({**WELL, READ_BY[check]: []}, checks=[check])["flags"]
    assert (flag["level"], flag["check"], flag["subject"]) == ("unread", check, "pve1")


@pytest.mark.parametrize("alone", [True, False])
def test_corosync_runs_only_where_there_is_a_cluster(alone: bool) -> None:
    dead = {"service": "corosync", "state": "dead", "active-state": "inactive", "unit-state": "enabled"}
    answers = {**WELL, "/nodes/pve1/services": [*OF_A_NODE["services"], dead]}
    if alone:
        answers |= {"/cluster/resources": [ROWS[0]], "/cluster/status": STATUS[1:2]}
    assert ask(answers, checks=["cluster", "services"])["counts"]["critical"] == (not alone)


def test_updates_are_looked_for_on_request() -> None:
    row = {"Package": "tzdata", "Version": "2026f"}
    answers = {**WELL, "/nodes/pve1/apt/update": [row], "/nodes/pve2/apt/update": PermissionDenied("no")}
    flags = ask(answers, checks=["updates"])["flags"]
    assert [(flag["level"], flag["subject"]) for flag in flags] == [("warning", "pve1"), ("unread", "pve2")]
    assert flags[1]["needs"] == {"path": "/nodes/pve2", "any_of": ["Sys.Modify"]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"full": 101}, "full: 101 is not a percentage"),
        ({"memory": -1}, "memory: -1 is not a percentage"),
        ({"full": 96}, "full: 96 is above full_critical: 95"),
        ({"certificate_days": 3}, "certificate_days: 3 is not valid"),
        ({"since": "yesterday"}, "since: 'yesterday' is not an age"),
        ({"backup_max_age": "7"}, "backup_max_age: '7' is not an age"),
        ({"concurrency": 0}, "concurrency: 0 is not valid"),
    ],
)
def test_wrong_options_are_told_before_anything_is_asked(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ask({}, **options)


def test_a_result_that_is_too_long_keeps_the_worst_and_counts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = [{"type": "vzdump", "id": str(n), "upid": "u", "user": "root@pam", "status": "no"} for n in range(50)]
    dead = [{"devpath": "/dev/sda", "health": "FAILED!"}]
    monkeypatch.setattr(bounded, "LONGEST", 2000)
    result = ask({**WELL, "/nodes/pve1/tasks": failed, "/nodes/pve1/disks/list": dead})
    assert result["truncated"]
    assert result["flags"][0]["level"] == "critical"
    assert len(result["flags"]) < sum(result["counts"].values()) == 51
