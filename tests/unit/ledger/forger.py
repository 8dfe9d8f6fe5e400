# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tampers with a ledger, as thoroughly as somebody can who may write all of it, and knows all of this code."""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames, merkle
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint, origin_of

BODY = frames.HASH_LENGTH + 1


class Forger:
    """The lines of one file, open to every change that somebody might make."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = path.read_bytes().splitlines(keepends=True)

    def save(self) -> Path:
        self.path.write_bytes(b"".join(self.lines))
        return self.path

    def body(self, index: int) -> dict[str, Any]:
        return json.loads(self.lines[index][BODY:])

    def set_body(self, index: int, body: bytes) -> None:
        self.lines[index] = self.lines[index][:BODY] + body + b"\n"

    def edit(self, index: int, **fields: Any) -> None:
        """The keys stay in their order."""
        self.set_body(index, json.dumps(self.body(index) | fields, separators=(",", ":")).encode())

    def recompute(self, renumber: bool = True) -> None:
        """Every hash anew, and every record says that it is where it is. What is torn stays so."""
        ids = self.body(0) if self.lines else {"run_id": "", "ledger_id": ""}
        head = frames.genesis(ids["run_id"], ids["ledger_id"])
        for index, line in enumerate(self.lines):
            if line.endswith(b"\n"):
                body = line[BODY:-1]
                if renumber:
                    body = re.sub(rb'"seq":\d+', b'"seq":%d' % (index + 1), body, count=1)
                head = frames.chain(head, body)
                self.lines[index] = frames.line(head.hex(), body)

    def head(self, index: int = -1) -> str:
        return self.lines[index][: frames.HASH_LENGTH].decode()


class LedgerForger:
    """A whole ledger, and what it takes to make an edit fit to all the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = Forger(path / "log.jsonl")
        self.runs = {file.stem.rpartition("-")[2]: Forger(file) for file in sorted((path / "runs").iterdir())}

    def save(self) -> None:
        for forger in (self.log, *self.runs.values()):
            forger.save()

    def remove(self, run_id: str) -> None:
        self.runs.pop(run_id).path.unlink()

    def recompute_chains(self) -> None:
        """What a forger with time does."""
        for forger in self.runs.values():
            forger.recompute()
        self.log.recompute()

    def recompute_log(self) -> None:
        """What a forger with knowledge does: the log, and the checkpoints beside it, tell the new story, too."""
        bodies = [body for index in range(len(self.log.lines)) if (body := self._entry(self.log.body(index)))]
        self.log.lines, notes, tree = [], [], merkle.NO_LEAVES
        for seq, body in enumerate(bodies, 1):
            encoded = json.dumps(body | {"seq": seq, "peaks": tree.base64()}, separators=(",", ":")).encode()
            self.log.lines.append(b"0" * 64 + b" " + encoded + b"\n")
            tree = tree.add(merkle.leaf_hash(encoded))
            notes.append(Checkpoint(origin_of(body["ledger_id"]), seq, tree.root()).text())
        self.log.recompute()
        self.keep(notes)

    def keep(self, notes: Iterable[str]) -> None:
        """These are the checkpoints that the ledger has."""
        (self.path / "checkpoints").write_text("".join(f"{note}\n" for note in notes))

    def _entry(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """An entry as it has to be now. None: it had better not be there."""
        if "run" not in body:
            return body
        run = self.runs.get(body["run"])
        length = sum(line.endswith(b"\n") for line in run.lines) if run else 0
        if run is None or not length:
            return None
        over = run.body(length - 1)["type"] == "run_close"
        if body["type"] == "close" and not over:
            return None
        at = {"open": 1, "close": length}.get(body["type"], min(body["at"], length))
        return body | {"at": at, "head": run.head(at - 1)}


def copy(ledger: Path, to: Path) -> Path:
    shutil.copytree(ledger, to)
    return to
