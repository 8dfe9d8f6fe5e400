# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PostgreSQL server of the tests' own, on loopback, with a ledger in it. Import the fixture `postgres` to use it.

It is skipped where PostgreSQL's server is not installed (Debian: postgresql).
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.node.ports import reserved

SCHEMA = Path(__file__).parents[1] / "extensions" / "postgresql" / "ledger.sql"
USERS = {"writer": "steward_ledger_writer", "reader": "steward_ledger_reader", "owner": "steward_ledger_owner"}
PATIENCE = 60


class Postgres:
    """A private cluster. Each database that it makes holds a ledger of its own."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.directory = Path(tempfile.mkdtemp(prefix="steward-postgres-"))
        self.password = secrets.token_urlsafe(16)
        self._reserved = reserved()  # also while the server is stopped
        self.port = int(self._reserved.getsockname()[1])
        self._as_user = _unprivileged(self.directory)
        self._server: subprocess.Popen[Any] | None = None

    def __enter__(self) -> "Postgres":
        word = self.directory / "password"
        word.write_text(self.password)
        word.chmod(0o644)
        self._run("initdb", "-D", self._data, "-U", "admin", "-A", "scram-sha-256", "--pwfile", word, "-E", "UTF8",
                  "--locale=C", "--no-sync", **self._as_user)  # fmt: skip
        self.start()
        for name, role in USERS.items():
            self.admin(
                f"create role {role} nologin; create role {name} login password '{self.password}' in role {role}"
            )
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._reserved.close()
        shutil.rmtree(self.directory)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        # ends with the tests, also where they are killed
        ended = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
        command = [*ended, str(self._programs / "postgres"), "-D", str(self._data)]
        command += [f"--{name}={value}" for name, value in options.items()]
        with (self.directory / "log").open("ab") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **self._as_user)
        self._server = server
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.admin("select 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise RuntimeError((self.directory / "log").read_text()) from None
                time.sleep(0.05)

    def stop(self) -> None:
        """As an administrator would: those who are connected are thrown out, then those who are just connecting."""
        self.thaw()
        server, self._server = self._server, None
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if server and server.poll() is None:
                server.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    server.wait(3 if number == signal.SIGINT else PATIENCE)

    def freeze(self) -> None:
        """The server stays there, with all of its connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Each connection has a process of its own, which leads a group of its own, too."""
        server = self._server
        if server:
            os.kill(server.pid, number)
            for child in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(child), number)

    def ledger(self) -> str:
        """A new database with a ledger, made as the documentation says. The connection string of a writer."""
        database = f"ledger_{secrets.token_hex(4)}"
        self.admin(f"create database {database}")
        self.make(self.dsn("writer", database))
        return self.dsn("writer", database)

    def make(self, dsn: str, user: str = "admin", **roles: str) -> None:
        names = [word for role, name in roles.items() for word in ("-v", f"{role}={name}")]
        self._run("psql", "-q", "-d", self.as_user(user, dsn), *names, "-f", SCHEMA)

    def dsn(self, user: str, database: str = "postgres") -> str:
        return f"postgresql://{user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def as_user(self, user: str, dsn: str) -> str:
        """The connection string of another user to the same ledger."""
        return self.dsn(user, dsn.rpartition("/")[2])

    def admin(self, statement: str, database: str = "postgres") -> None:
        execute(self.dsn("admin", database), statement)

    def _run(self, program: str, *arguments: object, **settings: Any) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", check=False, **settings)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


def execute(dsn: str, statement: str) -> None:
    """As somebody would in psql."""
    with psycopg.connect(dsn, connect_timeout=PATIENCE, autocommit=True) as connection:
        connection.execute(statement)


def _programs() -> Path | None:
    """Debian keeps those of the server out of the way."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


def _unprivileged(directory: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root, as which CI runs in its container."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    with Postgres(programs) as server:
        yield server
