# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which host keys are believed. Hashed lines and the fingerprint were made by ssh-keygen."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.host_keys import HostKeyRefused, Key, Trust

BASE64 = "AAAAC3NzaC1lZDI1NTE5AAAAIEMbQIa7JtWrXaH2E+mBB9e2x7IkVQvE8ZtMCd6dJK1z"
FINGERPRINT = "SHA256:F+pw/Y0gu/39eopdJ2lFIPQZojYJYEhLl/AEJmKZ5KI"
KEY = Key("ssh-ed25519", base64.b64decode(BASE64))
OTHER = Key("ssh-ed25519", b"another")
LINE = f"ssh-ed25519 {BASE64}"
HASHED = f"|1|5OtpeAopQd6/xmd+CDY1dNe0n7w=|aXoOutYkvD8ZKI02j0v3mJqqfFk= {LINE}\n"
HASHED_PORT = f"|1|+CFOgFD7AueIyAb6HhJkL/PFWHQ=|0xd93Mx1VCzjlTNB0gUsWgXkbB0= {LINE}\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return [str(tmp_path / "known_hosts"), str(tmp_path / "absent")]


def trust(files: list[str], text: str | bytes, *pins: str, checking: bool = True) -> Trust:
    Path(files[0]).write_bytes(text.encode() if isinstance(text, str) else text)
    return Trust(files, pins, checking)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (f"pve1 {LINE}\n", "pve1", 22),
        (f"pve1 {LINE} root@pve1 with a comment\n", "pve1", 22),
        (f"  pve0,pve1,10.0.0.1\t{LINE}\r\n", "10.0.0.1", 22),
        (f"pve1 {LINE}\n", "PVE1", 22),
        (f"PVE1 {LINE}\n", "pve1", 22),
        (f"[pve1]:2222 {LINE}\n", "pve1", 2222),
        (f"[pve*]:2222 {LINE}\n", "pve1", 2222),
        (f"*.example.com,!pve9.example.com {LINE}\n", "pve1.example.com", 22),
        (f"pve? {LINE}\n", "pve1", 22),
        (HASHED, "pve1.example.com", 22),
        (HASHED_PORT, "pve1.example.com", 2222),
        (f"pve1 ssh-ed25519 {base64.b64encode(OTHER.blob).decode()}\npve1 {LINE}\n", "pve1", 22),
        (f"@cert-authority * ssh-rsa AAAA\n# pve1\n\npve1\npve1 ssh-rsa %%%\n|1|%|% {LINE}\npve1 {LINE}\n", "pve1", 22),
        (f"p\xe9 ssh-rsa AAAA\npve1 {LINE}\n".encode("latin-1"), "pve1", 22),
    ],
)
def test_a_known_key_is_believed(files: list[str], text: str | bytes, host: str, port: int) -> None:
    trust(files, text).check(host, port, KEY)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("", "pve1", 22),
        (f"pve2 {LINE}\n", "pve1", 22),
        (f"#pve1 {LINE}\n", "pve1", 22),
        (f"pve1 {LINE}\n", "pve1", 2222),
        (f"[pve1]:2222 {LINE}\n", "pve1", 22),
        (f"pve[1] {LINE}\n", "pve1", 22),
        (f"*,!pve1 {LINE}\n", "pve1", 22),
        (HASHED, "pve2.example.com", 22),
        (f"|2|5OtpeAopQd6/xmd+CDY1dNe0n7w=|aXoOutYkvD8ZKI02j0v3mJqqfFk= {LINE}\n", "pve1.example.com", 22),
        (f"|1|5OtpeAopQd6/xmd+CDY1dNe0n7w= {LINE}\n", "pve1.example.com", 22),
        (f"@cert-authority pve1 {LINE}\n", "pve1", 22),
        (f"@whatever pve1 {LINE}\n", "pve1", 22),
    ],
)
def test_an_unknown_key_is_refused(files: list[str], text: str, host: str, port: int) -> None:
    with pytest.raises(HostKeyRefused) as caught:
        trust(files, text).check(host, port, KEY)
    assert f"is not known: it showed ssh-ed25519 {FINGERPRINT}" in str(caught.value)
    assert all(file in str(caught.value) for file in files)
    trust(files, text, checking=False).check(host, port, KEY)


def test_a_changed_key_names_the_line(files: list[str]) -> None:
    with pytest.raises(
        HostKeyRefused, match=rf"has changed: it showed .*, and {files[0]}:2 says {re.escape(FINGERPRINT)}\."
    ):
        trust(files, f"# nodes\npve1 {LINE}\n").check("pve1", 22, OTHER)


def test_keys_of_another_type_do_not_make_a_host_known(files: list[str]) -> None:
    with pytest.raises(HostKeyRefused, match=r"keys of it that are known are sk-ssh-ed25519@openssh\.com, and"):
        trust(files, "pve1 sk-ssh-ed25519@openssh.com AAAA\n").check("pve1", 22, KEY)


def test_an_authority_is_told(files: list[str]) -> None:
    with pytest.raises(HostKeyRefused, match=f"{files[0]}:1 names an authority for it, and certificates"):
        trust(files, f"@cert-authority *.example.com {LINE}\n").check("pve1.example.com", 22, KEY)


@pytest.mark.parametrize("checking", [True, False])
@pytest.mark.parametrize("pins", [[], [FINGERPRINT], [LINE]])
def test_a_revoked_key_is_refused_in_any_case(files: list[str], pins: list[str], checking: bool) -> None:
    text = f"pve1 {LINE}\n@revoked * {LINE}\n"
    with pytest.raises(HostKeyRefused, match=f"is revoked in {files[0]}:2"):
        trust(files, text, *pins, checking=checking).check("pve1", 22, KEY)
    trust(files, f"pve1 {LINE}\n@revoked pve2 {LINE}\n", *pins).check("pve1", 22, KEY)


@pytest.mark.parametrize("pin", [FINGERPRINT, LINE, f"{LINE} root@pve1"])
def test_a_pin_stands_for_the_files(files: list[str], pin: str) -> None:
    pinned = trust(files, f"pve1 ssh-ed25519 {base64.b64encode(OTHER.blob).decode()}\n", pin)
    pinned.check("pve1", 22, KEY)
    with pytest.raises(HostKeyRefused, match="is not the one that host_key says: pve1 showed ssh-ed25519 SHA256:rkSK"):
        pinned.check("pve1", 22, OTHER)


@pytest.mark.parametrize("pin", ["", "SHA256:abc", "MD5:aa:bb", "ssh-ed25519", "ssh-ed25519 %%", f"{FINGERPRINT}="])
def test_a_pin_that_is_none_is_said_at_once(files: list[str], pin: str) -> None:
    with pytest.raises(BadInput, match="host_key: "):
        Trust(files, [pin])


def test_the_types_to_ask_for(files: list[str]) -> None:
    text = f"@revoked * ssh-rsa AAAA\npve1 {LINE}\npve1 ecdsa-sha2-nistp256 AAAA\npve2 ssh-rsa AAAA\n"
    assert trust(files, text).types("pve1", 22) == {"ssh-ed25519", "ecdsa-sha2-nistp256"}
    assert trust(files, text, "ssh-rsa AAAA").types("pve1", 22) == {"ssh-rsa"}
    assert trust(files, text).types("pve3", 22) == set()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused, match=r"could not be read"):
        Trust([str(tmp_path)]).check("pve1", 22, KEY)
