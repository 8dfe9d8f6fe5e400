# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task of a module leaves in the task log is found there: with its outcome, and when that is lost."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._planner import RECORDED
from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.planner import RECONCILE

from tests.contract.harness import Site, planner_of, validated, without_progress
from tests.contract.scenarios import Options, container, golden, machine

MANAGED, FREE = {"vmid": 270}, {"vmid": 210}
TASKS: list[tuple[str, Options]] = [
    ("lxc", {**FREE, "state": "started"}),
    ("lxc", {**FREE, "state": "restarted"}),
    ("vm", {**MANAGED, "state": "started"}),
    ("vm", {**MANAGED, "node": "pve3", "migrate": {}}),
    ("snapshot", {**FREE, "snapshot": "s1"}),
    ("backup", {**FREE, "storage": "local", "name": "once"}),
    ("backup", {**FREE, "storage": "local", "name": "once", "state": "absent"}),
    ("api", {"path": "/nodes/pve1/lxc/210/snapshot/s1", "method": "delete"}),
    ("privileged_host", golden(290)),
]


@pytest.fixture(scope="module")
def played(shared_site: Site) -> tuple[Site, list[dict[str, Any]]]:
    """A cluster on which all of that was done, and what a ledger holds of it."""
    site = shared_site
    site.reset({"guests": {270: machine(270), 210: container(210)}, "ha": {"vm:270": {"state": "stopped"}}})
    identity = site.lab.credentials["admin"]["api_token_id"]
    rows = []
    for number, (module, options) in enumerate(TASKS):
        at, result = time.time(), site.run().done(module, options)
        on_host = getattr(planner_of(module), "where", "") == "host"
        rows.append(
            {
                "run": "r1",
                "op": f"op{number}",
                "at": at,
                "until": time.time(),
                "open": False,
                "host": "localhost",
                "task": module,
                "summary": result["plan"]["summary"],
                "endpoint": ["pve1"] if on_host else [site.lab.host.upper()],
                "identity": "root@pam" if on_host else identity,
                "steps": result["plan"]["steps"],
            }
        )
    return site, rows


def lost(row: dict[str, Any]) -> dict[str, Any]:
    """The same, when the run was killed before it could record the outcome."""
    return {**row, "open": True, "until": None, "steps": without_progress(row)["steps"]}


def reconciled(
    site: Site, rows: list[dict[str, Any]], identity: str = "auditor", read_at: int = 0, **options: Any
) -> dict[str, Any]:
    upids = [step["upid"] for row in rows if not row["open"] for step in row["steps"] if "upid" in step]
    known = RECONCILE.argument_spec()
    connection = {name: value for name, value in site.connection(identity).items() if name in known}
    given = validated(RECONCILE, {**connection, "clock_skew": 1, **options})
    recorded = {"read_at": read_at or int(time.time()), "upids": upids, "operations": rows}
    work = Work(RECONCILE, {**given, RECORDED: recorded}, Memory.of([]), False)
    return work.result()


def types(rows: list[dict[str, Any]]) -> list[str]:
    return [row["type"] for row in rows]


def test_nothing_is_left_unexplained(played: tuple[Site, list[dict[str, Any]]]) -> None:
    found = reconciled(*played)
    assert types(found["unrecorded"]) == []
    assert types(found["consequences"]) == ["qmstart", "qmigrate"]
    assert (found["clean"], found["unseen"], found["elsewhere"]) == (True, [], [])


@pytest.mark.parametrize(
    "number", range(len(TASKS)), ids=[f"{module} {n}" for n, (module, _unused) in enumerate(TASKS)]
)
def test_a_lost_outcome_is_found_out(played: tuple[Site, list[dict[str, Any]]], number: int) -> None:
    site, rows = played
    found = reconciled(site, [lost(row) if row is rows[number] else row for row in rows])
    (resolved,) = found["resolved"]
    assert (resolved["op"], resolved["status"]) == (f"op{number}", "ok")
    assert types(found["unrecorded"]) == []


def test_clocks_that_agree_need_no_skew(played: tuple[Site, list[dict[str, Any]]]) -> None:
    """A task of 10.9 began at 10 in the task log, and its change at 10.8 in the ledger."""
    site, rows = played
    found = reconciled(site, [lost(row) if row is rows[0] else row for row in rows], clock_skew=0)
    assert [row["status"] for row in found["resolved"]] == ["ok"]
    assert types(found["unrecorded"]) == []


def test_what_begins_later_than_the_ledger_was_read_is_left_alone(played: tuple[Site, list[dict[str, Any]]]) -> None:
    """Its record is not in what was read; and of an open change nothing can be said yet."""
    site, rows = played
    found = reconciled(site, [lost(rows[0])], read_at=int(rows[0]["at"]) - 1)
    assert (found["unrecorded"], found["resolved"]) == ([], [])
    assert "one may still begin" in found["open"][0]["why"]


def test_without_its_record_a_change_is_unrecorded(played: tuple[Site, list[dict[str, Any]]]) -> None:
    site, rows = played
    found = reconciled(site, rows[1:])
    assert [(row["type"], row["id"], row["user"]) for row in found["unrecorded"]] == [
        ("vzstart", "210", rows[0]["identity"])
    ]
    assert found["clean"] is False
    assert reconciled(site, rows[1:], ignore=[{"type": "vzstart", "user": rows[0]["identity"]}])["ignored"] == 1
    assert reconciled(site, rows[1:], ignore=[{"user": rows[0]["identity"].partition("!")[0]}])["clean"] is True
    assert reconciled(site, rows[1:], ignore=[{"type": "vzstart", "id": "211"}])["ignored"] == 0


def test_a_change_of_another_cluster(played: tuple[Site, list[dict[str, Any]]]) -> None:
    """Its node has the same name; its task is not looked for here unless the endpoint is said to be this cluster."""
    site, rows = played
    there = {**lost(rows[0]), "endpoint": ["pve1.example.com"]}
    found = reconciled(site, [there, *rows[1:]])
    assert (found["elsewhere"], found["resolved"], found["open"]) == (["pve1.example.com"], [], [])
    assert "endpoints says" in "\n".join(found["summary"])
    assert len(reconciled(site, [there, *rows[1:]], endpoints=["PVE1.example.com"])["resolved"]) == 1


def test_a_credential_that_sees_little_says_so(played: tuple[Site, list[dict[str, Any]]]) -> None:
    site, rows = played
    found = reconciled(site, [lost(rows[0]), *rows[1:]], identity="nothing")
    assert (found["unrecorded"], found["resolved"], len(found["unseen"])) == ([], [], 3)
    assert "was not seen so far back" in found["open"][0]["why"]
    assert (found["complete"], found["clean"]) == (False, False)
