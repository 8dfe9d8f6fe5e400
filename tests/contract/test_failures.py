# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Laws 5 and 8: no false success; an error says what was tried, what Proxmox said, and what to do."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._session import Session

from tests.contract.harness import Site
from tests.contract.scenarios import PASSWORD, TEMPLATE, backup, container, snapshot

START = {"vmid": 213, "node": "pve1", "state": "started"}


def says(result: dict[str, Any], *words: str) -> None:
    assert result["failed"]
    missing = [word for word in words if word not in result["msg"]]
    assert missing == [], result["msg"]


def test_a_failed_task_fails_at_once_with_its_status_and_its_log(site: Site) -> None:
    site.lab.fault(path=r"/status/start$", task_exit="startup for container '213' failed")
    before = time.monotonic()
    result = site.run().task("lxc", {**START, "task_timeout": 120})
    assert time.monotonic() - before < 60  # and not after task_timeout
    says(result, "startup for container '213' failed", "last lines of its log", "UPID:pve1:")
    (step,) = result["plan"]["steps"]
    assert (step["status"], step["upid"][:10]) == ("failed", "UPID:pve1:")
    assert not result["changed"]


def test_what_was_done_before_a_failure_is_told(site: Site) -> None:
    site.lab.fault(path=r"/status/start$", task_exit="no such bridge")
    made = {"vmid": 500, "node": "pve1", "source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs"}}
    result = site.run().task("lxc", {**made, "state": "started"})
    says(result, "no such bridge")
    assert [step["status"] for step in result["plan"]["steps"]] == ["done", "failed"]
    assert result["failed_step"]["op"] == "start"
    assert result["changed"], "the container was made"


def test_warnings_are_a_success_that_is_reported(site: Site) -> None:
    site.lab.fault(path=r"/status/start$", task_warnings=1)
    result = site.run().done("lxc", START)
    assert result["changed"]
    assert any("WARN" in warning for warning in result["warnings"])


def test_absent_is_refused_while_it_runs(site: Site) -> None:
    for check in (True, False):
        result = site.run(check=check).task("lxc", {"vmid": 210, "state": "absent"})
        says(result, "lxc/210 is running", "Nothing was sent", "force: true")
    assert site.writes == []
    assert 210 in site.lab.state.guests


def test_a_protected_container_stays(site: Site) -> None:
    site.reset({"guests": {500: container(500, protection=1)}})
    says(site.run().task("lxc", {"vmid": 500, "state": "absent"}), "lxc/500 is protected", "protection: false")
    assert site.writes == []


def test_a_protected_backup_stays(site: Site) -> None:
    run = site.run()
    run.done(*backup(240, "kept", protected=True))
    says(run.task(*backup(240, "kept", state="absent")), "is protected", "protected: false")


def test_a_running_container_is_not_overwritten(site: Site) -> None:
    run = site.run()
    run.done(*backup(210, "b"))
    site.forget()
    source = {"archive": {"storage": "local", "name": "b"}}
    says(run.task("lxc", {"vmid": 210, "force": True, "source": source}), "lxc/210 is running", "overwrite")
    assert site.writes == []


def test_what_cannot_be_cloned_is_refused_in_the_plan(site: Site) -> None:
    task = {"vmid": 500, "node": "pve1", "source": {"clone": {"vmid": 210}}}
    says(site.run(check=True).task("lxc", task), "lxc/210 is running", "source.clone.snapshot")
    task["source"] = {"clone": {"vmid": 213, "full": False}}
    says(site.run(check=True).task("lxc", task), "lxc/213 is not a template")
    assert site.writes == []


def test_a_lock_is_waited_for(site: Site) -> None:
    """Another operation holds the configuration file: the server says so at once, and the write is sent again."""
    site.lab.fault(lock_file=210, seconds=2)
    result = site.run().done("lxc", {"vmid": 210, "node": "pve1", "cores": 2, "lock_timeout": 20})
    assert result["changed"]
    assert site.lab.state.guests[210].config["cores"] in (2, "2")


def test_a_lock_that_only_the_task_finds_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Session.send

    def send_and_unlock(session: Session, method: str, path: str, data: Any = None) -> Any:
        answer = send(session, method, path, data)
        site.lab.state.guests[213].lock_until = 0.0
        return answer

    monkeypatch.setattr(Session, "send", send_and_unlock)
    site.lab.fault(guest_lock={"vmid": 213, "lock": "backup"})
    result = site.run().done("lxc", {**START, "lock_timeout": 20})
    assert result["changed"]
    assert site.lab.state.guests[213].running
    assert len(site.writes) == 2, "it was not found locked"


def test_a_lock_that_stays_is_told(site: Site) -> None:
    site.lab.fault(guest_lock={"vmid": 213, "lock": "backup"})
    result = site.run().task("lxc", {**START, "lock_timeout": 1})
    says(result, "CT is locked (backup)")
    assert not site.lab.state.guests[213].running


def test_a_task_that_takes_too_long_is_not_stopped_and_its_outcome_is_unknown(site: Site) -> None:
    site.lab.fault(path=r"/status/start$", task_seconds=30)
    result = site.run().task("lxc", {**START, "task_timeout": 1})
    says(result, "still runs after 1 seconds", "task_timeout", "wait: false")
    (step,) = result["plan"]["steps"]
    assert step["status"] == "unknown"
    assert step["upid"].startswith("UPID:")


def test_a_task_that_is_not_waited_for_is_followed_by_its_upid(site: Site) -> None:
    site.lab.fault(path=r"/status/start$", task_seconds=3600)
    run = site.run()
    (step,) = run.done("lxc", {**START, "wait": False})["plan"]["steps"]
    assert step["status"] == "started"
    (task,) = run.done("task_info", {"upid": step["upid"]})["tasks"]
    assert task["running"]
    assert task["ok"] is None
    site.lab.app.tasks.find(step["upid"]).due = 0.0
    (task,) = run.done("task_info", {"upid": step["upid"]})["tasks"]
    assert task["ok"]


def test_a_missing_privilege_that_only_the_task_finds_is_translated(site: Site) -> None:
    site.lab.fault(path=r"/vzdump$", task_exit="Permission check failed (/storage/local, Datastore.AllocateSpace)")
    result = site.run().task(*backup(240, "b"))
    says(
        result,
        "Datastore.AllocateSpace on /storage/local",
        "pveum acl modify '/storage/local' --tokens 'automation@pve!ansible'",
    )


def test_a_change_behind_our_back_is_refused_by_the_server(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write carries the digest that the plan was made from."""
    send = Session.send

    def send_too_late(session: Session, method: str, path: str, data: Any = None) -> Any:
        site.lab.state.guests[210].config["memory"] = 777
        return send(session, method, path, data)

    monkeypatch.setattr(Session, "send", send_too_late)
    result = site.run().task("lxc", {"vmid": 210, "node": "pve1", "cores": 2})
    says(result, "PUT /nodes/pve1/lxc/210/config", "Somebody else changed it", "run the task again")
    assert site.lab.state.guests[210].config["cores"] == 1


def test_a_storage_without_backups_is_refused_in_the_plan(site: Site) -> None:
    result = site.run(check=True).task("backup", {"vmid": 240, "storage": "scratch"})
    says(result, "storage 'scratch' holds images, not backup", "local", "nas")


def test_a_storage_without_snapshots_is_refused_in_the_plan(site: Site) -> None:
    guest = container(500, rootfs="local:500/vm-500-disk-0.raw,size=4G")
    site.reset({"guests": {500: guest | {"disks": {"local:500/vm-500-disk-0.raw": 4 << 30}}}})
    says(site.run(check=True).task(*snapshot(500, "s1")), "cannot have snapshots", "storage 'local' of type dir")


def test_a_snapshot_that_is_missing_is_named_with_those_that_are_there(site: Site) -> None:
    run = site.run()
    run.done(*snapshot(230, "there"))
    says(run.task(*snapshot(230, "gone", state="rolled_back")), "no snapshot 'gone'", "there")


def test_a_backup_while_it_runs_says_what_it_is_worth(site: Site) -> None:
    result = site.run().done("backup", {"vmid": 210, "storage": "local"})
    assert any("crash-consistent only" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    "fault",
    [
        {"path": r"/lxc$", "task_exit": f"unable to set the password {PASSWORD[:4]}..."},
        {"path": r"/lxc$", "status": 400, "reason": "Parameter verification failed."},
        {"path": r"/lxc$", "drop": "after"},
    ],
)
def test_no_secret_is_seen_when_a_task_fails(site: Site, fault: dict[str, Any]) -> None:
    site.lab.fault(method="POST", **fault)
    made = {"vmid": 500, "node": "pve1", "source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs"}}
    run = site.run()
    result = run.task("lxc", {**made, "password": PASSWORD})
    assert result["failed"]
    seen = f"{result} {run.entries} {site.lab.requests}"
    assert [secret for secret in {PASSWORD, *site.secrets} if secret in seen] == []
    assert "********" in str(result["failed_step"])
