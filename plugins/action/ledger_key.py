# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes, rotates and lists the keys of a ledger on the controller, where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steward.proxmox.plugins.modules.ledger_key import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys, location, signing, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._on_controller import OnController


class ActionModule(OnController):
    spec = ARGUMENT_SPEC
    failed = "The key of the ledger"

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        if options["state"] == "listed":
            return {"signing_keys": _rows(location.source(options))}
        path, sinks = signing.given(options)
        store = location.store(options)
        if options["state"] == "rotated":
            done = signing.rotate(store, path, sinks, self._task.check_mode)
        else:
            done = signing.present(store, path, options["name"], sinks, self._task.check_mode)
        return {**done.result(), "warnings": done.missed, "signing_keys": _rows(store.source())}


def _rows(source: verify.Source) -> list[dict[str, Any]]:
    return [
        {
            "vkey": vkey,
            "name": entry.key.name,
            "id": entry.key.id.hex(),
            "since": entry.since,
            "until": entry.until,
            "replaces": entry.replaces,
            "endorsed": entry.endorsed,
        }
        for vkey, entry in keys.entered(source).items()
    ]
