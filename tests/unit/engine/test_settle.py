# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps whose answer is not their end: the HA manager acts later, a reboot starts the guest after its task."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _apply, _task
from ansible_collections.steward.proxmox.plugins.module_utils._apply import Patience, carry_out
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    NotFound,
    TaskFailed,
    TaskTimeout,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest import ha, power
from ansible_collections.steward.proxmox.plugins.module_utils._guest.draft import Draft
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan, Step

from tests.unit.engine.fakes import Clock

UPID = "UPID:pve1:00000363:0002A227:6B002085:hastart:101:bob@pve!ci:"
GUEST = Guest("qemu", 101, "pve1", {})
HERE, THERE = "/nodes/pve1/qemu/101/status/current", "/nodes/pve2/qemu/101/status/current"
LIST = "/cluster/resources"
GONE = NotFound("Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist")
TASK = f"/nodes/pve1/tasks/{UPID}"


def status(running: bool, state: str | None = "started") -> dict[str, Any]:
    return {"status": "running" if running else "stopped", "ha": {"managed": 1, "state": state}}


class Server:
    """Answers each path from its queue; the last answer stays. A task ends with `end`, after `takes` seconds."""

    identity = "bob@pve!ci"

    def __init__(self, clock: Clock, answers: Mapping[str, list[Any]], end: str = "OK", takes: float = 0) -> None:
        self.clock, self.end, self.takes = clock, end, takes
        self.answers = {path: list(queue) for path, queue in answers.items()}
        self.asked: list[str] = []

    def send(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        self.asked.append(f"{method} {path}")
        return UPID

    def get(self, path: str, /, **params: Any) -> Any:
        self.asked.append(path)
        if path == f"{TASK}/status":
            over = self.clock() >= self.takes
            return {"status": "stopped", "exitstatus": self.end} if over else {"status": "running"}
        if path == f"{TASK}/log":
            return [{"n": 1, "t": f"TASK ERROR: {self.end}"}]
        queue = self.answers[path]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    fake = SimpleNamespace(sleep=clock.sleep, monotonic=clock)
    for module in (_apply, power):
        monkeypatch.setattr(module, "time", fake)
    monkeypatch.setattr(
        _apply, "wait", lambda writer, upid, timeout: _task.wait(writer, upid, timeout, clock.sleep, clock)
    )
    return clock


def run(server: Server, until: Any, timeout: float = 60, lasts: float = 0) -> Plan:
    step = Step("start", "qemu/101", "POST", "/nodes/pve1/qemu/101/status/start", until=until, lasts=lasts)
    plan = Plan(steps=[step])
    carry_out(plan, server, Patience(task_timeout=timeout))
    return plan


# the HA manager


def test_ha_is_waited_for_after_the_task_has_ended(clock: Clock) -> None:
    server = Server(clock, {HERE: [status(False, "stopped"), status(False, "request_start"), status(True)]})
    assert run(server, ha.has_power(GUEST, running=True)).progress[0]["status"] == "done"
    assert server.asked.count(HERE) == 3


def test_ha_that_takes_too_long_is_said_with_its_state(clock: Clock) -> None:
    server = Server(clock, {HERE: [status(False, "request_start")]})
    with pytest.raises(
        TaskTimeout, match=r"after 60 seconds the HA manager has not started it \(HA state request_start\)"
    ):
        run(server, ha.has_power(GUEST, running=True))
    assert 60 <= clock() < 62


def test_ha_that_gives_up_fails_at_once(clock: Clock) -> None:
    server = Server(clock, {HERE: [status(False, "request_start"), status(False, "error")]})
    with pytest.raises(ApiError, match=r"gave up on qemu/101.*vm:101"):
        run(server, ha.has_power(GUEST, running=True), timeout=600)
    assert clock() < 5


def test_ha_may_start_a_guest_on_another_node(clock: Clock) -> None:
    rows = [[{"vmid": 101, "node": "pve1"}], [{"vmid": 101, "node": "pve2"}]]
    server = Server(clock, {HERE: [GONE], LIST: rows, THERE: [status(False), status(True)]})
    assert run(server, ha.has_power(GUEST, running=True)).progress[0]["status"] == "done"


def test_ha_migration_ends_when_the_guest_answers_on_its_new_node(clock: Clock) -> None:
    there = [GONE, GONE, GONE, status(False), status(True)]
    here = [status(True, "started"), status(True, "migrate"), status(True, "migrate")]
    server = Server(clock, {THERE: there, HERE: here})
    assert run(server, ha.has_arrived(GUEST, "pve2", running=True)).progress[0]["status"] == "done"
    assert server.asked.count(THERE) == 5


def test_ha_migration_that_is_given_up_fails_at_once(clock: Clock) -> None:
    here = [status(True, "started"), status(True, "migrate"), status(True, "started")]
    server = Server(clock, {THERE: [GONE], HERE: here})
    with pytest.raises(ApiError, match="could not move qemu/101 to pve2: it is left on pve1"):
        run(server, ha.has_arrived(GUEST, "pve2", running=True), timeout=600)
    assert clock() < 5


def test_ha_migration_that_never_begins_says_where_the_guest_is(clock: Clock) -> None:
    server = Server(clock, {THERE: [GONE], HERE: [status(True, "started")]})
    with pytest.raises(TaskTimeout, match=r"it is still on pve1 \(HA state started\)"):
        run(server, ha.has_arrived(GUEST, "pve2", running=True))


# a reboot


def reboot_until() -> Any:
    draft = Draft(GUEST)
    options = {"shutdown_timeout": 60}
    power.plan_power(draft, "restarted", {"power": "running", "lock": None, "ha": "unmanaged"}, options)
    return draft.plan.steps[0].until


def test_a_reboot_is_over_when_the_guest_runs_again(clock: Clock) -> None:
    server = Server(clock, {HERE: [{"status": "stopped"}, {"status": "stopped"}, {"status": "running"}]})
    assert run(server, reboot_until()).progress[0]["status"] == "done"


def test_a_guest_that_does_not_come_back_from_a_reboot_is_not_waited_for_all_the_time(clock: Clock) -> None:
    server = Server(clock, {HERE: [{"status": "stopped"}]})
    with pytest.raises(ApiError, match="did not start again within 90 seconds"):
        run(server, reboot_until(), timeout=3600)
    assert clock() < 100


# the clock


def test_peer_fault_a_task_that_fails_at_once_is_polled_until_the_timeout(clock: Clock) -> None:
    server = Server(clock, {}, end="no space left on device")
    with pytest.raises(TaskFailed, match=r"no space left on device.*TASK ERROR: no space left on device"):
        run(server, None, timeout=600)
    assert clock() < 1
    assert server.asked.count(f"{TASK}/status") == 1


def test_a_step_that_failed_is_not_waited_for(clock: Clock) -> None:
    server = Server(clock, {HERE: [status(False)]}, end="start failed")
    with pytest.raises(TaskFailed):
        run(server, ha.has_power(GUEST, running=True), timeout=600)
    assert HERE not in server.asked


def test_peer_fault_timeouts_counted_in_turns(clock: Clock) -> None:
    """Where each request takes ten seconds, a minute is six of them and not sixty."""
    server = Server(clock, {HERE: [status(False, "request_start")]})
    slow = server.get

    def get(path: str, /, **params: Any) -> Any:
        clock.now += 10
        return slow(path, **params)

    server.get = get  # type: ignore[method-assign]
    with pytest.raises(TaskTimeout):
        run(server, ha.has_power(GUEST, running=True), timeout=60)
    assert server.asked.count(HERE) <= 7


def test_a_task_timeout_shorter_than_what_the_task_asked_for_is_no_failure(clock: Clock) -> None:
    """shutdown_timeout: 300 with task_timeout: 60, and the guest needs four minutes."""
    server = Server(clock, {}, takes=240)
    assert run(server, None, timeout=60, lasts=330).progress[0]["status"] == "done"
    with pytest.raises(TaskTimeout, match="after 60 seconds"):
        run(Server(clock, {}, takes=clock() + 240), None, timeout=60)
