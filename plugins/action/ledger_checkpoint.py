# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs the log of a ledger on the controller, where the key is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.modules.ledger_checkpoint import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import location, signing
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.sinks import FileSink
from ansible_collections.steward.proxmox.plugins.plugin_utils._on_controller import OnController


class ActionModule(OnController):
    spec = ARGUMENT_SPEC
    failed = "The log was not signed"

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        path, sinks = signing.given(options)
        pin = FileSink(Path(options["pin"] or f"{path}.pin"))
        location.source(options)  # a ledger that is not there is not made
        done = signing.checkpoint(location.store(options), path, pin, sinks, self._task.check_mode)
        return {**done.result(), "failed": bool(done.missed), "msg": "; ".join(done.missed) or "The log is signed"}
