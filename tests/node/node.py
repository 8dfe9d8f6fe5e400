# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The node: its sshd, its user, what sudo lets that user do, and its containers."""

from __future__ import annotations

import base64
import fcntl
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from . import lxc, pct
from .ports import reserved

ROOT = Path(__file__).parents[2]
SUDOERS = Path("/etc/sudoers.d")
PATIENCE = 60
# reachable for the ids of a container, which the folder of a user's own for temporary files may not be
_PLACES = Path("/tmp")
_NAME = "steward-test-{pid}-{number}"
_NUMBERS = itertools.count(1)

_PCT = """\
#!/bin/sh
[ -w "$0" ] || { echo "please run as root" >&2; exit 255; }
exec @python@ -IS -c 'import sys; sys.path.insert(0, "@root@")
from tests.node import pct; sys.exit(pct.main("@place@", sys.argv[1:]))' "$@"
"""
_SSHD = """\
ListenAddress {host}:{port}
HostKey {place}/host_key
AuthorizedKeysFile {place}/authorized_keys .ssh/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 100
MaxSessions 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""


class Container(lxc.Container):
    """A container of a test, and what a test wants to know of it. Nothing here is in the log of calls."""

    def __init__(self, node: Node, vmid: int) -> None:
        super().__init__(node.place, str(vmid))
        self.number = vmid

    def run(self, *argv: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Runs a program inside, as its root."""
        return subprocess.run(
            self.attach(*argv),
            check=settings.pop("check", False),
            **{"capture_output": True, "text": True, "timeout": PATIENCE, **settings},
        )


class Node:
    """Use it as a context manager, or the fixture `node`."""

    host = "127.0.0.1"

    def __init__(self, name: str = "pve1") -> None:
        _remove_leftovers()
        self.name = name
        self.user = _NAME.format(pid=os.getpid(), number=next(_NUMBERS))
        self.place = Path(tempfile.mkdtemp(prefix=f"{self.user}-", dir=_PLACES))
        self.place.chmod(0o755)
        self.home = self.place / "home"
        self.key = self.place / "key"
        self.known_hosts = self.place / "known_hosts"
        self.pct = self.place / "pct"
        self.port = 0
        self._server: subprocess.Popen[Any] | None = None
        self._reserved: socket.socket | None = None

    def __enter__(self) -> Node:
        try:
            for folder in ("configs", "lxc", "home"):
                (self.place / folder).mkdir()
            (self.place / "name").write_text(self.name)
            (self.place / "calls").touch()
            _write_program(self.pct, _PCT, place=self.place, root=ROOT, python=os.path.realpath(sys.executable))
            _account("useradd", "--system", "--no-create-home", "--home-dir", str(self.home), "--shell", "/bin/sh",
                     "--password", "*", self.user)  # fmt: skip
            shutil.chown(self.home, self.user, self.user)
            for name in ("host_key", "key"):
                _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.user, "-f", str(self.place / name))
            (self.place / "key.pub").rename(self.place / "authorized_keys")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        if self._reserved:
            self._reserved.close()
        _remove(self.place)

    # -- ssh -----------------------------------------------------------------------------------------------------

    @property
    def host_key(self) -> str:
        """The node's public key: its type and the key in base64."""
        return " ".join((self.place / "host_key.pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(base64.b64decode(self.host_key.split()[1])).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def variables(self) -> dict[str, Any]:
        """For a host of an inventory that is reached with ssh."""
        return {
            "ansible_host": self.host,
            "ansible_port": self.port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.known_hosts} -o IdentitiesOnly=yes",
            "ansible_python_interpreter": "/usr/bin/python3",  # the tests' own may be where only root reads
        }

    def ssh(self, command: str, user: str | None = None, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command line on the node, as its user."""
        options = ["BatchMode=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={self.known_hosts}"]
        argv = ["ssh", "-F", "none", "-p", str(self.port), "-i", str(self.key)]
        argv += [word for option in options for word in ("-o", option)]
        return subprocess.run(
            [*argv, f"{user or self.user}@{self.host}", command],
            check=settings.pop("check", False),
            **{
                "capture_output": True,
                "text": True,
                "timeout": 300,
                "stdin": subprocess.DEVNULL,
                **settings,
            },
        )

    def start(self) -> None:
        """Starts the sshd, on the same port as before."""
        if not self.port:
            self._reserved = reserved(self.host)  # also while the sshd is stopped
            self.port = int(self._reserved.getsockname()[1])
        self.known_hosts.write_text(f"[{self.host}]:{self.port} {self.host_key}\n")
        config = self.place / "sshd_config"
        config.write_text(_SSHD.format(host=self.host, port=self.port, place=self.place))
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        # ends with the tests, also where they are killed
        command = f"setpriv --pdeathsig TERM /usr/sbin/sshd -D -f {config} -E {self.place / 'sshd.log'}".split()
        self._server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), closing(socket.create_connection((self.host, self.port), 1)) as link:
                if link.recv(4) == b"SSH-":
                    return
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise RuntimeError(f"sshd does not answer: {(self.place / 'sshd.log').read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends the sshd and every connection of it."""
        server, self._server = self._server, None
        if server:
            self._kill_sessions(server.pid)
            server.terminate()
            server.wait(PATIENCE)

    def drop_links(self) -> None:
        """Every connection is lost, at once and without a word; the sshd goes on."""
        if self._server:
            self._kill_sessions(self._server.pid)

    def _kill_sessions(self, server: int) -> None:
        for child in _children(server):
            if _command(child).startswith("sshd"):
                self._kill_sessions(child)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

    # -- sudo ----------------------------------------------------------------------------------------------------

    def allow(self, rules: str) -> None:
        """Puts lines of sudoers in place of those before, as an administrator would: checked by visudo first."""
        draft = SUDOERS / f"{self.user}.tmp"  # sudo reads no name with a dot
        draft.write_text(f"{rules}\n")
        draft.chmod(0o440)
        try:
            _run("/usr/sbin/visudo", "-c", "-q", "-f", str(draft))
            draft.rename(SUDOERS / self.user)
        finally:
            draft.unlink(missing_ok=True)

    def allow_pct(self) -> None:
        """Everything of pct, where the rules are not what is tested."""
        self.allow(f"{self.user} ALL=(root) NOPASSWD: {self.pct}")

    def forbid(self) -> None:
        """The user may nothing again."""
        (SUDOERS / self.user).unlink(missing_ok=True)

    # -- pct -----------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every pct since forget()."""
        whole, _newline, _begun = (self.place / "calls").read_text().rpartition("\n")  # pct may be writing just now
        return [json.loads(line) for line in whole.splitlines()]

    def forget(self) -> None:
        (self.place / "calls").write_text("")

    def create(self, vmid: int, template: str = pct.BUSYBOX, start: bool = True, **options: object) -> Container:
        """A new container, by way of pct; it goes with the node at the latest."""
        words = {"unprivileged": 1, "rootfs": "local:1", **options}
        self.root("create", vmid, template, *(word for name in words for word in (f"--{name}", words[name])))
        if start:
            self.root("start", vmid)
        return Container(self, vmid)

    def root(self, *words: object) -> str:
        """Runs pct as root, here; its output."""
        return _run(str(self.pct), *map(str, words))


# -- the machine -----------------------------------------------------------------------------------------------------


def _run(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


def _write_program(path: Path, text: str, **values: object) -> None:
    path.write_text(functools.reduce(lambda told, name: told.replace(f"@{name}@", str(values[name])), values, text))
    path.chmod(0o755)


def _account(*argv: str) -> None:
    """One at a time: whoever finds /etc/passwd locked waits a second."""
    with Path(__file__).open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _run(*argv)


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _command(pid: int) -> str:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


def _remove(place: Path) -> None:
    """All that a node made, in an order that leaves the folder for the last, which tells of the rest."""
    for container in lxc.all_of(place):
        container.destroy()
    user = place.name.rpartition("-")[0]
    for name in (user, f"{user}.tmp"):
        (SUDOERS / name).unlink(missing_ok=True)
    with suppress(RuntimeError):
        _account("userdel", "--force", user)
    shutil.rmtree(place, ignore_errors=True)


@functools.cache
def _remove_leftovers() -> None:
    """Of tests that were killed. A folder with our own number is of one that had it before us."""
    pattern = re.compile(re.escape(_NAME).replace(r"\{pid\}", r"(\d+)").replace(r"\{number\}", r"\d+") + "-.+")
    for place in _PLACES.iterdir():
        named = pattern.fullmatch(place.name)
        if named and (named[1] == str(os.getpid()) or not Path("/proc", named[1]).exists()):
            _remove(place)


def missing() -> str:
    """What this machine lacks for a node, or ""."""
    if os.geteuid() != 0:
        return "needs root, to add a user, rules of sudoers and containers"
    wanted = {
        "openssh-server": "/usr/sbin/sshd",
        "openssh-client": "/usr/bin/ssh",
        "sudo": "/usr/bin/sudo",
        "lxc": "/usr/bin/lxc-start",
        "busybox-static": "/bin/busybox",
        "python3": "/usr/bin/python3",
    }
    lacking = [package for package, program in wanted.items() if not Path(program).exists()]
    return f"not installed (Debian): {' '.join(lacking)}" if lacking else ""
