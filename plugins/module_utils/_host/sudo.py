# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sudo's part: its command line, telling its refusals from the command's own failures, and the rule that it needs.

Texts: sudo 1.9.13 and 1.9.16. A refusal has status 1, as failures of many commands have: only the text tells. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .operations import OPERATIONS, PROGRAMS

SUDO = PROGRAMS["sudo"].path

_REFUSAL = re.compile(r"sudo: |Sorry, user |\S+ is not in the sudoers file")
_NOT_FOUND = re.compile(r"^sudo: .*: command not found$", re.MULTILINE)
_WARNING = re.compile(r"^sudo: unable to resolve host .*\n?", re.MULTILINE)


def without_warnings(stderr: str) -> str:
    """What the command said, without what sudo warns of before it runs it."""
    return _WARNING.sub("", stderr)


def is_refusal(status: int, stdout: str, stderr: str) -> bool:
    """Was it sudo that said no (or that did not find the command), and not the command?"""
    return status == 1 and not stdout.strip() and bool(_REFUSAL.match(without_warnings(stderr)))


def is_not_found(stderr: str) -> bool:
    """May the user run it, but it is not there?"""
    return bool(_NOT_FOUND.search(stderr))


def rules(user: str, pct: str = PROGRAMS["pct"].path, names: Collection[str] | None = None) -> list[str]:
    """The lines of sudoers that allow operations of the table (all of them, or those of these names), one for each.

    What needs no root has no line.
    """
    rows = (row for row in OPERATIONS.values() if row.as_root and (names is None or row.name in names))
    paths = {name: program.path for name, program in PROGRAMS.items()} | {"pct": pct}
    return [f"{user} ALL=(root) NOPASSWD: {paths[row.program]} {row.rule}" for row in rows]
