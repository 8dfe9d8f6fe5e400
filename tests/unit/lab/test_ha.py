# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""High availability: what the manager makes of requests, and how it shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab import Lab

from .conftest import LONG, Client, Wait

RESOURCES = "/cluster/ha/resources"
GUESTS = {
    100: {"kind": "qemu", "config": {"name": "a", "scsi0": "ceph:vm-100-disk-0,size=1G"},
          "disks": {"ceph:vm-100-disk-0": 1 << 30}},
    101: {"kind": "lxc", "config": {"hostname": "b"}},
}  # fmt: skip


@pytest.fixture
def cluster() -> Iterator[Lab]:
    with Lab({"guests": GUESTS, "ha_seconds": LONG, "replication_seconds": LONG}) as lab:
        yield lab


@pytest.fixture
def client(cluster: Lab) -> Client:
    return Client(cluster)


Until = Callable[[Callable[[], Any], Any], None]


@pytest.fixture
def until(wait: Wait) -> Until:
    """Lets the manager come by until it is so."""

    def wait_until(what: Callable[[], Any], wanted: Any) -> None:
        for _round in range(20):
            if what() == wanted:
                return
            wait(LONG)
        assert what() == wanted

    return wait_until


def service(client: Client, sid: str) -> dict[str, Any]:
    entries = client.data("GET", "/cluster/ha/status/current")
    found: dict[str, Any] = next(entry for entry in entries if entry.get("sid") == sid)
    return found


@pytest.mark.parametrize(
    ("guest", "sid", "task"), [("qemu/100", "vm:100", "qmstart"), ("lxc/101", "ct:101", "vzstart")]
)
def test_a_request_takes_effect_some_time_later(client: Client, guest: str, sid: str, task: str, until: Until) -> None:
    client.data("POST", RESOURCES, sid=sid, state="stopped")
    assert service(client, sid)["state"] == "queued"
    until(lambda: service(client, sid)["state"], "stopped")
    upid = client.data("POST", f"/nodes/pve1/{guest}/status/start")
    assert upid.split(":")[5] == "hastart"
    assert client.end(upid) == "OK"
    assert client.data("GET", f"{RESOURCES}/{sid}")["state"] == "started"
    assert client.status(guest)["status"] == "stopped"
    until(lambda: client.status(guest)["status"], "running")
    assert client.status(guest)["ha"] == {"managed": 1, "state": "started"}
    assert task in {entry["type"] for entry in client.data("GET", "/nodes/pve1/tasks")}
    upid = client.data("POST", f"/nodes/pve1/{guest}/status/shutdown")
    assert upid.split(":")[5] == "hastop"
    until(lambda: client.status(guest)["status"], "stopped")
    assert client.data("GET", f"{RESOURCES}/{sid}")["state"] == "stopped"


def test_the_state_of_the_resource_is_the_request(client: Client, until: Until) -> None:
    client.data("POST", RESOURCES, sid="vm:100")
    until(lambda: client.status("qemu/100")["status"], "running")
    client.data("PUT", f"{RESOURCES}/vm:100", state="disabled", comment="c", max_restart=3)
    assert service(client, "vm:100")["state"] == "stopping"
    until(lambda: client.status("qemu/100")["status"], "stopped")
    until(lambda: service(client, "vm:100")["state"], "disabled")
    found = client.data("GET", f"{RESOURCES}/vm:100")
    assert (found["comment"], found["max_restart"]) == ("c", 3)
    assert client.refusal("PUT", f"{RESOURCES}/vm:100", state="started", digest="0" * 40).endswith("Try again.")


def test_an_ignored_resource_is_none(client: Client) -> None:
    client.data("POST", RESOURCES, sid="vm:100", state="ignored")
    assert client.data("POST", "/nodes/pve1/qemu/100/status/start").split(":")[5] == "qmstart"
    assert client.status("qemu/100")["ha"] == {"managed": 0}
    listed = {entry["vmid"]: entry.get("hastate") for entry in client.data("GET", "/cluster/resources", type="vm")}
    assert listed == {100: "ignored", 101: None}
    client.power("qemu/100", "stop")
    refused = "unable to remove VM 100 - used in HA resources and purge parameter not set."
    assert client.refusal("DELETE", "/nodes/pve1/qemu/100") == refused


def test_what_does_not_start_is_in_error(cluster: Lab, client: Client, until: Until) -> None:
    cluster.fault(method="HA", path="/qemu/100/status/start$", task_exit="no memory", count=2)
    client.data("POST", RESOURCES, sid="vm:100")
    until(lambda: service(client, "vm:100")["state"], "error")
    refused = "service 'vm:100' in error state, must be disabled and fixed first"
    assert client.refusal("PUT", f"{RESOURCES}/vm:100", state="stopped") == refused
    client.data("PUT", f"{RESOURCES}/vm:100", state="disabled")
    until(lambda: service(client, "vm:100")["state"], "disabled")
    client.data("PUT", f"{RESOURCES}/vm:100", state="started")
    until(lambda: client.status("qemu/100")["status"], "running")


def test_a_start_that_fails_once_is_tried_again(cluster: Lab, client: Client, until: Until) -> None:
    cluster.fault(method="HA", path="/qemu/100/status/start$", task_exit="no memory")
    client.data("POST", RESOURCES, sid="vm:100")
    until(lambda: client.status("qemu/100")["status"], "running")


def test_a_migration_is_the_managers(client: Client, until: Until) -> None:
    client.data("POST", RESOURCES, sid="vm:100")
    until(lambda: client.status("qemu/100")["status"], "running")
    upid = client.data("POST", "/nodes/pve1/qemu/100/migrate", target="pve2", online=1)
    assert upid.split(":")[5] == "hamigrate"
    until(lambda: client.call("GET", "/nodes/pve2/qemu/100/config").status_code, 200)
    assert client.status("qemu/100", "pve2")["status"] == "running"
    client.data("POST", f"{RESOURCES}/vm:100/migrate", node="pve3")
    until(lambda: client.call("GET", "/nodes/pve3/qemu/100/config").status_code, 200)


def test_a_node_in_maintenance_is_left_and_come_back_to(cluster: Lab, client: Client, until: Until) -> None:
    client.data("POST", RESOURCES, sid="vm:100")
    until(lambda: client.status("qemu/100")["status"], "running")
    cluster.fault(node_maintenance="pve1", seconds=5 * LONG)
    rows = {entry["id"]: entry["status"] for entry in client.data("GET", "/cluster/ha/status/current")}
    assert "maintenance mode" in rows["lrm:pve1"]
    status = client.data("GET", "/cluster/ha/status/manager_status")
    assert status["manager_status"]["node_status"]["pve1"] == "maintenance"
    until(lambda: client.call("GET", "/nodes/pve2/qemu/100/config").status_code, 200)
    until(lambda: client.call("GET", "/nodes/pve1/qemu/100/config").status_code, 200)


def test_a_manager_without_work_shows_no_master(client: Client, until: Until) -> None:
    assert [entry["type"] for entry in client.data("GET", "/cluster/ha/status/current")] == ["quorum", "fencing"]
    client.data("POST", RESOURCES, sid="vm:100", state="stopped")
    until(lambda: service(client, "vm:100")["state"], "stopped")
    types = [entry["type"] for entry in client.data("GET", "/cluster/ha/status/current")]
    assert types == ["quorum", "master", "fencing", "lrm", "lrm", "lrm", "service"]


def test_a_managed_vm_is_not_hibernated(client: Client, until: Until) -> None:
    client.data("POST", RESOURCES, sid="vm:100")
    until(lambda: client.status("qemu/100")["status"], "running")
    refused = client.refusal("POST", "/nodes/pve1/qemu/100/status/suspend", todisk=1)
    assert refused == "Cannot suspend HA managed VM to disk"


def test_purge_takes_all_that_names_the_guest(cluster: Lab, client: Client) -> None:
    client.create_vm(102)
    client.data("POST", RESOURCES, sid="vm:102", state="stopped")
    client.data("POST", "/cluster/replication", id="102-0", target="pve2", type="local")
    client.data("POST", "/cluster/backup", id="job", vmid="100,102", schedule="daily", storage="local")
    client.data("POST", "/pools", poolid="p")
    client.data("PUT", "/pools/p", vms="102")
    client.data("PUT", "/access/acl", path="/vms/102", roles="PVEVMUser", users="alice@pve")
    client.data("DELETE", f"{RESOURCES}/vm:102")
    refused = "There is a replication job '102-0' for guest '102' - Please remove that first."
    assert client.refusal("DELETE", "/nodes/pve1/qemu/102") == refused
    assert client.task("DELETE", "/nodes/pve1/qemu/102", purge=1) == "OK"
    assert client.data("GET", "/cluster/replication") == []
    assert client.data("GET", "/cluster/backup/job")["vmid"] == "100"
    assert client.data("GET", "/pools/p")["members"] == []
    assert not [entry for entry in client.data("GET", "/access/acl") if entry["path"] == "/vms/102"]


def test_a_replication_job_goes_when_the_scheduler_comes_by(client: Client, until: Until) -> None:
    client.create_vm(102)
    client.data("POST", "/cluster/replication", id="102-0", target="pve2", type="local")
    client.data("DELETE", "/cluster/replication/102-0")
    assert client.data("GET", "/cluster/replication/102-0")["remove_job"] == "full"
    until(lambda: client.data("GET", "/cluster/replication"), [])
