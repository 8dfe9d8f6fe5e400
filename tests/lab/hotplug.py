# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which changes of a running virtual machine take effect at once, and which wait for its next start."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import qemu_values
from .state import Guest

# These mean nothing to the running machine.
ALWAYS = re.compile(
    r"description|hookscript|lock|migrate_downtime|migrate_speed|name|onboot|protection|shares|startup|tags"
    r"|vmstatestorage|cicustom|cipassword|citype|ciupgrade|ciuser|ipconfig\d+|nameserver|searchdomain|sshkeys"
    r"|cpuunits|cpulimit|unused\d+"
)
NEVER = re.compile(r"(efidisk|tpmstate)\d+")
PLUGGABLE_DISK = re.compile(r"(scsi|virtio)\d+")
# A network card takes all else while it runs; a change of these is another card.
OTHER_CARD = ("model", "macaddr", "queues", "mtu")
# A disk takes all else while it runs.
FIXED_ON_DISK = ("aio", "discard", "iothread", "queues", "product", "cache", "ssd", "vendor", "ro")


def classes(guest: Guest) -> set[str]:
    """What the machine lets be plugged: the classes of its option `hotplug`."""
    wanted = str(guest.config.get("hotplug", "1"))
    return set({"0": "", "1": "network,disk,usb"}.get(wanted, wanted).split(",")) - {""}


def takes(guest: Guest, key: str, value: Any) -> bool:
    """Whether the running machine takes the new value now."""
    if ALWAYS.fullmatch(key):
        return True
    name = re.sub(r"\d+$", "", key)
    rule = RULES.get(name)
    if rule:
        return rule(guest, key, value)
    return bool(qemu_values.DISK.fullmatch(key)) and _disk(guest, key, value)


def lets_go(guest: Guest, key: str) -> bool:
    """Whether the running machine gives the option up now."""
    plug = classes(guest)
    if ALWAYS.fullmatch(key):
        return True
    if qemu_values.DISK.fullmatch(key):
        return "disk" in plug and bool(PLUGGABLE_DISK.fullmatch(key))
    if key == "hotplug":
        return not {"cpu", "memory"} & plug
    if key == "balloon":
        return str(guest.config.get("balloon", "")) != "0"
    needed = {"net": "network", "usb": "usb", "tablet": "usb", "vcpus": "cpu", "memory": "memory"}
    kind = needed.get(re.sub(r"\d+$", "", key))
    return kind in plug and (kind != "usb" or key == "tablet" or _usb_system(guest))


def _usb_system(guest: Guest) -> bool:
    return str(guest.config.get("ostype", "")) in ("l26", "win8", "win10", "win11")


def _net(guest: Guest, key: str, value: Any) -> bool:
    if "network" in classes(guest):
        return True
    old = qemu_values.values_of(key, str(guest.config.get(key, "")))
    new = qemu_values.values_of(key, str(value))
    same_card = all(old.get(name) == new.get(name) for name in OTHER_CARD)
    return key in guest.config and same_card and bool(old.get("bridge") and new.get("bridge"))


def _disk(guest: Guest, key: str, value: Any) -> bool:
    if NEVER.fullmatch(key):
        return False
    plug = "disk" in classes(guest)
    if key not in guest.config:
        return plug and bool(PLUGGABLE_DISK.fullmatch(key))
    old = qemu_values.values_of(key, str(guest.config[key]))
    new = qemu_values.values_of(key, str(value))
    if old.get("media") == "cdrom":
        return True
    if old["file"] != new["file"]:
        return plug and bool(PLUGGABLE_DISK.fullmatch(key))
    return all(old.get(name) == new.get(name) for name in FIXED_ON_DISK)


def _hotplug(guest: Guest, _key: str, value: Any) -> bool:
    old, new = classes(guest), str(value)
    return not ({"memory", "cpu"} & old or "memory" in new or "cpu" in new)


def _balloon(guest: Guest, _key: str, value: Any) -> bool:
    return (str(guest.config.get("balloon", "1")) != "0") == (str(value) != "0")


def _agent(guest: Guest, key: str, value: Any) -> bool:
    """Only what the node does by itself."""
    old = qemu_values.values_of(key, str(guest.config.get(key, "")))
    new = qemu_values.values_of(key, str(value))
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    return key in guest.config and changed <= {"fstrim_cloned_disks"}


RULES: dict[str, Callable[[Guest, str, Any], bool]] = {
    "net": _net,
    "hotplug": _hotplug,
    "balloon": _balloon,
    "agent": _agent,
    "usb": lambda guest, _key, _value: "usb" in classes(guest) and _usb_system(guest),
    "tablet": lambda guest, _key, _value: "usb" in classes(guest),
    "vcpus": lambda guest, _key, _value: "cpu" in classes(guest),
    "memory": lambda guest, _key, _value: "memory" in classes(guest),
}
