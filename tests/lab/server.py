# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serves a lab over TLS: in a thread for tests, or as a process of its own."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import h11
import trustme
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from . import files, pct
from .app import DROP_HEADER, REASON_HEADER, LabApp
from .state import State

HOST = "127.0.0.1"


class ReasonedConnection(h11.Connection):
    """Writes the reason line that the application chose, and can hang up instead of answering."""

    protocol: Protocol

    def send(self, event: Any) -> bytes | None:  # type: ignore[override]
        if isinstance(event, h11.Response):
            chosen = {name: value for name, value in event.headers if name in (REASON_HEADER, DROP_HEADER)}
            if DROP_HEADER in chosen:
                self.protocol.transport.abort()
                return b""
            headers = [(name, value) for name, value in event.headers.raw_items() if name.lower() not in chosen]
            reason = chosen.get(REASON_HEADER, event.reason)
            event = h11.Response(status_code=event.status_code, headers=headers, reason=reason)
        return super().send(event)


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1 with PVE's reason lines, which ASGI cannot express."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = ReasonedConnection(h11.SERVER, 1 << 20)
        self.conn.protocol = self


class Server(uvicorn.Server):
    """Ends at once when it is told to, also from another thread; uvicorn's own loop looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._stopped.wait()

    def stop(self) -> None:
        self.should_exit = self.force_exit = True
        if self._loop:
            self._loop.call_soon_threadsafe(self._stopped.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.stop()


class Certificates:
    """A CA and a leaf for 127.0.0.1 and localhost, written into a directory."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        leaf = authority.issue_cert(HOST, "localhost", common_name="pve1.lab.test")
        self.ca_path = directory / "ca.pem"
        self.leaf_path = directory / "leaf.pem"
        authority.cert_pem.write_to_path(str(self.ca_path))
        self.leaf_path.touch(mode=0o600)
        leaf.private_key_and_cert_chain_pem.write_to_path(str(self.leaf_path))
        der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
        digest = hashlib.sha256(der).hexdigest().upper()
        self.fingerprint = ":".join(digest[n : n + 2] for n in range(0, len(digest), 2))


def is_write(method: str, path: str) -> bool:
    if method == pct.METHOD:
        return pct.changes(path)
    return method != "GET" and path != "/access/ticket"


class Lab:
    """A lab in this process: `with Lab() as lab`, and the API is at https://{lab.host}:{lab.port}/api2/json.

    `seed` is laid over seed.yml. `task_seconds` is how long each task takes.
    """

    def __init__(
        self,
        seed: dict[str, Any] | None = None,
        task_seconds: float = 0.0,
        *,
        directory: Path | None = None,
        port: int = 0,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory() if directory is None else None
        self.directory = directory or Path(self._temporary.name if self._temporary else ".")
        self.log = self.directory / "requests.jsonl"
        self.app = LabApp(seed, task_seconds, self.log)
        certificates = Certificates(self.directory)
        self.ca_path = str(certificates.ca_path)
        self.fingerprint = certificates.fingerprint
        self.host = HOST
        # Named as TCP, so that asyncio turns its delay off: else each answer takes 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, port))
        self.port: int = self._socket.getsockname()[1]
        self._server = Server(
            uvicorn.Config(
                self.app.asgi(),
                http=Protocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_level="error",
                ssl_keyfile=str(certificates.leaf_path),
                ssl_certfile=str(certificates.leaf_path),
                timeout_graceful_shutdown=1,
                timeout_keep_alive=3600,  # no client must find a connection closed just as it sends its next request
            )
        )
        self._thread: threading.Thread | None = None
        self.pct = files.write_pct(self.directory)
        files.write_description(self.directory, self.description())
        files.write_environment(self.directory, self.description())

    def __enter__(self) -> Lab:
        self._thread = threading.Thread(target=self.run, daemon=True, name="lab")
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the lab did not start")
            time.sleep(0.005)
        return self

    def __exit__(self, *_unused: object) -> None:
        self._server.stop()
        if self._thread:
            self._thread.join(timeout=20)
        self._socket.close()
        if self._temporary:
            self._temporary.cleanup()

    def run(self) -> None:
        """Serves until told to stop."""
        self._server.run(sockets=[self._socket])

    @property
    def state(self) -> State:
        """The cluster as of now: tasks that are due have ended."""
        self.app.settle()
        return self.app.state

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self.app.requests

    @property
    def writes(self) -> list[dict[str, Any]]:
        """The requests and commands that could change something; logging in is none."""
        return [entry for entry in self.requests if is_write(entry["method"], entry["path"])]

    def reset(self) -> None:
        self.app.reset()

    def fault(self, **spec: Any) -> None:
        """Makes something go wrong; see faults.py."""
        with self.app.lock:
            self.app.faults.add(**spec)

    @property
    def credentials(self) -> dict[str, dict[str, str]]:
        """By name, with the names of the collection's options; those of users that a seed took away are left out."""
        found: dict[str, dict[str, str]] = {}
        for name, spec in self.app.state.credentials.items():
            owner, _unused, token = spec.get("token", spec.get("user", "")).partition("!")
            user = self.app.state.users.get(owner, {})
            if token in user.get("tokens", {}):
                secret = user["tokens"][token]["secret"]
                found[name] = {"api_user": owner, "api_token_id": f"{owner}!{token}", "api_token_secret": secret}
            elif not token and "password" in user:
                found[name] = {"api_user": owner, "api_password": user["password"]}
        return found

    def description(self) -> dict[str, Any]:
        """What lab.json holds."""
        return {
            "host": self.host,
            "port": self.port,
            "ca_path": self.ca_path,
            "fingerprint": self.fingerprint,
            "credentials": self.credentials,
            "log": str(self.log),
            "pct": str(self.pct),
        }
