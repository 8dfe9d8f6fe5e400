# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users and roles: rows of a table, and what the table says of each."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._kind import Kind, planner_of
from ansible_collections.steward.proxmox.plugins.module_utils._kinds.principals import ROLE, USER
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan
from ansible_collections.steward.proxmox.plugins.module_utils._privileges import Need

from tests.unit.engine.fakes import world_of

ANSWERS: dict[str, Any] = {
    "/access/users?full=1": [{"userid": "ci@pve", "enable": 1, "comment": "old", "groups": "ops,web", "tokens": []}],
    "/access/roles": [{"roleid": "ops", "privs": "VM.Audit,VM.Clone", "special": 0}],
    "/access/acl": [{"path": "/vms", "type": "user", "ugid": "bob@pve", "roleid": "ops", "propagate": 1}],
    "/access/permissions": {"/": {"Sys.Audit": 1}},
}


def planned(kind: Kind, answers: dict[str, Any] | None = None, **options: Any) -> Plan:
    planner, world = planner_of(kind), world_of(ANSWERS if answers is None else answers)
    return planner.plan({**dict.fromkeys(planner.options), "state": "present", **options}, world)


def sent(plan: Plan) -> list[tuple[str, str, dict[str, Any]]]:
    return [(step.method, step.path, dict(step.data)) for step in plan.steps]


def test_lists_are_exact_sets() -> None:
    assert not planned(USER, userid="ci@pve", groups=["web", "ops"]).steps
    assert sent(planned(USER, userid="ci@pve", groups=[])) == [("PUT", "/access/users/ci@pve", {"groups": ""})]
    assert not planned(ROLE, roleid="ops", privs=["VM.Clone,VM.Audit"]).steps
    assert sent(planned(ROLE, roleid="ops", privs=[])) == [("PUT", "/access/roles/ops", {"privs": ""})]


def test_an_update_needs_less_than_a_birth() -> None:
    modify = Need("/access/groups", ("User.Modify",))
    allocate = Need("/access/realm/pve", ("Realm.AllocateUser",))
    assert planned(USER, userid="ci@pve", comment="new").steps[0].needs == (modify,)
    assert planned(USER, userid="new@pve").steps[0].needs == (allocate, modify)
    assert planned(USER, userid="ci@pve", state="absent").steps[0].needs == (allocate, modify)


def test_a_user_that_is_not_listed_may_be_invisible() -> None:
    weak = {**ANSWERS, "/access/permissions": {"/": {"VM.Audit": 1}}}
    with pytest.raises(Refused, match="Whether user new@pve exists is unknown"):
        planned(USER, weak, userid="new@pve")


def test_whoever_holds_a_role_feels_its_change() -> None:
    for plan in (planned(ROLE, roleid="ops", privs=["VM.Audit"]), planned(ROLE, roleid="ops", state="absent")):
        assert "bob@pve" in plan.blast.principals
        assert any("bob@pve" in why for why in plan.blast.risk(True)["reasons"])
    assert planned(ROLE, roleid="new", privs=[]).blast.risk(True)["level"] == "low"
    # a list that is shortened to what a weak credential may see
    weak = {**ANSWERS, "/access/acl": [], "/access/permissions": {"/": {}}}
    assert planned(ROLE, weak, roleid="ops", privs=[]).blast.risk(True)["level"] == "high"


def test_what_a_delete_takes_along_does_not_come_back() -> None:
    assert "the tokens" in planned(USER, userid="ci@pve", state="absent").undo.why
    assert "the entries" in planned(ROLE, roleid="ops", state="absent").undo.why


@pytest.mark.parametrize("name", ["PVEAdmin", "pve-own", "Administrator", "NoAccess", "a/b", "", "ä"])
def test_roles_of_proxmox_and_no_names_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match="roleid"):
        planned(ROLE, roleid=name, privs=[])


@pytest.mark.parametrize("name", ["NoAccessories", "Administrators", "stewPVE", "a.b-c_d"])
def test_names_that_only_look_like_them_are_not(name: str) -> None:
    assert planned(ROLE, roleid=name, privs=[]).steps


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ROLE, {"roleid": "r", "privs": ["VM.Audit", "audit"]}),
        (USER, {"userid": "ci", "groups": []}),
        (USER, {"userid": "ci@pve", "groups": ["a/b"]}),
        (USER, {"userid": "ci@pve", "comment": "a\x1b"}),
    ],
)
def test_every_value_is_checked_before_anything_is_sent(kind: Kind, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"is not valid|control characters"):
        planned(kind, **options)
