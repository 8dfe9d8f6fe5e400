# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and long input, piece by piece, by way of a private folder in the guest that is gone afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Protocol

from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent.api import MOST_INPUT, PIECE, Agent
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent.exec import CommandFailed, Outcome, run

#: what a command reads at once, where the API cannot read from the middle of a file
_PART = 1 << 20
#: pieces are joined every now and then, so that their names fit into one command line
_MOST_PIECES = 256


class System(Protocol):
    """The modules `posix` and `powershell`: command lines."""

    #: what a private folder is called; it stands in command lines without quotes
    FOLDER: re.Pattern[str]
    SLASH: str
    #: a command that reads its input from a folder removes that first
    TIDY: bool

    def command(self, text: str) -> list[str]: ...
    def make_folder(self) -> list[str]: ...
    def remove(self, folder: str) -> list[str]: ...
    def join(self, folder: str) -> list[str]: ...
    def reading(self, folder: str, text: str, mark: str) -> list[str]: ...
    def put(self, folder: str, path: str) -> list[str]: ...
    def measure(self, path: str) -> list[str]: ...
    def read(self, path: str, offset: int, count: int) -> list[str]: ...
    def content(self, stdout: bytes) -> bytes: ...


@dataclass(frozen=True)
class Measure:
    size: int
    sha256: str


@dataclass
class _Folder:
    path: str
    gone: bool = False


def execute(agent: Agent, system: System, text: str, stdin: bytes, timeout: float) -> Outcome:
    """Run what Ansible wants to run."""
    if len(stdin) <= MOST_INPUT and stdin.isascii() and b"\0" not in stdin:
        return run(agent, system.command(text), stdin.decode() or None, timeout)
    mark = f"steward-{secrets.token_hex(8)}"
    with _folder(agent, system, timeout) as folder:
        _write(agent, system, folder, BytesIO(stdin), timeout)
        outcome = run(agent, system.reading(folder.path, text, mark), None, timeout)
        folder.gone = system.TIDY
    if mark.encode() in outcome.stderr:
        raise CommandFailed(f"The input could not be put together in {agent.name}: {outcome.text}")
    return outcome


def put(agent: Agent, system: System, source: BinaryIO, path: str, timeout: float) -> Measure:
    """Write a file. What came to be is read again and compared."""
    with _folder(agent, system, timeout) as folder:
        sent = _write(agent, system, folder, source, timeout)
        outcome = run(agent, system.put(folder.path, path), None, timeout)
    _compare(sent, _measured(agent, path, "written", outcome), f"{path} in {agent.name} is not what was sent")
    return sent


def fetch(agent: Agent, system: System, path: str, target: BinaryIO, timeout: float) -> Measure:
    """Read a file as long as it is now; it may grow meanwhile."""
    there = _measured(agent, path, "read", run(agent, system.measure(path), None, timeout))
    digest, offset = hashlib.sha256(), 0
    while offset < there.size:
        part = agent.read(path, offset)
        if part is None:
            part = system.content(run(agent, system.read(path, offset, _PART), None, timeout).stdout)
        part = part[: there.size - offset]
        if not part:
            break
        target.write(part)
        digest.update(part)
        offset += len(part)
    here = Measure(offset, digest.hexdigest())
    _compare(here, there, f"{path} in {agent.name} changed while it was read")
    return here


@contextlib.contextmanager
def _folder(agent: Agent, system: System, timeout: float) -> Iterator[_Folder]:
    made = run(agent, system.make_folder(), None, timeout)
    folder = _Folder(made.stdout.decode(errors="replace").strip())
    if made.status or not system.FOLDER.fullmatch(folder.path):
        raise CommandFailed(f"No private folder could be made in {agent.name}: {made.text or folder.path}")
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(StewardError):
            run(agent, system.remove(folder.path), None, timeout)
        raise
    if not folder.gone:
        run(agent, system.remove(folder.path), None, timeout)


def _write(agent: Agent, system: System, folder: _Folder, source: BinaryIO, timeout: float) -> Measure:
    digest, size = hashlib.sha256(), 0
    for number, piece in enumerate(iter(lambda: source.read(PIECE), b"")):
        if number and number % _MOST_PIECES == 0:
            joined = run(agent, system.join(folder.path), None, timeout)
            if joined.status:
                raise CommandFailed(f"A file could not be put together in {agent.name}: {joined.text}")
        agent.write(f"{folder.path}{system.SLASH}p{number:08d}", piece)
        digest.update(piece)
        size += len(piece)
    return Measure(size, digest.hexdigest())


def _measured(agent: Agent, path: str, what: str, outcome: Outcome) -> Measure:
    words = outcome.stdout.decode(errors="replace").split()
    if outcome.status or not words or not words[0].isdigit():
        raise CommandFailed(f"{path} could not be {what} in {agent.name}: {outcome.text}")
    return Measure(int(words[0]), words[1] if len(words) > 1 else "")


def _compare(one: Measure, other: Measure, message: str) -> None:
    """A guest without a program for checksums tells the size alone."""
    if one.size != other.size or (other.sha256 and one.sha256 != other.sha256):
        raise CommandFailed(f"{message}: {one.size} bytes, sha256 {one.sha256}; {other.size}, {other.sha256}")
