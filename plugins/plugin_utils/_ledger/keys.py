# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing keys: those that the log names, and one line in a private file, as tools for C2SP signed notes write it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import (
    disk,
    log,
    note,
    secret_file,
    strict_base64,
)
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import ED25519, KEY_LENGTH, Key, Signer
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

if TYPE_CHECKING:
    from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.verify import Source

PRIVATE = "PRIVATE+KEY+"
_MAKE = "make one with the module steward.proxmox.ledger_key"


def make(path: Path, name: str) -> Signer:
    """Make a key. Raises LedgerError, also where there is a file already."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    signer = Signer(name, private)
    encoded = strict_base64.encode(ED25519 + private.private_bytes_raw())
    try:
        with disk.opened(path, disk.NEW | os.O_EXCL) as fd:
            disk.write(fd, 0, f"{PRIVATE}{name}+{signer.key.id.hex()}+{encoded}\n".encode(), durable=True)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise LedgerError(f"key: cannot make {path}: {error.strerror}") from error
    return signer


def load(path: Path) -> Signer:
    """Raises LedgerError where there is none, or others can read it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = secret_file.read("key", path, _MAKE).removesuffix("\n")
    try:
        name, key_id, encoded = text.removeprefix(PRIVATE).split("+", 2)
        data = strict_base64.decode(encoded, 1 + KEY_LENGTH)
        signer = Signer(name, Ed25519PrivateKey.from_private_bytes(data[1:]))
    except ValueError:  # its text might be quoted there
        signer = None
    if not signer or not text.startswith(PRIVATE) or data[:1] != ED25519 or signer.key.id.hex() != key_id:
        raise LedgerError(f"key: {path} does not hold the private key of a signed note; {_MAKE}")
    return signer


def make_successor(path: Path, name: str) -> Signer:
    """The key that shall follow the one in this file, beside it until the log names it."""
    return make(_new(path), name)


def interrupted(path: Path) -> Signer | None:
    """The successor that a rotation made which did not come to its end."""
    new = _new(path)
    return load(new) if os.path.lexists(new) else None


def succeed(path: Path) -> None:
    """The successor takes the place of its predecessor, which is gone then."""
    try:
        _new(path).replace(path)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise LedgerError(f"key: cannot put {_new(path)} in the place of {path}: {error.strerror}") from error


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


@dataclass
class Entered:
    """A key that the log names."""

    key: Key
    since: str
    replaces: str | None  # the vkey of its predecessor
    endorsed: bool  # by its predecessor: whoever trusts that one trusts this one, too
    until: str | None = None
    successor: str | None = None  # the first one that it endorsed


def entered(source: Source) -> dict[str, Entered]:
    """The keys of a ledger by their vkeys, the oldest first. Whether the log is intact is for the verifier to tell."""
    found: dict[str, Entered] = {}
    for frame in log.entries(source, "key"):
        try:
            entry = _entered(frame, note.origin_of(source.ledger_id or ""))
        except (ValueError, TypeError, KeyError, AttributeError):  # whoever may append may write nonsense, too
            continue
        known, before = found.setdefault(entry.key.vkey, entry), found.get(entry.replaces or "")
        if entry.endorsed:
            known.replaces, known.endorsed = entry.replaces, True
        if entry.endorsed and before and not before.successor:
            before.until, before.successor = entry.since, entry.key.vkey
    return found


def _entered(frame: Mapping[str, Any], origin: str) -> Entered:
    key, replaces = Key.parse(frame["vkey"]), frame["replaces"]
    endorsed = replaces is not None and note.is_signed(
        note.succession(origin, key.vkey), strict_base64.decode(frame["endorsement"]), Key.parse(replaces)
    )
    return Entered(key, frame["ts"], replaces, endorsed)
