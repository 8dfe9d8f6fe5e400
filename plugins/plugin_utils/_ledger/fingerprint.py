# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyed fingerprints of secrets: which changes set this password, told without the password.

Without the key they tell nothing, not even to a dictionary; so it is a file of its own, and never in the ledger.
The same secret has the same fingerprint in every option: one that leaked is found wherever it was set.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import secret_file
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

_OPTION = "fingerprint_key"
_MAKE = "make it with: (umask 077; openssl rand -hex 32 >FILE)"
_KEY = re.compile(r"[0-9a-f]{64}\n?")

#: of this run; it reaches the workers by fork. Empty: nobody asked for fingerprints
_key = b""


def use(path: str | None, ledger: str = "") -> None:
    """Begin to make fingerprints with the key in this file, or none. For the callback, before the first task.

    `ledger`: the directory, in which the key must not be. Raises LedgerError.
    """
    global _key
    _key = _load(Path(path), ledger) if path else b""


def of(secrets: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The fingerprint of each option's secret; nothing where none were asked for."""
    return {option: f"hmac-sha256:{_fingerprint(value)}" for option, value in secrets} if _key else {}


def _fingerprint(secret: str) -> str:
    return hmac.digest(_key, secret.encode("utf-8", "surrogateescape"), "sha256").hex()


def _load(path: Path, ledger: str) -> bytes:
    if ledger and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(ledger)):
        raise LedgerError(f"{_OPTION}: {path} is inside of the ledger {ledger}, whose readers must not have it")
    text = secret_file.read(_OPTION, path, _MAKE)
    if not _KEY.fullmatch(text):
        raise LedgerError(f"{_OPTION}: {path} does not hold 64 hexadecimal digits; {_MAKE}")
    return bytes.fromhex(text)
