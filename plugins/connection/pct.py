# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks inside a container, through its node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pct
author: steward.proxmox contributors (!UNKNOWN)
version_added: 0.1.0
short_description: Run tasks inside containers, by ssh to the node and pct exec
description:
  - For containers of Proxmox VE that have no ssh server, or no network at all. Any module runs there that finds its
    interpreter there.
  - Ansible logs in to the node and runs C(pct exec). Each command is one argument of it, so that no part of a command
    can be run by the node.
  - Inside, commands run as root. C(ansible_user) and C(remote_user) change nothing; C(become) with C(become_user) does.
  - The allowlist of guests, the ledger and O(snapshot_before) are the same as for P(steward.proxmox.qga#connection).
requirements:
  - paramiko >= 2.12, on the controller
extends_documentation_fragment:
  - steward.proxmox.exec_in_guest
options:
  host:
    description:
      - The node of the container. Several nodes of one cluster can be given; they are tried in turn until one has
        the container, and that one comes first for the rest of the run.
    type: list
    elements: str
    required: true
    vars:
      - name: ansible_host
      - name: proxmox_node_host
      - name: ansible_pct_host
  port:
    description: The port of ssh on the node.
    type: int
    default: 22
    vars:
      - name: proxmox_node_port
      - name: ansible_pct_port
  node_user:
    description: The user to log in as on the node. Not the user of C(ansible_user), who is somebody inside.
    type: str
    default: root
    vars:
      - name: proxmox_node_user
      - name: ansible_pct_user
  node_password:
    description:
      - The password of O(node_user), tried after all keys. Keys are better.
    type: str
    vars:
      - name: proxmox_node_password
      - name: ansible_pct_password
  private_key_file:
    description:
      - The private key of O(node_user), not encrypted; encrypted ones belong in an ssh agent.
      - By default the keys of an ssh agent and C(~/.ssh/id_*) are tried.
    type: path
    cli:
      - name: private_key_file
    env:
      - name: ANSIBLE_PRIVATE_KEY_FILE
    ini:
      - section: defaults
        key: private_key_file
    vars:
      - name: ansible_private_key_file
      - name: proxmox_node_private_key_file
      - name: ansible_pct_private_key_file
  known_hosts:
    description:
      - Files of OpenSSH with the host keys of nodes; those that do not exist are passed over. Hashed names, patterns
        and V(@revoked) lines are understood; V(@cert-authority) lines are not, and are passed over.
      - They are only read, never written.
    type: list
    elements: path
    default: [~/.ssh/known_hosts, ~/.ssh/known_hosts2, /etc/ssh/ssh_known_hosts, /etc/ssh/ssh_known_hosts2]
    vars:
      - name: proxmox_node_known_hosts
      - name: ansible_pct_known_hosts
  host_key:
    description:
      - The host keys of the nodes, instead of O(known_hosts). Each is either a public key (V(ssh-ed25519 AAAA...)) or
        its fingerprint as C(ssh-keygen -l) shows it (V(SHA256:...)).
      - A node has several keys. A fingerprint has to be the one of the first that is negotiated, usually Ed25519.
    type: list
    elements: str
    default: []
    vars:
      - name: proxmox_node_host_key
      - name: ansible_pct_host_key
  host_key_checking:
    description:
      - Whether the key of the node has to be known. Ansible's own setting of that name is often turned off for guests,
        so it does not count here. A revoked key is refused in any case.
    type: bool
    default: true
    env:
      - name: ANSIBLE_PCT_HOST_KEY_CHECKING
    ini:
      - section: pct_connection
        key: host_key_checking
    vars:
      - name: proxmox_node_host_key_checking
      - name: ansible_pct_host_key_checking
  timeout:
    description: Seconds in which the node has to let us in, and C(become) has to ask for a password.
    type: int
    default: 10
    env:
      - name: ANSIBLE_TIMEOUT
    ini:
      - section: defaults
        key: timeout
    vars:
      - name: ansible_pct_timeout
    cli:
      - name: timeout
  runner:
    description:
      - How the node runs C(pct) as root. V(sudo) is C(sudo -n), V(direct) runs it as O(node_user).
      - By default V(direct) when O(node_user) is C(root), or else V(sudo).
    type: str
    choices: [sudo, direct]
    vars:
      - name: proxmox_node_runner
      - name: ansible_pct_runner
  pct:
    description: Where C(pct) is on the node.
    type: str
    default: /usr/sbin/pct
    vars:
      - name: ansible_pct_executable
  pipelining:
    description: Send modules over stdin, so that a task is one C(pct exec) and not six.
    type: bool
    default: true
    env:
      - name: ANSIBLE_PIPELINING
    ini:
      - section: defaults
        key: pipelining
      - section: connection
        key: pipelining
    vars:
      - name: ansible_pipelining
      - name: ansible_pct_pipelining
"""

EXAMPLES = r"""
# inventory.yml. Opened by whoever starts the run: STEWARD_EXEC_PCT=101,102 ansible-playbook -i inventory.yml site.yml
containers:
  hosts:
    web:
      proxmox_vmid: 101
    db:
      proxmox_vmid: 102
  vars:
    ansible_connection: steward.proxmox.pct
    ansible_python_interpreter: /usr/bin/python3
    # wherever in the cluster they are now
    proxmox_node_host: [pve1.example.com, pve2.example.com]
    proxmox_node_user: ansible
    proxmox_node_host_key:
      - SHA256:4fXBjs7Wf3mZ1Zb1wRk2s3l9xVhB0kqN8oWq7YV2p5E
      - SHA256:u1HnR5x0bq9Tz3cWm7Lr2dYk8aFp6vGs4eJo1iXtNwQ
"""

import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import IO, Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._exec.guard import Going, Guard
from ansible_collections.steward.proxmox.plugins.plugin_utils._exec.shell import regular
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh import nodes
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.host_keys import CannotConnect, Trust
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.link import Link, Server
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.pct import (
    Command,
    Entrance,
    NotHere,
    NotInside,
    Outcome,
)
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.process import PIECE, LinkLost

display = Display()

Pieces = Callable[[], Iterable[bytes]]
Sink = Callable[[bytes], object]


class Connection(ConnectionBase):
    """Commands and files of one container."""

    transport = "steward.proxmox.pct"
    has_pipelining = True
    #: who Ansible is inside, whatever remote_user says
    default_user = "root"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connected = False
        self._links: dict[str, Link] = {}

    def _connect(self) -> Connection:
        """Only whether it may be done: which node has the container is known when one runs a command in it."""
        if not self._connected:
            self._guard.admit(self.get_option("snapshot_before"))
            self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"EXEC {cmd}", host=self._name)
        data, stdout = in_data or b"", bytearray()
        become = self.become if sudoable else None
        with self._guard.recorded("exec", cmd, stdin=in_data) as going:
            done = self._run(cmd, going, lambda: _sliced(data), stdout.extend, become)
        return done.status, bytes(stdout), done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        display.vvv(f"PUT {in_path} TO {out_path}", host=self._name)
        if not os.path.isfile(in_path):
            raise AnsibleFileNotFound(f"There is no file {in_path} to be put into {self._name}")
        with open(in_path, "rb") as file:
            digest, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
        script, counted = f"cat > {quote(out_path)} && wc -c < {quote(out_path)}", bytearray()
        with self._guard.recorded("put", f"{in_path} -> {out_path}") as going:
            going.size, going.sha256 = size, digest
            done = self._run(script, going, lambda: _read(in_path), counted.extend)
            if done.status or counted.strip() != b"%d" % size:
                raise AnsibleError(
                    f"{out_path} in {self._name} was not written as a whole: {counted.decode().strip() or 'none'} of"
                    f" {size} bytes are there. {_text(done.stderr)}"
                )

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        display.vvv(f"FETCH {in_path} TO {out_path}", host=self._name)
        script = f"{regular(in_path)}wc -c < {quote(in_path)} >&2 && cat < {quote(in_path)}"
        digest = hashlib.sha256()
        with self._guard.recorded("fetch", f"{in_path} -> {out_path}") as going, _whole(out_path) as file:

            def keep(piece: bytes) -> None:
                file.write(piece)
                digest.update(piece)

            done = self._run(script, going, lambda: (), keep)
            going.size, going.sha256 = file.tell(), digest.hexdigest()
            size = re.match(rb"\s*(\d+)", done.stderr)
            if done.status or not size or file.tell() < int(size[1]):  # it may have grown meanwhile
                raise AnsibleError(f"{in_path} in {self._name} was not read as a whole: {_text(done.stderr)}")

    def reset(self) -> None:
        self.close()

    def close(self) -> None:
        while self._links:
            self._links.popitem()[1].close()
        self._connected = False

    # -- the node ------------------------------------------------------------------------------------------------

    def _run(self, script: str, going: Going, pieces: Pieces, sink: Sink, become: Any = None) -> Outcome:
        """On the node that has the container."""
        with _as_ansible_says():
            hosts, missed = self.get_option("host"), []
            for host in nodes.in_order(self._entrance.vmid, hosts):
                try:
                    done = self._run_on(host, script, going, pieces, sink, become)
                except (CannotConnect, NotHere) as error:
                    missed.append(error)
                    continue
                nodes.found(self._entrance.vmid, hosts, host)
                return done
            raise missed[0] if len(missed) == 1 else NotInside("; ".join(error.message for error in missed))

    def _run_on(self, host: str, script: str, going: Going, pieces: Pieces, sink: Sink, become: Any) -> Outcome:
        command = Command(self._entrance, script)
        process = self._link(host).start(command.line)
        going.began = True
        try:
            done = command.run(process, pieces(), sink, become, self.get_option("timeout"))
        except NotInside as error:
            going.began = False
            error.message = f"{host}: {error.message}"
            raise
        going.exit_status = done.status
        return done

    def _link(self, host: str) -> Link:
        if host not in self._links or not self._links[host].alive:
            server = Server(
                host,
                self.get_option("port"),
                self.get_option("node_user"),
                self.get_option("private_key_file"),
                self.get_option("node_password"),
                self.get_option("timeout"),
            )
            self._links[host] = Link.open(server, self._trust)
        return self._links[host]

    # -- what the options say ------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return str(self.get_option("inventory_name") or f"container {self.get_option('vmid')}")

    @functools.cached_property
    def _guard(self) -> Guard:
        return Guard(
            "pct",
            self.get_option("vmid"),
            self._name,
            self.get_option("host"),
            "root@pam",
            self.get_option("record_commands"),
        )

    @functools.cached_property
    def _entrance(self) -> Entrance:
        runner = self.get_option("runner") or ("direct" if self.get_option("node_user") == "root" else "sudo")
        return Entrance(self.get_option("vmid"), self.get_option("pct"), runner)

    @functools.cached_property
    def _trust(self) -> Trust:
        return Trust(self.get_option("known_hosts"), self.get_option("host_key"), self.get_option("host_key_checking"))


@contextmanager
def _as_ansible_says() -> Iterator[None]:
    """What was not run, or whose end nobody saw, is UNREACHABLE; anything else is a failure."""
    try:
        yield
    except (CannotConnect, NotInside, LinkLost) as error:
        raise AnsibleConnectionFailure(f"{error}") from None  # Ansible would say each cause once more
    except StewardError as error:
        raise AnsibleError(f"{error}") from None


@contextmanager
def _whole(path: str) -> Iterator[IO[bytes]]:
    """A new file, which is gone when it does not become whole."""
    try:
        with open(path, "wb") as file:
            yield file
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def _text(data: bytes) -> str:
    return data.decode(errors="replace").strip()


def _sliced(data: bytes) -> Iterator[bytes]:
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))


def _read(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from iter(lambda: file.read(PIECE), b"")
