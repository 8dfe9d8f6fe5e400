# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way from every power state to every wanted one, for both kinds, alone and under the HA manager."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest.draft import Draft
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest, from_rows
from ansible_collections.steward.proxmox.plugins.module_utils._guest.power import (
    STATES,
    VM_STATES,
    new_state,
    plan_power,
    read_state,
)
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan

from tests.unit.engine.fakes import world_of

OPTIONS = {"force": False, "shutdown_timeout": 60, "reboot_if_pending": False}
POWERS = ("running", "paused", "stopped", "hibernated")


def guest_of(kind: str, config: dict[str, Any] | None = None) -> Guest:
    return Guest(kind, 101, "pve1", {"name": "web", **(config or {})})


def power_of(now: str, managed: str = "unmanaged") -> dict[str, Any]:
    return {"power": now, "lock": "suspended" if now == "hibernated" else None, "ha": managed}


def planned(
    kind: str,
    state: str,
    now: str,
    options: dict[str, Any] | None = None,
    managed: str = "unmanaged",
    pending: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
) -> tuple[Plan, str]:
    """The plan and the power after it."""
    draft = Draft(guest_of(kind, config))
    power = power_of(now, managed)
    after = plan_power(draft, state, power, {**OPTIONS, **(options or {})}, pending)
    return draft.done(), after


def calls(plan: Plan) -> list[str]:
    """The steps as `call {data}`, for the guest's own calls."""
    return [f"{step.path.rpartition('/')[2]}{dict(step.data) or ''}" for step in plan.steps]


# wanted state -> what is sent from running, paused, stopped, hibernated; None = refused
WAYS: dict[str, tuple[list[str] | None, ...]] = {
    "present": ([], [], [], []),
    "absent": ([], [], [], []),
    "started": ([], ["resume"], ["start"], ["start"]),
    "stopped": (["stop"], ["stop"], [], []),
    "shutdown": (["shutdown{'timeout': 60}"], None, [], []),
    "template": (["shutdown{'timeout': 60}"], None, [], None),
    "restarted": (["reboot{'timeout': 60}"], None, ["start"], ["start", "reboot{'timeout': 60}"]),
    "reset": (["reset"], ["reset"], None, None),
    "paused": (["suspend"], [], None, None),
    "hibernated": (["suspend{'todisk': 1}"], ["suspend{'todisk': 1}"], None, []),
}
# the power that a state leaves, where it is not what was there
LEAVES = {
    "started": "running",
    "stopped": "stopped",
    "shutdown": "stopped",
    "template": "stopped",
    "restarted": "running",
    "paused": "paused",
    "hibernated": "hibernated",
}
CASES = [("qemu", state, now, sent) for state, row in WAYS.items() for now, sent in zip(POWERS, row, strict=True)] + [
    ("lxc", state, now, sent)
    for state, row in WAYS.items()
    if state in STATES
    for now, sent in zip(POWERS, row, strict=True)
    if now in ("running", "stopped")
]


def test_every_state_has_a_row() -> None:
    assert set(WAYS) == set(VM_STATES)
    assert set(STATES) == set(VM_STATES) - {"reset", "paused", "hibernated"}


@pytest.mark.parametrize(("kind", "state", "now", "sent"), CASES)
def test_the_way_from_every_power_to_every_state(kind: str, state: str, now: str, sent: list[str] | None) -> None:
    if sent is None:
        with pytest.raises(Refused) as refused:
            planned(kind, state, now)
        assert f"{kind}/101" in str(refused.value)
        assert refused.value.hint
        return
    plan, after = planned(kind, state, now)
    assert calls(plan) == sent
    assert after == (LEAVES.get(state, now) if sent else now)
    assert all(step.path.startswith(f"/nodes/pve1/{kind}/101/status/") for step in plan.steps)
    assert all(step.method == "POST" and step.why for step in plan.steps)
    assert all("VM.PowerMgmt" in need.any_of for step in plan.steps for need in step.needs[:1])
    assert bool(plan.blast.reasons) is bool(sent)


VERBS = ("restarted", "reset")


@pytest.mark.parametrize(("kind", "state", "now", "sent"), [case for case in CASES if case[3] and case[1] not in VERBS])
def test_the_second_run_of_a_state_changes_nothing(kind: str, state: str, now: str, sent: list[str]) -> None:
    _plan, after = planned(kind, state, now)
    again, _after = planned(kind, state, after)
    assert again.steps == []


@pytest.mark.parametrize(("kind", "state", "now", "sent"), [case for case in CASES if case[3]])
def test_later_tasks_of_a_check_run_see_the_new_power(kind: str, state: str, now: str, sent: list[str]) -> None:
    lock = {"lock": "suspended"} if now == "hibernated" else {}
    status = {"status": "running" if now in ("running", "paused") else "stopped", **lock}
    if kind == "qemu":
        status["qmpstatus"] = now if now in ("running", "paused") else "stopped"
    rows = [{"key": "name", "value": "web"}, *({"key": key, "value": value} for key, value in lock.items())]
    path = f"/nodes/pve1/{kind}/101"
    answers = {f"{path}/status/current": status, f"{path}/pending": rows, f"{path}/config": {"name": "web", **lock}}
    assert read_state(world_of(answers), guest_of(kind, lock))["power"] == now
    plan, after = planned(kind, state, now)
    memory = Memory()
    memory.remember(plan, {}, check=True)
    later = world_of(answers, memory, check=True)
    config, _pending = from_rows(later.get(f"{path}/pending"))
    assert read_state(later, Guest(kind, 101, "pve1", config))["power"] == after
    assert config.get("lock") == ("suspended" if after == "hibernated" else None)


def test_the_risk_of_each_operation_is_said() -> None:
    levels = {
        "stopped": "high",
        "reset": "high",
        "shutdown": "medium",
        "restarted": "medium",
        "paused": "medium",
        "hibernated": "medium",
    }
    for state, level in levels.items():
        plan, _after = planned("qemu", state, "running")
        risk = plan.blast.risk(True)
        assert (state, risk["level"]) == (state, level)
        assert "qemu/101" in risk["reasons"][0]
    started, _after = planned("qemu", "started", "stopped")
    assert started.blast.risk(True)["level"] == "low"


@pytest.mark.parametrize(
    ("state", "now", "undo"),
    [
        ("started", "stopped", "stop"),
        ("started", "paused", "pause"),
        ("stopped", "running", "start"),
        ("shutdown", "running", "start"),
        ("paused", "running", "resume"),
        ("hibernated", "running", "start"),
    ],
)
def test_what_can_be_taken_back_says_how(state: str, now: str, undo: str) -> None:
    plan, _after = planned("qemu", state, now)
    assert plan.undo.public() == {"possible": True, "steps": [{"op": undo, "target": "qemu/101", "of": [0]}]}


@pytest.mark.parametrize("state", ["restarted", "reset"])
def test_a_restart_cannot_be_taken_back(state: str) -> None:
    plan, _after = planned("qemu", state, "running")
    assert plan.undo.public()["possible"] is False


# what the peers get wrong


def test_peer_fault_paused_and_hibernated_always_fail() -> None:
    """The suspend call takes neither force nor timeout; sending them is refused by the API."""
    paused, _after = planned("qemu", "paused", "running")
    assert dict(paused.steps[0].data) == {}
    hibernated, _after = planned("qemu", "hibernated", "running", {"state_storage": "local-zfs"})
    assert dict(hibernated.steps[0].data) == {"todisk": 1, "statestorage": "local-zfs"}
    needs = [(need.path, need.any_of) for need in hibernated.steps[0].needs]
    assert ("/vms/101", ("VM.Config.Disk",)) in needs
    assert ("/storage/local-zfs", ("Datastore.AllocateSpace",)) in needs


@pytest.mark.parametrize("kind", ["lxc", "qemu"])
def test_peer_fault_template_with_force_on_a_running_guest(kind: str) -> None:
    plan, after = planned(kind, "template", "running", {"force": True})
    assert calls(plan) == ["shutdown{'timeout': 60, 'forceStop': 1}"]
    assert after == "stopped"


@pytest.mark.parametrize("kind", ["lxc", "qemu"])
def test_peer_fault_stop_is_not_shutdown(kind: str) -> None:
    """stopped pulls the plug and asks nobody; shutdown pulls it only when it is told to, and after the timeout."""
    assert calls(planned(kind, "stopped", "running")[0]) == ["stop"]
    assert calls(planned(kind, "stopped", "running", {"force": True})[0]) == ["stop"]
    assert calls(planned(kind, "shutdown", "running", {"shutdown_timeout": 5})[0]) == ["shutdown{'timeout': 5}"]
    forced = planned(kind, "shutdown", "running", {"force": True, "shutdown_timeout": 5})[0]
    assert calls(forced) == ["shutdown{'timeout': 5, 'forceStop': 1}"]


@pytest.mark.parametrize("kind", ["lxc", "qemu"])
def test_peer_fault_restarted_starts_a_stopped_guest(kind: str) -> None:
    plan, after = planned(kind, "restarted", "stopped")
    assert calls(plan) == ["start"]
    assert after == "running"


# details


def test_a_paused_machine_is_only_switched_off_when_force_is_set() -> None:
    with pytest.raises(Refused, match=r"paused, and hears no shutdown.*force: true"):
        planned("qemu", "shutdown", "paused")
    plan, after = planned("qemu", "shutdown", "paused", {"force": True})
    assert calls(plan) == ["stop"]
    assert after == "stopped"
    assert plan.blast.risk(True)["level"] == "high"


def test_a_shutdown_may_take_longer_than_the_task_timeout() -> None:
    plan, _after = planned("qemu", "shutdown", "running", {"shutdown_timeout": 900})
    assert plan.steps[0].lasts > 900
    assert planned("qemu", "stopped", "running")[0].steps[0].lasts == 0


def test_pending_changes_are_taken_over_by_one_reboot() -> None:
    pending = {"memory": "2048", "agent": None}
    for state in ("present", "started"):
        plan, after = planned("qemu", state, "running", {"reboot_if_pending": True}, pending=pending)
        assert calls(plan) == ["reboot{'timeout': 60}"]
        assert after == "running"
    restarted, _after = planned("qemu", "restarted", "running", {"reboot_if_pending": True}, pending=pending)
    assert calls(restarted) == ["reboot{'timeout': 60}"]
    resumed, _after = planned("qemu", "started", "paused", {"reboot_if_pending": True}, pending=pending)
    assert calls(resumed) == ["resume", "reboot{'timeout': 60}"]


@pytest.mark.parametrize(
    ("state", "now", "asked", "pending"),
    [
        ("present", "running", True, {}),
        ("present", "running", False, {"memory": "2048"}),
        ("present", "stopped", True, {"memory": "2048"}),
        ("present", "paused", True, {"memory": "2048"}),
    ],
)
def test_nothing_is_rebooted_without_need(state: str, now: str, asked: bool, pending: dict[str, Any]) -> None:
    plan, _after = planned("qemu", state, now, {"reboot_if_pending": asked}, pending=pending)
    assert plan.steps == []


def test_a_guest_that_is_started_needs_no_reboot() -> None:
    plan, _after = planned("qemu", "started", "stopped", {"reboot_if_pending": True}, pending={"memory": "2048"})
    assert calls(plan) == ["start"]


def test_after_a_restart_nothing_waits_in_a_check_run() -> None:
    path = "/nodes/pve1/qemu/101"
    answers = {
        f"{path}/pending": [
            {"key": "memory", "value": "512", "pending": "2048"},
            {"key": "agent", "value": "1", "delete": 1},
        ],
        f"{path}/config": {"memory": "2048"},
    }
    plan, _after = planned("qemu", "restarted", "running", pending={"memory": "2048", "agent": None})
    memory = Memory()
    memory.remember(plan, {}, check=True)
    config, waits = from_rows(world_of(answers, memory, check=True).get(f"{path}/pending"))
    assert config == {"memory": "2048"}
    assert waits == {}


def test_a_template_is_never_started() -> None:
    with pytest.raises(Refused, match="is a template"):
        planned("lxc", "started", "stopped", config={"template": 1})


def test_a_machine_with_a_passed_device_is_not_hibernated() -> None:
    with pytest.raises(Refused, match="state of hostpci0 cannot be saved"):
        planned("qemu", "hibernated", "running", config={"hostpci0": "0000:01:00.0"})


def test_an_unknown_power_state_is_not_guessed_at() -> None:
    with pytest.raises(Refused, match="is unknown"):
        planned("qemu", "started", "unknown")
    assert planned("qemu", "present", "unknown")[0].steps == []


def test_a_new_guest_is_stopped_and_on_its_own() -> None:
    draft = Draft(Guest("lxc", 101, "pve1"))
    assert plan_power(draft, "started", new_state(), OPTIONS) == "running"
    assert calls(draft.plan) == ["start"]


def test_a_lock_is_told() -> None:
    draft = Draft(guest_of("qemu"))
    plan_power(draft, "started", {**power_of("stopped"), "lock": "backup"}, OPTIONS)
    assert any("locked (backup)" in reason for reason in draft.done().blast.risk(True)["reasons"])


@pytest.mark.parametrize(
    ("status", "config", "seen"),
    [
        ({"status": "running", "qmpstatus": "running"}, {}, ("running", None, "unmanaged")),
        ({"status": "running", "qmpstatus": "paused"}, {}, ("paused", None, "unmanaged")),
        ({"status": "running", "qmpstatus": "suspended"}, {}, ("paused", None, "unmanaged")),
        (
            {"status": "stopped", "qmpstatus": "stopped"},
            {"lock": "suspended"},
            ("hibernated", "suspended", "unmanaged"),
        ),
        ({"status": "stopped", "lock": "suspended"}, {}, ("hibernated", "suspended", "unmanaged")),
        ({"status": "stopped"}, {"lock": "backup"}, ("stopped", "backup", "unmanaged")),
        ({"status": "stopped", "ha": {"managed": 0}}, {}, ("stopped", None, "unmanaged")),
        ({"status": "stopped", "ha": {"managed": 1, "state": None}}, {}, ("stopped", None, "managed")),
        ({"status": "running", "ha": {"managed": 1, "state": "started"}}, {}, ("running", None, "started")),
        ({}, {}, ("unknown", None, "unmanaged")),
    ],
)
def test_what_the_server_says_of_a_guest(status: dict[str, Any], config: dict[str, Any], seen: tuple[Any, ...]) -> None:
    found = read_state(world_of({"/nodes/pve1/qemu/101/status/current": status}), guest_of("qemu", config))
    assert (found["power"], found["lock"], found["ha"]) == seen


# under the HA manager


def test_ha_starts_a_guest_by_its_own_call() -> None:
    """The server makes an HA request of it, for which VM.PowerMgmt is enough."""
    plan, after = planned("lxc", "started", "stopped", managed="stopped")
    (step,) = plan.steps
    assert (step.method, step.path) == ("POST", "/nodes/pve1/lxc/101/status/start")
    assert [(need.path, need.any_of) for need in step.needs] == [("/vms/101", ("VM.PowerMgmt",))]
    assert step.until is not None
    assert after == "running"


@pytest.mark.parametrize(
    ("state", "sent"),
    [("stopped", "stop"), ("shutdown", "shutdown{'timeout': 60}"), ("template", "shutdown{'timeout': 60}")],
)
def test_ha_takes_a_guest_down_with_the_timeout_of_the_task(state: str, sent: str) -> None:
    """The HA state alone would give every guest a minute; the guest's own call says how long, or at once."""
    plan, _after = planned("qemu", state, "running", managed="started")
    assert calls(plan) == [sent]
    assert plan.steps[0].until is not None
    assert any("HA-managed: its HA state becomes stopped" in why for why in plan.blast.risk(True)["reasons"])


def test_ha_switches_a_machine_off_after_the_timeout_and_the_plan_says_so() -> None:
    plan, _after = planned("qemu", "shutdown", "running", managed="started")
    assert plan.blast.risk(True)["level"] == "high"
    assert any("off after 60 s, force or not" in why for why in plan.blast.risk(True)["reasons"])


@pytest.mark.parametrize(
    ("state", "now", "managed", "becomes"),
    [
        ("stopped", "stopped", "started", "stopped"),
        ("shutdown", "stopped", "request_start", "stopped"),
        ("started", "running", "request_stop", "started"),
    ],
)
def test_ha_is_told_where_it_is_about_to_undo_what_is_wanted(state: str, now: str, managed: str, becomes: str) -> None:
    plan, _after = planned("qemu", state, now, managed=managed)
    (step,) = plan.steps
    assert (step.method, step.path, dict(step.data)) == ("PUT", "/cluster/ha/resources/vm:101", {"state": becomes})
    assert [(need.path, need.any_of) for need in step.needs] == [("/", ("Sys.Console",))]


@pytest.mark.parametrize(
    ("state", "now", "managed"), [("started", "running", "started"), ("stopped", "stopped", "stopped")]
)
def test_ha_is_left_alone_where_all_is_as_wanted(state: str, now: str, managed: str) -> None:
    assert planned("qemu", state, now, managed=managed)[0].steps == []


@pytest.mark.parametrize("managed", ["error", "fence", "recovery", "freeze", "migrate", "relocate"])
def test_ha_that_would_not_act_is_not_asked(managed: str) -> None:
    with pytest.raises(Refused, match=f"HA state {managed}") as refused:
        planned("qemu", "started", "stopped", managed=managed)
    assert refused.value.hint
    if managed == "error":
        assert "vm:101" in refused.value.hint


@pytest.mark.parametrize("state", ["restarted", "reset", "paused"])
def test_ha_does_not_concern_itself_with_the_rest(state: str) -> None:
    plan, _after = planned("qemu", state, "running", managed="started")
    assert len(plan.steps) == 1
    assert plan.steps[0].method == "POST"


def test_ha_guests_are_not_hibernated() -> None:
    with pytest.raises(Refused, match="HA-managed, and PVE does not hibernate"):
        planned("qemu", "hibernated", "running", managed="started")


def test_later_tasks_see_the_new_ha_state() -> None:
    plan, _after = planned("qemu", "stopped", "running", managed="started")
    path = "/nodes/pve1/qemu/101/status/current"
    answers = {
        path: {"status": "running", "ha": {"managed": 1, "state": "started"}},
        "/cluster/ha/resources/vm:101": {"sid": "vm:101", "state": "started"},
    }
    memory = Memory()
    memory.remember(plan, {}, check=True)
    later = world_of(answers, memory, check=True)
    assert read_state(later, guest_of("qemu"))["ha"] == "stopped"
    assert later.get("/cluster/ha/resources/vm:101")["state"] == "stopped"
