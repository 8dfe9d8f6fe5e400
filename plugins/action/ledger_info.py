# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists on the controller, where the ledger is, who changed what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._info.bounded import limited, shortened
from ansible_collections.steward.proxmox.plugins.modules.ledger_info import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.changes import Change, changes
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.proof import Prover, Unproven
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import (
    ledger_of,
    not_as_written,
    public_key_of,
)
from ansible_collections.steward.proxmox.plugins.plugin_utils._on_controller import OnController


class ActionModule(OnController):
    spec = ARGUMENT_SPEC

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        public_key = public_key_of(options["public_key"])
        with ledger_of(options) as ledger:
            return _info(ledger, public_key, options)


def _info(ledger: verify.Source, public_key: str, options: Mapping[str, Any]) -> dict[str, Any]:
    current = run.current()
    running = {current.run_id} if current else set()
    report = verify.verify(ledger, running=running, partial=options["partial"], strict=True)
    why = "; ".join(list(verify.describe(report))[:3])
    if report.verdict == verify.TAMPERED:
        raise not_as_written(why)
    if report.verdict == verify.UNVERIFIABLE:
        raise verify.Unverifiable(why)
    found = changes(ledger, options)
    wanted = limited(found, options["limit"])
    rows, cut = shortened(list(_rows(ledger, wanted, public_key if options["proof"] else None)))
    return {
        "changes": rows,
        "total": len(found),
        "truncated": cut or len(wanted) < len(found),
        "verdict": report.verdict,
        "ledger": ledger.name,
        "summary": [f"{row['at']} {row['by']}: {row['summary']}: {row['outcome']}" for row in rows],
    }


def _rows(ledger: verify.Source, wanted: Sequence[Change], public_key: str | None) -> Iterator[dict[str, Any]]:
    """`public_key`: who shall have signed what proves them, None: no proof is asked for."""
    if public_key is None:
        yield from (change.row() for change in wanted)
        return
    runs = {record.run for change in wanted for record in change.records}
    prover = Prover(ledger, runs, public_key)
    for change in wanted:
        try:
            yield {**change.row(), "proof": prover.prove(change.records), "unproven": ""}
        except Unproven as error:
            yield {**change.row(), "proof": None, "unproven": str(error)}
