# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sudo's part: its command line, telling its refusals from the command's own failures, and the rule that it needs.

Texts: sudo 1.9.13 and 1.9.16. A refusal has status 1, as failures of many commands have: only the text tells. Pure.
"""

from __future__ import annotations

import re

from .operations import OPERATIONS

SUDO = "/usr/bin/sudo"

_REFUSAL = re.compile(r"sudo: |Sorry, user |\S+ is not in the sudoers file")
_NOT_FOUND = re.compile(r"^sudo: .*: command not found$", re.MULTILINE)
# a warning that sudo also prints before it runs the command
_WARNING = re.compile(r"^sudo: unable to resolve host .*\n?", re.MULTILINE)


def is_refusal(status: int, stdout: str, stderr: str) -> bool:
    """Was it sudo that said no (or that did not find the command), and not the command?"""
    return status == 1 and not stdout.strip() and bool(_REFUSAL.match(_WARNING.sub("", stderr)))


def is_not_found(stderr: str) -> bool:
    """May the user run it, but it is not there?"""
    return bool(_NOT_FOUND.search(stderr))


def rule(user: str, pct: str) -> str:
    """The line of sudoers that allows every operation of the table, and nothing else."""
    allowed = ", ".join(f"{pct} {operation.rule}" for operation in OPERATIONS.values() if operation.program == "pct")
    return f"{user} ALL=(root) NOPASSWD: {allowed}"
