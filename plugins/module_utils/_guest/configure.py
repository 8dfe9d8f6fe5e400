# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that bring the configuration of an existing guest to the wanted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._codec import parse_size, print_size
from .._errors import Refused
from .._plan import HIDDEN, Step, is_symbol
from .._privileges import Need
from .._storage import require_storage
from .._world import World
from . import effects
from .bridges import bridge_needs
from .capacity import taken_by, tell_room
from .change import Change
from .config import root_only
from .draft import Draft
from .files import image_size, refuse_smaller
from .options import Table, is_cdrom
from .symbols import learned, planned, volume_symbol
from .uses import tell_attached, tell_destroyed, tell_moved
from .volumes import put_volumes, storage_of, volume_codec, volume_of


def refuse_root_only(
    table: Table, target: str, change: Mapping[str, Any], have: Mapping[str, Any], world: World, instead: str
) -> None:
    """Raise Refused, before anything is sent, for what no token may do."""
    forbidden = root_only(table, change, have)
    if forbidden and not world.is_root:
        raise Refused(
            f"{target}: {forbidden} is only allowed for root@pam with its password; {world.identity} cannot do it",
            instead,
        )


@dataclass
class Configuring:
    """The steps of one change, added to a draft.

    `waits`: keys that the running guest takes over at its next start, with the values that it has until then.
    """

    draft: Draft
    table: Table
    world: World
    change: Change
    have: Mapping[str, Any]
    running: bool
    waits: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.guest = self.draft.guest
        self._carry_sizes()
        left = planned(self.table, self.guest.target, self._grown())
        self.left = {**left, **self._moved(left), **self._unused(left)}

    def plan(self) -> dict[str, Any]:
        """Add the steps; returns the configuration that they leave."""
        if not self.change:
            return dict(self.have)
        refuse_root_only(
            self.table,
            self.guest.target,
            self.change.merged(),
            self.have,
            self.world,
            "Log in as root@pam with api_password for this task",
        )
        self._require_storages()
        self._refuse_what_is_not_there_yet()
        self._check_images()
        if self.change.data:
            self._update()
        for slot in self.change.destroy:
            self._destroy(slot)
        for slot, size in self.change.grow.items():
            self._grow(slot, size)
        for slot, place in self.change.move.items():
            self._move(slot, place)
        for key, text in self.change.follows.items():
            self.draft.shows(key, self.have.get(key), text)
        taken = taken_by(self.table, self.change, self.have, self.left)
        tell_room(self.world, self.draft.plan.blast, self.guest.node, taken, self.guest.target)
        waiting = {key: value for key, value in self.waits.items() if key in self.left}
        guest = self.guest
        self.draft.plan.effects += effects.configured(guest.kind, guest.node, guest.vmid, self.left, waiting)
        return {key: value for key, value in {**self.have, **self.left}.items() if value is not None}

    # -- the steps -----------------------------------------------------------------------------------------------

    def _update(self) -> None:
        guest, change, have = self.guest, self.change, self.have
        changed = change.merged()
        self.draft.step(
            Step(
                "update",
                guest.target,
                self._method(changed),
                f"{guest.path}/config",
                change.data,
                why=f"{', '.join(sorted(changed))} differ{'s' if len(changed) == 1 else ''}",
                needs=(*self._needs(changed), *bridge_needs(self.table, change.put)),
                guard={"digest": have["digest"]} if have.get("digest") else {},
                secrets=frozenset(key for key in change.put if self.table.is_hidden(key)),
                yields=learned(self.table, guest.path, self.left),
            )
        )
        for key in changed:
            self.draft.shows(key, self._shown(key, have.get(key)), self._shown(key, change.put.get(key)))
        self._tell_way_back({**changed, **change.follows})
        self.draft.blast("medium" if self.running else "low", f"changes the configuration of {guest.target}")
        put = put_volumes(self.table, change, have, self.left)
        tell_attached(self.world, self.draft, self.table, put, have)
        for slot in self._detached():
            self.draft.blast("medium", f"detaches {slot} ({self._volume(slot)}); its data stay as an unused disk")

    def _tell_way_back(self, changed: Mapping[str, Any]) -> None:
        """What the keys were, and what is left there, so that a later change by somebody else is noticed."""
        table, have = self.table, self.have
        hidden = sorted(key for key in changed if table.is_hidden(key))
        shown = sorted(changed.keys() - hidden)
        left = planned(table, self.guest.target, {key: changed[key] for key in shown})
        if shown:
            self.draft.undo(
                "update",
                data={key: have[key] for key in shown if key in have},
                delete=[key for key in shown if key not in have],
                left=left,
                made=[key for key in shown if key not in have and self._is_new(key, left[key])],
            )
        if hidden:
            self.draft.cannot_undo(f"no record holds the secrets that stood in {', '.join(hidden)}")

    def _is_new(self, slot: str, text: Any) -> bool:
        """Does the server make the volume that is put there?"""
        is_disk = self.table.is_volume(slot) and not is_cdrom(text)
        return is_disk and is_symbol(volume_of(volume_codec(self.table, slot), text))

    def _method(self, changed: Mapping[str, Any]) -> str:
        return self.table.volume_method if any(self.table.is_volume(key) for key in changed) else "PUT"

    def _destroy(self, slot: str) -> None:
        volume = self._volume(slot)
        if slot in self.waits:
            raise Refused(
                f"{slot} ({volume}) of {self.guest.target} is in use: it can only be taken out while the guest is off",
                "Stop it first (state: shutdown)",
            )
        disk = Need(f"/vms/{self.guest.vmid}", ("VM.Config.Disk",))
        space = Need(f"/storage/{storage_of(volume)}", ("Datastore.AllocateSpace",))
        for op, below, data, why in self._destroying(slot):
            needs = (disk, space) if self.table.unlinks else (disk,)
            path = f"{self.guest.path}{below}"
            self.draft.step(Step(op, self.guest.target, "PUT", path, data, why=why, needs=needs))
        self.draft.shows(slot, self.have.get(slot), None)
        tell_destroyed(self.world, self.draft, slot, volume)
        self.draft.cannot_undo(f"the data of {slot} are gone; only a backup brings them back")

    def _destroying(self, slot: str) -> list[tuple[str, str, dict[str, Any], str]]:
        """The calls: some guests have to give up a volume first, which is unused then and goes in a second call."""
        why = f"{slot} is to be absent"
        if self.table.unlinks:
            return [("destroy disk", "/unlink", {"idlist": slot, "force": 1}, why)]
        destroyed = "destroy volume", "/config"
        if self.table.family(slot) == "unused[n]":
            return [(*destroyed, {"delete": slot}, why)]
        attached = {key: text for key, text in {**self.have, **self.left}.items() if text is not None}
        unused = self._free_unused(attached)
        return [("detach", "/config", {"delete": slot}, why), (*destroyed, {"delete": unused}, f"it was {slot}")]

    def _grow(self, slot: str, size: str) -> None:
        codec = volume_codec(self.table, slot)
        # it grows before it moves
        text = self.have[slot] if slot in self.change.move else {**self.have, **self.left}[slot]
        self.draft.grow(slot, size, storage_of(volume_of(codec, text)))
        now = codec.decode(self.have[slot]).get("size", 0) if slot in self.have else 0
        self.draft.shows(f"{slot}.size", print_size(int(now)), size)
        self.draft.cannot_undo(f"a volume does not shrink back ({slot})")
        self.draft.blast("medium", f"grows {slot}; it cannot shrink again")

    def _move(self, slot: str, place: Mapping[str, str]) -> None:
        here, to = storage_of(self._volume(slot)), place["storage"]
        if self.running and not self.table.moves_running:
            raise Refused(
                f"{slot} of {self.guest.target} is in use: it moves to storage '{to}' only while the guest is off",
                "Stop it first (state: shutdown)",
            )
        below, disk = self.table.move_call
        self.draft.step(
            Step(
                "move",
                self.guest.target,
                "POST",
                f"{self.guest.path}{below}",
                {disk: slot, **place, "delete": 1},
                why=f"{slot} is on {here}",
                needs=(
                    Need(f"/vms/{self.guest.vmid}", ("VM.Config.Disk",)),
                    Need(f"/storage/{to}", ("Datastore.AllocateSpace",)),
                ),
                yields=learned(self.table, self.guest.path, {slot: self.left[slot]}),
            )
        )
        self.draft.shows(f"{slot}.storage", here, to)
        self.draft.plan.blast.storages.update((here, to))
        self.draft.undo(
            "move", slot=slot, storage=here, left=volume_of(volume_codec(self.table, slot), self.left[slot])
        )
        self.draft.blast("medium", f"copies {slot} from {here} to {to} and removes it there")
        tell_moved(self.world, self.draft, slot, self._volume(slot))

    # -- what it takes -------------------------------------------------------------------------------------------

    def _needs(self, changed: Mapping[str, Any]) -> tuple[Need, ...]:
        own = [
            need
            for key, value in changed.items()
            for need in self.table.needs(key, self.have.get(key) if value is None else value, self.guest.vmid)
        ]
        new = {storage_of(self._allocated(key)) for key in self.change.put if self.table.is_volume(key)}
        return (*own, *(Need(f"/storage/{name}", ("Datastore.AllocateSpace",)) for name in sorted(new) if name))

    def _allocated(self, slot: str) -> str:
        """The volume id at `slot` where this change makes or attaches it."""
        codec = volume_codec(self.table, slot)
        new = volume_of(codec, self.change.put[slot])
        same = slot in self.have and new == self._volume(slot)
        return "" if same or is_cdrom(self.change.put[slot]) else new

    def _require_storages(self) -> None:
        for slot in self.change.put:
            storage = storage_of(self._allocated(slot)) if self.table.is_volume(slot) else ""
            if storage:
                require_storage(self.world, self.guest.node, storage, self.table.content, f"{slot}.storage")
        for slot, place in self.change.move.items():
            content = self.table.content
            require_storage(self.world, self.guest.node, place["storage"], content, f"{slot}.storage")

    def _carry_sizes(self) -> None:
        """A volume grows at once: what waits for the next start must not bring its old size back."""
        for slot in self.change.grow.keys() & self.waits.keys() & self.have.keys():
            text = self.change.put.get(slot) or self.have[slot]
            self.change.put[slot] = volume_codec(self.table, slot).patch(text, {"size": self.change.grow[slot]})

    def _refuse_what_is_not_there_yet(self) -> None:
        waits = {**self.guest.pending, **self.waits}
        for slot in sorted({*self.change.grow, *self.change.move}):
            if slot in waits and waits[slot] is None:
                raise Refused(
                    f"{slot} of {self.guest.target} is only there after its next start, and cannot grow or move before",
                    "Start or restart it first",
                )

    def _check_images(self) -> None:
        """What a disk is made from must be there, and not larger than the disk."""
        for slot in filter(self.table.is_volume, self.change.put):
            image = volume_codec(self.table, slot).decode(self.change.put[slot]).get("import-from")
            if image:
                size = image_size(self.world, self.guest.node, image, f"{slot}.import_from")
                if slot in self.change.grow:
                    refuse_smaller(slot, parse_size(self.change.grow[slot]), size, image)

    # -- what is left --------------------------------------------------------------------------------------------

    def _grown(self) -> dict[str, Any]:
        """The changed keys once volumes have grown and were destroyed."""
        left = {**self.change.merged(), **self.change.follows, **dict.fromkeys(self.change.destroy)}
        for slot, size in self.change.grow.items():
            codec = volume_codec(self.table, slot)
            left[slot] = codec.patch(left.get(slot) or self.have[slot], {"size": size})
        return left

    def _moved(self, left: Mapping[str, Any]) -> dict[str, Any]:
        moved = {}
        for slot, place in self.change.move.items():
            codec = volume_codec(self.table, slot)
            there = volume_symbol(self.guest.target, f"moved {slot}", place["storage"])
            moved[slot] = codec.patch(left.get(slot) or self.have[slot], {str(codec.default): there})
        return moved

    def _unused(self, left: Mapping[str, Any]) -> dict[str, Any]:
        """Detached volumes stay listed as unused, until they are attached again."""
        attached = {self._allocated(slot) for slot in self.change.put if self.table.is_volume(slot)}
        unused = (slot for slot in self.have if self.table.family(slot) == "unused[n]")
        found: dict[str, Any] = {slot: None for slot in unused if self._volume(slot) in attached}
        for slot in self._detached():
            if slot not in self.waits and self._volume(slot) not in attached:
                found[self._free_unused({**self.have, **left, **found})] = self._volume(slot)
        return found

    def _detached(self) -> list[str]:
        table, have = self.table, self.have
        return [
            slot
            for slot in self.change.delete
            if table.is_volume(slot) and not is_cdrom(have[slot]) and storage_of(self._volume(slot))
        ]

    def _free_unused(self, config: Mapping[str, Any]) -> str:
        return next(f"unused{number}" for number in range(256) if f"unused{number}" not in config)

    def _volume(self, slot: str) -> str:
        return volume_of(volume_codec(self.table, slot), self.have[slot])

    def _shown(self, key: str, value: Any) -> Any:
        return HIDDEN if self.table.is_hidden(key) and value is not None else value
