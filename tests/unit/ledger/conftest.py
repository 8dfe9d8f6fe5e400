# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ledger with one run in it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileChain, FileStore

PLAN = {"summary": "create lxc/9001", "digest": "sha256:0", "steps": [{"op": "create", "target": "lxc/9001"}]}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def segment(ledger: Path) -> FileChain:
    """A run that was opened, planned one change, made another, and was closed."""
    segment, _opened = FileStore(ledger).begin({"actor": {"user": "alice"}, "check_mode": False})
    segment.append("plan", {"op_id": "p1", "host": "pve1", "plan": PLAN}, durable=False)
    segment.append("intent", {"op_id": "a1", "host": "pve1", "plan": PLAN}, durable=True)
    segment.append("outcome", {"op_id": "a1", "status": "ok", "changed": True}, durable=True)
    segment.append("refused", {"op_id": "r1", "host": "pve1", "reasons": ["policy"]}, durable=True)
    head = segment.path.read_bytes().splitlines()[-1][:64].decode()
    segment.append("run_close", {"counts": {}, "dangling": [], "head": head}, durable=True)
    return segment


@pytest.fixture
def open_segment(ledger: Path) -> Callable[..., FileChain]:
    """Starts a run that stays open."""
    return lambda **opening: FileStore(ledger).begin(opening)[0]
