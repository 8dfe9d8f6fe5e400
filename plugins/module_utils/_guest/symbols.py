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
from .lxc_options import NET, VOLUME, codec_of

_SYMBOL = re.compile(r"\(known after apply: [^)]*\)")


def planned(target: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a configuration as they will read once the server has filled them in; None stays None."""
    return {slot: text if text is None else _planned(target, slot, str(text), text) for slot, text in config.items()}


def learned(path: str, config: Mapping[str, Any]) -> dict[str, Callable[[Any, Any], str]]:
    """Symbol -> how to read its value from the configuration at `path`, once the step is done."""
    seen: dict[str, Any] = {}

    def reader_of(slot: str) -> Callable[[Any, Any], str]:
        def read(reader: Any, _answer: Any) -> str:
            seen.update(seen or reader.get(path))
            if codec_of(slot) is NET:
                return str(NET.decode(seen[slot]).get("hwaddr", ""))
            return str(VOLUME.decode(seen[slot]).get("volume", "")).partition(":")[2]

        return read

    return {symbol: reader_of(slot) for slot, text in config.items() for symbol in _SYMBOL.findall(str(text))}


def _planned(target: str, slot: str, text: str, as_is: Any) -> Any:
    codec = codec_of(slot)
    if codec is NET:
        return NET.encode({"type": "veth", "hwaddr": after_apply(f"hwaddr of {slot} of {target}"), **NET.decode(text)})
    if codec is VOLUME:
        return _allocated(target, slot, text)
    return as_is


def _allocated(target: str, slot: str, text: str) -> str:
    """`STORAGE:GIB` as it reads once the volume exists."""
    volume = VOLUME.decode(text)
    storage, colon, gib = str(volume["volume"]).partition(":")
    if not colon or not gib.replace(".", "").isdigit():
        return text
    symbol = after_apply(f"{slot} of {target}")
    return VOLUME.encode({**volume, "volume": f"{storage}:{symbol}", "size": int(float(gib) * 1024**3)})
