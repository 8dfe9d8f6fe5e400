# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the numbers of a configuration may be, and which parts of a property string it cannot be without.

From PVE's API description; a test compares them with it. Checked before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from .._codec import PropertyString
from .._errors import BadInput
from .options import Table

Bound = tuple[float, float]

_BURSTS: dict[str, Bound] = {
    f"{limit}{way}_max_length": (1, inf) for limit in ("bps", "iops") for way in ("", "_rd", "_wr")
}
_STARTUP: dict[str, Bound] = dict.fromkeys(("down", "order", "up"), (0, inf))

#: kind -> key -> part of a property string, or "" for the value itself -> the least and the most
BOUNDS: dict[str, dict[str, dict[str, Bound]]] = {
    "qemu": {
        "balloon": {"": (0, inf)},
        "cores": {"": (1, inf)},
        "cpu": dict.fromkeys(("guest-phys-bits", "level"), (0, inf)),
        "cpulimit": {"": (0, 128)},
        "cpuunits": {"": (1, 262144)},
        "ide[n]": _BURSTS,
        "intel-tdx": dict.fromkeys(("vsock-cid", "vsock-port"), (0, inf)),
        "ivshmem": {"size": (1, inf)},
        "machine": {"aw-bits": (32, 64)},
        "memory": {"current": (16, inf)},
        "migrate_downtime": {"": (0, inf)},
        "migrate_speed": {"": (0, inf)},
        "net[n]": {"mtu": (1, 65520), "queues": (0, 64), "rate": (0, inf), "tag": (1, 4094)},
        "rng0": dict.fromkeys(("max_bytes", "period"), (0, inf)),
        "sata[n]": _BURSTS,
        "scsi[n]": {**_BURSTS, "queues": (2, inf)},
        "shares": {"": (0, 50000)},
        "smp": {"": (1, inf)},
        "sockets": {"": (1, inf)},
        "startup": _STARTUP,
        "vcpus": {"": (1, inf)},
        "vga": {"memory": (4, 512)},
        "virtio[n]": _BURSTS,
    },
    "lxc": {
        "cores": {"": (1, 8192)},
        "cpulimit": {"": (0, 8192)},
        "cpuunits": {"": (0, 500000)},
        "dev[n]": dict.fromkeys(("gid", "uid"), (0, inf)),
        "memory": {"": (16, inf)},
        "net[n]": {"mtu": (64, 65535), "tag": (1, 4094)},
        "startup": _STARTUP,
        "swap": {"": (0, inf)},
        "tty": {"": (0, 6)},
    },
}
#: kind -> key -> the parts that it cannot be without; those of volumes and interfaces are seen to where they are made
NEEDED: dict[str, dict[str, tuple[str, ...]]] = {
    "qemu": {
        "agent": ("enabled",),
        "amd-sev": ("type",),
        "audio0": ("device",),
        "intel-tdx": ("type", "attestation"),
        "ivshmem": ("size",),
        "memory": ("current",),
        "numa[n]": ("cpus",),
        "rng0": ("source",),
        "virtiofs[n]": ("dirid",),
    },
    "lxc": {},
}
#: key -> part -> another one that it needs
REQUIRES = {"ipconfig[n]": {"gw": "ip", "gw6": "ip6"}}


def check_bounds(table: Table, key: str, value: Any) -> None:
    """Raise BadInput for a number that the server would refuse."""
    codec, bounds = table.codec(key), BOUNDS[table.kind].get(table.family(key) or key, {})
    parts: Mapping[str, Any] = codec.decode(value) if isinstance(codec, PropertyString) else {"": codec.decode(value)}
    for part, (least, most) in bounds.items():
        if part in parts and not least <= parts[part] <= most:
            allowed = f"{least:g} or more" if most == inf else f"{least:g} to {most:g}"
            raise BadInput(f"{key}{'.' if part else ''}{part}: {parts[part]:g} is not valid: {allowed}")


def check_whole(table: Table, key: str, text: Any) -> None:
    """Raise BadInput for a property string that lacks a part."""
    family, codec = table.family(key) or key, table.codec(key)
    if not isinstance(codec, PropertyString) or text == "":
        return
    parts = codec.decode(text)
    needed = NEEDED[table.kind].get(family, ())
    wanting = {part: other for part, other in REQUIRES.get(family, {}).items() if part in parts and other not in parts}
    lacks = [part for part in needed if part not in parts] or list(wanting.values())
    if lacks:
        because = f" ({', '.join(wanting)} needs it)" if wanting else ""
        raise BadInput(f"{key}: {' and '.join(lacks)} is needed{because}")
