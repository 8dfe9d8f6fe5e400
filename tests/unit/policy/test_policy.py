# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy: how it is read, that another place can only tighten it, and that it travels as it is."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._limits import LIMITS, Limit, Limits
from ansible_collections.steward.proxmox.plugins.module_utils._policy import GUARDED, POLICY, Policy
from ansible_collections.steward.proxmox.plugins.module_utils._policy_keys import EXEC
from ansible_collections.steward.proxmox.plugins.module_utils._protect import PROTECTS, Ids, Protect
from hypothesis import given
from hypothesis import strategies as st


def public_key(byte: bytes) -> str:
    """A public key as OpenSSH writes it, of this byte 32 times."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + 32 * byte
    return f"ssh-ed25519 {b64encode(blob).decode()}"


KEYS = {name: public_key(name[0].encode()) for name in ("alice", "bob", "carol")}
OF_ALICE = KEYS["alice"].partition(" ")[2]
EVERYTHING: dict[str, Any] = {
    "approval": "all",
    "max_risk": "low",
    "ledger": "required",
    "plan": "required",
    "signature": "required",
    "snapshot_before": "risky",
    "valid_for": "90m",
    "limits": {"max_cpu": 4, "max_vms": 7},
    "protect": {"vmids": [100, "200-299"], "tags": ["prod"], "from": "any"},
    "actors": {"allow": ["os:root", "awx_team:ops", "awx:alice"], "teams": {"ops": ["alice", "bob"]}},
    "signers": KEYS,
    "exec": {"pct": ["*"], "qga": [100]},
}


def said(place: str, **values: Any) -> Policy:
    return Policy.of(values, lambda key: f"{key} of {place}")


# -- reading ----------------------------------------------------------------------------------------------------------


def test_without_a_policy_nothing_is_asked_for_and_nothing_is_forbidden() -> None:
    policy = Policy.of_task({})
    assert (policy.approval, policy.max_risk, policy.snapshot_before) == ("none", "high", "never")
    assert (policy.ledger, policy.plan, policy.signature) == ("optional", "optional", "optional")
    assert (policy.protect, policy.actors, policy.signers, policy.exec) == ((), None, None, None)
    assert not policy.limits


def test_everything_is_read_with_who_said_so() -> None:
    policy = said("f", **EVERYTHING)
    assert (policy.approval, policy.max_risk, policy.snapshot_before) == ("all", "low", "risky")
    assert policy.ledger_required
    assert policy.plan_required
    assert policy.signature_required
    assert policy.valid_for == 90 * 60
    assert policy.limits == Limits(max_cpu=Limit(4, "limits.max_cpu of f"), max_vms=Limit(7, "limits.max_vms of f"))
    assert policy.protect[1:] == (
        Protect("vmids", "200-299", True, "protect.vmids of f"),
        Protect("tags", "prod", True, "protect.tags of f"),
    )
    assert policy.actors == ("os:root", "awx:alice", "awx:bob")
    assert policy.signers == KEYS
    assert policy.exec == {"pct": ((100, 999999999),), "qga": ((100, 100),)}
    assert policy.origins["max_risk"] == "max_risk of f"
    assert policy.origins.keys() == EVERYTHING.keys()


def test_a_key_of_a_signer_counts_and_not_its_comment() -> None:
    assert said("f", signers={"alice": f"ssh-ed25519  {OF_ALICE} alice@desk"}).signers == {"alice": KEYS["alice"]}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"aproval": "all"}, "aproval of f: there is no such key; known are approval, max_risk"),
    ({"approval": "sometimes"}, "approval of f: 'sometimes' is not one of none, destructive, all"),
    ({"approval": True}, "approval of f: True is not one of"),
    ({"max_risk": "none"}, "max_risk of f: 'none' is not one of high, medium, low"),
    ({"ledger": True}, "ledger of f: True is not one of optional, required"),
    ({"valid_for": "soon"}, "valid_for of f: 'soon' is not an age"),
    ({"valid_for": 8}, "valid_for of f: '8' is not an age"),
    ({"valid_for": "0h"}, "valid_for of f: '0h' is no time at all"),
    ({"limits": 16}, "limits of f: 16 is not a mapping"),
    ({"limits": {"max_cups": 1}}, "limits.max_cups of f: there is no such key; known are max_cpu"),
    ({"limits": {"max_cpu": 1.5}}, "limits.max_cpu of f: '1.5' is not a whole number"),
    ({"limits": {"max_cpu": -1}}, "limits.max_cpu of f: '-1' is not a whole number"),
    ({"limits": {"max_cpu": "٤"}}, "is not a whole number"),
    ({"protect": ["100"]}, r"protect of f: \['100'\] is not a mapping"),
    ({"protect": {"vmid": [100]}}, "protect.vmid of f: there is no such key; known are vmids"),
    ({"protect": {"vmids": 100}}, "protect.vmids of f: 100 is not a list"),
    ({"protect": {"vmids": "100"}}, "protect.vmids of f: '100' is not a list"),
    ({"protect": {"vmids": [99]}}, "protect.vmids of f: '99' is neither a guest id nor a range"),
    ({"protect": {"vmids": ["300-200"]}}, "'300-200' is neither"),
    ({"protect": {"vmids": ["1000000000"]}}, "neither"),
    ({"protect": {"names": [""]}}, "protect.names of f: '' is not a text"),
    ({"protect": {"names": [True]}}, "protect.names of f: True is not a text"),
    ({"protect": {"tags": [["a"]]}}, r"protect.tags of f: \['a'\] is not a text"),
    ({"protect": {"nodes": ["pve\x001"]}}, "protect.nodes of f: .* has control characters"),
    ({"protect": {"from": "some"}}, "protect.from of f: 'some' is not one of destructive, any"),
    ({"actors": {"allow": ["alice"]}}, "actors.allow of f: 'alice' is not one of os:NAME, env:NAME, awx:NAME"),
    ({"actors": {"allow": ["os:"]}}, "actors.allow of f: 'os:' is not one of"),
    ({"actors": {"allow": ["awx_team:ops"]}}, "actors.allow of f: actors.teams does not say who is in the team 'ops'"),
    ({"actors": {"teams": {}}}, "actors of f: it has no allow"),
    ({"actors": {"allow": [], "teams": {"ops": "alice"}}}, "actors.teams.ops of f: 'alice' is not a list"),
    (
        {"signers": {"alice": f"ssh-rsa {OF_ALICE}"}},
        "signers.alice of f: 'ssh-rsa AAAA.*' is not an Ed25519 public key",
    ),
    ({"signers": {"alice": OF_ALICE}}, "signers.alice of f: 'AAAA.*' is not an Ed25519"),
    ({"signers": {"alice": "ssh-ed25519"}}, "signers.alice of f: 'ssh-ed25519' is not an Ed25519"),
    ({"signers": {"alice": KEYS["alice"][:-4]}}, "signers.alice of f: .* is not an Ed25519"),
    ({"signers": {"alice": f"{KEYS['alice'][:-5]}*"}}, "signers.alice of f: .* is not an Ed25519"),
    ({"signers": ["alice"]}, r"signers of f: \['alice'\] is not a mapping"),
    ({"exec": {"ssh": ["*"]}}, "exec.ssh of f: there is no such key; known are pct, qga"),
    ({"exec": {"pct": ["web"]}}, "exec.pct of f: 'web' is neither a guest id"),
]


@pytest.mark.parametrize(("values", "told"), WRONG, ids=[str(values)[:40] for values, _told in WRONG])
def test_what_is_wrong_is_named_with_what_is_allowed(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        said("f", **values)


def test_unlimited_says_nothing() -> None:
    assert not said("f", limits={"max_vms": "unlimited"}).limits


# -- the strictest of many --------------------------------------------------------------------------------------------


def test_the_built_in_policy() -> None:
    policy = said("guarded", **GUARDED)
    assert policy.approval == "destructive"
    assert [getattr(policy.limits, name).most for name in LIMITS] == [16, 32768, 500, 50]
    assert policy.valid_for == 8 * 3600
    assert policy.origins.keys() == {"approval", "limits", "valid_for"}


def test_the_strictest_of_each_with_who_said_so() -> None:
    policy = Policy.strictest(
        said("a", approval="destructive", max_risk="low", valid_for="2h", limits={"max_cpu": 4}),
        said("b", approval="all", max_risk="high", valid_for="1h", limits={"max_cpu": 8, "max_vms": 3}),
    )
    assert (policy.approval, policy.origins["approval"]) == ("all", "approval of b")
    assert (policy.max_risk, policy.origins["max_risk"]) == ("low", "max_risk of a")
    assert (policy.valid_for, policy.origins["valid_for"]) == (3600, "valid_for of b")
    assert policy.limits == Limits(max_cpu=Limit(4, "limits.max_cpu of a"), max_vms=Limit(3, "limits.max_vms of b"))


def test_a_longer_time_than_the_default_holds_where_nobody_says_a_shorter_one() -> None:
    assert Policy.strictest(Policy(), said("f", valid_for="3d")).valid_for == 3 * 86400


def test_protections_add_up_and_lists_of_who_may_overlap() -> None:
    policy = Policy.strictest(
        said(
            "a",
            protect={"names": ["db*"]},
            actors={"allow": ["os:root", "awx:alice"]},
            signers=KEYS,
            exec={"pct": ["100-250"], "qga": ["*"]},
        ),
        said(
            "b",
            protect={"names": ["db*", "web"]},
            actors={"allow": ["awx_team:ops"], "teams": {"ops": ["alice"]}},
            signers={"alice": KEYS["alice"], "bob": KEYS["carol"]},
            exec={"pct": ["200-300", 100]},
        ),
    )
    assert [str(rule) for rule in policy.protect] == [
        "name 'db*' (protect.names of a)",
        "name 'db*' (protect.names of b)",
        "name 'web' (protect.names of b)",
    ]
    assert (policy.actors, policy.origins["actors"]) == (("awx:alice",), "actors of b")
    assert policy.signers == {"alice": KEYS["alice"]}
    assert policy.exec == {"pct": ((200, 250), (100, 100)), "qga": ((100, 999999999),)}


def test_nobody_is_left_where_two_lists_share_nobody() -> None:
    one, other = ({"actors": {"allow": [name]}, "signers": {name[-1]: KEYS["bob"]}} for name in ("os:a", "os:b"))
    both = Policy.strictest(said("a", **one), said("b", **other))
    assert (both.actors, both.signers) == ((), {})
    assert both.origins["actors"] == "actors of a and actors of b"


def test_a_task_tightens_and_does_not_loosen() -> None:
    controller = said("f", approval="destructive", max_risk="medium", protect={"vmids": [100]}, limits={"max_cpu": 8})
    task = {
        "approval": "none",
        "max_risk": "high",
        "protect": {"vmids": ["101"], "names": None, "from": "destructive"},
        "limits": {"max_cpu": 99, "max_ram_mb": 512, "max_vms": None},
        "snapshot_before": "always",
        "actors": {"allow": ["os:mallory"]},  # no option of a module: it is not even looked at
    }
    policy = Policy.of_task({POLICY: controller.export(), **task})
    assert (policy.approval, policy.max_risk, policy.snapshot_before) == ("destructive", "medium", "always")
    assert [rule.value for rule in policy.protect] == ["100", "101"]
    assert policy.protect[1].origin == "protect.vmids"
    assert policy.limits.max_cpu == Limit(8, "limits.max_cpu of f")
    assert policy.limits.max_ram_mb == Limit(512, "limits.max_ram_mb")
    assert policy.actors is None


def test_a_policy_travels_as_it_is() -> None:
    for policy in (Policy(), said("f", **EVERYTHING), said("f", **GUARDED)):
        assert Policy.restored(json.loads(json.dumps(policy.export()))) == policy


_TEXTS = st.lists(st.sampled_from(("a", "b", "c")), max_size=3)
_PLACES = st.fixed_dictionaries(
    {},
    optional={
        "approval": st.sampled_from(("none", "destructive", "all")),
        "max_risk": st.sampled_from(("high", "medium", "low")),
        "ledger": st.sampled_from(("optional", "required")),
        "plan": st.sampled_from(("optional", "required")),
        "signature": st.sampled_from(("optional", "required")),
        "snapshot_before": st.sampled_from(("never", "risky", "always")),
        "valid_for": st.integers(1, 99).map("{}h".format),
        "limits": st.fixed_dictionaries({}, optional=dict.fromkeys(LIMITS, st.integers(0, 9))),
        "protect": st.fixed_dictionaries({}, optional={name: _TEXTS for name in PROTECTS if name != "vmids"}),
        "actors": st.fixed_dictionaries({"allow": _TEXTS.map(lambda names: [f"os:{name}" for name in names])}),
        "signers": st.dictionaries(st.sampled_from(("a", "b")), st.sampled_from(tuple(KEYS.values()))),
        "exec": st.fixed_dictionaries({}, optional=dict.fromkeys(EXEC, st.lists(st.integers(100, 104), max_size=3))),
    },
)


def guests(ids: Ids) -> set[int]:
    return {vmid for first, last in ids for vmid in range(first, last + 1)}


def allows(policy: Policy) -> dict[str, Any]:
    """What a policy leaves open, each as something that can be compared: smaller is stricter."""
    return {
        "approval": -("none", "destructive", "all").index(policy.approval),
        "max_risk": ("low", "medium", "high").index(policy.max_risk),
        "ledger": not policy.ledger_required,
        "plan": not policy.plan_required,
        "signature": not policy.signature_required,
        "snapshot_before": -("never", "risky", "always").index(policy.snapshot_before),
        **{name: getattr(getattr(policy.limits, name), "most", 10) for name in LIMITS},
    }


@given(st.lists(_PLACES, max_size=4), _PLACES)
def test_one_more_place_can_only_tighten(many: list[dict[str, Any]], more: dict[str, Any]) -> None:
    before = Policy.strictest(*(said(str(number), **values) for number, values in enumerate(many)))
    after = Policy.strictest(before, said("more", **more))
    for name, open_after in allows(after).items():
        assert open_after <= allows(before)[name], name
    assert set(before.protect) <= set(after.protect)
    assert "valid_for" not in before.origins or after.valid_for <= before.valid_for
    for name in ("actors", "signers"):
        was, now = getattr(before, name), getattr(after, name)
        assert was is None or (now is not None and set(now) <= set(was)), name
    for how in before.exec or {}:  # a way into guests that nobody spoke of is closed anyhow
        assert after.exec is not None
        assert guests(after.exec[how]) <= guests((before.exec or {})[how])


@given(st.lists(_PLACES, max_size=4))
def test_the_order_of_the_places_does_not_matter(many: list[dict[str, Any]]) -> None:
    policies = [said("f", **values) for values in many]
    one, other = Policy.strictest(*policies), Policy.strictest(*reversed(policies))
    assert allows(one) == allows(other)
    assert set(one.protect) == set(other.protect)
    assert (one.valid_for, one.signers) == (other.valid_for, other.signers)
    assert set(one.actors or ()) == set(other.actors or ())
