# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab with one machine, whose agent pretends to run commands, and sessions of the collection with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _connection
from ansible_collections.steward.proxmox.plugins.module_utils._session import Session

from tests.lab import Lab

VMID = 200


@pytest.fixture
def lab() -> Iterator[Lab]:
    guest = {"kind": "qemu", "running": True, "agent_seconds": 0, "config": {"agent": "1", "name": "app"}}
    with Lab({"guests": {VMID: guest}}) as running:
        yield running


def session_of(lab: Lab, name: str = "admin") -> Session:
    options = {"api_host": [lab.host], "api_port": lab.port, "ca_path": lab.ca_path, **lab.credentials[name]}
    return Session(_connection.resolve(options))
