# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall of guests: rules by position, sets, options, and that it goes with its guest."""

from __future__ import annotations

from tests.lab import Lab

from .conftest import Client

PATH = "/nodes/pve1/qemu/100/firewall"


def comments(client: Client) -> list[str]:
    return [rule["comment"] for rule in client.data("GET", f"{PATH}/rules")]


def test_rules_are_positions(root: Client) -> None:
    for comment in ("a", "b", "c"):
        root.data("POST", f"{PATH}/rules", type="in", action="ACCEPT", comment=comment, pos=9)
    assert comments(root) == ["c", "b", "a"]
    root.data("PUT", f"{PATH}/rules/0", moveto=3, comment="not changed")
    assert comments(root) == ["b", "a", "c"]
    digest = root.data("GET", f"{PATH}/rules/1")["digest"]
    root.data("PUT", f"{PATH}/rules/1", comment="new", enable=1, digest=digest)
    assert root.data("GET", f"{PATH}/rules/1")["enable"] == 1
    assert root.refusal("DELETE", f"{PATH}/rules/1", digest=digest).startswith("detected modified configuration")
    root.data("DELETE", f"{PATH}/rules/1")
    assert comments(root) == ["b", "c"]
    assert root.refusal("GET", f"{PATH}/rules/7") == "no rule at position 7"


def test_a_rule_names_what_exists(root: Client) -> None:
    rule = {"type": "in", "action": "ACCEPT", "source": "+office"}
    assert root.refusal("POST", f"{PATH}/rules", **rule) == "{'source': \"no such ipset 'office'\"}"
    root.data("POST", f"{PATH}/ipset", name="office", comment="ours")
    root.data("POST", f"{PATH}/ipset/office", cidr="192.0.2.9/24")
    root.data("POST", f"{PATH}/rules", **rule)
    assert [entry["cidr"] for entry in root.data("GET", f"{PATH}/ipset/office")] == ["192.0.2.0/24"]
    assert root.data("GET", f"{PATH}/refs") == [
        {"type": "ipset", "name": "office", "ref": "+guest/office", "scope": "guest", "comment": "ours"}
    ]


def test_options(root: Client) -> None:
    root.data("PUT", f"{PATH}/options", enable=1, policy_in="DROP")
    found = root.data("GET", f"{PATH}/options")
    assert (found["enable"], found["policy_in"]) == (1, "DROP")
    root.data("PUT", f"{PATH}/options", delete="enable")
    assert "enable" not in root.data("GET", f"{PATH}/options")


def test_it_goes_with_its_guest(lab: Lab, root: Client) -> None:
    root.create_vm(100)
    root.data("POST", f"{PATH}/rules", type="in", action="ACCEPT")
    root.task("DELETE", "/nodes/pve1/qemu/100")
    assert root.data("GET", f"{PATH}/rules") == []
