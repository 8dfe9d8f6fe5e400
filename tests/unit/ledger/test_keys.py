# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of signing keys, and who may read them."""

import os
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

NAME = "steward.proxmox/test"
SECRET = "ALVFGyNhPJEMzD1QIDr"  # a part of the key that the documentation of golang.org/x/mod/sumdb/note shows
SKEY = f"PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKF{SECRET}+Y7hfZx09iUvxdXHKDFz"


def test_a_key_is_private_and_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = keys.make(path, NAME)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith(f"PRIVATE+KEY+{NAME}+{made.key.id.hex()}+")
    assert keys.load(path).vkey == made.vkey
    assert keys.load(path).sign("text\n") == made.sign("text\n")


def test_no_key_is_ever_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = keys.make(path, NAME)
    with pytest.raises(LedgerError, match=f"cannot make {path}: File exists"):
        keys.make(path, NAME)
    assert keys.load(path).vkey == before.vkey


def test_a_missing_key_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"key: .*/key cannot be read: No such file.*steward.proxmox.ledger_key"):
        keys.load(tmp_path / "key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    keys.make(path, NAME)
    path.chmod(mode)
    with pytest.raises(LedgerError, match=r"others can read .*chmod 600"):
        keys.load(path)


def test_a_key_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    keys.make(path, NAME)
    try:
        os.chown(path, 4242, -1)
    except PermissionError:  # not root: pretend to be another user
        monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(LedgerError, match="or own it"):
        keys.load(path)


def test_a_link_to_a_key_is_refused(tmp_path: Path) -> None:
    keys.make(tmp_path / "real", NAME)
    (tmp_path / "key").symlink_to("real")
    with pytest.raises(LedgerError, match="cannot be read: Too many levels of symbolic links"):
        keys.load(tmp_path / "key")


def test_a_pipe_is_no_key_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    with pytest.raises(LedgerError, match="does not hold"):
        keys.load(tmp_path / "key")


@pytest.mark.parametrize(
    "text",
    [
        "",
        SKEY[:-1],
        f"{SKEY}\n{SKEY}",
        SKEY.removeprefix("PRIVATE+KEY+"),
        SKEY.replace("PeterNeumann", "Peter Neumann"),
        SKEY.replace("PeterNeumann", "Somebody"),  # the id is that of the name and the key
        SKEY.replace("+AYEK", "+AoEK"),  # another type of key
        SKEY.replace("c74f20a3", "c74f20a4"),
        "PRIVATE+KEY+name",
        "\0" * 5000,
    ],
)
def test_what_is_no_private_key_is_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(LedgerError, match="does not hold the private key of a signed note") as raised:
        keys.load(path)
    assert SECRET not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"


def test_a_successor_waits_beside_its_predecessor(tmp_path: Path) -> None:
    path = tmp_path / "key"
    old = keys.make(path, NAME)
    assert keys.interrupted(path) is None
    new = keys.make_successor(path, NAME)
    waiting = keys.interrupted(path)
    assert waiting is not None
    assert waiting.vkey == new.vkey != old.vkey == keys.load(path).vkey
    keys.succeed(path)
    assert keys.load(path).vkey == new.vkey
    assert [found.name for found in tmp_path.iterdir()] == ["key"]
