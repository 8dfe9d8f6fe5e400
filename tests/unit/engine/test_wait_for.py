# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for agents and addresses in one budget of wall-clock time; what never comes is said at once."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    BadInput,
    NotFound,
    PermissionDenied,
    StewardError,
    TaskTimeout,
    Unreachable,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest.draft import Draft
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.wait_for import plan_wait, waiter
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Step, is_symbol
from ansible_collections.steward.proxmox.plugins.module_utils._privileges import Need
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.unit.engine.fakes import Clock, Cluster, world_of

ASKED = {"agent": False, "ip": "any", "network": None, "interface": None, "timeout": 300}
MAC = "bc:24:11:7f:81:9d"
VM_CONFIG = {"name": "web", "agent": "1", "net0": f"virtio={MAC.upper()},bridge=vmbr0"}
VM = Guest("qemu", 101, "pve1", VM_CONFIG)
CT = Guest("lxc", 102, "pve1", {"hostname": "ct", "net0": f"name=eth0,hwaddr={MAC},bridge=vmbr0,type=veth"})
AGENT, INTERFACES = f"{VM.path}/agent/network-get-interfaces", f"{CT.path}/interfaces"
NOT_RUNNING = ApiError("GET … was refused with 500: QEMU guest agent is not running")
LO = {"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [{"ip-address": "127.0.0.1", "prefix": 8}]}


def interface(name: str, *texts: str, mac: str = MAC) -> dict[str, Any]:
    listed = [{"ip-address": text.partition("/")[0], "prefix": int(text.partition("/")[2])} for text in texts]
    return {"name": name, "hardware-address": mac, "ip-addresses": listed}


def agent(*interfaces: dict[str, Any]) -> dict[str, Any]:
    return {"result": [LO, *interfaces]}


class Server:
    """Answers each path from its queue; the last answer stays. Each request takes `slow` seconds."""

    def __init__(self, clock: Clock, answers: dict[str, list[Any]], slow: float = 0) -> None:
        self.clock, self.answers, self.slow = clock, {path: list(queue) for path, queue in answers.items()}, slow
        self.asked: list[str] = []

    def get(self, path: str, /, **params: Any) -> Any:
        self.asked.append(path)
        self.clock.now += self.slow
        queue = self.answers[path]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def wait(guest: Guest, answers: dict[str, list[Any]], slow: float = 0, **asked: Any) -> tuple[dict[str, Any], Server]:
    clock = Clock()
    server = Server(clock, answers, slow)
    return waiter(guest, {**ASKED, **asked}, clock, clock.sleep)(server), server


def failure(guest: Guest, answers: dict[str, list[Any]], slow: float = 0, **asked: Any) -> tuple[StewardError, Server]:
    clock = Clock()
    server = Server(clock, answers, slow)
    with pytest.raises(StewardError) as error:
        waiter(guest, {**ASKED, **asked}, clock, clock.sleep)(server)
    return error.value, server


def test_a_machine_is_waited_for_until_its_agent_tells_an_address() -> None:
    eth0 = interface("eth0", "10.0.0.5/24", "fe80::1/64", "2001:db8::5/64")
    found, server = wait(VM, {AGENT: [NOT_RUNNING, agent(), agent(interface("eth0", "fe80::1/64")), agent(eth0)]})
    assert found["ansible_host"] == "10.0.0.5"
    assert [entry["address"] for entry in found["addresses"]] == ["10.0.0.5", "2001:db8::5"]
    assert found["addresses"][0] == {
        "interface": "eth0",
        "mac": MAC,
        "address": "10.0.0.5",
        "prefix": 24,
        "family": "ipv4",
    }
    assert len(server.asked) == 4


def test_a_container_is_asked_at_its_node() -> None:
    found, _server = wait(CT, {INTERFACES: [[LO, interface("eth0")], [LO, interface("eth0", "10.0.0.7/24")]]})
    assert found["ansible_host"] == "10.0.0.7"


def test_only_the_agent_may_be_waited_for() -> None:
    found, server = wait(VM, {f"{VM.path}/agent/info": [NOT_RUNNING, {"result": {}}]}, ip="none", agent=True)
    assert found == {}
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("asked", "host"),
    [
        ({}, "10.0.0.5"),
        ({"ip": "ipv6"}, "2001:db8::5"),
        ({"ip": "ipv4", "network": "192.0.2.0/24"}, "192.0.2.9"),
        ({"network": "192.0.2.7/24"}, "192.0.2.9"),
        ({"interface": "eth1"}, "192.0.2.9"),
        ({"interface": "docker0"}, "172.17.0.1"),
    ],
)
def test_which_address_is_meant(asked: dict[str, Any], host: str) -> None:
    every = agent(
        interface("docker0", "172.17.0.1/16", mac="02:42:00:00:00:01"),
        interface("br-0a1b2c", "172.18.0.1/16", mac="02:42:00:00:00:02"),
        interface("eth1", "192.0.2.9/24", mac="bc:24:11:00:00:02"),
        interface("eth0", "169.254.3.4/16", "10.0.0.5/24", "2001:db8::5/64"),
    )
    assert wait(VM, {AGENT: [every]}, **asked)[0]["ansible_host"] == host


# when it does not come


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (NOT_RUNNING, "its guest agent does not answer"),
        (agent(), "it has no address yet"),
        (agent(interface("eth0", "fe80::1/64")), "it has no address yet (only fe80::1 on eth0)"),
        (Unreachable("pve1 did not answer"), "pve1 did not answer"),
    ],
)
def test_the_end_of_the_budget_says_what_was_seen_last(answer: Any, says: str) -> None:
    error, _server = failure(VM, {AGENT: [answer]})
    assert isinstance(error, TaskTimeout)
    assert f"qemu/101 was waited for 300 seconds: {says}" in str(error)
    assert "wait_for.timeout" in error.hint


def test_the_end_says_which_address_was_wanted() -> None:
    seen = agent(interface("eth0", "10.0.0.5/24"))
    error, _server = failure(VM, {AGENT: [seen]}, ip="ipv6", network="2001:db8::/64", interface="eth0")
    assert "no IPv6 address in 2001:db8::/64 on eth0 yet (only 10.0.0.5 on eth0)" in str(error)


@pytest.mark.parametrize("slow", [0, 7])
def test_peer_fault_timeouts_counted_in_turns(slow: float) -> None:
    """One budget of wall-clock time, however long each request takes; never a quarter of an hour for the agent."""
    error, server = failure(VM, {AGENT: [NOT_RUNNING]}, slow=slow, timeout=60)
    assert isinstance(error, TaskTimeout)
    assert 60 <= server.clock() <= 60 + slow


@pytest.mark.parametrize(
    ("guest", "answers"),
    [
        (VM, {AGENT: [ApiError("GET … was refused with 500: VM 101 is not running")]}),
        (CT, {INTERFACES: [ApiError("GET … was refused with 500: CT 102 not running")]}),
        (CT, {INTERFACES: [[]], f"{CT.path}/status/current": [{"status": "stopped"}]}),
    ],
)
def test_a_guest_that_stops_meanwhile_is_not_waited_for(guest: Guest, answers: dict[str, list[Any]]) -> None:
    error, server = failure(guest, answers)
    assert "stopped while it was waited for" in str(error)
    assert server.clock() < 1


def test_a_container_without_interfaces_yet_is_waited_for() -> None:
    answers: dict[str, list[Any]] = {
        INTERFACES: [[], [], [LO, interface("eth0", "10.0.0.7/24")]],
        f"{CT.path}/status/current": [{"status": "running"}],
    }
    assert wait(CT, answers)[0]["ansible_host"] == "10.0.0.7"


@pytest.mark.parametrize(
    "answer",
    [
        PermissionDenied("Permission check failed (/vms/101, VM.GuestAgent.Audit)"),
        NotFound("Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"),
        ApiError("GET … was refused with 500: No QEMU guest agent configured"),
    ],
)
def test_what_no_waiting_helps_is_said_at_once(answer: StewardError) -> None:
    error, server = failure(VM, {AGENT: [answer]})
    assert error is answer
    assert server.clock() < 1


# in the plan


def planned(
    guest: Guest,
    power: str = "running",
    answers: dict[str, Any] | None = None,
    steps: int = 0,
    config: dict[str, Any] | None = None,
    pending: dict[str, Any] | None = None,
    **asked: Any,
) -> Draft:
    draft = Draft(guest)
    for _number in range(steps):
        need = Need(f"/vms/{guest.vmid}", ("VM.PowerMgmt",), "/pool/web")
        draft.step(Step("start", guest.target, "POST", f"{guest.path}/status/start", needs=(need,)))
    after = dict(guest.config or {}) if config is None else config
    plan_wait(draft, world_of(answers or {}), {"wait_for": {**ASKED, **asked}}, power, after, pending)
    return draft


@pytest.mark.parametrize(
    ("guest", "kwargs", "says"),
    [
        (VM, {"power": "stopped"}, "is left stopped"),
        (VM, {"power": "paused"}, "is left paused"),
        (VM, {"config": {"name": "web"}}, "guest agent is not enabled in the configuration of qemu/101"),
        (VM, {"config": {"agent": "0"}}, "guest agent is not enabled"),
        (VM, {"config": {"agent": "enabled=0,fstrim_cloned_disks=1"}}, "guest agent is not enabled"),
        (VM, {"pending": {"agent": None}}, "only enabled from its next start"),
        (CT, {"agent": True}, "a container has no guest agent"),
        (VM, {"ip": "none"}, "waits for nothing"),
        (VM, {"network": "10.0.0.0/33"}, "wait_for.network"),
    ],
)
def test_what_can_never_come_is_said_before_anything_is_sent(guest: Guest, kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as error:
        planned(guest, **kwargs)
    assert says in str(error.value)
    assert error.value.hint


def test_an_address_that_does_not_exist_yet_is_a_symbol() -> None:
    draft = planned(VM, steps=1)
    assert draft.plan.result == {"ansible_host": "(known after apply: address of qemu/101)"}
    assert draft.plan.wait_for is not None


def test_a_guest_that_runs_already_tells_its_addresses_in_check_mode() -> None:
    draft = planned(VM, answers={AGENT: agent(interface("eth0", "10.0.0.5/24"))})
    assert draft.plan.result["ansible_host"] == "10.0.0.5"
    assert [entry["address"] for entry in draft.plan.result["addresses"]] == ["10.0.0.5"]


def test_a_guest_whose_agent_does_not_answer_now_is_planned_all_the_same() -> None:
    draft = planned(VM, answers={AGENT: NOT_RUNNING})
    assert is_symbol(draft.plan.result["ansible_host"])


def test_asking_the_agent_is_a_privilege_of_the_plan() -> None:
    needs = planned(VM, steps=2).plan.steps[-1].needs
    assert needs[-1] == Need(
        "/vms/101", ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted", "VM.Monitor"), "/pool/web"
    )
    assert len(planned(CT, steps=1).plan.steps[-1].needs) == 1


def test_without_wait_for_nothing_is_waited_for() -> None:
    draft, server = Draft(VM), Cluster({})
    plan_wait(draft, World(server.get, Memory(), False), {"wait_for": None}, "stopped", {})
    assert draft.plan.wait_for is None
    assert server.asked == []
