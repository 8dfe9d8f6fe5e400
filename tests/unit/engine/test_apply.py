# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The applier: steps in order, what became known on the way, and an honest account of where it stopped."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _apply
from ansible_collections.steward.proxmox.plugins.module_utils._apply import Patience, carry_out
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    Locked,
    OutcomeUnknown,
    StewardError,
    TaskFailed,
    TaskTimeout,
)
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan, Step, after_apply

from tests.unit.engine.fakes import Clock

UPID = "UPID:pve1:00000363:0002A227:6B002085:vzcreate:100:bob@pve!ci:"
FIRST = Step("create", "lxc/100", "POST", "/create", {"vmid": 100})
SECOND = Step("start", "lxc/100", "POST", "/start", {"skip": 1}, guard={"digest": "abc"})


class Server:
    """Answers each path as told, one answer after the other; tasks end as `ends` says."""

    identity = "bob@pve!ci"

    def __init__(self, answers: Mapping[str, list[Any]], ends: list[str] | None = None) -> None:
        self.answers = {path: list(queue) for path, queue in answers.items()}
        self.ends = list(ends or [])
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def send(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        self.sent.append((method, path, dict(data or {})))
        answer = self.answers[path].pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def get(self, path: str, /, **params: Any) -> Any:
        return [] if path.endswith("/log") else {"status": "stopped", "exitstatus": self.ends.pop(0)}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_apply, "time", SimpleNamespace(sleep=clock.sleep, monotonic=clock))
    return clock


def states(plan: Plan) -> list[str]:
    return [went["status"] for went in plan.progress]


def test_steps_run_in_order_with_their_guard_and_leave_a_trace() -> None:
    plan, server = Plan(steps=[FIRST, SECOND]), Server({"/create": [UPID], "/start": [None]}, ["OK"])
    carry_out(plan, server, Patience())
    assert server.sent == [("POST", "/create", {"vmid": 100}), ("POST", "/start", {"skip": 1, "digest": "abc"})]
    assert states(plan) == ["done", "done"]
    assert plan.progress[0]["upid"] == UPID
    assert all(went["started"] <= went["finished"] for went in plan.progress)


def test_warnings_of_a_task_become_warnings_of_the_plan() -> None:
    plan = Plan(steps=[FIRST])
    carry_out(plan, Server({"/create": [UPID]}, ["WARNINGS: 1"]), Patience())
    assert plan.warnings == [f"task {UPID} ended with WARNINGS: 1"]
    assert states(plan) == ["done"]


def test_without_waiting_a_task_is_started_and_nothing_is_learned() -> None:
    step = Step("create", "lxc/100", "POST", "/create", yields={"(x)": lambda _reader, _answer: "never"})
    plan = Plan(steps=[step])
    assert carry_out(plan, Server({"/create": [UPID]}), Patience(wait=False)) == {}
    assert states(plan) == ["started"]
    assert "finished" not in plan.progress[0]


def test_only_the_last_step_may_be_left_running() -> None:
    """A start that is sent while the guest is still being made would fail where nobody looks."""
    plan, server = Plan(steps=[FIRST, SECOND]), Server({"/create": [UPID], "/start": [UPID]}, ["OK"])
    carry_out(plan, server, Patience(wait=False))
    assert states(plan) == ["done", "started"]
    assert server.ends == []


def test_what_a_step_yields_stands_in_the_steps_after_it() -> None:
    volid = after_apply("volid")
    first = Step("backup", "lxc/100", "POST", "/backup", yields={volid: lambda _reader, _answer: "nas:backup/a"})
    second = Step("restore", "lxc/101", "POST", f"/restore/{volid}", {"ostemplate": volid})
    server = Server({"/backup": [UPID], "/restore/nas:backup/a": [None]}, ["OK"])
    assert carry_out(Plan(steps=[first, second]), server, Patience()) == {volid: "nas:backup/a"}
    assert server.sent[1] == ("POST", "/restore/nas:backup/a", {"ostemplate": "nas:backup/a"})


FAILURES: list[tuple[StewardError, str]] = [
    (ApiError("refused"), "failed"),
    (TaskFailed("failed", upid=UPID), "failed"),
    (OutcomeUnknown("lost"), "unknown"),
    (TaskTimeout("still runs", upid=UPID), "unknown"),
]


@pytest.mark.parametrize(("error", "status"), FAILURES, ids=lambda value: type(value).__name__)
def test_after_a_failure_the_rest_is_not_tried(error: StewardError, status: str) -> None:
    plan = Plan(steps=[FIRST, SECOND])
    with pytest.raises(type(error)):
        carry_out(plan, Server({"/create": [error]}), Patience())
    assert states(plan) == [status, "not tried"]
    assert plan.progress[0]["error"] == str(error)
    assert plan.progress[0].get("upid") == error.facts.get("upid")


def test_a_run_that_is_killed_does_not_know_what_became_of_its_step() -> None:
    plan = Plan(steps=[FIRST, SECOND])
    with pytest.raises(KeyboardInterrupt):
        carry_out(plan, Server({"/create": [KeyboardInterrupt()]}), Patience())
    assert states(plan) == ["unknown", "not tried"]


def test_a_lock_that_the_task_finds_is_waited_for(clock: Clock) -> None:
    plan, server = Plan(steps=[FIRST]), Server({"/create": [UPID] * 3}, ["CT is locked (backup)"] * 2 + ["OK"])
    carry_out(plan, server, Patience(lock_timeout=10))
    assert len(server.sent) == 3
    assert states(plan) == ["done"]
    assert clock.naps == [1.0, 1.0]


def test_a_lock_that_stays_is_given_up_after_the_lock_timeout(clock: Clock) -> None:
    plan, server = Plan(steps=[FIRST]), Server({"/create": [UPID] * 9}, ["CT is locked (backup)"] * 9)
    with pytest.raises(Locked):
        carry_out(plan, server, Patience(lock_timeout=3))
    assert len(server.sent) == 4
    assert states(plan) == ["failed"]


def test_a_step_that_only_asks_is_seen_through(clock: Clock) -> None:
    """HA takes a request at once and acts on it later."""
    seen = iter(["qemu/101 is stopped", "qemu/101 is stopped", ""])
    ask = Step("start", "qemu/101", "PUT", "/ha", until=lambda _reader: next(seen))
    plan = Plan(steps=[ask])
    carry_out(plan, Server({"/ha": [None]}), Patience())
    assert states(plan) == ["done"]
    assert len(clock.naps) == 2


def test_what_does_not_come_about_is_unknown_and_says_what_is_missing(clock: Clock) -> None:
    ask = Step("start", "qemu/101", "PUT", "/ha", until=lambda _reader: "qemu/101 is stopped")
    plan = Plan(steps=[ask])
    with pytest.raises(TaskTimeout, match="start of qemu/101 was asked for, and after 30 seconds qemu/101 is stopped"):
        carry_out(plan, Server({"/ha": [None]}), Patience(task_timeout=30))
    assert states(plan) == ["unknown"]
    assert clock.now == pytest.approx(30, abs=1)
