# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any Python value as plain JSON data, so that recording never fails on what a guest or a user put into a name.

Strings stay as they are (JSON escapes control characters and lone surrogates); what JSON cannot hold
is replaced, and the replacement is named, so that a reader never takes it for the value itself.
"""

import math
from collections.abc import Mapping, Set
from typing import Any

MAX_DEPTH = 64
MAX_VALUES = 200_000  # ends cycles and structures that share their branches
MAX_NOTES = 20
SAFE_INTEGER = 2**53  # beyond it other languages' JSON readers lose digits
DECIMAL_BITS = 2048  # Python refuses to print much longer integers as decimals


class Plain:
    """Converts the fields of one frame; ``altered`` then says what could not be kept as it was."""

    def __init__(self) -> None:
        self.altered: list[str] = []
        self._values = 0

    def convert(self, value: Any, where: str, depth: int = 0) -> Any:
        self._values += 1
        if depth > MAX_DEPTH:
            return self._replace(where, "nested too deeply")
        if self._values > MAX_VALUES:
            return self._replace(where, "too many values")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return self._integer(int(value), where)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else self._note(where, "not a finite number", repr(value))
        if isinstance(value, bytes):
            return self._note(where, "bytes kept as text", value.decode("utf-8", "surrogateescape"))
        return self._container(value, where, depth + 1)

    def _container(self, value: Any, where: str, depth: int) -> Any:
        if isinstance(value, Mapping):
            if all(isinstance(key, str) for key in value):
                return {str.__str__(key): self.convert(item, f"{where}.{key}", depth) for key, item in value.items()}
            pairs = [self._list(pair, where, depth) for pair in value.items()]
            return self._note(where, "keys that are not text, kept as a list of pairs", pairs)
        if isinstance(value, list | tuple):
            return self._list(value, where, depth)
        if isinstance(value, Set):
            return self._note(where, "a set kept as a list", self._list(sorted(value, key=repr), where, depth))
        # Never str(): an unknown object's text could be a decrypted vault value.
        return self._replace(where, f"not recorded: {type(value).__name__}")

    def _list(self, values: Any, where: str, depth: int) -> list[Any]:
        return [self.convert(item, f"{where}[{index}]", depth) for index, item in enumerate(values)]

    def _integer(self, value: int, where: str) -> int | str:
        if abs(value) < SAFE_INTEGER:
            return value
        text = str(value) if value.bit_length() <= DECIMAL_BITS else hex(value)
        return self._note(where, "a large integer kept as text", text)

    def _replace(self, where: str, why: str) -> str:
        return self._note(where, why, f"({why})")

    def _note(self, where: str, why: str, result: Any) -> Any:
        if len(self.altered) < MAX_NOTES:
            self.altered.append(f"{where[:200]}: {why}")
        return result
