# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scripts for POSIX shells, run by the shells of this machine."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent import posix

SHELLS = [
    pytest.param(
        argv, marks=pytest.mark.skipif(not shutil.which(argv[0]), reason=f"there is no {argv[0]} here"), id=argv[0]
    )
    for argv in (["dash"], ["bash"], ["busybox", "sh"])
]
AWKWARD = 'it\'s "ü" \\n $(id) `id` %s \N{EURO SIGN} ;&|'


def run(
    argv: list[str], shell: list[str], stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """As the agent does, and with another shell in the place of /bin/sh."""
    assert all(word.isascii() for word in argv)
    assert argv[:2] == ["/bin/sh", "-c"]
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment}
    return subprocess.run(
        [*shell, *argv[1:]], input=stdin, capture_output=True, check=False, cwd="/", env=path, umask=0o022
    )


def folder(tmp_path: Path, shell: list[str], *pieces: bytes) -> str:
    made = run(posix.make_folder(), shell, TMPDIR=str(tmp_path)).stdout.decode().strip()
    assert Path(made).stat().st_mode & 0o777 == 0o700
    for number, piece in enumerate(pieces):
        Path(made, f"p{number:08d}").write_bytes(piece)
    return made


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_arrives_as_it_was(shell: list[str]) -> None:
    done = run(posix.command(f"printf %s {shlex.quote(AWKWARD)}; exit 7"), shell)
    assert (done.stdout.decode(), done.returncode) == (AWKWARD, 7)
    raw = b"printf %s '\xff\xfe'".decode(errors="surrogateescape")
    assert run(posix.command(raw), shell).stdout == b"\xff\xfe"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_home_where_the_agent_has_none(shell: list[str]) -> None:
    assert run(posix.command("echo ~"), shell).stdout == b"/root\n"
    assert run(posix.command("echo ~"), shell, HOME="/home/x").stdout == b"/home/x\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_input_is_put_together_and_gone_before_the_command_begins(shell: list[str], tmp_path: Path) -> None:
    made = folder(tmp_path, shell, b"first\x00", b"second")
    assert run(posix.join(made), shell).returncode == 0
    Path(made, "p00000002").write_bytes(b"\xffthird")
    done = run(posix.reading(made, f"pwd; ls -A {tmp_path}; cat; exit 4", "mark"), shell)
    assert (done.stdout, done.returncode) == (b"/\nfirst\x00second\xffthird", 4)
    assert done.stderr == b""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_whose_input_is_lost_does_not_begin(shell: list[str], tmp_path: Path) -> None:
    made = folder(tmp_path, shell)
    Path(made, "p").unlink()
    done = run(posix.reading(made, "echo began", "mark"), shell)
    assert done.stdout == b""
    assert done.stderr.endswith(b"mark\n")
    assert done.returncode == 1
    assert not Path(made).exists()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("pieces", [[], [b"one"], [b"one", b"\xfftwo\x00"]])
def test_a_file_is_put_and_measured(shell: list[str], tmp_path: Path, pieces: list[bytes]) -> None:
    made = folder(tmp_path, shell, *pieces)
    target, data = tmp_path / AWKWARD.replace("/", ""), b"".join(pieces)
    target.write_text("what was there before, and longer")
    target.chmod(0o640)
    expected = f"{len(data)} {hashlib.sha256(data).hexdigest()} -".split()
    assert run(posix.put(made, str(target)), shell).stdout.decode().split() == expected
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (data, 0o640)
    assert run(posix.measure(str(target)), shell).stdout.decode().split() == expected
    assert run(posix.remove(made), shell).returncode == 0
    assert not Path(made).exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_what_cannot_be_written_or_read_says_why(shell: list[str], tmp_path: Path) -> None:
    made = folder(tmp_path, shell, b"x")
    for argv, why in (
        (posix.put(made, str(tmp_path)), str(tmp_path)),
        (posix.measure(str(tmp_path / "none")), str(tmp_path)),
        (posix.measure("/dev/zero"), "it is no regular file"),
    ):
        done = run(argv, shell)
        assert done.returncode != 0
        assert why.encode() in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_parts_of_a_file(shell: list[str], tmp_path: Path) -> None:
    data = bytes(range(256)) * 10
    (tmp_path / "a file").write_bytes(data)
    parts = [run(posix.read(str(tmp_path / "a file"), start, 1024), shell).stdout for start in (0, 1024, 2048, 3072)]
    assert b"".join(parts) == data


ASKS = """\
printf 'a warning\\n' >&2; printf 'prompt:' >&2; read -r given; [ "$given" = right ] || { printf 'sorry\\nprompt:' >&2;
read -r given || { echo none >&2; exit 1; }; }; echo SUCCESS-1; cat"""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("command", "password", "stdout", "status"),
    [
        pytest.param(ASKS, b"right", b"SUCCESS-1\nthe rest\n", 0, id="asked"),
        pytest.param(ASKS, b"wrong", b"", 1, id="refused"),
        pytest.param("echo SUCCESS-1; cat", b"right", b"SUCCESS-1\nthe rest\n", 0, id="not asked"),
        pytest.param("echo gone >&2; exit 9", b"right", b"", 9, id="ended"),
    ],
)
def test_a_password_is_given_where_it_is_asked_for(
    shell: list[str], tmp_path: Path, command: str, password: bytes, stdout: bytes, status: int
) -> None:
    text = posix.answering(shlex.join(["/bin/sh", "-c", command]), "prompt:", "SUCCESS-1")
    argv = posix.command(text)
    done = run(argv, shell, password + b"\nthe rest\n", TMPDIR=str(tmp_path))
    assert (done.stdout, done.returncode) == (stdout, status), done.stderr
    assert password not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_after_a_password_has_the_umask_of_the_agent(shell: list[str]) -> None:
    text = posix.answering("true && echo SUCCESS-1 && umask", "prompt:", "SUCCESS-1")
    assert run(posix.command(text), shell, b"password\n").stdout.split() == [b"SUCCESS-1", b"0022"]


@pytest.mark.parametrize("shell", SHELLS)
def test_who_asks_in_other_words_gets_no_answer(shell: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posix, "_TRIES", 2)
    asks = "printf 'parole:'; read -r given; echo \"got $given\"; exit 5"
    text = posix.answering(shlex.join(["/bin/sh", "-c", asks]), "prompt:", "SUCCESS-1")
    done = run(posix.command(text), shell, b"password\nthe rest\n")
    assert (done.stdout, done.returncode) == (b"parole:got \n", 5)
