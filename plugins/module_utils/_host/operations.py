# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that may be run as root on a node: one table. There is no operation that takes a command.

A parameter is checked against a POSIX extended regular expression, and the same text stands in the sudoers rule: what
this file lets through is what sudo lets through. sudo matches the arguments joined by blanks, so no pattern may match
a blank followed by a dash. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .._errors import ApiError, BadInput

_STORAGE = "[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]"
_LABELS = "[A-Za-z0-9][A-Za-z0-9.-]*"
_NUMBER = "[0-9]+"


@dataclass(frozen=True)
class Parameter:
    """One value of an operation. `place`: a bare word, `--name value`, or only known to the reader and not sent."""

    name: str
    pattern: str
    place: Literal["word", "flag", "unsent"] = "flag"
    required: bool = False

    def arguments(self, name: str, value: Any) -> list[str]:
        text = str(value)
        if not re.fullmatch(self.pattern, text):
            raise BadInput(f"{name}: {text[:80]!r} is not valid here, it must match {self.pattern}")
        return {"word": [text], "flag": [f"--{name}", text], "unsent": []}[self.place]

    @property
    def rule(self) -> str:
        """This parameter in a sudoers rule."""
        if self.place == "flag":
            text = f" --{self.name} {self.pattern}"
            return text if self.required else f"({text})*" if self.name.endswith("]") else f"({text})?"
        return f" {self.pattern}" if self.place == "word" else ""


@dataclass(frozen=True)
class Operation:
    """One command line: its first words, then its parameters in this order."""

    name: str
    program: Literal["pct", "sudo"]
    words: tuple[str, ...]
    writes: bool
    #: seconds of wall clock; a task may give more time to a write
    timeout: int
    #: a name that ends with a character class is a family: net0, net1 ...
    parameters: tuple[Parameter, ...] = ()
    #: what it says where the object does not exist
    missing: str = ""
    answer: Callable[[str], Any] = str
    #: the read that tells what a failed write left behind
    afterwards: str = ""

    def arguments(self, data: Mapping[str, Any]) -> list[str]:
        """The command line after the program. Raises BadInput for what the table does not allow."""
        rest, found = dict(data), list(self.words)
        for parameter in self.parameters:
            names = sorted(name for name in rest if re.fullmatch(parameter.name, name))
            if parameter.required and not names:
                raise BadInput(f"{self.name}: {parameter.name} is missing")
            for name in names:
                found += parameter.arguments(name, rest.pop(name))
        if rest:
            raise BadInput(f"{self.name} does not take {', '.join(sorted(rest))}")
        return found

    def is_missing(self, text: str) -> bool:
        """Does it say that the object does not exist?"""
        return bool(self.missing and re.search(self.missing, text, re.MULTILINE))

    @property
    def rule(self) -> str:
        """The arguments that sudoers has to allow, as a regular expression (sudo 1.9.10 or later)."""
        return f"^{' '.join(self.words)}{''.join(parameter.rule for parameter in self.parameters)}$"


def parse_config(text: str) -> dict[str, str]:
    """The lines `key: value` of `pct config`."""
    pairs = [line.partition(": ") for line in text.splitlines() if line.strip()]
    strange = [key for key, colon, _value in pairs if not colon]
    if strange:
        raise ApiError(f"pct config printed a line that is not 'key: value': {strange[0][:200]!r}")
    return {key: value for key, _colon, value in pairs}


_VMID = Parameter("vmid", "[1-9][0-9]{2,8}", "word", required=True)

_TABLE = (
    Operation(
        "pct config",
        "pct",
        ("config",),
        writes=False,
        timeout=30,
        # the node tells the reads of several hosts of one run apart
        parameters=(_VMID, Parameter("node", "[A-Za-z0-9._-]+", "unsent")),
        missing=r"^Configuration file '.*' does not exist",
        answer=parse_config,
    ),
    Operation(
        "pct create",
        "pct",
        ("create",),
        writes=True,
        timeout=600,
        parameters=(
            _VMID,
            Parameter("ostemplate", f"{_STORAGE}:vztmpl/[A-Za-z0-9][A-Za-z0-9._+-]*", "word", required=True),
            Parameter("unprivileged", "1", required=True),
            Parameter("features", "nesting=1,keyctl=1", required=True),
            Parameter("rootfs", rf"{_STORAGE}:[0-9]+([.][0-9]+)?", required=True),
            Parameter("hostname", _LABELS),
            Parameter("cores", _NUMBER),
            Parameter("memory", _NUMBER),
            Parameter("swap", _NUMBER),
            Parameter("net[0-9]", "[a-z0-9]+=[A-Za-z0-9.:/,=;_-]+"),
            Parameter("nameserver", "[0-9A-Fa-f.:]+( [0-9A-Fa-f.:]+)*"),
            Parameter("searchdomain", _LABELS),
            Parameter("tags", "[a-z0-9_][a-z0-9_;+.-]*"),
            Parameter("ostype", "[a-z]+"),
        ),
        afterwards="pct config",
    ),
    # "may I run this operation with these parameters": asks, and runs nothing
    Operation("sudo -l", "sudo", ("-n", "-l"), writes=False, timeout=30),
)

OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in _TABLE}


def find(name: str, writes: bool) -> Operation:
    """The operation of that name, as a read or as a write; there is no other."""
    operation = OPERATIONS.get(name)
    if operation is None or operation.writes != writes:
        known = ", ".join(row.name for row in _TABLE if row.writes == writes)
        raise ValueError(f"'{name}' is not a {'write' if writes else 'read'} of the host; there are: {known}")
    return operation


def check_program(option: str, path: str) -> str:
    """The absolute path of a program that has the option's name."""
    if not re.fullmatch(rf"(/[A-Za-z0-9_][A-Za-z0-9._-]*)*/{option}", path):
        raise BadInput(f"{option}: {path[:200]!r} is not the absolute path of a program called {option}")
    return path
