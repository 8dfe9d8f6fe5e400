# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that may be run on a node: one table. There is no operation that takes a command. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import BadInput
from . import health, mounts, pct
from .operation import Operation


@dataclass(frozen=True)
class Program:
    """Where a program is; what to do where it is not there, or where it does not end."""

    path: str
    absent: str
    stuck: str = "Is a disk or a file system of this host stuck? Look at its kernel log"


_IN_BIN = (
    *("awk", "cat", "find", "findmnt", "lsblk", "mkdir", "mount", "realpath", "rm", "sed", "stat", "systemctl", "test"),
    "umount",
)
_OF_THE_SYSTEM = "It belongs to every Debian: is this host a node of Proxmox VE?"

PROGRAMS: dict[str, Program] = {
    "pct": Program(
        "/usr/sbin/pct",  # a task may name another place
        "Is this host a node of Proxmox VE?",
        "Is the cluster file system (pve-cluster) well on this node?",
    ),
    "sudo": Program("/usr/bin/sudo", "Install sudo, or log in as root and set runner: direct"),
    "smartctl": Program("/usr/sbin/smartctl", "Install the package smartmontools"),
    "sensors": Program("/usr/bin/sensors", "Install the package lm-sensors"),
    "blkid": Program("/usr/sbin/blkid", _OF_THE_SYSTEM),
    **{name: Program(f"/usr/bin/{name}", _OF_THE_SYSTEM) for name in _IN_BIN},
}

#: option of privileged_host -> what it may run
PARTS: dict[str, tuple[Operation, ...]] = {
    "golden_lxc": pct.ROWS,
    "usb_mount": mounts.ROWS,
    "smart": health.SMART,
    "sensors": health.SENSORS,
}

#: "may I run this operation with these parameters": asks, and runs nothing
_MAY_I = Operation("sudo -l", "sudo", ("-n", "-l"), writes=False, as_root=False)

OPERATIONS: dict[str, Operation] = {row.name: row for rows in (*PARTS.values(), (_MAY_I,)) for row in rows}


def find(name: str, writes: bool) -> Operation:
    """The operation of that name, as a read or as a write; there is no other."""
    operation = OPERATIONS.get(name)
    if operation is None or operation.writes != writes:
        known = ", ".join(row.name for row in OPERATIONS.values() if row.writes == writes)
        raise ValueError(f"'{name}' is not a {'write' if writes else 'read'} of the host; there are: {known}")
    return operation


def part_of(operation: Operation) -> tuple[Operation, ...]:
    """What else is run for the same purpose."""
    return next(rows for rows in PARTS.values() if operation in rows)


def check_program(option: str, path: str) -> str:
    """The absolute path of a program that has the option's name."""
    if not re.fullmatch(rf"(/[A-Za-z0-9_][A-Za-z0-9._-]*)*/{option}", path):
        raise BadInput(f"{option}: {path[:200]!r} is not the absolute path of a program called {option}")
    return path
