# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One ssh connection. The only file that imports paramiko, and only when a connection is made."""

from __future__ import annotations

import functools
import logging
import socket
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.host_keys import CannotConnect, Key, Trust
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.process import LinkLost, Process

if TYPE_CHECKING:
    import paramiko

#: seconds between signs of life, and after which a node that acknowledges none of them is given up
_KEEPALIVE, _SILENCE = 15, 60


@functools.cache
def _paramiko() -> ModuleType:
    try:
        import paramiko
    except ImportError as error:
        raise BadInput(
            f"The connection pct needs the Python package paramiko on the controller ({error})",
            "Install it for the Python of ansible-core: pip install 'paramiko>=2.12'",
        ) from error
    # what goes wrong is said by our errors; without a handler paramiko would print it a second time
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    module: ModuleType = paramiko
    return module


@dataclass(frozen=True)
class Server:
    """Where to, and as whom."""

    host: str
    port: int = 22
    user: str = "root"
    key_file: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: int = 10

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + (f":{self.port}" if self.port != 22 else "")


class Link:
    """An open connection."""

    def __init__(self, server: Server, client: paramiko.SSHClient) -> None:
        self._server, self._client = server, client

    @classmethod
    def open(cls, server: Server, trust: Trust) -> Link:
        """Raises CannotConnect."""
        ssh = _paramiko()
        key = _private_key(ssh, server.key_file) if server.key_file else None
        wire = _socket(server)
        client = ssh.SSHClient()
        client.set_missing_host_key_policy(_Check(server, trust))
        try:
            client.connect(
                server.host,
                server.port,
                server.user,
                password=server.password,
                pkey=key,
                look_for_keys=key is None,
                sock=wire,
                timeout=server.timeout,
                banner_timeout=server.timeout,
                auth_timeout=server.timeout,
                transport_factory=functools.partial(_transport, ssh, trust.types(server.host, server.port)),
            )
            client.get_transport().set_keepalive(_KEEPALIVE)
        except (ssh.SSHException, OSError, EOFError) as error:
            client.close()
            raise _refusal(ssh, server, error) from error
        except StewardError:
            client.close()
            raise
        return cls(server, client)

    @property
    def alive(self) -> bool:
        transport = self._client.get_transport()
        return bool(transport and transport.is_active())

    def start(self, command: str) -> Process:
        """Raises CannotConnect while nothing was sent, and LinkLost later."""
        ssh, transport = _paramiko(), self._client.get_transport()
        try:
            if transport is None:
                raise EOFError("it is closed")
            channel = transport.open_session(timeout=self._server.timeout)
        except (ssh.SSHException, OSError, EOFError) as error:
            raise CannotConnect(f"{self._server} gave no session for a command: {_words(error)}") from error
        try:
            channel.exec_command(command.encode(errors="surrogateescape"))
        except (ssh.SSHException, OSError, EOFError) as error:
            raise LinkLost(f"{self._server} did not say whether it runs the command: {_words(error)}") from error
        return Process(str(self._server), channel)

    def close(self) -> None:
        self._client.close()


class _Check:
    """A policy as paramiko wants it: it knows no keys itself, so that every key comes here."""

    def __init__(self, server: Server, trust: Trust) -> None:
        self._server, self._trust = server, trust

    def missing_host_key(self, _client: Any, _name: str, key: paramiko.PKey) -> None:
        self._trust.check(self._server.host, self._server.port, Key(key.get_name(), key.asbytes()))


def _socket(server: Server) -> socket.socket:
    try:
        wire = socket.create_connection((server.host, server.port), server.timeout)
    except OSError as error:
        raise CannotConnect(f"{server} cannot be reached: {_words(error)}") from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE * 1000)
    return wire


def _transport(ssh: ModuleType, known: set[str], wire: socket.socket, **more: Any) -> paramiko.Transport:
    """Ask the server for a key of a type that is known of it: it has several."""
    transport: paramiko.Transport = ssh.Transport(wire, **more)
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: _key_type(kind) not in known)
    return transport


def _key_type(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _private_key(ssh: ModuleType, path: str) -> paramiko.PKey:
    file = Path(path).expanduser()
    for kind in (ssh.Ed25519Key, ssh.ECDSAKey, ssh.RSAKey):
        try:
            key: paramiko.PKey = kind.from_private_key_file(str(file))
            certificate = Path(f"{file}-cert.pub")
            if certificate.exists():
                key.load_certificate(str(certificate))
            return key
        except ssh.PasswordRequiredException as error:
            raise CannotConnect(f"The private key {file} is encrypted", "Add it to an ssh agent: ssh-add") from error
        except OSError as error:
            raise CannotConnect(f"The private key {file} cannot be read: {_words(error)}") from error
        except (ssh.SSHException, ValueError):
            continue
    raise CannotConnect(f"{file} is no private key that paramiko can use (Ed25519, ECDSA or RSA)")


def _refusal(ssh: ModuleType, server: Server, error: Exception) -> CannotConnect:
    if not isinstance(error, ssh.AuthenticationException) and "No authentication methods" not in str(error):
        return CannotConnect(f"{server} does not talk ssh with us: {_words(error)}")
    return CannotConnect(
        f"{server} did not let us in: {_words(error)}",
        "private_key_file or else ~/.ssh/id_*, keys of an ssh agent and node_password are tried, where there are any."
        f" One of the public keys has to be among the authorized keys of {server.user} on {server.host}",
    )


def _words(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or error.__class__.__name__
