# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run records, through ansible-playbook, with a stand-in for the modules of the collection (plugins/action)."""

import signal
import time
from typing import Any

import pytest

from .conftest import TIME_LIMIT, Done, Site

RECORDING_BROKE = 74


def change(name: str = "{{ inventory_hostname }}", fault: str = "", **task: Any) -> dict[str, Any]:
    return {"name": f"Change {fault}".strip(), "change": {"name": name, "fault": fault}} | task


MARK = {"name": "Go on", "ansible.builtin.debug": {"msg": "WENT ON"}}


def assert_intact(site: Site, done: Done) -> None:
    expected = [f"--expected-head={run_id}={head}" for run_id, head in done.heads.items()]
    assert expected
    verified = site.verify(*expected)
    assert verified.status == 0, verified.output


@pytest.mark.parametrize("strategy", ["linear", "free", "host_pinned"])
def test_loops_on_many_forks_are_recorded(site: Site, strategy: str) -> None:
    task = change("{{ inventory_hostname }}-{{ item }}", loop=[1, 2, 3, 4])
    done = site.play(task, task, strategy=strategy, arguments=("--forks=10",))
    assert done.status == 0, done.output
    assert len(site.changes) == 5 * 4 * 2
    assert site.count() == {"run_open": 1, "intent": 40, "outcome": 40, "run_close": 1}
    assert site.frames[-1]["counts"] == {"run_open": 1, "intent": 40, "outcome_ok": 40}
    assert_intact(site, done)


def test_a_run_says_who_and_what(site: Site) -> None:
    site.environment["STEWARD_ACTOR"] = "alice"
    done = site.play(change(), arguments=("--limit=h1,h2", "--tags=all", "-e", "token=VERYSECRET"))
    opening = site.frames[0]
    assert (opening["actor"]["source"], opening["actor"]["user"]) == ("env", "alice")
    assert (opening["check_mode"], opening["limit"], opening["tags"]) == (False, "h1,h2", ["all"])
    assert opening["playbook"] == str(site.folder / "play.yml")
    assert set(opening["versions"]) == {"ansible", "collection", "python"}
    assert_intact(site, done)


def test_arguments_and_variables_are_not_recorded(site: Site) -> None:
    task = change("x", vars={"a": "VERYSECRET"}, environment={"B": "VERYSECRET"}, no_log=True)
    assert site.play(task, vars={"c": "VERYSECRET"}, arguments=("-e", "d=VERYSECRET")).status == 0
    assert site.count()["intent"] == 5
    assert "VERYSECRET" not in str(site.frames)


def test_check_mode_records_plans_and_changes_nothing(site: Site) -> None:
    done = site.play(change(), change("really", check_mode=False), arguments=("--check",))
    assert site.frames[0]["check_mode"] is True
    assert site.count() == {"run_open": 1, "plan": 5, "intent": 5, "outcome": 5, "run_close": 1}
    assert set(site.changes) == {"really"}
    assert_intact(site, done)


def test_a_refused_change_is_recorded_and_may_be_rescued(site: Site) -> None:
    block = {"block": [change(fault="refuse")], "rescue": [change("rescue")], "always": [change("always")]}
    done = site.play(block)
    assert done.status == 0, done.output
    assert site.count()["refused"] == 5
    assert set(site.changes) == {"rescue", "always"}
    assert_intact(site, done)


def test_two_playbooks_are_two_runs(site: Site) -> None:
    names = [site.playbook(change(), name=f"{number}.yml") for number in (1, 2)]
    done = site.finish(site.start("ansible-playbook", *names))
    assert len(done.heads) == 2
    assert site.count()["run_close"] == 2
    assert_intact(site, done)


def test_a_second_playbook_does_not_write_into_the_run_of_the_first(site: Site) -> None:
    site.configuration = ""
    names = [site.playbook(change("x", fault), name=f"{fault[:4]}.yml") for fault in ("lose the id", "")]
    done = site.finish(site.start("ansible-playbook", *names))
    assert "CHANGES OF THIS RUN ARE NOT RECORDED" in " ".join(done.output.split())
    assert (done.status, len(site.changes), site.count()["intent"]) == (0, 10, 5)


@pytest.mark.parametrize("callbacks", ["ansible.builtin.default", "steward.proxmox.ledgr"])
@pytest.mark.parametrize("asked_by", ["configuration", "environment"])
def test_without_the_callback_nothing_is_changed_where_a_ledger_is_required(
    site: Site, callbacks: str, asked_by: str
) -> None:
    site.environment["ANSIBLE_CALLBACKS_ENABLED"] = callbacks
    if asked_by == "environment":
        site.configuration = ""
        site.environment["STEWARD_LEDGER_REQUIRED"] = "1"
    done = site.play(change())
    assert "a ledger is required, and there is none" in done.output
    assert (done.status, site.changes) == (2, [])


def test_without_the_callback_and_without_need_all_goes_on(site: Site) -> None:
    site.configuration = ""
    site.environment["ANSIBLE_CALLBACKS_ENABLED"] = "ansible.builtin.default"
    assert site.play(change()).status == 0
    assert len(site.changes) == 5
    assert not site.ledger.exists()


def test_a_single_module_without_a_playbook_is_refused(site: Site) -> None:
    done = site.finish(site.start("ansible", "h1", "-c", "local", "-m", "change", "-a", "name=x fault="))
    assert (done.status, site.changes) == (2, [])


@pytest.mark.parametrize("place", ["/dev/full", "/proc/ledger", "/dev/null/x"])
def test_a_required_ledger_that_cannot_be_opened_stops_the_run_before_its_first_task(site: Site, place: str) -> None:
    site.environment["STEWARD_LEDGER_PATH"] = place
    done = site.play(MARK, change())
    assert f"cannot write the ledger {place}" in done.output
    assert "A ledger is required, so nothing was started" in " ".join(done.output.split())
    assert "WENT ON" not in done.output
    assert (done.status, site.changes) == (RECORDING_BROKE, [])


def test_a_ledger_that_cannot_be_opened_and_is_not_required_is_a_warning(site: Site) -> None:
    site.configuration = ""
    site.environment["STEWARD_LEDGER_PATH"] = "/dev/full"
    done = site.play(change())
    assert "CHANGES OF THIS RUN ARE NOT RECORDED" in " ".join(done.output.split())
    assert (done.status, len(site.changes)) == (0, 5)


@pytest.mark.parametrize("strategy", ["linear", "free"])
@pytest.mark.parametrize("task", [{}, {"ignore_errors": True}], ids=["plain", "ignored"])
def test_a_disk_that_fills_up_stops_the_change_and_the_run(site: Site, strategy: str, task: dict[str, Any]) -> None:
    done = site.play(
        change("first"), change("second", "fill the disk", **task), MARK, change("third"), strategy=strategy
    )
    assert "File too large" in done.output
    assert "third" not in site.changes
    assert "second" not in site.changes
    assert done.status == RECORDING_BROKE
    assert strategy == "free" or "WENT ON" not in done.output
    verified = site.verify()
    assert verified.status == 2
    assert ("recording failed" in verified.output) == ("steward.proxmox ledger: run" in done.output)


def test_a_broken_ledger_cannot_be_rescued(site: Site) -> None:
    done = site.play({"block": [change("second", "fill the disk")], "rescue": [MARK, change("third")]})
    assert (done.status, site.changes, "WENT ON" in done.output) == (RECORDING_BROKE, [], False)


def test_a_broken_ledger_stops_the_handlers(site: Site) -> None:
    notify = {"ansible.builtin.debug": {"msg": "x"}, "changed_when": True, "notify": "Handle", "name": "Notify"}
    handler = MARK | {"name": "Handle"}
    done = site.play(notify, change("x", "fill the disk", ignore_errors=True), handlers=[handler])
    assert (done.status, site.changes, "WENT ON" in done.output) == (RECORDING_BROKE, [], False)


def test_a_broken_ledger_in_the_last_task_is_told_by_the_exit_status(site: Site) -> None:
    done = site.play(change("x", "fill the disk", ignore_errors=True))
    assert "ignored=1" in done.output
    assert (done.status, site.changes) == (RECORDING_BROKE, [])


def test_after_a_failure_a_loop_changes_nothing_more(site: Site) -> None:
    faults = "{{ 'lose the outcome' if item == 2 else '' }}"
    done = site.play(change("{{ item }}", faults, loop=[1, 2, 3, 4]), hosts="h1")
    assert site.changes == ["1", "2"]
    assert done.status == RECORDING_BROKE


def test_a_lost_outcome_is_told_by_the_exit_status(site: Site) -> None:
    done = site.play(change("x", "lose the outcome", ignore_errors=True), hosts="h1")
    assert (done.status, site.changes) == (RECORDING_BROKE, ["x"])


def unknown_outcome(site: Site, name: str) -> None:
    verified = site.verify()
    assert verified.status == 2, verified.output
    assert f"of h1 on lxc/{name}: change {name}" in verified.output
    assert "outcome unknown" in verified.output


def test_a_killed_worker_leaves_a_change_with_an_unknown_outcome(site: Site) -> None:
    done = site.play(change("first"), change("second", "die", ignore_errors=True), hosts="h1")
    assert done.status != 0
    assert site.changes == ["first"]
    unknown_outcome(site, "second")


def test_a_killed_run_leaves_a_change_with_an_unknown_outcome(site: Site) -> None:
    done = site.play(change("first"), change("second", "kill ansible"), hosts="h1")
    assert done.status == -signal.SIGKILL
    assert site.changes == ["first"]
    unknown_outcome(site, "second")


def test_a_cancelled_run_is_incomplete(site: Site) -> None:
    process = site.start("ansible-playbook", site.playbook(change("second", "wait"), hosts="h1"))
    deadline = time.monotonic() + TIME_LIMIT
    while not (site.folder / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    assert site.finish(process).status != 0
    unknown_outcome(site, "second")
