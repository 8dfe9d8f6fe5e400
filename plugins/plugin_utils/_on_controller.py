# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of modules that work on the controller, with its files or the ledger, and not with Proxmox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible_collections.steward.proxmox.plugins.module_utils._engine import failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._door import FOR_THE_GROUP
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.verify import Tampered, Unverifiable


class OnController(ActionBase):
    spec: ClassVar[dict[str, dict[str, Any]]]
    #: begins the message where a file or the ledger cannot be read or written
    failed = "The ledger"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        # defaults of the action group reach these modules, too
        self._task.args = {name: value for name, value in self._task.args.items() if name not in FOR_THE_GROUP}
        options = self.validate_argument_spec(argument_spec=self.spec)[1]
        try:
            return {"changed": False, **self.work(options)}
        except StewardError as error:
            return failure(error)
        except (LedgerError, Tampered, Unverifiable, OSError) as error:
            return {"failed": True, "changed": False, "msg": f"{self.failed}: {error}"}

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The result."""
        raise NotImplementedError
