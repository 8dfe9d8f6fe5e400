# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an agent does with what it is asked: pretend, really run it behind a command line, or ask a real qemu-ga."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
from typing import Any, Protocol

from .agent_process import MadeUp, Real
from .errors import Died
from .state import Guest

MIB = 1 << 20


class Inside(Protocol):
    """The guest's side."""

    def answers(self) -> bool: ...
    def start(self, argv: list[str], stdin: bytes | None) -> int: ...
    def status(self, pid: int) -> dict[str, Any]: ...

    def read(self, name: str, offset: int, count: int) -> tuple[list[bytes], bool]:
        """In the pieces in which the agent reads it, and whether that was all."""

    def write(self, name: str, data: bytes) -> None: ...


def of(guest: Guest) -> Inside:
    if guest.agent_socket:
        return Asked(guest.vmid, guest.agent_socket)
    return Behind(guest, guest.runner) if guest.runner else Pretended(guest)


def not_opened(name: str, mode: str) -> Died:
    return Died(f"Agent error: failed to open file '{name}' (mode: '{mode}'): No such file or directory")


def line(vmid: int, command: str, **arguments: Any) -> bytes:
    """What is written to an agent. Nobody encodes it: each character is a byte, and Perl dies of one that is more."""
    text = json.dumps({"execute": command, "arguments": arguments}, ensure_ascii=False)
    try:
        return text.encode("latin-1") + b"\n"
    except UnicodeEncodeError:
        told = "Wide character in syswrite at /usr/share/perl5/IO/Multiplex.pm line 632."
        raise Died(f"VM {vmid} qga command '{command}' failed - {told}") from None


class Pretended:
    """Nothing is run, and files are what was written."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def answers(self) -> bool:
        return True

    def start(self, argv: list[str], stdin: bytes | None) -> int:
        if not line(self.guest.vmid, "guest-exec", path=argv[0], arg=argv[1:]).isascii():
            raise Died("Agent error: JSON parse error, invalid UTF-8 sequence in string")
        pid = 1000 + len(self.guest.processes)
        self.guest.processes[pid] = self.process(argv, stdin)
        return pid

    def process(self, argv: list[str], _stdin: bytes | None) -> MadeUp | Real:
        return MadeUp(argv)

    def status(self, pid: int) -> dict[str, Any]:
        process = self.guest.processes.get(pid)
        if process is None:
            raise Died("Agent error: Invalid parameter 'pid'")
        found = process.status()
        if found["exited"]:  # it is told once
            self.guest.processes[pid] = None
        return found

    def read(self, name: str, offset: int, count: int) -> tuple[list[bytes], bool]:
        whole = self.content(name)
        asked = whole[offset : offset + count]
        return [asked[start : start + MIB] for start in range(0, len(asked), MIB)], offset + count > len(whole)

    def content(self, name: str) -> bytes:
        if name not in self.guest.files:
            raise not_opened(name, "r")
        return self.guest.files[name]

    def write(self, name: str, data: bytes) -> None:
        self.guest.files[name] = data


class Behind(Pretended):
    """Programs of this machine, in whatever the runner puts them into."""

    def __init__(self, guest: Guest, runner: list[str]) -> None:
        super().__init__(guest)
        self.runner = runner

    def process(self, argv: list[str], stdin: bytes | None) -> MadeUp | Real:
        return Real([*self.runner, *argv], stdin)

    def content(self, name: str) -> bytes:
        done = self._shell('cat <"$1"', name)
        if done.returncode:
            raise not_opened(name, "r")
        return done.stdout

    def write(self, name: str, data: bytes) -> None:
        # the agent makes new files open to all
        if self._shell('umask 0; cat >"$1"', name, data).returncode:
            raise not_opened(name, "wb")

    def _shell(self, script: str, name: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [*self.runner, "/bin/sh", "-c", script, "sh", name]
        return subprocess.run(command, input=data, capture_output=True, check=False, env={}, cwd="/")


class Asked:
    """A real agent, asked as Proxmox VE does: a connection for each command, and five seconds for its answer."""

    def __init__(self, vmid: int, path: str) -> None:
        self.vmid, self.path = vmid, path

    def answers(self) -> bool:
        try:
            self._ask("guest-ping")
        except Died:
            return False
        return True

    def start(self, argv: list[str], stdin: bytes | None) -> int:
        given = {} if stdin is None else {"input-data": base64.b64encode(stdin).decode()}
        asked = {"path": argv[0], "arg": argv[1:], "capture-output": True, **given}
        return int(self._ask("guest-exec", **asked)["pid"])

    def status(self, pid: int) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("guest-exec-status", pid=pid)
        for key in ("out-data", "err-data"):
            if key in found:
                found[key] = base64.b64decode(found[key]).decode("latin-1")
        return {key: int(value) if isinstance(value, bool) else value for key, value in found.items()}

    def read(self, name: str, offset: int, count: int) -> tuple[list[bytes], bool]:
        handle, parts, ended = self._ask("guest-file-open", path=name), [], False
        if offset:
            self._ask("guest-file-seek", handle=handle, offset=offset, whence="set")
        while count > 0 and not ended:
            found = self._ask("guest-file-read", handle=handle, count=min(MIB, count))
            parts.append(base64.b64decode(found["buf-b64"]))
            count, ended = count - found["count"], found["eof"]
        self._ask("guest-file-close", handle=handle)
        return parts, ended

    def write(self, name: str, data: bytes) -> None:
        handle = self._ask("guest-file-open", path=name, mode="wb")
        self._ask("guest-file-write", handle=handle, **{"buf-b64": base64.b64encode(data).decode()})
        self._ask("guest-file-close", handle=handle)

    def _ask(self, command: str, **arguments: Any) -> Any:
        lines = line(self.vmid, "guest-sync-delimited", id=1) + line(self.vmid, command, **arguments)
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            try:
                link.connect(self.path)
                link.sendall(lines)
                with link.makefile("rb") as answers:
                    answers.readline()
                    answer = json.loads(answers.readline())
            except (OSError, ValueError) as error:
                why = "got timeout" if isinstance(error, TimeoutError) else f"unable to connect to VM socket - {error}"
                raise Died(f"VM {self.vmid} qga command '{command}' failed - {why}") from None
        if "error" in answer:
            raise Died(f"Agent error: {answer['error']['desc']}")
        return answer["return"]
