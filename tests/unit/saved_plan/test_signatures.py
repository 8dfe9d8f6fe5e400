# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan is signed with keys as people have them; a signature that does not fit is never overlooked."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import signatures
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .conftest import Folder, change, real

ALICE, MALLORY = Ed25519PrivateKey.from_private_bytes(b"a" * 32), Ed25519PrivateKey.from_private_bytes(b"m" * 32)


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


#: a policy that asks for a signature by alice
ASKED = {"signature": "required", "signers": {"alice": public(ALICE)}}


def signed(folder: Folder, *keys: Ed25519PrivateKey) -> None:
    document = folder.write(change(200))
    folder.put({**document, "signatures": [signatures.sign(document, key, "whoever") for key in keys]})


def test_a_signature_of_a_listed_key_opens_the_gate_under_the_name_of_the_policy(folder: Folder) -> None:
    signed(folder, MALLORY, ALICE)
    permit = folder.load(**ASKED).allow(real(change(200)), {"token": "t", "ledger": ""}, folder.uses)
    assert permit["signers"] == ["alice"]


def test_without_one_nothing_is_carried_out(folder: Folder) -> None:
    folder.write(change(200))
    with pytest.raises(
        Refused, match=r"must be signed by alice \(signature of the policy\), and it is signed by nobody"
    ):
        folder.load(**ASKED)


def test_another_key_is_no_signature_whatever_name_it_gives_itself(folder: Folder) -> None:
    document = folder.write(change(200))
    folder.put({**document, "signatures": [signatures.sign(document, MALLORY, "alice")]})
    with pytest.raises(Refused, match=rf"signed only by {signatures.fingerprint(public(MALLORY))[:20]}"):
        folder.load(**ASKED)


def test_nobody_who_could_sign_is_not_everybody(folder: Folder) -> None:
    signed(folder, ALICE)
    with pytest.raises(Refused, match="must be signed by somebody whom the policy names"):
        folder.load(signature="required")


def test_where_none_is_asked_for_one_that_fits_is_told(folder: Folder) -> None:
    signed(folder, ALICE)
    assert folder.load(signers=ASKED["signers"]).signers == ("alice",)
    assert folder.load().signers == ()


CHANGED: dict[str, Any] = {
    "id": "0" * 32,
    "expires": "2099-01-01T00:00:00Z",
    "failed_hosts": ["x"],
    "totals": {},
    "something": "new",
}


@pytest.mark.parametrize("key", CHANGED)
def test_what_is_changed_after_signing_is_refused_also_where_no_signature_is_asked_for(
    folder: Folder, key: str
) -> None:
    document = folder.write(change(200))
    folder.put({**document, key: CHANGED[key], "signatures": [signatures.sign(document, ALICE, "alice")]})
    with pytest.raises(Refused, match="was changed after it was signed: the signature of 'alice' does not fit"):
        folder.load()


@pytest.mark.parametrize(
    "broken",
    [
        {"signature": base64.b64encode(b"x" * 64).decode()},
        {"signature": "not base64!"},
        {"signature": ""},
        {"public_key": "ssh-ed25519 AAAA"},
        {"public_key": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="},
        {"public_key": ""},
    ],
)
def test_one_bad_signature_beside_a_good_one_is_refused(folder: Folder, broken: dict[str, str]) -> None:
    document = folder.write(change(200))
    good = signatures.sign(document, ALICE, "alice")
    folder.put({**document, "signatures": [good, {**good, "signer": "bob", **broken}]})
    with pytest.raises(Refused, match="the signature of 'bob' does not fit"):
        folder.load(**ASKED)


def test_a_signature_of_something_else_is_none_of_a_plan(folder: Folder) -> None:
    document = folder.write(change(200))
    bare = signatures._message(document).removeprefix(signatures._CONTEXT)
    forged = {**signatures.sign(document, ALICE, "alice"), "signature": base64.b64encode(ALICE.sign(bare)).decode()}
    with pytest.raises(ValueError, match="does not fit"):
        signatures.verify({**document, "signatures": [forged]})


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no OpenSSH here")
def test_keys_of_ssh_keygen_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", path], check=True)
    key = signatures.private_key(path, None)
    kind, text, *_comment = path.with_suffix(".pub").read_text().split()
    assert public(key) == f"{kind} {text}"
    listed = subprocess.run(["ssh-keygen", "-l", "-f", path], check=True, capture_output=True, text=True).stdout
    assert signatures.fingerprint(public(key)) == listed.split()[1]


def pem(key: Ed25519PrivateKey | None = None, passphrase: str = "") -> bytes:
    hidden = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    some = key or generate_private_key(SECP256R1())
    return some.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def test_keys_of_openssl_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(ALICE, "open sesame"))
    assert public(signatures.private_key(path, "open sesame")) == public(ALICE)


@pytest.mark.parametrize(
    ("content", "passphrase", "said"),
    [
        (pem(ALICE, "open sesame"), "wrong", "Is the passphrase right?"),
        (pem(ALICE, "open sesame"), None, "cannot be used"),
        (pem(), None, "is not an Ed25519 key"),
        (b"", None, "cannot be used"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", None, "cannot be used"),
        (None, None, "No such file"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes | None, passphrase: str | None, said: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput) as found:
        signatures.private_key(path, passphrase)
    assert said in str(found.value)
    assert "sesame" not in str(found.value)
