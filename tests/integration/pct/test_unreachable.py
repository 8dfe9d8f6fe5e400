# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be reached is UNREACHABLE with the cause; what may not be reached, nobody tries to reach."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh import link

from tests.node.node import Container, Node
from tests.node.ports import reserved

from .conftest import Connect

pytestmark = pytest.mark.usefixtures("container")


def unreachable(connect: Connect, **options: Any) -> str:
    with pytest.raises(AnsibleConnectionFailure) as caught:
        connect(**options).exec_command("true")
    return str(caught.value)


# -- the container ---------------------------------------------------------------------------------------------------


def test_a_container_that_is_stopped(connect: Connect, node: Node) -> None:
    node.create(103, start=False)
    told = unreachable(connect, vmid=103)
    assert told.startswith("127.0.0.1: container 103 is not running (container '103' not running!). Nothing was run")
    node.root("destroy", 103)


def test_a_container_that_does_not_exist(connect: Connect) -> None:
    told = unreachable(connect, vmid=999)
    assert "there is no container 999 (Configuration file 'nodes/pve1/lxc/999.conf' does not exist)" in told


def test_a_container_without_a_shell(connect: Connect, node: Node) -> None:
    bare = node.create(104)
    (bare.root / "bin/sh").unlink()
    assert "container 104 has no /bin/sh" in unreachable(connect, vmid=104)
    bare.stop()
    node.root("destroy", 104)


def test_a_container_that_is_stopped_in_the_middle(connect: Connect, node: Node) -> None:
    container = node.create(105)
    with when((container.root / "tmp" / "begun").exists, container.stop):
        assert connect(vmid=105).exec_command("touch /tmp/begun; sleep 60")[0] == 137
    node.root("destroy", 105)


# -- rights on the node ----------------------------------------------------------------------------------------------


def test_sudo_that_allows_nothing(connect: Connect, node: Node) -> None:
    node.forbid()
    told = unreachable(connect)
    assert f"sudo does not let this user run {node.pct} exec 101 (sudo: a password is required)" in told
    assert f"NOPASSWD: {node.pct} ^exec 101 --keep-env 0 -- /bin/sh -c .+$" in told
    assert node.calls == []


def test_the_rule_that_the_error_names_is_enough_and_is_narrow(connect: Connect, node: Node) -> None:
    rule = re.findall(r"A rule for it is: (.*)", unreachable(connect, pct=f"{node.pct}"[:-1] + "T"))[0]
    node.allow(rule.replace("USER", node.user).replace("/pcT", "/pct"))
    assert connect().exec_command("echo 'a\n\nb'; hostname") == (0, b"a\n\nb\nCT101\n", b"")
    assert "sudo does not let this user" in unreachable(connect, vmid=102)


def test_pct_without_root(connect: Connect) -> None:
    assert "only root may run pct (please run as root)" in unreachable(connect, runner="direct")


def test_root_needs_no_sudo(connect: Connect, node: Node) -> None:
    node.forbid()
    assert connect(node_user="root").exec_command("hostname")[1] == b"CT101\n"


def test_a_node_without_pct(connect: Connect, node: Node) -> None:
    assert "there is no /usr/sbin/pct" in unreachable(connect, pct="/usr/sbin/pct", node_user="root")
    node.allow(f"{node.user} ALL=(root) NOPASSWD: /usr/sbin/pct")
    assert "there is no /usr/sbin/pct (sudo: /usr/sbin/pct: command not found)" in unreachable(
        connect, pct="/usr/sbin/pct"
    )


# -- the link --------------------------------------------------------------------------------------------------------


def test_a_port_where_nobody_listens(connect: Connect, node: Node) -> None:
    with reserved() as free:
        port = free.getsockname()[1]
        told = unreachable(connect, port=port)
    assert f"{node.user}@127.0.0.1:{port} cannot be reached: Connection refused" in told


def test_a_host_that_nobody_knows(connect: Connect) -> None:
    assert "@node.invalid" in unreachable(connect, host=["node.invalid"])


def test_a_port_where_something_else_listens(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        told = unreachable(connect, port=silent.getsockname()[1], timeout=1)
    assert "does not talk ssh with us" in told
    assert time.monotonic() - began < 12, "paramiko itself waits for 15 seconds"


def test_a_user_whom_the_node_does_not_know(connect: Connect) -> None:
    assert "nobody-here@127.0.0.1:" in unreachable(connect, node_user="nobody-here")
    assert "did not let us in: Authentication failed" in unreachable(connect, node_user="nobody-here")


def test_private_keys_that_do_not_work(connect: Connect, tmp_path: Path) -> None:
    assert "cannot be read: No such file" in unreachable(connect, private_key_file=str(tmp_path / "none"))
    (tmp_path / "text").write_text("no key")
    assert "is no private key that paramiko can use" in unreachable(connect, private_key_file=str(tmp_path / "text"))
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "hunter2", "-f", str(tmp_path / "locked")]
    subprocess.run(keygen, check=True)
    assert "is encrypted. Nothing was run. Add it to an ssh agent" in unreachable(
        connect, private_key_file=str(tmp_path / "locked")
    )


@pytest.mark.parametrize("kind", [["rsa", "2048"], ["ecdsa", "256"]])
def test_other_kinds_of_private_keys(connect: Connect, node: Node, tmp_path: Path, kind: list[str]) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind[0], "-b", kind[1], "-N", "", "-f", tmp_path / "key"], check=True)
    allowed = node.place / "authorized_keys"
    before = allowed.read_text()
    allowed.write_text(before + (tmp_path / "key.pub").read_text())
    assert connect(private_key_file=str(tmp_path / "key")).exec_command("hostname")[1] == b"CT101\n"
    allowed.write_text(before)


def test_a_key_of_an_agent(connect: Connect, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where no keys are
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    assert "did not let us in" in unreachable(connect, private_key_file=None)
    with subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL) as agent:
        deadline = time.monotonic() + 60
        while subprocess.run(["ssh-add", "-q", node.key], check=False, capture_output=True).returncode:
            assert time.monotonic() < deadline, "the agent does not answer"
            time.sleep(0.02)
        assert connect(private_key_file=None).exec_command("hostname")[1] == b"CT101\n"
        agent.terminate()


@contextmanager
def when(is_so: Callable[[], bool], act: Callable[[], object]) -> Iterator[None]:
    """Does something as soon as that is so, while other things go on here."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while not is_so() and time.monotonic() < deadline:
            time.sleep(0.02)
        act()

    waiter = threading.Thread(target=wait)
    waiter.start()
    try:
        yield
    finally:
        waiter.join()


@contextmanager
def when_it_runs(node: Node, vmid: int, act: Callable[[], object]) -> Iterator[None]:
    """Does something a moment after the node was told to begin the command; how far it is then does not matter."""

    def later() -> None:
        time.sleep(0.3)
        act()

    with when(lambda: any(call[:2] == ["exec", str(vmid)] for call in node.calls), later):
        yield


def test_a_link_that_is_lost_in_the_middle(connect: Connect, node: Node) -> None:
    began = time.monotonic()
    with when_it_runs(node, 101, node.drop_links), pytest.raises(AnsibleConnectionFailure) as caught:
        connect().exec_command("sleep 60")
    assert f"The connection to {node.user}@127.0.0.1:{node.port} was lost before the command ended" in str(caught.value)
    assert "Whether it goes on there is not known" in str(caught.value)
    assert "Nothing was run" not in str(caught.value)
    assert time.monotonic() - began < 50, "it waited for the end of the command"


def test_a_link_that_is_lost_while_a_file_comes_or_goes(
    connect: Connect, node: Node, container: Container, tmp_path: Path
) -> None:
    sparse = container.root / "tmp" / "sparse"
    sparse.touch()
    os.truncate(sparse, 4 << 30)
    with when_it_runs(node, 101, node.drop_links), pytest.raises(AnsibleConnectionFailure, match="was lost before"):
        connect().fetch_file("/tmp/sparse", str(tmp_path / "back"))
    sparse.unlink()
    assert not (tmp_path / "back").exists()
    large = tmp_path / "large"
    large.write_bytes(bytes(8 << 20))
    connection = connect()
    connection.exec_command("mkfifo /tmp/that-nobody-reads")
    node.forget()
    with when_it_runs(node, 101, node.drop_links), pytest.raises(AnsibleConnectionFailure, match="was lost before"):
        connection.put_file(str(large), "/tmp/that-nobody-reads")


# -- host keys -------------------------------------------------------------------------------------------------------


@pytest.fixture
def known(node: Node, tmp_path: Path) -> Callable[[str], str]:
    """A known_hosts file; NODE and KEY are those of the node."""

    def known(text: str) -> str:
        path = tmp_path / "known"
        path.write_text(text.replace("NODE", f"[{node.host}]:{node.port}").replace("KEY", node.host_key))
        return str(path)

    return known


# what other readers lost, or stumbled over
FOREIGN = """# my nodes
@cert-authority *.example.com ssh-rsa AAAAB3NzaC1yc2E=
pve8,pve9,10.0.0.9 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEMbQIa7JtWrXaH2E+mBB9e2x7IkVQvE8ZtMCd6dJK1z both of them

NODE sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t
@revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEMbQIa7JtWrXaH2E+mBB9e2x7IkVQvE8ZtMCd6dJK1z
this line is nothing
"""


def test_a_file_of_the_user_is_only_read(connect: Connect, known: Callable[[str], str]) -> None:
    path = known(f"{FOREIGN}NODE KEY")  # the last line without an end
    before, when = Path(path).read_bytes(), os.stat(path).st_mtime_ns
    assert connect(known_hosts=[path]).exec_command("hostname")[1] == b"CT101\n"
    assert "is not known" in unreachable(connect, known_hosts=[path], host=["localhost"])
    assert (Path(path).read_bytes(), os.stat(path).st_mtime_ns) == (before, when)
    assert os.listdir(Path(path).parent) == [Path(path).name]


def test_a_hashed_name(connect: Connect, known: Callable[[str], str]) -> None:
    path = known("NODE KEY\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    assert "|1|" in Path(path).read_text()
    assert connect(known_hosts=[path]).exec_command("hostname")[1] == b"CT101\n"


def test_an_unknown_host_key(connect: Connect, node: Node, known: Callable[[str], str]) -> None:
    told = unreachable(connect, known_hosts=[known(FOREIGN.replace("NODE", "other"))])
    assert f"key of 127.0.0.1 port {node.port} is not known: it showed ssh-ed25519 {node.fingerprint}" in told
    assert "Nothing was run" in told
    assert node.calls == []


def test_a_changed_host_key(connect: Connect, node: Node, known: Callable[[str], str]) -> None:
    other = node.host_key[:-4] + "AAAA"
    told = unreachable(connect, known_hosts=[known(f"#\nNODE {other}\n")])
    assert f"The host key of 127.0.0.1 has changed: it showed ssh-ed25519 {node.fingerprint}, and " in told
    assert "known:2 says SHA256:" in told


@pytest.mark.parametrize("checking", [True, False])
def test_a_revoked_host_key(connect: Connect, known: Callable[[str], str], checking: bool) -> None:
    path = known("NODE KEY\n@revoked * KEY\n")
    assert "is revoked in " in unreachable(connect, known_hosts=[path], host_key_checking=checking)


def test_a_pinned_host_key(connect: Connect, node: Node) -> None:
    for pin in (node.fingerprint, node.host_key):
        assert connect(known_hosts=[], host_key=[pin]).exec_command("hostname")[1] == b"CT101\n"
    told = unreachable(connect, host_key=["SHA256:" + "A" * 43])
    assert f"is not the one that host_key says: 127.0.0.1 showed ssh-ed25519 {node.fingerprint}" in told


def test_a_pin_that_is_none_fails_before_anything_is_tried(connect: Connect) -> None:
    with pytest.raises(AnsibleError, match="host_key: 'SHA1:abc' is neither a public key") as caught:
        connect(host_key=["SHA1:abc"], host=["node.invalid"]).exec_command("true")
    assert not isinstance(caught.value, AnsibleConnectionFailure)


def test_checking_can_be_turned_off(connect: Connect) -> None:
    assert connect(known_hosts=[], host_key_checking=False).exec_command("hostname")[1] == b"CT101\n"


# -- which are not even tried ----------------------------------------------------------------------------------------


@pytest.fixture
def nothing_begins(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, no connection: neither begun here nor seen by the node."""

    def refuse(*_arguments: Any, **_more: Any) -> NoReturn:
        raise AssertionError("something was begun")

    def connections() -> int:  # the ends of earlier ones may still come
        return (node.place / "sshd.log").read_text().count("Connection from ")

    before = connections()
    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "connect", refuse)
        patched.setattr(subprocess, "Popen", refuse)
        patched.setattr(os, "fork", refuse)
        patched.setattr(os, "posix_spawn", refuse)
        patched.setattr(link, "_paramiko", refuse)
        yield
    assert (connections(), node.calls) == (before, [])


@pytest.mark.parametrize("allowed", [None, "", "102", "100,102-200", "1010"])
@pytest.mark.usefixtures("nothing_begins")
def test_what_is_not_open_is_not_touched(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str | None
) -> None:
    if allowed is None:
        monkeypatch.delenv("STEWARD_EXEC_PCT")
    else:
        monkeypatch.setenv("STEWARD_EXEC_PCT", allowed)
    monkeypatch.setenv("STEWARD_EXEC_QGA", "*")  # the other connection has a list of its own
    connection = connect()
    (tmp_path / "file").write_text("")
    for attempt in (
        lambda: connection.exec_command("true"),
        lambda: connection.put_file(str(tmp_path / "file"), "/tmp/file"),
        lambda: connection.fetch_file("/etc/passwd", str(tmp_path / "passwd")),
        connection._connect,
    ):
        with pytest.raises(AnsibleError, match="No command may be run in lxc/101") as caught:
            attempt()
        assert not isinstance(caught.value, AnsibleConnectionFailure)
    assert not (tmp_path / "passwd").exists()


# -- several nodes ---------------------------------------------------------------------------------------------------


class Second(Node):
    """Another node of the cluster, at the same port of another address; whoever may log in to the first may here."""

    host = "127.0.0.2"

    def __init__(self, first: Node) -> None:
        super().__init__("pve2")
        self._first, self.port = first, first.port

    def __enter__(self) -> Second:
        super().__enter__()
        (self.place / "authorized_keys").write_text((self._first.place / "authorized_keys").read_text())
        return self


@pytest.fixture(scope="module")
def second(node: Node) -> Iterator[Node]:
    with Second(node) as made:
        yield made


@pytest.fixture
def both(node: Node, second: Node, tmp_path: Path) -> dict[str, Any]:
    """The options for both of them. Their programs are at other places, of which a link tells the right one."""
    second.forget()
    (tmp_path / "known").write_text(node.known_hosts.read_text() + second.known_hosts.read_text())
    script = 'case "$SSH_CONNECTION" in *127.0.0.2*) exec %s "$@" ;; *) exec %s "$@" ;; esac'
    pct = node.place / "either"
    pct.write_text("#!/bin/sh\n" + script % (second.pct, node.pct))
    pct.chmod(0o755)
    known_hosts = [str(tmp_path / "known")]
    return {"host": [node.host, second.host], "node_user": "root", "pct": str(pct), "known_hosts": known_hosts}


def calls(*nodes: Node) -> list[int]:
    found = [sum(call[0] == "exec" for call in node.calls) for node in nodes]
    for node in nodes:
        node.forget()
    return found


def test_a_container_is_found_and_followed(connect: Connect, node: Node, second: Node, both: dict[str, Any]) -> None:
    second.create(150, hostname="traveller")
    assert connect(vmid=150, **both).exec_command("hostname")[1] == b"traveller\n"
    assert calls(node, second) == [1, 1]
    # another task, which is another process in a run
    assert connect(vmid=150, **both).exec_command("hostname")[1] == b"traveller\n"
    assert calls(node, second) == [0, 1]
    # it moves
    second.root("stop", 150)
    second.root("destroy", 150)
    assert "127.0.0.2: there is no container 150" in unreachable(connect, vmid=150, **both)
    assert "127.0.0.1: there is no container 150" in unreachable(connect, vmid=150, **both)
    node.create(150, hostname="traveller")
    calls(node, second)
    assert connect(vmid=150, **both).exec_command("cat", in_data=b"all of it")[1] == b"all of it"
    assert connect(vmid=150, **both).exec_command("hostname")[1] == b"traveller\n"
    assert calls(node, second) == [2, 1]
    node.root("stop", 150)
    node.root("destroy", 150)


def test_a_node_that_is_down_does_not_hide_the_others(connect: Connect, second: Node, both: dict[str, Any]) -> None:
    second.create(151)
    hosts = {**both, "host": ["127.0.0.3", second.host]}
    assert connect(vmid=151, **hosts).exec_command("hostname")[1] == b"CT151\n"
    told = unreachable(connect, vmid=152, **hosts)
    assert "127.0.0.3" in told
    assert "cannot be reached: Connection refused; 127.0.0.2: there is no container 152" in told


def test_what_may_have_begun_is_not_tried_elsewhere(
    connect: Connect, node: Node, second: Node, both: dict[str, Any]
) -> None:
    second.create(153)
    node.create(153)
    calls(node, second)
    with when_it_runs(node, 153, node.drop_links), pytest.raises(AnsibleConnectionFailure, match="was lost before"):
        connect(vmid=153, **both).exec_command("sleep 60")
    assert calls(node, second) == [1, 0]
    # nor where the answer is a definite one
    node.root("stop", 153)
    assert "container 153 is not running" in unreachable(connect, vmid=153, **both)
    assert calls(node, second) == [1, 0]
