# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turning a container into a template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._plan import after_apply
from . import effects
from .draft import Draft
from .lookup import Guest
from .lxc_options import VOLUME, codec_of


def plan_template(draft: Draft, have: Mapping[str, Any]) -> dict[str, Any]:
    """Add the step; returns the keys of the configuration that it changes."""
    guest = draft.guest
    draft.call("template", "POST", "/template", why="becomes a template", needs=["VM.Allocate"])
    draft.shows("template", 0, 1)
    becomes = {"template": 1, **_renamed(guest, have)}
    draft.plan.effects += effects.configured(guest.kind, guest.node, guest.vmid, becomes)
    draft.cannot_undo("a template does not become a container again")
    draft.blast("high", f"{guest.target} can never be started again")
    return becomes


def _renamed(guest: Guest, have: Mapping[str, Any]) -> dict[str, str]:
    """The volumes of a template: the server gives each a new name (pve-storage: create_base)."""
    volumes = {
        slot: VOLUME.decode(text)
        for slot, text in have.items()
        if codec_of(slot) is VOLUME and not str(text).startswith("/")
    }
    return {
        slot: VOLUME.encode(
            {
                **volume,
                "volume": f"{volume['volume'].partition(':')[0]}:{after_apply(f'base {slot} of {guest.target}')}",
            }
        )
        for slot, volume in volumes.items()
    }
