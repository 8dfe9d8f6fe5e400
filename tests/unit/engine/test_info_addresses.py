# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of a guest, and the one to reach it by."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.addresses import (
    addresses,
    ansible_host,
    is_ambiguous,
    macs,
)

ETH0 = "bc:24:11:00:00:01"
ETH1 = "bc:24:11:00:00:02"
BRIDGE = "02:42:00:00:00:01"


def interface(name: str, mac: str, *networks: str) -> dict[str, Any]:
    """As the agent of a machine lists it."""
    listed = []
    for network in networks:
        address, _slash, prefix = network.partition("/")
        family = "ipv6" if ":" in address else "ipv4"
        listed.append({"ip-address": address, "ip-address-type": family, "prefix": int(prefix)})
    return {"name": name, "hardware-address": mac, "ip-addresses": listed, "statistics": {"rx-bytes": 1}}


LOOPBACK = interface("lo", "00:00:00:00:00:00", "127.0.0.1/8", "::1/128")


def test_what_an_agent_reports() -> None:
    said = {"result": [LOOPBACK, interface("eth0", ETH0.upper(), "10.0.0.5/24", "fe80::1%eth0/64")]}
    assert addresses(said) == [
        {"interface": "eth0", "mac": ETH0, "address": "10.0.0.5", "prefix": 24, "family": "ipv4"},
        {"interface": "eth0", "mac": ETH0, "address": "fe80::1", "prefix": 64, "family": "ipv6"},
    ]


def test_what_a_node_reports_of_a_container() -> None:
    rows = [
        {"name": "lo", "hwaddr": "00:00:00:00:00:00", "ip-addresses": [{"ip-address": "127.0.0.1", "prefix": 8}]},
        {"name": "eth0", "hwaddr": ETH0, "hardware-address": ETH0, "ip-addresses": [{"ip-address": "10.0.0.6"}]},
        {"name": "eth1", "hwaddr": ETH1, "ip-addresses": []},
    ]
    assert addresses(rows) == [
        {"interface": "eth0", "mac": ETH0, "address": "10.0.0.6", "prefix": None, "family": "ipv4"}
    ]


def test_what_a_node_of_an_older_version_reports() -> None:
    rows = [{"name": "eth0", "hwaddr": ETH0, "inet": "10.0.0.7/24", "inet6": "fd00::7/64"}]
    assert [(row["address"], row["prefix"]) for row in addresses(rows)] == [("10.0.0.7", 24), ("fd00::7", 64)]


@pytest.mark.parametrize("nothing", [None, [], {"result": []}, {"result": None}])
def test_a_guest_without_addresses(nothing: Any) -> None:
    assert addresses(nothing) == []
    assert ansible_host(addresses(nothing)) is None


def test_the_first_network_interface_is_the_one_and_not_a_bridge_inside() -> None:
    found = addresses(
        [
            interface("docker0", BRIDGE, "172.17.0.1/16"),
            interface("eth1", ETH1, "192.0.2.5/24"),
            interface("eth0", ETH0, "fd00::5/64", "10.0.0.5/24"),
        ]
    )
    assert is_ambiguous(found)
    known = macs({"net1": f"virtio={ETH1.upper()},bridge=vmbr1", "net0": f"virtio={ETH0.upper()},bridge=vmbr0"})
    assert known == [ETH0, ETH1]
    assert ansible_host(found, known) == "10.0.0.5"


def test_net10_comes_after_net2() -> None:
    config = {"net10": f"name=eth10,hwaddr={ETH1}", "net2": f"name=eth2,hwaddr={ETH0}", "netx": BRIDGE, "name": "x"}
    assert macs(config) == [ETH0, ETH1]


def test_ipv4_before_ipv6_and_never_a_link_local_one() -> None:
    assert ansible_host(addresses([interface("eth0", ETH0, "fd00::5/64", "10.0.0.5/24")])) == "10.0.0.5"
    assert ansible_host(addresses([interface("eth0", ETH0, "fe80::5/64", "fd00::5/64")])) == "fd00::5"
    assert ansible_host(addresses([interface("eth0", ETH0, "fe80::5/64", "169.254.1.1/16")])) is None


def test_one_interface_with_several_addresses_is_not_ambiguous() -> None:
    only = [LOOPBACK, interface("eth0", ETH0, "10.0.0.5/24", "10.0.0.6/24"), interface("tap", BRIDGE, "fe80::2/64")]
    assert not is_ambiguous(addresses(only))
