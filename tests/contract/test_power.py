# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power, migration and waiting against a cluster that behaves like the real one, its HA manager included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.harness import Run, Site, without_progress
from tests.contract.scenarios import container, machine

VM, CT = {"vmid": 270}, {"vmid": 210}
GUESTS = [("vm", VM), ("lxc", CT)]


@pytest.fixture
def cluster(empty_site: Site) -> Site:
    """One virtual machine with an agent and one container, both stopped on pve1."""
    vm = machine(270)
    vm["config"]["agent"] = "1"
    empty_site.reset({"guests": {270: vm, 210: container(210)}})
    empty_site.lab.state.guests[270].agent_seconds = 0
    return empty_site


def ops(result: dict[str, Any]) -> list[str]:
    return [step["op"] for step in result["plan"]["steps"]]


def power(site: Site, vmid: int) -> str:
    guest = site.lab.state.guests[vmid]
    if guest.running:
        return "paused" if guest.paused else "running"
    return "hibernated" if guest.lock == "suspended" else "stopped"


JOURNEY = [
    ("started", ["start"], "running"),
    ("paused", ["pause"], "paused"),
    ("started", ["resume"], "running"),
    ("hibernated", ["hibernate"], "hibernated"),
    ("started", ["start"], "running"),
    ("shutdown", ["shutdown"], "stopped"),
    ("restarted", ["start"], "running"),
    ("stopped", ["stop"], "stopped"),
]


def test_every_power_state_is_reached_and_kept(cluster: Site) -> None:
    for state, steps, becomes in JOURNEY:
        assert ops(cluster.run().done("vm", {**VM, "state": state})) == steps
        assert power(cluster, 270) == becomes
        cluster.forget()
        if state != "restarted":
            assert not cluster.run().done("vm", {**VM, "state": state})["changed"]
            assert cluster.writes == []


def test_a_check_run_sees_the_whole_journey_as_it_then_happens(cluster: Site) -> None:
    def journey(run: Run) -> list[dict[str, Any]]:
        results = [run.done("vm", {**VM, "state": state}) for state, _steps, _becomes in JOURNEY]
        results.append(run.done("vm", {**VM, "node": "pve2", "migrate": {}, "state": "started"}))
        return [without_progress(result["plan"]) for result in results]

    previewed = journey(cluster.run(check=True))
    assert cluster.writes == []
    assert journey(cluster.run()) == previewed


@pytest.mark.parametrize(("module", "guest"), GUESTS)
def test_a_guest_that_does_not_listen_goes_down_only_by_force(
    cluster: Site, module: str, guest: dict[str, Any]
) -> None:
    cluster.run().done(module, {**guest, "state": "started"})
    cluster.lab.state.guests[guest["vmid"]].deaf = True
    failed = cluster.run().task(module, {**guest, "state": "shutdown"})
    assert failed["failed"]
    assert failed["failed_step"]["op"] == "shutdown"
    assert power(cluster, guest["vmid"]) == "running"
    cluster.run().done(module, {**guest, "state": "shutdown", "force": True})
    assert power(cluster, guest["vmid"]) == "stopped"


def test_a_pending_change_is_taken_over_by_the_reboot_that_was_asked_for(cluster: Site) -> None:
    cluster.run().done("vm", {**VM, "state": "started"})
    task = {**VM, "memory": 1024, "reboot_if_pending": True}
    assert ops(cluster.run().done("vm", task)) == ["update", "reboot"]
    assert cluster.lab.state.guests[270].config["memory"] == "1024"
    assert cluster.lab.state.guests[270].pending == {}
    assert not cluster.run().done("vm", task)["changed"]


# migration


@pytest.mark.parametrize("state", ["paused", "reset"])
def test_what_is_paused_or_reset_takes_over_nothing(cluster: Site, state: str) -> None:
    cluster.run().done("vm", {**VM, "state": "started"})
    task = {**VM, "memory": 2048, "state": state}
    shown, done = (cluster.run(check=check).done("vm", task) for check in (True, False))
    assert shown["pending"] == done["pending"] == ["memory"]
    cluster.run().done("vm", {**VM, "state": "started"})
    assert cluster.run().done("vm", {**VM, "state": "restarted"})["pending"] == []


@pytest.mark.parametrize(("module", "guest"), GUESTS)
@pytest.mark.parametrize("state", ["stopped", "started"])
def test_a_guest_moves_to_the_node_that_the_task_names(
    cluster: Site, module: str, guest: dict[str, Any], state: str
) -> None:
    cluster.run().done(module, {**guest, "state": state})
    task = {**guest, "node": "pve2", "migrate": {"restart": True}, "description": "moved"}
    result = cluster.run().done(module, task)
    assert ops(result) == ["migrate", "update"]
    found = cluster.lab.state.guests[guest["vmid"]]
    assert (found.node, found.running, found.config["description"]) == ("pve2", state == "started", "moved")
    assert result["node"] == "pve2"
    assert not cluster.run().done(module, task)["changed"]


def test_volumes_go_where_the_storage_map_says(cluster: Site) -> None:
    task = {**VM, "node": "pve2", "migrate": {"storage": {"local-zfs": "local"}}, "state": "started"}
    previewed = cluster.run(check=True).done("vm", task)
    assert "(known after apply:" in previewed["config"]["scsi0"]
    result = cluster.run().done("vm", task)
    assert result["plan"]["digest"] == previewed["plan"]["digest"]
    assert result["config"]["scsi0"].startswith("local:270/")
    assert ("pve2", result["config"]["scsi0"].partition(",")[0]) in cluster.lab.state.volumes


def test_a_node_without_the_storage_is_refused_before_anything_is_sent(cluster: Site) -> None:
    cluster.lab.state.storages["local-zfs"]["nodes"] = "pve1"
    for module, guest in GUESTS:
        refused = cluster.run().task(module, {**guest, "node": "pve2", "migrate": {}})
        assert refused["refused"]
        assert "storage local-zfs (of " in refused["msg"]
        assert "migrate.storage" in refused["msg"]
    assert cluster.writes == []


# the HA manager


@pytest.fixture
def managed(cluster: Site) -> Site:
    cluster.lab.state.ha |= {"vm:270": {"state": "stopped"}, "ct:210": {"state": "stopped"}}
    return cluster


@pytest.mark.parametrize(("module", "guest"), GUESTS)
@pytest.mark.parametrize("identity", ["admin", "vmadmin"])
def test_ha_guests_go_through_their_ha_state(managed: Site, module: str, guest: dict[str, Any], identity: str) -> None:
    """Who may set HA states and who may only switch guests get the same."""
    sid = {"vm": "vm:270", "lxc": "ct:210"}[module]
    for state, becomes in (
        ("started", "started"),
        ("shutdown", "stopped"),
        ("started", "started"),
        ("stopped", "stopped"),
    ):
        managed.run(identity=identity).done(module, {**guest, "state": state})
        assert power(managed, guest["vmid"]) == ("running" if state == "started" else "stopped")
        assert managed.lab.state.ha[sid]["state"] == becomes
        managed.forget()
        assert not managed.run(identity=identity).done(module, {**guest, "state": state})["changed"]
        assert managed.writes == []


def test_ha_moves_its_guest_and_the_task_waits_for_it(managed: Site) -> None:
    managed.run().done("vm", {**VM, "state": "started"})
    result = managed.run().done("vm", {**VM, "node": "pve3", "migrate": {}, "description": "moved by HA"})
    assert ops(result) == ["migrate", "update"]
    found = managed.lab.state.guests[270]
    assert (found.node, found.running, found.config["description"]) == ("pve3", True, "moved by HA")


def test_ha_that_gives_up_is_no_success_and_not_waited_for(managed: Site) -> None:
    """The disk is gone, so every start fails: the task says so long before task_timeout."""
    state = managed.lab.state
    state.ha_seconds = 0
    for key in [key for key in state.volumes if "vm-270" in key[1]]:
        del state.volumes[key]
    failed = managed.run().task("vm", {**VM, "state": "started"})
    assert failed["failed"]
    assert "HA state error" in failed["msg"]
    again = managed.run().task("vm", {**VM, "state": "started"})
    assert again["refused"]
    assert "vm:270" in again["msg"]


# waiting


def test_a_started_machine_is_waited_for_and_tells_its_address(cluster: Site) -> None:
    cluster.lab.state.guests[270].agent_seconds = 0.5
    task = {**VM, "state": "started", "wait_for": {"ip": "ipv4", "timeout": 20}}
    previewed = cluster.run(check=True).done("vm", task)
    assert previewed["ansible_host"] == "(known after apply: address of qemu/270)"
    result = cluster.run().done("vm", task)
    assert result["ansible_host"] == result["addresses"][0]["address"]
    assert result["addresses"][0]["family"] == "ipv4"
    known = cluster.run(check=True).done("vm", task)
    assert known["ansible_host"] == result["ansible_host"]


def test_a_machine_whose_agent_never_answers_fails_within_the_budget(cluster: Site) -> None:
    cluster.lab.state.guests[270].agent_seconds = 3600
    failed = cluster.run().task("vm", {**VM, "state": "started", "wait_for": {"timeout": 1}})
    assert failed["failed"]
    assert "qemu/270 was waited for 1 seconds: its guest agent does not answer" in failed["msg"]
    assert failed["changed"]


def test_who_may_not_ask_the_agent_is_told_before_the_machine_starts(cluster: Site) -> None:
    state = cluster.lab.state
    state.roles["PowerOnly"] = {"VM.Audit", "VM.PowerMgmt"}
    for entry in state.acl:
        if entry["ugid"].startswith("operator@pve"):
            entry["roleid"] = "PowerOnly"
    refused = cluster.run(identity="vmadmin").task("vm", {**VM, "state": "started", "wait_for": {}})
    assert refused["refused"]
    assert "VM.GuestAgent.Audit" in refused["msg"]
    assert cluster.writes == []


# the node


def test_a_cluster_without_quorum_is_named_before_anything_is_sent(cluster: Site) -> None:
    cluster.lab.state.quorate = False
    refused = cluster.run().task("vm", {**VM, "state": "started"})
    assert refused["refused"]
    assert "no quorum on node pve1" in refused["msg"]
    assert cluster.writes == []


def test_the_state_of_the_node_is_in_the_plan(cluster: Site) -> None:
    assert cluster.run(check=True).done("vm", {**VM, "state": "started"})["plan"]["state"]["node"] == "online"
    cluster.lab.state.maintenance.add("pve1")
    plan = cluster.run(check=True).done("vm", {**VM, "state": "started"})["plan"]
    assert plan["state"]["node"] == "maintenance"
    assert plan["risk"]["level"] == "medium"
