# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles that somebody made up, over records and a log of their own that a trusted key has signed all the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import merkle, verify_proof
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint, Signer
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.strict_base64 import encode
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

RUN, OTHER_RUN, LEDGER, OTHER_LEDGER = "1" * 32, "2" * 32, "a" * 32, "b" * 32
SIGNER = Signer("steward", Ed25519PrivateKey.generate())
OF = {"run": RUN, "op": "a1"}
NAMED, TYPE_TWO = b"steward\n", bytes([2, *range(32)])

Frames = list[dict[str, Any]]
Edit = Callable[[Frames, Frames], Any]


def frame(run_id: str, seq: int, type_: str, **fields: Any) -> dict[str, Any]:
    return {"ledger_id": LEDGER, "run_id": run_id, "seq": seq, "ts": "now", "type": type_, **fields}


def made_up(edit: Edit = lambda run, log: None, origin: str = f"steward.proxmox/{LEDGER}") -> dict[str, Any]:
    """A bundle of one change, whose records and log entries were edited before anything was computed over them."""
    run = [
        frame(RUN, 1, "run_open", actor={"user": "alice"}),
        frame(RUN, 2, "intent", op_id="a1", plan={"summary": "stop qemu/101"}),
        frame(RUN, 3, "outcome", op_id="a1", status="ok"),
    ]
    log = [frame("log", 1, "open", run=RUN, at=1), frame("log", 2, "close", run=RUN, at=3)]
    edit(run, log)
    records, heads = [json.dumps(one) for one in run], []
    head = hashlib.sha256((RUN + run[0]["ledger_id"]).encode()).digest()
    for record in records:
        head = hashlib.sha256(b"\0" + head + hashlib.sha256(record.encode()).digest()).digest()
        heads.append(head.hex())
    bodies = [json.dumps({**entry, "head": heads[entry["at"] - 1]}) for entry in log]
    leaves = [merkle.leaf_hash(body.encode()) for body in bodies]
    paths = merkle.inclusion_paths(range(len(leaves)), len(leaves), leaves)
    return {
        "format": verify_proof.FORMAT,
        "checkpoint": Checkpoint(origin, len(leaves), merkle.peaks_of(leaves).root()).text([SIGNER]),
        "entries": [
            {"index": index, "body": body, "path": [encode(node) for node in paths[index]]}
            for index, body in enumerate(bodies)
        ],
        "chain": [
            {"run": RUN, "after": 0, "records": records[:1]},
            {"run": RUN, "after": 1, "records": records[1:]},
        ],
    }


def check(bundle: dict[str, Any], signer: Signer = SIGNER) -> verify_proof.Proven:
    return verify_proof.check(bundle, [signer.vkey])


def adopt(run: Frames, log: Frames) -> None:
    for record in run:
        record["ledger_id"] = OTHER_LEDGER
    for entry in log:
        entry.update(type="adopted", ledger=OTHER_LEDGER)


@pytest.mark.parametrize(
    "edit",
    [
        lambda run, log: None,
        adopt,
        lambda run, log: run[2].update(type="resolved", of=OF, op_id="not looked at"),
    ],
)
def test_what_is_made_as_it_should_be_is_proven(edit: Edit) -> None:
    assert check(made_up(edit)).opening["actor"] == {"user": "alice"}


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda run, log: run[1].update(seq=3), "record 2 of run .* says that it is another one"),
        (lambda run, log: run[1].update(run_id=OTHER_RUN), "record 2 of run .* says that it is another one"),
        (lambda run, log: run[1].update(ledger_id=OTHER_LEDGER), "are of another ledger"),
        (lambda run, log: [one.update(ledger_id=OTHER_LEDGER) for one in run], "are of another ledger"),
        (lambda run, log: log[0].update(seq=2), "entry 0 of the log says that it is another one"),
        (lambda run, log: log[1].update(ledger_id=OTHER_LEDGER), "entry 1 of the log says that it is another one"),
        (lambda run, log: log[1].update(run_id=RUN), "entry 1 of the log says that it is another one"),
        (lambda run, log: run[2].update(op_id="a2"), "do not belong to the change"),
        (lambda run, log: run[2].update(type="resolved", of={**OF, "op": "a2"}), "do not belong to the change"),
        (lambda run, log: run[2].update(type="resolved", of={**OF, "run": OTHER_RUN}), "do not belong to the change"),
        (lambda run, log: run[2].update(type="note"), "do not belong to the change"),
        (lambda run, log: run[2].update(type="intent"), "do not belong to the change"),
        (lambda run, log: run.append(frame(RUN, 4, "outcome", op_id="a1")) or log[1].update(at=4), "do not belong"),
        (lambda run, log: run[0].update(type="plan"), "do not belong to the change"),
        (lambda run, log: run[1].update(type="outcome") or run[2].update(type="note"), "it is malformed"),
    ],
)
def test_what_says_something_else_is_not(edit: Edit, why: str) -> None:
    with pytest.raises(verify_proof.NotProven, match=why):
        check(made_up(edit))


def test_who_made_the_run_must_be_shown() -> None:
    bundle = made_up()
    (opening,) = bundle["chain"][0]["records"]
    bundle["chain"] = [bundle["chain"][1]]
    with pytest.raises(verify_proof.NotProven, match="it does not show who made the run"):
        check(bundle)
    bundle["chain"].insert(0, {"run": RUN, "after": 0, "records": [encode(hashlib.sha256(opening.encode()).digest())]})
    with pytest.raises(verify_proof.NotProven):
        check(bundle)


def test_a_key_that_appears_twice_is_not_believed() -> None:
    def twice(run: Frames, _log: Frames) -> None:
        run[1]["plan"] = {"summary": "stop qemu/101", "SUMMARY": "start qemu/101"}

    bundle = made_up(twice)
    assert check(bundle)
    text = json.dumps(bundle["chain"]).replace("SUMMARY", "summary")
    assert text.count("summary") == 2
    with pytest.raises(ValueError, match="a key appears twice"):
        verify_proof._json(bundle["chain"][1]["records"][0].replace("SUMMARY", "summary").encode())


def test_the_log_must_be_one_of_a_ledger() -> None:
    with pytest.raises(verify_proof.NotProven, match="its checkpoint is not one of a ledger"):
        check(made_up(origin="example.com/log"))
    with pytest.raises(verify_proof.NotProven, match="entry 0 of the log says that it is another one"):
        check(made_up(origin=f"steward.proxmox/{OTHER_LEDGER}"))


def test_a_key_of_the_same_name_is_another_key() -> None:
    with pytest.raises(verify_proof.NotProven, match="bears no signature of a key that is trusted"):
        check(made_up(), Signer("steward", Ed25519PrivateKey.generate()))


def test_a_signature_of_the_trusted_key_must_be_right() -> None:
    bundle = made_up()
    line = bundle["checkpoint"].splitlines()[-1]
    wrong = encode(SIGNER.key.id + bytes(64))
    bundle["checkpoint"] = bundle["checkpoint"].replace(line, f"— steward {wrong}")
    with pytest.raises(verify_proof.NotProven, match="the signature of its checkpoint is wrong"):
        check(bundle)


@pytest.mark.parametrize(
    "vkey",
    [
        "steward",
        "steward+00000000+" + SIGNER.vkey.split("+", 2)[2],
        SIGNER.vkey.replace("steward", "stewarx"),
        SIGNER.vkey[:-4],
        f"steward+{hashlib.sha256(NAMED + TYPE_TWO).hexdigest()[:8]}+{encode(TYPE_TWO)}",
    ],
    # the keys are others in each process of pytest-xdist, and would be in the names of the tests
    ids=["no key", "another id", "another name", "cut off", "another type"],
)
def test_what_is_no_public_key_is_said_to_be_none(vkey: str) -> None:
    with pytest.raises(verify_proof.CannotVerify, match=r"this is no (public|Ed25519) key"):
        verify_proof.check(made_up(), [vkey])


def test_a_path_has_the_length_that_the_place_of_its_leaf_asks_for() -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(8)]
    path = [encode(node) for node in merkle.inclusion_paths([0], 8, leaves)[0]]
    assert verify_proof._root(leaves[0], 0, 8, path) == merkle.peaks_of(leaves).root()
    for index, size, why in ((0, 9, "too short"), (0, 4, "too long"), (8, 8, "no place 8"), (-1, 8, "no place -1")):
        with pytest.raises(ValueError, match=why):
            verify_proof._root(leaves[0], index, size, path)


def test_base64_has_one_form() -> None:
    assert verify_proof._bytes("AA==", 1) == b"\0"
    for other in ("AB==", "AA=", "AA", "A A==", "AA==\n", "QUE="):
        with pytest.raises(ValueError, match=r"base64|padding|Only"):
            verify_proof._bytes(other, 1)


def test_hostile_texts_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    bundle = made_up(lambda run, log: run[1]["plan"].update(summary="\x1b[2Jstop\u202eqemu"))
    place = tmp_path / "proof"
    place.write_text(json.dumps(bundle))
    assert verify_proof.main([str(place), "--public-key", SIGNER.vkey]) == 0
    shown = capsys.readouterr().out
    assert "stop?qemu" in shown
    assert shown.isascii()
    for hostile in ("[" * 100_000, '{"format": 1e999', "[]", "null", "7", '{"format": "steward.proxmox proof v1"}'):
        place.write_text(hostile)
        assert verify_proof.main([str(place), "--public-key", SIGNER.vkey]) in (1, 3)
