# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: one digest for one meaning, symbols for what is not known yet, and no secret in what people see."""

import json
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._plan import (
    HIDDEN,
    Effect,
    Plan,
    Step,
    Undo,
    after_apply,
    canonical,
    compute_digest,
    sha256,
    substitute,
    symbolic,
)
from hypothesis import given
from hypothesis import strategies as st

VMID = after_apply("vmid of lxc web")


def plan_of(*steps: Step, objects: dict[str, Any] | None = None, symbols: dict[str, str] | None = None) -> Plan:
    return Plan(steps=list(steps), objects=objects or {}, symbols=symbols or {})


def digest(plan: Plan, bound: dict[str, str] | None = None, symbols: dict[str, str] | None = None) -> str:
    return compute_digest(plan, bound or {}, symbols or {})


CREATE = Step("create", "lxc/100", "POST", "/nodes/pve1/lxc", {"vmid": 100, "hostname": "web"}, why="it is missing")


def test_a_digest_does_not_see_the_order_of_keys() -> None:
    other = Step("create", "lxc/100", "POST", "/nodes/pve1/lxc", {"hostname": "web", "vmid": 100})
    one = plan_of(CREATE, objects={"a": {"x": 1, "y": 2}, "b": {}})
    two = plan_of(other, objects={"b": {}, "a": {"y": 2, "x": 1}})
    assert digest(one) == digest(two)


def test_a_digest_does_not_see_the_reason_in_words() -> None:
    other = Step("create", "lxc/100", "POST", "/nodes/pve1/lxc", {"vmid": 100, "hostname": "web"}, why="other words")
    assert digest(plan_of(CREATE)) == digest(plan_of(other))


def test_a_digest_does_not_see_the_guard() -> None:
    guarded = Step("update", "lxc/100", "PUT", "/c", {"cores": 2}, guard={"digest": "abc"})
    assert digest(plan_of(guarded)) == digest(plan_of(Step("update", "lxc/100", "PUT", "/c", {"cores": 2})))


DIFFERENT = [
    plan_of(Step("create", "lxc/100", "POST", "/nodes/pve1/lxc", {"vmid": 100, "hostname": "other"})),
    plan_of(Step("create", "lxc/100", "POST", "/nodes/pve2/lxc", {"vmid": 100, "hostname": "web"})),
    plan_of(Step("create", "lxc/100", "PUT", "/nodes/pve1/lxc", {"vmid": 100, "hostname": "web"})),
    plan_of(CREATE, CREATE),
    plan_of(CREATE, objects={"lxc/100": {"exists": False}}),
    plan_of(),
]


@pytest.mark.parametrize("other", DIFFERENT, ids=range(len(DIFFERENT)))
def test_a_digest_sees_steps_and_objects(other: Plan) -> None:
    assert digest(plan_of(CREATE)) != digest(other)


def test_the_order_of_steps_matters() -> None:
    start = Step("start", "lxc/100", "POST", "/nodes/pve1/lxc/100/status/start")
    assert digest(plan_of(CREATE, start)) != digest(plan_of(start, CREATE))


def test_an_object_that_this_run_made_is_bound_by_the_plan_that_made_it() -> None:
    """The MAC of a new guest is not known in check mode; the digest of what made it is."""
    foretold = plan_of(CREATE, objects={"lxc/100": {"net0": "(known after apply: MAC)"}})
    real = plan_of(CREATE, objects={"lxc/100": {"net0": "hwaddr=BC:24:11:00:00:01"}})
    assert digest(foretold) != digest(real)
    bound = {"lxc/100": "sha256:made"}
    assert digest(foretold, bound) == digest(real, bound) != digest(real, {"lxc/100": "sha256:otherwise"})


def numbered(vmid: int) -> Plan:
    step = Step("create", f"lxc/{vmid}", "POST", f"/nodes/pve1/lxc/{vmid}/x", {"vmid": vmid, "memory": 100})
    return plan_of(step, objects={f"lxc/{vmid}": {"exists": False}}, symbols={str(vmid): VMID})


def test_an_allocated_id_is_a_symbol_in_the_digest() -> None:
    assert digest(numbered(100)) == digest(numbered(205))
    fixed = numbered(205)
    fixed.symbols = {}
    assert digest(numbered(100)) != digest(fixed)


SYMBOLIC: list[tuple[Any, Any]] = [
    ({"vmid": 100, "newid": 100, "memory": 100}, {"vmid": VMID, "newid": VMID, "memory": 100}),
    ({"path": "/nodes/pve1/lxc/100/config"}, {"path": f"/nodes/pve1/lxc/{VMID}/config"}),
    ({"target": "lxc/100"}, {"target": f"lxc/{VMID}"}),
    ({"lxc/100": {"name": "x"}}, {f"lxc/{VMID}": {"name": "x"}}),
    ({"path": "/nodes/pve1/lxc/1001"}, {"path": "/nodes/pve1/lxc/1001"}),
    ({"description": "room 100"}, {"description": "room 100"}),
    ({"hostname": "100"}, {"hostname": "100"}),
    (["lxc/100", {"vmid": 100}], [f"lxc/{VMID}", {"vmid": VMID}]),
    ({"why": "lxc/1001 and qemu/100"}, {"why": f"lxc/1001 and qemu/{VMID}"}),
]


@pytest.mark.parametrize(("value", "expected"), SYMBOLIC)
def test_a_bare_number_is_an_id_only_where_ids_stand(value: Any, expected: Any) -> None:
    assert symbolic(value, {"100": VMID}) == expected


def test_a_value_that_is_no_number_is_replaced_wherever_it_stands() -> None:
    symbols = {"BC:24:11:00:00:01": "(mac)"}
    assert symbolic({"net0": "name=eth0,hwaddr=BC:24:11:00:00:01"}, symbols) == {"net0": "name=eth0,hwaddr=(mac)"}


def test_substitute_is_the_way_back() -> None:
    volid = after_apply("volid of backup nas lxc/100 1")
    step = {"path": f"/nodes/pve1/storage/nas/content/{volid}", "data": [volid, 5], "n": None}
    assert substitute(step, {volid: "nas:backup/a.tar"}) == {
        "path": "/nodes/pve1/storage/nas/content/nas:backup/a.tar",
        "data": ["nas:backup/a.tar", 5],
        "n": None,
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_canonical_bytes_say_the_same_again(value: Any) -> None:
    assert json.loads(canonical(value)) == value
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(st.dictionaries(st.text(max_size=8), values, max_size=5))
def test_canonical_bytes_do_not_see_the_order(value: dict[str, Any]) -> None:
    assert sha256(dict(reversed(value.items()))) == sha256(value)


SECRET = Step(
    "create",
    "lxc/100",
    "POST",
    "/nodes/pve1/lxc",
    {"vmid": 100, "password": "hunter2"},
    secrets=frozenset({"password"}),
)


def test_a_secret_is_hidden_in_all_that_a_plan_shows() -> None:
    plan = plan_of(SECRET)
    plan.digest = digest(plan)
    assert plan.public()["steps"][0]["data"] == {"password": HIDDEN, "vmid": 100}
    assert "hunter2" not in json.dumps([plan.public(), plan.diff()])


def test_a_digest_does_not_give_a_secret_away() -> None:
    other = Step("create", "lxc/100", "POST", "/nodes/pve1/lxc", {"vmid": 100, "password": "x"}, secrets=SECRET.secrets)
    assert digest(plan_of(SECRET)) == digest(plan_of(other))


def test_a_plan_without_steps_shows_no_change_and_needs_no_undo() -> None:
    shown = plan_of().public()
    assert plan_of().changed is False
    assert shown["steps"] == []
    assert shown["undo"] == {"possible": True, "steps": []}
    assert shown["risk"] == {"level": "none", "reasons": []}
    assert "before" not in shown


def test_a_plan_with_steps_shows_before_after_undo_and_progress() -> None:
    plan = plan_of(CREATE)
    plan.before, plan.after, plan.undo = {"exists": False}, {"exists": True}, Undo(({"op": "destroy"},))
    plan.progress = [{"status": "done", "upid": "UPID:x"}]
    plan.state = {"power": "absent"}
    shown = plan.public()
    assert plan.changed is True
    assert shown["before"] == {"exists": False}
    assert shown["after"] == {"exists": True}
    assert shown["undo"] == {"possible": True, "steps": [{"op": "destroy"}]}
    assert shown["steps"][0]["status"] == "done"
    assert shown["steps"][0]["upid"] == "UPID:x"
    assert shown["state"] == {"power": "absent"}
    assert plan.diff()["before_header"] == "lxc/100"


def test_an_undo_that_is_not_possible_says_why() -> None:
    undo = Undo(({"op": "update", "of": [0]},), ({"of": [1], "why": "it grew"}, {"of": [2], "why": "it grew"}))
    assert undo.public() == {
        "possible": False,
        "why": "it grew",
        "cannot": [{"of": [1], "why": "it grew"}, {"of": [2], "why": "it grew"}],
        "steps": [{"op": "update", "of": [0]}],
    }


def test_targets_are_named_once_in_order() -> None:
    update = Step("update", "lxc/101", "PUT", "/x")
    assert plan_of(CREATE, update, CREATE).targets == ["lxc/100", "lxc/101"]


def test_effects_are_plain_data() -> None:
    assert Effect("/a", "set", {"x": 1}) == Effect(at="/a", do="set", value={"x": 1}, by="")


def test_symbols_of_an_allocated_guest_do_not_depend_on_its_id() -> None:
    """Another id may be free when the previewed run is made: what belongs to the guest still has the same digest."""
    for vmid in ("100", "101"):
        known = {
            vmid: "(known after apply: vmid of lxc web)",
            "zfs/vol-1": f"(known after apply: rootfs of lxc/{vmid})",
        }
        text = symbolic({"rootfs": f"store:zfs/vol-1,size={vmid}G"}, known)
        owner = "lxc/(known after apply: vmid of lxc web)"
        assert text == {"rootfs": f"store:(known after apply: rootfs of {owner}),size={vmid}G"}
