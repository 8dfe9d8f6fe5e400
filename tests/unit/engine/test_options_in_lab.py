# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every option goes through its codec to the lab and back, and means the same."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._codec import PropertyString
from ansible_collections.steward.proxmox.plugins.module_utils._guest.options import Option
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.lab import Lab
from tests.unit.lab.conftest import Client

from .described import form_of, property_strings
from .test_options import schema_of, values
from .test_round_trip import MASK, TOLD, predicted

# `config` refuses the others: they are reached in other ways (docs/options.md)
SETTABLE = [
    (kind, key)
    for kind, table in TABLES.items()
    for key, row in table.rows.items()
    if not row.read_only and not row.elsewhere
]
_BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519" + b"k" * 40).decode()
# Where not every value that is described can be taken: it must fit to the guest, or name what is there.
FITTING = {
    "balloon": ["0", "256"],
    "boot": ["order=scsi0", "legacy=cdn"],
    "dev[n]": ["/dev/null", "path=/dev/zero,mode=0660,uid=5,deny-write=1"],
    "hookscript": ["local:snippets/hook.pl"],
    "sshkeys": [quote(f"ssh-ed25519 {_BLOB} a@b\nssh-ed25519 {_BLOB} c", safe="")],
}
vmids = itertools.count(1000)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    seed = {"volumes": {"local:snippets/hook.pl": {"content": "snippets", "format": "snippet", "size": 64}}}
    with Lab(seed) as lab:
        yield Client(lab)


in_lab = settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])


@pytest.mark.parametrize(("kind", "key"), SETTABLE)
@in_lab
@given(data=st.data())
def test_what_is_set_is_read_back(client: Client, kind: str, key: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(FITTING[key]) if key in FITTING else values(kind, key))
    set_and_read(client, kind, key, text)


FORMS = [(kind, key) for kind, key in SETTABLE if form_of(schema_of(kind, key)) and key not in FITTING]


@pytest.mark.parametrize(("kind", "key"), FORMS)
@in_lab
@given(data=st.data())
def test_a_property_string_with_all_its_keys_is_read_back(
    client: Client, kind: str, key: str, data: st.DataObject
) -> None:
    form = form_of(schema_of(kind, key))
    assert form
    set_and_read(client, kind, key, data.draw(property_strings(form, whole=True)))


def set_and_read(client: Client, kind: str, key: str, text: str) -> None:
    row, vmid = TABLES[kind].rows[key], next(vmids)
    name = key.replace("[n]", str(row.count - 1))
    sent = encoded(row, text)
    assume(sent != "")
    make = client.create if kind == "lxc" else client.create_vm
    make(vmid, **({name: sent} if row.fixed else {}))
    path = f"/nodes/pve1/{kind}/{vmid}/config"
    if not row.fixed:
        client.data("PUT", path, **{name: sent})
    got = client.data("GET", path).get(name)
    assert got == MASK if row.write_only else row.same(predicted(row, sent, got), got)


def encoded(row: Option, text: str) -> Any:
    """In our words; a volume is a new one of 1 GiB."""
    value = row.codec.decode(text)
    if isinstance(row.codec, PropertyString) and row.volume:
        kept = {key: item for key, item in value.items() if key not in ("media", "size", *TOLD)}
        return row.codec.encode({**kept, "volume": "local:1"})
    return row.codec.encode(value)
