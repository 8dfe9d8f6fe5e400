# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of one change: what it shows, what it hides, and that nothing in it can be exchanged."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify_proof
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.changes import Change, changes
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Signer
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.proof import Prover, Unproven
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.ledger.scribe import Scribe

SCRIPT = Path(verify_proof.__file__)
MARKS = ("secret-one", "secret-two", "secret-three")


@pytest.fixture
def signer() -> Signer:
    return Signer("steward", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
def scribe(tmp_path: Path, signer: Signer) -> Scribe:
    return Scribe(tmp_path / "ledger", signer)


@pytest.fixture
def proven(scribe: Scribe) -> Callable[..., dict[str, Any]]:
    """A change in the middle of other ones, and its bundle."""

    def make(**options: Any) -> dict[str, Any]:
        wanted = story(scribe)
        return prove(scribe, wanted, **options)

    return make


def story(scribe: Scribe) -> str:
    """Three runs with several changes each; the id of one change in the second."""
    wanted = ""
    for number, mark in enumerate(MARKS):
        run = scribe.run(user=f"user{number}")
        ops = [run.change(101 + place, summary=f"{mark} {place}") for place in range(5)]
        run.checkpoint()
        ops += [run.change(201 + place, summary=f"{mark} {place}") for place in range(5)]
        run.close()
        wanted = ops[6] if number == 1 else wanted
    return wanted


def found(scribe: Scribe, op: str) -> Change:
    (change,) = changes(scribe.source, {"op": op})
    return change


def prove(scribe: Scribe, op: str, **options: Any) -> dict[str, Any]:
    change = found(scribe, op)
    return Prover(scribe.source, {record.run for record in change.records}, **options).prove(change.records)


def test_the_public_key_alone_proves_it(scribe: Scribe, proven: Callable[..., dict[str, Any]], signer: Signer) -> None:
    bundle = json.loads(json.dumps(proven()))
    shown = verify_proof.check(bundle, [signer.vkey])
    assert shown.opening["actor"]["user"] == "user1"
    assert shown.intent["plan"]["summary"] == "secret-two 1"
    assert shown.outcome is not None
    assert shown.outcome["upids"]
    assert (shown.ledger_id, shown.size, shown.signer) == (scribe.store.ledger_id, 9, "steward")


def test_nothing_of_other_changes_is_in_it(proven: Callable[..., dict[str, Any]]) -> None:
    text = json.dumps(proven())
    assert text.count("secret") == 1
    assert not any(f"user{number}" in text for number in (0, 2))


def test_a_change_over_several_checkpoints_is_one_proof(scribe: Scribe, signer: Signer) -> None:
    run = scribe.run()
    op = run.intend(101)
    run.checkpoint()
    other = run.change(102)
    run.checkpoint()
    run.tell(op)
    run.close()
    bundle = prove(scribe, op)
    shown = verify_proof.check(bundle, [signer.vkey])
    assert shown.outcome is not None
    assert other not in json.dumps(bundle)
    assert [span["after"] for span in bundle["chain"]] == [0, 1, 4]


def test_what_a_later_run_found_out_is_proven_with_it(scribe: Scribe, signer: Signer) -> None:
    killed = scribe.run(user="alice")
    op = killed.intend(101)
    killed.checkpoint()
    later = scribe.run(user="bob")
    later.add("resolved", of={"run": killed.id, "op": op}, status="ok", upid="UPID:x:", why="its task ended with OK")
    later.close()
    shown = verify_proof.check(prove(scribe, op), [signer.vkey])
    assert shown.outcome is None
    assert shown.resolved is not None
    assert shown.resolved["run_id"] == later.id
    assert "resolved: ok" in "\n".join(verify_proof.describe(shown))


def test_a_run_of_an_adopted_ledger_is_proven_by_the_entry_that_adopted_it(tmp_path: Path, signer: Signer) -> None:
    spool, scribe = Scribe(tmp_path / "spool", signer), Scribe(tmp_path / "ledger", signer)
    run = spool.run()
    op = run.change(101)
    run.close()
    lines, began = list(spool.source.lines(run.id)), spool.source.began(run.id)
    scribe.store.adopt(run.id, began, lines)
    scribe.enter("adopted", ledger=spool.store.ledger_id, run=run.id, at=run.last.seq, head=run.last.head)
    bundle = prove(scribe, op)
    assert verify_proof.check(bundle, [signer.vkey]).ledger_id == scribe.store.ledger_id
    lines[0] = lines[0].replace(b"alice", b"mallo")
    with pytest.raises(verify_proof.NotProven):
        verify_proof.check(replaced(bundle, ("chain", 0, "records", 0), lines[0][65:-1].decode()), [signer.vkey])


def test_what_the_log_does_not_hold_yet_has_no_proof(scribe: Scribe) -> None:
    run = scribe.run()
    op = run.change(101)
    with pytest.raises(Unproven, match=f"run {run.id} is open still"):
        prove(scribe, op)
    run.checkpoint()
    run.close()
    assert prove(scribe, op)
    with pytest.raises(Unproven, match="nobody signed since"):
        prove(scribe, op, seen=scribe.notes[0])


def test_without_a_checkpoint_there_is_no_proof(scribe: Scribe, proven: Callable[..., dict[str, Any]]) -> None:
    (scribe.store.path / "checkpoints").unlink(missing_ok=True)
    op = scribe.run().change(101)
    (scribe.store.path / "checkpoints").unlink()
    with pytest.raises(Unproven, match="There is no checkpoint of the ledger"):
        prove(scribe, op)
    other = Signer("other", Ed25519PrivateKey.generate())
    with pytest.raises(Unproven, match="no checkpoint that other signed"):
        proven(public_key=other.vkey)


def test_it_is_proven_against_the_checkpoint_that_somebody_wants(scribe: Scribe, tmp_path: Path) -> None:
    old, new = (Signer(name, Ed25519PrivateKey.generate()) for name in ("old", "new"))
    scribe = Scribe(tmp_path / "rotated", old)
    run = scribe.run()
    op = run.change(101)
    run.close()
    both = scribe.enter("key", vkey=new.vkey, replaces=old.vkey, signers=(old, new))
    scribe.enter("checkpoint", signers=(), run=run.id, at=run.last.seq, head=run.last.head)
    assert verify_proof.check(prove(scribe, op), [old.vkey]).size == 3, "unsigned ones come last"
    for key in (old, new):
        bundle = prove(scribe, op, public_key=key.vkey)
        assert bundle["checkpoint"] == both
        assert verify_proof.check(bundle, ["unknown+" + key.vkey.partition("+")[2], key.vkey][1:]).signer == key.name
    elsewhere = Scribe(tmp_path / "elsewhere", old)
    elsewhere.run().close()
    log_of_a_job = f"{elsewhere.notes[1]}ok: [web]\n{scribe.notes[1]}PLAY RECAP ***\n"
    bundle = prove(scribe, op, seen=log_of_a_job)
    assert bundle["checkpoint"] == scribe.notes[1]
    assert verify_proof.check(bundle, seen=log_of_a_job).signer == ""


def parts(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in a bundle, and where it is."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from parts(item, (*place, key))
    else:
        yield place, value


def replaced(bundle: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(bundle)
    *way, last = place
    holder: Any = changed
    for key in way:
        holder = holder[key]
    holder[last] = value
    return changed


def test_no_part_of_it_can_be_another_one(proven: Callable[..., dict[str, Any]], signer: Signer) -> None:
    bundle = proven()
    edited = 0
    for place, value in parts(bundle):
        for other in variants(value):
            with pytest.raises((verify_proof.NotProven, verify_proof.CannotVerify)):
                verify_proof.check(replaced(bundle, place, other), [signer.vkey])
            edited += 1
    assert edited > 100


def variants(value: Any) -> list[Any]:
    if isinstance(value, int):
        return [value + 1, value - 1, -value - 1, str(value), None]
    flipped = value[: len(value) // 2] + chr(ord(value[len(value) // 2]) ^ 1) + value[len(value) // 2 + 1 :]
    return [flipped, value[:-1], value + "A", "", None, 7, base64.b64encode(bytes(32)).decode()]


@pytest.mark.parametrize("place", [("entries",), ("chain",), ("chain", 0, "records"), ("entries", 0, "path")])
def test_nothing_can_be_left_out_added_or_reordered(
    proven: Callable[..., dict[str, Any]], signer: Signer, place: tuple[Any, ...]
) -> None:
    bundle = proven()
    holder: Any = bundle
    for key in place:
        holder = holder[key]
    forms = [holder[1:], holder[:-1], [], None]
    if len(place) > 1:  # entries and spans are looked up: their order says nothing
        forms += [holder[::-1], [*holder, holder[0]]]
    for form in forms:
        if form != holder:
            with pytest.raises(verify_proof.NotProven):
                verify_proof.check(replaced(bundle, place, form), [signer.vkey])


def test_the_outcome_of_another_change_is_not_believed(scribe: Scribe, signer: Signer) -> None:
    op = story(scribe)
    change, other = found(scribe, op), found(scribe, story(scribe))
    prover = Prover(scribe.source, {change.intent.run, other.intent.run})

    def verified(*records: Any) -> None:
        verify_proof.check(prover.prove(records), [signer.vkey])

    verified(change.opening, change.intent)
    for records in (
        (change.opening, change.intent, other.opening, other.outcome),
        (change.opening, change.intent, other.opening, other.intent),
        (change.opening, change.outcome),
        (change.intent,),
    ):
        with pytest.raises(Refused, match="not what was written"):
            verified(*records)


def test_a_ledger_that_was_changed_gives_no_proof(scribe: Scribe) -> None:
    op = story(scribe)
    run = found(scribe, op).intent.run
    file = Path(scribe.source.where(run))
    file.write_bytes(file.read_bytes().replace(b"secret-two 1", b"secret-two 9"))
    with pytest.raises(Refused, match="The ledger is not what was written"):
        prove(scribe, op)


def script(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_script_stands_alone(tmp_path: Path, proven: Callable[..., dict[str, Any]], signer: Signer) -> None:
    bundle, key = proven(), tmp_path / "key"
    proof = tmp_path / "proof.json"
    proof.write_text(json.dumps(bundle))
    key.write_text(f"{signer.vkey}\n")
    shown = script(proof, "--public-key", key)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "PROVEN" in shown.stdout
    assert "secret-two 1" in shown.stdout
    assert "signed by steward" in shown.stdout
    assert json.loads(script(proof, "--public-key", signer.vkey, "--json").stdout)["intent"]["host"] == "web"
    output = tmp_path / "job.log"
    lines = bundle["checkpoint"].splitlines()
    for log in ("\r\n".join(lines), "\n".join(f"12:00:01 | {line}" for line in lines), "\\n".join(["x", *lines, "x"])):
        output.write_text(log)
        assert "as it was seen elsewhere" in script(proof, "--checkpoint", output).stdout
    output.write_text("\n".join([lines[0], "1" + lines[1], *lines[2:]]))
    assert script(proof, "--checkpoint", output).returncode == 1
    proof.write_text(proof.read_text().replace("secret-two 1", "secret-two 2"))
    tampered = script(proof, "--public-key", key)
    assert (tampered.returncode, tampered.stdout[:10]) == (1, "NOT PROVEN")
    for arguments in ([tmp_path / "none", "--public-key", key], [proof, "--public-key", "x+y"], []):
        assert script(*arguments).returncode == 3
    assert script(proof).returncode == 1, "nobody is trusted"
