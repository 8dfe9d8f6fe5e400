# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where checkpoints go besides the ledger: files elsewhere and syslog. What took one can tell later what the log was.

Each sending opens its sink anew, so that any process of a run may send, and none waits without end.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import disk, note
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

TIMEOUT = 5.0
RECENT = 1 << 16  # so far back from its end a file is searched for a note before it is written again
NOTICE = 5 << 3 | 5  # the facility syslog, severity notice (RFC 5424)
LOCAL_SYSLOG = ("/dev/log", "/var/run/syslog")  # Linux; macOS
ALLOWED = "file:/PATH, syslog:, syslog:HOST:PORT (UDP) or syslog+tcp:HOST:PORT"


class SinkError(Exception):
    """A sink did not take a checkpoint."""


class Sink(Protocol):
    name: str

    def send(self, checkpoint: str) -> None:
        """Hand over a note. Raises SinkError."""


class FileSink:
    """A file elsewhere, such as on a share that the hosts which run playbooks may only append to.

    It is a pin, too: the ledger must for ever hold what this file has seen of it.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"file:{path}"
        self.path = path

    def send(self, checkpoint: str) -> None:
        # the directory is not made: where a share is not mounted, a file of the same name would be no witness
        try:
            with disk.opened(self.path, disk.NEW | os.O_APPEND) as fd, disk.locked(fd, self.path):
                found = os.fstat(fd)
                if not stat.S_ISREG(found.st_mode):
                    raise SinkError("it is not a file")
                recent = os.pread(fd, RECENT, max(0, found.st_size - RECENT)).decode("utf-8", "replace")
                if checkpoint not in note.find(recent):
                    torn = "" if not recent or recent.endswith("\n") else "\n"
                    disk.write(fd, found.st_size, f"{torn}{checkpoint}\n".encode(), durable=True)
        except OSError as error:
            raise SinkError(error.strerror or str(error)) from error
        except LedgerError as error:
            raise SinkError(str(error)) from error

    def last(self) -> str | None:
        """The checkpoint of the largest log: those of runs that end at the same time come in any order."""
        try:
            text = self.path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SinkError(f"{self.name} cannot be read: {error.strerror}") from error
        return max(note.find(text), key=lambda found: note.Checkpoint.parse(found)[0].size, default=None)


class SyslogSink:
    """The syslog of this machine, or of another one. Over UDP nobody tells whether it arrived."""

    def __init__(self, name: str, host: str = "", port: int = 0, tcp: bool = False) -> None:
        self.name = name
        self._host = host
        self._port = port
        self._tcp = tcp

    def send(self, checkpoint: str) -> None:
        # as JSON it is one line of ASCII, which every syslog passes on as it is
        message = f"<{NOTICE}>steward.proxmox: checkpoint {json.dumps(checkpoint)}"
        try:
            with self._connected() as connection:
                connection.sendall(f"{message}\n".encode() if self._tcp else message.encode())
        except OSError as error:
            raise SinkError(error.strerror or str(error)) from error

    def _connected(self) -> socket.socket:
        if self._tcp:
            return socket.create_connection((self._host, self._port), TIMEOUT)
        if self._host:
            family, *_unused, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            return _datagrams(family, address)
        there = [path for path in LOCAL_SYSLOG if os.path.exists(path)]
        return _datagrams(socket.AF_UNIX, (there or LOCAL_SYSLOG)[0])


def _datagrams(family: socket.AddressFamily, address: Any) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_DGRAM)
    connection.settimeout(TIMEOUT)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


_REMOTE = re.compile(r"(syslog|syslog\+tcp):(\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):([0-9]{1,5})")


def sinks_of(texts: Iterable[str]) -> list[Sink]:
    """Raises LedgerError for a text that names no sink."""
    return [_sink(text) for text in texts]


def _sink(text: str) -> Sink:
    if text.startswith("file:/"):
        return FileSink(Path(text.removeprefix("file:")))
    if text == "syslog:":
        return SyslogSink(text)
    remote = _REMOTE.fullmatch(text)
    if not remote or not 0 < int(remote[3]) < 1 << 16:
        raise LedgerError(f"sinks: {text} is not a place for checkpoints: use {ALLOWED}")
    return SyslogSink(text, remote[2].strip("[]"), int(remote[3]), tcp=remote[1] == "syslog+tcp")
