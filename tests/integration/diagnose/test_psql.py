# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that ask PostgreSQL, run against a real one: they read, and cannot write."""

import os
import shutil
import subprocess
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.filter.diagnose_flags import diagnose_flags
from ansible_collections.steward.proxmox.plugins.filter.diagnose_looks import diagnose_looks

from tests.postgres import Postgres, postgres

__all__ = ["postgres"]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not (shutil.which("psql") and shutil.which("su")), reason="needs root, psql and su"
)


def ask(server: Postgres, query: str, database: str = "postgres", **more: Any) -> dict[str, Any]:
    """What the filter makes of the answer."""
    place = {"host": "db", "psql": [{"database": database, "user": "root", "query": query, **more}]}
    (look,) = diagnose_looks(place, checks=[])
    known = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "admin", "PGPASSWORD": server.password}
    shell = ["/bin/sh", "-c", look["command"]]
    done = subprocess.run(shell, capture_output=True, text=True, check=False, env={**os.environ, **known})
    seen = {**look, "rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    return diagnose_flags([seen])


def test_rows_are_evidence_and_are_what_is_expected(postgres: Postgres) -> None:
    found = ask(postgres, "select n, 'it''s $(id)' from generate_series(1, 2) n;", expect=r"^1\|it's \$\(id\)$")
    assert found["flags"] == []
    assert found["evidence"] == {"db": {"postgres": ["1|it's $(id)", "2|it's $(id)"]}}
    (flag,) = ask(postgres, "show server_encoding", expect="^LATIN1$")["flags"]
    assert (flag["level"], flag["what"]) == ("warning", "does not answer what is expected: UTF8")


@pytest.mark.parametrize(
    "query",
    [
        "with made as (insert into kept values (2) returning n) select n from made",
        "explain analyze insert into kept values (2)",
        "select n into copied from kept",
    ],
)
def test_what_writes_is_refused_by_the_database(postgres: Postgres, query: str) -> None:
    postgres.admin("drop table if exists kept")
    postgres.admin("create table kept as select 1 as n")
    (flag,) = ask(postgres, query)["flags"]
    assert flag["level"] == "unread"
    assert "in a read-only transaction" in flag["what"]
    assert ask(postgres, "select count(*) from kept", expect="^1$")["flags"] == []


def test_a_database_that_is_not_there_is_unread(postgres: Postgres) -> None:
    (flag,) = ask(postgres, "select 1", database="nothing")["flags"]
    assert (flag["level"], flag["subject"]) == ("unread", "nothing in db")
    assert 'database "nothing" does not exist' in flag["what"]
