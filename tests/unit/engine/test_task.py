# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks: what is a UPID, and every way in which a task ends, with a clock that does not wait."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    Locked,
    PermissionDenied,
    TaskFailed,
    TaskTimeout,
)
from ansible_collections.steward.proxmox.plugins.module_utils._task import is_upid, log_tail, task_path, wait

from tests.unit.engine.fakes import Clock

UPID = "UPID:pve1:00000363:0002A227:6B002085:vzcreate:100:bob@pve!ci:"

UPIDS = [
    UPID,
    "UPID:pve1:0000037C:0002A291:6B002086:vzcreate:101:root@pam:",
    "UPID:pve-2.example:0000037C:12002A291:6B002086:vzdump::root@pam!full:",
    "UPID:pve1:0000037C:0002A291:6B002086:prunebackups:100@local:root@pam:",
]


@pytest.mark.parametrize("upid", UPIDS)
def test_is_upid(upid: str) -> None:
    assert is_upid(upid)


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        {"upid": UPID},
        "",
        "OK",
        UPID[:-1],
        f" {UPID}",
        f"{UPID}\n",
        "UPID:pve1:zzzzzzzz:0002A227:6B002085:vzcreate:100:root@pam:",
        "UPID:../etc:0000037C:0002A291:6B002086:vzcreate:101:root@pam:",
    ],
)
def test_is_no_upid(value: Any) -> None:
    assert not is_upid(value)


def test_a_task_is_read_on_the_node_that_its_upid_names() -> None:
    assert task_path(UPIDS[2]) == f"/nodes/pve-2.example/tasks/{UPIDS[2]}"
    with pytest.raises(ValueError, match="'OK' is not a UPID"):
        task_path("OK")


class Tasks:
    """One task that runs for a while and ends as told."""

    identity = "bob@pve!ci"

    def __init__(self, exitstatus: str, running: int = 0, log: list[str] | None = None) -> None:
        self.exitstatus, self.running, self.log = exitstatus, running, log or []
        self.polls = 0
        self.pages: list[tuple[int, int]] = []

    def get(self, path: str, /, **params: Any) -> Any:
        if path.endswith("/log"):
            start, limit = params["start"], params["limit"]
            self.pages.append((start, limit))
            return [{"n": start + n + 1, "t": text} for n, text in enumerate(self.log[start : start + limit])]
        assert path == f"/nodes/pve1/tasks/{UPID}/status"
        self.polls += 1
        if self.polls <= self.running:
            return {"status": "running", "upid": UPID}
        return {"status": "stopped", "exitstatus": self.exitstatus, "upid": UPID}


def ended(tasks: Tasks, timeout: float = 60) -> Any:
    clock = Clock()
    return wait(tasks, UPID, timeout, clock.sleep, clock)


def test_ok_is_success_and_its_log_is_not_read() -> None:
    tasks = Tasks("OK", running=3, log=["a", "b"])
    end = ended(tasks)
    assert (end.upid, end.exitstatus, end.warnings) == (UPID, "OK", [])
    assert tasks.polls == 4
    assert tasks.pages == []


def test_first_polls_are_quick_and_later_ones_slow() -> None:
    clock = Clock()
    wait(Tasks("OK", running=40), UPID, 600, clock.sleep, clock)
    assert clock.naps[0] == 0.05
    assert clock.naps == sorted(clock.naps)
    assert clock.naps[-1] == 2.0


def test_warnings_are_success_with_the_lines_of_the_log() -> None:
    log = ["INFO: start", "WARN: no space left for a snapshot", "WARNING: second", "TASK WARNINGS: 2"]
    assert ended(Tasks("WARNINGS: 2", log=log)).warnings == log[1:3]


def test_warnings_without_such_lines_are_still_reported() -> None:
    assert ended(Tasks("WARNINGS: 1", log=["INFO: start"])).warnings == [f"task {UPID} ended with WARNINGS: 1"]


def test_a_failure_comes_at_once_with_exit_status_and_the_last_lines() -> None:
    log = [f"line {n}" for n in range(40)]
    tasks = Tasks("command 'zfs create' failed: exit code 1", log=log)
    with pytest.raises(TaskFailed) as caught:
        ended(tasks)
    assert tasks.polls == 1
    assert caught.value.facts["exitstatus"] == "command 'zfs create' failed: exit code 1"
    assert caught.value.facts["log"] == log[-15:]
    assert caught.value.facts["upid"] == UPID
    assert caught.value.message.startswith(f"Task {UPID} failed: command 'zfs create' failed: exit code 1; last lines")
    assert "line 39" in caught.value.message
    assert "line 24 " not in caught.value.message


@pytest.mark.parametrize("text", ["unexpected status", "interrupted by signal", "unknown", "ok", "OK "])
def test_only_ok_is_ok(text: str) -> None:
    with pytest.raises(TaskFailed):
        ended(Tasks(text))


def test_a_task_that_ended_without_a_status_failed() -> None:
    class Silent(Tasks):
        def get(self, path: str, /, **params: Any) -> Any:
            return [] if path.endswith("/log") else {"status": "stopped"}

    with pytest.raises(TaskFailed, match="failed: unknown"):
        ended(Silent(""))


def test_the_timeout_is_wall_clock_and_leaves_the_task_alone() -> None:
    clock = Clock()
    with pytest.raises(TaskTimeout) as caught:
        wait(Tasks("OK", running=1000), UPID, 10, clock.sleep, clock)
    assert clock.now == pytest.approx(10)
    assert f"Task {UPID} still runs after 10 seconds" in str(caught.value)
    assert "It was not stopped" in str(caught.value)
    assert caught.value.facts["upid"] == UPID


def test_slow_answers_count_towards_the_timeout() -> None:
    clock = Clock()

    class Slow(Tasks):
        def get(self, path: str, /, **params: Any) -> Any:
            clock.now += 4
            return super().get(path, **params)

    tasks = Slow("OK", running=1000)
    with pytest.raises(TaskTimeout):
        wait(tasks, UPID, 10, clock.sleep, clock)
    assert tasks.polls == 3


def test_a_task_that_ends_while_the_time_is_up_is_not_a_timeout() -> None:
    assert ended(Tasks("OK"), timeout=0).exitstatus == "OK"


@pytest.mark.parametrize(
    "text", ["CT is locked (backup)", "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"]
)
def test_a_lock_that_only_the_task_finds_is_locked(text: str) -> None:
    with pytest.raises(Locked, match=r"CT is locked|got timeout") as caught:
        ended(Tasks(text))
    assert caught.value.facts["upid"] == UPID


def test_a_permission_that_only_the_task_finds_lacking_has_its_grant() -> None:
    with pytest.raises(PermissionDenied) as caught:
        ended(Tasks("Permission check failed (/storage/nas, Datastore.AllocateSpace)"))
    assert caught.value.facts["path"] == "/storage/nas"
    assert "pveum acl modify '/storage/nas' --tokens 'bob@pve!ci'" in caught.value.hint


def test_the_end_of_a_long_log_is_found_page_by_page() -> None:
    tasks = Tasks("OK", log=[f"line {n}" for n in range(2500)])
    assert log_tail(tasks, UPID, 3) == ["line 2497", "line 2498", "line 2499"]
    assert tasks.pages == [(0, 1000), (1000, 1000), (2000, 1000)]


def test_a_log_of_exactly_one_page() -> None:
    tasks = Tasks("OK", log=[f"line {n}" for n in range(1000)])
    assert log_tail(tasks, UPID, 2) == ["line 998", "line 999"]
