# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports a ledger on the controller, where it can be read, and removes what is old and exported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._prune import parse_age
from ansible_collections.steward.proxmox.plugins.modules.ledger_export import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import export, location, run, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._on_controller import OnController

_GOOD = {verify.INTACT, verify.INCOMPLETE}


class ActionModule(OnController):
    spec = ARGUMENT_SPEC
    failed = "The ledger was not exported"

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        dest = os.path.realpath(options["dest"])
        return {"dest": dest, **_exported(options, Path(dest), not self._task.check_mode)}


def _exported(options: Mapping[str, Any], dest: Path, write: bool) -> dict[str, Any]:
    older_than, this_run, source = options["remove_older_than"], run.current(), location.source(options)
    before = datetime.now(UTC) - parse_age("remove_older_than", older_than) if older_than else None
    done = export.export(source, dest, write)
    copied = verify.Directory(dest) if write else source
    # what is to be removed from must be good, and what stays must have arrived
    for one in [source, copied] if before and write else [copied]:
        report = verify.verify(one, running={this_run.run_id} if this_run else ())
        summary = list(verify.describe(report))
        result: dict[str, Any] = {"changed": done.new > 0, "verdict": report.verdict, "summary": summary}
        if report.verdict not in _GOOD:
            why = "; ".join(summary[:2])
            msg = f"The ledger {source.name} was exported to {dest} as it is, and nothing was removed: {why}"
            return {**result, "failed": True, "msg": msg}
    old = list(export.removable(source, copied, report, f"{before:%Y%m%dT%H%M%SZ}")) if before else []
    removed = [one for one in old if isinstance(one, export.Run)]
    if write and removed:
        by = this_run.run_id if this_run else None
        export.remove(location.store(options), removed, why=f"older than {older_than}", to=str(dest), by=by)
    return {
        **result,
        "changed": done.new > 0 or bool(removed),
        "new": done.new,
        "runs": len(done.runs),
        "records": sum(done.runs.values()),
        "log": done.log,
        "checkpoints": done.checkpoints,
        "removed": [one._asdict() for one in removed],
        "kept": [one._asdict() for one in old if isinstance(one, export.Kept)],
    }
