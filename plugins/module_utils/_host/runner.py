# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence: this host's root commands, as reads and writes of the table in operations.py. It knows no HTTP."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Mapping
from typing import Any

from .._errors import ApiError, BadInput, NotFound, OutcomeUnknown, PermissionDenied, Refused, StewardError, Unreachable
from . import command, sudo
from .operations import OPERATIONS, Operation, check_program, find


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
        return operation.answer(self._run(operation, params).stdout)

    def send(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> None:
        """Carry out a write of the table."""
        if method != "RUN":
            raise ValueError(f"a host is not sent {method}")
        operation = find(path, writes=True)
        try:
            self._run(operation, data or {})
        except ApiError as error:
            left = self._left(operation, data or {})
            raise type(error)(f"{error.message}. {left}", error.hint, **error.facts) from error

    # -- running -----------------------------------------------------------------------------------------------------

    def _command(self, operation: Operation, params: Mapping[str, Any]) -> list[str]:
        return [self._pct, *operation.arguments(params)]

    def _may(self, asking: Operation, operation: str, **params: Any) -> bool:
        """Does sudo allow this operation with these parameters? True, or Refused. It is not run."""
        wanted = self._command(OPERATIONS[operation], params)
        if self._with_sudo:
            outcome = self._outcome(asking, [sudo.SUDO, *asking.words, *wanted])
            if outcome.status != 0:
                raise self._refused(wanted, outcome)
        return True

    def _run(self, operation: Operation, params: Mapping[str, Any]) -> command.Outcome:
        wanted = self._command(operation, params)
        outcome = self._outcome(operation, [sudo.SUDO, "-n", *wanted] if self._with_sudo else wanted)
        if self._with_sudo and sudo.is_refusal(outcome.status, outcome.stdout, outcome.stderr):
            raise self._not_there(self._pct) if sudo.is_not_found(outcome.stderr) else self._refused(wanted, outcome)
        if outcome.status != 0:
            raise self._failed(operation, wanted, outcome)
        if outcome.is_cut and not operation.writes:
            raise ApiError(f"'{shlex.join(wanted)}' printed more than 1 MiB")
        return outcome

    def _outcome(self, operation: Operation, argv: list[str]) -> command.Outcome:
        limit = self._timeout if operation.writes and self._timeout else operation.timeout
        try:
            return command.run(argv, limit, stop=not operation.writes)
        except FileNotFoundError:
            raise self._not_there(argv[0]) from None
        except OSError as error:
            raise Refused(f"permission: {argv[0]} cannot be run on {_here()}: {error.strerror}") from error
        except command.StillRunning:
            late = f"'{shlex.join(argv)}' still runs on {_here()} after {limit} seconds"
            if operation.writes:
                raise OutcomeUnknown(f"{late}; it was not stopped") from None
            raise Unreachable(
                f"{late}. Nothing was sent", "Is the cluster file system (pve-cluster) well on this node?"
            ) from None

    # -- saying what went wrong --------------------------------------------------------------------------------------

    def _failed(self, operation: Operation, argv: list[str], outcome: command.Outcome) -> StewardError:
        line = shlex.join(argv)
        facts: dict[str, Any] = {"exit_status": outcome.status}
        if operation.is_missing(outcome.stderr):
            return NotFound(f"'{line}': {outcome.words}", **facts)
        if outcome.status < 0 and operation.writes:
            return OutcomeUnknown(f"'{line}' was ended by signal {-outcome.status}: {outcome.words}", **facts)
        if not self._with_sudo and os.geteuid() != 0:
            return PermissionDenied(
                f"permission: '{line}' failed for {_user()}, who is not root: {outcome.words}",
                "Log in as root for runner: direct, or use runner: sudo",
                **facts,
            )
        return ApiError(f"'{line}' failed on {_here()} with exit status {outcome.status}: {outcome.words}", **facts)

    def _refused(self, argv: list[str], outcome: command.Outcome) -> Refused:
        line = sudo.rule(_user(), self._pct)
        why = outcome.words if outcome.stderr.strip() else "no rule of sudoers allows it"
        return Refused(
            f"sudo does not let {_user()} run '{shlex.join(argv)}' on {_here()}: {why}",
            f"An administrator can allow it (sudo 1.9.10 or later) in /etc/sudoers.d/steward-proxmox: {line}",
            sudoers=line,
        )

    def _not_there(self, program: str) -> BadInput:
        if program == sudo.SUDO:
            return BadInput(
                f"{program} is not installed on {_here()}",
                "Install sudo, or log in as root and set runner: direct",
            )
        return BadInput(f"{program} is not installed on {_here()}", "Is this host a node of Proxmox VE?")

    def _left(self, operation: Operation, data: Mapping[str, Any]) -> str:
        """What a failed write left behind: one sentence."""
        reader = OPERATIONS[operation.afterwards]
        names = {parameter.name for parameter in reader.parameters}
        params = {name: value for name, value in data.items() if name in names}
        try:
            self._run(reader, params)
        except NotFound:
            return "It does not exist afterwards"
        except StewardError as error:
            return f"Whether it exists now is unknown ({error.message})"
        return "It exists now; look at it before running this again"


def _here() -> str:
    return os.uname().nodename


def _user() -> str:
    """The user as sudoers names it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"#{os.getuid()}"
