# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a real PVE 9.2 stored for what was PUT into a configuration: the codecs predict each."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._codec import PropertyString
from ansible_collections.steward.proxmox.plugins.module_utils._guest.options import Option
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES

RECORDINGS = Path(os.environ.get("STEWARD_RECORDINGS") or Path(__file__).parents[4] / "shared" / "real-pve")
RECORDED = RECORDINGS / "config-roundtrip.json"
pytestmark = pytest.mark.skipif(
    not RECORDED.is_file(),
    reason=f"the recordings of the real API are not at {RECORDINGS} (STEWARD_RECORDINGS names another place)",
)

Entry = dict[str, Any]
# What a new volume is given by the server, and what only tells how to make it.
MADE = ("volume", "size")
TOLD = ("format", "import-from")
NEW_VOLUME = re.compile(r"[\w-]+:\d+(\.\d+)?")
MASK = "**********"


def entries() -> list[Entry]:
    found: list[Entry] = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.is_file() else []
    return found


def stored() -> list[tuple[str, str, Any, Any]]:
    """Kind, key, value as sent, value as read back, of what was accepted."""
    return [
        (entry["kind"], key, value, entry["get"].get(key))
        for entry in entries()
        if entry["status"] == 200
        for key, value in entry["put"].items()
    ]


def row_of(kind: str, key: str) -> Option:
    row = TABLES[kind].row(key)
    assert row, f"{key} has no row"
    return row


def test_the_recording_is_whole() -> None:
    assert len(stored()) > 120


@pytest.mark.parametrize(("kind", "key", "put", "got"), stored())
def test_what_is_read_back_is_what_the_codec_predicts(kind: str, key: str, put: Any, got: Any) -> None:
    if key == "delete":
        assert got is None  # it is not a key: it names keys
        return
    row = row_of(kind, key)
    if row.write_only:
        assert got == MASK
        return
    assert row.same(predicted(row, put, got), got)


KEYS = sorted({(kind, key) for kind, key, _put, _got in stored() if key != "delete"})


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_values_that_differ_are_told_apart(kind: str, key: str) -> None:
    row = row_of(kind, key)
    texts = {str(got): got for its_kind, its_key, _put, got in stored() if (its_kind, its_key) == (kind, key)}
    for one, other in itertools.combinations(texts.values(), 2):
        assert not row.same(one, other), (one, other)


def predicted(row: Option, put: Any, got: Any) -> Any:
    """What was sent, with what only the server can know."""
    if not isinstance(row.codec, PropertyString):
        return put
    sent, answer = row.codec.decode(put), row.codec.decode(got)
    made = NEW_VOLUME.fullmatch(sent.get("volume", "")) if row.volume else None
    if made:
        sent = {key: item for key, item in sent.items() if key not in (*MADE, *TOLD)}
    servers = {
        "macaddr": "model" in sent and "macaddr" not in sent,
        "hwaddr": "name" in sent and "hwaddr" not in sent,
        "volume": bool(made),
        "size": row.volume and "size" not in sent,
    }
    return {**sent, **{key: answer[key] for key, own in servers.items() if own and key in answer}}
