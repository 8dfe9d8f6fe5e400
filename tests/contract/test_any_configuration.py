# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any configuration: set once it is there, changing one part changes that part alone, and removing is explicit.

The values are drawn from PVE's own API description.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._codec import PropertyString
from ansible_collections.steward.proxmox.plugins.module_utils._guest import cloud_init
from ansible_collections.steward.proxmox.plugins.module_utils._guest.options import Option
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.contract import guest_scenarios
from tests.contract.harness import Site
from tests.contract.scenarios import container
from tests.unit.engine.test_options import DESCRIBED, values
from tests.unit.engine.test_options_in_lab import FITTING

MODULES = {"qemu": "vm", "lxc": "lxc"}
VMIDS = {"qemu": 600, "lxc": 601}
#: parts of a volume that say which one it is, and not how it is used
WHICH = {"volume", "size", "format", "import-from", "media", "mp", "idmap"}
#: parts whose values the description does not tell whole: short once decoded, without control characters
UNTOLD = {"serial", "vendor", "product"}
#: the volumes that the guests have
VOLUMES = {"qemu": ("ide[n]", "sata[n]", "scsi[n]", "virtio[n]"), "lxc": ("rootfs", "mp[n]")}
#: parts that another one cannot be without
REQUIRES = {"gw": "ip", "gw6": "ip6"}
#: what cannot be tried on its own: it turns the guest into another one, locks it, or lets nobody in
LEFT_OUT = {"lock", "template", "unprivileged", "vmstate", "arch", "hookscript", "smbios1"}
#: what a container is never without
KEPT = {"ostype"}


def seed() -> dict[int, Any]:
    machine = guest_scenarios.machine(VMIDS["qemu"])
    for bus in ("ide", "sata", "virtio"):
        volume = f"local-zfs:vm-600-disk-{bus}"
        machine["config"][f"{bus}0"] = f"{volume},size=1G"
        machine["disks"][volume] = 1 << 30
    box = container(VMIDS["lxc"], mp0="local-zfs:subvol-601-disk-1,mp=/data,size=1G")
    box["disks"]["local-zfs:subvol-601-disk-1"] = 1 << 30
    return {VMIDS["qemu"]: machine, VMIDS["lxc"]: box}


def reachable(kind: str, key: str) -> bool:
    row = TABLES[kind].rows[key]
    volume = row.volume and key not in VOLUMES[kind]
    return not (row.read_only or row.fixed or row.elsewhere or row.write_only or volume or key in LEFT_OUT)


KEYS = [(kind, key) for kind, key in DESCRIBED if reachable(kind, key)]
PARTS = [(kind, key) for kind, key in KEYS if isinstance(TABLES[kind].rows[key].codec, PropertyString)]


def slot_of(key: str) -> str:
    return key.replace("[n]", "0")


def drawn(data: st.DataObject, kind: str, key: str) -> Any:
    """A value that the server takes, as the codec reads it."""
    row = TABLES[kind].rows[key]
    text = data.draw(st.sampled_from(FITTING[key]) if key in FITTING else values(kind, key), label=key)
    value = row.codec.decode(text)
    if row.volume:
        value = {part: item for part, item in value.items() if part not in WHICH | UNTOLD}
    elif key == "net[n]" and kind == "lxc":
        value.pop("type", None)  # there is one, and no option for it
    assume(value not in ({}, "", []) and str(value).isprintable())
    return value


def said(row: Option, key: str, value: Any) -> dict[str, Any]:
    """A value as the module's option says it."""
    if row.spec is not None and not row.count and row.spec["type"] in ("str", "int") and not isinstance(value, str):
        return {row.option: row.codec.encode(value)}  # as one text
    if row.spec is not None and not row.count and row.spec["type"] == "list" and isinstance(row.codec, PropertyString):
        assume(row.codec.listed in value)
        return {row.option: value[row.codec.listed]}
    if isinstance(value, Mapping):
        value = {part.replace("-", "_"): item for part, item in value.items()}
    if row.option == "cloud_init":
        name = next(name for name, wire in cloud_init.KEYS.items() if wire == key)
        return {"cloud_init": {name: [{"slot": slot_of(key), **value}] if row.count else value}}
    if row.spec is None:
        return {"config": {slot_of(key): value}}
    if row.count:
        return {row.option: [{"slot": slot_of(key), **value}]}
    return {row.option: value}


def together(*parts: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            there = merged.get(name)
            if isinstance(there, dict):
                merged[name] = {**there, **value}
            elif isinstance(there, list) and name in ("disks", "net"):
                merged[name] = [*there, *value]
            else:
                merged[name] = value
    return merged


def play(site: Site, kind: str, options: dict[str, Any], check: bool = False) -> dict[str, Any]:
    task = {"vmid": VMIDS[kind], "node": "pve1", **options}
    return site.run(check=check, identity="root").done(MODULES[kind], task)


def config(site: Site, kind: str) -> dict[str, Any]:
    return dict(site.lab.state.guests[VMIDS[kind]].config)


often = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
seldom = settings(often, max_examples=3)


@often
@given(data=st.data())
def test_any_configuration_is_set_once(site: Site, data: st.DataObject) -> None:
    site.reset({"guests": seed()})
    kind = data.draw(st.sampled_from(sorted(MODULES)))
    own = [key for of, key in KEYS if of == kind]
    keys = data.draw(st.lists(st.sampled_from(own), min_size=1, max_size=6, unique=True))
    rows = TABLES[kind].rows
    options = together(*(said(rows[key], key, drawn(data, kind, key)) for key in keys))
    play(site, kind, options)
    for check in (False, True):
        again = play(site, kind, options, check)
        assert not again["changed"], f"{options}: {again['plan']['steps']}"


@pytest.mark.parametrize(("kind", "key"), PARTS)
@seldom
@given(data=st.data())
def test_changing_one_part_changes_that_part_alone(site: Site, kind: str, key: str, data: st.DataObject) -> None:
    site.reset({"guests": seed()})
    row, slot = TABLES[kind].rows[key], slot_of(key)
    codec = row.codec
    assert isinstance(codec, PropertyString)
    play(site, kind, said(row, key, drawn(data, kind, key)))
    before = config(site, kind)
    other = drawn(data, kind, key)
    part = data.draw(st.sampled_from(sorted(other)))
    # one part of it, and with it what it cannot be without
    names = (part, codec.default, REQUIRES.get(part))
    needed = {name: other[name] for name in names if name in other and name not in WHICH}
    play(site, kind, said(row, key, needed))
    after = config(site, kind)
    assert {name: text for name, text in after.items() if name != slot} == {
        name: text for name, text in before.items() if name != slot
    }
    was, now = codec.decode(before.get(slot) or ""), codec.decode(after.get(slot) or "")
    changed = {name for name in was.keys() | now.keys() if was.get(name) != now.get(name)}
    assert changed <= {*needed, *codec.one_of}, f"{before.get(slot)} and {needed} became {after.get(slot)}"


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, key) for kind, key in KEYS if not (TABLES[kind].rows[key].volume or key in KEPT)]
)
@seldom
@given(data=st.data())
def test_removing_is_explicit(site: Site, kind: str, key: str, data: st.DataObject) -> None:
    site.reset({"guests": seed()})
    row, slot = TABLES[kind].rows[key], slot_of(key)
    play(site, kind, said(row, key, drawn(data, kind, key)))
    before = config(site, kind)
    assume(slot in before)
    # a task that does not speak of it leaves it
    play(site, kind, {"config": {"keyboard": "de"}} if kind == "qemu" and key != "keyboard" else {"tags": ["x"]})
    assert config(site, kind).get(slot) == before[slot] or key == "tags"
    play(site, kind, {"delete": [slot]})
    assert slot not in config(site, kind)
    assert not play(site, kind, {"delete": [slot]})["changed"]
