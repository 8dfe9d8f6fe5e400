# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which commands look inside: they only read, and nothing of what is asked for can become a command of its own."""

import shlex
import subprocess
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.filter.diagnose_looks import diagnose_looks


def commands(place: dict[str, Any], **options: Any) -> dict[str, str]:
    return {look.get("name") or look["check"]: look["command"] for look in diagnose_looks(place, **options)}


def test_the_general_checks() -> None:
    assert commands({"vmid": 101}, since="12 h", lines=5) == {
        "inside": "true",
        "units": "systemctl list-units --failed --plain --no-legend --no-pager",
        "disks": "df -P -k",
        "inodes": "df -P -i",
        "memory": "grep -E '^(Mem|Swap)' /proc/meminfo",
        "journal": "journalctl -p err -n 5 --no-pager -o short-iso --since=-12h",
        "ports": "ss -H -tlnp",
    }
    assert list(commands({"vmid": 101}, checks=["units"])) == ["units"]


@pytest.mark.parametrize(
    ("place", "host", "subject"),
    [
        ({"vmid": 101}, "diagnose-101", "lxc/101"),
        ({"vmid": 101, "how": "pct"}, "diagnose-101", "lxc/101"),
        ({"vmid": 301, "how": "qga"}, "diagnose-301", "qemu/301"),
        ({"vmid": 301, "subject": "the shop"}, "diagnose-301", "the shop"),
        ({"host": "web1"}, "web1", "web1"),
        ({"host": "pve1.example.com", "subject": "pve1"}, "pve1.example.com", "pve1"),
    ],
)
def test_where_it_is_run_and_what_it_is_called(place: dict[str, Any], host: str, subject: str) -> None:
    assert {(look["host"], look["subject"]) for look in diagnose_looks(place)} == {(host, subject)}


def test_a_guest_of_its_own_logs_and_queries_has_no_others() -> None:
    own = {"vmid": 101, "logs": ["/own"], "psql": []}
    names = list(commands(own, checks=[], logs=["/all"], psql=[{"database": "d", "query": "select 1"}]))
    assert names == ["/own"]
    assert list(commands({"vmid": 101}, checks=[], logs=["/all"])) == ["/all"]


NASTY = "/tmp/a'; touch /tmp/steward-owned; echo '$(id) `id` \" \n x"


def test_a_path_is_one_argument() -> None:
    (command,) = commands({"host": "h", "logs": [NASTY]}, checks=[]).values()
    assert shlex.split(command) == ["tail", "-n", "40", "--", NASTY]


def test_a_query_is_one_argument_of_one_command() -> None:
    query = {"database": "shop", "user": "reader", "query": "select '$(id)`id`' as \"x\", 'it''s'; "}
    (command,) = commands({"host": "h", "psql": [query]}, checks=[]).values()
    outer = shlex.split(command)
    assert outer[:-1] == ["su", "-s", "/bin/sh", "reader", "-c"]
    assert shlex.split(outer[-1]) == [
        *("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "shop"),
        *("-c", "BEGIN READ ONLY", "-c", "select '$(id)`id`' as \"x\", 'it''s'", "-c", "ROLLBACK"),
    ]
    # what two shells make of it
    seen = outer[-1].replace("psql", "printf '%s\\n'", 1)
    said = subprocess.run(["/bin/sh", "-c", seen], capture_output=True, text=True, check=True).stdout
    assert "select '$(id)`id`' as \"x\", 'it''s'\n" in said


@pytest.mark.parametrize(
    "query",
    [
        "delete from orders",
        "select 1; drop table orders",
        "copy orders to program 'id'",
        "\\! id",
        "begin",
        "update orders set x = 1",
        "",
        "-- select\ndelete from orders",
    ],
)
def test_what_does_not_only_read_is_refused(query: str) -> None:
    with pytest.raises(AnsibleFilterError, match="is not one statement that reads"):
        diagnose_looks({"host": "h", "psql": [{"database": "shop", "query": query}]})


@pytest.mark.parametrize("query", ["select 1", " SELECT 1 ;", "with x as (select 1) select * from x", "show all"])
def test_what_reads_is_run(query: str) -> None:
    assert diagnose_looks({"host": "h", "psql": [{"database": "shop", "query": query}]}, checks=[])


@pytest.mark.parametrize(
    ("place", "options", "words"),
    [
        ({}, {}, "either host or vmid is given"),
        ({"host": "h", "vmid": 1}, {}, "either host or vmid is given"),
        ({"vmid": "1;id"}, {}, "invalid literal"),
        ({"vmid": 1, "how": "ssh"}, {}, "'ssh'"),
        ({"host": "h"}, {"checks": ["mood"]}, "there is no check mood; these are: node, inside"),
        ({"host": "h"}, {"since": "yesterday; id"}, "since: 'yesterday; id' is not an age"),
        ({"host": "h"}, {"lines": "5; id"}, "invalid literal"),
        ({"host": "h"}, {"logs": ["etc/passwd"]}, "logs: 'etc/passwd' is not an absolute path"),
        ({"host": "h"}, {"psql": [{"database": "a b", "query": "select 1"}]}, "psql.database: 'a b' is not a name"),
        ({"host": "h"}, {"psql": [{"database": "-h", "query": "select 1"}]}, "psql.database: '-h' is not a name"),
        (
            {"host": "h"},
            {"psql": [{"database": "d", "user": "$x", "query": "show a"}]},
            "psql.user: '.x' is not a name",
        ),
        ({"host": "h"}, {"psql": [{"database": "d"}]}, "query"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(place: dict[str, Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        diagnose_looks(place, **options)
