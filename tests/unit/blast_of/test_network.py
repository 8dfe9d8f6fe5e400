# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network interface of a node: who is on it, through bonds, VLANs, bridges and vnets, on this node only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast

from tests.unit.blast_of.cluster import ANSWERS, REFUSALS, VM, level, seen, touched, why

NETWORK = "/nodes/pve1/network"
LAYERS: dict[str, Any] = {
    NETWORK: [
        {"iface": "eno1", "type": "eth"},
        {"iface": "eno2", "type": "eth"},
        {"iface": "eno3", "type": "eth"},
        {"iface": "bond0", "type": "bond", "slaves": "eno1 eno2"},
        {"iface": "bond0.7", "type": "vlan"},
        {"iface": "storage", "type": "vlan", "vlan-raw-device": "bond0", "cidr": "10.0.0.1/24"},
        {
            "iface": "vmbr0",
            "type": "bridge",
            "bridge_ports": "bond0.7",
            "cidr": "192.0.2.11/24",
            "address": "192.0.2.11",
        },
        {"iface": "vmbr1", "type": "bridge", "bridge_ports": "eno3"},
    ],
    "/cluster/sdn/zones": [{"zone": "z1", "type": "vlan", "bridge": "vmbr1"}, {"zone": "z2", "type": "simple"}],
    "/cluster/sdn/vnets": [{"vnet": "v1", "zone": "z1"}, {"vnet": "v2", "zone": "z2"}],
}


def on(iface: str, changed: Mapping[str, Any] | None = None, method: str = "put") -> Blast:
    return touched(method, f"{NETWORK}/{iface}", {}, {}, {**LAYERS, **(changed or {})})


def test_a_port_of_a_bond_carries_all_that_is_built_on_the_bond() -> None:
    blast = on("eno1")
    assert seen(blast) == {"guests": ["qemu/101"], "nodes": ["pve1"]}
    assert ("medium", "qemu/101: its network changes (net0 on vmbr0), and it is running") in blast.reasons
    assert "vmbr0 has 192.0.2.11, by which the cluster and its users reach pve1" in why(blast)
    assert "storage has 10.0.0.1 of node pve1" in why(blast)
    assert level(blast) == "high"


def test_guests_of_other_nodes_and_bridges_are_left_alone() -> None:
    """lxc/102 is on a vmbr1 too, on the other node; lxc/103 is on a vnet over the one here."""
    blast = on("vmbr1", method="delete")
    assert seen(blast)["guests"] == ["lxc/103"]
    assert blast.reasons[0] == ("low", "lxc/103: its network changes (net0 on v1)")
    assert level(blast) == "medium"


def test_an_interface_that_nothing_is_on_is_a_medium_risk() -> None:
    bare = {NETWORK: [{"iface": "eno9"}]}
    blast = touched("put", f"{NETWORK}/eno9", {}, {}, bare)
    assert (level(blast), seen(blast)) == ("medium", {"nodes": ["pve1"]})


def test_a_new_interface_takes_what_it_is_built_on() -> None:
    blast = touched("post", NETWORK, {"iface": "vmbr9", "type": "bridge", "bridge_ports": "eno3"}, None, LAYERS)
    assert seen(blast)["guests"] == ["lxc/103"]
    alone = touched("post", NETWORK, {"iface": "vmbr9", "type": "bridge"})
    assert (level(alone), seen(alone)) == ("medium", {"nodes": ["pve1"]})


def test_applying_may_interrupt_everything_on_the_node() -> None:
    blast = touched("put", NETWORK, changed=LAYERS)
    assert seen(blast) == {"guests": ["lxc/103", "qemu/101"], "nodes": ["pve1"]}
    assert level(blast) == "high"
    assert level(touched("delete", NETWORK)) == "medium"


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(
    ("path", "unknown"),
    [
        (NETWORK, "network of node pve1"),
        ("/cluster/status", "address of node pve1"),
        ("/cluster/resources?type=vm", "guests of the cluster"),
        (f"{VM}/pending", "configuration of qemu/101"),
        ("/cluster/sdn/zones", "SDN zones"),
        ("/cluster/sdn/vnets", "vnets"),
    ],
)
def test_a_refused_read_is_unknown_and_the_highest_risk(path: str, unknown: str, refusal: Exception) -> None:
    blast = on("eno3", {path: refusal})
    if path != NETWORK:
        assert level(on("eno3")) == "medium"
    assert unknown in blast.unseen
    assert level(blast) == "high"


@pytest.mark.parametrize(("lacking", "unknown"), [("VM.Audit", "guests without"), ("SDN.Audit", "vnets without")])
def test_a_list_that_is_shortened_to_what_one_may_see_is_not_the_whole(lacking: str, unknown: str) -> None:
    less = {name: 1 for name in ANSWERS["/access/permissions"]["/"] if name != lacking}
    blast = on("eno3", {"/access/permissions": {"/": less}})
    assert any(what.startswith(unknown) for what in blast.unseen), blast.unseen
    assert level(blast) == "high"
