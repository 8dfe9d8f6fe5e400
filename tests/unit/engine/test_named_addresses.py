# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the firewall of the cluster says about the addresses of a guest that goes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied
from ansible_collections.steward.proxmox.plugins.module_utils._guest.named_addresses import (
    fixed_addresses,
    tell_named_addresses,
)

from tests.unit.engine.fakes import Cluster, Memory, World, world_of

BASE = "/cluster/firewall"
CONFIG = {"hostname": "web", "net0": "name=eth0,bridge=vmbr0,ip=192.0.2.7/24,ip6=2001:db8::7/64", "net1": "ip=dhcp"}
BARE: dict[str, Any] = {f"{BASE}/aliases": [], f"{BASE}/ipset": [], f"{BASE}/groups": [], f"{BASE}/rules": []}


def told(answers: dict[str, Any]) -> Blast:
    blast = Blast()
    tell_named_addresses(world_of({**BARE, **answers}), blast, CONFIG)
    return blast


def test_the_addresses_of_both_kinds_of_guests() -> None:
    assert fixed_addresses(CONFIG) == {"192.0.2.7", "2001:db8::7"}
    machine = {"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0", "ipconfig0": "gw=192.0.2.1,ip=192.0.2.9/24"}
    assert fixed_addresses(machine) == {"192.0.2.9"}


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ({f"{BASE}/aliases": [{"name": "web", "cidr": "192.0.2.7"}]}, "alias web"),
        ({f"{BASE}/aliases": [{"name": "web6", "cidr": "2001:db8::7/128"}]}, "alias web6"),
        ({f"{BASE}/ipset": [{"name": "s"}], f"{BASE}/ipset/s": [{"cidr": "192.0.2.7/32"}]}, "set s"),
        ({f"{BASE}/rules": [{"pos": 3, "source": "192.0.2.5,192.0.2.7"}]}, "rule 3 of the cluster"),
        (
            {f"{BASE}/groups": [{"group": "g"}], f"{BASE}/groups/g": [{"pos": 0, "dest": "192.0.2.7"}]},
            "rule 0 of group g",
        ),
    ],
)
def test_what_goes_on_naming_one(answers: dict[str, Any], named: str) -> None:
    blast = told(answers)
    assert blast.others == {f"firewall {named}"}
    assert blast.risk(True) == {
        "level": "medium",
        "reasons": [f"whoever gets 192.0.2.7, 2001:db8::7 next is meant by {named}"],
    }


@pytest.mark.parametrize("cidr", ["192.0.2.70", "192.0.2.0/24", "192.0.2.7/24", "+dc/web"])
def test_a_network_that_it_lies_in_is_not_about_it(cidr: str) -> None:
    assert told({f"{BASE}/aliases": [{"name": "net", "cidr": cidr}], f"{BASE}/rules": [{"source": cidr}]}) == Blast()


@pytest.mark.parametrize("part", ["aliases", "ipset", "groups", "rules"])
def test_what_may_not_be_read_is_unknown(part: str) -> None:
    blast = told({f"{BASE}/{part}": PermissionDenied("no", status=403)})
    assert len(blast.unseen) == 1
    assert blast.unseen[0].startswith("firewall ")


def test_without_a_fixed_address_nothing_is_read() -> None:
    cluster = Cluster({})
    tell_named_addresses(World(cluster.get, Memory(), False), Blast(), {"net0": "name=eth0,bridge=vmbr0,ip=dhcp"})
    assert cluster.asked == []
