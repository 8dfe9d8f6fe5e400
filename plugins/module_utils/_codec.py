# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wire types of the Proxmox API: 0/1 booleans, property strings, sizes, lists and sets. Pure functions.

A Codec turns the text of the wire into a Python value that can be compared, and back. Comparing decoded values is what
makes a second run empty: the server reorders keys, lower-cases tags and adds newlines to descriptions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Codec:
    """How one value travels: `decode` reads the wire (or a user's value), `encode` writes it."""

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]


def _bool(value: Any) -> bool:
    return str(value).strip().lower() in ("1", "true", "yes", "on")


def _number(value: Any) -> float:
    return float(value)


def _print_number(value: float) -> str:
    return f"{value:g}"


def _text(value: Any) -> str:
    # QEMU drops the trailing newlines of a description, LXC adds one: neither is the user's.
    return str(value).rstrip("\n")


def split_list(value: Any) -> list[str]:
    """A list, or a text separated by commas, semicolons or blanks, as a list without empty items.

    The items of a list are split too, as the server will read them.
    """
    parts = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return [item for part in parts for item in re.split(r"[,;\s]+", str(part)) if item]


def _mac(value: Any) -> str:
    # the symbol of one that the server will choose is not a MAC
    return str(value) if "(" in str(value) else str(value).upper()


def _listed(separator: str, unordered: bool = False, lower: bool = False) -> Codec:
    def decode(value: Any) -> list[str]:
        items = [item.lower() if lower else item for item in split_list(value)]
        return sorted(set(items)) if unordered else items

    return Codec(decode, lambda items: separator.join(decode(items)))


BOOL = Codec(_bool, lambda value: int(_bool(value)))
INT = Codec(lambda value: int(float(value)), int)
NUMBER = Codec(_number, _print_number)
STRING = Codec(str, str)
TEXT = Codec(_text, str)
LOWER = Codec(lambda value: str(value).lower(), str)
MAC = Codec(_mac, str)
TAGS = _listed(";", unordered=True, lower=True)
WORDS = _listed(" ")
SEMICOLONS = _listed(";", unordered=True)
SET = _listed(",", unordered=True)

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:iB|B)?", re.IGNORECASE)
_UNIT = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(value: Any, default_unit: str = "") -> int:
    """Bytes in a size such as `8G` or `512M`; a bare number counts in `default_unit`. Raises ValueError."""
    match = _SIZE.fullmatch(str(value).strip())
    if not match:
        raise ValueError(f"'{value}' is not a size; write a number with K, M, G or T, for example 8G")
    unit = match.group(2).upper() or default_unit
    return int(float(match.group(1)) * 1024 ** _UNIT[unit])


def print_size(size: int) -> str:
    """The shortest exact text of a size in bytes, as Proxmox writes it (8G, 512M, 4K)."""
    for unit in ("T", "G", "M", "K"):
        if size and size % 1024 ** _UNIT[unit] == 0:
            return f"{size // 1024 ** _UNIT[unit]}{unit}"
    return str(size)


SIZE = Codec(parse_size, print_size)


@dataclass(frozen=True)
class PropertyString:
    """A comma separated `key=value` text such as `net0` or `features`, with a type per key.

    `default` is the key that may stand without its name (`local:8,size=8G`). Keys without a type are kept as text,
    so that what we do not know survives a merge.
    """

    types: Mapping[str, Codec]
    default: str | None = None
    #: what the server takes for a key that is not there; equal to writing it out
    implied: Mapping[str, Any] = field(default_factory=dict)

    def decode(self, value: Any) -> dict[str, Any]:
        pairs = value.items() if isinstance(value, Mapping) else self._split(str(value))
        return {key: self._codec(key).decode(item) for key, item in pairs if item is not None}

    def encode(self, value: Mapping[str, Any]) -> str:
        def one(key: str, text: str) -> str:
            return text if key == self.default else f"{key}={text}"

        texts = {key: str(self._codec(key).encode(item)) for key, item in value.items()}
        return ",".join(one(key, texts[key]) for key in sorted(texts, key=self._place) if texts[key] != "")

    def merge(self, have: Any, want: Mapping[str, Any]) -> dict[str, Any]:
        """`have` with the keys of `want` laid over it: what a task does not mention stays, an empty value goes."""
        merged = {**(self.decode(have) if have else {}), **self.decode(want)}
        return {key: item for key, item in merged.items() if item not in ("", [])}

    def same(self, one: Any, other: Any) -> bool:
        """Do two values mean the same to the server?"""
        left, right = ({**self.implied, **(self.decode(value) if value else {})} for value in (one, other))
        return left == right

    def _place(self, key: str) -> tuple[bool, str]:
        return key != self.default, key

    def _codec(self, key: str) -> Codec:
        return self.types.get(key, STRING)

    def _split(self, text: str) -> list[tuple[str, str]]:
        pairs = []
        for part in filter(None, text.split(",")):
            key, equals, item = part.partition("=")
            if not equals:
                if self.default is None:
                    raise ValueError(f"'{part}' in '{text}' has no key")
                key, item = self.default, part
            pairs.append((key, item))
        return pairs


def to_wire(data: Mapping[str, Any]) -> dict[str, str | int]:
    """A request's parameters as the API takes them: no None, booleans as 0/1, lists joined by commas."""

    def one(value: Any) -> str | int:
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, (list, tuple)):
            return ",".join(str(item) for item in value)
        return value if isinstance(value, int) else str(value)

    return {key: one(value) for key, value in data.items() if value is not None}
