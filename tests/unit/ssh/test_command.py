# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the node says, what is said inside, and the talk with sudo and su, from streams that a test makes up."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from ansible.plugins.loader import become_loader
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.escalation import NotEscalated
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.pct import (
    Command,
    Entrance,
    NotHere,
    NotInside,
    Outcome,
)
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.process import ERR, OUT

WORD = "<word>"


class Process:
    """Says what it is told to, in pieces of one byte; `sent` is its input."""

    patience: float | None = None

    def __init__(self, *said: tuple[str, str], status: int = 0, silent: bool = False) -> None:
        self._said, self._status, self._silent = said, status, silent
        self.word, self.sent, self.closed = "", b"", False

    def output(self) -> Iterator[tuple[str, bytes]]:
        for stream, text in self._said:
            for byte in text.replace(WORD, self.word).encode("latin-1"):
                yield stream, bytes([byte])
        if self._silent:
            assert self.patience == 5
            raise TimeoutError

    def feed(self, pieces: Iterable[bytes]) -> None:
        self.sent += b"".join(pieces) + b"<end>"

    def write(self, data: bytes) -> None:
        self.sent += data

    def status(self) -> int:
        return self._status

    def close(self) -> None:
        self.closed = True


def run(process: Process, command: str = "true", become: Any = None) -> tuple[bytes, Outcome]:
    entering = Command(Entrance(101), command)
    process.word = re.findall(r"inside-[0-9a-f]{32}", entering.line)[0]
    stdout = bytearray()
    try:
        outcome = entering.run(process, [b"some ", b"input"], stdout.extend, become, 5)  # type: ignore[arg-type]
    finally:
        assert process.closed
    return bytes(stdout), outcome


@pytest.mark.parametrize("command", ["hostname; hostname; id", "echo '\"$(id)`id`' &", "true\nid\n", "é\udcff", ""])
@pytest.mark.parametrize("runner", ["sudo", "direct"])
def test_a_command_is_one_argument_of_pct(command: str, runner: str) -> None:
    words = shlex.split(Command(Entrance(101, "/usr/sbin/pct", runner), command).line)
    sudo = ["sudo", "-n"] if runner == "sudo" else []
    assert words[:-1] == [*sudo, "/usr/sbin/pct", "exec", "101", "--keep-env", "0", "--", "/bin/sh", "-c"]
    assert words[-1].endswith(f"\n{command}")


def test_the_word_is_another_one_each_time() -> None:
    assert Command(Entrance(101), "true").line != Command(Entrance(101), "true").line


def test_what_the_node_says_is_not_said_inside() -> None:
    warning = "perl: warning: Setting locale failed.\n"
    process = Process((ERR, warning), (ERR, f"{WORD}inside\xff"), (OUT, "out\xff"), (ERR, " more"), status=7)
    assert run(process) == (b"out\xff", Outcome(7, b"inside\xff more"))
    assert process.sent == b"some input<end>"


@pytest.mark.parametrize(
    "text",
    [
        "sudo: a password is required\n",
        "container '101' not running!\n",
        "Configuration file 'nodes/pve1/lxc/101.conf' does not exist\n",
    ],
)
def test_a_command_that_says_the_same_is_not_taken_for_the_node(text: str) -> None:
    assert run(Process((ERR, WORD + text), status=1)) == (b"", Outcome(1, text.encode()))


@pytest.mark.parametrize(
    ("text", "status", "kind", "says"),
    [
        ("Configuration file 'nodes/pve1/lxc/101.conf' does not exist", 2, NotHere, "there is no container 101"),
        ("container '101' not running!", 255, NotInside, "container 101 is not running"),
        ("CT 101 not running", 255, NotInside, "container 101 is not running"),
        ("sudo: a password is required", 1, NotInside, "sudo does not let this user run /usr/sbin/pct exec 101"),
        (
            "sudo: a terminal is required to read the password; either use the -S option\nsudo: a password is required",
            1,
            NotInside,
            "sudo does not let",
        ),
        (
            "Sorry, user ansible is not allowed to execute '/usr/sbin/pct' as root on pve1.",
            1,
            NotInside,
            "sudo does not",
        ),
        ("ansible is not in the sudoers file.", 1, NotInside, "sudo does not let this user"),
        ("sudo: /usr/sbin/pct: command not found", 1, NotInside, "there is no /usr/sbin/pct"),
        ("bash: line 1: /usr/sbin/pct: No such file or directory", 127, NotInside, "there is no /usr/sbin/pct"),
        ("sh: 1: /usr/sbin/pct: not found", 127, NotInside, "there is no /usr/sbin/pct"),
        ("bash: line 1: sudo: command not found", 127, NotInside, "there is no sudo"),
        ("sh: 1: sudo: not found", 127, NotInside, "there is no sudo"),
        ("perl: warning: Setting locale failed.\nplease run as root", 255, NotInside, "only root may run pct"),
        (
            "lxc-attach: 101: ../src/lxc/attach.c: lxc_attach_run_command: 1841 No such file or directory - "
            'Failed to exec "/bin/sh"',
            127,
            NotInside,
            "container 101 has no /bin/sh",
        ),
        ("unable to open file '/etc/pve/nodes/pve1/lxc/101.conf.tmp' - Permission denied", 13, NotInside, "status 13"),
        ("", 0, NotInside, "ended with status 0 before anything began and without a word"),
    ],
)
def test_why_nothing_began(text: str, status: int, kind: type[NotInside], says: str) -> None:
    with pytest.raises(NotInside) as caught:
        run(Process((ERR, f"{text}\n"), status=status))
    assert isinstance(caught.value, kind)
    assert says in str(caught.value)
    assert text in str(caught.value)
    assert "Nothing was run inside" in str(caught.value)


@pytest.fixture
def sudo() -> Any:
    become = become_loader.get("sudo")
    become.set_options(direct={"become_user": "guest", "become_pass": "hunter2"})
    return become


@pytest.fixture
def su() -> Any:
    become = become_loader.get("su")
    become.set_options(direct={"become_user": "guest", "become_pass": "hunter2"})
    return become


class Shell:
    """As much of a shell plugin as become needs."""

    ECHO, COMMAND_SEP, executable = "echo", ";", "/bin/sh"


def becoming(become: Any) -> str:
    return str(become.build_become_command("id", Shell()))


def test_a_password_is_given_when_it_is_asked_for_and_then_the_input(sudo: Any) -> None:
    command = becoming(sudo)
    process = Process((ERR, f"{WORD}We trust you.\n{sudo.prompt} "), (OUT, f"{sudo.success}\nout"), (ERR, "err"))
    assert run(process, command, sudo) == (f"{sudo.success}\nout".encode(), Outcome(0, b"err"))
    assert process.sent == b"hunter2\nsome input<end>"


def test_nobody_who_is_not_asked_tells_a_password(sudo: Any) -> None:
    command = becoming(sudo)
    process = Process((ERR, f"{WORD}warning\n"), (OUT, f"{sudo.success}\nout"))
    assert run(process, command, sudo)[1] == Outcome(0, b"warning\n")
    assert process.sent == b"some input<end>"


def test_su_asks_on_stdout_or_stderr(su: Any) -> None:
    for stream in (OUT, ERR):
        command = becoming(su)
        process = Process((ERR, WORD), (stream, "Password: "), (OUT, f"\n{su.success}\nout"))
        assert run(process, command, su)[0] == f"{su.success}\nout".encode()
        assert process.sent == b"hunter2\nsome input<end>"


def test_the_node_gets_no_password(sudo: Any) -> None:
    command = becoming(sudo)
    process = Process((ERR, f"{sudo.prompt} "), (ERR, "\nsudo: a password is required"), status=1)
    with pytest.raises(NotInside):
        run(process, command, sudo)
    assert process.sent == b""


def test_a_password_that_is_not_accepted(sudo: Any) -> None:
    command = becoming(sudo)
    process = Process((ERR, f"{WORD}{sudo.prompt} "), (ERR, f"\nSorry, try again.\n{sudo.prompt} "))
    with pytest.raises(NotEscalated, match="sudo did not accept the password"):
        run(process, command, sudo)
    assert process.sent == b"hunter2\n"


def test_neither_a_question_nor_a_beginning(sudo: Any) -> None:
    command = becoming(sudo)
    with pytest.raises(NotEscalated, match="neither asked for a password nor let the command begin: One-time code:"):
        run(Process((ERR, f"{WORD}One-time code:"), silent=True), command, sudo)


def test_sudo_that_ends_tells_why_by_itself(sudo: Any) -> None:
    command = becoming(sudo)
    process = Process((ERR, f"{WORD}sudo: unknown user nobody7\n"), status=1)
    assert run(process, command, sudo) == (b"", Outcome(1, b"sudo: unknown user nobody7\n"))


def test_without_a_password_nothing_is_waited_for(sudo: Any) -> None:
    sudo.set_options(direct={"become_user": "guest"})
    process = Process((ERR, WORD), (OUT, "out"))
    assert run(process, becoming(sudo), sudo) == (b"out", Outcome(0, b""))


def test_a_command_that_become_has_nothing_to_do_with(sudo: Any) -> None:
    becoming(sudo)  # an earlier one
    assert run(Process((ERR, WORD), (OUT, "out")), "id", sudo) == (b"out", Outcome(0, b""))
