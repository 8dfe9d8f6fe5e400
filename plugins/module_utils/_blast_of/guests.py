# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call by path does to one guest. `vm`, `lxc`, `snapshot` and `backup` say more: they know what is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._blast import Blast
from .._codec import BOOL, split_list
from .._guest import ha
from .._guest.configs import configurations, guests, target_of
from .._guest.dependents import find_dependents
from .._guest.lookup import Guest, from_rows
from .._guest.power import read_state
from .._guest.sight import noting, read
from .._guest.tables import TABLES
from .._guest.volumes import storage_of
from .._world import World
from .write import Write, few

_AT_ONCE = "what it has not written to its disks is lost"
#: method and path below the guest's own -> (level, what happens to it)
CALLS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("post", "status/start"): ("low", "starts"),
    ("post", "status/resume"): ("low", "goes on"),
    ("post", "status/shutdown"): ("medium", "is shut down: its services stop"),
    ("post", "status/reboot"): ("medium", "is shut down and started again: its services are interrupted"),
    ("post", "status/suspend"): ("medium", "stands still: its services do not answer"),
    ("post", "status/stop"): ("high", f"is switched off at once: {_AT_ONCE}"),
    ("post", "status/reset"): ("high", f"is reset at once: {_AT_ONCE}"),
    ("put", "config"): ("medium", "has its configuration changed"),
    ("post", "config"): ("medium", "has its configuration changed"),
    ("put", "resize"): ("medium", "has a volume that grows, and cannot shrink again"),
    ("post", "move_disk"): ("medium", "has a volume moved"),
    ("post", "move_volume"): ("medium", "has a volume moved"),
    ("put", "unlink"): ("high", "loses volumes"),
    ("put", "cloudinit"): ("medium", "has its cloud-init drive written again"),
    ("post", "migrate"): ("medium", "moves to another node"),
    ("post", "remote_migrate"): ("high", "moves to another cluster"),
    ("post", "clone"): ("low", "is cloned"),
    ("post", "template"): ("high", "becomes a template, and can never be started again"),
    ("post", "snapshot"): ("low", "has another snapshot"),
    ("put", "snapshot/{snapname}/config"): ("low", "has a snapshot described"),
    ("delete", "snapshot/{snapname}"): ("medium", "has one snapshot less"),
    ("post", "snapshot/{snapname}/rollback"): ("high", "goes back to a snapshot: everything since is lost"),
    ("post", "agent/exec"): ("high", "runs a command that the agent is given"),
    ("post", "agent/file-write"): ("high", "has a file written by the agent"),
    ("post", "agent/set-user-password"): ("high", "has a password set by the agent"),
}
#: values of a changed configuration that take a volume away
_LOSES = ("force", "destroy-unreferenced-disks")


def guest_call(level: str, what: str, world: World, blast: Blast, write: Write) -> None:
    """A call below the path of a guest, with what the table says of it."""
    guest = _name(world, blast, write)
    blast.because(level, f"{guest.target} {what}")
    if any(BOOL.decode(write.data.get(key, 0)) for key in _LOSES) or "idlist" in write.data:
        blast.because("high", f"{guest.target}: what is detached by it is destroyed")
    for key in ("target", "node"):
        if write.data.get(key) and "target-endpoint" not in write.data:
            blast.nodes.add(str(write.data[key]))
    if write.data.get("storage"):
        blast.storages.add(str(write.data["storage"]))


def guest_destroy(world: World, blast: Blast, write: Write) -> None:
    """The guest goes, with everything that hangs on it."""
    guest = _name(world, blast, write)
    blast.because("high", f"destroys {guest.target} with its volumes")
    rows = read(world, blast, f"configuration of {guest.target}", f"{guest.path}/pending")
    managed = _power(world, blast, guest, "ha") or ha.UNMANAGED
    config, pending = from_rows(rows or ())
    whole = Guest(guest.kind, guest.vmid, guest.node, config, pending)
    found = find_dependents(TABLES[guest.kind], world, whole, blast, {"ha": managed})
    hanging = {
        "snapshots": len(found.snapshots),
        "replication jobs": len(found.replication),
        "HA rules": len(found.ha_rules),
        "linked clones": len(found.clones),
        "permissions": len(found.acls),
        "backup jobs that name it": sum(job.by_id for job in found.jobs),
    }
    there = [f"{count} {called}" for called, count in hanging.items() if count]
    if there:
        blast.because("high", f"it has {few(there)}")
    if not found.backups:
        blast.because("high", f"no backup of it could be seen on the storages of node {guest.node}")


def guest_create(world: World, blast: Blast, write: Write) -> None:
    """A guest comes to be, or a backup is restored over one that is there."""
    target = f"{write.names['kind']}/{write.data.get('vmid')}"
    blast.nodes.add(write.names["node"])
    blast.guests.add(target)
    named = (str(write.data.get(key) or "") for key in ("storage", "archive", "ostemplate"))
    blast.storages.update(name.partition(":")[0] for name in named if name)
    there = any(target_of(row) == target for row in guests(world, blast))
    if there and BOOL.decode(write.data.get("force", 0)):
        blast.because("high", f"{target} is there: everything in it is overwritten")
    else:
        blast.because("medium", f"creates {target} on node {write.names['node']}")


def vzdump(world: World, blast: Blast, write: Write) -> None:
    """Backups of the guests that the call chooses."""
    data, node = write.data, write.names["node"]
    named, without = split_list(data.get("vmid") or ""), split_list(data.get("exclude") or "")
    for row in guests(world, blast):
        chosen = str(row["vmid"]) in named if named else row["node"] == node and str(row["vmid"]) not in without
        if chosen and data.get("pool") in (None, "", row.get("pool")):
            blast.guests.add(target_of(row))
    blast.nodes.add(node)
    if data.get("storage"):
        blast.storages.add(str(data["storage"]))
    stops = str(data.get("mode") or "snapshot") in ("stop", "suspend")
    blast.because("medium" if stops else "low", f"backs up {few(sorted(blast.guests)) or 'no guest'}")
    if stops:
        blast.because("medium", "guests that run are interrupted while they are backed up")


def volume_delete(world: World, blast: Blast, write: Write) -> None:
    """A volume goes: who names it, in its configuration or in a snapshot?"""
    volume, node = write.names["volume"], write.names["node"]
    volume = volume if ":" in volume else f"{write.names['storage']}:{volume}"
    blast.nodes.add(node)
    blast.storages.add(storage_of(volume))
    blast.others.add(f"volume {volume}")
    blast.because("medium", f"destroys {volume}")
    exact = re.compile(rf"(?:^|[,=\s]){re.escape(volume)}(?:,|$)")
    for found in configurations(world, blast):
        slots = [f"{key} of {section}" if section else key for section, key, _value in found.naming(exact)]
        if slots:
            blast.guests.add(found.guest.target)
            running = ", and it is running" if found.running else ""
            blast.because("high", f"{found.guest.target} has it as {few(slots)}{running}")


def _name(world: World, blast: Blast, write: Write) -> Guest:
    """Name the guest, its node, and its live state."""
    guest = Guest(write.names["kind"], int(write.names["vmid"]), write.names["node"])
    blast.guests.add(guest.target)
    blast.nodes.add(guest.node)
    power = _power(world, blast, guest, "power")
    if power:
        blast.because("low", f"{guest.target} is {power}")
    return guest


def _power(world: World, blast: Blast, guest: Guest, what: str) -> str:
    with noting(blast, f"live state of {guest.target}"):
        return str(read_state(world, guest)[what])
    return ""
