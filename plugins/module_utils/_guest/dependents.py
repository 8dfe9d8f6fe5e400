# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hangs on a guest: snapshots, backups, replication, HA, firewall, linked clones, pool, backup jobs, ACLs.

Each function reads one of them, names what it finds in the blast radius, and returns it. A list that the server
shortens to what the credential may see is never taken for the whole: what may be missing is noted as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .._blast import Blast
from .._codec import split_list
from .._privileges import Need, held
from .._storage import storages
from .._world import World
from . import ha
from .archive import backups, content_path, sees_backups
from .lookup import Guest, resources
from .options import Table, is_cdrom, is_cloudinit
from .sight import noting, read, read_rows, sees_below
from .tables import TABLES
from .uses import resting_on
from .volumes import storage_of, volume_codec, volume_of

_SEES_STORAGE = ("Datastore.Audit", "Datastore.AllocateSpace")


@dataclass(frozen=True)
class Job:
    """A backup job that takes a guest in: by its id, or because it takes all or a pool."""

    name: str
    by_id: bool
    #: it names this guest and no other
    alone: bool = False


@dataclass
class Dependents:
    """What was found; what could not be read stands in the blast radius as unknown."""

    snapshots: list[str] = field(default_factory=list)
    backups: list[dict[str, Any]] = field(default_factory=list)
    replication: list[str] = field(default_factory=list)
    #: HA knows the guest, also where it is told to ignore it
    in_ha: bool = False
    ha_rules: list[str] = field(default_factory=list)
    firewall: list[str] = field(default_factory=list)
    clones: list[str] = field(default_factory=list)
    pool: str = ""
    jobs: list[Job] = field(default_factory=list)
    acls: list[str] = field(default_factory=list)


def find_dependents(table: Table, world: World, guest: Guest, blast: Blast, power: Mapping[str, Any]) -> Dependents:
    """Everything that hangs on a guest. `power`: its live state."""
    pool = pool_of(world, guest, blast)
    in_ha = ha_resource(world, guest, blast, ha.is_managed(power))
    return Dependents(
        snapshots=snapshots(world, guest, blast),
        backups=backups_of(world, guest, blast),
        replication=replication_jobs(world, guest, blast),
        in_ha=in_ha,
        ha_rules=ha_rules(world, guest, blast) if in_ha else [],
        firewall=firewall(world, guest, blast),
        clones=linked_clones(table, world, guest, blast),
        pool=pool,
        jobs=backup_jobs(world, guest, pool, blast),
        acls=acls(world, guest, blast),
    )


def snapshots(world: World, guest: Guest, blast: Blast) -> list[str]:
    rows = read_rows(world, blast, f"snapshots of {guest.target}", f"{guest.path}/snapshot")
    names = [str(row["name"]) for row in rows if row["name"] != "current"]
    blast.others.update(f"snapshot {guest.target}@{name}" for name in names)
    return names


def backups_of(world: World, guest: Guest, blast: Blast) -> list[dict[str, Any]]:
    """Its backups on every storage that its node offers, the oldest first."""
    found: list[dict[str, Any]] = []
    for storage in _offered(world, guest, blast, "backup"):
        what = f"backups of {guest.target} on storage {storage}"
        if not sees_backups(world, storage, guest.vmid):
            blast.unknown(what)
            continue
        with noting(blast, what):
            found += backups(world, guest.node, storage, guest.vmid)
    blast.others.update(f"backup {row['volid']}" for row in found)
    return sorted(found, key=lambda row: (row.get("ctime") is None, row.get("ctime") or 0))


def replication_jobs(world: World, guest: Guest, blast: Blast) -> list[str]:
    """Whoever may read the guest's configuration sees its jobs too (VM.Audit on the guest)."""
    rows = read_rows(world, blast, f"replication jobs of {guest.target}", "/cluster/replication")
    names = [str(row["id"]) for row in rows if int(row["guest"]) == guest.vmid]
    blast.others.update(f"replication job {name}" for name in names)
    return names


def ha_resource(world: World, guest: Guest, blast: Blast, managed: bool) -> bool:
    """Is the guest a resource of HA? One that HA is told to ignore reads as unmanaged, and is one all the same."""
    resource, found = ha.sid(guest), managed
    if not managed:
        with noting(blast, f"HA resource {resource}"):
            found = world.find(f"/cluster/ha/resources/{resource}") is not None
    if found:
        blast.others.add(f"HA resource {resource}")
    return found


def ha_rules(world: World, guest: Guest, blast: Blast) -> list[str]:
    """The HA rules that name the guest."""
    resource = ha.sid(guest)
    rows = read_rows(world, blast, f"HA rules that name {resource}", "/cluster/ha/rules")
    names = [str(row["rule"]) for row in rows if resource in split_list(row.get("resources") or "")]
    blast.others.update(f"HA rule {name}" for name in names)
    return names


def firewall(world: World, guest: Guest, blast: Blast) -> list[str]:
    """The guest's own rules, options, aliases and sets. Nothing elsewhere refers to a guest by its id."""
    base, of_guest = f"{guest.path}/firewall", f"of {guest.target}"
    found = []
    rules = read_rows(world, blast, f"firewall rules {of_guest}", f"{base}/rules")
    if rules:
        found.append(f"{len(rules)} firewall rule(s) {of_guest}")
    options = read(world, blast, f"firewall options {of_guest}", f"{base}/options") or {}
    if options.keys() - {"digest"}:
        found.append(f"firewall options {of_guest}")
    for row in read_rows(world, blast, f"firewall aliases and sets {of_guest}", f"{base}/refs"):
        if row.get("scope") == "guest":
            found.append(f"firewall {row['type']} {row['name']} {of_guest}")
    blast.others.update(found)
    return found


def linked_clones(table: Table, world: World, guest: Guest, blast: Blast) -> list[str]:
    """The guests whose disks are only the difference to a volume of this one."""
    return resting_on(world, blast, guest, volumes(table, guest.config or {}))


def pool_of(world: World, guest: Guest, blast: Blast) -> str:
    """The pool that the guest belongs to, or ""."""
    what = f"pool of {guest.target}"
    with noting(blast, what):
        row = next((row for row in resources(world) if int(row["vmid"]) == guest.vmid), None)
        if row is None:
            blast.unknown(what)
        elif row.get("pool"):
            blast.others.add(f"pool {row['pool']}")
            return str(row["pool"])
    return ""


def backup_jobs(world: World, guest: Guest, pool: str, blast: Blast) -> list[Job]:
    """The backup jobs that name the guest, and those that take it in with all the others or with its pool."""
    found = []
    for row in read_rows(world, blast, f"backup jobs that take in {guest.target}", "/cluster/backup"):
        named = split_list(row.get("vmid") or "")
        if str(guest.vmid) in named:
            found.append(Job(str(row["id"]), by_id=True, alone=len(named) == 1))
        elif _takes_in(row, guest, pool):
            found.append(Job(str(row["id"]), by_id=False))
    blast.others.update(f"backup job {job.name}" for job in found)
    return found


def acls(world: World, guest: Guest, blast: Blast) -> list[str]:
    """The permissions on the guest itself; those that it inherits are somebody else's."""
    path = f"/vms/{guest.vmid}"
    may = (Need(path, ("VM.Allocate", "Permissions.Modify")), Need("/access", ("Sys.Audit",)))
    permissions = world.permissions_now()
    if not world.is_root and not any(held(permissions, need) for need in may):
        blast.unknown(f"permissions on {path}")
        return []
    rows = [row for row in read_rows(world, blast, f"permissions on {path}", "/access/acl") if row.get("path") == path]
    blast.principals.update(str(row["ugid"]) for row in rows)
    return [f"{row['roleid']} of {row['type']} {row['ugid']}" for row in rows]


def owned_volumes(world: World, guest: Guest, blast: Blast) -> list[str]:
    """Every volume that bears the guest's id on the storages of its node, also where no configuration names it."""
    content = TABLES[guest.kind].content
    found: list[str] = []
    for storage in _offered(world, guest, blast, content):
        what = f"volumes of {guest.target} on storage {storage}"
        rows = read_rows(world, blast, what, content_path(guest.node, storage), content=content, vmid=guest.vmid)
        found += [str(row["volid"]) for row in rows if int(row.get("vmid") or 0) == guest.vmid]
    blast.others.update(f"volume {volume}" for volume in found)
    return found


def volumes(table: Table, config: Mapping[str, Any]) -> list[str]:
    """The volume ids that a configuration names: disks, mount points, unused ones. No discs, no host paths."""
    named = (
        volume_of(volume_codec(table, key), text)
        for key, text in config.items()
        if table.is_volume(key) and (is_cloudinit(str(text)) or not is_cdrom(str(text)))
    )
    return sorted({volume for volume in named if ":" in volume and storage_of(volume)})


def moment(seconds: Any) -> str:
    """A time of the server, which counts seconds, as people read it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M UTC")


def _offered(world: World, guest: Guest, blast: Blast, content: str) -> list[str]:
    """The storages of the guest's node that hold this content."""
    if not sees_below(world, "/storage", _SEES_STORAGE):
        blast.unknown(f"storages of node {guest.node} without {' or '.join(_SEES_STORAGE)}")
    rows: list[dict[str, Any]] = []
    with noting(blast, f"storages of node {guest.node}"):
        rows = list(storages(world, guest.node).values())
    fitting = (row for row in rows if content in split_list(row.get("content") or ""))
    return sorted(str(row["storage"]) for row in fitting if str(row.get("enabled", 1)) != "0")


def _takes_in(job: Mapping[str, Any], guest: Guest, pool: str) -> bool:
    """Does a job that names no guests include this one?"""
    if job.get("node") and job["node"] != guest.node:
        return False
    if str(guest.vmid) in split_list(job.get("exclude") or ""):
        return False
    return str(job.get("all", 0)) == "1" or bool(pool and job.get("pool") == pool)
