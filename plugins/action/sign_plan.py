# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs a saved plan on the controller, where it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.modules.sign_plan import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import plan_file, saved, settings, signatures
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import actor
from ansible_collections.steward.proxmox.plugins.plugin_utils._on_controller import OnController
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import files


class ActionModule(OnController):
    spec = ARGUMENT_SPEC
    failed = "The signature could not be written"

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        key = signatures.private_key(Path(options["key"]), options["passphrase"])
        plan = plan_file.read(Path(options["plan"]))
        saved.check_time(plan, settings.policy_of({}, []))
        plan.check_digests()
        signer = options["signer"] or str(actor.of_task(self._task)["user"])
        made = signatures.sign(plan.document, key, signer)
        known = dict(zip(plan.signed_by, plan.document["signatures"], strict=True))
        signature = known.setdefault(made["public_key"], made)
        if signature is made and not self._task.check_mode:
            document = {**plan.document, "signatures": list(known.values())}
            files.write(options["plan"], json.dumps(document, indent=2) + "\n")
        return {
            "changed": signature is made,
            "id": plan.id,
            "digest": plan.document["digest"],
            "expires": plan.expires,
            "signature": signature,
            "fingerprint": signatures.fingerprint(signature["public_key"]),
            "redacted": [saved.shown(entry) for entry in plan.entries if entry["redacted"]],
        }
