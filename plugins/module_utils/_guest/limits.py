# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a guest would be, and how many there would be, against the limits of the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._codec import PropertyString
from .._errors import Refused
from .._limits import Limit
from .._policy import Policy
from .._world import World
from .draft import Draft
from .lookup import resources
from .options import Table, is_cdrom
from .sight import sees_below
from .volumes import storage_of, volume_codec, volume_of

_GIB = 1024**3


def check_limits(
    options: Mapping[str, Any],
    world: World,
    draft: Draft,
    table: Table,
    target: Mapping[str, Any],
    before: Mapping[str, Any] | None,
) -> None:
    """Raise Refused where a guest would go beyond a limit. `before` is None for a guest that comes to be.

    What a guest has already is not held against a task that leaves it, or lowers it.
    """
    limits = Policy.of_task(options).limits
    for name, measure in _MEASURES.items():
        limit: Limit | None = getattr(limits, name)
        if limit:
            has = None if before is None else measure(table, world, draft, before)
            _check(name, limit, draft, measure(table, world, draft, target), has)
    if limits.max_vms and before is None:
        _check_count(limits.max_vms, world, draft)


@dataclass(frozen=True)
class Amount:
    """How much of something, in the limit's unit, and what of it is not known."""

    known: float
    unknown: frozenset[str] = frozenset()


def _check(name: str, limit: Limit, draft: Draft, after: Amount, before: Amount | None) -> None:
    guest, what = draft.guest.target, _WORDS[name]
    new = after.unknown - (before.unknown if before else frozenset())
    if new:
        raise Refused(
            f"{guest}: its {what} cannot be known ({', '.join(sorted(new))}), and it is limited to {limit.most}"
            f" ({limit.origin})",
            "Say it in the task",
        )
    if after.known > limit.most and after.known > (before.known if before else 0):
        raise Refused(
            f"{guest}: {what} would be {after.known:g}, and the limit is {limit.most} ({limit.origin})",
            "Ask for less, or have the limit raised where it is set",
        )


def _check_count(limit: Limit, world: World, draft: Draft) -> None:
    """Every guest of the cluster counts, also those that this --check run has only planned."""
    if not sees_below(world, "/vms", ("VM.Audit",)):
        raise Refused(
            f"{draft.guest.target}: how many guests there are is not known, because {world.identity} may not see all of"
            f" them, and they are limited to {limit.most} ({limit.origin})",
            "Grant VM.Audit on /vms with propagate",
        )
    others = sum(int(row["vmid"]) != draft.guest.vmid for row in resources(world))
    if others + 1 > limit.most:
        raise Refused(
            f"{draft.guest.target} would be guest number {others + 1}, and the limit is {limit.most} ({limit.origin})",
            "Remove guests that are not needed, or have the limit raised where it is set",
        )


def _cores(table: Table, world: World, draft: Draft, config: Mapping[str, Any]) -> Amount:
    """A VM's sockets times cores; a container's cores, and all of its node's where it has no such key."""
    if table.kind == "qemu":
        return Amount(int(config.get("sockets") or 1) * int(config.get("cores") or 1))
    if config.get("cores"):
        return Amount(int(config["cores"]))
    nodes = {row.get("node"): row.get("maxcpu") for row in world.get("/nodes")}
    cores = nodes.get(draft.guest.node)
    return Amount(int(cores)) if cores else Amount(0, frozenset({"without cores it may use every core of its node"}))


def _memory(table: Table, _world: World, _draft: Draft, config: Mapping[str, Any]) -> Amount:
    """MiB. Both kinds have 512 where nothing is said; a VM may have them as current=512."""
    value = table.codec("memory").decode(config.get("memory") or 512)
    return Amount(int(value["current"] if isinstance(value, Mapping) else value))


def _disk(table: Table, _world: World, _draft: Draft, config: Mapping[str, Any]) -> Amount:
    """GiB of its disks, root file system, mount points, EFI disk and TPM state.

    CD-ROMs, the cloud-init drive, host paths and what is detached (unusedN) do not count.
    """
    slots = [key for key in config if table.is_volume(key) and not key.startswith("unused")]
    sizes = {slot: _size(volume_codec(table, slot), config[slot]) for slot in slots}
    known = sum(size for size in sizes.values() if size is not None)
    return Amount(known / _GIB, frozenset(f"the size of {slot}" for slot, size in sizes.items() if size is None))


def _size(codec: PropertyString, text: Any) -> int | None:
    """Bytes of a volume; None where the configuration does not tell."""
    volume = volume_of(codec, text)
    if is_cdrom(str(text)) or not storage_of(volume):
        return 0
    decoded = codec.decode(text)
    if decoded.get("size"):
        return int(decoded["size"])
    allocated = volume.partition(":")[2]  # STORAGE:GIBIBYTES, before the server has made it
    if allocated.replace(".", "", 1).isdigit() and float(allocated):
        return int(float(allocated) * _GIB)
    return None


_MEASURES: dict[str, Callable[[Table, World, Draft, Mapping[str, Any]], Amount]] = {
    "max_cpu": _cores,
    "max_ram_mb": _memory,
    "max_disk_gb": _disk,
}
_WORDS = {"max_cpu": "number of cores", "max_ram_mb": "memory in MiB", "max_disk_gb": "disk space in GiB"}
