# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wire types of the Proxmox API: 0/1 booleans, property strings, sizes, lists and sets. Pure functions.

A Codec turns the text of the wire into a Python value that can be compared, and back. Comparing decoded values is what
makes a second run empty: the server reorders keys, lower-cases tags and adds newlines to descriptions.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class Codec:
    """How one value travels: `decode` reads the wire (or a user's value), `encode` writes it."""

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]
    #: the values that there are, where the API lists them
    words: tuple[str, ...] = ()

    def check(self, value: Any) -> None:
        """Raise ValueError for what a task cannot say. A server newer than the list may well read back other words."""
        decoded = self.decode(value)
        for text in decoded if isinstance(decoded, list) else [str(self.encode(decoded))]:
            if self.words and text not in self.words:
                raise ValueError(f"'{text}' is none of {', '.join(self.words)}")


_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


def _bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(f"'{value}' is neither true nor false")
    return text in _TRUE


def _int(value: Any) -> int:
    text = str(value).strip()
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    if not float(text).is_integer():
        raise ValueError(f"'{value}' is not a whole number")
    return int(float(text))


def _print_number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


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


def _ranges(value: Any) -> list[str]:
    """The numbers of `2,0,3-5` as the fewest ranges: 0 and 2-5."""
    runs: list[list[int]] = []
    for first, last in sorted(map(_range, split_list(value))):
        if runs and first <= runs[-1][1] + 1:
            runs[-1][1] = max(last, runs[-1][1])
        else:
            runs.append([first, last])
    return [f"{first}-{last}" if last > first else str(first) for first, last in runs]


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if dash and int(last) < int(first):
        raise ValueError(f"'{text}' runs backwards")
    return int(first), int(last or first)


def _ssh_keys(value: Any) -> list[str]:
    lines = "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else unquote(str(value))
    return sorted({line.strip() for line in lines.splitlines() if line.strip()})


def _pci(value: Any) -> list[str]:
    """PCI addresses; the domain 0000 may be left out."""
    return sorted({address if address.count(":") != 1 else f"0000:{address}" for address in LOWER_SET.decode(value)})


_FEATURES_ON = "network,disk,usb"


def _hotplug(value: Any) -> list[str]:
    """0 is none, 1 is the server's default."""
    return SET.decode({"0": "", "1": _FEATURES_ON}.get(str(value), value))


def _env(value: Any) -> dict[str, str]:
    """An environment from a mapping, or from NAME=value parted by NUL."""
    if isinstance(value, Mapping):
        return {str(name): str(text) for name, text in value.items()}
    return {name: text for name, _equals, text in (part.partition("=") for part in str(value).split("\0") if part)}


def _generation(value: Any) -> str:
    if str(value) == "1":
        raise ValueError("1 asks for a new id at each run; give the id itself, or 0 for none")
    return str(value).lower()


def words(*values: str) -> Codec:
    """One word of a list."""
    return Codec(str, str, values)


BOOL = Codec(_bool, lambda value: int(_bool(value)))
INT = Codec(_int, _int)
NUMBER = Codec(float, _print_number)
STRING = Codec(str, str)
TEXT = Codec(_text, str)
LOWER = Codec(lambda value: str(value).lower(), str)
MAC = Codec(_mac, str)
TAGS = _listed(";", unordered=True, lower=True)
WORDS = _listed(" ")
COMMAS = _listed(",")
SEMICOLONS = _listed(";", unordered=True)
SEQUENCE = _listed(";")
SET = _listed(",", unordered=True)
LOWER_SET = _listed(";", unordered=True, lower=True)
CPUS = Codec(_ranges, lambda items: ",".join(_ranges(items)))
RANGES = Codec(_ranges, lambda items: ";".join(_ranges(items)))
PCI = Codec(_pci, lambda items: ";".join(_pci(items)))
GENERATION = Codec(_generation, str)
HOTPLUG = Codec(
    _hotplug,
    lambda items: ",".join(_hotplug(items)) or "0",
    ("cloudinit", "cpu", "disk", "memory", "network", "usb"),
)
ENV = Codec(_env, lambda pairs: "\0".join(f"{name}={text}" for name, text in _env(pairs).items()))
URL_ENCODED = Codec(lambda value: unquote(str(value)), lambda value: quote(str(value), safe=""))
SSH_KEYS = Codec(_ssh_keys, lambda keys: quote("\n".join(_ssh_keys(keys)), safe=""))

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


#: what takes a key out of a property string
_NOTHING: tuple[Any, ...] = ("", [], None)


@dataclass(frozen=True)
class PropertyString:
    """A comma separated `key=value` text such as `net0` or `features`, with a type per key.

    `default` is the key that may stand without its name (`local:8,size=8G`). Keys without a type are kept as text,
    so that what we do not know survives a merge. In a mapping a key may be written with underscores for dashes.
    """

    types: Mapping[str, Codec]
    default: str | None = None
    #: what the server takes for a key that is not there; equal to writing it out
    implied: Mapping[str, Any] = field(default_factory=dict)
    #: other names of a key
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: values of `model` that the server writes as the key of `macaddr`: virtio=BC:24:11:00:00:01
    models: tuple[str, ...] = ()
    #: keys of which setting one takes the others away
    one_of: tuple[str, ...] = ()
    #: the key that a list means, where a whole value is given as a list
    listed: str = ""

    def decode(self, value: Any) -> dict[str, Any]:
        decoded = {key: self._codec(key).decode(item) for key, item in self._items(value) if item not in _NOTHING}
        return {key: item for key, item in decoded.items() if item not in _NOTHING}

    def encode(self, value: Mapping[str, Any]) -> str:
        texts = {key: self._text(key, item) for key, item in value.items()}
        return self._join({key: texts[key] for key in sorted(texts)})

    def merge(self, have: Any, want: Any) -> dict[str, Any]:
        """`have` with the keys of `want` laid over it: what a task does not mention stays, an empty value goes."""
        wanted = self.decode(want)
        gone = {key for key, item in self._items(want) if key not in wanted}
        if any(key in wanted for key in self.one_of):
            gone |= set(self.one_of) - set(wanted)
        merged = {**(self.decode(have) if have else {}), **wanted}
        return {key: item for key, item in merged.items() if key not in gone}

    def patch(self, have: Any, want: Any) -> str:
        """The text of `have` once merged, with as little changed as can be.

        What means the same keeps its letters (to QEMU a MAC in capitals is another card), and what the server takes for
        granted is not added (a flag of a container that is written out as off counts as changed).
        """
        merged, now = self.merge(have, want), self.decode(have) if have else {}
        kept = {key: item for key, item in (self._items(have) if have else []) if key in merged}
        texts = {key: str(kept[key]) if now[key] == merged[key] else self._text(key, merged[key]) for key in kept}
        new = (key for key in sorted(merged) if key not in kept and self.implied.get(key) != merged[key])
        texts |= {key: self._text(key, merged[key]) for key in new}
        # in one order, so that a preview and the real run send the same
        return self._join({key: texts[key] for key in sorted(texts)})

    def without(self, have: Any, *keys: str) -> str:
        """The text of `have` without some keys."""
        gone = {self.key(name) for name in keys}
        return self._join({key: str(item) for key, item in sorted(self._items(have)) if key not in gone})

    def same(self, one: Any, other: Any) -> bool:
        """Do two values mean the same to the server?"""
        left, right = ({**self.implied, **(self.decode(value) if value else {})} for value in (one, other))
        return left == right

    def check(self, value: Any) -> None:
        """Raise ValueError for what a task cannot say."""
        for key, item in self._items(value):
            try:
                if item not in _NOTHING:
                    self._codec(key).check(item)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from None

    def key(self, name: str) -> str:
        """The key as the server calls it: pre_enrolled_keys is pre-enrolled-keys."""
        dashed = name.replace("_", "-")
        name = dashed if name not in self.types and (dashed in self.types or dashed in self.aliases) else name
        return self.aliases.get(name, name)

    def _codec(self, key: str) -> Codec:
        return self.types.get(key, STRING)

    def _text(self, key: str, item: Any) -> str:
        return str(self._codec(key).encode(item))

    def _items(self, value: Any) -> list[tuple[str, Any]]:
        """Keys and undecoded values, by the names that we use."""
        if isinstance(value, Mapping):
            return [(self.key(str(name)), item) for name, item in value.items() if item is not None]
        if isinstance(value, (list, tuple)):
            return [(self.listed, value)]
        return [pair for part in str(value).split(",") if part for pair in self._parse(part, value)]

    def _parse(self, part: str, text: Any) -> list[tuple[str, str]]:
        name, equals, item = part.partition("=")
        if not equals or (self.default and not re.fullmatch(r"[\w-]+", name)):
            if self.default is None:
                raise ValueError(f"'{part}' in '{text}' has no key")
            return [(self.default, part)]
        if name in self.models:
            return [("model", name), ("macaddr", item)]
        return [(self.aliases.get(name, name), item)]

    def _join(self, texts: Mapping[str, str]) -> str:
        """The text of a property string; the server wants the default key first."""
        rest = {key: text for key, text in texts.items() if text != ""}
        parts = []
        if self.models and "model" in rest and "macaddr" in rest:
            parts.append(f"{rest.pop('model')}={rest.pop('macaddr')}")
        elif self.default in rest:
            text = rest.pop(self.default)
            parts.append(f"{self.default}={text}" if "=" in text else text)
        return ",".join(parts + [f"{key}={text}" for key, text in rest.items()])


class Smbios(PropertyString):
    """`smbios1`: on the wire its texts are base64 where it says base64=1; here they are plain."""

    def _items(self, value: Any) -> list[tuple[str, Any]]:
        items = dict(super()._items(value))
        coded = _bool(items.pop("base64", 0))
        return [(key, _from_base64(str(item)) if coded and key != "uuid" else item) for key, item in items.items()]

    def _join(self, texts: Mapping[str, str]) -> str:
        coded = {key: text if key == "uuid" else _to_base64(text) for key, text in texts.items()}
        return super()._join({**coded, **({"base64": "1"} if set(coded) - {"uuid"} else {})})


def _to_base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "surrogateescape")).decode()


def _from_base64(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode("utf-8", "surrogateescape")
    except ValueError:
        return text


def to_wire(data: Mapping[str, Any]) -> dict[str, str | int]:
    """A request's parameters as the API takes them: no None, booleans as 0/1, lists joined by commas."""

    def one(value: Any) -> str | int:
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, (list, tuple)):
            return ",".join(str(item) for item in value)
        return value if isinstance(value, int) else str(value)

    return {key: one(value) for key, value in data.items() if value is not None}
