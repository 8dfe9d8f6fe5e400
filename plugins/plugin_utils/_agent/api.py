# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of one machine, as the API offers it, wherever the machine is at the moment.

Of Proxmox VE 8.4 and 9: `command` is an array, `input-data` becomes bytes character by character (so that only ASCII is
sent), output comes back as bytes in the same way, and a process that has ended is forgotten once its status was read.
"""

from __future__ import annotations

import base64
import re
import shlex
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    BadInput,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Unreachable,
    grant_command,
)
from ansible_collections.steward.proxmox.plugins.module_utils._session import Session

T = TypeVar("T")

#: characters of `input-data`, by the API's description
MOST_INPUT = 65536
#: bytes of one piece of a file: in base64 and in a form they stay below the 61440 and 65536 that a request may have
PIECE = 45000
#: bytes that are read at once; the API reads up to 16 MiB, but has 30 seconds for them
READ = 4 << 20

_LOOK = "Look inside before running it again"
_FORGOTTEN = re.compile(r"Agent error: (Invalid parameter 'pid'|PID .* does not exist)")
_MOVED = re.compile(r"Configuration file '.*' does not exist")
_SILENT = re.compile(r"is not running|got timeout|unable to connect to")
_FORBIDDEN = re.compile(r"Command guest-\S+ has been disabled")
_HINTS = (
    (re.compile("No QEMU guest agent configured"), "Set agent for it (steward.proxmox.vm), then stop and start it"),
    (re.compile("agent is not running"), "Install and start qemu-guest-agent in the guest; while it boots, wait"),
    (re.compile(r"VM \d+ is not running"), "Start it"),
    (
        re.compile("Failed to execute child process"),
        "Windows guests need ansible_shell_type=powershell, and others must not have it",
    ),
    (_FORBIDDEN, "The guest's own configuration of the agent forbids it: allow guest-exec* and guest-file-* there"),
)


class Agent:
    """Answers are plain data. Raises StewardError."""

    def __init__(self, session: Session, vmid: int, patience: float) -> None:
        """`patience`: seconds for which it may be silent while a process runs: it restarts, or its machine moves."""
        self._session, self._vmid, self._patience = session, vmid, patience
        self._node = ""
        self._whole_files = False

    @property
    def name(self) -> str:
        return f"qemu/{self._vmid}"

    def start(self, argv: Sequence[str], stdin: str | None = None) -> int:
        """The process id in the guest. `argv` and `stdin` are ASCII."""
        # proxmoxer splits it again, into the array that the API takes
        data: dict[str, Any] = {"command": shlex.join(argv)} | ({} if stdin is None else {"input-data": stdin})
        try:
            return int(self._send("exec", data)["pid"])
        except ApiError as error:
            if "got timeout" not in error.message:
                raise
            raise OutcomeUnknown(
                f"Whether the command began in {self.name} is unknown: {error.message}", _LOOK
            ) from error

    def status(self, pid: int) -> dict[str, Any]:
        """What `exec-status` says. A silence is waited for, because the process goes on meanwhile."""
        until = time.monotonic() + self._patience
        while True:
            try:
                answer: dict[str, Any] = self._get("exec-status", {"pid": pid})
                return answer
            except (ApiError, Unreachable) as error:
                quiet = isinstance(error, Unreachable) or _SILENT.search(error.message)
                if not quiet or time.monotonic() > until:
                    forgot = _FORGOTTEN.search(error.message)
                    why = "the agent was restarted, or its answer was lost" if forgot else error.message
                    raise OutcomeUnknown(f"How process {pid} in {self.name} ended is unknown: {why}", _LOOK) from error
                time.sleep(0.5)

    def write(self, path: str, content: bytes) -> None:
        """A whole file, of at most PIECE bytes. It can be read and written by everybody, as the agent makes it."""
        data = {"file": path, "content": base64.b64encode(content).decode(), "encode": False}
        try:
            self._send("file-write", data)
        except OutcomeUnknown:  # written twice is the same as once
            self._send("file-write", data)

    def read(self, path: str, offset: int) -> bytes | None:
        """At most READ bytes from there. None: it has to be a command, as before 9 files are read as a whole only."""
        if self._whole_files or not path.isascii():
            return None
        try:
            asked = {"file": path, "offset": offset, "count": READ, "decode": False}
            return unpacked(self._get("file-read", asked)["content"])
        except ApiError as error:
            if "offset" not in error.facts.get("errors", {}) and not _FORBIDDEN.search(error.message):
                raise
            self._whole_files = True
            return None

    # -- one request, wherever the guest is ------------------------------------------------------------------------

    def _get(self, name: str, params: dict[str, Any]) -> Any:
        return self._there(lambda path: self._session.get(f"{path}/{name}", **params))

    def _send(self, name: str, data: dict[str, Any]) -> Any:
        return self._there(lambda path: self._session.send("POST", f"{path}/{name}", data))

    def _there(self, ask: Callable[[str], T]) -> T:
        for pause in (0.5, 2.0):
            try:
                return self._ask(ask)
            except NotFound as error:
                # nothing was done on the node that it has left
                if not _MOVED.search(error.message):
                    raise
            self._node = ""
            time.sleep(pause)
        return self._ask(ask)

    def _ask(self, ask: Callable[[str], T]) -> T:
        self._node = self._node or self._find()
        try:
            return ask(f"/nodes/{self._node}/qemu/{self._vmid}/agent")
        except PermissionDenied:
            raise
        except ApiError as error:
            hint = next((hint for text, hint in _HINTS if text.search(error.message)), error.hint)
            raise type(error)(error.message, hint, **error.facts) from None

    def _find(self) -> str:
        rows = self._session.get("/cluster/resources", type="vm")
        row = next((row for row in rows if row["vmid"] == self._vmid), None)
        identity, path = self._session.identity, f"/vms/{self._vmid}"
        if row is None:
            raise NotFound(
                f"There is no guest {self._vmid}, or {identity} may not see it",
                f"To see it needs VM.Audit, beside VM.GuestAgent.Unrestricted (VM.Monitor before 9) on {path}:"
                f" {grant_command(path, ['VM.Audit', 'VM.GuestAgent.Unrestricted'], identity)}",
            )
        if row["type"] != "qemu":
            raise BadInput(f"{self._vmid} is a container, which has no agent", "Its connection is steward.proxmox.pct")
        return str(row["node"])


def raw(text: str) -> bytes:
    """Output as it was: each character is a byte. Should a server decode UTF-8 one day, characters go beyond."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def unpacked(text: str) -> bytes:
    """Base64 of 1 MiB each, with padding at the end of each, one after the other."""
    return b"".join(base64.b64decode(part) for part in re.findall(r"[^=]+={0,2}", text))
