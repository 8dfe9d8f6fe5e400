# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A playbook on the node of these tests, over ssh, as its user."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.node.fixtures import container, node
from tests.node.node import Node

__all__ = ["container", "node"]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def play(node: Node, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a playbook of this folder. Returns what it kept."""

    def run(name: str, **variables: Any) -> dict[str, Any]:
        kept = tmp_path / "kept.json"
        host = {**node.variables, "pct": str(node.pct), "kept": str(kept), **variables}
        inventory = tmp_path / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {node.name: host}}}))
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, Path(__file__).with_name(name)],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_LOCAL_TEMP": str(tmp_path), "ANSIBLE_PIPELINING": "1", "ANSIBLE_TIMEOUT": "60"},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(kept.read_text())
        return result

    return run
