# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers and parts that the server would refuse are refused before anything is sent, as the API description says."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._guest import config
from ansible_collections.steward.proxmox.plugins.module_utils._guest.bounds import BOUNDS, NEEDED, REQUIRES
from ansible_collections.steward.proxmox.plugins.module_utils._guest.options import Table
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES

from . import described

VM, LXC = TABLES["qemu"], TABLES["lxc"]
each_kind = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def settable(table: Table) -> Iterator[tuple[str, described.Schema]]:
    for key, schema in described.configuration(table.kind).items():
        if key in table.rows and not table.rows[key].read_only:
            yield key, schema


@each_kind
def test_every_bound_is_the_described_one(table: Table) -> None:
    found: dict[str, Any] = {}
    for key, schema in settable(table):
        form = described.form_of(schema) or {"": schema}
        bounds = {
            part: (of["minimum"], of.get("maximum", inf))
            for part, of in form.items()
            if "minimum" in of and "alias" not in of
        }
        if bounds:
            found[key] = bounds
    assert BOUNDS[table.kind] == found


@each_kind
def test_every_needed_part_is_a_described_one(table: Table) -> None:
    found, requires = {}, {}
    for key, schema in settable(table):
        form = described.form_of(schema) or {}
        known = {part: of for part, of in form.items() if not {"alias", "keyAlias"} & of.keys()}
        needed = tuple(part for part, of in known.items() if not of.get("optional"))
        if needed and not table.is_volume(key.replace("[n]", "0")) and key != "net[n]":
            found[key] = needed
        if wants := {part: of["requires"] for part, of in known.items() if of.get("requires")}:
            requires[key] = wants
    assert {key: {*parts} for key, parts in NEEDED[table.kind].items()} == {
        key: {*parts} for key, parts in found.items()
    }
    assert {key: REQUIRES[key] for key in requires} == requires


@pytest.mark.parametrize(
    ("table", "options", "text"),
    [
        (VM, {"cores": 0}, "cores: 0 is not valid: 1 or more"),
        (VM, {"memory": 8}, "memory.current: 8 is not valid: 16 or more"),
        (VM, {"cpulimit": 129}, "cpulimit: 129 is not valid: 0 to 128"),
        (VM, {"net": [{"slot": "net0", "tag": 4095}]}, "net0.tag: 4095 is not valid: 1 to 4094"),
        (VM, {"disks": [{"slot": "scsi0", "queues": 1}]}, "scsi0.queues: 1 is not valid: 2 or more"),
        (LXC, {"net": [{"slot": "net3", "mtu": 63}]}, "net3.mtu: 63 is not valid: 64 to 65535"),
        (LXC, {"tty": 7}, "tty: 7 is not valid: 0 to 6"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_number_out_of_bounds_is_told(table: Table, options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        config.check(table, options)


def test_bounds_belong_to_what_they_bound() -> None:
    config.check(VM, {"cores": 1, "memory": 16, "cpulimit": 128, "net": [{"slot": "net0", "tag": 4094}]})


@pytest.mark.parametrize(
    ("options", "have", "text"),
    [
        (
            {"cloud_init": {"ip": [{"slot": "ipconfig0", "gw": "10.0.0.1"}]}},
            {},
            r"ipconfig0: ip is needed \(gw needs it\)",
        ),
        ({"delete": ["ipconfig0.ip"]}, {"ipconfig0": "ip=10.0.0.2/24,gw=10.0.0.1"}, "ip is needed"),
        ({"agent": {"fstrim_cloned_disks": True}}, {}, "agent: enabled is needed"),
        ({"virtiofs": [{"slot": "virtiofs0", "cache": "always"}]}, {}, "virtiofs0: dirid is needed"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_part_that_is_missing_is_told(options: dict[str, Any], have: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        config.difference(VM, options, have)


def test_a_part_that_is_there_need_not_be_said() -> None:
    change = config.difference(VM, {"agent": {"fstrim_cloned_disks": True}}, {"agent": "1"})
    assert change.put == {"agent": "1,fstrim_cloned_disks=1"}


def test_the_last_part_of_a_value_takes_the_value_with_it() -> None:
    change = config.difference(VM, {"delete": ["boot.order"]}, {"boot": "order=scsi0"})
    assert (change.put, change.delete) == ({}, ["boot"])
