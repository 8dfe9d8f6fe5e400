# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judge of a plan: its risk, and what is protected. What cannot be told is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied, Refused, Unreachable
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan, Step
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy, judge

from tests.unit.engine.fakes import Cluster, Memory, World

LIST = "/cluster/resources?type=vm"
GUEST: dict[str, Any] = {
    "type": "lxc",
    "vmid": 200,
    "name": "Web",
    "node": "pve1",
    "tags": "blue;prod",
    "pool": "shop/front",
}
OTHER = {"type": "qemu", "vmid": 300, "name": "db", "node": "pve2", "status": "running"}
SEES_ALL = {"/": {"VM.Audit": 1}}
SEES_ONE = {"/vms/200": {"VM.Audit": 1}}


def policy(**values: Any) -> Policy:
    return Policy.of(values, lambda key: f"{key} in /etc/policy.yml")


def plan(*ops: str, target: str = "lxc/200", **blast: Any) -> Plan:
    found = Blast(guests={target}, nodes={"pve1"}, storages={"local-zfs"})
    for name, value in blast.items():
        setattr(found, name, value)
    steps = [Step(op, target, "POST", "/x") for op in ops]
    return Plan(summary=f"{', '.join(ops)} {target}", steps=steps, blast=found)


def cluster(rows: list[dict[str, Any]] | Exception | None = None, permissions: Any = None, **answers: Any) -> Cluster:
    listed = [GUEST, OTHER] if rows is None else rows
    return Cluster({LIST: listed, "/access/permissions": permissions or SEES_ALL, **answers})


def judged(policy: Policy, plan: Plan, cluster_: Cluster | None = None) -> Cluster:
    """Judge a plan; the cluster tells what was read for it."""
    cluster_ = cluster_ or cluster()
    judge(policy, plan, World(cluster_.get, Memory(), False, "bob@pve!ci"))
    return cluster_


# -- risk -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "level", "refused"),
    [("low", "low", False), ("low", "medium", True), ("medium", "medium", False), ("medium", "high", True)],
)
def test_a_risk_above_the_most_is_refused(most: str, level: str, refused: bool) -> None:
    risky = plan("update", reasons=[(level, "for a reason")])
    if not refused:
        judged(policy(max_risk=most), risky)
        return
    with pytest.raises(Refused) as refusal:
        judged(policy(max_risk=most), risky)
    assert str(refusal.value) == (
        f"update lxc/200: its risk is {level} (for a reason), and the most that is allowed is {most} (max_risk in"
        " /etc/policy.yml). Nothing was sent. Ask for less, or have max_risk raised where it is set"
    )


def test_what_was_not_seen_is_the_highest_risk() -> None:
    with pytest.raises(Refused, match=r"its risk is high \(could not be seen: the pools\)"):
        judged(policy(max_risk="medium"), plan("update", unseen=["the pools"]))


def test_a_plan_that_changes_nothing_is_always_allowed() -> None:
    nothing = plan(reasons=[("high", "never said")])
    read = judged(policy(max_risk="low", protect={"names": ["*"], "from": "any"}), nothing)
    assert read.asked == []


# -- what is protected ------------------------------------------------------------------------------------------------

MEANT: list[tuple[dict[str, Any], str]] = [
    ({"vmids": [200]}, "id 200"),
    ({"vmids": ["150-250"]}, "id 150-250"),
    ({"names": ["web"]}, "name 'web'"),
    ({"names": ["w*"]}, "name 'w*'"),
    ({"tags": ["prod"]}, "tag 'prod'"),
    ({"tags": ["BLUE"]}, "tag 'BLUE'"),
    ({"pools": ["shop/front"]}, "pool 'shop/front'"),
    ({"pools": ["shop"]}, "pool 'shop'"),
    ({"nodes": ["pve1"]}, "node 'pve1'"),
    ({"storages": ["local-zfs"]}, "storage 'local-zfs'"),
]
NOT_MEANT: list[dict[str, Any]] = [
    {"vmids": [100, "201-299"]},
    {"names": ["we", "web?", "*.web", "db"]},
    {"tags": ["pro", "blue;prod", "*"]},
    {"pools": ["sho", "shop/fr", "front"]},
    {"nodes": ["pve", "pve2"]},
    {"storages": ["local", "zfs"]},
]


@pytest.mark.parametrize(("protect", "named"), MEANT, ids=[named for _protect, named in MEANT])
def test_a_protected_thing_is_not_destroyed_and_the_rule_is_named(protect: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as refusal:
        judged(policy(protect=protect), plan("stop", "destroy"))
    what = next(iter(protect))
    assert f"protected by {named} (protect.{what} in /etc/policy.yml). Nothing was sent" in str(refusal.value)
    assert str(refusal.value).endswith("No approval lifts a protection: whoever set it can")


@pytest.mark.parametrize("protect", NOT_MEANT, ids=[next(iter(rule)) for rule in NOT_MEANT])
def test_what_is_not_meant_is_not_protected(protect: dict[str, Any]) -> None:
    judged(policy(protect=protect), plan("stop", "destroy"))


@pytest.mark.parametrize("protect", [protect for protect, _named in MEANT], ids=[named for _protect, named in MEANT])
def test_what_destroys_nothing_may_be_done_unless_the_rule_is_for_any_step(protect: dict[str, Any]) -> None:
    harmless = plan("update", "start")
    assert judged(policy(protect=protect), harmless).asked == []
    with pytest.raises(Refused, match="protected by"):
        judged(policy(protect={**protect, "from": "any"}), harmless)


def test_an_operation_that_is_not_known_destroys() -> None:
    with pytest.raises(Refused, match="protected by id 200"):
        judged(policy(protect={"vmids": [200]}), plan("frobnicate"))


def test_every_guest_that_feels_it_counts_and_not_only_the_target() -> None:
    storage = plan("delete", target="storage/nfs", guests={"lxc/200", "qemu/300"})
    with pytest.raises(Refused, match=r"delete storage/nfs: qemu/300 is protected by name 'db'"):
        judged(policy(protect={"names": ["db"]}), storage)


def test_the_target_counts_where_the_blast_radius_forgot_it() -> None:
    with pytest.raises(Refused, match="lxc/200 is protected"):
        judged(policy(protect={"names": ["web"]}), plan("destroy", guests=set()))


@pytest.mark.parametrize("op", ["create", "clone", "restore"])
def test_a_guest_that_comes_to_be_is_not_protected_from_it(op: str) -> None:
    read = judged(policy(protect={"vmids": [900], "names": ["*"], "from": "any"}), plan(op, target="qemu/900"))
    assert read.asked == []


def test_an_overwritten_guest_is() -> None:
    with pytest.raises(Refused, match="qemu/300 is protected by id 300"):
        judged(policy(protect={"vmids": [300]}), plan("overwrite", target="qemu/300"))


# -- what is read, and what cannot be told ----------------------------------------------------------------------------


def test_ids_storages_and_nodes_of_the_plan_need_no_read() -> None:
    protect = {"vmids": [100], "storages": ["nfs"]}
    assert judged(policy(protect=protect), plan("destroy")).asked == []


def test_the_list_of_guests_is_read_once_for_all_rules() -> None:
    protect = {"names": ["a", "b"], "tags": ["c"], "pools": ["d"], "nodes": ["e"]}
    many = plan("delete", target="storage/nfs", guests={"lxc/200", "qemu/300"})
    assert judged(policy(protect=protect), many).asked == [LIST]


@pytest.mark.parametrize("protect", [{"names": ["x"]}, {"tags": ["x"]}, {"pools": ["x"]}, {"nodes": ["x"]}])
def test_a_guest_that_the_credential_may_not_see_may_be_protected(protect: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"whether qemu/300 is protected by .* cannot be told: bob@pve!ci may not see it"):
        judged(policy(protect=protect), plan("destroy", target="qemu/300"), cluster([GUEST], SEES_ONE))


def test_a_guest_that_is_gone_has_no_name_but_its_id_is_still_protected() -> None:
    last_backup = plan("delete", target="backup/x", guests={"qemu/999"})
    judged(policy(protect={"names": ["*"], "tags": ["prod"]}), last_backup)
    with pytest.raises(Refused, match="qemu/999 is protected by id 999"):
        judged(policy(protect={"vmids": [999]}), last_backup)


@pytest.mark.parametrize("error", [PermissionDenied("GET was refused with 403"), Unreachable("no node answered")])
def test_a_list_that_cannot_be_read_refuses(error: Exception) -> None:
    broken = Cluster({LIST: error, "/access/permissions": SEES_ALL})
    with pytest.raises(Refused, match=r"whether lxc/200 is protected by tag 'x' .* cannot be told: (GET|no node)"):
        judged(policy(protect={"tags": ["x"]}), plan("destroy"), broken)


def test_a_name_that_the_list_does_not_have_stands_in_the_configuration() -> None:
    nameless = {key: value for key, value in GUEST.items() if key != "name"}
    config = "/nodes/pve1/lxc/200/config"
    there = cluster([nameless], **{config: {"hostname": "web"}})
    with pytest.raises(Refused, match="protected by name 'web'"):
        judged(policy(protect={"names": ["web"]}), plan("destroy"), there)
    assert there.asked == [LIST, config]
    with pytest.raises(Refused, match=r"cannot be told: .*config does not exist"):
        judged(policy(protect={"names": ["web"]}), plan("destroy"), cluster([nameless]))


def test_an_incomplete_blast_radius_may_hold_what_is_protected() -> None:
    blind = plan("destroy", unseen=["the backups", "HA rules"])
    with pytest.raises(Refused, match=r"cannot be told, because it could not be seen: the backups; HA rules\. P"):
        judged(policy(protect={"vmids": [100]}), blind)
    judged(policy(), blind)
    judged(policy(protect={"vmids": [100]}), plan("update", unseen=["the backups"]))


def test_what_is_certainly_protected_is_said_before_what_could_not_be_seen() -> None:
    with pytest.raises(Refused, match="lxc/200 is protected by id 200"):
        judged(policy(protect={"vmids": [200]}), plan("destroy", unseen=["the backups"]))
