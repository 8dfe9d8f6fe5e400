# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds: one planner for all objects that a table can describe, here with a made-up table and with the real ones."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._codec import BOOL, INT, LOWER
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._kind import Call, Field, Kind, planner_of
from ansible_collections.steward.proxmox.plugins.module_utils._kinds.access import ACL
from ansible_collections.steward.proxmox.plugins.module_utils._kinds.firewall import ALIAS
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._names import check_text
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan
from ansible_collections.steward.proxmox.plugins.module_utils._privileges import Need

from tests.unit.engine.fakes import world_of

SHELF = Kind(
    feels=("others", "shelf {name}"),
    name="shelf",
    title="shelf {name}",
    fields={
        "name": Field({"type": "str", "required": True}, LOWER, key=True, check=check_text),
        "size": Field({"type": "int"}, INT, needed=True),
        "open": Field({"type": "bool"}, BOOL, implied=False),
        "comment": Field({"type": "str"}, implied=""),
    },
    list_path="/shelves",
    create=Call("POST", "/shelves"),
    update=Call("PUT", "/shelves/{name}", keys=False),
    delete=Call("DELETE", "/shelves/{name}", {"force": 1}, keys=False),
    writes=lambda values: (Need(f"/shelf/{values['name']}", ("Shelf.Modify",)),),
    guards=("update",),
    risk={"delete": ("high", "what lies on {name} falls")},
)
REPLACING = Kind(**{**SHELF.__dict__, "replaces": True})
ROW = {"name": "a b", "size": "3", "open": 1, "comment": "old", "digest": "d1"}


def planned(
    kind: Kind, options: dict[str, Any], *rows: dict[str, Any], permissions: Any = None, memory: Memory | None = None
) -> Plan:
    planner = planner_of(kind)
    given = {**dict.fromkeys(planner.options), "state": "present", **options}
    answers = {kind.list_path: list(rows), "/access/permissions": permissions or {"/": {"Sys.Audit": 1}}}
    return planner.plan(given, world_of(answers, memory))


def sent(plan: Plan) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    return [(step.method, step.path, dict(step.data), dict(step.guard)) for step in plan.steps]


def test_the_table_is_the_module() -> None:
    planner = planner_of(SHELF)
    assert set(planner.options) == {"name", "size", "open", "comment", "state"}
    assert planner.rules == {"required_if": [["state", "present", ["size"]]]}
    assert planner_of(ACL).rules == {}


def test_what_is_missing_is_created_with_all_that_is_mentioned() -> None:
    plan = planned(SHELF, {"name": "A B", "size": 3, "open": True})
    assert sent(plan) == [("POST", "/shelves", {"name": "a b", "size": 3, "open": 1}, {})]
    assert plan.steps[0].needs == (Need("/shelf/a b", ("Shelf.Modify",)),)
    assert plan.summary == "create shelf a b"
    left = {"name": "a b", "size": 3, "open": True, "comment": ""}
    undo = {"op": "delete", "target": "shelf a b", "of": [0], "kind": "shelf", "data": {"name": "a b"}, "left": left}
    assert plan.undo.public() == {"possible": True, "steps": [undo]}


NOTHING: list[dict[str, Any]] = [
    {"name": "a b", "size": 3},
    {"name": "A B", "size": 3, "open": True, "comment": "old"},
    {"name": "other", "state": "absent"},
]


@pytest.mark.parametrize("kind", [SHELF, REPLACING], ids=["merges", "replaces"])
@pytest.mark.parametrize("options", NOTHING, ids=str)
def test_what_is_as_wanted_is_left_alone(kind: Kind, options: dict[str, Any]) -> None:
    plan = planned(kind, options, ROW)
    assert plan.steps == []
    assert plan.summary.endswith("is as wanted")


def test_a_value_that_is_not_listed_is_the_implied_one() -> None:
    assert planned(SHELF, {"name": "x", "size": 1, "open": False, "comment": ""}, {"name": "x", "size": 1}).steps == []


def test_an_update_sends_what_differs_with_the_guard() -> None:
    plan = planned(SHELF, {"name": "a b", "size": 5}, ROW)
    assert sent(plan) == [("PUT", "/shelves/a%20b", {"size": 5}, {"digest": "d1"})]
    assert (plan.before["size"], plan.after["size"]) == (3, 5)
    assert plan.after["comment"] == "old"


def test_where_put_replaces_the_whole_object_is_sent() -> None:
    plan = planned(REPLACING, {"name": "a b", "size": 5}, ROW)
    assert sent(plan) == [("PUT", "/shelves/a%20b", {"size": 5, "open": 1, "comment": "old"}, {"digest": "d1"})]


def test_a_delete_has_its_path_its_extra_and_its_risk() -> None:
    plan = planned(SHELF, {"name": "a b", "state": "absent"}, ROW)
    assert sent(plan) == [("DELETE", "/shelves/a%20b", {"force": 1}, {})]
    assert plan.blast.risk(True) == {"level": "high", "reasons": ["what lies on a b falls"]}
    assert plan.undo.public()["steps"][0]["op"] == "create"
    assert plan.undo.public()["steps"][0]["data"]["comment"] == "old"


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_later_task_of_a_check_run_finds_it_done(state: str) -> None:
    options = {"name": "a b", "size": 9, "state": state}
    memory = Memory()
    answers = {"/shelves": [ROW, {"name": "z", "size": 1}], "/access/permissions": {}}
    planner = planner_of(SHELF)
    given = {**dict.fromkeys(planner.options), **options}
    plan = planner.plan(given, world_of(answers, memory, check=True))
    plan.digest = "sha256:x"
    assert plan.steps
    memory.remember(plan, {}, check=True)
    assert planner.plan(given, world_of(answers, memory, check=True)).steps == []
    other = {**given, "name": "z", "size": 1, "state": "present"}
    assert planner.plan(other, world_of(answers, memory, check=True)).steps == []


def test_a_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadInput, match=r"name: .* has control characters"):
        planned(SHELF, {"name": "a\x00", "size": 1})


# -- the real tables ---------------------------------------------------------------------------------------------------

ENTRY = {"path": "/vms", "type": "user", "ugid": "bob@pve", "roleid": "PVEVMUser", "propagate": 1}
GRANT = {"path": "/vms", "type": "user", "ugid": "bob@pve", "roleid": "PVEVMUser", "propagate": True}


def test_an_acl_entry_is_one_put_that_names_the_subject_by_its_kind() -> None:
    assert sent(planned(ACL, {**GRANT, "path": "vms/", "type": "token", "ugid": "bob@pve!ci"})) == [
        ("PUT", "/access/acl", {"path": "/vms", "tokens": "bob@pve!ci", "roles": "PVEVMUser", "propagate": 1}, {})
    ]
    assert planned(ACL, GRANT, ENTRY).steps == []


def test_removing_an_acl_entry_is_a_put_too() -> None:
    plan = planned(ACL, {**GRANT, "state": "absent"}, ENTRY)
    assert sent(plan) == [
        ("PUT", "/access/acl", {"path": "/vms", "users": "bob@pve", "roles": "PVEVMUser", "delete": 1}, {})
    ]
    assert plan.blast.risk(True)["level"] == "high"
    assert plan.blast.public()["principals"] == ["bob@pve"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_acl_entry_that_a_weak_token_does_not_see_is_unknown(state: str) -> None:
    with pytest.raises(Refused, match=r"Whether acl /vms bob@pve PVEVMUser exists is unknown.*Grant Sys.Audit or"):
        planned(ACL, {**GRANT, "state": state}, permissions={"/vms/100": {"VM.Audit": 1}})


def test_who_may_modify_permissions_sees_the_entry_and_who_may_only_give_it_away_does_not() -> None:
    deep = {**GRANT, "path": "/vms/100"}
    assert planned(ACL, deep, permissions={"/vms": {"Permissions.Modify": 1}}).steps
    with pytest.raises(Refused, match="is unknown"):
        planned(ACL, deep, permissions={"/vms": {"VM.Allocate": 1}})


ALIASED = {"name": "web", "cidr": "192.0.2.0/24", "comment": "old", "digest": "d1", "ipversion": 4}


def test_an_alias_keeps_its_comment_although_put_replaces() -> None:
    assert sent(planned(ALIAS, {"name": "WEB", "cidr": "192.0.2.7"}, ALIASED)) == [
        ("PUT", "/cluster/firewall/aliases/web", {"cidr": "192.0.2.7", "comment": "old"}, {"digest": "d1"})
    ]


def test_an_alias_is_removed_with_its_guard() -> None:
    assert sent(planned(ALIAS, {"name": "web", "state": "absent"}, ALIASED)) == [
        ("DELETE", "/cluster/firewall/aliases/web", {}, {"digest": "d1"})
    ]


@pytest.mark.parametrize("name", ["1web", "w", "a b", "a" * 65, "../x"])
def test_an_alias_has_a_name_that_the_firewall_takes(name: str) -> None:
    with pytest.raises(BadInput, match=r"name: .* is not valid"):
        planned(ALIAS, {"name": name, "cidr": "192.0.2.7"})
