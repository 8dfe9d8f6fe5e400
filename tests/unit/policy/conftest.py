# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A controller that says nothing: no variable, no ansible.cfg."""

from __future__ import annotations

import os

import pytest
from ansible import constants


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("STEWARD_", "PROXMOX_", "AWX_")) or name == "JOB_ID":
            monkeypatch.delenv(name)
    monkeypatch.setattr(constants, "CONFIG_FILE", None)
