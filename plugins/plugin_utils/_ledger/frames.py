# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The format of a frame: one line, ``<sha256 hex> <json bytes>``, whose hash covers the frame before it.

The keys that tell a frame's place come first and in a fixed order, so that a reader can check them without parsing
the whole of a large frame.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.plain import Plain

VERSION = 1
LOG = "log"  # stands in the place of a run's id in the frames of the ledger-wide log
HASH_LENGTH = 64
MAX_JSON = 1 << 20
MAX_LINE = HASH_LENGTH + 1 + MAX_JSON + 1
OF_AN_OPERATION = ("op_id", "status")
KEPT_OF_A_LARGE_VALUE = ("summary", "digest")  # what a person needs to know which plan it was
MAX_KEPT = 4096

#: how the JSON of every frame begins
PREFIX = re.compile(
    rb'\{"v":1,"ledger_id":"(?P<ledger_id>[0-9a-f]{32})","run_id":"(?P<run_id>[0-9a-f]{32}|log)",'
    rb'"seq":(?P<seq>[1-9][0-9]{0,15}),"ts":"(?P<ts>[^"\\]{27})","type":"(?P<type>[a-z_]{1,32})"[,}]'
)


def genesis(run_id: str, ledger_id: str) -> bytes:
    """What stands for the hash before the first frame: it ties the chain to its run and its ledger."""
    return hashlib.sha256((run_id + ledger_id).encode()).digest()


def chain(previous: bytes, body: bytes) -> bytes:
    """The hash of a frame. Its own bytes go in as a hash: a proof can pass over a frame without showing it."""
    return hashlib.sha256(b"\0" + previous + hashlib.sha256(body).digest()).digest()


def body_of(line: bytes) -> bytes:
    """The JSON bytes of a stored line."""
    return line[HASH_LENGTH + 1 :].removesuffix(b"\n")


def line(head: str, body: bytes) -> bytes:
    return head.encode() + b" " + body + b"\n"


def place(ledger_id: str, run_id: str, seq: int, type_: str) -> dict[str, Any]:
    """The keys that every frame begins with, in their order."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return {"v": VERSION, "ledger_id": ledger_id, "run_id": run_id, "seq": seq, "ts": now, "type": type_}


def body(first: Mapping[str, Any], fields: Mapping[str, Any]) -> bytes:
    """The JSON bytes of a frame: the keys of its place, those that tell which operation it is of, the others sorted.

    Whatever the fields hold, this succeeds, and fits into MAX_JSON.
    """
    plain = Plain()
    rest = {name: plain.convert(value, name) for name, value in fields.items() if name not in first}
    if plain.altered:
        rest["altered"] = plain.altered
    beginning = {**first, **{name: rest.pop(name) for name in OF_AN_OPERATION if name in rest}}
    encoded = _joined(beginning, rest)
    return encoded if len(encoded) <= MAX_JSON else _joined(beginning, _cut(rest, MAX_JSON - len(_json(beginning))))


def _joined(beginning: dict[str, Any], rest: dict[str, Any]) -> bytes:
    encoded = json.dumps(beginning, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")
    return encoded[:-1] + b"," + _json(rest)[1:] if rest else encoded


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _cut(fields: dict[str, Any], room: int) -> dict[str, Any]:
    """Replace the largest fields by their hash and length until all of them fit."""
    sizes = {name: len(_json(value)) for name, value in fields.items()}
    room -= sum(sizes[name] + len(_json(name)) + 2 for name in fields)
    for name in sorted(fields, key=lambda name: sizes[name], reverse=True):
        if room >= 0:
            break
        fields[name] = _stand_in(fields[name])
        room += sizes[name] - len(_json(fields[name]))
    return fields


def _stand_in(value: Any) -> dict[str, Any]:
    encoded = _json(value)
    stand_in = {"omitted": "larger than a frame", "sha256": hashlib.sha256(encoded).hexdigest(), "length": len(encoded)}
    if isinstance(value, dict):
        for name in KEPT_OF_A_LARGE_VALUE:
            if isinstance(value.get(name), str):
                stand_in[name] = value[name][:MAX_KEPT]
    return stand_in
