# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is: a program, its command line with checked parameters, and how its end is read.

A parameter is checked against a POSIX extended regular expression, and the same text stands in the sudoers rule: what
this file lets through is what sudo lets through. sudo matches the arguments joined by blanks, so no pattern may match
a blank followed by a dash. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import BadInput
from .command import Outcome


@dataclass(frozen=True)
class Parameter:
    """One value of an operation. A name that ends with a character class is a family: net0, net1 ...

    `pattern` has parentheses of its own around alternatives.
    """

    name: str
    pattern: str
    #: the arguments that it becomes: {} is its value, {name} its name. None: only the reader of the plan knows it
    form: tuple[str, ...] = ("{}",)
    required: bool = True

    def checked(self, name: str, value: Any) -> str:
        text = str(value)
        if not re.fullmatch(self.pattern, text):
            raise BadInput(f"{name}: {text[:80]!r} is not valid here, it must match {self.pattern}")
        return text

    def arguments(self, data: Mapping[str, Any]) -> list[str]:
        found = [{"": self.checked(name, data[name]), "name": name} for name in self.names(data)]
        return [_filled(part, values) for values in found for part in self.form]

    def names(self, data: Mapping[str, Any]) -> list[str]:
        """Which of the data are its values."""
        return sorted(name for name in data if re.fullmatch(self.name, name))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (self,)

    @property
    def rule(self) -> str:
        """This parameter in a sudoers rule, with the blank before it."""
        text = "".join(f" {_filled(part, {'': self.pattern, 'name': self.name}, _literal)}" for part in self.form)
        if self.required or not text:
            return text
        return f"({text})*" if self.name.endswith("]") else f"({text})?"


@dataclass(frozen=True)
class Text:
    """One argument that holds several values, or one of them more than once: each `{name}` in it."""

    text: str
    parameters: tuple[Parameter, ...] = ()

    def arguments(self, data: Mapping[str, Any]) -> list[str]:
        return [_filled(self.text, {row.name: row.checked(row.name, data[row.name]) for row in self.parameters})]

    @property
    def rule(self) -> str:
        """This argument in a sudoers rule, with the blank before it."""
        return f" {_filled(self.text, {row.name: row.pattern for row in self.parameters}, _literal)}"


def flag(name: str, pattern: str, required: bool = False) -> Parameter:
    """`--name value`."""
    return Parameter(name, pattern, ("--{name}", "{}"), required)


def unsent(name: str, pattern: str) -> Parameter:
    """What is not sent: it tells the reads of several hosts of one run apart."""
    return Parameter(name, pattern, (), required=False)


def succeeded(outcome: Outcome) -> bool:
    return outcome.status == 0


def or_nothing(status: int) -> Callable[[Outcome], bool]:
    """Success; or this status without a word, by which a search says that it found nothing."""
    return lambda outcome: (
        outcome.status == 0 or (outcome.status == status and not outcome.stdout.strip() and not outcome.stderr.strip())
    )


@dataclass(frozen=True)
class Operation:
    """One command line: fixed words, parameters and texts that hold some, in this order."""

    name: str
    #: a row of PROGRAMS
    program: str
    line: tuple[str | Parameter | Text, ...]
    writes: bool
    #: seconds of wall clock; a task may give more time to a write
    timeout: int = 30
    #: False: it is run as the user who logged in, and stands in no rule of sudoers
    as_root: bool = True
    #: without root it finds nothing, and does not say why
    mute: bool = False
    #: is this an answer, or did it fail?
    answers: Callable[[Outcome], bool] = succeeded
    #: the data in an answer
    answer: Callable[[Outcome], Any] = lambda outcome: outcome.stdout
    #: what it says where the object does not exist, and where one that exists already is in the way
    missing: str = ""
    taken: str = ""
    #: what it says -> what to do about it
    hints: tuple[tuple[str, str], ...] = ()
    #: the read that tells what a failed write left behind; and of a read: how it tells it, in a sentence
    afterwards: str = ""
    tells: Callable[[Any], str] = lambda _answer: "It exists now; look at it before running this again"

    @property
    def _parts(self) -> list[Parameter | Text]:
        return [Text(part) if isinstance(part, str) else part for part in self.line]

    @property
    def parameters(self) -> list[Parameter]:
        return [parameter for part in self._parts for parameter in part.parameters]

    def arguments(self, data: Mapping[str, Any]) -> list[str]:
        """The command line after the program. Raises BadInput for what the table does not allow."""
        known: set[str] = set()
        for parameter in self.parameters:
            names = parameter.names(data)
            if parameter.required and not names:
                raise BadInput(f"{self.name}: {parameter.name} is missing")
            known.update(names)
        if data.keys() - known:
            raise BadInput(f"{self.name} does not take {', '.join(sorted(data.keys() - known))}")
        return [argument for part in self._parts for argument in part.arguments(data)]

    def is_missing(self, text: str) -> bool:
        """Does it say that the object does not exist?"""
        return _says(self.missing, text)

    def is_taken(self, text: str) -> bool:
        """Does it say that another object is in the way?"""
        return _says(self.taken, text)

    def hint(self, text: str) -> str:
        """What to do about what it says, or ""."""
        return next((hint for pattern, hint in self.hints if _says(pattern, text)), "")

    @property
    def rule(self) -> str:
        """The arguments that sudoers has to allow, as a regular expression (sudo 1.9.10 or later)."""
        return f"^{''.join(part.rule for part in self._parts)[1:]}$"


def _says(pattern: str, text: str) -> bool:
    return bool(pattern and re.search(pattern, text, re.MULTILINE))


def _filled(text: str, values: Mapping[str, str], fixed: Callable[[str], str] = str) -> str:
    """`text` with the value of each `{name}` in it; what else is in it as `fixed` has it."""
    parts = re.split(r"\{(\w*)\}", text) if values else [text]
    return "".join(values[part] if place % 2 else fixed(part) for place, part in enumerate(parts))


def _literal(word: str) -> str:
    """A word as a POSIX extended regular expression; re.escape would escape more than POSIX knows."""
    return re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", word)
