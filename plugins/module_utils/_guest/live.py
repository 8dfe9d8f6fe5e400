# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which changes a running guest takes over at once, and which wait for its next start.

Of most keys their row says it (Option.live). Of those here it depends on what changes in them (qemu-server:
vmconfig_hotplug_pending; pve-container: vmconfig_hotplug_pending).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .options import Option, Table

#: another value of these is another card, or another disk, to the machine
_CARD = ("model", "macaddr", "queues", "mtu")
_DISK = ("aio", "cache", "discard", "iothread", "product", "queues", "ro", "ssd", "vendor")
_TO_BE_MADE = re.compile(r"[^:\s]+:\d+(?:\.\d+)?")
_USB_SYSTEMS = ("l26", "win8", "win10", "win11")


@dataclass(frozen=True)
class _Change:
    """One key of a running guest: what it is, and what it is to be; None where it is not there."""

    row: Option
    old: Any
    new: Any
    config: Mapping[str, Any]
    plugged: frozenset[str]

    def differs(self, *parts: str) -> bool:
        """Is one of these keys of a property string another?"""
        old, new = (self.row.decode(value or "") for value in (self.old, self.new))
        return any(old.get(part) != new.get(part) for part in parts)


def takes_over(table: Table, key: str, old: Any, new: Any, config: Mapping[str, Any]) -> bool:
    """Does a running guest with this configuration take the change over at once? None: the key is not there."""
    row = table.row(key)
    if row is None:
        return True
    hotplug = table.rows.get("hotplug")
    plugged = frozenset(hotplug.decode(config.get("hotplug"))) if hotplug else frozenset()
    change = _Change(row, old, new, config, plugged)
    rule = _RULES[table.kind].get(table.family(key) or key)
    return rule(change) if rule else _of_row(change)


def _of_row(change: _Change) -> bool:
    if change.row.volume and change.row.elsewhere == "" and change.row.live in ("", "disk"):
        return _disk(change)
    return change.row.live == "always" or change.row.live in change.plugged


def _disk(change: _Change) -> bool:
    pluggable = change.row.live == "disk" and "disk" in change.plugged
    if change.old is None or change.new is None:
        return pluggable
    if change.row.decode(change.old).get("media") == "cdrom":
        return True
    return pluggable if change.differs("volume") else not change.differs(*_DISK)


def _net(change: _Change) -> bool:
    if "network" in change.plugged:
        return True
    there = change.old is not None and change.new is not None
    bridged = there and all(change.row.decode(value).get("bridge") for value in (change.old, change.new))
    return bridged and not change.differs(*_CARD)


def _usb(change: _Change) -> bool:
    return "usb" in change.plugged and change.config.get("ostype") in _USB_SYSTEMS


def _balloon(change: _Change) -> bool:
    """The device is there, or not: only its target moves."""
    return (str(change.old) != "0") == (str(change.new) != "0")


def _hotplug(change: _Change) -> bool:
    """Whether memory and processors can be plugged is settled when the machine starts."""
    now, then = (set(change.row.decode(value)) for value in (change.old, change.new))
    return not {"cpu", "memory"} & (now | then)


def _agent(change: _Change) -> bool:
    there = change.old is not None and change.new is not None
    return there and not change.differs(*(part for part in change.row.parts if part != "fstrim_cloned_disks"))


def _mount(change: _Change) -> bool:
    """Nothing is pulled from under what runs; only a volume to be made or a bind mount takes the place of one."""
    if change.old is None or change.new is None:
        return change.new is not None
    volume = str(change.row.decode(change.new).get("volume"))
    return volume.startswith("/") or bool(_TO_BE_MADE.fullmatch(volume))


_RULES: dict[str, dict[str, Callable[[_Change], bool]]] = {
    "qemu": {
        "agent": _agent,
        "balloon": _balloon,
        "efidisk0": lambda _change: False,
        "hotplug": _hotplug,
        "net[n]": _net,
        "tpmstate0": lambda _change: False,
        "usb[n]": _usb,
    },
    "lxc": {
        "memory": lambda change: change.new is not None,
        "mp[n]": _mount,
        "rootfs": lambda _change: False,
    },
}
