# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reading needs: the privilege behind each path that a planner reads, and the reads that it can do without.

Lists that the server shortens to what the credential may see are free to read. A planner for which a shortened list is
no answer says so itself, with `World.relies_on`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import unquote

from ._privileges import Need

_GUEST = r"/nodes/[^/]+/(?:lxc|qemu)/(?P<id>\d+)"
_ANY_STORAGE = ("Datastore.Audit", "Datastore.AllocateSpace")

#: path -> (where, any of); {id} is the part of the path with that name. The API description is what it must agree with
READS: tuple[tuple[re.Pattern[str], str, tuple[str, ...]], ...] = tuple(
    (re.compile(pattern), where, any_of)
    for pattern, where, any_of in (
        (rf"{_GUEST}/(?:pending|config|status/current|snapshot|interfaces|feature)", "/vms/{id}", ("VM.Audit",)),
        (rf"{_GUEST}/snapshot/[^/]+/config", "/vms/{id}", ("VM.Audit", "VM.Snapshot", "VM.Snapshot.Rollback")),
        (rf"{_GUEST}/firewall/(?:rules|options|refs)", "/vms/{id}", ("VM.Audit",)),
        (rf"{_GUEST}/migrate", "/vms/{id}", ("VM.Migrate",)),
        (rf"{_GUEST}/agent/[^/]+", "/vms/{id}", ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")),
        (r"/nodes/[^/]+/storage/(?P<id>[^/]+)/content", "/storage/{id}", _ANY_STORAGE),
        (r"/nodes/(?P<id>[^/]+)/(?:time|status)", "/nodes/{id}", ("Sys.Audit",)),
        (r"/pools/(?P<id>[^/]+)", "/pool/{id}", ("Pool.Audit",)),
        (r"/cluster/(?:backup|status|ha/.+|firewall/aliases)", "/", ("Sys.Audit",)),
    )
)

_DISPENSABLE: ContextVar[bool] = ContextVar("dispensable", default=False)


def needed_by(path: str) -> Need | None:
    """What the credential needs to read `path`; None where it may always ask, or nobody has looked it up."""
    for pattern, where, any_of in READS:
        found = pattern.fullmatch(path)
        if found:
            return Need(where.format(**{name: unquote(text) for name, text in found.groupdict().items()}), any_of)
    return None


@contextmanager
def dispensable() -> Iterator[None]:
    """What is read in here the planner can do without: a refusal makes its plan say less, and does not end it."""
    before = _DISPENSABLE.set(True)
    try:
        yield
    finally:
        _DISPENSABLE.reset(before)


def indispensable() -> bool:
    """Does the planner need the answer of what is read now?"""
    return not _DISPENSABLE.get()
