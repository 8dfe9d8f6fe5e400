# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of the engine, and the one place where an answer of the API becomes one of them.

Every message is for the person who must act: what was tried, what Proxmox said, what to do.
Texts and status codes: recorded from PVE 9.2 (missing objects are 500, the cause stands in the HTTP reason line).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


class StewardError(Exception):
    """Something that the operator must know; `hint` says what to do about it."""

    hint = ""
    reassurance = ""

    def __init__(self, message: str, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.hint
        self.facts = facts

    def __str__(self) -> str:
        parts = (
            part if part.endswith((".", "!", "?")) else f"{part}." for part in (self.message, self.reassurance) if part
        )
        return " ".join([*parts, self.hint] if self.hint else parts).removesuffix(".")


class BadInput(StewardError):
    """The task asks for something that cannot be."""

    reassurance = "Nothing was sent"


class Refused(StewardError):
    """The plan may not run: a missing privilege, a guest that is in the way, a policy."""

    reassurance = "Nothing was sent"


class AuthenticationFailed(StewardError):
    """The credential was not accepted."""


class Unreachable(StewardError):
    """No node answered; nothing is known to have been done."""


class OutcomeUnknown(StewardError):
    """A write was sent and its answer was lost: it may have been carried out."""

    hint = "Look at the task log of the node before running this again"


class ApiError(StewardError):
    """An answer of the API that says no."""


class NotFound(ApiError):
    """The object does not exist."""


class Locked(ApiError):
    """Another operation holds the guest or its configuration file; nothing was done."""


class Taken(ApiError):
    """The id is in use; nothing was done."""


class Changed(ApiError):
    """The object changed since it was read (config digest); nothing was done."""

    hint = "Somebody else changed it in between: run the task again to plan from the new state"


class PermissionDenied(ApiError):
    """The credential lacks a privilege; `facts` holds path and privileges where Proxmox names them."""


class TaskFailed(ApiError):
    """A task ended with an error; `facts` holds upid, exitstatus and the last lines of its log."""


class TaskTimeout(ApiError):
    """A task still runs after the time that the task allows; it was not stopped."""


@dataclass(frozen=True)
class Answer:
    """What came back from the API when it was not 2xx."""

    method: str
    path: str
    status: int
    reason: str
    message: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    identity: str = ""

    @property
    def text(self) -> str:
        """The cause in Proxmox's words. A 500 that wraps a 400 has it only in the later lines of the body."""
        lines = [line.strip() for line in self.message.splitlines() if line.strip()]
        if self.errors:
            return "; ".join(f"{name}: {' '.join(str(text).split())}" for name, text in sorted(self.errors.items()))
        if len(lines) > 1 and "Parameter verification failed" in lines[0]:
            return "; ".join(lines[1:])
        return " ".join(lines) or self.reason


_DENIED = re.compile(r"Permission check failed(?: \((?P<path>/[^,)]*), (?P<privileges>[^)]*)\)| \((?P<why>.*)\))?")
_LOCKED = re.compile(
    r"(?:VM|CT) is locked|can't lock file|cfs-lock .* got timeout|unable to acquire lock|got lock (?:request )?timeout"
)
_MISSING = re.compile(r"does not exist|^no such |No such |not found|unable to find configuration file|not defined$")
# a guest's id; other objects that exist already are said by their modules
_TAKEN = re.compile(r"\b(?:VM|CT) \d+ already exists on node|unable to create VM \d+: config file already exists")
_CHANGED = re.compile(r"checksum mismatch|detected modified configuration")
_ROOT_ONLY = re.compile(r"only allowed for root@pam|[Oo]nly root (?:can|may)|user != root@pam")


def is_locked(text: str) -> bool:
    """Does a message say that the guest is locked (so that nothing was done)?"""
    return bool(_LOCKED.search(text))


def grant_command(path: str, privileges: Sequence[str], identity: str) -> str:
    """The `pveum` lines that give `privileges` on `path` to `identity` (a user, or a token `user@realm!name`).

    The role is named after the path, so that the grants of two paths do not mix.
    """
    kind = "--tokens" if "!" in identity else "--users"
    role = "Steward" + ("".join(part.capitalize() for part in re.findall(r"[A-Za-z0-9]+", path)) or "Everywhere")
    return (
        f"pveum role add {role} --privs '{' '.join(privileges)}' && "
        f"pveum acl modify '{path}' {kind} '{identity}' --roles {role}"
    )


def denied(text: str, prefix: str, identity: str) -> PermissionDenied | None:
    """The error for a text of Proxmox that speaks of permissions, also when it only stands in a task."""
    if _ROOT_ONLY.search(text):
        return PermissionDenied(
            f"{prefix}: {text}", "Only root@pam with its password may do this; no API token can", root_only=True
        )
    match = _DENIED.search(text)
    if not match:
        return None
    if not match["path"]:
        lacking = f"{identity or 'The credential'} lacks a privilege for this"
        needs_ticket = "not available with API token" in text
        return PermissionDenied(f"{prefix}: {text}", "Log in with api_password for this" if needs_ticket else lacking)
    privileges = tuple(match["privileges"].split("|"))
    hint = (
        f"{identity} needs {' or '.join(privileges)} on {match['path']}:"
        f" {grant_command(match['path'], privileges[:1], identity)}"
    )
    return PermissionDenied(f"{prefix}: {text}", hint, path=match["path"], privileges=list(privileges))


def translate(answer: Answer) -> StewardError:
    """The exception for an answer that is not 2xx."""
    text, prefix = answer.text, f"{answer.method} {answer.path} was refused with {answer.status}"
    facts: dict[str, Any] = {"status": answer.status, "errors": answer.errors}
    if answer.status == 401:
        return AuthenticationFailed(
            f"{answer.identity or 'The credential'} was not accepted: {text}",
            "Check api_user, and api_password or api_token_id and api_token_secret; an unknown token and a wrong secret"
            " look alike",
            **facts,
        )
    if answer.status == 403:
        return denied(text, prefix, answer.identity) or PermissionDenied(f"{prefix}: {text}", **facts)
    if _ROOT_ONLY.search(text):
        return denied(text, prefix, answer.identity) or ApiError(f"{prefix}: {text}", **facts)
    if answer.status in (595, 596, 597, 598, 599):
        return Unreachable(
            f"{prefix}: the node behind it did not answer ({text})", "Check that the node is online", **facts
        )
    if _LOCKED.search(text):
        return Locked(f"{prefix}: {text}", **facts)
    if _CHANGED.search(text):
        return Changed(f"{prefix}: {text}", **facts)
    if _TAKEN.search(text):
        return Taken(f"{prefix}: {text}", **facts)
    if answer.status in (400, 404, 500) and _MISSING.search(text):
        return NotFound(f"{prefix}: {text}", **facts)
    return ApiError(f"{prefix}: {text}", **facts)
