# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of secrets: only with a key that is kept apart, and then the same as everybody with the key computes."""

import hashlib
import hmac
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import fingerprint
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError
from ansible_collections.steward.proxmox.plugins.plugin_utils._records import secrets

KEY = bytes(range(32))


@pytest.fixture
def key(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "fingerprint.key"
    path.write_text(KEY.hex() + "\n")
    path.chmod(0o600)
    yield path
    fingerprint.use(None)


def test_a_fingerprint_is_the_hmac_of_the_value_alone(key: Path) -> None:
    fingerprint.use(str(key))
    told = fingerprint.of([("password", "Summer2026!"), ("cloud_init.password", "Summer2026!"), ("other", "ü")])
    expected = hmac.new(KEY, b"Summer2026!", hashlib.sha256).hexdigest()
    assert told["password"] == told["cloud_init.password"] == f"hmac-sha256:{expected}"
    assert told["other"] != told["password"]


def test_without_a_key_there_are_none(key: Path) -> None:
    fingerprint.use(str(key))
    fingerprint.use(None)
    assert fingerprint.of([("password", "Summer2026!")]) == {}


def test_the_key_is_not_in_the_ledger(key: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="inside of the ledger"):
        fingerprint.use(str(key), str(tmp_path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_the_key_is_nobody_elses(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(LedgerError, match="chmod 600"):
        fingerprint.use(str(key))


@pytest.mark.parametrize("text", ["", "ab", "g" * 64, "A" * 64, "0" * 66, "0" * 63])
def test_half_a_key_is_none(key: Path, text: str) -> None:
    key.write_text(text)
    with pytest.raises(LedgerError, match="64 hexadecimal digits"):
        fingerprint.use(str(key))


def test_a_key_that_is_gone_is_not_made_anew(key: Path) -> None:
    key.unlink()
    with pytest.raises(LedgerError, match="openssl rand -hex 32"):
        fingerprint.use(str(key))
    assert not key.exists()


def test_a_link_or_a_pipe_is_no_key(key: Path, tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(key)
    os.mkfifo(pipe, 0o600)
    for path in (link, pipe):
        with pytest.raises(LedgerError, match="fingerprint_key"):
            fingerprint.use(str(path))


def test_every_secret_has_the_name_of_its_option() -> None:
    spec = {
        "password": {"no_log": True},
        "cloud_init": {"options": {"password": {"no_log": True}, "user": {}}},
        "realms": {"options": {"key": {"no_log": True}}},
        "secrets": {"no_log": True},
        "not_given": {"no_log": True},
    }
    options = {
        "password": "a",
        "cloud_init": {"password": "b", "user": "no"},
        "realms": [{"key": "c"}, {"key": None}, {"key": ""}],
        "secrets": {"pem": "d", "deep": {"list": ["e", 7, True]}},
    }
    assert dict(secrets(spec, options)) == {
        "password": "a",
        "cloud_init.password": "b",
        "realms[0].key": "c",
        "secrets.pem": "d",
        "secrets.deep.list[0]": "e",
        "secrets.deep.list[1]": "7",
    }
