# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a container, one row per option: its wire key, its type, and the privilege to change it.

Privileges: pve-container, check_ct_modify_config_perm. `fixed` keys are set at creation only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._codec import BOOL, INT, MAC, NUMBER, SEMICOLONS, SIZE, STRING, TAGS, TEXT, WORDS, Codec, PropertyString

CPU, MEMORY, NETWORK, DISK, OPTIONS = (f"VM.Config.{area}" for area in ("CPU", "Memory", "Network", "Disk", "Options"))


@dataclass(frozen=True)
class Option:
    """One key of the configuration as a task writes it and as the wire carries it."""

    codec: Codec | PropertyString
    privilege: str
    spec: Mapping[str, Any]
    wire: str = ""
    #: the value that a configuration without the key means
    implied: Any = None
    fixed: bool = False


def _spec(type_: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, **more}


def _text_list() -> dict[str, Any]:
    return _spec("list", elements="str")


_FLAGS = ("force_rw_sys", "fuse", "keyctl", "mknod", "nesting")

FEATURES = PropertyString({**dict.fromkeys(_FLAGS, BOOL), "mount": SEMICOLONS}, implied=dict.fromkeys(_FLAGS, False))
STARTUP = PropertyString({"order": INT, "up": INT, "down": INT}, default="order")
NET = PropertyString(
    {
        "firewall": BOOL,
        "hwaddr": MAC,
        "link_down": BOOL,
        "mtu": INT,
        "rate": NUMBER,
        "tag": INT,
        "trunks": SEMICOLONS,
    },
    implied={"firewall": False, "link_down": False, "type": "veth"},
)
VOLUME = PropertyString(
    {
        "acl": BOOL,
        "backup": BOOL,
        "keepattrs": BOOL,
        "mountoptions": SEMICOLONS,
        "quota": BOOL,
        "replicate": BOOL,
        "ro": BOOL,
        "shared": BOOL,
        "size": SIZE,
    },
    default="volume",
    implied={"backup": False, "quota": False, "replicate": True, "ro": False, "shared": False},
)

#: options that are one key of the configuration each
CONFIG: dict[str, Option] = {
    "arch": Option(STRING, OPTIONS, _spec("str", choices=["amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"])),
    "cmode": Option(STRING, OPTIONS, _spec("str", choices=["shell", "console", "tty"]), implied="tty"),
    "console": Option(BOOL, OPTIONS, _spec("bool"), implied=True),
    "cores": Option(INT, CPU, _spec("int")),
    "cpulimit": Option(NUMBER, CPU, _spec("float"), implied=0.0),
    "cpuunits": Option(INT, CPU, _spec("int")),
    "debug": Option(BOOL, OPTIONS, _spec("bool"), implied=False),
    "description": Option(TEXT, OPTIONS, _spec("str"), implied=""),
    "entrypoint": Option(STRING, OPTIONS, _spec("str")),
    "features": Option(
        FEATURES,
        OPTIONS,
        _spec(
            "dict",
            options={
                **{flag: _spec("bool") for flag in _FLAGS},
                "mount": _text_list(),
            },
        ),
    ),
    "hookscript": Option(STRING, OPTIONS, _spec("str")),
    "memory": Option(INT, MEMORY, _spec("int"), implied=512),
    "name": Option(STRING, NETWORK, _spec("str", aliases=["hostname"]), wire="hostname"),
    "nameserver": Option(WORDS, NETWORK, _text_list(), implied=[]),
    "onboot": Option(BOOL, OPTIONS, _spec("bool"), implied=False),
    "ostype": Option(STRING, OPTIONS, _spec("str")),
    "protection": Option(BOOL, OPTIONS, _spec("bool"), implied=False),
    "searchdomain": Option(STRING, NETWORK, _spec("str")),
    "startup": Option(STARTUP, OPTIONS, _spec("dict", options={key: _spec("int") for key in ("order", "up", "down")})),
    "swap": Option(INT, MEMORY, _spec("int"), implied=512),
    "tags": Option(TAGS, OPTIONS, _text_list(), implied=[]),
    "timezone": Option(STRING, OPTIONS, _spec("str")),
    "tty": Option(INT, OPTIONS, _spec("int"), implied=2),
    "unprivileged": Option(BOOL, OPTIONS, _spec("bool"), implied=False, fixed=True),
}

_VOLUME_KEYS = {
    **{flag: _spec("bool") for flag in ("acl", "quota", "replicate", "ro", "shared")},
    "mountoptions": _text_list(),
    "size": _spec("str"),
    "storage": _spec("str"),
}

#: options that are a numbered family of keys: option -> (prefix, codec, privilege, spec of one element)
FAMILIES: dict[str, tuple[str, PropertyString, str, dict[str, Any]]] = {
    "net": (
        "net",
        NET,
        NETWORK,
        {
            "slot": _spec("str", required=True),
            **{key: _spec("str") for key in ("bridge", "gw", "gw6", "hwaddr", "ip", "ip6", "name")},
            **{key: _spec("int") for key in ("mtu", "tag")},
            **{key: _spec("bool") for key in ("firewall", "link_down")},
            "rate": _spec("float"),
            "trunks": _spec("list", elements="int"),
        },
    ),
    "mounts": (
        "mp",
        VOLUME,
        DISK,
        {
            "slot": _spec("str", required=True),
            "mp": _spec("str"),
            "volume": _spec("str"),
            "backup": _spec("bool"),
            **_VOLUME_KEYS,
        },
    ),
}

ROOTFS_SPEC = _spec("dict", options=_VOLUME_KEYS)


def codec_of(key: str) -> Codec | PropertyString:
    """The type of a key of the configuration, by its name on the wire."""
    for prefix, codec, _privilege, _element in FAMILIES.values():
        if key.startswith(prefix) and key[len(prefix) :].isdigit():
            return codec
    if key == "rootfs":
        return VOLUME
    row = next((option for name, option in CONFIG.items() if (option.wire or name) == key), None)
    return row.codec if row else STRING


def privilege_of(key: str) -> str:
    """The privilege that changing a key of the configuration needs."""
    for prefix, _codec, privilege, _element in FAMILIES.values():
        if key.startswith(prefix) and key[len(prefix) :].isdigit():
            return privilege
    if key == "rootfs":
        return DISK
    row = next((option for name, option in CONFIG.items() if (option.wire or name) == key), None)
    return row.privilege if row else OPTIONS
