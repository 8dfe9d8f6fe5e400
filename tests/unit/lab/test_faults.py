# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be made to go wrong, and what it looks like from outside."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import requests

from tests.lab import Lab, app

from .conftest import LONG, TEMPLATE, Client, Wait

START = "/nodes/pve1/lxc/100/status/start"


@pytest.fixture
def client(lab: Lab) -> Client:
    client = Client(lab)
    client.create(100)
    return client


def test_an_answer_instead_of_the_work(lab: Lab, client: Client) -> None:
    lab.fault(method="POST", path=r"/status/start$", status=502, reason="Bad Gateway", count=2)
    for _unused in range(2):
        answer = client.call("POST", START)
        assert (answer.status_code, answer.reason) == (502, "Bad Gateway")
    assert not lab.state.guests[100].running
    assert client.task("POST", START) == "OK"


def test_a_delay(lab: Lab, client: Client) -> None:
    lab.fault(path="/version", delay=0.2)
    began = time.monotonic()
    client.data("GET", "/version")
    assert time.monotonic() - began >= 0.2


def test_what_is_late_changes_nothing_after_a_reset(lab: Lab, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what one test no longer waits for would be done in the next one, which uses the same lab."""

    async def reset_meanwhile(_seconds: float) -> None:
        lab.reset()

    monkeypatch.setattr(app, "asyncio", SimpleNamespace(sleep=reset_meanwhile))
    lab.fault(path=r"^/pools$", delay=1)
    with pytest.raises(requests.ConnectionError):
        client.call("POST", "/pools", poolid="late")
    assert client.data("GET", "/pools") == []
    assert [entry["method"] for entry in lab.requests] == ["GET"]


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
def test_a_dropped_connection(lab: Lab, client: Client, when: str, done: bool) -> None:
    lab.fault(method="POST", path=r"/status/start$", drop=when)
    with pytest.raises(requests.ConnectionError):
        client.call("POST", START)
    assert lab.state.guests[100].running is done


def test_a_task_fails_in_the_middle_and_cleans_up(lab: Lab, client: Client) -> None:
    lab.fault(method="POST", path=r"/lxc$", task_exit="no space left on device")
    assert client.task("POST", "/nodes/pve1/lxc", vmid=101, ostemplate=TEMPLATE, rootfs="local:1") == (
        "no space left on device"
    )
    assert 101 not in lab.state.guests
    assert not [volume for volume in lab.state.volumes.values() if volume.vmid == 101]


def test_a_task_dies_and_leaves_its_lock(lab: Lab, client: Client) -> None:
    lab.fault(path=r"/snapshot$", task_exit="interrupted by signal", task_keep=True)
    assert client.task("POST", "/nodes/pve1/lxc/100/snapshot", snapname="s1") == "interrupted by signal"
    assert client.data("GET", "/nodes/pve1/lxc/100/config")["lock"] == "snapshot"
    assert client.task("POST", START) == "CT is locked (snapshot)"


def test_a_task_ends_with_warnings(lab: Lab, client: Client) -> None:
    lab.fault(path=r"/status/start$", task_warnings=1)
    upid = client.data("POST", START)
    assert client.end(upid) == "WARNINGS: 1"
    log = [line["t"] for line in client.data("GET", f"/nodes/pve1/tasks/{upid}/log")]
    assert log[-1] == "TASK WARNINGS: 1"
    assert log[-2].startswith("WARN: ")
    assert lab.state.guests[100].running


def test_a_task_takes_its_time(lab: Lab, client: Client, wait: Wait) -> None:
    lab.fault(path=r"/status/start$", task_seconds=LONG)
    upid = client.data("POST", START)
    assert client.end(upid) == "running"
    assert client.data("GET", "/nodes/pve1/lxc/100/status/current")["status"] == "stopped"
    wait(LONG)
    assert client.end(upid) == "OK"
    assert client.data("GET", "/nodes/pve1/lxc/100/status/current")["status"] == "running"


def test_the_next_task_of_a_guest_waits_for_the_one_before(lab: Lab, client: Client, wait: Wait) -> None:
    lab.fault(path=r"/snapshot$", task_seconds=LONG)
    first = client.data("POST", "/nodes/pve1/lxc/100/snapshot", snapname="s1")
    second = client.data("POST", "/nodes/pve1/lxc/100/snapshot", snapname="s2")
    assert [client.end(first), client.end(second)] == ["running", "running"]
    wait(LONG)
    assert [client.end(first), client.end(second)] == ["OK", "OK"]


def test_a_guest_lock_that_goes_by_itself(lab: Lab, client: Client, wait: Wait) -> None:
    lab.fault(guest_lock={"vmid": 100, "lock": "backup"}, seconds=LONG)
    assert client.call("PUT", "/nodes/pve1/lxc/100/config", cores=1).reason == "CT is locked (backup)"
    assert client.task("POST", START) == "CT is locked (backup)"
    wait(LONG)
    client.data("PUT", "/nodes/pve1/lxc/100/config", cores=1)
    assert "lock" not in client.data("GET", "/nodes/pve1/lxc/100/config")


def test_a_busy_lock_file_is_found_in_the_task_too(lab: Lab, client: Client) -> None:
    text = "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"
    lab.fault(lock_file=100)
    assert client.call("PUT", "/nodes/pve1/lxc/100/config", cores=1).reason == text
    upid = client.data("POST", "/nodes/pve1/lxc/100/snapshot", snapname="s1")
    assert client.end(upid) == text
    log = [line["t"] for line in client.data("GET", f"/nodes/pve1/tasks/{upid}/log")]
    assert log == ["trying to acquire lock...", f"TASK ERROR: {text}"]


def test_a_node_that_is_off(lab: Lab, client: Client, wait: Wait) -> None:
    lab.fault(node_offline="pve2", seconds=LONG)
    answer = client.call("GET", "/nodes/pve2/lxc")
    assert (answer.status_code, answer.reason, answer.content) == (595, "No route to host", b"")
    assert {n["node"]: n["status"] for n in client.data("GET", "/nodes")}["pve2"] == "offline"
    wait(LONG)
    assert client.data("GET", "/nodes/pve2/lxc") == []


def test_no_quorum(lab: Lab, client: Client) -> None:
    lab.fault(no_quorum=True)
    refused = client.call("POST", "/pools", poolid="p1")
    assert refused.reason == "create pool failed: cfs-lock 'file-user_cfg' error: no quorum!"
    assert client.call("POST", "/nodes/pve1/lxc", vmid=101, ostemplate=TEMPLATE).reason == (
        "cluster not ready - no quorum?"
    )
    assert client.data("GET", "/cluster/status")[0]["quorate"] == 0


def test_a_storage_that_is_off(lab: Lab, client: Client) -> None:
    lab.fault(storage_offline="nas")
    assert client.call("GET", "/nodes/pve1/storage/nas/content").reason == "storage 'nas' is not online"
    assert client.data("GET", "/nodes/pve1/storage/nas/status")["active"] == 0
    assert "not online" in client.task("POST", "/nodes/pve1/vzdump", vmid=100, storage="nas")


def test_an_unknown_fault_is_refused(lab: Lab) -> None:
    with pytest.raises(ValueError, match="unknown fault: colour"):
        lab.fault(colour="red")


def test_faults_by_http(lab: Lab, client: Client) -> None:
    control = f"https://{lab.host}:{lab.port}/_lab"
    session = client.session
    assert session.post(f"{control}/faults", json={"path": "/version", "status": 503}).status_code == 200
    assert client.call("GET", "/version").status_code == 503
    assert session.post(f"{control}/faults", json={"colour": "red"}).status_code == 400
    assert [entry["status"] for entry in session.get(f"{control}/requests").json()][-1] == 503
    assert session.post(f"{control}/reset").status_code == 200
    assert session.get(f"{control}/requests").json() == []
    assert lab.state.guests == {}
