# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node of the tests is worth their trust: its pct says what the real one says, and nothing of it stays behind."""

from __future__ import annotations

import os
import pwd
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node.node import ROOT, SUDOERS, Container, Node
from tests.node.pct import BUSYBOX
from tests.node.ports import reserved

# pve-container 6.1.10, in this order
SAID = [
    ("config 999", 2, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
    ("status 999", 2, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
    ("exec 999 -- true", 2, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
    ("destroy 999", 2, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
    (f"create 901 {BUSYBOX} --unprivileged 1 --rootfs local:1", 255, "CT 901 already exists on node 'pve1'\n"),
    ("status 901", 0, "status: stopped\n"),
    ("exec 901 -- true", 255, "container '901' not running!\n"),
    ("push 901 /etc/hostname /tmp/x", 255, "can only push files to a running CT\n"),
    ("stop 901", 255, "CT 901 not running\n"),
    ("start 901", 0, ""),
    ("start 901", 255, "CT 901 already running\n"),
    ("status 901", 0, "status: running\n"),
    ("exec 901 -- sh -c 'exit 7'", 7, ""),
    ("exec 901 --keep-env 0 -- sh -c 'echo $SECRET $container'", 0, "lxc\n"),
    ("exec 901 -- sh -c 'echo $SECRET'", 0, "word\n"),
    ("push 901 /etc/os-release '/tmp/a b'", 0, ""),
    ("exec 901 -- cat '/tmp/a b'", 0, Path("/etc/os-release").read_text()),
    ("pull 901 /nofile /tmp/y", 0, "failed to open /nofile: No such file or directory\n"),
    ("stop 901", 0, ""),
    ("set 901 --memory 256", 0, ""),
    ("destroy 901", 0, ""),
    ("config 901", 2, "Configuration file 'nodes/pve1/lxc/901.conf' does not exist\n"),
    (f"create 902 {BUSYBOX} --rootfs nostor:1", 255, "storage 'nostor' does not exist\n"),
    (f"create 902 {BUSYBOX} --rootfs local", 255, "unable to parse volume ID 'local'\n"),
]


@pytest.fixture
def stopped(node: Node) -> Container:
    return node.create(901, start=False, hostname="golden", features="nesting=1,keyctl=1")


def test_pct_says_what_the_real_one_says(node: Node, stopped: Container) -> None:
    assert node.root("config", stopped.vmid).splitlines() == [
        "arch: amd64",
        "features: nesting=1,keyctl=1",
        "hostname: golden",
        "memory: 512",
        "ostype: alpine",
        "rootfs: local:901/vm-901-disk-0.raw,size=1G",
        "swap: 512",
        "unprivileged: 1",
    ]
    node.forget()
    for line, status, text in SAID:
        done = subprocess.run(
            [str(node.pct), *shlex.split(line)],
            env={"SECRET": "word", "PATH": "/usr/bin:/bin"},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (line, done.returncode, done.stdout) == (line, status, text)
    assert node.calls == [shlex.split(line) for line, _status, _text in SAID]


def test_a_container_is_unprivileged(node: Node) -> None:
    made = node.create(903)
    assert made.run("cat", "/proc/self/uid_map").stdout.split() == ["0", "100000", "65536"]
    assert made.run("id", "-u").stdout == "0\n"
    assert "Operation not permitted" in made.run("mknod", "/tmp/disk", "b", "7", "0").stderr


def test_a_dropped_link_ends_the_session_and_not_the_node(node: Node) -> None:
    command: list[str | Path] = [
        "ssh",
        "-F",
        "none",
        "-tt",
        "-p",
        str(node.port),
        "-i",
        node.key,
        "-o",
        "BatchMode=yes",
    ]
    command += ["-o", f"UserKnownHostsFile={node.known_hosts}", f"{node.user}@{node.host}", "echo begun; sleep 60"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as ssh:
        assert ssh.stdout
        assert ssh.stdout.readline().strip() == b"begun"
        node.drop_links()
        assert ssh.wait(50) == 255
    assert node.ssh("echo again").stdout == "again\n"


def test_a_reserved_port_is_for_whoever_names_it() -> None:
    with reserved() as held:
        place = held.getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place)
        with socket.create_server(place):
            socket.create_connection(place).close()


LEFT = """
import os, signal
from tests.node.node import Node
node = Node().__enter__()
node.allow_pct()
node.create(101)
print(node.place, node.user, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_removed_by_the_next(node: Node) -> None:
    with subprocess.Popen([sys.executable, "-c", LEFT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout
        name, user = killed.stdout.readline().split()
        place = Path(name)
        # it has a number until it was waited for: so long, nobody else who begins meanwhile takes this for left
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        assert (place / "configs" / "101.conf").exists()
        assert (SUDOERS / user).exists()
        assert monitors(place)
    assert killed.returncode == -9
    next_run = "from tests.node.node import Node\nwith Node(): pass"
    subprocess.run([sys.executable, "-c", next_run], cwd=ROOT, check=True)
    assert not place.exists()
    assert not (SUDOERS / user).exists()
    assert user not in {entry.pw_name for entry in pwd.getpwall()}
    assert monitors(place) == []


def monitors(place: Path) -> list[str]:
    """LXC's processes for containers there."""
    listed = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if line.startswith("[lxc monitor]") and str(place) in line]
