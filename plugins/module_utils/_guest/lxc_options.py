# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a container, one row per key of the API. What a row holds: options.py.

Types and defaults: PVE's API description. Privileges and what is root's: pve-container, check_ct_modify_config_perm.
"""

from __future__ import annotations

from typing import Any

from .._codec import (
    BOOL,
    ENV,
    INT,
    LOWER,
    MAC,
    NUMBER,
    SEMICOLONS,
    SEQUENCE,
    SIZE,
    STRING,
    TAGS,
    TEXT,
    WORDS,
    PropertyString,
    words,
)
from .options import CPU, DISK, MEMORY, NETWORK, OPTIONS, ROOT, STARTUP, Option, Table, of_type, suboptions

_FLAGS = ("force_rw_sys", "fuse", "keyctl", "mknod", "nesting")
FEATURES = PropertyString({**dict.fromkeys(_FLAGS, BOOL), "mount": SEMICOLONS}, implied=dict.fromkeys(_FLAGS, False))
MOUNT = PropertyString(
    {
        "acl": BOOL,
        "backup": BOOL,
        "idmap": SEQUENCE,
        "keepattrs": BOOL,
        "mountoptions": SEMICOLONS,
        "mp": STRING,
        "quota": BOOL,
        "replicate": BOOL,
        "ro": BOOL,
        "shared": BOOL,
        "size": SIZE,
        "volume": STRING,
    },
    default="volume",
    implied={
        "backup": False,
        "keepattrs": False,
        "quota": False,
        "replicate": True,
        "ro": False,
        "shared": False,
    },
)
_ROOTFS_ONLY = ("backup", "keepattrs", "mp")
ROOTFS = PropertyString(
    {key: codec for key, codec in MOUNT.types.items() if key not in _ROOTFS_ONLY},
    default="volume",
    implied={key: value for key, value in MOUNT.implied.items() if key not in _ROOTFS_ONLY},
)
UNUSED = PropertyString({"volume": STRING}, default="volume")
DEVICE = PropertyString(
    {"deny-write": BOOL, "gid": INT, "mode": STRING, "path": STRING, "uid": INT},
    default="path",
    implied={"deny-write": False, "gid": 0, "uid": 0},
)
NET = PropertyString(
    {
        "bridge": STRING,
        "firewall": BOOL,
        "gw": LOWER,
        "gw6": LOWER,
        "host-managed": BOOL,
        "hwaddr": MAC,
        "ip": LOWER,
        "ip6": LOWER,
        "link_down": BOOL,
        "mtu": INT,
        "name": STRING,
        "rate": NUMBER,
        "tag": INT,
        "trunks": SEMICOLONS,
        "type": words("veth"),
    },
    implied={"firewall": False, "host-managed": False, "link_down": False, "type": "veth"},
)

_ALWAYS = "always"
#: bind mounts, devices and id maps are root's
_OF_ALL = r"(?!(volume=)?/)(?!.*\bidmap=).*"
_VOLUME_STATE = of_type(words("present", "detached", "absent"), default="present")
_ARCH = words("amd64", "arm64", "armhf", "i386", "riscv32", "riscv64")
_CMODE = words("console", "shell", "tty")
_LOCK = words(
    *(
        "backup",
        "create",
        "destroyed",
        "disk",
        "fstrim",
        "migrate",
        "mounted",
        "rollback",
        "snapshot",
        "snapshot-delete",
    )
)
_OSTYPE = words(
    *(
        "alpine",
        "archlinux",
        "centos",
        "debian",
        "devuan",
        "fedora",
        "gentoo",
        "nixos",
        "opensuse",
        "ubuntu",
        "unmanaged",
    )
)


def _dict(codec: PropertyString) -> dict[str, Any]:
    return {"type": "dict", "options": suboptions(codec)}


def _server() -> Option:
    return Option(STRING, "", read_only=True)


LXC = Table(
    kind="lxc",
    name_key="hostname",
    new_nic={"name": "eth{}"},
    nic_gains={"type": "veth"},
    kept=frozenset({"arch", "ostype", "rootfs", "unprivileged"}),
    rows={
        "arch": Option(_ARCH, OPTIONS, "arch", of_type(_ARCH), implied="amd64"),
        "cmode": Option(_CMODE, OPTIONS, "cmode", of_type(_CMODE), implied="tty"),
        "console": Option(BOOL, OPTIONS, "console", of_type(BOOL), implied=True),
        "cores": Option(INT, CPU, "cores", of_type(INT), live=_ALWAYS),
        "cpulimit": Option(NUMBER, CPU, "cpulimit", of_type(NUMBER), implied=0.0, live=_ALWAYS),
        "cpuunits": Option(INT, CPU, "cpuunits", of_type(INT), live=_ALWAYS),
        "debug": Option(BOOL, OPTIONS, "debug", of_type(BOOL), implied=False),
        "description": Option(TEXT, OPTIONS, "description", of_type(TEXT), implied="", live=_ALWAYS),
        "dev[n]": Option(DEVICE, OPTIONS, "devices", suboptions(DEVICE), 256, root_only=ROOT),
        "digest": _server(),
        "entrypoint": Option(STRING, OPTIONS, "entrypoint", of_type(STRING), implied="/sbin/init", since="9.0"),
        "env": Option(ENV, OPTIONS, "env", {"type": "dict"}, implied={}, since="9.0"),
        "features": Option(FEATURES, "VM.Allocate", "features", _dict(FEATURES)),
        "hookscript": Option(STRING, OPTIONS, "hookscript", of_type(STRING), root_only=ROOT, live=_ALWAYS),
        "hostname": Option(STRING, NETWORK, "name", of_type(STRING, aliases=["hostname"]), live=_ALWAYS),
        "lock": Option(_LOCK, OPTIONS, live=_ALWAYS),
        "lxc": _server(),
        "memory": Option(INT, MEMORY, "memory", of_type(INT), implied=512, live=_ALWAYS),
        "mp[n]": Option(
            MOUNT,
            DISK,
            "mounts",
            suboptions(MOUNT, storage=of_type(STRING), state=_VOLUME_STATE),
            256,
            root_only=_OF_ALL,
            since_keys={"idmap": "9.0", "keepattrs": "9.0"},
            volume=True,
        ),
        "nameserver": Option(WORDS, NETWORK, "nameserver", of_type(WORDS), implied=[]),
        "net[n]": Option(
            NET,
            NETWORK,
            "net",
            suboptions(NET, "type"),
            32,
            live=_ALWAYS,
            since_keys={"host-managed": "9.0"},
        ),
        "onboot": Option(BOOL, OPTIONS, "onboot", of_type(BOOL), implied=False, live=_ALWAYS),
        "ostype": Option(_OSTYPE, OPTIONS, "ostype", of_type(_OSTYPE)),
        "parent": _server(),
        "protection": Option(BOOL, OPTIONS, "protection", of_type(BOOL), implied=False, live=_ALWAYS),
        "rootfs": Option(
            ROOTFS,
            DISK,
            "rootfs",
            {"type": "dict", "options": suboptions(ROOTFS, storage=of_type(STRING))},
            root_only=_OF_ALL,
            since_keys={"idmap": "9.0"},
            volume=True,
        ),
        "searchdomain": Option(WORDS, NETWORK, "searchdomain", of_type(STRING), implied=[]),
        "snaptime": _server(),
        "startup": Option(STARTUP, OPTIONS, "startup", _dict(STARTUP), live=_ALWAYS),
        "swap": Option(INT, MEMORY, "swap", of_type(INT), implied=512, live=_ALWAYS),
        "tags": Option(TAGS, OPTIONS, "tags", of_type(TAGS), implied=[], live=_ALWAYS),
        "template": Option(BOOL, OPTIONS, implied=False, elsewhere="`state: template` makes a template"),
        "timezone": Option(STRING, OPTIONS, "timezone", of_type(STRING)),
        "tty": Option(INT, OPTIONS, "tty", of_type(INT), implied=2),
        "unprivileged": Option(BOOL, OPTIONS, "unprivileged", of_type(BOOL), implied=False, fixed=True),
        "unused[n]": Option(
            UNUSED,
            DISK,
            count=256,
            live=_ALWAYS,
            volume=True,
            elsewhere="a mount point with `state: detached` becomes one; `delete` destroys it",
        ),
    },
)
