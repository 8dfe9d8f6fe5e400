# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose task is whose, and what the task log tells of changes without outcome."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.match import Verdict
from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.task_log import Task

from .samples import matched, operation, start, step, task, update

LOCKED = "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"


def verdict(tasks: list[Task], *steps: dict[str, Any], **more: Any) -> Verdict:
    """Of one open operation at 0."""
    given = {key: more.pop(key) for key in ("until", "identity") if key in more}
    (found,) = matched(tasks, [operation(0, *steps, **given)], **more).verdicts
    return found


# -- what nobody recorded --------------------------------------------------------------------------------------------


def test_a_task_is_recorded_when_a_record_names_it() -> None:
    named, other = task("qmstart", 100, 10), task("qmstart", 100, 20)
    assert matched([named, other], [], named=[named.upid]).unrecorded() == [other]


def test_what_only_reads_is_no_change() -> None:
    tasks = [task("vncproxy", 100, 10), task("aptupdate", "", 20), task("brandnewtype", "", 30)]
    assert [found.type for found in matched(tasks, []).unrecorded()] == ["brandnewtype"]


def test_a_write_whose_answer_names_no_task() -> None:
    """Deleting a volume answers without a UPID when it is quick; the second task is somebody's own."""
    delete = step("delete", "storage/local/content/local:backup/x", "DELETE", "", status="done")
    mine, other = task("imgdel", "100@local", 5), task("imgdel", "100@local", 8)
    done = operation(0, delete, until=9, open=False)
    assert matched([mine, other], [done]).unrecorded() == [other]


def test_a_try_that_found_the_guest_locked() -> None:
    first, then = task("qmstart", 100, 5, LOCKED), task("qmstart", 100, 8)
    done = operation(0, start(status="done", upid=then.upid), until=20, open=False)
    assert matched([first, then], [done], named=[then.upid]).unrecorded() == []
    assert matched([task("qmstart", 100, 5), then], [done], named=[then.upid]).unrecorded() != []


@pytest.mark.parametrize(
    ("cause", "follows", "known"),
    [
        (("hastart", 100), ("qmstart", 100), True),
        (("hamigrate", 100), ("qmigrate", 100), True),
        (("qmreboot", 100), ("qmstart", 100), True),
        (("qmreboot", 100), ("qmstart", 101), False),
        (("qmreboot", 100), ("qmdestroy", 100), False),
        (("qmstop", 100), ("qmstart", 100), False),
    ],
)
def test_what_the_cluster_does_because_of_it(cause: tuple[str, int], follows: tuple[str, int], known: bool) -> None:
    recorded, after = task(*cause, 10), task(*follows, 12, user="root@pam")
    matching = matched([recorded, after], [], named=[recorded.upid])
    assert matching.consequences == ([(after, recorded.upid)] if known else [])
    assert matching.unrecorded() == ([] if known else [after])


def test_a_consequence_is_soon_and_by_the_cluster() -> None:
    cause = task("qmreboot", 100, 10)
    late, alice = task("qmstart", 100, 1000, user="root@pam"), task("qmstart", 100, 12, user="alice@pve")
    assert matched([cause, late, alice], [], named=[cause.upid]).unrecorded() == [alice, late]


def test_what_the_ha_manager_does_because_of_its_own_objects() -> None:
    ha = {
        "op": "start",
        "target": "qemu/100",
        "method": "PUT",
        "path": "/cluster/ha/resources/vm:100",
        "status": "done",
    }
    after = task("qmstart", 100, 12, user="root@pam")
    done = operation(0, ha, until=20, open=False, op="c0ffee")
    assert matched([after], [done]).consequences == [(after, "c0ffee")]


# -- changes without outcome -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"), [("OK", "ok"), ("WARNINGS: 2", "ok"), ("no space left", "failed"), ("running", "")]
)
def test_its_task_tells(status: str, said: str) -> None:
    its = task("qmstart", 100, 3, status)
    found = verdict([its], start())
    assert (found.status, found.upids) == (said, [its.upid])
    assert said != "failed" or "no space left" in found.why


def test_a_task_that_the_outcome_names() -> None:
    its, other = task("qmstart", 100, 3), task("qmstart", 100, 4)
    found = verdict([its, other], start(status="unknown", upid=its.upid), until=60)
    assert (found.status, found.upids) == ("ok", [its.upid])
    gone = verdict([other], start(status="unknown", upid=its.upid), until=60)
    assert (gone.status, "is not in the task logs" in gone.why) == ("", True)


@pytest.mark.parametrize(
    "other",
    [
        task("qmstart", 101, 3),
        task("qmstop", 100, 3),
        task("qmstart", 100, 3, node="pve2"),
        task("qmstart", 100, 3, user="ci@pve!other"),
        task("qmstart", 100, -40),
        task("qmstart", 100, 3700),
    ],
)
def test_a_task_of_something_else(other: Task) -> None:
    """Another guest, another type, another node, another token, too early, too late."""
    matching = matched([other], [operation(0, start())])
    assert [found.status for found in matching.verdicts] == ["failed"]
    assert matching.unrecorded() == [other]


def test_a_record_that_does_not_say_by_whom() -> None:
    assert verdict([task("qmstart", 100, 3, user="alice@pve")], start(), identity="").status == "ok"


def test_two_tasks_may_be_its() -> None:
    tasks = [task("qmstart", 100, 3), task("qmstart", 100, 9)]
    matching = matched(tasks, [operation(0, start())])
    (found,) = matching.verdicts
    assert (found.status, found.candidates) == ("", [one.upid for one in tasks])
    assert matching.unrecorded() == []


def test_one_task_may_be_that_of_two() -> None:
    its = task("qmstart", 100, 30)
    found = matched([its], [operation(0, start()), operation(20, start())]).verdicts
    assert [(one.status, one.candidates) for one in found] == [("", [its.upid])] * 2


def test_a_task_that_may_be_that_of_another_is_not_taken() -> None:
    tasks = [task("qmstart", 100, 3), task("qmstart", 100, 600)]
    found = matched(tasks, [operation(0, start()), operation(590, start())]).verdicts
    assert [(one.status, one.candidates[-1]) for one in found] == [("", tasks[1].upid)] * 2


def test_tries_that_found_the_guest_locked_are_its_own() -> None:
    tasks = [task("qmstart", 100, 3, LOCKED), task("qmstart", 100, 5)]
    matching = matched(tasks, [operation(0, start())])
    assert matching.verdicts[0].upids == [one.upid for one in tasks]
    assert matching.unrecorded() == []


def test_steps_of_the_same_kind_are_taken_in_turn() -> None:
    grow = step("resize", "qemu/100", "PUT", "/resize")
    tasks = [task("resize", 100, 3), task("resize", 100, 9)]
    assert verdict(tasks, grow, grow).status == "ok"
    assert (verdict(tasks[:1], grow, grow).status, verdict(tasks, grow).status) == ("failed", "")


def test_the_task_of_a_later_step_proves_the_steps_before_it() -> None:
    assert verdict([task("qmstart", 100, 3)], update(), start()).status == "ok"


def test_a_write_that_is_no_task() -> None:
    for found in (
        verdict([], update()),
        verdict([task("qmstart", 100, 3)], start(), update()),
        verdict([], update(), start()),
    ):
        assert (found.status, "cannot tell" in found.why) == ("", True)


def test_steps_that_the_outcome_knows() -> None:
    assert verdict([task("qmstart", 100, 3)], update(status="done"), start(status="sent"), until=60).status == "ok"
    later = verdict([task("qmstart", 100, 3)], start(status="unknown"), update(status="not tried"), until=60)
    assert (later.status, later.why) == ("failed", "update qemu/100 was not tried any more")


def test_a_step_may_begin_long_after_the_intent() -> None:
    """Cloning took two hours; the start after it belongs to it all the same."""
    clone = step("clone", "qemu/900", "POST", "/clone")
    assert verdict([task("qmclone", 900, 3, took=7200), task("qmstart", 100, 7210)], clone, start()).status == "ok"


def test_nothing_was_started() -> None:
    found = verdict([], start())
    assert (found.status, found.why) == ("failed", "no task of start qemu/100 was started")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"whole": ["pve2"]}, "was not seen so far back"),
        ({"now": 3000}, "one may still begin"),
    ],
)
def test_nothing_found_is_not_always_nothing_started(more: dict[str, Any], why: str) -> None:
    found = verdict([], start(), **more)
    assert (found.status, why in found.why) == ("", True)


def test_a_closed_run_starts_nothing_later() -> None:
    assert verdict([], start(), until=60, now=100).status == "failed"
    assert verdict([], start(), until=60, now=80).status == ""


def test_a_command_on_a_node_may_have_run_on_any() -> None:
    create = {"op": "create", "target": "lxc/901", "method": "RUN", "path": "pct create", "data": {"vmid": 901}}
    made = task("vzcreate", 901, 4, user="root@pam", node="pve2")
    assert verdict([made], create, identity="root@pam").status == "ok"
    assert verdict([], create, identity="root@pam", whole=["pve1"]).status == ""


def test_a_plan_that_was_too_large_to_record() -> None:
    large = operation(0)
    unknown = type(large)(**{**vars(large), "steps": None})
    assert [found.status for found in matched([], [unknown]).verdicts] == [""]


def test_a_task_is_given_to_one_change_only() -> None:
    """The start of the second run is not taken for that of the first, whose outcome is lost."""
    its = task("qmstart", 100, 200)
    second = operation(190, start(status="done", upid=its.upid), until=210, open=False)
    found = matched([its], [operation(0, start()), second], named=[its.upid]).verdicts
    assert [one.status for one in found] == ["failed"]
