# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an ACL entry gives and takes is told by privilege and by subject, and what cannot be read is a high risk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._blast_of.access import acl_entry, acl_write
from ansible_collections.steward.proxmox.plugins.module_utils._blast_of.write import Write
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, PermissionDenied

from tests.unit.engine.fakes import world_of

Row = dict[str, Any]


def entry(path: str, ugid: str, roleid: str, propagate: int = 1) -> Row:
    kind = "group" if "@" not in ugid else "token" if "!" in ugid else "user"
    return {"path": path, "type": kind, "ugid": ugid, "roleid": roleid, "propagate": propagate}


ROLES = {
    "Administrator": "Permissions.Modify,Sys.Modify,VM.Allocate,VM.Audit,VM.PowerMgmt",
    "Users": "VM.Audit,VM.PowerMgmt",
    "Auditor": "Datastore.Audit,VM.Audit",
    "NoAccess": "",
}
ANSWERS: dict[str, Any] = {
    "/access/permissions": {"/": {"Sys.Audit": 1, "VM.Audit": 1}},
    "/access/roles": [{"roleid": name, "privs": privileges} for name, privileges in ROLES.items()],
    "/access/users?full=1": [
        {"userid": "bob@pve", "groups": "ops", "tokens": [{"tokenid": "ci", "privsep": 0}, {"tokenid": "own"}]},
        {"userid": "eve@pve", "groups": "ops,others", "tokens": None},
        {"userid": "zoe@pve"},
    ],
    "/access/groups/ops": {"members": ["bob@pve", "eve@pve"]},
    "/cluster/resources?type=vm": [
        {"type": "qemu", "vmid": 101, "node": "pve1", "pool": "web"},
        {"type": "lxc", "vmid": 102, "node": "pve2", "pool": "web/deep"},
        {"type": "lxc", "vmid": 103, "node": "pve2", "pool": "website"},
    ],
    "/pools": [{"poolid": "web"}, {"poolid": "web/deep"}, {"poolid": "website"}],
    "/pools?poolid=web": [{"poolid": "web", "members": [{"type": "storage", "storage": "nas"}, {"type": "qemu"}]}],
    "/pools?poolid=web/deep": [{"poolid": "web/deep", "members": [{"type": "storage", "storage": "deep"}]}],
}


def given(new: Row, *there: Row, changed: Mapping[str, Any] | None = None) -> Blast:
    blast = Blast()
    acl_entry(world_of({**ANSWERS, "/access/acl": list(there), **(changed or {})}), blast, None, new)
    return blast


def taken(old: Row, *there: Row, changed: Mapping[str, Any] | None = None) -> Blast:
    blast = Blast()
    acl_entry(world_of({**ANSWERS, "/access/acl": [old, *there], **(changed or {})}), blast, old, None)
    return blast


def test_what_a_role_gives_is_named_and_the_tokens_of_the_user_get_it_too() -> None:
    blast = given(entry("/vms/101", "bob@pve", "Users"))
    assert blast.reasons == [("medium", "bob@pve, bob@pve!ci: gains VM.Audit, VM.PowerMgmt on /vms/101")]
    assert blast.public() == {"guests": ["qemu/101"], "principals": ["bob@pve", "bob@pve!ci"], "complete": True}


def test_a_token_with_privilege_separation_gains_no_more_than_its_user_has() -> None:
    there = entry("/vms", "bob@pve", "Auditor")
    blast = given(entry("/vms", "bob@pve!own", "Administrator"), there)
    assert blast.reasons == [("medium", "bob@pve!own: gains VM.Audit on /vms")]


def test_a_token_without_privilege_separation_gains_nothing_by_an_entry_of_its_own() -> None:
    assert given(entry("/vms", "bob@pve!ci", "Users")).reasons == [("medium", "nobody's privileges change by it now")]


@pytest.mark.parametrize(
    ("path", "role", "level"),
    [
        ("/vms", "Administrator", "high"),
        ("/", "Users", "high"),
        ("/storage", "Users", "high"),
        ("/", "Auditor", "medium"),
        ("/vms", "Users", "medium"),
    ],
)
def test_rights_that_reach_everything_or_give_the_others_are_a_high_risk(path: str, role: str, level: str) -> None:
    assert given(entry(path, "zoe@pve", role)).risk(True)["level"] == level


def test_an_entry_replaces_what_is_inherited() -> None:
    blast = given(entry("/vms/101", "zoe@pve", "Auditor"), entry("/", "zoe@pve", "Users"))
    assert ("high", "zoe@pve: the entry replaces what is inherited on /vms/101: loses VM.PowerMgmt") in blast.reasons
    assert ("medium", "zoe@pve: gains Datastore.Audit on /vms/101") in blast.reasons


def test_no_access_takes_everything_away() -> None:
    blast = given(entry("/vms", "zoe@pve", "NoAccess"), entry("/", "zoe@pve", "Users"))
    assert blast.reasons == [
        ("high", "zoe@pve: the entry replaces what is inherited on /vms: loses VM.Audit, VM.PowerMgmt")
    ]


def test_a_deeper_entry_stands_as_it_is() -> None:
    blast = given(entry("/vms", "zoe@pve", "Users"), entry("/vms/101", "zoe@pve", "NoAccess"))
    assert blast.reasons == [
        ("medium", "zoe@pve: gains VM.Audit, VM.PowerMgmt on /vms"),
        ("medium", "zoe@pve: the deeper entry on /vms/101 stands, with nothing"),
    ]


def test_taking_an_entry_away_lets_through_what_is_inherited() -> None:
    blast = taken(entry("/vms", "zoe@pve", "NoAccess"), entry("/", "zoe@pve", "Administrator"))
    assert blast.reasons == [
        (
            "high",
            "zoe@pve: what is inherited comes through on /vms: gains Permissions.Modify, Sys.Modify, VM.Allocate,"
            " VM.Audit, VM.PowerMgmt",
        )
    ]


def test_taking_an_entry_away_leaves_the_deeper_ones() -> None:
    blast = taken(entry("/vms", "zoe@pve", "Users"), entry("/vms/101", "zoe@pve", "Users"))
    assert blast.reasons == [
        ("high", "zoe@pve: loses VM.Audit, VM.PowerMgmt on /vms"),
        ("medium", "zoe@pve: the deeper entry on /vms/101 stands, with VM.Audit, VM.PowerMgmt"),
    ]


def test_an_entry_that_stops_to_propagate_is_told_by_what_is_below() -> None:
    blast, old = Blast(), entry("/vms", "zoe@pve", "Users")
    acl_entry(world_of({**ANSWERS, "/access/acl": [old]}), blast, old, {**old, "propagate": False})
    assert blast.reasons == [("high", "zoe@pve: loses VM.Audit, VM.PowerMgmt on what is below /vms")]


def test_a_group_is_its_members_and_an_entry_of_their_own_beats_it() -> None:
    blast = given(entry("/vms", "ops", "Users"), entry("/vms", "eve@pve", "Auditor"))
    assert blast.reasons == [("medium", "bob@pve, bob@pve!ci: gains VM.Audit, VM.PowerMgmt on /vms")]
    assert blast.public()["principals"] == ["bob@pve", "bob@pve!ci", "ops"]


def test_a_right_on_a_pool_is_one_on_its_members() -> None:
    blast = given(entry("/pool/web", "zoe@pve", "Users"))
    assert blast.public()["guests"] == ["lxc/102", "qemu/101"]
    assert blast.public()["storages"] == ["deep", "nas"]


def test_the_call_by_path_says_the_same() -> None:
    blast, world = Blast(), world_of({**ANSWERS, "/access/acl": []})
    data = {"path": "vms/", "users": "bob@pve,zoe@pve", "groups": "ops", "roles": "Users"}
    acl_write(world, blast, Write("put", data=data))
    assert blast.reasons == [("medium", "bob@pve, bob@pve!ci, zoe@pve, eve@pve: gains VM.Audit, VM.PowerMgmt on /vms")]
    gone = Blast()
    there = world_of({**ANSWERS, "/access/acl": [entry("/vms", "zoe@pve", "Users")]})
    acl_write(there, gone, Write("put", data={"path": "/vms", "users": "zoe@pve", "roles": "Users", "delete": 1}))
    assert gone.reasons == [("high", "zoe@pve: loses VM.Audit, VM.PowerMgmt on /vms")]


@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("/access/acl", "access control list"),
        ("/access/roles", "roles"),
        ("/access/users?full=1", "users"),
        ("/access/groups/ops", "members of group ops"),
        ("/cluster/resources?type=vm", "guests of the cluster"),
        ("/pools", "pools in pool web"),
        ("/pools?poolid=web/deep", "members of pool web/deep"),
    ],
)
@pytest.mark.parametrize("refusal", [PermissionDenied("no", status=403), ApiError("broken", status=500)])
def test_a_refused_read_is_unknown_and_the_highest_risk(path: str, unknown: str, refusal: Exception) -> None:
    seen = given(entry("/pool/web", "ops", "Users"))
    assert seen.risk(True)["level"] == "medium"
    blast = given(entry("/pool/web", "ops", "Users"), changed={path: refusal})
    assert unknown in blast.unseen
    assert blast.risk(True)["level"] == "high"


@pytest.mark.parametrize(
    ("changed", "unknown"),
    [
        ({"/access/permissions": {"/vms": {"VM.Audit": 1}}}, "entries of the access control list without Sys.Audit"),
        ({"/access/permissions": {"/": {"Sys.Audit": 1}}}, "guests without VM.Audit"),
        ({"/access/users?full=1": []}, "groups and tokens of bob@pve"),
        ({"/access/users?full=1": [{"userid": "eve@pve"}]}, "groups and tokens of bob@pve"),
        ({"/access/roles": []}, "privileges of role Users"),
    ],
)
def test_a_list_that_is_shortened_to_what_one_may_see_is_not_the_whole(changed: Row, unknown: str) -> None:
    blast = given(entry("/vms/101", "bob@pve", "Users"), changed=changed)
    assert any(what.startswith(unknown) for what in blast.unseen), blast.unseen
    assert blast.risk(True)["level"] == "high"


def test_a_token_that_is_not_listed_is_unknown() -> None:
    assert given(entry("/vms", "bob@pve!new", "Users")).unseen == ["token bob@pve!new"]
