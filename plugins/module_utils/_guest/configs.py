# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configurations of all guests: as they are, as they are after a restart, and as their snapshots keep them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._blast import Blast
from .._errors import StewardError
from .._world import World
from .lookup import Guest, from_rows, resources
from .sight import noting, sees_below

_AT_ONCE = 8
#: free text, in which a name means nothing
_PROSE = ("description",)


@dataclass(frozen=True)
class Found:
    """A guest with everything that it has written down."""

    guest: Guest
    running: bool
    template: bool
    snapshots: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def sections(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The configuration ("" is its name), what holds until the restart, and each snapshot."""
        yield "", self.guest.config or {}
        yield "until its restart", {key: value for key, value in self.guest.pending.items() if value is not None}
        for name, config in self.snapshots.items():
            yield f"snapshot {name}", config

    def naming(self, pattern: re.Pattern[str]) -> list[tuple[str, str, str]]:
        """Where a value fits the pattern: (section, key, value)."""
        return [
            (section, key, str(value))
            for section, config in self.sections()
            for key, value in sorted(config.items())
            if key not in _PROSE and pattern.search(str(value))
        ]


def read_each(world: World, blast: Blast, paths: Mapping[str, str]) -> dict[str, Any]:
    """The data at each path, several at a time. `paths`: path -> what it tells; unknown where it is refused."""
    found = {}
    for path, answer in world.get_all(paths, _AT_ONCE).items():
        with noting(blast, paths[path]):
            if isinstance(answer, StewardError):
                raise answer
            found[path] = answer
    return found


def guests(world: World, blast: Blast) -> list[dict[str, Any]]:
    """The rows of all guests; where the credential may not see every one, that is unknown."""
    if not sees_below(world, "/vms", ("VM.Audit",)):
        blast.unknown("guests without VM.Audit")
    with noting(blast, "guests of the cluster"):
        return resources(world)
    return []


def target_of(row: Mapping[str, Any]) -> str:
    return f"{row['type']}/{row['vmid']}"


def configurations(world: World, blast: Blast, node: str = "", snapshots: bool = True, but: str = "") -> list[Found]:
    """Every guest (of a node, `but` one) with its configuration, by two requests each and one per snapshot."""
    rows = [row for row in guests(world, blast) if node in ("", row["node"]) and target_of(row) != but]
    here = {target_of(row): Guest(row["type"], int(row["vmid"]), row["node"]) for row in rows}
    pending = read_each(
        world, blast, {f"{guest.path}/pending": f"configuration of {target}" for target, guest in here.items()}
    )
    kept = _snapshots(world, blast, here) if snapshots else {}
    found = []
    for row in rows:
        guest = here[target_of(row)]
        config, waiting = from_rows(pending.get(f"{guest.path}/pending", ()))
        whole = Guest(guest.kind, guest.vmid, guest.node, config, waiting)
        running, template = row.get("status") == "running", str(row.get("template", 0)) == "1"
        found.append(Found(whole, running, template, kept.get(guest.target, {})))
    return found


def _snapshots(world: World, blast: Blast, here: Mapping[str, Guest]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """target -> snapshot -> the configuration that it keeps."""
    lists = read_each(
        world, blast, {f"{guest.path}/snapshot": f"snapshots of {target}" for target, guest in here.items()}
    )
    names = {
        target: [str(row["name"]) for row in lists.get(f"{guest.path}/snapshot", ()) if row["name"] != "current"]
        for target, guest in here.items()
    }
    configs = read_each(
        world,
        blast,
        {
            f"{here[target].path}/snapshot/{name}/config": f"snapshot {target}@{name}"
            for target, own in names.items()
            for name in own
        },
    )
    return {
        target: {name: configs.get(f"{here[target].path}/snapshot/{name}/config", {}) for name in own}
        for target, own in names.items()
    }
