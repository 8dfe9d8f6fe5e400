# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence: this host's commands, as reads and writes of the table in operations.py. It knows no HTTP."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._errors import (
    ApiError,
    BadInput,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Refused,
    StewardError,
    Taken,
    Unreachable,
)
from . import command, sudo
from .operation import Operation
from .operations import OPERATIONS, PROGRAMS, check_program, find, part_of


class Host:
    """This host, with the rights of root or of whom sudo lets act as root."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._with_sudo = options["runner"] == "sudo"
        self._pct = check_program("pct", options["pct"])
        self._timeout: int | None = options.get("timeout")

    def get(self, path: str, /, **params: Any) -> Any:
        """The answer of a read of the table. Raises NotFound where the object does not exist."""
        operation = find(path, writes=False)
        if operation.program == "sudo":
            return self._may(operation, **params)
        return operation.answer(self._run(operation, params))

    def send(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> None:
        """Carry out a write of the table."""
        if method != "RUN":
            raise ValueError(f"a host is not sent {method}")
        operation = find(path, writes=True)
        try:
            self._run(operation, data or {})
        except ApiError as error:
            if not operation.afterwards or isinstance(error, Taken):
                raise
            left = self._left(operation, data or {})
            raise type(error)(f"{error.message}. {left}", error.hint, **error.facts) from error

    # -- running -----------------------------------------------------------------------------------------------------

    def _command(self, operation: Operation, params: Mapping[str, Any]) -> list[str]:
        program = self._pct if operation.program == "pct" else PROGRAMS[operation.program].path
        return [program, *operation.arguments(params)]

    def _by_sudo(self, operation: Operation) -> bool:
        return self._with_sudo and operation.as_root

    def _lacks_root(self, operation: Operation) -> bool:
        return operation.as_root and not self._with_sudo and os.geteuid() != 0

    def _may(self, asking: Operation, operation: str, **params: Any) -> bool:
        """Does sudo allow this operation with these parameters? True, or Refused. It is not run."""
        wanted = OPERATIONS[operation]
        line = self._command(wanted, params)
        if self._by_sudo(wanted):
            outcome = self._outcome(asking, [sudo.SUDO, *asking.arguments({}), *line])
            if outcome.status != 0:
                raise self._said_no(wanted, line, outcome)
        return True

    def _run(self, operation: Operation, params: Mapping[str, Any]) -> command.Outcome:
        line = self._command(operation, params)
        if operation.mute and self._lacks_root(operation):
            raise _not_root(line, "it would find nothing")
        outcome = self._outcome(operation, [sudo.SUDO, "-n", *line] if self._by_sudo(operation) else line)
        if self._by_sudo(operation):
            outcome = replace(outcome, stderr=sudo.without_warnings(outcome.stderr))
            if sudo.is_refusal(outcome.status, outcome.stdout, outcome.stderr):
                raise self._said_no(operation, line, outcome)
        if outcome.is_cut and not operation.writes:
            raise ApiError(f"'{shlex.join(line)}' printed more than 1 MiB on {_here()}")
        if not operation.answers(outcome):
            raise self._failed(operation, line, outcome)
        return outcome

    def _outcome(self, operation: Operation, argv: list[str]) -> command.Outcome:
        limit = self._timeout if operation.writes and self._timeout else operation.timeout
        try:
            return command.run(argv, limit, stop=not operation.writes)
        except FileNotFoundError:
            raise _not_there(argv[0], "sudo" if argv[0] == sudo.SUDO else operation.program) from None
        except OSError as error:
            raise Refused(f"permission: {argv[0]} cannot be run on {_here()}: {error.strerror}") from error
        except command.StillRunning:
            late = f"'{shlex.join(argv)}' still runs on {_here()} after {limit} seconds"
            if operation.writes:
                raise OutcomeUnknown(f"{late}; it was not stopped") from None
            raise Unreachable(f"{late}. Nothing was sent", PROGRAMS[operation.program].stuck) from None

    # -- saying what went wrong --------------------------------------------------------------------------------------

    def _failed(self, operation: Operation, argv: list[str], outcome: command.Outcome) -> StewardError:
        line = shlex.join(argv)
        facts: dict[str, Any] = {"exit_status": outcome.status}
        hint = operation.hint(outcome.stderr)
        if operation.is_missing(outcome.stderr):
            return NotFound(f"'{line}': {outcome.words}", hint, **facts)
        if operation.is_taken(outcome.stderr):
            return Taken(f"'{line}': {outcome.words}. Nothing was done", hint, **facts)
        if outcome.status < 0 and operation.writes:
            return OutcomeUnknown(f"'{line}' was ended by signal {-outcome.status}: {outcome.words}", **facts)
        if self._lacks_root(operation):
            return _not_root(argv, outcome.words, **facts)
        failed = f"'{line}' failed on {_here()} with exit status {outcome.status}: {outcome.words}"
        return ApiError(failed, hint, **facts)

    def _said_no(self, operation: Operation, argv: list[str], outcome: command.Outcome) -> StewardError:
        """What sudo says no to: an operation that no rule allows, or a program that is not there."""
        if sudo.is_not_found(outcome.stderr):
            return _not_there(argv[0], operation.program)
        lines = "\n".join(sudo.rules(_user(), self._pct, [row.name for row in part_of(operation)]))
        why = outcome.words if outcome.stderr.strip() else "no rule of sudoers allows it"
        return Refused(
            f"sudo does not let {_user()} run '{shlex.join(argv)}' on {_here()}: {why}",
            f"An administrator can allow it (sudo 1.9.10 or later) in /etc/sudoers.d/steward-proxmox:\n{lines}",
            sudoers=lines,
        )

    def _left(self, operation: Operation, data: Mapping[str, Any]) -> str:
        """What a failed write left behind: one sentence."""
        reader = OPERATIONS[operation.afterwards]
        names = {parameter.name for parameter in reader.parameters}
        params = {name: value for name, value in data.items() if name in names}
        try:
            return reader.tells(reader.answer(self._run(reader, params)))
        except NotFound:
            return "It does not exist afterwards"
        except StewardError as error:
            return f"How it is now is unknown ({error.message})"


def _not_there(path: str, program: str) -> BadInput:
    return BadInput(f"{path} is not installed on {_here()}", PROGRAMS[program].absent)


def _not_root(argv: list[str], why: str, **facts: Any) -> PermissionDenied:
    return PermissionDenied(
        f"permission: '{shlex.join(argv)}' failed for {_user()}, who is not root: {why}",
        "Log in as root for runner: direct, or use runner: sudo",
        **facts,
    )


def _here() -> str:
    return os.uname().nodename


def _user() -> str:
    """The user as sudoers names it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"#{os.getuid()}"
