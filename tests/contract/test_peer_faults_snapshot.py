# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the peer's module for snapshots. Ids: peer_faults.py."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.contract.harness import Site
from tests.contract.peers import CT, RUNNING_VM, VM, config, ops
from tests.contract.scenarios import snapshot

GUESTS = pytest.mark.parametrize("guest", [VM, CT], ids=["vm", "lxc"])


def of(guest: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
    return snapshot(guest["vmid"], name, **more)[1]


def names(result: dict[str, Any]) -> list[str]:
    return [row["name"] for row in result["snapshots"]]


@GUESTS
def test_check_mode_says_what_the_real_run_does(site: Site, guest: dict[str, Any]) -> None:
    """2.5.1"""
    for task in (of(guest, "s1"), of(guest, "s1", state="rolled_back"), of(guest, "s1", state="absent")):
        preview = site.run(check=True).done("snapshot", task)
        real = site.run().done("snapshot", task)
        assert preview["changed"]
        assert real["changed"]
        assert ops(preview) == ops(real)
        assert names(preview) == names(real)


def test_check_mode_changes_nothing(site: Site) -> None:
    """2.5.1"""
    run = site.run(check=True)
    run.done("snapshot", of(VM, "s1"))
    assert names(run.done("snapshot", of(VM, "s2"))) == ["s1", "s2"], "the later task sees what is planned"
    assert site.writes == []


@pytest.mark.parametrize("state", ["present", "absent", "rolled_back"])
def test_a_snapshot_that_outlasts_the_time_ends_with_an_answer(site: Site, state: str) -> None:
    """2.5.2"""
    if state != "present":
        site.run().done("snapshot", of(VM, "s1"))
    site.lab.fault(method="POST|DELETE", path=r"/snapshot", task_seconds=30)
    result = site.run().task("snapshot", {**of(VM, "s1", state=state), "task_timeout": 1})
    assert result["failed"]
    assert "still runs after 1 seconds" in result["msg"]
    assert result["plan"]["steps"][0]["status"] == "unknown"


def test_a_snapshot_that_fails_is_told_at_once(site: Site) -> None:
    """2.5.3"""
    site.lab.fault(method="POST", path=r"/snapshot$", task_exit="snapshot feature is not available")
    before = time.monotonic()
    result = site.run().task("snapshot", {**of(VM, "s1"), "task_timeout": 120})
    assert time.monotonic() - before < 60
    assert "snapshot feature is not available" in result["msg"]
    assert names(site.run().done("snapshot", of(VM, "s1", state="absent"))) == []


def test_retention_waits_for_every_removal_and_stops_at_the_first_that_fails(site: Site) -> None:
    """2.5.3"""
    for name in ("s1", "s2", "s3"):
        site.run().done("snapshot", of(VM, name))
    prune = {"vmid": 320, "state": "pruned", "keep": 1}
    site.lab.fault(method="DELETE", path=r"/snapshot/s1$", task_exit="dataset is busy")
    failed = site.run().task("snapshot", prune)
    assert "dataset is busy" in failed["msg"]
    assert [step["status"] for step in failed["plan"]["steps"]] == ["failed", "not tried"]
    site.lab.fault(method="DELETE", path=r"/snapshot/s", task_seconds=0.4, count=2)
    assert names(site.run().done("snapshot", prune)) == ["s3"]
    assert set(site.lab.state.guests[320].snapshots) == {"s3"}, "every removal was waited for"


def test_retention_is_previewed(site: Site) -> None:
    """2.5.3"""
    for name in ("s1", "s2", "s3"):
        site.run().done("snapshot", of(VM, name))
    site.forget()
    preview = site.run(check=True).done("snapshot", {"vmid": 320, "state": "pruned", "keep": 1})
    assert (ops(preview), names(preview)) == (["delsnapshot"] * 2, ["s3"])
    assert site.writes == []


@pytest.mark.parametrize("fault", [{"task_exit": "no space left"}, {"task_seconds": 30}])
def test_a_snapshot_touches_no_mount_point_whether_it_works_or_not(site: Site, fault: dict[str, Any]) -> None:
    """2.5.4"""
    site.run().done("lxc", {**CT, "mounts": [{"slot": "mp0", "mp": "/srv", "storage": "local-zfs", "size": "1G"}]})
    before = config(site, CT)
    site.lab.fault(method="POST", path=r"/snapshot$", **fault)
    assert site.run().task("snapshot", {**of(CT, "s1"), "task_timeout": 1})["failed"]
    after = config(site, CT)
    assert {key: after[key] for key in before} == before


def test_a_mount_point_that_cannot_be_snapshotted_is_named_and_not_removed(site: Site) -> None:
    """2.5.4"""
    guest = site.lab.state.guests[213]
    guest.config["mp0"] = "nas:213/vm-213-disk-1.raw,mp=/srv,size=1G"
    result = site.run(check=True).task("snapshot", of(CT, "s1"))
    assert "mp0 is on storage 'nas'" in result["msg"]
    assert guest.config["mp0"] == "nas:213/vm-213-disk-1.raw,mp=/srv,size=1G"
    assert site.writes == []


@GUESTS
def test_snapshots_are_listed_with_their_parents(site: Site, guest: dict[str, Any]) -> None:
    """2.5.5"""
    for name in ("s1", "s2"):
        site.run().done("snapshot", of(guest, name, description=f"before {name}"))
    found = site.run().done("snapshot_info", guest)["snapshots"]
    assert [(row["name"], row.get("parent"), row["description"].strip()) for row in found] == [
        ("s1", None, "before s1"),
        ("s2", "s1", "before s2"),
    ]


@GUESTS
def test_a_description_is_updated(site: Site, guest: dict[str, Any]) -> None:
    """2.5.5"""
    site.run().done("snapshot", of(guest, "s1", description="old"))
    result = site.run().done("snapshot", of(guest, "s1", description="new"))
    assert ops(result) == ["describe"]
    assert not site.run().done("snapshot", of(guest, "s1", description="new"))["changed"]
    assert not site.run().done("snapshot", of(guest, "s1"))["changed"], "what is not mentioned stays"


@GUESTS
def test_a_rollback_can_start_the_guest(site: Site, guest: dict[str, Any]) -> None:
    """2.5.5"""
    site.run().done("snapshot", of(guest, "s1"))
    site.run().done("snapshot", of(guest, "s1", state="rolled_back"))
    assert not site.lab.state.guests[guest["vmid"]].running
    site.run().done("snapshot", of(guest, "s1", state="rolled_back", start=True))
    assert site.lab.state.guests[guest["vmid"]].running


def test_a_rollback_of_a_running_machine_says_that_it_stops(site: Site) -> None:
    """2.5.3"""
    site.run().done("snapshot", of(RUNNING_VM, "s1"))
    plan = site.run(check=True).done("snapshot", of(RUNNING_VM, "s1", state="rolled_back"))["plan"]
    assert any("is running and will be stopped" in why for why in plan["risk"]["reasons"])
    site.run().done("snapshot", of(RUNNING_VM, "s1", state="rolled_back"))
    assert not site.lab.state.guests[321].running
