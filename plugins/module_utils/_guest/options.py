# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What describes a guest's configuration: an Option is one row of a Table, a Table is one kind of guest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._codec import (
    BOOL,
    COMMAS,
    CPUS,
    INT,
    LOWER_SET,
    NUMBER,
    PCI,
    RANGES,
    SEMICOLONS,
    SEQUENCE,
    SET,
    SSH_KEYS,
    STRING,
    TAGS,
    WORDS,
    Codec,
    PropertyString,
)
from .._errors import BadInput
from .._privileges import Need

CDROM, CLOUDINIT, CPU, DISK, HWTYPE, MEMORY, NETWORK, OPTIONS = (
    f"VM.Config.{area}" for area in ("CDROM", "Cloudinit", "CPU", "Disk", "HWType", "Memory", "Network", "Options")
)
STARTUP = PropertyString({"down": INT, "order": INT, "up": INT}, default="order")
#: an Option.root_only that no value fits: only root@pam sets the key
ROOT = "(?!)"

_TYPES = {BOOL: "bool", INT: "int", NUMBER: "float"}
_LISTS = (COMMAS, CPUS, LOWER_SET, PCI, RANGES, SEMICOLONS, SEQUENCE, SET, SSH_KEYS, TAGS, WORDS)
_CD = re.compile(r"\bmedia=cdrom\b|^(?:file=|volume=)?(?:none|cdrom)\b")
_CLOUDINIT_DRIVE = re.compile(r":cloudinit\b|\bvm-\d+-cloudinit\b|: cloudinit drive\b")


@dataclass(frozen=True)
class Option:
    """One key of a guest's configuration, or one numbered family of keys."""

    codec: Codec | PropertyString
    #: to change it, on /vms/VMID; "" = the server keeps the key, nobody sets it
    privilege: str
    #: the module option that says it; "" = `config` does
    option: str = ""
    #: the argument spec of that option: of one element, without its slot, for a family
    spec: Mapping[str, Any] | None = None
    #: how many keys the family has: net0 to net31 are 32; 0 = a single key
    count: int = 0
    #: what a configuration without the key means, decoded
    implied: Any = None
    #: can only be set at creation
    fixed: bool = False
    #: a pattern of the values that anybody with the privilege may set, others are root@pam's; "" = every value
    root_only: str = ""
    #: when a running guest feels it: "always", or where its `hotplug` has this word; "" = at its next start (live.py)
    live: str = ""
    #: the first PVE that has it, where 8.4 had not
    since: str = ""
    #: the same for keys of the property string
    since_keys: Mapping[str, str] = field(default_factory=dict)
    #: the value names a volume
    volume: bool = False
    #: reads back masked
    write_only: bool = False
    #: the server's own
    read_only: bool = False
    #: how else it is reached, where neither an option nor `config` says it
    elsewhere: str = ""
    #: this one on /vms/VMID will do, too
    or_privilege: str = ""
    #: needed on / as well
    on_root: str = ""
    #: which kind of resource mapping a value names, and in which of its keys: Mapping.Use is needed on it
    mapping: tuple[str, str] | None = None

    @property
    def parts(self) -> Mapping[str, Codec]:
        """The keys of a property string."""
        return self.codec.types if isinstance(self.codec, PropertyString) else {}

    def decode(self, value: Any) -> Any:
        """A value of the wire or of a task; None means that the configuration lacks the key."""
        return self.implied if value is None else self.codec.decode(value)

    def same(self, one: Any, other: Any) -> bool:
        """Do two values, or None, mean the same to the server?"""
        if isinstance(self.codec, PropertyString):
            return self.codec.same(one, other)
        return bool(self.decode(one) == self.decode(other))


@dataclass(frozen=True)
class Table:
    """Every key of one kind of guest, by its name on the wire without a number."""

    kind: str
    name_key: str
    rows: Mapping[str, Option]
    #: module options that stand for several keys
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: the key of a network interface that holds its address; what a new interface has where nothing is said ({} is its
    #: number), and what the server adds to it
    mac_key: str = "hwaddr"
    new_nic: Mapping[str, str] = field(default_factory=dict)
    nic_gains: Mapping[str, str] = field(default_factory=dict)
    #: what its volumes are to a storage
    content: str = "rootdir"
    #: moving a volume: the call, and the parameter that names the slot
    move_call: tuple[str, str] = ("/move_volume", "volume")
    #: the method that changes volumes: POST works in a task, which a PUT would outlast the HTTP timeout for
    volume_method: str = "PUT"
    #: volumes move while the guest runs
    moves_running: bool = False
    #: destroying an attached volume is one call
    unlinks: bool = False
    #: keys that it cannot be without
    kept: frozenset[str] = frozenset()
    #: the privilege on a CD-ROM drive, where there are such
    cdrom: str = ""

    def row(self, key: str) -> Option | None:
        """The row of a concrete key such as net3, or None where the API has no such key."""
        return self.rows.get(self.family(key) or key) if self._has(key) else None

    def family(self, key: str) -> str:
        """`net` of net3; "" for a key that stands alone."""
        match = re.fullmatch(r"([a-z]+)(0|[1-9]\d*)", key)
        row = self.rows.get(f"{match[1]}[n]") if match else None
        return f"{match[1]}[n]" if match and row and int(match[2]) < row.count else ""

    def _has(self, key: str) -> bool:
        return "[n]" not in key and (key in self.rows or bool(self.family(key)))

    def codec(self, key: str) -> Codec | PropertyString:
        row = self.row(key)
        return row.codec if row else STRING

    def privilege(self, key: str, value: Any = "") -> str:
        """What changing a key needs on /vms/VMID. A drive's depends on what is put into it."""
        row = self.row(key)
        if row and row.volume and self.cdrom and is_cdrom(str(value)):
            return self.cdrom
        return row.privilege if row else OPTIONS

    def needs(self, key: str, value: Any, vmid: int) -> list[Need]:
        """Every privilege that writing `value`, or taking it away, needs; those on storages and bridges apart."""
        row, guest = self.row(key), f"/vms/{vmid}"
        first = self.privilege(key, value)
        needs = [Need(guest, (first, row.or_privilege) if row and row.or_privilege else (first,))]
        if row and row.volume and is_cloudinit(str(value)):
            needs.append(Need(guest, (CLOUDINIT,)))
        if row and row.on_root:
            needs.append(Need("/", (row.on_root,)))
        if row and row.mapping:
            kind, part = row.mapping
            name = row.decode(value or "").get(part)
            needs += [Need(f"/mapping/{kind}/{name}", ("Mapping.Use",))] if name else []
        return needs

    def is_net(self, key: str) -> bool:
        return self.family(key) == "net[n]"

    def is_volume(self, key: str) -> bool:
        """Does the key name a volume, as a disk, a mount point or an unused one?"""
        row = self.row(key)
        return bool(row and row.volume)

    def is_hidden(self, key: str) -> bool:
        """Does the key read back masked?"""
        row = self.row(key)
        return bool(row and row.write_only)

    def key(self, option: str) -> str:
        """The wire key of a module option that is a single key, or ""."""
        return next((key for key, row in self.rows.items() if row.option == option and row.spec and not row.count), "")

    def families(self, option: str) -> list[str]:
        """The families of a module option that is a list of elements with a slot: disks -> ide[n], sata[n] …"""
        return [key for key, row in self.rows.items() if row.option == option and row.spec and row.count]

    def check_slot(self, option: str, slot: str) -> str:
        """`slot`, or BadInput where the option has no such key."""
        families = self.families(option)
        if self.family(slot) not in families:
            allowed = ", ".join(f"{key[:-3]}0 to {key[:-3]}{self.rows[key].count - 1}" for key in families)
            raise BadInput(f"{option}.slot: '{slot}' is not valid: {allowed}")
        return slot

    def argument_spec(self) -> dict[str, dict[str, Any]]:
        """The module options that the rows define."""
        spec: dict[str, dict[str, Any]] = {option: dict(more) for option, more in self.specs.items()}
        for row in self.rows.values():
            if row.spec is None:
                continue
            if not row.count:
                spec[row.option] = dict(row.spec)
                continue
            family = spec.setdefault(row.option, {"type": "list", "elements": "dict", "options": {}})
            family["options"] |= {"slot": {"type": "str", "required": True}, **row.spec}
        return spec

    def keys(self) -> list[str]:
        """Every key, a family once: net[n]."""
        return sorted(self.rows)


def is_cdrom(value: Any) -> bool:
    """Is the drive a CD-ROM: a disc, an empty one, or what carries cloud-init's data?"""
    return bool(_CD.search(str(value))) or is_cloudinit(value)


def is_cloudinit(value: Any) -> bool:
    """Is the drive the one that carries cloud-init's data?"""
    return bool(_CLOUDINIT_DRIVE.search(str(value).split(",", 1)[0]))


def suboptions(codec: PropertyString, *left_out: str, **more: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The argument spec of a property string's keys, by their types."""
    keys = (key for key in sorted(codec.types) if key not in left_out)
    return {**{key.replace("-", "_"): of_type(codec.types[key]) for key in keys}, **more}


def of_type(codec: Codec, **more: Any) -> dict[str, Any]:
    """The argument spec of one value."""
    if codec in _LISTS:
        return {"type": "list", "elements": "str", **more}
    choices = {"choices": list(codec.words)} if codec.words else {}
    return {"type": _TYPES.get(codec, "str"), **choices, **more}
