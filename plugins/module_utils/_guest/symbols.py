# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the server knows of a configuration: the MAC of a new interface, the name of a new volume.

Until it is known it stands in the plan as a symbol, and the step that makes it says how its value is learned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .._plan import after_apply
from .options import Table
from .volumes import SIZED_BY_SERVER, volume_codec, volume_of

_SYMBOL = re.compile(r"\(known after apply: [^)]*\)")
_GIB = 1024**3
#: what the server shows in place of a password
_MASK = "**********"


def planned(table: Table, target: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a configuration as they will read once the server has filled them in; None stays None."""
    return {
        slot: text if text is None else _planned(table, target, slot, str(text), text) for slot, text in config.items()
    }


def learned(table: Table, path: str, config: Mapping[str, Any]) -> dict[str, Callable[[Any, Any], str]]:
    """Symbol -> how to read its value from the guest's configuration at `path`, once the step is done."""
    seen: dict[str, Any] = {}

    def reader_of(slot: str) -> Callable[[Any, Any], str]:
        def read(reader: Any, _answer: Any) -> str:
            seen.update(seen or reader.get(f"{path}/config"))
            if table.is_net(slot):
                return str(table.codec(slot).decode(seen[slot]).get(table.mac_key, ""))
            return volume_of(volume_codec(table, slot), seen[slot]).partition(":")[2]

        return read

    return {symbol: reader_of(slot) for slot, text in config.items() for symbol in _SYMBOL.findall(str(text))}


def volume_symbol(target: str, slot: str, storage: str) -> str:
    """The id of a volume that the server will name."""
    return f"{storage}:{after_apply(f'{slot} of {target}')}"


def _planned(table: Table, target: str, slot: str, text: str, as_is: Any) -> Any:
    if table.is_hidden(slot):
        return _MASK
    if table.is_net(slot):
        codec = table.codec(slot)
        address = {table.mac_key: after_apply(f"MAC of {slot} of {target}")}
        return codec.encode({**table.nic_gains, **address, **codec.decode(text)})
    if table.is_volume(slot):
        return _allocated(table, target, slot, text)
    return as_is


def _allocated(table: Table, target: str, slot: str, text: str) -> str:
    """`STORAGE:GIB`, an import or a cloud-init drive as it reads once the volume exists."""
    codec = volume_codec(table, slot)
    volume = codec.decode(text)
    storage, colon, what = volume_of(codec, text).partition(":")
    allocates = bool(colon) and (what == "cloudinit" or what.replace(".", "").isdigit())
    if not allocates:
        return text
    kept = {key: item for key, item in volume.items() if key not in ("format", "import-from")}
    if what == "cloudinit":
        there = volume_symbol(target, f"cloudinit drive {slot}", storage)
        return codec.encode({**kept, "media": "cdrom", str(codec.default): there})
    size = {"size": int(float(what) * _GIB)} if float(what) and slot not in SIZED_BY_SERVER else {}
    return codec.encode({**kept, **size, str(codec.default): volume_symbol(target, slot, storage)})
