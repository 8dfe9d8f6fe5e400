# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes on the controller, where the ledger is, the proof of one change, or that the log has only grown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.modules.ledger_proof import ARGUMENT_SPEC
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import note, verify, verify_proof
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.changes import change
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.proof import Bundle, Prover, prove_growth
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import ledger_of, public_key_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._on_controller import OnController
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import files


class ActionModule(OnController):
    spec = ARGUMENT_SPEC
    failed = "The proof could not be written"

    def work(self, options: Mapping[str, Any]) -> dict[str, Any]:
        if not options["op"] and (options["run"] or not options["checkpoint"]):
            raise BadInput("op: no change is named", "Name it, or give a checkpoint alone to see what grew from it")
        dest, public_key, seen = Path(options["dest"]), public_key_of(options["public_key"]), _seen(options)
        there = _there(dest)
        proven: verify_proof.Proven | verify_proof.Grown
        with ledger_of(options) as ledger:
            if options["op"]:
                found = change(ledger, options["op"], options["run"] or "")
                bundle = Prover(ledger, {record.run for record in found.records}, public_key, seen).prove(found.records)
                if there and _is_as_good(there, bundle, seen or "\n".join(ledger.checkpoints())):
                    bundle = there
                proven = verify_proof.check(bundle, seen=bundle["checkpoint"])
                facts = {"run": found.intent.run, "op": options["op"]}
            else:
                bundle = prove_growth(ledger, seen, public_key)
                proven = verify_proof.check_growth(bundle, seen=bundle["checkpoint"] + bundle["older"])
                facts = {"older_size": proven.older_size}
        if bundle != there and not self._task.check_mode:
            files.write(str(dest), json.dumps(bundle, indent=1) + "\n")
        return {
            "changed": bundle != there,
            "dest": str(dest),
            **facts,
            "size": proven.size,
            "signed_by": _signers(bundle),
            "summary": list(verify_proof.describe(proven)),
        }


def _seen(options: Mapping[str, Any]) -> str:
    """The checkpoints that somebody kept."""
    if not options["checkpoint"]:
        return ""
    try:
        seen = verify.notes_in_file(options["checkpoint"])
    except OSError as error:
        raise BadInput(f"checkpoint: {error}") from error
    if not seen:
        raise BadInput(f"checkpoint: there is none in {options['checkpoint']}", "Name a file that holds one")
    return seen


def _there(dest: Path) -> Bundle | None:
    """What the file holds already."""
    try:
        there = json.loads(dest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return there if isinstance(there, dict) else None


def _is_as_good(there: Bundle, bundle: Bundle, seen: str) -> bool:
    """Whether it proves the same change, by a checkpoint of this ledger with the same signers."""
    try:
        verify_proof.check(there, seen=seen)
        return _shown(there) == _shown(bundle) and _signers(there) == _signers(bundle)
    except (verify_proof.NotProven, verify_proof.CannotVerify, ValueError):
        return False


def _shown(bundle: Bundle) -> list[str]:
    return [record for span in bundle["chain"] for record in span["records"] if "{" in record]


def _signers(bundle: Bundle) -> list[str]:
    return [signature.name for signature in note.Checkpoint.parse(bundle["checkpoint"])[1]]
