# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever the fields of a frame hold, it can be written, and it says what it could not keep."""

import hashlib
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames
from hypothesis import given, settings
from hypothesis import strategies as st


def written(**fields: Any) -> dict[str, Any]:
    body = frames.body({"v": 1, "seq": 7}, fields)
    assert b"\n" not in body
    assert len(body) <= frames.MAX_JSON
    return json.loads(body)


def test_plain_data_is_stored_as_given() -> None:
    plan = {"steps": [{"data": {"cores": 2, "ratio": 0.5, "on": True, "none": None}}]}
    assert written(plan=plan) == {"v": 1, "seq": 7, "plan": plan}


@pytest.mark.parametrize("text", ["\udc80", "\x00\x1b\x7f\u2028", "é😀", "a\nb"])
def test_any_text_survives(text: str) -> None:
    assert written(name=text, plan={text: text}) == {"v": 1, "seq": 7, "name": text, "plan": {text: text}}


@pytest.mark.parametrize(
    ("value", "stored", "why"),
    [
        (2**53, str(2**53), "a large integer"),
        (10**5000, hex(10**5000), "a large integer"),
        (math.nan, "nan", "not a finite number"),
        (-math.inf, "-inf", "not a finite number"),
        (b"\xff", "\udcff", "bytes"),
        ({1: "a", "1": "b"}, [[1, "a"], ["1", "b"]], "keys that are not text"),
        ({"a"}, ["a"], "a set"),
        (datetime.now(UTC), "(not recorded: datetime)", "not recorded: datetime"),
    ],
    ids=["large", "huge", "nan", "infinity", "bytes", "keys", "set", "object"],
)
def test_what_json_cannot_hold_is_replaced_and_named(value: Any, stored: Any, why: str) -> None:
    frame = written(data={"x": value})
    assert frame["data"]["x"] == stored
    assert frame["altered"][0].startswith(f"data.x: {why}")


def test_an_unknown_object_is_never_turned_into_text() -> None:
    class Vaulted:
        def __str__(self) -> str:
            return "the secret"

    assert "the secret" not in json.dumps(written(data=Vaulted()))


def test_structures_without_end_are_cut() -> None:
    endless: list[Any] = []
    endless.extend([endless, endless])
    assert any("nested too deeply" in note for note in written(data=endless)["altered"])
    shared: Any = "leaf"
    for _unused in range(40):
        shared = [shared, shared]
    assert any("too many values" in note for note in written(data=shared)["altered"])


def test_a_value_too_large_for_a_frame_is_replaced_by_its_hash_and_length() -> None:
    plan = {"summary": "create lxc/1", "digest": "sha256:1", "steps": ["x" * frames.MAX_JSON]}
    frame = written(plan=plan, host="pve1", op_id="a1")
    assert (frame["host"], frame["op_id"]) == ("pve1", "a1")
    assert frame["plan"]["omitted"] == "larger than a frame"
    assert frame["plan"]["length"] == len(json.dumps(plan, separators=(",", ":")))
    assert (frame["plan"]["summary"], frame["plan"]["digest"]) == ("create lxc/1", "sha256:1")


@pytest.mark.parametrize("spare", range(-3, 4))
def test_a_frame_may_be_exactly_as_large_as_the_limit(spare: int) -> None:
    overhead = len(frames.body({"v": 1}, {"error": ""}))
    text = "x" * (frames.MAX_JSON - overhead + spare)
    frame = written_with_limit(text)
    assert (frame["error"] == text) is (spare <= 0)


def written_with_limit(text: str) -> dict[str, Any]:
    body = frames.body({"v": 1}, {"error": text})
    assert len(body) <= frames.MAX_JSON
    return json.loads(body)


def test_the_fields_of_a_frame_cannot_be_forged_by_a_caller() -> None:
    assert written(seq=99)["seq"] == 7


def test_the_hash_covers_the_hash_before_and_the_bytes() -> None:
    genesis = hashlib.sha256(b"rl").digest()
    assert frames.genesis("r", "l") == genesis
    first = hashlib.sha256(b"\0" + genesis + hashlib.sha256(b"{}").digest())
    assert frames.chain(genesis, b"{}") == first.digest()
    assert frames.line(first.hexdigest(), b"{}") == first.hexdigest().encode() + b" {}\n"
    assert frames.chain(frames.genesis("r", "m"), b"{}") != first.digest()
    assert frames.chain(genesis, b"{ }") != first.digest()


def test_the_keys_of_the_place_come_first_and_the_others_are_sorted() -> None:
    place = frames.place("0" * 32, "1" * 32, 7, "intent")
    body = frames.body(place, {"zone": {"b": 1, "a": 2}, "status": "ok", "op_id": "c0ffee", "actor": None})
    found = frames.PREFIX.match(body)
    assert found is not None
    assert found.groupdict() | {"ts": b""} == {
        "ledger_id": b"0" * 32,
        "run_id": b"1" * 32,
        "seq": b"7",
        "ts": b"",
        "type": b"intent",
    }
    assert body[found.end() :] == b'"op_id":"c0ffee","status":"ok","actor":null,"zone":{"a":2,"b":1}}'


def test_a_frame_without_fields_has_the_prefix_too() -> None:
    assert frames.PREFIX.fullmatch(frames.body(frames.place("0" * 32, frames.LOG, 1, "note"), {}))


@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_every_time_is_as_long_as_every_other(monkeypatch: pytest.MonkeyPatch, microsecond: int) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":
            return cls(2026, 1, 2, 3, 4, 5, microsecond, tz)

    monkeypatch.setattr(frames, "datetime", Clock)
    assert frames.place("0" * 32, "1" * 32, 1, "plan")["ts"] == f"2026-01-02T03:04:05.{microsecond:06d}Z"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner),
)


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_anything_can_be_written(value: Any) -> None:
    written(data=value)
