# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python loads it first, by PYTHONPATH: a journal of every step that a run takes towards its ledger and towards
Proxmox, in ansible-playbook and in all its forks; and before the steps that a test chooses, something goes wrong.

    open|mkdir|link|rename|replace|unlink|cut FILE      FILE is relative to the ledger, RUN stands for the run
    write|sync FILE [TYPE]                              the type of the frame
    send METHOD PATH                                    what may change something

STEPS names the journal, STEPS_IN the ledger, STEPS_FAULT the fault as JSON: `at`, a regular expression or the number
of a step, or `since`, a number; and `what`, one of FAULTS or of half, short, or the name of an errno.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

#: ansible-playbook; its workers are forks, and a module on a target a process of its own
MAIN = int(os.environ.setdefault("STEPS_MAIN", str(os.getpid())))
JOURNAL, LEDGER = os.environ["STEPS"], os.environ["STEPS_IN"]
FAULT = json.loads(os.environ.get("STEPS_FAULT", "{}"))
RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{32}|[0-9a-f]{32}")
TYPE = re.compile(rb'"type":"(\w+)"')
SENT = re.compile(rb"(POST|PUT|DELETE) (?:/api2/json)?(?!/access/ticket)(\S+) HTTP")  # signing in changes nothing


def kill() -> None:
    """ansible-playbook and this process; its other workers go on without it."""
    os.kill(MAIN, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def cancel() -> None:
    """As AWX does it: ansible-playbook is told to end, and tells its workers."""
    os.kill(MAIN, signal.SIGTERM)
    time.sleep(30)


def interrupt() -> None:
    """As somebody at a terminal does it."""
    os.kill(MAIN, signal.SIGINT)
    time.sleep(30)


def lose() -> None:
    """As the kernel does it to the process that takes the most memory."""
    if os.getpid() != MAIN:
        os.kill(os.getpid(), signal.SIGKILL)


FAULTS: dict[str, Callable[[], None]] = {"kill": kill, "cancel": cancel, "interrupt": interrupt, "lose": lose}

real_open, real_write = os.open, os.write
#: the type of the frame that this process wrote last, by file
written: dict[str, str] = {}


def step(text: str) -> str:
    """Into the journal with it; then what is to go wrong goes wrong, or is returned for the step to do."""
    text = RUN.sub("RUN", text)
    journal = real_open(JOURNAL, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    real_write(journal, f"{text}\n".encode())
    # up to the end of this line: other processes may have added theirs behind it
    number = os.pread(journal, os.lseek(journal, 0, os.SEEK_CUR), 0).count(b"\n")
    os.close(journal)
    if not is_due(number, text):
        return ""
    what = str(FAULT["what"])
    if what in FAULTS:
        FAULTS[what]()
    elif hasattr(errno, what) and not text.startswith("send"):  # of the ledger, not of the network
        code = getattr(errno, what)
        raise OSError(code, os.strerror(code))
    return what


def is_due(number: int, text: str) -> bool:
    at = FAULT.get("at")
    if isinstance(at, str):
        return bool(re.fullmatch(at, text))
    return number == at or number >= FAULT.get("since", number + 1)


def name_of(place: Any) -> str:
    """The file's name in the ledger, or "" for one elsewhere."""
    path = os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) else os.fsdecode(place)
    inside = path == LEDGER or path.startswith(f"{LEDGER}/")
    return (path[len(LEDGER) + 1 :] or ".") if inside else ""


def watch(verb: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """A function of os that changes a file, with a step before it."""

    def call(place: Any, *arguments: Any, **more: Any) -> Any:
        file = name_of(place)
        if file:
            step(f"{verb} {file} {written.get(file, '')}".strip() if verb == "sync" else f"{verb} {file}")
        return original(place, *arguments, **more)

    return call


def watch_writing(original: Callable[..., int]) -> Callable[..., int]:
    def call(descriptor: int, data: bytes, *offset: int) -> int:
        file = name_of(descriptor)
        if not file:
            return original(descriptor, data, *offset)
        kind = TYPE.search(bytes(data))
        written[file] = kind[1].decode() if kind else ""
        what = step(f"write {file} {written[file]}".strip())
        if what == "short":  # and there is room for the rest, too
            data = data[: (len(data) + 1) // 2]
        if what == "half":  # and there is no room for the rest
            original(descriptor, data[: len(data) // 2], *offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(descriptor, data, *offset)

    return call


def audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        writes = (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        file = name_of(arguments[0]) if writes else ""
        if file:
            step(f"open {file}")
    elif event == "http.client.send" and isinstance(arguments[1], bytes):
        found = SENT.match(arguments[1])
        if found:
            step(f"send {found[1].decode()} {found[2].decode()}")


VERBS = {"ftruncate": "cut", "fsync": "sync", "fdatasync": "sync"}
for name in ("mkdir", "link", "rename", "replace", "unlink", *VERBS):
    setattr(os, name, watch(VERBS.get(name, name), getattr(os, name)))
for name in ("write", "pwrite"):
    setattr(os, name, watch_writing(getattr(os, name)))
sys.addaudithook(audit)
