# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that must not be there: whether it may be destroyed, the steps that do it, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import Refused
from .._plan import Effect, Plan
from .._world import World
from . import effects, ha
from .dependents import Dependents, find_dependents, moment, owned_volumes, volumes
from .draft import Draft
from .identity import identity
from .lookup import Guest, without_digest
from .named_addresses import tell_named_addresses
from .node_state import tell
from .options import Table
from .power import plan_power, read_state
from .uses import owner_of, tell_users
from .volumes import storage_of

_AT_REST = ("stopped", "hibernated")
#: a hibernated VM may be destroyed under its lock
_HARMLESS_LOCKS = ("suspended",)


def plan_absent(table: Table, options: Mapping[str, Any], world: World, guest: Guest | None) -> Plan:
    """The steps that destroy a guest; none where there is none. Refused where Proxmox would refuse, or worse, start."""
    if guest is None:
        return Plan(summary=f"{table.kind} {options.get('vmid') or options.get('name')} does not exist")
    return _Destroying(table, options, world, guest).plan()


class _Destroying:
    """The end of one guest."""

    def __init__(self, table: Table, options: Mapping[str, Any], world: World, guest: Guest) -> None:
        self.table, self.options, self.world, self.guest = table, options, world, guest
        self.have = dict(guest.config or {})
        self.draft = Draft(guest)
        self.blast = self.draft.plan.blast
        self.purge = bool(options.get("purge"))

    def plan(self) -> Plan:
        draft, guest = self.draft, self.guest
        self._refuse_protected()
        power = draft.plan.state = read_state(self.world, guest)
        self._refuse_busy(power)
        found = find_dependents(self.table, self.world, guest, self.blast, power)
        self._refuse_what_depends(found)
        if power["power"] not in _AT_REST:
            plan_power(draft, "stopped", power, self.options)
        self._destroy()
        self._tell(found)
        draft.plan.before = {"exists": True, "name": guest.name}
        draft.plan.after = {"exists": False}
        draft.plan.effects += effects.gone(guest.kind, guest.node, guest.vmid)
        draft.plan.effects += [Effect("/cluster/replication", "drop", name, by="id") for name in found.replication]
        consulted = {"power": power["power"], "ha": found.in_ha, "replication": found.replication}
        draft.consulted(guest.target, {**without_digest(self.have), **consulted})
        draft.plan.result = {"vmid": guest.vmid, "node": guest.node}
        tell(draft, self.world)
        return draft.done()

    # -- what stands in the way ------------------------------------------------------------------------------------

    def _refuse_protected(self) -> None:
        if self.have.get("protection"):
            raise Refused(f"{self.guest.target} is protected", "Set protection: false first")

    def _refuse_busy(self, power: Mapping[str, Any]) -> None:
        guest, lock, now = self.guest, power["lock"], power["power"]
        if lock and lock not in _HARMLESS_LOCKS:
            tool = "pct" if guest.kind == "lxc" else "qm"
            raise Refused(
                f"{guest.target} is locked ({lock}): something else is at work on it",
                f"Wait until it is done; a lock that was left behind goes with '{tool} unlock {guest.vmid}' on node"
                f" {guest.node}",
            )
        if now not in _AT_REST and not self.options["force"]:
            raise Refused(f"{guest.target} is {now}", "Stop it first, or set force: true to stop and destroy it")

    def _refuse_what_depends(self, found: Dependents) -> None:
        target = self.guest.target
        if found.clones:
            raise Refused(
                f"{target} has linked clones that need its disks: {', '.join(found.clones)}",
                "Destroy them first, or move their disks to make them full copies",
            )
        if found.in_ha and not self.purge:
            raise Refused(
                f"{target} is a resource of HA ({ha.sid(self.guest)})",
                "Set purge: true to take it out of HA, replication and backup jobs as well",
            )
        if found.replication and not self.purge:
            raise Refused(
                f"{target} is replicated by {', '.join(found.replication)}",
                "Set purge: true to remove the replication jobs with it, or remove them first",
            )

    # -- the steps -------------------------------------------------------------------------------------------------

    def _destroy(self) -> None:
        data = {
            "purge": self.purge,
            "destroy-unreferenced-disks": self.options.get("destroy_unreferenced_disks"),
        }
        sent = {key: 1 for key, wanted in data.items() if wanted}
        self.draft.call("destroy", "DELETE", "", sent, why="state is absent", needs=["VM.Allocate"])

    # -- what goes with it -----------------------------------------------------------------------------------------

    def _tell(self, found: Dependents) -> None:
        self._tell_volumes()
        if found.snapshots:
            self.blast.because("high", f"destroys {len(found.snapshots)} snapshot(s)")
        self._tell_jobs(found)
        if found.replication:
            self.blast.because("medium", f"removes the replication jobs {', '.join(found.replication)}")
        if found.in_ha:
            rules = f", which the rules {', '.join(found.ha_rules)} name" if found.ha_rules else ""
            self.blast.because("medium", f"takes {ha.sid(self.guest)} out of HA{rules}")
        if found.firewall:
            self.blast.because("medium", f"removes {', '.join(found.firewall)}")
        if found.acls:
            self.blast.because("medium", f"removes the permissions on it: {', '.join(found.acls)}")
        if found.pool:
            self.blast.because("low", f"takes it out of pool {found.pool}")
        self._tell_backups(found)

    def _tell_volumes(self) -> None:
        guest, named = self.guest, volumes(self.table, self.have)
        foreign = [volume for volume in named if owner_of(volume) not in (None, guest.vmid)]
        going = [volume for volume in named if volume not in foreign]
        self.blast.others.update(f"volume {volume}" for volume in going)
        self.blast.storages.update(storage_of(volume) for volume in going)
        self.blast.because("high", f"destroys {guest.target} with {len(going)} volume(s)")
        tell_users(self.world, self.blast, guest, going, "goes")
        tell_named_addresses(self.world, self.blast, self.have)
        for volume in foreign:
            self.blast.because("low", f"volume {volume} belongs to guest {owner_of(volume)} and stays")
        if self.options.get("destroy_unreferenced_disks"):
            more = sorted(set(owned_volumes(self.world, guest, self.blast)) - set(going))
            self.blast.storages.update(storage_of(volume) for volume in more)
            if more:
                self.blast.because("high", f"destroys volumes that it does not use any more: {', '.join(more)}")

    def _tell_jobs(self, found: Dependents) -> None:
        for job in found.jobs:
            if not job.by_id:
                self.blast.because("low", f"backup job {job.name} includes it until then")
            elif not self.purge:
                self.blast.because("medium", f"backup job {job.name} goes on naming it, and fails")
            elif job.alone:
                self.blast.because("medium", f"removes backup job {job.name}, which names no other guest")
            else:
                self.blast.because("medium", f"takes it out of backup job {job.name}")

    def _tell_backups(self, found: Dependents) -> None:
        """Its backups stay. Whether there is one decides how bad this is, and what brings it back."""
        guest = self.guest
        if found.backups:
            newest = found.backups[-1]
            when = f" of {moment(newest['ctime'])}" if newest.get("ctime") else ""
            self._tell_way_back(found, str(newest["volid"]))
            self.draft.cannot_undo(
                f"its volumes are gone; its newest backup, {newest['volid']}{when}, brings back what they held then"
            )
        elif any(what.startswith(("backups of", "storages of")) for what in self.blast.unseen):
            self.draft.cannot_undo("its volumes are gone, and whether there is a backup is not known")
        else:
            self.blast.because("high", f"there is no backup of it on the storages of node {guest.node}")
            self.draft.cannot_undo("its volumes are gone, and there is no backup of it")

    def _tell_way_back(self, found: Dependents, volid: str) -> None:
        """Its newest backup first, then the configuration that it has today."""
        hidden = [key for key in self.have if self.table.is_hidden(key)]
        config = {key: value for key, value in without_digest(self.have).items() if key not in hidden}
        places = {storage_of(volume) for volume in volumes(self.table, config)}
        storage = places.pop() if len(places) == 1 else None
        self.draft.undo("configure", config=config)
        born = identity(self.table, config)
        self.draft.undo("restore", node=self.guest.node, archive=volid, storage=storage, pool=found.pool, born=born)
