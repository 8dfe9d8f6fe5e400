# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof that a log has only grown since somebody kept a checkpoint, and what passes for none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import log, merkle, verify_proof
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint, Signer
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.proof import Unproven, prove_growth
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.strict_base64 import encode
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.ledger.scribe import Scribe
from tests.unit.ledger.test_proof import script

SIGNER = Signer("steward", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    """A ledger whose log has 5 entries."""
    scribe = Scribe(tmp_path / "ledger", SIGNER)
    grow(scribe, 5)
    return scribe


def grow(scribe: Scribe, entries: int, text: str = "one more") -> None:
    for _unused in range(entries):
        scribe.enter("note", text=text)


def another_history(scribe: Scribe, entries: int, folder: Path) -> Scribe:
    """The same ledger, written anew by somebody who holds its key."""
    folder.mkdir()
    shutil.copy(scribe.store.path / "ledger_id", folder)
    (folder / "runs").mkdir()
    (folder / "log.jsonl").touch()
    forged = Scribe(folder, SIGNER)
    grow(forged, entries, "never happened")
    assert forged.store.ledger_id == scribe.store.ledger_id
    return forged


def forged_path(forged: Scribe, old: int, size: int) -> list[str]:
    return [encode(node) for node in merkle.consistency_path(old, size, log.leaves(forged.source))]


@pytest.mark.parametrize("entries", [0, 1, 3, 4, 11, 12])
def test_a_log_that_has_grown_is_proven(scribe: Scribe, entries: int) -> None:
    kept = "".join(scribe.notes)
    grow(scribe, entries)
    bundle = json.loads(json.dumps(prove_growth(scribe.source, kept, SIGNER.vkey)))
    assert bundle["older"] == scribe.notes[4]
    shown = verify_proof.check_growth(bundle, [SIGNER.vkey], kept)
    assert (shown.ledger_id, shown.older_size, shown.size) == (scribe.store.ledger_id, 5, 5 + entries)
    assert shown.signer == ("steward" if entries else ""), "the kept one needs no signature"


def test_nothing_but_hashes_is_in_it(scribe: Scribe) -> None:
    grow(scribe, 3)
    bundle = prove_growth(scribe.source, scribe.notes[2])
    assert set(bundle) == {"format", "checkpoint", "older", "consistency"}
    assert all(len(node) == 44 for node in bundle["consistency"])


def test_unsigned_checkpoints_are_proven_to_who_kept_both(tmp_path: Path) -> None:
    scribe = Scribe(tmp_path / "ledger")
    grow(scribe, 6)
    bundle = prove_growth(scribe.source, scribe.notes[2])
    both = scribe.notes[5] + scribe.notes[2]
    assert verify_proof.check_growth(bundle, seen=both).older_size == 3
    with pytest.raises(verify_proof.NotProven, match="no signature of a key that is trusted"):
        verify_proof.check_growth(bundle, seen=scribe.notes[2])


def test_the_newest_checkpoint_that_a_key_signed_is_taken(tmp_path: Path) -> None:
    scribe, new = Scribe(tmp_path / "ledger", SIGNER), Signer("new", Ed25519PrivateKey.generate())
    grow(scribe, 4)
    scribe.enter("note", signers=(new,))
    scribe.enter("note", signers=())
    kept = scribe.notes[1]
    sizes = {key: prove_growth(scribe.source, kept, key)["checkpoint"].split("\n")[1] for key in ("", SIGNER.vkey)}
    assert sizes == {"": "5", SIGNER.vkey: "4"}, "signed ones come first"
    with pytest.raises(Unproven, match=r"newest checkpoint that steward signed of .* has 4 entries, .* kept has 5"):
        prove_growth(scribe.source, scribe.notes[4], SIGNER.vkey)


def test_what_was_kept_must_be_of_this_ledger(scribe: Scribe, tmp_path: Path) -> None:
    other = Scribe(tmp_path / "other", SIGNER)
    grow(other, 2)
    for kept in (
        "no note at all",
        other.notes[1],
        Checkpoint(f"steward.proxmox/{scribe.store.ledger_id}", 0, merkle.EMPTY).text(),
    ):
        with pytest.raises(Unproven, match=r"no checkpoint of the ledger .* in what was kept"):
            prove_growth(scribe.source, kept)


def test_a_log_that_was_cut_off_or_written_anew_gives_no_proof(scribe: Scribe, tmp_path: Path) -> None:
    for entries, why in (
        (9, "the first 5 entries of its log are not those"),
        (4, "its log has fewer than the 5 entries"),
    ):
        forged = another_history(scribe, entries, tmp_path / f"forged{entries}")
        with pytest.raises(
            Refused, match=f"The ledger is not what was written: {why} that the checkpoint that was kept"
        ):
            prove_growth(forged.source, scribe.notes[4])
    file = scribe.store.path / "log.jsonl"
    file.write_bytes(file.read_bytes().replace(b"one more", b"one less"))
    with pytest.raises(Refused, match="not those that the checkpoint that was kept has seen"):
        prove_growth(scribe.source, scribe.notes[4])


def test_the_checkpoints_of_the_ledger_must_fit_its_log_too(scribe: Scribe) -> None:
    file = scribe.store.path / "log.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    for cut_off, why in ((lines[:4], "fewer than"), ([*lines[:4], lines[4].replace(b"more", b"less")], "not those")):
        file.write_bytes(b"".join(cut_off))
        with pytest.raises(Refused, match=f"{why}.* that its own newest checkpoint has seen"):
            prove_growth(scribe.source, scribe.notes[1])


def test_whoever_holds_the_key_and_writes_the_log_anew_proves_nothing(scribe: Scribe, tmp_path: Path) -> None:
    kept, forged = scribe.notes[4], another_history(scribe, 9, tmp_path / "forged")
    bundle = prove_growth(forged.source, forged.notes[4])
    assert verify_proof.check_growth(bundle, [SIGNER.vkey], forged.notes[4]).size == 9, (
        "it holds for who kept another one"
    )
    for wrong, why in (
        (bundle, "goes on from another checkpoint than those that were kept"),
        ({**bundle, "older": kept}, "does not begin with the 5 entries of the checkpoint that was kept"),
        ({**bundle, "older": kept, "consistency": []}, "it is malformed"),
        (
            {**bundle, "older": kept, "checkpoint": forged.notes[4], "consistency": []},
            "does not begin with the 5 entries",
        ),
        # rolled back: the log that was signed last is shorter than what was kept
        (
            {**bundle, "older": kept, "checkpoint": scribe.notes[2], "consistency": []},
            "does not begin with the 5 entries",
        ),
    ):
        with pytest.raises(verify_proof.NotProven, match=why):
            verify_proof.check_growth(wrong, [SIGNER.vkey], kept)


def test_it_goes_on_from_the_newest_that_was_kept(scribe: Scribe) -> None:
    """Else a log that was written anew after an older one would do."""
    forks = [Checkpoint.parse(scribe.notes[place])[0]._replace(root=bytes(32)).text() for place in (1, 4)]
    grow(scribe, 4)
    bundle = prove_growth(scribe.source, scribe.notes[1])
    for seen in (scribe.notes[4], *forks):
        with pytest.raises(verify_proof.NotProven, match="does not go on from the newest checkpoint that was kept"):
            verify_proof.check_growth(bundle, [SIGNER.vkey], scribe.notes[1] + seen)
    assert verify_proof.check_growth(bundle, [SIGNER.vkey], scribe.notes[0] + scribe.notes[1]).older_size == 2


def test_no_part_of_it_can_be_another_one(scribe: Scribe) -> None:
    grow(scribe, 8)
    kept = scribe.notes[4]
    bundle = prove_growth(scribe.source, kept)
    path: list[Any] = bundle["consistency"]
    edited = [
        [*path[:place], other, *path[place + 1 :]] for place in range(len(path)) for other in (path[0][::-1], "", 7)
    ]
    variants: dict[str, list[Any]] = {
        "consistency": [*edited, path[1:], path[:-1], [*path, path[0]], path[::-1], "", {}],
        "checkpoint": [*scribe.notes[:-1], bundle["checkpoint"][:-9], ""],
        "older": [*scribe.notes[:4], *scribe.notes[5:], ""],
    }
    wrong = [{**bundle, name: value} for name, values in variants.items() for value in (*values, None)]
    wrong += [{other: bundle[other] for other in bundle if other != name} for name in variants]
    for one in wrong:
        with pytest.raises(verify_proof.NotProven):
            verify_proof.check_growth(one, [SIGNER.vkey], kept)
    assert len(wrong) > 40
    for other in (verify_proof.FORMAT, None):
        with pytest.raises(verify_proof.CannotVerify):
            verify_proof.check_growth({**bundle, "format": other}, [SIGNER.vkey], kept)


def test_an_empty_checkpoint_ends_the_verifier_too(scribe: Scribe) -> None:
    empty = Checkpoint(f"steward.proxmox/{scribe.store.ledger_id}", 0, merkle.EMPTY).text()
    bundle = {**prove_growth(scribe.source, scribe.notes[4]), "older": empty}
    with pytest.raises(verify_proof.NotProven):
        verify_proof.check_growth(bundle, [SIGNER.vkey], empty)


def test_what_only_looks_like_a_checkpoint_in_the_output_of_a_job_does_no_harm(scribe: Scribe) -> None:
    kept = scribe.notes[4]
    root = kept.split("\n")[2]
    twin = chr(ord(root[-2]) + 1) + "="  # the same bytes, in another form
    bundle = prove_growth(scribe.source, kept)
    assert verify_proof.check_growth(bundle, [SIGNER.vkey], kept.replace(root, root[:-2] + twin) + kept)
    with pytest.raises(verify_proof.NotProven):
        verify_proof.check_growth(bundle, [SIGNER.vkey], kept.replace(root, root[:-2] + twin))


def test_the_script_proves_it(scribe: Scribe, tmp_path: Path) -> None:
    kept, growth = tmp_path / "job.log", tmp_path / "growth.json"
    kept.write_text('ok: [localhost] => {"checkpoint": ' + json.dumps(scribe.notes[4]) + "}\n")
    grow(scribe, 4)
    bundle = prove_growth(scribe.source, scribe.notes[4])
    growth.write_text(json.dumps(bundle))
    shown = script(growth, "--public-key", SIGNER.vkey, "--checkpoint", kept)
    assert (shown.returncode, shown.stderr) == (0, "")
    first, grown, where, limits = shown.stdout.splitlines()
    assert first == "PROVEN"
    assert grown == "grown:    the log begins with the 5 entries of the checkpoint that was kept"
    assert where == f"in:       the log of ledger {scribe.store.ledger_id}, 9 entries, signed by steward"
    assert limits.startswith("Not proven by this: ")
    as_json = script(growth, "--public-key", SIGNER.vkey, "--checkpoint", kept, "--json").stdout
    assert json.loads(as_json)["older_size"] == 5
    for arguments in (["--public-key", SIGNER.vkey], ["--checkpoint", kept]):
        assert script(growth, *arguments).returncode == 1
    growth.write_text(json.dumps({**bundle, "consistency": bundle["consistency"][::-1]}))
    forged = script(growth, "--public-key", SIGNER.vkey, "--checkpoint", kept)
    assert (forged.returncode, forged.stdout.split(":")[0]) == (1, "NOT PROVEN")
