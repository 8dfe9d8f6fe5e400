# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sensors of a host show, and which of it is alarming. It changes nothing, and needs no root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._plan import Plan
from .._world import World

OPTIONS: dict[str, dict[str, Any]] = {"chips": {"type": "list", "elements": "str"}}

#: what a value must stay below. A chip that knows no limit says 0
_CEILINGS = ("crit", "emergency")
_SIGNALS = ("alarm", "fault")


def plan(wanted: Mapping[str, Any], node: str, world: World) -> Plan:
    """No step."""
    found = world.get("sensors")
    there, names = found["chips"], wanted.get("chips")
    chips = {name: chip for name, chip in there.items() if names is None or name in names}
    unread = [
        *(f"{name}: there is no such chip on {node}" for name in names or () if name not in there),
        *(f"{where}: no value" for where, values in _features(chips) if not _is_read(values)),
    ]
    alarms = [{"sensor": where, **alarm} for where, values in _features(chips) for alarm in _alarms(values)]
    warnings = [f"sensors: {line}" for line in found["complaints"]]
    return Plan(
        summary=f"{len(chips)} chips read on {node}",
        warnings=warnings,
        result={"sensors": {"chips": chips, "alarms": alarms, "unread": unread}},
    )


def _features(chips: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Chip and feature, with its values. `Adapter` is a text beside them."""
    for chip, features in chips.items():
        for feature, values in features.items():
            if isinstance(values, Mapping):
                yield f"{chip} {feature}", values


def _is_read(values: Mapping[str, Any]) -> bool:
    """Is there a value, and none that the chip failed to give?"""
    return bool(values) and None not in values.values()


def _alarms(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in values.items():
        stem, _line, said = key.partition("_")
        have = values.get(f"{stem}_input")
        if said.endswith(_SIGNALS) and value:
            yield {"what": key, "value": have}
        elif said in _CEILINGS and value and have is not None and have >= value > 0:
            yield {"what": key, "value": have, "limit": value}
