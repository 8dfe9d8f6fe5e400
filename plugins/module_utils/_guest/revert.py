# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change that takes a recorded change of a configuration back: part by part, so that what others did since stays.

What somebody set otherwise since then is noticed: it is neither what the run left nor what was there before. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._codec import PropertyString
from .._plan import is_symbol
from .change import Change
from .lookup import Guest
from .options import Table, is_cdrom
from .volumes import storage_of, volume_codec, volume_of

#: the server's own, and what a restored guest must have anew
_NOT_PUT_BACK = frozenset({"digest", "lock", "meta", "parent", "template", "vmgenid"})


class Revert:
    """The way back of one recorded change: `undo` holds what was there (`data`), and what the run left (`left`)."""

    def __init__(self, table: Table, undo: Mapping[str, Any], guest: Guest) -> None:
        self.table, self.undo, self.guest = table, undo, guest
        self.have: Mapping[str, Any] = guest.config or {}
        self.change = Change()
        #: what somebody changed since, in words
        self.drifted: list[str] = []
        for key, left in undo["left"].items():
            self._take_back(key, undo["data"].get(key), left, self.have.get(key))

    def _take_back(self, key: str, was: Any, left: Any, now: Any) -> None:
        codec = self.table.codec(key)
        if None not in (was, left, now) and isinstance(codec, PropertyString):
            self._take_back_parts(key, codec, (codec.decode(was), codec.decode(left), codec.decode(now)))
        elif not self._same(key, was, now):
            if not self._same(key, left, now):
                self._drift(key, was, left, now)
            self._put(key, was)

    def _take_back_parts(self, key: str, codec: PropertyString, values: tuple[dict[str, Any], ...]) -> None:
        """Only the parts that the run changed. A volume that grew stays as large as it is."""
        was, left, now = ({**codec.implied, **value} for value in values)
        own = [part for part in {**was, **left} if was.get(part) != left.get(part) and not self._is_size(key, part)]
        # what was not written out before is taken out again
        back = {part: values[0].get(part, "") for part in sorted(own) if now.get(part) != was.get(part)}
        for part in back:
            if not _fits(left.get(part), now.get(part)):
                self._drift(f"{key}.{part}", was.get(part), left.get(part), now.get(part))
        if back:
            self.change.put[key] = codec.patch(self.have[key], back)

    def _put(self, key: str, was: Any) -> None:
        if was is None:
            (self.change.destroy if self._made_here(key) else self.change.delete).append(key)
            return
        self.change.put[key] = was
        if self._is_disk(key, was) and self._volume(key, was) not in self._still_there():
            self.drifted.append(f"the volume {self._volume(key, was)} of {key} is not the guest's any more")

    def _made_here(self, slot: str) -> bool:
        """Is it the volume that the run made? One whose name nobody recorded is only detached."""
        made = slot in self.undo["made"] and self._volume(slot, self.undo["left"][slot])
        return bool(made) and made == self._volume(slot, self.have[slot])

    def _still_there(self) -> set[str]:
        return {self._volume(slot, self.have[slot]) for slot in self.have if self.table.family(slot) == "unused[n]"}

    def _is_disk(self, key: str, value: Any) -> bool:
        is_volume = self.table.is_volume(key) and not is_cdrom(value)
        return is_volume and key not in self.guest.pending and bool(storage_of(self._volume(key, value)))

    def _volume(self, slot: str, value: Any) -> str:
        return volume_of(volume_codec(self.table, slot), value)

    def _same(self, key: str, one: Any, now: Any) -> bool:
        codec, row = self.table.codec(key), self.table.row(key)
        if None in (one, now) or not isinstance(codec, PropertyString):
            return row.same(one, now) if row and not is_symbol(str(one)) else one == now
        then, today = ({**codec.implied, **codec.decode(value)} for value in (one, now))
        parts = (part for part in {**then, **today} if not self._is_size(key, part))
        return all(_fits(then.get(part), today.get(part)) for part in parts)

    def _is_size(self, key: str, part: str) -> bool:
        return part == "size" and self.table.is_volume(key)

    def _drift(self, what: str, was: Any, left: Any, now: Any) -> None:
        self.drifted.append(f"{what} is {_shown(now)}; the run left {_shown(left)}, and before it was {_shown(was)}")


def all_of(table: Table, config: Mapping[str, Any], have: Mapping[str, Any]) -> Change:
    """The change that gives a restored guest the configuration that it had; its volumes are those of the backup."""
    change = Change()
    for key in sorted({*config, *have} - _NOT_PUT_BACK):
        row = table.row(key)
        if row is None or row.volume or row.read_only or row.fixed or row.write_only:
            continue
        if row.same(config.get(key), have.get(key)):
            continue
        if key in config:
            change.put[key] = config[key]
        else:
            change.delete.append(key)
    return change


def _fits(left: Any, now: Any) -> bool:
    """Is it what was left? A value that only the server knew, and nobody recorded, may be anything."""
    return bool(left == now) or (now is not None and is_symbol(str(left)))


def _shown(value: Any) -> str:
    return "not set" if value is None else f"'{value}'"
