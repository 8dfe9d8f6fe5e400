# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From plans to the entries of an access list: the fewest privileges, each where it is needed."""

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.filter.least_privilege import FilterModule

least_privilege = FilterModule().filters()["least_privilege"]
Row = dict[str, Any]


def row(path: str, *any_of: str, **more: str) -> Row:
    return {"path": path, "any_of": list(any_of), **more}


def entry(*privileges: Row, reads: tuple[Row, ...] = (), action: str = "lxc", **more: Any) -> Row:
    plan = {"summary": "update lxc/200", "privileges": list(privileges), "reads": list(reads)}
    return {"plan": plan, "task": {"action": f"steward.proxmox.{action}"}, **more}


def given(*entries: Row, **options: Any) -> dict[tuple[str, bool], list[str]]:
    found = least_privilege({"version": 1, "plans": list(entries), "failed_hosts": []}, **options)
    return {(one["path"], one["propagate"]): one["privileges"] for one in found}


def test_writes_and_reads_of_all_plans_are_taken_together() -> None:
    entries = [
        entry(row("/vms/200", "VM.PowerMgmt"), reads=(row("/vms/200", "VM.Audit"),)),
        entry(row("/storage/local", "Datastore.AllocateSpace"), reads=(row("/vms/200", "VM.Audit"),)),
    ]
    assert given(*entries) == {
        ("/vms/200", False): ["VM.Audit", "VM.PowerMgmt"],
        ("/storage/local", False): ["Datastore.AllocateSpace"],
    }


def test_of_several_the_one_that_is_needed_anyhow_is_chosen() -> None:
    either = row("/storage/local", "Datastore.Audit", "Datastore.AllocateSpace")
    assert given(entry(either)) == {("/storage/local", False): ["Datastore.Audit"]}
    both = entry(either, row("/storage/local", "Datastore.AllocateSpace"))
    assert given(both) == {("/storage/local", False): ["Datastore.AllocateSpace"]}


def test_the_other_path_is_enough_where_it_holds_one_anyhow() -> None:
    choice = row("/vms/200", "VM.Backup", "Datastore.Allocate", or_path="/storage/local")
    assert given(entry(choice)) == {("/vms/200", False): ["VM.Backup"]}
    assert given(entry(choice, row("/storage/local", "Datastore.Allocate"))) == {
        ("/storage/local", False): ["Datastore.Allocate"]
    }


def test_what_holds_below_a_path_is_repeated_where_something_else_is_said() -> None:
    found = given(
        entry(row("/vms/*", "VM.Audit"), row("/vms/200", "VM.Config.CPU"), row("/storage/a", "Datastore.Audit"))
    )
    assert found == {
        ("/vms", True): ["VM.Audit"],
        ("/vms/200", False): ["VM.Audit", "VM.Config.CPU"],
        ("/storage/a", False): ["Datastore.Audit"],
    }


def test_everything_below_the_root() -> None:
    found = given(entry(row("/*", "Sys.Audit"), row("/vms/200", "VM.Audit")))
    assert found == {("/", True): ["Sys.Audit"], ("/vms/200", False): ["Sys.Audit", "VM.Audit"]}


def test_a_role_is_named_by_what_is_in_it() -> None:
    plans = [entry(row("/vms/200", "VM.Audit"), row("/vms/201", "VM.Audit"), row("/vms/202", "VM.Clone"))]
    report = {"version": 1, "plans": plans, "failed_hosts": []}
    first, second, third = [one["role"] for one in least_privilege(report, prefix="web")]
    assert first == second != third
    assert first.startswith("web-")
    assert least_privilege(report)[0]["role"] == first.replace("web-", "least-")


def test_what_no_plan_tells_is_added() -> None:
    extra = [{"path": "/vms/*", "privileges": ["VM.Audit", "VM.Console"]}]
    assert given(extra=extra) == {("/vms", True): ["VM.Audit", "VM.Console"]}


REFUSED = [
    ({}, (), "not the file that the callback steward.proxmox.plan writes"),
    ({"version": 2, "plans": []}, (), "not the file"),
    ({"version": 1, "plans": [], "failed_hosts": ["one"]}, (), "the tasks of one failed"),
    ({"version": 1, "plans": [entry(action="api")]}, (), "a write by path"),
    ({"version": 1, "plans": []}, ({"path": "vms", "privileges": ["VM.Audit"]},), "no pair of a path"),
    ({"version": 1, "plans": []}, ({"path": "/vms"},), "no pair of a path"),
    ({"version": 1, "plans": [{}]}, (), "plan"),
]


@pytest.mark.parametrize(("report", "extra", "words"), REFUSED)
def test_what_cannot_be_told_is_an_error(report: Row, extra: Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        least_privilege(report, extra)


def test_a_write_by_path_is_the_users_to_describe() -> None:
    extra = [{"path": "/", "privileges": ["Sys.Modify"]}]
    assert given(entry(action="api"), extra=extra) == {("/", False): ["Sys.Modify"]}


def test_an_id_that_was_only_free_is_refused() -> None:
    chosen = entry(row("/vms/100", "VM.Allocate"), binding={"symbols": {"100": "(known after apply: id of web)"}})
    with pytest.raises(AnsibleFilterError, match="'update lxc/200' has the id 100 only because it was free"):
        given(chosen)
    assert given(entry(row("/vms/100", "VM.Allocate"), binding={"symbols": {"local:x": "(known)"}}))
