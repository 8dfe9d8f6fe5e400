# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role that changes or goes, and a user that joins, leaves, is locked or goes: everyone who feels it is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._blast_of.paths import tell
from ansible_collections.steward.proxmox.plugins.module_utils._blast_of.principals import role_change, user_change
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied

from tests.unit.blast_of.test_access import ANSWERS, entry
from tests.unit.engine.fakes import world_of

ACL = [entry("/vms", "ops", "Users"), entry("/storage", "zoe@pve", "Users"), entry("/", "zoe@pve", "Auditor")]
BEFORE = {"roleid": "Users", "privs": ["VM.Audit", "VM.PowerMgmt"]}
BOB = {"userid": "bob@pve", "enable": True, "groups": ["ops"]}


def role(after: Any, before: Any = None, changed: Mapping[str, Any] | None = None) -> Blast:
    blast = Blast()
    role_change(world_of({**ANSWERS, "/access/acl": ACL, **(changed or {})}), blast, before or BEFORE, after)
    return blast


def user(before: Any, after: Any, changed: Mapping[str, Any] | None = None) -> Blast:
    blast = Blast()
    user_change(world_of({**ANSWERS, "/access/acl": ACL, **(changed or {})}), blast, before, after)
    return blast


def test_everyone_who_has_a_role_feels_that_it_gives_something_else() -> None:
    blast = role({"roleid": "Users", "privs": ["VM.Audit", "VM.Allocate"]})
    assert blast.reasons == [
        ("medium", "bob@pve, bob@pve!ci, eve@pve: gains VM.Allocate on /vms"),
        ("high", "bob@pve, bob@pve!ci, eve@pve: loses VM.PowerMgmt on /vms"),
        ("high", "zoe@pve: gains VM.Allocate on /storage"),
        ("high", "zoe@pve: loses VM.PowerMgmt on /storage"),
    ]
    assert blast.public()["principals"] == ["bob@pve", "bob@pve!ci", "eve@pve", "zoe@pve"]


def test_a_role_that_is_given_twice_is_told_for_both_paths() -> None:
    twice = [entry("/vms", "zoe@pve", "Users"), entry("/vms/101", "zoe@pve", "Users")]
    blast = role({"roleid": "Users", "privs": [*BEFORE["privs"], "VM.Allocate"]}, changed={"/access/acl": twice})
    assert blast.reasons == [
        ("medium", "zoe@pve: gains VM.Allocate on /vms"),
        ("medium", "zoe@pve: gains VM.Allocate on /vms/101"),
    ]


def test_a_role_that_goes_takes_its_entries_along() -> None:
    blast = role(None)
    assert ("high", "bob@pve, bob@pve!ci, eve@pve: loses VM.Audit, VM.PowerMgmt on /vms") in blast.reasons
    through = "what is inherited comes through on /storage: gains Datastore.Audit"
    assert ("high", f"zoe@pve: {through}") in blast.reasons


def test_nobody_has_a_new_role_and_nothing_is_read_for_it() -> None:
    blast = Blast()
    role_change(world_of({}), blast, None, {"roleid": "New", "privs": ["VM.Audit"]})
    assert (blast.reasons, blast.unseen) == ([], [])
    spare = {"roleid": "Administrator", "privs": []}
    assert role(None, spare).reasons == [("medium", "nobody's privileges change by it now")]


@pytest.mark.parametrize("after", [None, {**BOB, "enable": False}], ids=["gone", "locked"])
def test_a_user_that_cannot_log_in_any_more_takes_its_tokens_along(after: Any) -> None:
    blast = user(BOB, after)
    assert blast.reasons == [("high", "whoever logs in as bob@pve, or with one of its tokens, is locked out")]
    assert blast.public()["principals"] == ["bob@pve", "bob@pve!ci", "bob@pve!own"]


def test_a_user_that_is_not_listed_has_unknown_tokens() -> None:
    assert user(BOB, None, {"/access/users?full=1": []}).unseen == ["groups and tokens of bob@pve"]


def test_joining_and_leaving_a_group_is_told_by_privilege() -> None:
    assert user(BOB, {**BOB, "groups": []}).reasons == [
        ("high", "bob@pve, bob@pve!ci: loses VM.Audit, VM.PowerMgmt on /vms")
    ]
    new = {"userid": "zoe@pve", "enable": True, "groups": ["ops"]}
    assert user(None, new).reasons == [
        ("medium", "zoe@pve: gains VM.PowerMgmt on /vms"),
        ("high", "zoe@pve: loses Datastore.Audit on /vms"),
    ]
    assert user(BOB, {**BOB, "comment": "x"}).reasons == []


def by_path(method: str, path: str, data: dict[str, Any], before: dict[str, Any]) -> Blast:
    blast = Blast()
    assert tell(world_of({**ANSWERS, "/access/acl": ACL}), blast, method, path, data, before)
    return blast


def test_the_calls_by_path_say_the_same() -> None:
    there = {"VM.Audit": 1, "VM.PowerMgmt": 1}
    added = by_path("put", "/access/roles/Users", {"privs": "VM.Allocate", "append": 1}, there)
    assert ("medium", "bob@pve, bob@pve!ci, eve@pve: gains VM.Allocate on /vms") in added.reasons
    assert not any("loses" in text for _level, text in added.reasons)
    assert (
        by_path("put", "/access/roles/Users", {}, there).reasons[0][1].endswith("loses VM.Audit, VM.PowerMgmt on /vms")
    )
    assert by_path("delete", "/access/roles/Users", {}, there).reasons == role(None).reasons
    bob = {"enable": 1, "groups": ["ops"]}
    assert by_path("delete", "/access/users/bob@pve", {}, bob).reasons == user(BOB, None).reasons
    assert by_path("put", "/access/users/bob@pve", {"enable": 0}, bob).reasons == user(BOB, None).reasons
    left = user(BOB, {**BOB, "groups": []}).reasons
    assert by_path("put", "/access/users/bob@pve", {"groups": "others"}, bob).reasons == left
    kept = by_path("put", "/access/users/bob@pve", {"groups": "others", "append": 1}, bob)
    assert kept.reasons == [("medium", "nobody's privileges change by it now")]


@pytest.mark.parametrize("path", ["/access/acl", "/access/roles", "/access/users?full=1", "/access/groups/ops"])
def test_a_refused_read_is_unknown_and_the_highest_risk(path: str) -> None:
    refused = {path: PermissionDenied("no", status=403)}
    wider = {"roleid": "Users", "privs": [*BEFORE["privs"], "VM.Allocate"]}
    assert role(wider, changed=refused).risk(True)["level"] == "high"
    if not path.endswith("ops"):
        assert user(BOB, {**BOB, "groups": ["ops", "others"]}, refused).risk(True)["level"] == "high"
