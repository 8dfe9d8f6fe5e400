# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which task of Proxmox a write starts, and which tasks change something. Tables. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: They change nothing: consoles, and lists that are fetched. A type that nobody has looked up counts as a change.
READING = frozenset({"aptupdate", "auth-realm-sync-test", "spiceproxy", "spiceshell", "vncproxy", "vncshell"})

_GUEST = r"/nodes/(?P<node>[^/]+)/(?P<kind>lxc|qemu)/(?P<id>\d+)"
_NEW = r"/nodes/(?P<node>[^/]+)/(?P<kind>lxc|qemu)"
_STORAGE = r"/nodes/(?P<node>[^/]+)/storage/(?P<id>[^/]+)"
#: the number of a guest; where a volume goes to another guest, more follows: 100-scsi0>101-scsi1
_ITS_NUMBER, _VOLUME_OF = "{id}", r"{id}(?:-.+)?"
#: a volume's guest, where it has one, and its storage
_AT_STORAGE = r"(?:\d+@)?{id}"

#: method, path, the types of its task (`*` stands for vz or qm), and the id of the task
_CALLS: tuple[tuple[str, re.Pattern[str], tuple[str, ...], str], ...] = tuple(
    (method, re.compile(path), types, of)
    for method, path, types, of in (
        ("POST", _NEW, ("*create", "*restore"), "{new}"),
        ("RUN", "pct create", ("vzcreate", "vzrestore"), "{new}"),
        ("DELETE", _GUEST, ("*destroy",), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/clone", ("*clone",), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/config", ("qmconfig",), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/migrate", ("vzmigrate", "qmigrate", "hamigrate"), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/move_(?:disk|volume)", ("qmmove", "move_volume"), _VOLUME_OF),
        ("PUT", rf"{_GUEST}/resize", ("resize",), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/template", ("*template",), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/snapshot", ("*snapshot",), _ITS_NUMBER),
        ("DELETE", rf"{_GUEST}/snapshot/[^/]+", ("*delsnapshot",), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/snapshot/[^/]+/rollback", ("*rollback",), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/status/start", ("*start", "hastart"), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/status/stop", ("*stop", "hastop"), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/status/shutdown", ("*shutdown", "hastop", "hashutdown"), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/status/suspend", ("*suspend", "qmpause"), _ITS_NUMBER),
        ("POST", rf"{_GUEST}/status/(?P<verb>reboot|reset|resume)", ("*{verb}",), _ITS_NUMBER),
        ("POST", r"/nodes/(?P<node>[^/]+)/vzdump", ("vzdump",), "(?:{new})?"),
        ("DELETE", rf"{_STORAGE}/content/.+", ("imgdel",), _AT_STORAGE),
        ("DELETE", rf"{_STORAGE}/prunebackups", ("prunebackups",), r"\d*@{id}"),
        ("POST", rf"{_STORAGE}/download-url", ("download",), ".*"),
        ("POST", rf"{_STORAGE}/upload", ("imgcopy",), ".*"),
        ("POST", r"/nodes/(?P<node>[^/]+)/(?P<verb>startall|stopall|suspendall|migrateall)", ("{verb}",), ".*"),
        ("PUT", r"/nodes/(?P<node>[^/]+)/network", ("srvreload",), "networking"),
        ("PUT", r"/cluster/sdn", ("reloadnetworkall",), ".*"),
    )
)

#: What the cluster itself does as root@pam because of a task: the HA manager carries out a request, a guest is started
#: on the node that it was moved to, and again after a reboot.
_POWER = {"qmstart", "vzstart", "qmshutdown", "vzshutdown", "qmstop", "vzstop"}
FOLLOWS: dict[str, frozenset[str]] = {
    "hamigrate": frozenset({"qmigrate", "vzmigrate", *_POWER}),
    "hashutdown": frozenset(_POWER),
    "hastart": frozenset(_POWER),
    "hastop": frozenset(_POWER),
    "qmigrate": frozenset({"qmstart"}),
    "qmreboot": frozenset({"qmstart"}),
    "vzmigrate": frozenset({"vzstart"}),
    "vzreboot": frozenset({"vzstart"}),
}
#: a write to the HA manager's own objects starts no task; what it does then follows as from such a request
_OF_HA = re.compile(r"/cluster/ha/resources/(?:vm:|ct:)?(?P<id>\d+)(?:/\w+)?")


@dataclass(frozen=True)
class Expected:
    """The task that a write starts. `node` is "" where it may be any."""

    types: frozenset[str]
    id: re.Pattern[str]
    node: str

    def fits(self, type_: str, id_: str, node: str) -> bool:
        return type_ in self.types and bool(self.id.fullmatch(id_)) and self.node in ("", node)


def expected(step: Mapping[str, Any]) -> Expected | None:
    """The task that a recorded step of a plan starts, or None where it starts none."""
    for method, path, types, of in _CALLS:
        found = path.fullmatch(step["path"])
        if found and method == step["method"]:
            words = {"verb": "", **found.groupdict()}
            number = re.escape(_number(step)) or r"\d+"
            named = of.format(id=re.escape(words.get("id", "")), new=number)
            kind = {"lxc": ("vz",), "qemu": ("qm",)}.get(words.get("kind", ""), ("vz", "qm"))
            its_types = {name.format(**words).replace("*", prefix) for name in types for prefix in kind}
            node = words.get("node", "")
            return Expected(frozenset(its_types), re.compile(named), "" if node == "localhost" else node)
    return None


def _number(step: Mapping[str, Any]) -> str:
    """The guest that comes to be, or is backed up: as the plan names it, or a write by path."""
    named = str(step.get("target", "")).rpartition("/")[2]
    return named if named.isdigit() else str((step.get("data") or {}).get("vmid", "")).strip("*")


def of_ha(step: Mapping[str, Any]) -> str:
    """The number of the guest whose HA state a step sets; "" for another step."""
    found = _OF_HA.fullmatch(step["path"])
    return found["id"] if found and step["method"] != "GET" else ""
