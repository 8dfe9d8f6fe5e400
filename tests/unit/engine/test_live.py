# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan says of a running guest is what the server does: of every option, at once or at the next start."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._codec import PropertyString
from ansible_collections.steward.proxmox.plugins.module_utils._guest.live import takes_over
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lab import hotplug, lxc_config
from tests.lab.state import Guest

from .described import form_of, property_strings
from .test_options import schema_of, values
from .test_options_in_lab import FORMS, SETTABLE

CLASSES = (None, "0", "1", "network", "disk,usb", "network,cpu,memory", "cloudinit,usb")
SYSTEMS = (None, "l26", "other", "win11")
CHANGEABLE = [(kind, key) for kind, key in SETTABLE if not TABLES[kind].rows[key].fixed]
unhurried = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("kind", "key"), CHANGEABLE)
@unhurried
@given(data=st.data())
def test_every_option_is_live_where_the_server_takes_it_over(kind: str, key: str, data: st.DataObject) -> None:
    old, new = (data.draw(st.none() | values(kind, key)) for _turn in range(2))
    compare(kind, key, old, new, data.draw(st.sampled_from(CLASSES)), data.draw(st.sampled_from(SYSTEMS)))


@pytest.mark.parametrize(("kind", "key"), [pair for pair in FORMS if pair in CHANGEABLE])
@settings(unhurried, max_examples=5)
@given(data=st.data())
def test_every_key_inside_is_live_where_the_server_takes_it_over(kind: str, key: str, data: st.DataObject) -> None:
    form, codec = form_of(schema_of(kind, key)), TABLES[kind].rows[key].codec
    assert form
    assert isinstance(codec, PropertyString)
    old, other = (data.draw(property_strings(form, whole=True)) for _turn in range(2))
    for part, value in codec.decode(other).items():
        for classes in CLASSES:
            compare(kind, key, old, codec.patch(old, {part: value}), classes, "l26")


def compare(kind: str, key: str, old: str | None, new: str | None, classes: str | None, system: str | None) -> None:
    table, name = TABLES[kind], key.replace("[n]", "0")
    said = {"hotplug": classes, "ostype": system, name: old}
    config = {option: value for option, value in said.items() if value is not None}
    if table.rows[key].same(config.get(name), new):
        return
    guest = Guest(100, kind, "pve1", config=dict(config), started=1.0)
    assert takes_over(table, name, config.get(name), new, config) == taken(guest, name, new), (old, new, classes)


def taken(guest: Guest, key: str, new: Any) -> bool:
    """What the lab does."""
    if guest.kind == "lxc":
        found = lxc_config.takes(guest, key, new) if new is not None else lxc_config.LETS_GO.fullmatch(key)
        return bool(found)
    return hotplug.takes(guest, key, new) if new is not None else hotplug.lets_go(guest, key)
