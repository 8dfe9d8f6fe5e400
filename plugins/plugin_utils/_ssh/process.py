# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command at the other end of an ssh connection."""

from __future__ import annotations

import select
from collections.abc import Iterable, Iterator
from threading import Thread
from typing import TYPE_CHECKING

from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError

if TYPE_CHECKING:
    import paramiko

PIECE = 1 << 15
OUT, ERR = "stdout", "stderr"


class LinkLost(StewardError):
    """The end of a command was not seen."""

    hint = "Whether it goes on there is not known"


class Process:
    """Both of its outputs are read as they come, while another thread feeds its input: none waits for another."""

    def __init__(self, server: str, channel: paramiko.Channel) -> None:
        self._server, self._channel = server, channel
        #: seconds that it may say nothing; None is for ever
        self.patience: float | None = None

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Send all of its input, and then the end of it."""
        Thread(target=self._feed, args=(pieces,), daemon=True).start()

    def _feed(self, pieces: Iterable[bytes]) -> None:
        try:
            for piece in pieces:
                self._channel.sendall(piece)
        except OSError:
            pass  # it reads no more, and its status says why; or a file ended early, and the other end counts
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError):
            pass

    def write(self, data: bytes) -> None:
        """A little of its input: the answer to a question."""
        self._channel.sendall(data)

    def output(self) -> Iterator[tuple[str, bytes]]:
        """Pieces of its outputs, until both ended. Raises TimeoutError when patience is over."""
        channel, poll = self._channel, select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        while True:
            if not poll.poll(None if self.patience is None else self.patience * 1000):
                raise TimeoutError
            ended = channel.eof_received or channel.closed
            while channel.recv_ready():
                yield OUT, channel.recv(PIECE)
            while channel.recv_stderr_ready():
                yield ERR, channel.recv_stderr(PIECE)
            if ended:
                return

    def status(self) -> int:
        """Raises LinkLost."""
        status = self._channel.recv_exit_status()
        if status >= 0:
            return status
        transport = self._channel.get_transport()
        transport.join(1)  # channels learn of its end a moment before it ends
        if transport.is_alive():
            raise LinkLost(f"A signal ended the command on {self._server}")
        raise LinkLost(f"The connection to {self._server} was lost before the command ended")

    def close(self) -> None:
        self._channel.close()
