# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ed25519 signatures of a plan file, with keys of OpenSSH or PEM."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._plan import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# cryptography comes with ansible-core. It is imported where it is needed: most runs sign and verify nothing.

#: what is signed begins with it, so that a signature of anything else is none of a plan
_CONTEXT = b"steward.proxmox plan v1\n"


def sign(document: Mapping[str, Any], key: Ed25519PrivateKey, signer: str) -> dict[str, str]:
    """The signature of all of a file but its signatures. The same key always gives the same."""
    signature = key.sign(_message(document))
    return {
        "signer": signer,
        "public_key": _written(key.public_key()),
        "signature": base64.b64encode(signature).decode(),
    }


def verify(document: Mapping[str, Any]) -> list[str]:
    """The public keys that signed the file. Raises ValueError where one of the signatures does not fit."""
    if not document["signatures"]:
        return []
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    message, found = _message(document), []
    for row in document["signatures"]:
        try:
            key = serialization.load_ssh_public_key(row["public_key"].encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("not an Ed25519 key")
            key.verify(base64.b64decode(row["signature"], validate=True), message)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            raise ValueError(f"the signature of {row['signer']!r} does not fit") from None
        found.append(_written(key))
    return found


def private_key(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    """The key in a file. Raises BadInput."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = passphrase.encode() if passphrase else None
    try:
        content = path.read_bytes()
        openssh = b"OPENSSH PRIVATE KEY" in content
        load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
        key = load(content, secret)
    except OSError as error:
        raise BadInput(f"key: {path} cannot be read: {error.strerror}") from None
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(f"key: {path} cannot be used: {error}", "Is the passphrase right?" if secret else "") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(f"key: {path} is not an Ed25519 key", "Make one with ssh-keygen -t ed25519")
    return key


def fingerprint(public_key: str) -> str:
    """As ssh-keygen -l shows it."""
    digest = hashlib.sha256(base64.b64decode(public_key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _written(key: Ed25519PublicKey) -> str:
    """As OpenSSH writes it."""
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _message(document: Mapping[str, Any]) -> bytes:
    return _CONTEXT + canonical({key: value for key, value in document.items() if key != "signatures"})
