# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands and files, over a real sshd and a real sudo, in a real container."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from ansible.errors import AnsibleError, AnsibleFileNotFound

from tests.node.node import Container, Node

from .conftest import Connect

pytestmark = pytest.mark.usefixtures("container")


def test_a_command_runs_as_root_inside(connect: Connect, node: Node) -> None:
    status, stdout, stderr = connect().exec_command("hostname; id -u; echo err >&2; exit 3")
    assert (status, stdout, stderr) == (3, b"CT101\n0\n", b"err\n")
    (call,) = node.calls
    assert call[:-1] == ["exec", "101", "--keep-env", "0", "--", "/bin/sh", "-c"]


@pytest.mark.parametrize(
    "command",
    [
        "hostname; hostname; hostname",
        "hostname && hostname | cat",
        "echo $(hostname) `hostname`",
        "true\nhostname\n",
        "'host'\"name\" # '",
        "hostname & wait",
    ],
)
def test_nothing_of_a_command_is_run_by_the_node(connect: Connect, command: str) -> None:
    status, stdout, _stderr = connect().exec_command(command)
    assert status == 0
    assert set(stdout.split()) == {b"CT101"}


@pytest.mark.parametrize("command", ["echo '", "'; hostname", ")", "hostname; )"])
def test_a_command_that_no_shell_understands_fails_inside(connect: Connect, command: str) -> None:
    status, stdout, stderr = connect().exec_command(command)
    assert status == 2
    assert b"syntax error" in stderr
    assert stdout.strip() in (b"", b"CT101")


def test_nothing_of_the_nodes_environment_comes_in(connect: Connect, node: Node) -> None:
    environment = connect().exec_command("env; echo ~")[1].decode()
    assert "HOME=/root\n" in environment
    assert environment.endswith("\n/root\n")
    assert node.user not in environment
    assert "SSH_" not in environment
    assert "SUDO_" not in environment


def test_any_bytes_go_through(connect: Connect) -> None:
    every = bytes(range(256)) * 300
    assert connect().exec_command("cat; cat /etc/none >&2 || printf '\\377\\376' >&2", in_data=every) == (
        0,
        every,
        b"cat: can't open '/etc/none': No such file or directory\n\xff\xfe",
    )


def test_a_command_that_reads_gets_the_end_of_its_input(connect: Connect) -> None:
    assert connect().exec_command("cat; echo end") == (0, b"end\n", b"")


def test_8_mb_of_stderr_before_any_stdout(connect: Connect) -> None:
    began = time.monotonic()
    status, stdout, stderr = connect().exec_command(
        "head -c 8388608 /dev/zero >&2; head -c 8388608 /dev/zero; echo end"
    )
    assert (status, len(stderr), len(stdout), stdout[-4:]) == (0, 8 << 20, (8 << 20) + 4, b"end\n")
    assert time.monotonic() - began < 120


def test_input_that_is_echoed_while_it_comes(connect: Connect) -> None:
    data = os.urandom(4 << 20)
    status, stdout, stderr = connect().exec_command(
        "mkfifo /tmp/both; cat /tmp/both >&2 & tee /tmp/both; wait; rm /tmp/both", in_data=data
    )
    assert (status, stdout == data, stderr == data) == (0, True, True)


def test_a_command_that_does_not_read_all_of_its_input(connect: Connect) -> None:
    assert connect().exec_command("head -c 3", in_data=b"abc" + bytes(8 << 20)) == (0, b"abc", b"")


def test_its_own_words_of_sudo_are_its_own(connect: Connect) -> None:
    text = "sudo: a password is required"
    assert connect().exec_command(f"echo '{text}' >&2; exit 1") == (1, b"", f"{text}\n".encode())
    text = "container '101' not running!"
    assert connect().exec_command(f'echo "{text}" >&2; exit 255') == (255, b"", f"{text}\n".encode())


def test_a_command_that_is_killed_inside(connect: Connect) -> None:
    status, _stdout, _stderr = connect().exec_command("kill -9 $$")
    assert status == 137


@pytest.mark.parametrize(
    "name",
    ["plain", "a file", 'it\'s "quoted"', "$(hostname)`id`;&|<>*?", "new\nline", "-n", "zürich \\", "bytes-\udcff"],
)
def test_any_name_of_a_file(connect: Connect, container: Container, tmp_path: Path, name: str) -> None:
    there, back, data = tmp_path / "there", tmp_path / "back", os.urandom(1000)
    there.write_bytes(data)
    connection = connect()
    connection.put_file(str(there), f"/tmp/{name}")
    inside = container.root / "tmp" / name
    assert inside.read_bytes() == data
    connection.fetch_file(f"/tmp/{name}", str(back))
    assert back.read_bytes() == data
    inside.unlink()


@pytest.mark.parametrize("size", [0, 1, 32768, 20 << 20])
def test_a_file_goes_in_and_comes_out_with_the_same_checksum(
    connect: Connect, container: Container, tmp_path: Path, size: int
) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(size))  # 20 MB of it, with few ends of lines
    began = time.monotonic()
    connection = connect()
    connection.put_file(str(there), "/tmp/large")
    connection.fetch_file("/tmp/large", str(back))
    assert time.monotonic() - began < 120
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (there, back, container.root / "tmp/large")}
    assert len(digests) == 1


def test_a_large_file_is_not_held_in_memory(connect: Connect, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(64 << 20)
    connection = connect()
    connection.exec_command("true")
    before = rss()
    highest, done = [before], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            highest[0] = max(highest[0], rss())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        connection.put_file(str(sparse), "/tmp/sparse")
        connection.fetch_file("/tmp/sparse", str(tmp_path / "back"))
    finally:
        done.set()
        watcher.join()
        connection.exec_command("rm /tmp/sparse")
    assert (tmp_path / "back").stat().st_size == 64 << 20
    assert highest[0] - before < 32 << 20


def rss() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_file_that_cannot_be_written(connect: Connect, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(bytes(1 << 20))
    connection = connect()
    with pytest.raises(
        AnsibleError, match=r"/none/file in web was not written as a whole: none of 1048576.*nonexistent"
    ):
        connection.put_file(str(there), "/none/file")
    with pytest.raises(AnsibleError, match=r"/dev/full in web was not written as a whole.*No space left on device"):
        connection.put_file(str(there), "/dev/full")
    with pytest.raises(AnsibleFileNotFound, match="There is no file"):
        connection.put_file(str(tmp_path / "none"), "/tmp/file")


@pytest.mark.parametrize(
    ("path", "why"), [("/none", "No such file"), ("/tmp", "no regular file"), ("/dev/zero", "no regular file")]
)
def test_a_file_that_cannot_be_read_leaves_none_behind(connect: Connect, tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises(AnsibleError, match=f"{path} in web was not read as a whole: .*{why}"):
        connect().fetch_file(path, str(tmp_path / "back"))
    assert not (tmp_path / "back").exists()


def test_files_of_the_kernel_tell_no_size(connect: Connect, tmp_path: Path) -> None:
    connect().fetch_file("/proc/version", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text().startswith("Linux version")


def test_one_connection_serves_a_loop_and_is_made_anew_when_it_is_gone(connect: Connect, node: Node) -> None:
    connection = connect()
    assert [connection.exec_command("echo $$")[0] for _round in range(3)] == [0, 0, 0]
    (link,) = connection._links.values()
    node.drop_links()
    deadline = time.monotonic() + 60
    while link.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert connection.exec_command("echo again")[1] == b"again\n"
    connection.reset()
    assert connection.exec_command("echo again")[1] == b"again\n"
