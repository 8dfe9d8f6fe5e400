# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report finds in the plans: changes, signs, totals, order, outcomes."""

import json
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.changes import compare
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.report import Entry, Report

from .samples import create, destroy, plan, record, step, update


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"cores": 2}, {"cores": 3}, [("cores", 2, 3)]),
        ({"cores": 2, "memory": 1}, {"cores": 2, "memory": 1}, []),
        ({}, {"cores": 3}, [("cores", None, 3)]),
        ({"cores": 3}, {}, [("cores", 3, None)]),
        ({"n": "a=1,b=2"}, {"n": "b=3,a=1"}, [("n.b", "2", "3")]),
        ({"n": "a=1,b=2"}, {"n": "a=1"}, [("n.b", "2", None)]),
        ({}, {"features": "nesting=1"}, [("features.nesting", None, "1")]),
        ({"features": ""}, {"features": "nesting=1"}, [("features.nesting", None, "1")]),
        ({"rootfs": "local:vol,size=4G"}, {"rootfs": "local:vol,size=8G"}, [("rootfs.size", "4G", "8G")]),
        ({"rootfs": "local:a,size=4G"}, {"rootfs": "local:b,size=4G"}, [("rootfs", "local:a", "local:b")]),
        ({"net0": {"ip": "dhcp", "tag": 1}}, {"net0": {"ip": "dhcp", "tag": 2}}, [("net0.tag", 1, 2)]),
        # the same keys in another order: shown as it is, so that no change is hidden
        ({"n": "a=1,b=2"}, {"n": "b=2,a=1"}, [("n", "a=1,b=2", "b=2,a=1")]),
        ({"rootfs.size": "local:vol,size=4G"}, {"rootfs.size": "8G"}, [("rootfs.size", "local:vol,size=4G", "8G")]),
        # prose, lists and repeated keys are not property strings
        ({"d": "one, a=b"}, {"d": "two, a=b"}, [("d", "one, a=b", "two, a=b")]),
        ({"d": "a=1\nb"}, {"d": "a=2\nb"}, [("d", "a=1\nb", "a=2\nb")]),
        ({"d": "a=1,a=2"}, {"d": "a=1,a=3"}, [("d", "a=1,a=2", "a=1,a=3")]),
        ({"tags": ["a"]}, {"tags": ["a", "b"]}, [("tags", ["a"], ["a", "b"])]),
        ({"name": "a"}, {"name": "b"}, [("name", "a", "b")]),
    ],
)
def test_changes(before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, Any, Any]]) -> None:
    assert compare(before, after) == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (create(), [("cores", None, 2), ("net0", None, "name=eth0,bridge=vmbr0"), ("power", None, "running")]),
        (destroy(), [("name", "web", None)]),
        (plan(step("create"), before={}, after={"comment": "x"}), [("comment", None, "x")]),
        (plan(step("delete"), before={"comment": "x"}, after={}), [("comment", "x", None)]),
        (update({"cores": 1}, {}), [("cores", 1, None)]),
        (plan(step("update")), []),  # a no_log task has neither side
    ],
)
def test_what_an_entry_shows(shape: dict[str, Any], expected: list[tuple[str, Any, Any]]) -> None:
    assert Entry(record(shape)).changes == expected


@pytest.mark.parametrize(
    ("op", "sign"),
    [
        ("create", "+"),
        ("clone", "+"),
        ("backup", "+"),
        ("snapshot", "+"),
        ("restore", "+"),
        ("update", "~"),
        ("resize", "~"),
        ("template", "~"),
        ("delete", "-"),
        ("destroy", "-"),
        ("delsnapshot", "-"),
        ("rollback", "<"),
        ("start", ">"),
        ("an operation of tomorrow", ">"),
    ],
)
def test_signs(op: str, sign: str) -> None:
    assert [operation.sign for operation in Entry(record(plan(step(op)))).operations] == [sign]


def test_a_restore_over_a_guest_goes_back() -> None:
    over = plan(step("overwrite"), before={"cores": 1}, after={"cores": 2})
    assert [operation.sign for operation in Entry(record(over)).operations] == ["<"]
    assert Report.of([record(over)]).headline() == "Plan: 0 to create, 1 to change, 0 to destroy"


@pytest.mark.parametrize(
    ("shapes", "headline"),
    [
        ([], "Plan: nothing to change"),
        ([create()], "Plan: 1 to create, 0 to change, 0 to destroy, 1 other operation"),
        ([update({"a": 1}, {"a": 2})], "Plan: 0 to create, 1 to change, 0 to destroy"),
        ([plan(step("update"), step("resize"))], "Plan: 0 to create, 1 to change, 0 to destroy"),
        ([plan(step("clone"), step("update"))], "Plan: 1 to create, 0 to change, 0 to destroy"),
        ([plan(step("stop"), step("destroy"))], "Plan: 0 to create, 0 to change, 1 to destroy, 1 other operation"),
        ([plan(step("delsnapshot"), step("delsnapshot"))], "Plan: 0 to create, 0 to change, 2 to destroy"),
        (
            [plan(step("reboot")), plan(step("start"))],
            "Plan: 0 to create, 0 to change, 0 to destroy, 2 other operations",
        ),
    ],
)
def test_totals(shapes: list[dict[str, Any]], headline: str) -> None:
    assert Report.of(map(record, shapes)).headline() == headline


def test_nothing_is_not_claimed_where_planning_failed() -> None:
    assert Report.of([], failed=["one"]).headline() == "Plan: nothing to change as far as it could be planned"


def test_risk_and_privileges_of_the_whole_run() -> None:
    lacking = {"path": "/vms/200", "any_of": ["VM.Allocate"], "held": False}
    unknown = {"path": "/vms/200", "any_of": ["VM.Audit"], "held": "unknown"}
    held = {"path": "/vms/200", "any_of": ["VM.PowerMgmt"], "held": True}
    shapes = [plan(step("start"), privileges=[lacking, unknown, held]), destroy(privileges=[lacking])]
    totals = Report.of(map(record, shapes)).totals
    assert (totals["risk"], totals["cannot_be_undone"]) == ("high", 1)
    assert (totals["missing_privileges"], totals["unknown_privileges"]) == (1, 1)


def test_a_radius_that_says_nothing_is_not_complete() -> None:
    shapes = [plan(step("start"), blast_radius={}), plan(step("start"), blast_radius={"complete": False})]
    assert Report.of(map(record, shapes)).totals["incomplete_blast_radius"] == 2


def test_the_digest_does_not_depend_on_which_fork_was_first() -> None:
    first = [record(create(digest=f"sha256:{host}"), host) for host in "ba"]
    second = [record(create(digest=f"sha256:2{host}"), host, uuid="u2") for host in "ab"]
    one, other = Report.of([*first, *second]), Report.of([*reversed(first), *reversed(second)])
    assert [entry.plan["digest"] for entry in one.entries] == ["sha256:a", "sha256:b", "sha256:2a", "sha256:2b"]
    assert one.digest == other.digest
    assert Report.of(first).digest != one.digest


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        # the first batch of serial had nothing to do in the first task
        (["a2", "b1", "b2"], ["a2", "b1", "b2"]),
        # a handler that was run twice
        (["ah", "bh", "a2", "b2", "ah", "bh"], ["ah", "bh", "a2", "ah", "b2", "bh"]),
        # strategy free
        (["b1", "b2", "b3", "a1", "a3"], ["a1", "b1", "b2", "a3", "b3"]),
    ],
)
def test_the_order_on_each_host_is_that_of_the_run(made: list[str], shown: list[str]) -> None:
    """It is the order in which a saved plan is carried out."""
    records = [record(create(digest=text), text[0], uuid=text[1]) for text in made]
    assert [entry.plan["digest"] for entry in Report.of(records).entries] == shown


def test_json_round_trip() -> None:
    report = Report.of([record(create()), record(destroy(), no_log=True)], failed=["two"])
    head = {"id": "0" * 32, "made": "2026-01-01T00:00:00Z"}
    read = json.loads(json.dumps(report.public(head)))
    assert read == report.public(head)
    assert (read["version"], read["failed_hosts"], read["digest"]) == (1, ["two"], report.digest)
    assert Report.of(read["plans"], failed=read["failed_hosts"]).public(head) == read


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        (["done", "done"], "carried out"),
        (["done", "failed", "not tried"], "done, failed, not tried"),
        ([], "outcome not reported"),
    ],
)
def test_outcome(statuses: list[str], outcome: str) -> None:
    steps = [step("update", status=status) for status in statuses] or [step("update")]
    assert Entry(record(plan(*steps), check_mode=False)).outcome == outcome
    assert Entry(record(plan(*steps), check_mode=True)).outcome == ""
