# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checkpoints as signed notes: the published example of the format, hostile notes, and notes in the logs of jobs."""

import json
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys, note
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint, Key, Signer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

# the example in the documentation of golang.org/x/mod/sumdb/note, where the format comes from
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

LEDGER = "0123456789abcdef" * 2
ROOT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
UNSIGNED = f"steward.proxmox/{LEDGER}\n17\n{ROOT}\n\n"
CHECKPOINT = Checkpoint(note.origin_of(LEDGER), 17, bytes(range(32)))


def signer(name: str = "steward.proxmox/test", seed: int = 1) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


SIGNED = CHECKPOINT.text([signer()])


def test_a_signature_is_that_of_the_published_example(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SKEY}\n")
    (tmp_path / "key").chmod(0o600)
    found = keys.load(tmp_path / "key")
    assert (found.vkey, found.sign(TEXT).line) == (VKEY, SIGNATURE)
    assert Key.parse(VKEY).vkey == VKEY


def test_a_checkpoint_reads_as_it_is_written() -> None:
    assert CHECKPOINT.text() == UNSIGNED
    assert Checkpoint.parse(UNSIGNED) == (CHECKPOINT, [])
    found, (signature,) = Checkpoint.parse(SIGNED)
    assert found == CHECKPOINT
    assert UNSIGNED + signature.line == SIGNED


@given(st.integers(0, 10**16 - 1), st.binary(min_size=32, max_size=32), st.lists(st.integers(0, 9), unique=True))
def test_every_checkpoint_survives_and_every_signer_is_found(size: int, root: bytes, seeds: list[int]) -> None:
    signers = [signer(f"key{seed}", seed) for seed in seeds]
    text = Checkpoint(note.origin_of(LEDGER), size, root).text(signers)
    assert Checkpoint.parse(text)[0] == (note.origin_of(LEDGER), size, root)
    assert all(note.verify(text, one.vkey) for one in signers)
    assert not note.verify(text, signer("another", 77).vkey)
    assert list(note.find(text)) == [text]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n17\n", "\n18\n"),
        ("\nAAECAw", "\nAQECAw"),
        (LEDGER, "f" * 32),
    ],
)
def test_what_is_changed_was_not_signed(old: str, new: str) -> None:
    assert note.verify(SIGNED, signer().vkey)
    assert not note.verify(SIGNED.replace(old, new), signer().vkey)


def test_another_key_of_the_same_name_did_not_sign_it() -> None:
    assert not note.verify(SIGNED, signer(seed=2).vkey)


def test_the_same_key_by_another_name_did_not_sign_it() -> None:
    assert not note.verify(SIGNED, signer("another/name").vkey)
    renamed = SIGNED.replace("— steward.proxmox/test", "— another/name")
    assert not any(note.verify(renamed, vkey) for vkey in (signer().vkey, signer("another/name").vkey))


def test_lines_of_unknown_keys_are_left_alone() -> None:
    witness = "— witness.example/w " + "AAAAAAAA" * 9 + "\n"
    assert note.verify(SIGNED + witness, signer().vkey)
    assert not note.verify(UNSIGNED + witness, signer().vkey)


def test_a_wrong_signature_under_a_known_key_spoils_the_note() -> None:
    other = Checkpoint(CHECKPOINT.origin, 18, CHECKPOINT.root).text([signer()])
    assert not note.verify(SIGNED + other.partition("\n\n")[2], signer().vkey)


@pytest.mark.parametrize(
    "text",
    [
        "",
        UNSIGNED[:-1],  # no empty line
        SIGNED[:-1],  # the last line is cut off
        SIGNED.replace("\n17\n", "\n017\n"),
        SIGNED.replace("\n17\n", "\n+17\n"),
        SIGNED.replace("\n17\n", "\n-1\n"),
        SIGNED.replace("\n17\n", "\n\uff11\uff17\n"),  # digits, but not of ASCII
        SIGNED.replace("\n17\n", "\n" + "9" * 5000 + "\n"),
        SIGNED.replace("\n17\n", "\n17\n\n"),
        SIGNED.replace("\n\n", "\nan extension\n\n"),
        SIGNED.replace("Hh8=\n", "Hh9=\n"),  # bits that the value does not have
        SIGNED.replace("Hh8=\n", "Hh8\n"),
        SIGNED.replace("Hh8=\n", "Hh8=\r\n"),
        SIGNED.replace(ROOT, ROOT[4:]),
        SIGNED.replace("steward.proxmox/0", "\n0"),
        SIGNED.replace("steward.proxmox/0", "steward\t.proxmox/0"),
        SIGNED.replace(f"steward.proxmox/{LEDGER}", ""),
        SIGNED.replace("— steward", "- steward"),
        SIGNED.replace("— steward", "—  steward"),
        SIGNED.replace("— steward", "— ste+ward"),
        SIGNED + "— key AAAA\n",  # the id of a key, and no signature
        SIGNED + "— key AAAAAAB=\n",
        SIGNED + "\n",
        SIGNED + SIGNED,
        UNSIGNED + SIGNED.partition("\n\n")[2] * 1000,
    ],
)
def test_a_malformed_note_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        Checkpoint.parse(text)
    with pytest.raises(ValueError):
        note.verify(text, signer().vkey)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+c74f20a3",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("c74f20a3", "C74F20A3"),
        VKEY.replace("Peter", "Paul"),
        VKEY.replace("Peter", "Peter "),
        VKEY.replace("ARpc", "Axpc"),  # another type of key
        VKEY + "AAAA",
        VKEY[:-1] + "X",
        SKEY,
    ],
)
def test_what_is_no_public_key_is_refused(vkey: str) -> None:
    with pytest.raises(ValueError):
        Key.parse(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b"])
def test_a_name_that_would_not_survive_a_note_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        signer(name)


TWICE = CHECKPOINT.text([signer(), signer("second", 2)])


@pytest.mark.parametrize("text", [UNSIGNED, SIGNED, TWICE])
@pytest.mark.parametrize(
    "logged",
    [
        pytest.param(lambda text: text, id="as it is"),
        pytest.param(lambda text: text.rstrip("\n"), id="at the end of the log"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="a terminal"),
        pytest.param(
            lambda text: "".join(f"2026-11-21T12:45:00.1234567Z {line}\n" for line in text.split("\n")[:-1]),
            id="stamps",
        ),
        pytest.param(lambda text: json.dumps({"stdout": text, "counter": 7}), id="a job event"),
        pytest.param(lambda text: json.dumps(text, ensure_ascii=False), id="JSON in UTF-8"),
        pytest.param(lambda text: json.dumps(text.replace("\n", "\r\n")), id="a terminal in JSON"),
        pytest.param(lambda text: "Nov 21 host rsyslogd: " + text.replace("\n", "#012"), id="rsyslog"),
    ],
)
def test_a_note_is_found_in_the_log_of_a_job(text: str, logged: object) -> None:
    assert callable(logged)
    job = f"TASK [a] ***\nchanged: [web]\n{logged(text)}\nPLAY RECAP ***\n"
    assert list(note.find(job)) == [text]


def test_all_notes_are_found_and_what_is_none_is_not() -> None:
    later = Checkpoint(CHECKPOINT.origin, 18, CHECKPOINT.root).text()
    nearly = (
        SIGNED.replace("\n17\n", "\n017\n") + SIGNED.replace("Hh8=\n", "Hh9=\n") + f"steward.proxmox/{LEDGER}\n17\n"
    )
    assert list(note.find(nearly + SIGNED + UNSIGNED + nearly + later)) == [SIGNED, UNSIGNED, later]


def test_a_hostile_log_takes_no_time() -> None:
    begun = f"steward.proxmox/{LEDGER}\n1"
    assert list(note.find(begun * 20_000 + " " * 200_000 + f"{begun}\n" * 20_000)) == []
