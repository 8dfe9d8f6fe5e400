# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall: who uses an alias, how far a rule reaches, and who is locked out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied

from tests.unit.blast_of.cluster import ANSWERS, CT, REFUSALS, VM, level, seen, touched, why

ALIAS = "/cluster/firewall/aliases/office"
OFFICE = {"name": "Office", "cidr": "192.0.2.0/24"}
RULES = "/cluster/firewall/rules"
SETS = "/cluster/firewall/ipset"


def rule(pos: int = 0, **more: Any) -> dict[str, Any]:
    return {"pos": pos, "type": "in", "action": "ACCEPT", "enable": 1, **more}


# -- aliases -----------------------------------------------------------------------------------------------------------


def test_an_alias_that_nobody_uses_is_a_low_risk() -> None:
    blast = touched("put", ALIAS, {"cidr": "192.0.2.0/25"}, OFFICE)
    assert (level(blast), seen(blast)) == ("low", {})


def test_another_comment_concerns_nobody_and_reads_nothing() -> None:
    nothing = {path: PermissionDenied("no", status=403) for path in ANSWERS}
    blast = touched("put", ALIAS, {"cidr": OFFICE["cidr"], "comment": "new"}, OFFICE, nothing)
    assert (blast.reasons, blast.unseen) == ([], [])


def test_whoever_uses_an_alias_feels_it_through_rules_sets_and_groups() -> None:
    changed = {
        RULES: [rule(0, source="192.0.2.1,dc/office"), rule(1, type="group", action="web", enable=0)],
        "/cluster/firewall/groups": [{"group": "web"}],
        "/cluster/firewall/groups/web": [rule(0, dest="+staff")],
        SETS: [{"name": "staff"}, {"name": "other"}],
        f"{SETS}/staff": [{"cidr": "Office"}],
        f"{SETS}/other": [{"cidr": "192.0.2.9"}],
        "/nodes/pve2/firewall/rules": [rule(0, source="+dc/staff", enable=0)],
        f"{VM}/firewall/rules": [rule(0, type="group", action="web")],
        f"{CT}/firewall/rules": [rule(3, source="officer"), rule(4, source="+other")],
    }
    blast = touched("delete", ALIAS, None, OFFICE, changed)
    assert seen(blast)["guests"] == ["qemu/101"]
    assert seen(blast)["nodes"] == ["pve1", "pve2"]
    assert sorted(blast.others) == [
        "firewall rule 0 of node pve2 (off)",
        "firewall rule 0 of qemu/101",
        "firewall rule 0 of security group web",
        "firewall rule 0 of the cluster",
        "firewall rule 1 of the cluster (off)",
        "firewall set staff of the cluster",
    ]
    assert why(blast)[0].startswith("left dangling, so that Proxmox ignores them: set staff of the cluster, rule 0 of")
    assert level(blast) == "high"


def test_an_alias_of_the_guest_itself_goes_before_that_of_the_cluster() -> None:
    changed = {
        f"{VM}/firewall/rules": [rule(source="office")],
        f"{VM}/firewall/aliases": [{"name": "Office"}],
        f"{CT}/firewall/rules": [rule(source="office"), rule(1, source="guest/office")],
        f"{CT}/firewall/ipset": [{"name": "mine"}],
        f"{CT}/firewall/ipset/mine": [{"cidr": "dc/office"}],
    }
    blast = touched("put", ALIAS, {"cidr": "192.0.2.7"}, OFFICE, changed)
    assert seen(blast)["guests"] == ["lxc/102"]
    assert blast.reasons == [
        ("medium", "they mean 192.0.2.7 from now on: set mine of lxc/102, rule 0 of lxc/102"),
    ]


def test_a_set_of_the_guest_itself_goes_before_that_of_the_cluster() -> None:
    changed = {
        SETS: [{"name": "staff"}],
        f"{SETS}/staff": [{"cidr": "office"}],
        f"{VM}/firewall/ipset": [{"name": "Staff"}],
        f"{VM}/firewall/ipset/Staff": [{"cidr": "192.0.2.9"}],
        f"{VM}/firewall/rules": [rule(0, source="+staff"), rule(1, source="+guest/staff"), rule(2, source="+dc/staff")],
        f"{CT}/firewall/rules": [rule(0, source="+staff")],
    }
    blast = touched("put", ALIAS, {"cidr": "192.0.2.7"}, OFFICE, changed)
    assert sorted(blast.others) == [
        "firewall rule 0 of lxc/102",
        "firewall rule 2 of qemu/101",
        "firewall set staff of the cluster",
    ]


def test_an_alias_in_a_rule_of_a_node_is_a_high_risk() -> None:
    changed = {"/nodes/pve2/firewall/rules": [rule(source="office")]}
    blast = touched("put", ALIAS, {"cidr": "192.0.2.7"}, OFFICE, changed)
    assert (level(blast), seen(blast)["nodes"]) == ("high", ["pve2"])


USED = {
    SETS: [{"name": "staff"}],
    f"{SETS}/staff": [{"cidr": "192.0.2.9"}],
    "/cluster/firewall/groups": [{"group": "web"}],
    "/cluster/firewall/groups/web": [],
    "/cluster/sdn/vnets": [{"vnet": "v1"}],
    "/cluster/sdn/vnets/v1/firewall/rules": [],
    f"{VM}/firewall/rules": [rule(source="office")],
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        (RULES, "firewall rules of the cluster"),
        ("/cluster/firewall/groups", "security groups"),
        ("/cluster/firewall/groups/web", "firewall rules of security group web"),
        ("/nodes", "nodes of the cluster"),
        ("/nodes/pve2/firewall/rules", "firewall rules of node pve2"),
        ("/cluster/resources?type=vm", "guests of the cluster"),
        (f"{CT}/firewall/rules", "firewall rules of lxc/102"),
        ("/cluster/sdn/vnets", "vnets"),
        ("/cluster/sdn/vnets/v1/firewall/rules", "firewall rules of vnet v1"),
        (SETS, "sets of the cluster"),
        (f"{SETS}/staff", "set staff of the cluster"),
        (f"{CT}/firewall/ipset", "sets of lxc/102"),
        (f"{VM}/firewall/aliases", "aliases of qemu/101"),
    ],
)
def test_a_refused_read_is_unknown_and_the_highest_risk(path: str, unknown: str, refusal: Exception) -> None:
    assert level(touched("put", ALIAS, {"cidr": "192.0.2.7"}, OFFICE, USED)) == "medium"
    blast = touched("put", ALIAS, {"cidr": "192.0.2.7"}, OFFICE, {**USED, path: refusal})
    assert unknown in blast.unseen
    assert level(blast) == "high"


@pytest.mark.parametrize(("lacking", "unknown"), [("VM.Audit", "guests without"), ("SDN.Audit", "vnets without")])
def test_a_list_that_is_shortened_to_what_one_may_see_is_not_the_whole(lacking: str, unknown: str) -> None:
    less = {name: 1 for name in ANSWERS["/access/permissions"]["/"] if name != lacking}
    blast = touched("put", ALIAS, {"cidr": "192.0.2.7"}, OFFICE, {**USED, "/access/permissions": {"/": less}})
    assert any(what.startswith(unknown) for what in blast.unseen), blast.unseen
    assert level(blast) == "high"


# -- one rule ----------------------------------------------------------------------------------------------------------

OPENED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "high", "anybody may come in: everything, which is SSH (22)"),
    ({"proto": "tcp", "dport": "22"}, "high", "anybody may come in: tcp port 22, which is SSH (22)"),
    ({"proto": "tcp", "dport": "ssh"}, "high", "anybody may come in: tcp port ssh, which is SSH (22)"),
    ({"macro": "SSH"}, "high", "anybody may come in: SSH, which is SSH (22)"),
    ({"proto": "tcp", "dport": "8000:8010", "source": "0.0.0.0/0"}, "high", "which is Proxmox VE (8006)"),
    ({"proto": "tcp"}, "high", "anybody may come in: tcp on every port, which is SSH"),
    ({"proto": "tcp", "dport": "443"}, "medium", "anybody may come in: tcp port 443"),
    ({"proto": "udp"}, "medium", "anybody may come in: udp on every port"),
    ({"proto": "tcp", "dport": "22", "source": "+office"}, "medium", "+office may come in: tcp port 22, which is SSH"),
    ({"type": "out"}, "medium", "it may go out: everything"),
    ({"enable": 0}, "low", "it is off"),
]


@pytest.mark.parametrize(("fields", "risk", "text"), OPENED, ids=str)
def test_a_rule_that_opens_is_told_by_whom_it_lets_in_and_where_to(
    fields: dict[str, Any], risk: str, text: str
) -> None:
    blast = touched("post", f"{VM}/firewall/rules", {"type": "in", "action": "ACCEPT", "enable": 1, **fields})
    assert seen(blast) == {"guests": ["qemu/101"]}
    assert (level(blast), text in why(blast)[0]) == (risk, True), why(blast)


def test_taking_a_rule_away_that_lets_somebody_in_may_lock_out_of_the_nodes() -> None:
    blast = touched("delete", f"{RULES}/0", None, rule(proto="tcp", dport="22,8006", source="192.0.2.0/24"))
    assert seen(blast) == {"nodes": ["pve1", "pve2"]}
    assert why(blast) == ["without this rule 192.0.2.0/24 may lose the way in to the nodes: Proxmox VE, SSH"]
    blocked = touched("post", "/nodes/pve2/firewall/rules", {"type": "in", "action": "DROP", "enable": 1})
    assert (level(blocked), seen(blocked)) == ("high", {"nodes": ["pve2"]})
    web = touched("delete", f"{RULES}/0", None, rule(proto="tcp", dport="443"))
    assert (level(web), why(web)) == ("medium", ["without this rule anybody may lose: tcp port 443"])


def test_taking_a_rule_away_that_blocks_opens() -> None:
    blast = touched("delete", f"{CT}/firewall/rules/0", None, rule(action="DROP"))
    assert (level(blast), why(blast)[0].startswith("without this rule anybody may come in")) == ("high", True)


def test_a_changed_rule_is_one_that_goes_and_one_that_comes() -> None:
    old = rule(proto="tcp", dport="443", source="192.0.2.0/24")
    blast = touched("put", f"{CT}/firewall/rules/0", {"delete": "source", "moveto": 3}, old)
    assert why(blast) == [
        "the order of the rules of lxc/102 changes: the first one that fits decides",
        "without this rule 192.0.2.0/24 may lose: tcp port 443",
        "with this rule anybody may come in: tcp port 443",
    ]


GROUP = {
    "/cluster/firewall/groups": [{"group": "web"}],
    "/cluster/firewall/groups/web": [rule(), rule(1, enable=0)],
    f"{VM}/firewall/rules": [rule(type="group", action="web")],
}


def test_a_rule_of_a_group_reaches_whoever_brings_the_group_in() -> None:
    blast = touched(
        "post", "/cluster/firewall/groups/web", {"type": "in", "action": "ACCEPT", "enable": 1}, None, GROUP
    )
    assert seen(blast) == {"guests": ["qemu/101"], "others": ["security group web"]}
    brought = touched("post", f"{CT}/firewall/rules", {"type": "group", "action": "web", "enable": 1}, None, GROUP)
    assert level(brought) == "high"
    assert why(brought)[0].startswith("with this rule (security group web) anybody may come in: everything")


def test_a_rule_of_a_group_that_nobody_brings_in_changes_nothing() -> None:
    off = {**GROUP, f"{VM}/firewall/rules": [rule(type="group", action="web", enable=0)]}
    blast = touched("post", "/cluster/firewall/groups/web", {"type": "in", "action": "ACCEPT", "enable": 1}, None, off)
    assert blast.reasons == [("low", "no rule that could be seen brings in security group web")]


@pytest.mark.parametrize("path", [f"{CT}/firewall/rules", "/nodes/pve1/firewall/rules", "/cluster/resources?type=vm"])
def test_who_brings_a_group_in_is_unknown_where_rules_cannot_be_read(path: str) -> None:
    changed = {**GROUP, path: PermissionDenied("no", status=403)}
    data = {"type": "in", "action": "ACCEPT", "enable": 1, "proto": "tcp", "dport": "443"}
    assert level(touched("post", "/cluster/firewall/groups/web", data, None, GROUP)) == "medium"
    assert level(touched("post", "/cluster/firewall/groups/web", data, None, changed)) == "high"


# -- on, off, and the policies -----------------------------------------------------------------------------------------

OPTIONS = "/cluster/firewall/options"


def test_turning_the_firewall_on_tells_for_each_node_who_still_gets_in() -> None:
    changed = {
        RULES: [rule(0, type="group", action="admins"), rule(1, macro="SSH", source="198.51.100.7")],
        "/cluster/firewall/groups": [{"group": "admins"}],
        "/cluster/firewall/groups/admins": [rule(proto="tcp", dport="8006", source="+staff")],
        "/nodes/pve2/firewall/rules": [rule(0, proto="tcp", dport="22", enable=0)],
        f"{VM}/firewall/options": {"enable": 1},
    }
    blast = touched("put", OPTIONS, {"enable": 1}, {}, changed)
    assert seen(blast) == {"guests": ["qemu/101"], "nodes": ["pve1", "pve2"]}
    assert level(blast) == "high"
    assert why(blast) == [
        "the firewall of the cluster is on, with policy_in DROP, policy_out ACCEPT",
        "node pve1: beside the node's own network, +staff to Proxmox VE, 198.51.100.7 to SSH",
        "node pve2: beside the node's own network, +staff to Proxmox VE, 198.51.100.7 to SSH",
    ]


def test_nobody_gets_in_where_no_rule_says_so() -> None:
    blast = touched("put", OPTIONS, {"policy_in": "REJECT"}, {"enable": 1, "policy_in": "ACCEPT"})
    assert "node pve1: beside the node's own network, no rule lets anybody in to it" in why(blast)


def test_turning_it_off_opens_everything() -> None:
    blast = touched("put", OPTIONS, {"delete": "enable"}, {"enable": 1})
    assert why(blast) == ["the firewall of the cluster is off: nothing is filtered there any more"]
    assert level(blast) == "high"


@pytest.mark.parametrize(
    ("cluster", "rules", "risk", "text"),
    [
        ({"enable": 1}, [], "high", "qemu/101: 0 rule(s) let something in"),
        ({"enable": 1}, [rule()], "medium", "qemu/101: 1 rule(s) let something in"),
        ({}, [], "medium", "the firewall of the cluster is off: nothing changes until it is on"),
    ],
)
def test_the_firewall_of_a_guest(cluster: dict[str, int], rules: list[Any], risk: str, text: str) -> None:
    changed = {OPTIONS: cluster, f"{VM}/firewall/rules": rules}
    blast = touched("put", f"{VM}/firewall/options", {"enable": 1}, {}, changed)
    assert (level(blast), text in why(blast), seen(blast)) == (risk, True, {"guests": ["qemu/101"]})


def test_other_options_do_not_lock_out() -> None:
    blast = touched("put", OPTIONS, {"ebtables": 0}, {"enable": 1})
    assert (level(blast), blast.guests) == ("medium", set())


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        ("/nodes", "nodes of the cluster"),
        ("/cluster/resources?type=vm", "guests of the cluster"),
        (f"{CT}/firewall/options", "firewall options of lxc/102"),
        (RULES, "firewall rules of the cluster"),
        ("/nodes/pve2/firewall/rules", "firewall rules of node pve2"),
        ("/cluster/firewall/groups", "security groups"),
    ],
)
def test_what_is_not_seen_of_a_lockout_is_said(path: str, unknown: str, refusal: Exception) -> None:
    blast = touched("put", OPTIONS, {"enable": 1}, {}, {path: refusal})
    assert unknown in blast.unseen
    if path.startswith(CT):
        assert "lxc/102" in blast.guests, "whether its firewall is on is not known, so it may be"
