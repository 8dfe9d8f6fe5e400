# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which privileges a user or token has on a path, as the access control list, the roles and the groups say. Pure.

The nearest path that has an entry decides, and an entry there replaces everything that is inherited. An entry of the
user beats those of its groups; NoAccess takes everything away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._codec import BOOL

ROOT = "root@pam"
_NO_ACCESS = "NoAccess"


@dataclass(frozen=True)
class Entry:
    """One entry of the access control list."""

    path: str
    type: str
    ugid: str
    roleid: str
    propagate: bool = True

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Entry:
        reaches = bool(BOOL.decode(row.get("propagate", 1)))
        return cls(str(row["path"]), str(row["type"]), str(row["ugid"]), str(row["roleid"]), reaches)

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.path, self.type, self.ugid, self.roleid


@dataclass(frozen=True)
class Rights:
    """Everything that decides about privileges."""

    entries: tuple[Entry, ...]
    roles: Mapping[str, frozenset[str]]
    #: user -> its groups
    groups: Mapping[str, frozenset[str]]
    #: the tokens that have no more than what they were given themselves
    separated: frozenset[str] = frozenset()

    def at(self, subject: str, path: str) -> frozenset[str]:
        """The privileges of a user or a token on a path; what a pool adds is not among them."""
        user = subject.partition("!")[0]
        of_user = frozenset().union(*self.roles.values()) if user == ROOT else self._of(user, path)
        return of_user & self._of(subject, path) if subject in self.separated else of_user

    def concern(self, subject: str) -> list[Entry]:
        """The entries that are for the subject: its own, its user's, and those of the groups."""
        names, groups = {subject, subject.partition("!")[0]}, self.groups.get(subject.partition("!")[0], frozenset())
        return [one for one in self.entries if one.ugid in (groups if one.type == "group" else names)]

    def _of(self, subject: str, path: str) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for place in _down_to(path):
            here = [one for one in self.entries if one.path == place and (one.propagate or place == path)]
            own = [one for one in here if one.type != "group" and one.ugid == subject]
            groups = self.groups.get(subject, frozenset())
            deciding = own or [one for one in here if one.type == "group" and one.ugid in groups]
            if deciding:
                roles = {one.roleid for one in deciding} - {_NO_ACCESS}
                denied = len(roles) < len({one.roleid for one in deciding})
                found = frozenset().union(*(self.roles.get(role, frozenset()) for role in roles if not denied))
        return found


def _down_to(path: str) -> Iterator[str]:
    """The root, and each path on the way down."""
    yield "/"
    parts = [part for part in path.split("/") if part]
    for count in range(1, len(parts) + 1):
        yield "/" + "/".join(parts[:count])
