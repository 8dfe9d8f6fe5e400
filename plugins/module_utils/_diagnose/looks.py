# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands look inside of a node or a guest: one table. They only read, and need nothing but a shell. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from shlex import quote
from typing import Any

from .._errors import BadInput
from .._prune import parse_age

#: that a host is the node that it is taken for: what is said of a node is to be true of that node
_IS_NODE = (
    'sh -c \'[ "$(uname -n | cut -d. -f1)" = "$0" ] || {{ echo "this is $(uname -n), not $0" >&2; exit 1; }}\''
    " {subject}"
)
#: check -> command
COMMANDS = {
    "node": _IS_NODE,
    # whether anything can be run there
    "inside": "true",
    "units": "systemctl list-units --failed --plain --no-legend --no-pager",
    "disks": "df -P -k",
    "inodes": "df -P -i",
    "memory": "grep -E '^(Mem|Swap)' /proc/meminfo",
    # not with -q: that keeps to itself that not all of it may be seen
    "journal": "journalctl -p err -n {lines} --no-pager -o short-iso --since=-{since}",
    "ports": "ss -H -tlnp",
}
OF_GUESTS = tuple(check for check in COMMANDS if check != "node")
#: a query that only reads, in one statement; that it cannot write is what its transaction is for
_READS = re.compile(r"\s*(?:select|show|with|values|table|explain)\b[^;]*;?\s*", re.IGNORECASE)
#: the connection -> the kind of guest that it reaches
_KINDS = {"pct": "lxc", "qga": "qemu"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$-]*")

Look = dict[str, Any]


def looks(
    place: Mapping[str, Any],
    checks: Iterable[str] = OF_GUESTS,
    since: str = "1d",
    lines: int = 40,
    logs: Iterable[str] = (),
    psql: Iterable[Mapping[str, Any]] = (),
    pattern: str | None = None,
) -> list[Look]:
    """What to run in `place`, a host or a guest with an id, as `inside` judges it."""
    parse_age("since", since)
    here = _place(place)
    values = {"since": "".join(since.split()), "lines": int(lines), "subject": quote(here["subject"])}
    unknown = [name for name in checks if name not in COMMANDS]
    if unknown:
        raise BadInput(f"checks: there is no check {', '.join(unknown)}; these are: {', '.join(COMMANDS)}")
    found = [
        *({"check": name, "command": COMMANDS[name].format(**values)} for name in checks),
        *(_log(path, int(lines), pattern) for path in place.get("logs", logs)),
        *(_query(query) for query in place.get("psql", psql)),
    ]
    return [here | look for look in found]


def _place(place: Mapping[str, Any]) -> Look:
    """Which host of Ansible it is, and what it is called. A guest with an id becomes a host of the role's own."""
    host, vmid = place.get("host"), place.get("vmid")
    if (host is None) == (vmid is None):
        raise BadInput(f"Of where to look, either host or vmid is given: {dict(place)}")
    if vmid is not None:
        host = f"diagnose-{int(vmid)}"
    called = host if vmid is None else f"{_KINDS[place.get('how') or 'pct']}/{vmid}"
    return {"host": host, "subject": place.get("subject") or called}


def _log(path: str, lines: int, pattern: str | None) -> Look:
    if not path.startswith("/"):
        raise BadInput(f"logs: '{path}' is not an absolute path")
    return {"check": "log", "name": path, "command": f"tail -n {lines} -- {quote(path)}", "pattern": pattern}


def _query(psql: Mapping[str, Any]) -> Look:
    """As a user of the system that the database knows. What a query tries to write, PostgreSQL refuses."""
    database, user, query = psql["database"], psql.get("user") or "postgres", psql["query"]
    for option, name in (("database", database), ("user", user)):
        if not _NAME.fullmatch(name):
            raise BadInput(f"psql.{option}: '{name}' is not a name")
    if not _READS.fullmatch(query):
        raise BadInput(f"psql.query: {query!r} is not one statement that reads; it begins with select, show or with")
    # one by one: of several statements in one string an older psql shows only what the last one says
    each = " ".join(
        f"-c {quote(statement)}" for statement in ("BEGIN READ ONLY", query.strip().rstrip("; "), "ROLLBACK")
    )
    command = f"psql -XAtq -v ON_ERROR_STOP=1 -d {quote(database)} {each}"
    told = {"check": "psql", "name": database, "command": f"su -s /bin/sh {quote(user)} -c {quote(command)}"}
    return told | ({"expect": psql["expect"]} if psql.get("expect") else {})
