# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests a cluster of 300 guests costs, over HTTPS, and that reading at once mixes nothing up."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._connection import MOST_AT_ONCE, resolve
from ansible_collections.steward.proxmox.plugins.module_utils._info.cluster import CLUSTER_INFO, plan_cluster_info
from ansible_collections.steward.proxmox.plugins.module_utils._info.guests import plan_guest_info
from ansible_collections.steward.proxmox.plugins.module_utils._info.snapshots import plan_snapshot_info
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._session import Session
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.lab import Lab

MANY = 300


def seeded(vmid: int) -> dict[str, Any]:
    """Two thirds are containers that run, one third machines that do not."""
    node = f"pve{vmid % 3 + 1}"
    if vmid % 3 == 0:
        return {"kind": "qemu", "node": node, "config": {"name": f"v{vmid}", "agent": "1", "tags": "m"}}
    net0 = (
        f"name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:{vmid // 256:02X}:{vmid % 256:02X},ip={address(vmid)}/16,type=veth"
    )
    return {"kind": "lxc", "node": node, "running": True, "config": {"hostname": f"c{vmid}", "net0": net0}}


def address(vmid: int) -> str:
    return f"10.1.{vmid // 256}.{vmid % 256}"


GUESTS = {vmid: seeded(vmid) for vmid in range(1000, 1000 + MANY)}


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    with Lab(seed={"guests": GUESTS}) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    running.requests.clear()
    return running


def world(lab: Lab, who: str = "admin", memory: Memory | None = None, **connection: Any) -> World:
    given = {"api_host": [lab.host], "api_port": lab.port, "ca_path": lab.ca_path, **lab.credentials[who]}
    session = Session(resolve({**given, **connection}))
    return World(session.get, memory or Memory(), False, session.identity)


def asked(lab: Lab) -> Counter[str]:
    """The last part of each path, and how often."""
    return Counter(f"{entry['method']} {entry['path'].rpartition('/')[2]}" for entry in lab.requests)


def guests(lab: Lab, at: World | None = None, **options: Any) -> list[dict[str, Any]]:
    result = plan_guest_info({"details": [], "concurrency": 8, **options}, at or world(lab)).result
    assert not result["truncated"]
    assert result["complete"], result["unseen"]
    return list(result["guests"])


def test_a_list_of_300_guests_is_one_request_and_one_for_the_run(lab: Lab) -> None:
    memory = Memory()
    assert len(guests(lab, world(lab, memory=memory))) == MANY
    assert asked(lab) == {"GET resources": 1, "GET permissions": 1}
    assert len(guests(lab, world(lab, memory=memory))) == MANY
    assert asked(lab) == {"GET resources": 2, "GET permissions": 1}


def test_the_addresses_of_300_guests_are_301_requests(lab: Lab) -> None:
    """A peer needs 1224 for them; and a machine whose agent is down costs it the whole task."""
    found = guests(lab, details=["addresses"])
    assert sum(asked(lab).values()) == MANY + 2
    reached = {guest["vmid"]: guest["ansible_host"] for guest in found if guest["type"] == "lxc"}
    assert reached == {vmid: address(vmid) for vmid, guest in GUESTS.items() if guest["kind"] == "lxc"}


def test_everything_of_300_guests(lab: Lab) -> None:
    found = guests(lab, details=["config", "pending", "status", "snapshots", "addresses"])
    assert sum(asked(lab).values()) == 4 * MANY + 2
    assert [guest["config"].get("hostname", guest["config"].get("name")) for guest in found] == [
        guest["name"] for guest in found
    ]


@pytest.mark.parametrize("at_once", [1, MOST_AT_ONCE])
def test_each_guest_has_its_own_answer_and_its_own_error(lab: Lab, at_once: int) -> None:
    """An error is made of an answer: it must be the answer to its own request."""
    for guest in guests(lab, details=["addresses", "status"], concurrency=at_once):
        assert guest["status"]["vmid"] == guest["vmid"]
        if guest["type"] == "qemu":
            assert f"VM {guest['vmid']} is not running" in guest["errors"]["addresses"]
            assert f"/qemu/{guest['vmid']}/" in guest["errors"]["addresses"]


def test_a_password_logs_in_once_however_many_read_at_once(lab: Lab) -> None:
    guests(lab, world(lab, "alice"), details=["status"], concurrency=MOST_AT_ONCE)
    assert asked(lab)["POST ticket"] == 1
    assert asked(lab)["GET current"] == MANY


def test_a_pinned_certificate_is_read_at_once_too(lab: Lab) -> None:
    pinned = world(lab, fingerprint=lab.fingerprint, ca_path=None)
    assert len(guests(lab, pinned, details=["status"], concurrency=MOST_AT_ONCE)) == MANY


def test_those_who_read_first_wait_for_one_login(lab: Lab) -> None:
    lab.fault(method="POST", path=r"/access/ticket$", delay=0.3, count=9)
    answers = world(lab, "alice").get_all([f"/nodes/pve{number}/version" for number in (1, 2, 3)], 3)
    assert {answer["release"] for answer in answers.values()} == {"9.2"}
    assert asked(lab) == {"POST ticket": 1, "GET version": 3}


def test_an_old_ticket_is_renewed_once(lab: Lab) -> None:
    given = {"api_host": [lab.host], "api_port": lab.port, "ca_path": lab.ca_path, **lab.credentials["alice"]}
    session = Session(resolve(given))
    session.get("/version")
    session._api._store["session"].auth.birth_time -= 7000
    lab.fault(method="POST", path=r"/access/ticket$", delay=0.3, count=9)
    World(session.get, Memory(), False).get_all([f"/nodes/pve{number}/version" for number in (1, 2, 3)], 3)
    assert asked(lab) == {"POST ticket": 2, "GET version": 4}


@pytest.mark.parametrize("hosts", [[], ["no-such-node.invalid"]], ids=str)
def test_connections_that_break_under_all_who_read_are_made_again(lab: Lab, hosts: list[str]) -> None:
    lab.fault(method="GET", path=r"/status/current$", drop="before", count=12)
    at = world(lab, api_host=[*hosts, lab.host])
    found = guests(lab, at, details=["status"], concurrency=MOST_AT_ONCE)
    assert {guest["vmid"]: guest["errors"] for guest in found} == {vmid: {} for vmid in GUESTS}


def test_the_snapshots_of_300_guests_are_301_requests(lab: Lab) -> None:
    result = plan_snapshot_info({"concurrency": 8}, world(lab)).result
    assert (result["snapshots"], result["complete"]) == ([], True)
    assert asked(lab) == {"GET resources": 1, "GET permissions": 1, "GET snapshot": MANY}


def test_the_whole_cluster_is_two_requests_and_one_for_the_run(lab: Lab) -> None:
    options = {"kinds": CLUSTER_INFO.options["kinds"]["default"], "details": [], "concurrency": 8}
    result = plan_cluster_info(options, world(lab)).result
    assert (result["total"]["guests"], result["quorate"], result["complete"]) == (MANY, True, True)
    assert asked(lab) == {"GET resources": 1, "GET status": 1, "GET permissions": 1}
