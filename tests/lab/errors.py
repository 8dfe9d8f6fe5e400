# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the API refuses: each refusal knows its status, its reason line and its body."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Refusal(Exception):
    """An answer that is not 200. The reason line is the message's first line."""

    def __init__(self, status: int, message: str, *, errors: dict[str, str] | None = None, body: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.body = body

    @property
    def reason(self) -> str:
        return self.message.split("\n", 1)[0]


class Died(Refusal):
    """500: most of what goes wrong, also what does not exist. Inside a task the message is the exit status."""

    def __init__(self, message: str) -> None:
        super().__init__(500, message)


class Forbidden(Refusal):
    """403: a missing privilege; the text in brackets says which, where PVE says it."""

    def __init__(self, what: str = "") -> None:
        super().__init__(403, f"Permission check failed ({what})" if what else "Permission check failed")


class Interrupted(Refusal):
    """A task is ended from outside: a worker cleans up, but does not take it for a failure of its own."""

    def __init__(self, message: str) -> None:
        super().__init__(500, message)


class BadParameter(Refusal):
    """400: a parameter is wrong; the texts are in `errors`, not in the message."""

    def __init__(self, **errors: str) -> None:
        super().__init__(400, "Parameter verification failed.", errors=errors)

    @classmethod
    def of(cls, errors: dict[str, str]) -> BadParameter:
        return cls(**errors)

    def as_died(self) -> Died:
        """Some calls wrap a parameter error: 500 whose reason is the text of the 400."""
        lines = "".join(f"{name}: {text}\n" for name, text in (self.errors or {}).items())
        return Died(f"400 {self.message}\n{lines}".rstrip("\n"))


class Unauthorized(Refusal):
    """401, which has no body."""

    def __init__(self, message: str) -> None:
        super().__init__(401, message, body=False)


class NotServed(Refusal):
    """501: the path is unknown to PVE, or known and not served by the lab."""

    def __init__(self, message: str) -> None:
        super().__init__(501, message)


@contextlib.contextmanager
def told_as(what: str) -> Iterator[None]:
    """Says what could not be done before why; who ends the task from outside is not corrected."""
    try:
        yield
    except Interrupted:
        raise
    except Refusal as error:
        raise Died(f"{what} - {error}") from error
