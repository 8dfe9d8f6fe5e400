# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which guests are read, what is read of each, and what is said of the rest."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    BadInput,
    PermissionDenied,
    Unreachable,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest.effects import born, gone
from ansible_collections.steward.proxmox.plugins.module_utils._info import bounded
from ansible_collections.steward.proxmox.plugins.module_utils._info.details import DETAILS
from ansible_collections.steward.proxmox.plugins.module_utils._info.guests import plan_guest_info
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.unit.engine.fakes import Cluster

LIST = "/cluster/resources"
SEES_ALL = {"/": {"VM.Audit": 1}}
MAC = "BC:24:11:00:00:01"

NODES = [{"id": f"node/{name}", "type": "node", "node": name, "status": "online"} for name in ("pve1", "pve2", "pve3")]
OFFLINE = [*NODES[:2], {**NODES[2], "status": "offline"}]


def guest(kind: str, vmid: int, node: str, **more: Any) -> dict[str, Any]:
    row = {"id": f"{kind}/{vmid}", "type": kind, "vmid": vmid, "node": node, "name": f"g{vmid}", "status": "running"}
    return {**row, "template": 0, **more}


WEB = guest("lxc", 101, "pve1", name="web-1", tags="prod;web", pool="web")
DB = guest("qemu", 100, "pve2", name="db", tags="prod", status="stopped")
BASE = guest("qemu", 102, "pve3", name="base", template=1, status="stopped", tags=" ")
NAMELESS = {"id": "qemu/400", "type": "qemu", "vmid": 400, "node": "pve2", "status": "unknown"}
STORAGE = {"id": "storage/pve1/local", "type": "storage", "node": "pve1", "storage": "local"}


def cluster(*rows: dict[str, Any], nodes: Any = NODES, permissions: Any = None, **answers: Any) -> Cluster:
    held = SEES_ALL if permissions is None else permissions
    return Cluster({LIST: [*nodes, STORAGE, *rows], "/access/permissions": held, **answers})


def ask(known: Cluster, check: bool = False, memory: Memory | None = None, **options: Any) -> dict[str, Any]:
    """The result of guest_info."""
    world = World(known.get, memory or Memory(), check, "bob@pve!ci")
    return plan_guest_info({"details": [], "concurrency": 4, **options}, world).result


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [100, 101, 102]),
    ({"vmid": [100]}, [100]),
    ({"vmid": [102, 100, 999]}, [100, 102]),
    ({"name": "web-1"}, [101]),
    ({"name": "web"}, []),
    ({"name_pattern": "web-*"}, [101]),
    ({"name_pattern": "WEB-*"}, []),
    ({"node": "pve2"}, [100]),
    ({"type": "qemu"}, [100, 102]),
    ({"tags": ["prod"]}, [100, 101]),
    ({"tags": ["prod", "web"]}, [101]),
    ({"pool": "web"}, [101]),
    ({"status": "stopped"}, [100, 102]),
    ({"template": True}, [102]),
    ({"template": False, "status": "stopped"}, [100]),
]


@pytest.mark.parametrize(("options", "vmids"), FILTERS, ids=str)
def test_filters_choose(options: dict[str, Any], vmids: list[int]) -> None:
    result = ask(cluster(WEB, DB, BASE), **options)
    assert [row["vmid"] for row in result["guests"]] == vmids
    assert result["total"] == len(vmids)
    assert not result["truncated"]


def test_the_whole_cluster_is_one_request_and_permissions_one_for_the_run() -> None:
    known, memory = cluster(WEB, DB, BASE), Memory()
    for _task in range(2):
        result = ask(known, memory=memory)
    assert known.asked == [LIST, "/access/permissions", LIST]
    assert (result["complete"], result["unseen"]) == (True, [])
    known.asked.clear()
    plan_guest_info({"details": [], "concurrency": 4}, World(known.get, Memory(), False, "root@pam", is_root=True))
    assert known.asked == [LIST]


def test_values_are_typed() -> None:
    first, second, third = ask(cluster(WEB, DB, BASE))["guests"]
    assert (first["tags"], second["tags"], third["tags"]) == (["prod"], ["prod", "web"], [])
    assert (first["template"], third["template"]) == (False, True)


def test_two_guests_of_one_name_are_both_there() -> None:
    """A peer's inventory makes one host of them, silently."""
    twin = guest("qemu", 105, "pve2", name="web-1")
    assert [row["id"] for row in ask(cluster(WEB, twin), name="web-1")["guests"]] == ["lxc/101", "qemu/105"]


def test_a_limit_cuts_and_says_so_before_details_are_read() -> None:
    rows: dict[str, Any] = {f"/nodes/{row['node']}/{row['type']}/{row['vmid']}/pending": [] for row in (WEB, DB, BASE)}
    known = cluster(WEB, DB, BASE, **rows)
    result = ask(known, limit=1, details=["config"])
    assert [row["vmid"] for row in result["guests"]] == [100]
    assert (result["total"], result["truncated"]) == (3, True)
    assert [name for name in known.asked if "pending" in name] == ["/nodes/pve2/qemu/100/pending"]
    assert not ask(known, limit=3)["truncated"]


def test_a_result_that_is_too_long_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "LONGEST", 200)
    result = ask(cluster(WEB, DB, BASE))
    assert len(result["guests"]) == 1
    assert (result["total"], result["truncated"]) == (3, True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"limit": 0}, "limit: 0 is not valid: at least 1"),
        ({"concurrency": 0, "details": ["config"]}, "concurrency: 0 is not valid: 1 to 32"),
        ({"concurrency": 33}, "concurrency: 33 is not valid"),
        ({"node": "pve9"}, "node: 'pve9' is not a node of this cluster; it has: pve1, pve2, pve3"),
        ({"node": "a/b"}, "node: 'a/b' is not valid"),
    ],
    ids=str,
)
def test_wrong_input_is_told(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        ask(cluster(WEB), **options)


# -- unknown is not empty ----------------------------------------------------------------------------------------------

PARTIAL: list[tuple[Any, bool]] = [
    ({"/vms": {"VM.Audit": 1}}, True),
    ({"/vms": {"VM.Audit": 0}}, False),  # not handed down to the guests
    ({"/vms/101": {"VM.Audit": 1}}, False),
    ({}, False),
    ({"/": {"VM.Audit": 1}, "/vms/500": {"VM.PowerMgmt": 1}}, False),  # this guest is left out of the list
    ({"/": {"VM.Audit": 1}, "/vms/500": {"VM.Audit": 0}}, True),
]


@pytest.mark.parametrize(("permissions", "complete"), PARTIAL, ids=str)
def test_a_credential_that_may_not_see_all_guests_is_told(permissions: Any, complete: bool) -> None:
    result = ask(cluster(WEB, permissions=permissions))
    assert result["complete"] is complete
    if not complete:
        assert result["unseen"] == ["bob@pve!ci may not see all guests: VM.Audit on /vms is needed"]


def test_permissions_that_this_run_would_change_are_unknown() -> None:
    memory = Memory.of([{"permissions_changed": "planned"}])
    assert ask(cluster(WEB), check=True, memory=memory)["complete"] is False


def test_a_guest_that_was_asked_for_by_id_and_is_there_is_all_there_is() -> None:
    known = cluster(WEB, guest("qemu", 300, "pve3"), nodes=OFFLINE, permissions={})
    assert ask(known, vmid=[101])["complete"]
    assert not ask(known, vmid=[101, 102])["complete"]
    assert ask(known, vmid=[300])["unseen"] == ["node pve3 does not answer: only what it last reported is known"]


def test_of_a_node_that_does_not_answer_the_old_figures_are_unknown() -> None:
    """The list goes on saying `running` for the guests of a node that has lost power."""
    known = cluster(WEB, guest("qemu", 300, "pve3"), nodes=OFFLINE)
    result = ask(known)
    assert [row["status"] for row in result["guests"]] == ["running", "unknown"]
    assert result["unseen"] == ["node pve3 does not answer: only what it last reported is known"]
    assert not ask(known, status="running")["complete"]
    assert ask(known, node="pve1")["complete"]


def test_a_guest_without_a_name_is_told() -> None:
    result = ask(cluster(WEB, NAMELESS), name="g400")
    assert result["guests"] == []
    assert result["unseen"] == ["qemu/400 has not been reported by its node"]
    assert ask(cluster(NAMELESS))["guests"][0]["template"] is None


# -- details -----------------------------------------------------------------------------------------------------------

LXC, VM = "/nodes/pve1/lxc/101", "/nodes/pve2/qemu/100"
PENDING = [
    {"key": "cores", "value": 1, "pending": 2},
    {"key": "net0", "value": f"virtio={MAC},bridge=vmbr0"},
    {"key": "agent", "value": "1", "delete": 1},
    {"key": "net1", "pending": "virtio=BC:24:11:00:00:02"},
    {"key": "digest", "value": "d"},
]
NETWORK = {
    "result": [
        {"name": "br-1", "hardware-address": "02:42:00:00:00:01", "ip-addresses": [{"ip-address": "172.18.0.1"}]},
        {"name": "eth0", "hardware-address": MAC.lower(), "ip-addresses": [{"ip-address": "10.0.0.9", "prefix": 24}]},
    ]
}
ANSWERS = {
    f"{VM}/pending": PENDING,
    f"{VM}/status/current": {"status": "running", "qmpstatus": "paused"},
    f"{VM}/snapshot": [{"name": "s1", "description": "x\n", "snaptime": 5}, {"name": "current", "parent": "s1"}],
    f"{VM}/agent/network-get-interfaces": NETWORK,
    f"{VM}/agent/get-host-name": {"result": {"host-name": "db.example"}},
    f"{VM}/agent/get-osinfo": {"result": {"id": "debian", "version-id": "13"}},
}


def details_of(known: Cluster, *details: str, **options: Any) -> dict[str, Any]:
    (found,) = ask(known, details=list(details), **options)["guests"]
    return found


def test_every_detail_of_a_machine() -> None:
    known = cluster(DB, **ANSWERS)
    found = details_of(known, *DETAILS)
    assert found["config"] == {"cores": 2, "net0": f"virtio={MAC},bridge=vmbr0", "net1": "virtio=BC:24:11:00:00:02"}
    assert found["pending"] == {
        "agent": {"value": "1", "pending": None},
        "cores": {"value": 1, "pending": 2},
        "net1": {"value": None, "pending": "virtio=BC:24:11:00:00:02"},
    }
    assert found["status"] == {"status": "running", "qmpstatus": "paused"}
    assert [(one["name"], one["description"], one["current"]) for one in found["snapshots"]] == [("s1", "x", True)]
    assert found["agent"] == {
        "hostname": "db.example",
        "os": {"id": "debian", "version-id": "13"},
        "interfaces": NETWORK["result"],
    }
    assert [row["address"] for row in found["addresses"]] == ["172.18.0.1", "10.0.0.9"]
    assert found["ansible_host"] == "10.0.0.9"
    assert found["errors"] == {}
    assert sorted(known.asked[2:]) == sorted(ANSWERS), "each is read once"


def test_config_and_what_waits_are_one_request() -> None:
    known = cluster(DB, **ANSWERS)
    details_of(known, "config", "pending")
    assert known.asked[2:] == [f"{VM}/pending"]


def test_addresses_are_one_request_unless_it_takes_the_configuration_to_choose() -> None:
    rows = [{"name": "eth0", "hwaddr": MAC, "ip-addresses": [{"ip-address": "10.0.0.3", "prefix": 8}]}]
    known = cluster(WEB, **{f"{LXC}/interfaces": rows})
    found = details_of(known, "addresses")
    assert (found["ansible_host"], found["errors"]) == ("10.0.0.3", {})
    assert known.asked[2:] == [f"{LXC}/interfaces"]
    known = cluster(DB, **ANSWERS)
    assert details_of(known, "addresses")["ansible_host"] == "10.0.0.9"
    assert known.asked[2:] == [f"{VM}/agent/network-get-interfaces", f"{VM}/pending"]


def test_a_container_has_no_agent_and_that_is_no_error() -> None:
    found = details_of(cluster(WEB), "agent")
    assert (found["agent"], found["errors"]) == (None, {})


DOWN = ApiError("GET … was refused with 500: QEMU guest agent is not running")


def test_an_agent_that_is_down_spoils_neither_its_guest_nor_the_others() -> None:
    """What a peer does: one guest whose agent does not answer fails the task for all."""
    dead = {**ANSWERS, f"{VM}/agent/network-get-interfaces": DOWN}
    up = [{"name": "eth0", "hwaddr": MAC, "ip-addresses": [{"ip-address": "10.0.0.3", "prefix": 8}]}]
    known = cluster(WEB, DB, **dead, **{f"{LXC}/interfaces": up, f"{LXC}/pending": []})
    machine, container = ask(known, details=["config", "agent", "addresses"])["guests"]
    assert (machine["agent"], machine["addresses"], machine["ansible_host"]) == (None, None, None)
    assert machine["errors"]["addresses"] == machine["errors"]["agent"] == str(DOWN)
    assert machine["config"]["cores"] == 2
    assert container["ansible_host"] == "10.0.0.3"
    assert not [name for name in known.asked if "get-osinfo" in name], "a silent agent is not asked more"


def test_an_agent_that_answers_half_tells_half() -> None:
    known = cluster(DB, **{**ANSWERS, f"{VM}/agent/get-osinfo": ApiError("not supported")})
    found = details_of(known, "agent")
    assert (found["agent"]["hostname"], found["agent"]["os"]) == ("db.example", None)
    assert found["errors"] == {"agent.os": "not supported"}


def test_a_missing_privilege_is_told() -> None:
    denied = PermissionDenied("Permission check failed (/vms/100, VM.GuestAgent.Audit)", "grant it")
    found = details_of(cluster(DB, **{f"{VM}/agent/network-get-interfaces": denied}), "addresses")
    assert "VM.GuestAgent.Audit" in found["errors"]["addresses"]
    assert "grant it" in found["errors"]["addresses"]


def test_a_guest_on_a_dead_node_is_not_asked() -> None:
    known = cluster(guest("qemu", 300, "pve3"), nodes=OFFLINE)
    found = details_of(known, "config", "addresses")
    assert (found["config"], found["addresses"], found["ansible_host"]) == (None, None, None)
    assert set(found["errors"].values()) == {"node pve3 does not answer"}
    assert known.asked == [LIST, "/access/permissions"]


def test_a_node_that_dies_in_between_is_told() -> None:
    gone_silent = Unreachable("the node behind it did not answer (No route to host)", status=595)
    found = details_of(cluster(DB, **{f"{VM}/pending": gone_silent}), "config")
    assert "No route to host" in found["errors"]["config"]


def test_no_answer_from_any_node_fails_the_task() -> None:
    with pytest.raises(Unreachable, match="no node answered"):
        ask(cluster(DB, **{f"{VM}/pending": Unreachable("no node answered")}), details=["config"])


# -- a --check run -----------------------------------------------------------------------------------------------------


def test_a_later_task_of_a_check_run_sees_planned_guests() -> None:
    memory = Memory.of([{"bound": {"lxc/900": "sha256:x", "qemu/100": "sha256:x"}}])
    for effect in [*born("lxc", "pve1", 900, "new", {"hostname": "new"}), *gone("qemu", "pve2", 100)]:
        memory.effects.setdefault(effect.at, []).append(effect)
    known = cluster(WEB, DB, **{f"{LXC}/pending": []})
    _web, planned = ask(known, check=True, memory=memory, details=["config", "addresses"])["guests"]
    assert (planned["vmid"], planned["config"], planned["addresses"]) == (900, {"hostname": "new"}, None)
    assert planned["errors"] == {"addresses": "it is not there: a task of this run makes or removes it"}
    assert [row["vmid"] for row in ask(known, memory=memory)["guests"]] == [100, 101], "a real run sees what is there"
