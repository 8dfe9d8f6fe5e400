# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes a ledger as runs do: records of changes, entries of the log, signed checkpoints."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import log
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint, Signer, origin_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.verify import Source


class Scribe:
    """A ledger in files, whose checkpoints these keys sign."""

    def __init__(self, folder: Path, *signers: Signer, **options: Any) -> None:
        self.store, self.signers = FileStore(folder, **options), signers
        self.notes: list[str] = []

    @property
    def source(self) -> Source:
        return self.store.source()

    def run(self, user: str = "alice", **opening: Any) -> ScribedRun:
        return ScribedRun(self, {"actor": {"source": "os", "user": user}, **opening})

    def enter(self, type_: str, *, signers: Sequence[Signer] | None = None, **fields: Any) -> str:
        """An entry of the log; the checkpoint after it is kept."""
        head = log.enter(self.store, type_, **fields)
        checkpoint = Checkpoint(origin_of(self.store.ledger_id), head.size, head.root)
        self.notes.append(checkpoint.text(self.signers if signers is None else signers))
        self.store.keep(self.notes[-1])
        return self.notes[-1]


class ScribedRun:
    """One run."""

    def __init__(self, scribe: Scribe, opening: dict[str, Any]) -> None:
        self._scribe = scribe
        self.chain, self.last = scribe.store.begin(opening)
        self.id = self.chain.run_id
        self.pending: list[str] = []
        self._enter("open")

    def add(self, type_: str, **fields: Any) -> None:
        self.last = self.chain.append(type_, fields, durable=False)

    def intend(self, vmid: int = 101, summary: str = "", kind: str = "qemu", **fields: Any) -> str:
        op, target = fields.get("op_id") or secrets.token_hex(8), f"{kind}/{vmid}"
        step = {"op": "update", "target": target, "path": f"/nodes/pve1/{target}/config"}
        plan = {"summary": summary or f"update {target}", "digest": f"sha256:{op}", "steps": [step]}
        task = {"name": "Change it", "action": "steward.proxmox.vm"}
        self.pending.append(op)
        self.add("intent", **{"op_id": op, "host": "web", "endpoint": ["pve1"], "task": task, "plan": plan, **fields})
        return op

    def tell(self, op: str, status: str = "ok", **fields: Any) -> None:
        self.pending.remove(op)
        self.add("outcome", **{"op_id": op, "status": status, "upids": [f"UPID:pve1:{op}:"], **fields})

    def change(self, vmid: int = 101, summary: str = "", **fields: Any) -> str:
        op = self.intend(vmid, summary, **fields)
        self.tell(op)
        return op

    def checkpoint(self) -> None:
        self._enter("checkpoint")

    def close(self) -> None:
        self.add("run_close", counts={}, dangling=sorted(self.pending), head=self.last.head, broken="")
        self._enter("close")

    def _enter(self, type_: str) -> None:
        self._scribe.enter(type_, run=self.id, at=self.last.seq, head=self.last.head)
