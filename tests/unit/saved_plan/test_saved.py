# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run carries out what is in its saved plan, each once and in its order; all else is refused with what differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import origin

from .conftest import THIS_RUN, Folder, change, real

OTHER_RUN = {"token": "fedcba9876543210", "ledger": "run-of-tomorrow"}


def refused(folder: Folder, record: dict[str, Any]) -> Refused:
    with pytest.raises(Refused) as found:
        folder.allow(record)
    return found.value


def ago(**time: float) -> str:
    return origin.written(datetime.now(UTC) - timedelta(**time))


def test_what_was_planned_is_allowed_and_the_ledger_learns_by_which_plan(folder: Folder) -> None:
    document = folder.write(change(200), change(201))
    assert folder.allow(real(change(200))) == {"plan": document["id"], "entry": 0, "signers": []}
    assert folder.allow(real(change(201)))["entry"] == 1


def test_a_preview_uses_nothing_up(folder: Folder) -> None:
    folder.write(change(200), change(201))
    for _time in range(2):
        assert folder.allow(change(201))["entry"] == 1
    assert folder.load().left(folder.uses, ["one"])[1]["entry"] == 1
    assert not folder.uses.directory.exists() or not list(folder.uses.directory.rglob("*.json"))


def test_each_is_used_once_whichever_run_used_it(folder: Folder) -> None:
    folder.write(change(200))
    folder.allow(real(change(200)), OTHER_RUN)
    again = str(refused(folder, real(change(200))))
    assert "was used at" in again
    assert "by run run-of-tomorrow" in again
    assert "update lxc/200 on pve1" in again


def test_the_same_change_twice_is_planned_twice(folder: Folder) -> None:
    folder.write(change(200), change(200))
    assert [folder.allow(real(change(200)))["entry"] for _time in range(2)] == [0, 1]
    assert "was used at" in str(refused(folder, real(change(200))))


def test_an_object_that_changed_since_is_named(folder: Folder) -> None:
    folder.write(change(200, had=2))
    error = refused(folder, real(change(200, had=4)))
    assert error.facts["differs"] == ["lxc/200 has changed since: cores 2 -> 4"]
    assert "lxc/200 has changed since: cores 2 -> 4. Nothing was sent. Make a new plan with --check" in str(error)


def test_a_task_that_changed_is_told_with_what_it_was(folder: Folder) -> None:
    folder.write(change(200, 3))
    assert refused(folder, real(change(200, 8))).facts["differs"] == ["update lxc/200: planned was cores 3 -> 8"]


def test_steps_that_are_new_or_missing_are_told(folder: Folder) -> None:
    folder.write(change(200))
    differs = refused(folder, real(change(200, op="stop"))).facts["differs"]
    assert differs == ["update lxc/200 was planned and is missing", "stop lxc/200 is new"]


def test_an_object_that_was_not_there_then_is_told(folder: Folder) -> None:
    folder.write(change(200))
    now = change(200, 8)
    now["binding"]["objects"]["storage/local"] = {"type": "dir"}
    assert refused(folder, real(now)).facts["differs"] == [
        "storage/local was not looked at then, and is now",
        "update lxc/200: planned was cores 3 -> 8",
    ]


def test_what_nobody_planned_is_refused(folder: Folder) -> None:
    folder.write(change(200))
    assert "'Other' was not planned to change anything" in str(refused(folder, real(change(300, task="Other"))))
    assert "nothing was planned for two" in str(refused(folder, real(change(200, host="two"))))


def test_what_an_earlier_task_was_to_do_first_is_told(folder: Folder) -> None:
    made = change(200, task="Make")
    folder.write(made, change(200, 4, bound={"lxc/200": made["plan"]["digest"]}))
    differs = refused(folder, real(change(200, 4))).facts["differs"]
    assert differs == ["lxc/200 was to be changed by an earlier task of the plan, and this run has not done so"]


def test_order_holds_on_each_host_by_itself(folder: Folder) -> None:
    folder.write(
        change(200), change(300, host="two"), change(201, task="Second"), change(301, host="two", task="Second")
    )
    said = str(refused(folder, real(change(201, task="Second"))))
    assert "'update lxc/200 on pve1' of task 'Change'" in said
    assert "was planned before it and has not been done" in said
    # a slice of the inventory has only the second host
    assert [folder.allow(real(change(vmid, host="two")))["entry"] for vmid in (300, 301)] == [1, 3]


def test_what_the_preview_carried_out_is_no_part_of_the_plan(folder: Folder) -> None:
    folder.write(change(200, check=False), change(201))
    assert folder.allow(real(change(201)))["entry"] == 1
    assert "not planned" in str(refused(folder, real(change(200))))


def test_another_cluster_is_refused(folder: Folder) -> None:
    folder.write(change(200))
    said = str(refused(folder, real(change(200, endpoint=["pve9.example.com"]))))
    assert "was planned for pve1.example.com, and this is pve9.example.com" in said
    assert folder.allow(real(change(200, endpoint=["pve2", "PVE1.example.com"])))


@pytest.mark.parametrize(
    ("planned", "now", "said"),
    [
        ({}, {"subset": "web"}, "was made with no --limit, and this run has --limit web"),
        ({"subset": "web"}, {}, "was made with --limit web, and this run has no --limit"),
        ({}, {"tags": ("a", "b")}, "was made with --tags all, and this run has --tags a,b"),
        ({}, {"skip_tags": ("c",)}, "was made with no --skip-tags, and this run has --skip-tags c"),
        ({}, {"args": ("other.yml",)}, "made with the playbook site.yml, and this run has the playbook other.yml"),
    ],
)
def test_another_choice_is_refused_naming_both(
    folder: Folder, planned: dict[str, Any], now: dict[str, Any], said: str
) -> None:
    document = folder.write(change(200))
    folder.command_line(**planned)
    folder.put({**document, "run": {**document["run"], **origin.asked()}})
    folder.command_line(**now)
    assert said in str(refused(folder, real(change(200))))
    with pytest.raises(Refused):
        folder.load().check()


def test_the_same_choice_said_otherwise_is_the_same(folder: Folder) -> None:
    folder.write(change(200))
    folder.command_line(args=("/home/of/another/machine/site.yml",), subset="")
    assert folder.allow(real(change(200)))


def test_a_host_that_failed_in_the_preview_has_no_whole_plan(folder: Folder) -> None:
    folder.write(change(200), change(300, host="two"), failed=["two"])
    assert folder.allow(real(change(200)))
    assert "two failed in the run that made" in str(refused(folder, real(change(300, host="two"))))


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({"made": 9 * 60, "expires": 60}, "expired at"),
        ({"made": 9 * 60, "expires": -100 * 60}, "expired at"),  # longer than the policy has it
        ({"made": -6, "expires": -8 * 60}, "and here it is"),
    ],
)
def test_yesterdays_and_tomorrows_plans_are_refused(folder: Folder, head: dict[str, int], said: str) -> None:
    folder.write(change(200), **{name: ago(minutes=minutes) for name, minutes in head.items()})
    assert said in str(refused(folder, real(change(200))))


def test_clocks_may_be_a_little_apart(folder: Folder) -> None:
    folder.write(change(200), made=ago(minutes=-4))
    assert folder.allow(real(change(200)))


def test_the_policy_of_today_can_be_shorter(folder: Folder) -> None:
    folder.write(change(200), made=ago(hours=2))
    with pytest.raises(Refused, match="expired at"):
        folder.load(valid_for="1h")


def test_the_report_of_a_real_run_is_no_plan(folder: Folder) -> None:
    document = folder.write(change(200))
    folder.put({**document, "run": {**document["run"], "check_mode": False}})
    assert "is the report of a real run and no plan" in str(refused(folder, real(change(200))))


def test_what_was_not_done_is_listed_for_the_hosts_of_the_run(folder: Folder) -> None:
    folder.write(change(200), change(201), change(300, host="two"))
    folder.allow(real(change(200)))
    left = folder.load().left(folder.uses, ["one", "three"])
    assert left == [{"entry": 1, "host": "one", "task": "Change", "summary": "update lxc/201 on pve1"}]


def test_a_redacted_plan_is_bound_by_its_digest_alone(folder: Folder) -> None:
    hidden = {"no_log": True, "binding": {}}
    document = folder.write({**change(200), **hidden})
    assert document["plans"][0]["redacted"] is True
    differs = refused(folder, real({**change(200, had=4), **hidden})).facts["differs"]
    assert differs == ["some of its values are hidden, so that not all of what differs can be told"]
    assert folder.allow(real({**change(200), **hidden}))


def test_two_runs_at_once_share_nothing(folder: Folder) -> None:
    """The run that comes second is told, whichever of them asked first."""
    folder.write(change(200))
    saved = folder.load()
    assert saved.allow(real(change(200)), THIS_RUN, folder.uses)
    with pytest.raises(Refused, match="was used at"):
        saved.allow(real(change(200)), OTHER_RUN, folder.uses)
