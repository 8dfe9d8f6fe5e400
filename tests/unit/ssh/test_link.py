# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a connection asks of a server, before it is let in; and that paramiko is needed only then."""

from __future__ import annotations

import builtins
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh import link
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.host_keys import CannotConnect, HostKeyRefused, Trust
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.link import Link, Server

paramiko = pytest.importorskip("paramiko")


@pytest.fixture
def keys() -> dict[str, Any]:
    """A server has several."""
    return {
        "rsa": paramiko.RSAKey.generate(2048),
        "ecdsa": paramiko.ECDSAKey.generate(),
        "ecdsa521": paramiko.ECDSAKey.generate(bits=521),
    }


@pytest.fixture
def port(keys: dict[str, Any]) -> Iterator[int]:
    """A server that lets nobody in."""
    begun = []

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                wire, _address = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(wire)
            for key in keys.values():
                transport.add_server_key(key)
            transport.start_server(server=paramiko.ServerInterface(), event=threading.Event())
            begun.append(transport)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    for transport in begun:
        transport.close()


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ecdsa521"])
def test_a_server_is_asked_for_the_key_that_is_known(
    port: int, keys: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {keys[kind].get_name()} {keys[kind].get_base64()}\n")
    server = Server("127.0.0.1", port, password="wrong", timeout=60)
    for trust in (Trust([str(known)]), Trust([], [f"{keys[kind].get_name()} {keys[kind].get_base64()}"])):
        with pytest.raises(CannotConnect, match="did not let us in") as caught:
            Link.open(server, trust)
        assert not isinstance(caught.value, HostKeyRefused)
        assert "wrong" not in str(caught.value)
    with pytest.raises(HostKeyRefused, match="is not known"):
        Link.open(server, Trust([]))


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Server("pve1", password="hunter2"))


def test_a_silent_network_does_not_keep_us_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        wire = link._socket(Server("127.0.0.1", listening.getsockname()[1]))
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        wire.close()


def test_without_paramiko_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name == "paramiko":
            raise ImportError("No module named 'paramiko'")
        return really(name, *more, **named)

    link._paramiko.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BadInput, match=r"needs the Python package paramiko .* pip install 'paramiko>=2\.12'"):
        Link.open(Server("pve1"), Trust([]))


def test_the_plugin_is_loaded_and_documented_without_paramiko(tmp_path: Path) -> None:
    (tmp_path / "paramiko.py").write_text("raise ImportError('not here')")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-doc"), "-t", "connection", "steward.proxmox.pct"],
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin", "PAGER": "cat"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pct exec" in done.stdout
    code = (
        "from ansible_collections.steward.proxmox.plugins.connection import pct; import sys;"
        "assert 'paramiko' not in sys.modules; print(pct.Connection.transport)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "steward.proxmox.pct"
