# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there: the mounts at a path, and what makes one last, a line of fstab or a mount unit of systemd. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from .._errors import NotFound
from .._host.mounts import ALWAYS, FSTAB_MARK, OPTIONS, UNIT_MARK

_OWN_LINE = re.compile(rf"UUID=[^\t]*\t([^\t]*)\t.*,{re.escape(FSTAB_MARK)}\t.*")
_LINE = "UUID={uuid}\t{path}\t{fstype}\t{options}\t0\t0"
_UNIT = f"""[Unit]
{UNIT_MARK}
JobTimeoutSec={{device_timeout}}
[Mount]
What=/dev/disk/by-uuid/{{uuid}}
Where={{path}}
Type={{fstype}}
Options={{options}}
[Install]
{{install}}
"""
_OPTIONAL, _DEMANDED = "WantedBy=multi-user.target", "RequiredBy=local-fs.target"


class Reader(Protocol):
    """What planners read, or the host itself."""

    def get(self, path: str, /, **params: Any) -> Any: ...


@dataclass(frozen=True)
class There:
    """What a planner looks at, and what it will be."""

    path: str
    #: as findmnt lists them, the one on top last
    rows: list[dict[str, Any]]
    fstab: str
    by_systemd: bool
    unit: str

    @classmethod
    def of(cls, reader: Reader, path: str, node: str) -> There:
        def text(name: str, **params: str) -> str:
            try:
                return str(reader.get(name, node=node, **params))
            except NotFound:
                return ""

        by_systemd = bool(reader.get("systemd", node=node))
        unit = text("cat mount unit", unit=unit_name(path)) if by_systemd else ""
        return cls(path, reader.get("findmnt", path=path, node=node), text("fstab"), by_systemd, unit)

    @property
    def lasting(self) -> list[Lasting]:
        """What this collection wrote for the path."""
        unit = of_unit(self.unit)
        return [*map(of_line, own_lines(self.fstab, self.path)), *([unit] if unit else [])]

    def with_goal(self, goal: Lasting) -> There:
        """What it will be once the goal is written."""
        text = goal.text(self.path)
        if goal.by == "systemd":
            return replace(self, unit=text)
        return replace(self, fstab=with_line(self.fstab, self.path, text))

    def without(self, by: str) -> There:
        return replace(self, unit="") if by == "systemd" else replace(self, fstab=without_lines(self.fstab, self.path))

    def has(self, goal: Lasting) -> bool:
        """Is it there, to the letter?"""
        text = goal.text(self.path)
        return text == self.unit if goal.by == "systemd" else [text] == own_lines(self.fstab, self.path)


def options_of(row: Mapping[str, Any]) -> list[str]:
    """Those of its options that this collection knows."""
    said = row["options"].split(",")
    return [option for option in (*ALWAYS, *OPTIONS) if option in said]


def is_of_device(row: Mapping[str, Any]) -> bool:
    """Not of a network, a pool, the memory; and not a directory of another file system."""
    return row["source"].startswith("/dev/") and not row["source"].endswith("]")


def is_ghost(row: Mapping[str, Any]) -> bool:
    """A stick that was pulled: its files may still be seen, but not read."""
    return row["uuid"] is None and is_of_device(row)


@dataclass(frozen=True)
class Lasting:
    """One line or unit, as this collection writes it."""

    by: str
    uuid: str
    fstype: str
    options: tuple[str, ...]
    nofail: bool
    device_timeout: int

    @property
    def _mount_options(self) -> str:
        return ",".join([*ALWAYS, *self.options, *(["nofail"] if self.nofail else [])])

    def data(self, path: str) -> dict[str, Any]:
        """What the operation that writes it takes."""
        shared = {"uuid": self.uuid, "path": path, "fstype": self.fstype}
        if self.by == "fstab":
            waits = f"x-systemd.device-timeout={self.device_timeout}s"
            return {**shared, "options": f"{self._mount_options},{waits},{FSTAB_MARK}"}
        return {
            **shared,
            "unit": unit_name(path),
            "options": self._mount_options,
            "device_timeout": self.device_timeout,
            "install": _OPTIONAL if self.nofail else _DEMANDED,
        }

    def text(self, path: str) -> str:
        """The line, or the whole unit."""
        data = self.data(path)
        return (_LINE if self.by == "fstab" else _UNIT).format(**data)


def unit_name(path: str) -> str:
    """As systemd-escape --path --suffix=mount says it, for the paths that are allowed here."""
    return path[1:].replace("-", r"\x2d").replace("/", "-") + ".mount"


def _made(by: str, uuid: str, fstype: str, options: str, device_timeout: str) -> Lasting:
    said = options.split(",")
    chosen = tuple(option for option in OPTIONS if option in said)
    return Lasting(by, uuid, fstype, chosen, "nofail" in said, int(device_timeout))


# -- the unit --------------------------------------------------------------------------------------------------------


def of_unit(text: str) -> Lasting | None:
    """The unit, or None where somebody else wrote it."""
    if UNIT_MARK not in text.splitlines():
        return None
    said = dict(re.findall("^([A-Za-z-]+)=(.*)$", text, re.MULTILINE))
    uuid = said.get("What", "").rpartition("/")[2]
    timeout = re.sub("[^0-9]", "", said.get("JobTimeoutSec", "")) or "0"
    return _made("systemd", uuid, said.get("Type", ""), said.get("Options", ""), timeout)


# -- fstab -----------------------------------------------------------------------------------------------------------


def own_lines(fstab: str, path: str) -> list[str]:
    """The lines that this collection wrote for the path."""
    found = ((line, _OWN_LINE.fullmatch(line)) for line in fstab.split("\n"))
    return [line for line, own in found if own and own[1] == path]


def of_line(line: str) -> Lasting:
    source, _path, fstype, options, *_dump_and_pass = line.split("\t")
    waits = re.search("x-systemd.device-timeout=([0-9]+)s", options)
    return _made("fstab", source.removeprefix("UUID="), fstype, options, waits[1] if waits else "0")


def foreign_lines(fstab: str, path: str, uuid: str) -> Iterator[str]:
    """The other lines that mount something there, or mount this file system; with their numbers."""
    own = own_lines(fstab, path)
    for number, line in enumerate(fstab.split("\n"), start=1):
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#") or line in own:
            continue
        source = fields[0].replace('"', "").removeprefix("UUID=").removeprefix("/dev/disk/by-uuid/")
        if source.lower() == uuid.lower() or fields[1].rstrip("/") == path:
            yield f"line {number} ({' '.join(fields[:2])})"


def without_lines(fstab: str, path: str) -> str:
    """fstab without what this collection wrote for the path."""
    own = own_lines(fstab, path)
    return "\n".join(line for line in fstab.split("\n") if line not in own)


def with_line(fstab: str, path: str, line: str) -> str:
    """fstab as sed leaves it: a new line at its end, and no older one for the path."""
    kept = without_lines(fstab, path)
    ended = kept if kept.endswith("\n") or not kept else f"{kept}\n"
    return f"{ended}{line}\n"
