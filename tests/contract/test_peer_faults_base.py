# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the base that all modules of the peer share: sessions, waiting, errors. Ids: peer_faults.py."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.contract.harness import Site
from tests.contract.peers import CT, RUNNING_CT, VM, asked, config
from tests.contract.scenarios import backup, snapshot

DISK = {"slot": "scsi5", "storage": "local-zfs", "size": "1G"}
#: module, options, and the call that starts the task of the API
TASKS = [
    ("vm", {**VM, "state": "started"}, r"/qemu/320/status/start$"),
    ("vm", {**VM, "disks": [DISK]}, r"/qemu/320/config$"),
    ("vm", {**VM, "disks": [{"slot": "scsi0", "storage": "ceph"}]}, r"/qemu/320/move_disk$"),
    ("vm", {"name": "copy", "node": "pve1", "source": {"clone": {"vmid": 320}}}, r"/qemu/320/clone$"),
    ("vm", {"vmid": 320, "node": "pve2", "migrate": {}}, r"/qemu/320/migrate$"),
    ("vm", {**VM, "state": "template"}, r"/qemu/320/template$"),
    ("vm", {**VM, "state": "absent"}, r"/qemu/320$"),
    ("lxc", {**CT, "state": "started"}, r"/lxc/213/status/start$"),
    ("lxc", {**CT, "rootfs": {"size": "5G"}}, r"/lxc/213/resize$"),
    (*snapshot(320, "s1"), r"/qemu/320/snapshot$"),
    (*backup(213, "b1"), r"/vzdump$"),
]
WRITES = "POST|PUT|DELETE"
NOBODY = {"api_user": None, "api_token_id": None, "api_token_secret": None}


def name_of(value: Any) -> str:
    return str(value) if isinstance(value, str) else ""


def test_a_run_logs_in_once_and_never_asks_for_the_version(site: Site) -> None:
    """2.0.1"""
    run = site.run(identity="root")
    run.done("vm", {**VM, "cores": 2})
    run.done("vm", {**VM, "cores": 3, "state": "started"})
    run.done("lxc", {**CT, "cores": 4})
    requests = asked(site)
    assert requests.count("POST /access/ticket") <= 1
    assert [request for request in requests if request.startswith("GET /version")] == []


@pytest.mark.parametrize(
    ("task", "most"),
    [
        ({**VM, "cores": 2, "cpulimit": 0, "tags": ["kept", "seeded"]}, 1),
        ({**VM, "cores": 2, "state": "stopped"}, 2),
        ({"name": "v320", "cores": 2}, 2),
        ({"name": "v320", "cores": 2, "state": "stopped"}, 3),
    ],
)
def test_a_machine_that_is_as_wanted_costs_one_to_three_requests(site: Site, task: dict[str, Any], most: int) -> None:
    """2.0.1"""
    assert not site.run().done("vm", task)["changed"]
    assert len(asked(site)) <= most, asked(site)


def test_a_container_with_many_options_that_are_as_wanted_costs_one_request(site: Site) -> None:
    """2.0.1"""
    options = {"cores": 1, "memory": 512, "features": {"nesting": False}, "tags": ["kept", "seeded"], "onboot": True}
    assert not site.run().done("lxc", {**CT, **options})["changed"]
    assert len(asked(site)) == 1


def test_work_on_a_storage_may_take_longer_than_the_http_timeout(site: Site) -> None:
    """2.0.2 2.1.12"""
    site.lab.fault(method="POST", path=r"/qemu/320/config$", task_seconds=2)
    result = site.run().done("vm", {**VM, "disks": [DISK], "api_timeout": 1})
    assert "scsi5" in config(site, VM)
    (step,) = result["plan"]["steps"]
    assert (step["method"], step["upid"][:5]) == ("POST", "UPID:")


def test_a_missing_user_is_not_root(site: Site) -> None:
    """2.0.3"""
    result = site.run().task("vm", {**VM, **NOBODY, "api_password": "x"})
    assert "api_user is not set" in result["msg"]
    assert "there is no default user" in result["msg"]
    assert asked(site) == []


def test_a_user_without_any_credential_is_told_before_anything_is_sent(site: Site) -> None:
    """2.0.3"""
    result = site.run().task("vm", {**VM, **NOBODY, "api_user": "root@pam"})
    assert "No credential for root@pam" in result["msg"]
    assert asked(site) == []


@pytest.mark.parametrize(("module", "options", "call"), TASKS, ids=name_of)
def test_warnings_of_a_task_are_a_success_for_every_kind_of_task(
    site: Site, module: str, options: dict[str, Any], call: str
) -> None:
    """2.0.6"""
    site.lab.fault(method=WRITES, path=call, task_warnings=2)
    before = time.monotonic()
    result = site.run().done(module, {**options, "task_timeout": 120})
    assert time.monotonic() - before < 60
    assert result["changed"]
    assert any("WARN" in warning for warning in result["warnings"])
    assert [step["status"] for step in result["plan"]["steps"]] == ["done"] * len(result["plan"]["steps"])


@pytest.mark.parametrize(("module", "options", "call"), TASKS, ids=name_of)
def test_a_task_that_fails_at_once_is_told_at_once_with_its_reason(
    site: Site, module: str, options: dict[str, Any], call: str
) -> None:
    """2.0.7"""
    site.lab.fault(method=WRITES, path=call, task_exit="no space left on device")
    before = time.monotonic()
    result = site.run().task(module, {**options, "task_timeout": 120})
    assert time.monotonic() - before < 60
    assert result["failed"]
    assert "no space left on device" in result["msg"]
    assert "TASK ERROR: no space left on device" in result["msg"], "the last line of the log, and not the first"
    assert "failed" in [step["status"] for step in result["plan"]["steps"]]


def test_a_lost_read_is_repeated_and_a_lock_waited_for(site: Site) -> None:
    """2.0.9"""
    site.lab.fault(method="GET", path=r"/qemu/320/pending$", status=502, reason="Bad Gateway")
    site.lab.fault(lock_file=320, seconds=1)
    site.run().done("vm", {**VM, "cores": 4, "lock_timeout": 20})
    assert str(config(site, VM)["cores"]) == "4"


@pytest.mark.parametrize(("module", "guest"), [("vm", VM), ("lxc", RUNNING_CT)])
def test_a_guest_that_somebody_else_changed_meanwhile_is_not_overwritten(
    site: Site, module: str, guest: dict[str, Any]
) -> None:
    """2.0.9"""
    result = site.run(check=True).done(module, {**guest, "cores": 7})
    (step,) = result["plan"]["steps"]
    assert "digest" not in step["data"], "the digest of the moment is no part of the plan"
    site.run().done(module, {**guest, "cores": 7})
    (write,) = [entry for entry in site.lab.requests if entry["method"] == "PUT"]
    assert write["params"]["digest"]


REFUSALS = [
    (500, "ipcc_send_rec[1] failed: Connection refused"),
    (500, "error during cfs-locked 'file-user_cfg' operation: got lock timeout"),
    (403, "Permission check failed (/vms/320, VM.Audit)"),
    (501, "Method 'GET /nodes/pve1/qemu/320/pending' not implemented"),
    (595, "No route to host"),
]


@pytest.mark.parametrize(("status", "reason"), REFUSALS)
def test_a_guest_that_cannot_be_read_is_not_taken_for_absent(site: Site, status: int, reason: str) -> None:
    """2.0.10"""
    site.lab.fault(method="GET", path=r"/qemu/320/pending$", status=status, reason=reason, count=99)
    result = site.run().task("vm", {**VM, "state": "absent"})
    assert result["failed"]
    assert site.writes == []
