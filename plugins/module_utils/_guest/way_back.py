# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to restore a guest from when backups of it go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._blast import Blast
from .._world import World
from .archive import kind_of
from .dependents import backups_of, moment
from .draft import Draft
from .lookup import Guest, resources
from .sight import noting, sees_below


def tell_what_stays(
    world: World, draft: Draft, rows: Sequence[Mapping[str, Any]], doomed: Sequence[Mapping[str, Any]]
) -> None:
    """Say what the guest has after some of its backups on a storage are gone. Both in order, the oldest first."""
    if not doomed:
        return
    blast = draft.plan.blast
    exists = _exists(world, draft, str(kind_of(doomed[-1])))
    what, gone = draft.guest.target, {row["volid"] for row in doomed}
    stay = [row for row in rows if row["volid"] not in gone]
    stay = stay or [row for row in untouched_backups(world, blast, draft.guest) if row["volid"] not in gone]
    if exists is False:
        blast.because("high", f"{what} does not exist any more: only its backups bring it back")
    if stay and rows[-1]["volid"] in gone:
        when = f" of {moment(stay[-1]['ctime'])}" if stay[-1].get("ctime") else ""
        blast.because("high", f"its newest backup goes; the newest that stays is {stay[-1]['volid']}{when}")
    elif not stay and not blast.unseen:
        blast.because("high", f"no backup of {what} is left on the storages of node {draft.guest.node}")


def _exists(world: World, draft: Draft, kind: str) -> bool | None:
    """Is the guest still there? None: not known. The draft's guest gets its kind, which a task need not know."""
    blast, guest = draft.plan.blast, draft.guest
    row = None
    with noting(blast, f"whether guest {guest.vmid} exists"):
        row = next((row for row in resources(world) if int(row["vmid"]) == guest.vmid), None)
        if row is None and not sees_below(world, "/vms", ("VM.Audit",)):
            blast.unknown(f"whether guest {guest.vmid} exists")
    draft.guest = replace(guest, kind=row["type"] if row else kind or guest.kind)
    return True if row else (None if blast.unseen else False)


def untouched_backups(world: World, blast: Blast, guest: Guest) -> list[dict[str, Any]]:
    """The backups of a guest, the oldest first, without naming them as what feels the plan."""
    seen = Blast()
    found = backups_of(world, guest, seen)
    blast.unseen += seen.unseen
    return found
