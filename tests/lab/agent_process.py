# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process in a guest, as its agent keeps it: really run where the guest has a runner, made up where it has none."""

from __future__ import annotations

import re
import subprocess
import threading
from typing import IO, Any, Protocol

#: what the agent keeps of each stream; it reads the rest and forgets it
MOST_OUTPUT = 16 << 20


class Process(Protocol):
    """What exec-status tells of it."""

    def status(self) -> dict[str, Any]: ...


class MadeUp:
    """One that has ended: a command named false or ending in `exit N` has failed so, and echo has spoken."""

    def __init__(self, argv: list[str]) -> None:
        ended = re.search(r"exit (\d+)\s*$", argv[-1]) if argv else None
        self.code = int(ended[1]) if ended else int(argv[:1] == ["false"])
        self.out = " ".join(argv[1:]) + "\n" if argv[:1] == ["echo"] else ""

    def status(self) -> dict[str, Any]:
        return {"exited": 1, "exitcode": self.code} | ({"out-data": self.out, "out-truncated": 0} if self.out else {})


class Real:
    """A process of this machine, in whatever the runner puts it into."""

    def __init__(self, argv: list[str], stdin: bytes | None) -> None:
        given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        self._process = subprocess.Popen(
            argv, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={}, cwd="/", start_new_session=True
        )
        self._streams = {"out": Captured(self._process.stdout), "err": Captured(self._process.stderr)}
        if self._process.stdin:
            threading.Thread(target=_feed, args=(self._process.stdin, stdin or b""), daemon=True).start()

    def __deepcopy__(self, _memo: object) -> Real:
        """A backup of the guest is one of its disks."""
        return self

    def status(self) -> dict[str, Any]:
        if self._process.poll() is None or not all(stream.closed for stream in self._streams.values()):
            return {"exited": 0}
        code = self._process.returncode
        found: dict[str, Any] = {"exited": 1} | ({"signal": -code} if code < 0 else {"exitcode": code})
        for name, stream in self._streams.items():
            if stream.kept:
                # each byte comes as a character
                found |= {f"{name}-data": stream.kept.decode("latin-1"), f"{name}-truncated": int(stream.cut)}
        return found


class Captured:
    """What a stream brings, read to its end."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self.kept, self.cut = bytearray(), False
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        return not self._thread.is_alive()

    def _read(self, stream: IO[bytes]) -> None:
        while piece := stream.read1(1 << 16):  # type: ignore[attr-defined]
            room = MOST_OUTPUT - len(self.kept)
            self.kept += piece[:room]
            self.cut = self.cut or len(piece) > room
        stream.close()


def _feed(stream: IO[bytes], data: bytes) -> None:
    try:
        stream.write(data)
        stream.close()
    except BrokenPipeError:
        pass
