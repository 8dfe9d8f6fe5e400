# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints of the log: C2SP tlog-checkpoint, a signed note over the log's name, its size and its root.

    steward.proxmox/<ledger id>
    <size>
    <root in base64>

    — <name of the key> <base64 of key id and Ed25519 signature>

Lines of unknown keys are left alone, so that witnesses can add theirs. Without any, it is an unsigned tree head.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import strict_base64
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify as reader

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "steward.proxmox/"
ED25519 = b"\x01"  # the type of a signature, by C2SP
KEY_LENGTH = 32
ID_LENGTH = 4
MAX_NOTE = 1 << 16

_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_SIGNATURE = re.compile(r"— ([^\s+\x00-\x1f\x7f]+) ([A-Za-z0-9+/]+={0,2})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


class Signature(NamedTuple):
    name: str
    blob: bytes  # the key id, then the signature

    @property
    def line(self) -> str:
        return f"— {self.name} {self.base64}\n"

    @property
    def base64(self) -> str:
        return strict_base64.encode(self.blob)


class Key(NamedTuple):
    """A public key, and how it is written: ``<name>+<key id>+<base64>``."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:ID_LENGTH]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{strict_base64.encode(ED25519 + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> "Key":
        """Raises ValueError for what is no Ed25519 key of a note, or not the key whose id it carries."""
        name, key_id, encoded = [*vkey.split("+", 2), "", ""][:3]
        data = strict_base64.decode(encoded, 1 + KEY_LENGTH)
        key = cls(name, data[1:])
        if data[:1] != ED25519 or key.id.hex() != key_id or not is_name(name):
            raise ValueError(f"this is not an Ed25519 key of a signed note, or its id is wrong: {vkey[:200]!r}")
        return key


class Signer:
    """A private key with its name."""

    def __init__(self, name: str, private: "Ed25519PrivateKey") -> None:
        if not is_name(name):
            raise ValueError(f"this is no name of a key: {name[:80]!r}")
        self.name = name
        self._private = private
        self.key = Key(name, private.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        return self.key.vkey

    def sign(self, text: str) -> Signature:
        """What to add to a note with this text."""
        return Signature(self.name, self.key.id + self._private.sign(text.encode()))


class Checkpoint(NamedTuple):
    """The state of a log, and whose log it is."""

    origin: str
    size: int
    root: bytes

    @property
    def signed(self) -> str:
        """The text that signatures cover."""
        return f"{self.origin}\n{self.size}\n{strict_base64.encode(self.root)}\n"

    def text(self, signers: Iterable[Signer] = ()) -> str:
        """The note."""
        return self.signed + "\n" + "".join(signer.sign(self.signed).line for signer in signers)

    @classmethod
    def parse(cls, note: str) -> "tuple[Checkpoint, list[Signature]]":
        """Takes a note that holds nothing but a checkpoint; ValueError says what else it is."""
        head, blank, tail = note.partition("\n\n")
        lines = head.split("\n")
        if len(note) > MAX_NOTE or not blank or len(lines) != 3 or (tail and not tail.endswith("\n")):
            raise ValueError("a checkpoint is three lines, an empty one, and lines of signatures")
        origin, size, root = lines
        if not origin or not origin.isprintable() or not _NUMBER.fullmatch(size):
            raise ValueError(f"the name or the size of the log is malformed: {head[:200]!r}")
        signatures = [_signature(line) for line in tail.split("\n")[:-1]]
        return cls(origin, int(size), strict_base64.decode(root, 32)), signatures


def origin_of(ledger_id: str) -> str:
    """The name of a ledger's log."""
    return ORIGIN + ledger_id


def is_name(text: str) -> bool:
    """Whether a key can have this name: a note could not carry another one."""
    return bool(_NAME.fullmatch(text))


def succession(origin: str, vkey: str) -> str:
    """What a key signs to name its successor. It can never be taken for a checkpoint, which has a number there."""
    return f"{origin}\nsuccessor\n{vkey}\n"


def _signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    if not found:
        raise ValueError(f"this is not the line of a signature: {line[:200]!r}")
    blob = strict_base64.decode(found[2])
    if len(blob) <= ID_LENGTH:
        raise ValueError(f"this signature is too short: {line[:200]!r}")
    return Signature(found[1], blob)


def find(text: str) -> Iterator[str]:
    """Every checkpoint in any text: the log of a job, a witness's file. What is malformed is none."""
    for found in reader.notes([text]):
        try:
            Checkpoint.parse(found.text)
        except ValueError:
            continue
        yield found.text


def verify(note: str, vkey: str) -> bool:
    """Whether this key signed the note. A line that claims this key and is wrong spoils it. ValueError: no note."""
    checkpoint, signatures = Checkpoint.parse(note)
    key = Key.parse(vkey)
    claimed = [found.blob for found in signatures if found.name == key.name and found.blob[:ID_LENGTH] == key.id]
    return bool(claimed) and all(is_signed(checkpoint.signed, blob, key) for blob in claimed)


def is_signed(text: str, blob: bytes, key: Key) -> bool:
    """Whether this is what the key signs a text with."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(blob[ID_LENGTH:], text.encode())
    except InvalidSignature:
        return False
    return blob[:ID_LENGTH] == key.id
