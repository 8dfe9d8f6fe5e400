# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ledger with one run in it, and the means to tamper with it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import Segment

PLAN = {"summary": "create lxc/9001", "digest": "sha256:0", "steps": [{"op": "create", "target": "lxc/9001"}]}


class Forger:
    """The lines of one run's file, open to every change that somebody might make."""

    def __init__(self, segment: Segment) -> None:
        self.path = segment.path
        self.lines = segment.path.read_bytes().splitlines(keepends=True)

    def save(self) -> Path:
        self.path.write_bytes(b"".join(self.lines))
        return self.path

    def body(self, index: int) -> dict[str, Any]:
        return json.loads(self.lines[index][65:])

    def set_body(self, index: int, body: bytes) -> None:
        self.lines[index] = self.lines[index][:65] + body + b"\n"

    def edit(self, index: int, **fields: Any) -> None:
        self.set_body(index, json.dumps(self.body(index) | fields, sort_keys=True, separators=(",", ":")).encode())

    def recompute(self) -> None:
        """What a forger with time does: number the records and compute every hash anew."""
        first = self.body(0)
        head = hashlib.sha256((first["run_id"] + first["ledger_id"]).encode()).digest()
        for index, line in enumerate(self.lines):
            body = line[65:].removesuffix(b"\n")
            head = hashlib.sha256(b"\0" + head + body).digest()
            self.lines[index] = head.hex().encode() + b" " + body + b"\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def segment(ledger: Path) -> Segment:
    """A run that was opened, planned one change, made another, and was closed."""
    segment = Segment.create(ledger, actor={"user": "alice"}, check_mode=False)
    segment.append("plan", {"op_id": "p1", "host": "pve1", "plan": PLAN}, durable=False)
    segment.append("intent", {"op_id": "a1", "host": "pve1", "plan": PLAN}, durable=True)
    segment.append("outcome", {"op_id": "a1", "status": "ok", "changed": True}, durable=True)
    segment.append("refused", {"op_id": "r1", "host": "pve1", "reasons": ["policy"]}, durable=True)
    head = segment.path.read_bytes().splitlines()[-1][:64].decode()
    segment.append("run_close", {"counts": {}, "dangling": [], "head": head}, durable=True)
    return segment


@pytest.fixture
def forger(segment: Segment) -> Forger:
    return Forger(segment)


@pytest.fixture
def open_segment(ledger: Path) -> Callable[..., Segment]:
    """Starts a run that stays open."""
    return lambda **opening: Segment.create(ledger, **opening)
