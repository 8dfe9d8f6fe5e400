# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore over a guest takes with it: what its end would, but for what belongs to its id."""

from __future__ import annotations

from collections.abc import Iterable

from .._blast import Blast
from .._errors import Refused
from .._world import World
from .dependents import firewall, linked_clones, moment, replication_jobs, snapshots
from .lookup import Guest
from .options import Table
from .uses import tell_users
from .way_back import untouched_backups


def tell_overwritten(table: Table, world: World, blast: Blast, over: Guest, going: Iterable[str]) -> None:
    """Name what goes with a guest that is overwritten. `going`: its volumes that do not stay.

    Raises Refused where other guests rest on them. Its pool, permissions, backup jobs and HA stay with its id.
    """
    clones = linked_clones(table, world, over, blast)
    if clones:
        raise Refused(
            f"{over.target} has linked clones that need its disks: {', '.join(clones)}",
            "Destroy them first, or move their disks to make them full copies",
        )
    tell_users(world, blast, over, going, "goes")
    lost = snapshots(world, over, blast)
    if lost:
        blast.because("high", f"destroys {len(lost)} snapshot(s)")
    blast.because("high", f"overwrites {over.target} and everything in it")
    _tell_backups(world, blast, over)
    jobs = replication_jobs(world, over, blast)
    if jobs:
        blast.because("medium", f"what {', '.join(jobs)} has replicated is replaced")
    rules = firewall(world, over, blast)
    if rules:
        blast.because("medium", f"replaced where the backup has its own: {', '.join(rules)}")


def _tell_backups(world: World, blast: Blast, over: Guest) -> None:
    """What it holds today comes back from a backup that is young enough, or not at all."""
    unseen = len(blast.unseen)
    found = untouched_backups(world, blast, over)
    if found and found[-1].get("ctime"):
        blast.because("high", f"its newest backup is of {moment(found[-1]['ctime'])}: what came later is lost")
    elif not found and len(blast.unseen) == unseen:
        blast.because("high", f"there is no backup of it on the storages of node {over.node}")
