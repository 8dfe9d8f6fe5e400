# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The format of a frame: one line, ``<sha256 hex> <json bytes>``, whose hash covers the frame before it."""

import hashlib
import json
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.plain import Plain

VERSION = 1
HASH_LENGTH = 64
MAX_JSON = 1 << 20
MAX_LINE = HASH_LENGTH + 1 + MAX_JSON + 1
KEPT_OF_A_LARGE_VALUE = ("summary", "digest")  # what a person needs to know which plan it was
MAX_KEPT = 4096


def genesis(run_id: str, ledger_id: str) -> bytes:
    """What stands for the hash before the first frame: it ties the chain to its run and its ledger."""
    return hashlib.sha256((run_id + ledger_id).encode()).digest()


def chain(previous: bytes, body: bytes) -> bytes:
    return hashlib.sha256(b"\0" + previous + body).digest()


def line(previous: bytes, body: bytes) -> bytes:
    return chain(previous, body).hex().encode() + b" " + body + b"\n"


def body(common: dict[str, Any], fields: dict[str, Any]) -> bytes:
    """The JSON bytes of a frame. Whatever the fields hold, this succeeds, and fits into MAX_JSON."""
    plain = Plain()
    frame = {name: plain.convert(value, name) for name, value in fields.items()} | common
    if plain.altered:
        frame["altered"] = plain.altered
    encoded = _json(frame)
    return encoded if len(encoded) <= MAX_JSON else _json(_cut(frame, keep={*common, "op_id"}))


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _cut(frame: dict[str, Any], keep: set[str]) -> dict[str, Any]:
    """Replace the largest fields by their hash and length until the frame fits."""
    sizes = {name: len(_json(value)) for name, value in frame.items()}
    room = MAX_JSON - sum(sizes[name] + len(_json(name)) + 2 for name in frame)
    for name in sorted(set(frame) - keep, key=lambda name: sizes[name], reverse=True):
        if room >= 2:  # the braces
            break
        frame[name] = _stand_in(frame[name])
        room += sizes[name] - len(_json(frame[name]))
    return frame


def _stand_in(value: Any) -> dict[str, Any]:
    encoded = _json(value)
    stand_in = {"omitted": "larger than a frame", "sha256": hashlib.sha256(encoded).hexdigest(), "length": len(encoded)}
    if isinstance(value, dict):
        for name in KEPT_OF_A_LARGE_VALUE:
            if isinstance(value.get(name), str):
                stand_in[name] = value[name][:MAX_KEPT]
    return stand_in
