# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the doctor says of a credential: from its permissions, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._doctor.capabilities import CAPABILITIES, NAMES, SCOPES
from ansible_collections.steward.proxmox.plugins.module_utils._doctor.checkup import plan_doctor_info
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    AuthenticationFailed,
    BadInput,
    Unreachable,
)
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.lab.privileges import ALL
from tests.unit.engine.fakes import Cluster

VERSION, LIST, PERMISSIONS = "/version", "/cluster/resources", "/access/permissions"
ROWS = [
    {"type": "node", "node": "pve1", "status": "online", "id": "node/pve1"},
    {"type": "qemu", "vmid": 100, "node": "pve1", "id": "qemu/100"},
    {"type": "lxc", "vmid": 101, "node": "pve1", "id": "lxc/101"},
    {"type": "storage", "storage": "local", "node": "pve1", "id": "storage/pve1/local"},
    {"type": "network", "network": "localnetwork", "network-type": "zone", "node": "pve1", "id": "network/pve1/zone/l"},
    {"type": "network", "network": "f", "network-type": "fabric", "node": "pve1", "id": "network/pve1/fabric/f"},
]
EVERYTHING = {privilege: 1 for capability in CAPABILITIES for need in capability.needs for privilege in need.any_of}


def ask(permissions: Any, version: str = "9.0.3", is_root: bool = False, **options: Any) -> dict[str, Any]:
    known = Cluster({VERSION: {"version": version}, LIST: ROWS, PERMISSIONS: permissions})
    world = World(known.get, Memory(), False, "root@pam" if is_root else "bob@pve!ci", is_root)
    return plan_doctor_info(wanted(**options), world).result


def wanted(**options: Any) -> dict[str, Any]:
    own = {"capabilities": list(NAMES), "vmids": [], "storages": [], "nodes": []}
    api = {"api_host": ["pve1"], "api_token_id": "bob@pve!ci", "api_token_secret": "s"}
    return {**own, **api, **options}


def held(result: dict[str, Any]) -> dict[str, str]:
    return {row["capability"]: row["held"] for row in result["capabilities"]}


def test_who_holds_everything_has_no_gap() -> None:
    result = ask({"/": EVERYTHING})
    assert (result["healthy"], result["gaps"]) == (True, [])
    roots = {capability.name for capability in CAPABILITIES if capability.root_only}
    assert held(result) == {name: "nowhere" if name in roots else "everywhere" for name in NAMES}


def test_root_may_do_everything() -> None:
    result = ask({}, is_root=True)
    assert (set(held(result).values()), result["gaps"]) == ({"everywhere"}, [])


def test_who_holds_nothing_is_told_what_to_grant() -> None:
    result = ask({})
    assert set(held(result).values()) == {"nowhere"}
    assert result["healthy"] is False
    granted: dict[str, dict[str, int]] = {gap["path"]: dict.fromkeys(gap["privileges"], 1) for gap in result["gaps"]}
    # what it says is enough, and takes each role name once
    again = ask(granted)
    assert (again["gaps"], again["healthy"]) == ([], True)
    roles = [gap["grant"].split()[3] for gap in result["gaps"]]
    assert len(set(roles)) == len(roles)
    assert all("--tokens 'bob@pve!ci'" in gap["grant"] for gap in result["gaps"])
    assert result["summary"][-1] == "with privilege separation, bob@pve needs the same as its token"


def test_what_is_held_on_some_objects_is_no_gap_until_others_are_asked_for() -> None:
    permissions = {"/vms/100": {"VM.Backup": 1}, "/storage/local": {"Datastore.AllocateSpace": 1}}
    some = ask(permissions, capabilities=["backups"])
    assert held(some) == {"backups": "some"}
    assert some["gaps"] == []
    assert "backups: some (/storage/local, /vms/100)" in some["summary"]
    these = ask(permissions, capabilities=["backups"], vmids=[100], storages=["local"])
    assert (held(these), these["healthy"]) == ({"backups": "everywhere"}, True)
    more = ask(permissions, capabilities=["backups"], vmids=[100, 102])
    assert held(more) == {"backups": "some"}
    assert [(gap["path"], gap["privileges"]) for gap in more["gaps"]] == [("/vms/102", ["VM.Backup"])]
    assert more["gaps"][0]["grant"] == (
        "pveum role add StewardVms102 --privs 'VM.Backup' && "
        "pveum acl modify '/vms/102' --tokens 'bob@pve!ci' --roles StewardVms102"
    )


def test_what_does_not_reach_down_is_not_everywhere() -> None:
    result = ask({"/vms": {"VM.PowerMgmt": 0}}, capabilities=["start_and_stop"])
    assert held(result) == {"start_and_stop": "nowhere"}
    result = ask({"/vms": {"VM.PowerMgmt": 1}, "/vms/100": {}}, capabilities=["start_and_stop"])
    assert held(result) == {"start_and_stop": "some"}


@pytest.mark.parametrize(
    ("version", "privilege"), [("8.4.1", "VM.Monitor"), ("9.0.3", "VM.GuestAgent.Unrestricted"), ("10.0", "VM.Guest")]
)
def test_each_version_has_its_privileges(version: str, privilege: str) -> None:
    (gap,) = ask({}, version, capabilities=["run_in_machines"])["gaps"]
    assert gap["privileges"][0].startswith(privilege)


@pytest.mark.parametrize(
    ("options", "verified", "by"),
    [
        ({}, True, "the certificate authorities of the system"),
        ({"ca_path": "/etc/ca.pem"}, True, "/etc/ca.pem"),
        ({"fingerprint": "ab" * 32, "validate_certs": False}, True, f"the pinned fingerprint {'AB' * 32}"),
        ({"validate_certs": False}, False, "nothing: validate_certs is off"),
    ],
)
def test_who_answers(options: dict[str, Any], verified: bool, by: str) -> None:
    result = ask({"/": EVERYTHING}, **options)
    assert result["tls"]["verified"] is verified
    assert result["tls"]["by"].startswith(by)
    assert result["healthy"] is verified


@pytest.mark.parametrize("error", [Unreachable("no node answered"), AuthenticationFailed("bad token", "Look")])
def test_where_nothing_answers_it_says_why(error: Exception) -> None:
    known = Cluster({VERSION: error})
    result = plan_doctor_info(wanted(), World(known.get, Memory(), False, "bob@pve!ci")).result
    assert (result["connected"], result["healthy"], result["capabilities"]) == (False, False, [])
    assert result["problem"] == str(error)
    assert result["summary"] == [f"not connected to pve1: {error}"]
    assert known.asked == [VERSION]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"vmids": [7]}, "vmids"), ({"storages": ["a b"]}, "storages"), ({"nodes": ["../x"]}, "nodes")],
)
def test_bad_input_is_an_error_before_anything_is_asked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        ask({}, **options)


def test_every_privilege_of_the_table_exists() -> None:
    named = {privilege for one in CAPABILITIES for need in one.needs for privilege in need.any_of}
    assert named <= ALL
    assert all(need.path in (*SCOPES, "/", "/access", "/access/groups") for one in CAPABILITIES for need in one.needs)
    assert all(bool(one.needs) != bool(one.root_only) for one in CAPABILITIES)
