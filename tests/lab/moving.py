# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes with a guest to another node: its volumes on local storages, under new names where theirs are taken."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import disks
from .call import Call
from .errors import BadParameter, Died
from .state import Config, Guest, State, Volume
from .tasks import Task

Target = Callable[[str], str]


@dataclass
class Use:
    """Where a guest names a volume."""

    key: str = ""
    attached: bool = False
    unused: bool = False
    snapshots: set[str] = field(default_factory=set)


def uses(guest: Guest) -> dict[str, Use]:
    """Every volume that a guest names: now, waiting for its start, or in a snapshot."""
    found: dict[str, Use] = {}
    for config in (guest.config, guest.pending):
        for key, volid in _named(guest, config):
            use = found.setdefault(volid, Use())
            use.key = use.key or key
            use.unused |= key.startswith("unused")
            use.attached |= config is guest.config and not key.startswith("unused")
    for name, config in guest.snapshots.items():
        for key, volid in _named(guest, config):
            use = found.setdefault(volid, Use(key))
            use.snapshots.add(name)
    return found


def _named(guest: Guest, config: Config) -> list[tuple[str, str]]:
    found = list(disks.used_by(Guest(guest.vmid, guest.kind, guest.node, config)))
    return found + ([("vmstate", config["vmstate"])] if "vmstate" in config else [])


def local_volumes(state: State, guest: Guest) -> list[tuple[Use, Volume]]:
    found = [(use, state.volumes.get((guest.node, volid))) for volid, use in uses(guest).items()]
    return [(use, volume) for use, volume in found if volume]


def storage_map(text: str | None) -> Target:
    """`1` leaves all where they are, `a:b` maps one, a bare name is for the rest."""
    pairs: dict[str, str] = {}
    rest: str | None = None
    for item in str(text or "1").split(","):
        source, separator, target = item.strip().partition(":")
        if separator:
            pairs[source] = target
        elif source != "1":
            rest = source
    return lambda storage: pairs.get(storage) or rest or storage


def check_storages(call: Call, guest: Guest, target: str, text: str | None, content: str) -> None:
    """Each storage that is asked for must be there for the caller; without a map those of the guest must be."""
    wanted = {item.rpartition(":")[2].strip() for item in str(text or "").split(",")} - {"1", ""}
    for storage in sorted(wanted):
        disks.check_content(call.state, target, storage, content)
        disks.need_space(call, storage)
    where = storage_map(text)
    for volid in uses(guest):
        storage = volid.split(":")[0]
        shared = disks.section(call.state, storage).get("shared")
        disks.check_storage(call.state, target, storage if shared else where(storage))


def check_target(call: Call, target: str) -> None:
    if target == call.node:
        raise BadParameter(target="target is local node.")
    if not call.state.quorate:
        raise Died("cluster not ready - no quorum?")
    if target not in call.state.nodes:
        raise Died(f"no such cluster node '{target}'")


def begin(state: State, task: Task, guest: Guest, target: str, noun: str) -> None:
    task.log(f"{clock()} starting migration of {noun} {guest.vmid} to node '{target}' (192.0.2.1)")
    if target in state.offline:
        fail(task, "Can't connect to destination address using public key")


def fail(task: Task, text: str) -> None:
    task.log(f"{clock()} ERROR: {text}", f"{clock()} aborting phase 1 - cleanup resources")
    raise Died("migration aborted")


def finish(task: Task) -> None:
    task.log(f"{clock()} migration finished successfully (duration 00:00:01)")


def clock() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())


def carry(state: State, guest: Guest, node: str, where: Target) -> None:
    """The guest and its local volumes change their node; a replication to that node turns round."""
    for _use, volume in local_volumes(state, guest):
        _carry_volume(state, guest, volume, node, where(volume.storage))
    for job in state.replication.values():
        if job.get("guest") == guest.vmid and job.get("target") == node:
            job["target"] = guest.node
    guest.node = node


def _carry_volume(state: State, guest: Guest, volume: Volume, node: str, storage: str) -> None:
    old = volume.volid
    state.remove(volume)
    volume.node = disks.place_of(state, node, storage)
    if storage != volume.storage or state.volume(node, old):
        if guest.kind == "qemu":
            volume.format = disks.fit_format(state, storage, volume.format)
        else:
            volume.format = disks.backend(state, storage).ct_format
        volume.volid = new_volid(state, volume, storage, guest.vmid)
    state.add(volume)
    if volume.volid != old:
        rename(guest, old, volume.volid)


def new_volid(state: State, volume: Volume, storage: str, vmid: int) -> str:
    """A free name there; drives for cloud-init and saved memories keep theirs."""
    own = re.sub(r"\.\w+$", "", volume.name.rpartition("/")[2])
    if re.search(r"-disk-\d+$", own):
        return f"{storage}:{disks.new_name(state, storage, vmid, volume.format)}"
    files = disks.backend(state, storage).files
    return f"{storage}:{vmid}/{own}.{volume.format}" if files else f"{storage}:{own}"


def rename(guest: Guest, old: str, new: str) -> None:
    """The guest names the volume by its new name, also in its snapshots."""
    for config in (guest.config, guest.pending, *guest.snapshots.values()):
        for key, volid in _named(guest, config):
            if volid == old:
                config[key] = str(config[key]).replace(old, new, 1)
