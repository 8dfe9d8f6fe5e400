# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifies the ledger on the controller, from where it can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.steward.proxmox.plugins.modules.verify_ledger import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import location, run, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._on_controller import OnController


class ActionModule(OnController):
    spec = ARGUMENT_SPEC

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        where, report = _verified(options)
        accepted = {verify.INTACT, verify.INCOMPLETE} if options["allow_incomplete"] else {verify.INTACT}
        summary = list(verify.describe(report))
        return {
            **asdict(report),
            "failed": report.verdict not in accepted,
            "msg": "; ".join(summary[:2]),
            "path": where,
            "summary": summary,
        }


def _verified(options: Mapping[str, Any]) -> tuple[str, verify.Report]:
    this_run, where = run.current(), str(options["path"] or "")
    try:
        source = location.source(options)
        where = source.name
        return where, verify.verify(
            source,
            options["expected_head"],
            running={this_run.run_id} if this_run else (),
            checkpoints=[text if "\n" in text else verify.notes_in_file(text) for text in options["checkpoints"]],
            public_keys=map(verify.key_or_file, options["public_keys"]),
            partial=options["partial"],
            strict=options["strict"],
        )
    except (OSError, verify.Unverifiable) as error:
        report = verify.Report()
        report.blame(verify.Problem(where, 0, verify.UNVERIFIABLE, str(error)))
        return where, report
