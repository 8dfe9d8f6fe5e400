# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turning a guest into a template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import Refused
from . import effects
from .draft import Draft
from .options import Table, is_cdrom
from .symbols import volume_symbol
from .volumes import storage_of, volume_codec, volume_of


def plan_template(draft: Draft, table: Table, have: Mapping[str, Any]) -> dict[str, Any]:
    """Add the step; returns the keys of the configuration that it changes."""
    guest = draft.guest
    if have.get("parent"):
        raise Refused(f"{guest.target} has snapshots and cannot become a template", "Delete its snapshots first")
    draft.call("template", "POST", "/template", why="becomes a template", needs=["VM.Allocate"])
    draft.shows("template", 0, 1)
    becomes = {"template": 1, **_renamed(table, guest.target, have)}
    draft.plan.effects += effects.configured(guest.kind, guest.node, guest.vmid, becomes)
    draft.cannot_undo("a template does not become a guest that runs again")
    draft.blast("high", f"{guest.target} can never be started again")
    return becomes


def _renamed(table: Table, target: str, have: Mapping[str, Any]) -> dict[str, str]:
    """The volumes of a template: the server gives each a new name (pve-storage: create_base)."""
    renamed = {}
    for slot, text in have.items():
        if not table.is_volume(slot) or is_cdrom(text) or slot.startswith("unused"):
            continue
        codec = volume_codec(table, slot)
        storage = storage_of(volume_of(codec, text))
        if storage:
            base = volume_symbol(target, f"base {slot}", storage)
            renamed[slot] = codec.encode({**codec.decode(text), str(codec.default): base})
    return renamed
