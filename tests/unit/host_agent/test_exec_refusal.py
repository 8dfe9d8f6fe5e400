# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that tells beforehand whether a command may be run in a guest."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.filter.exec_refusal import exec_refusal


def test_nothing_is_open_until_somebody_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEWARD_EXEC_PCT", raising=False)
    assert exec_refusal(9001, "pct").startswith("No command may be run in lxc/9001: no guest is open")
    monkeypatch.setenv("STEWARD_EXEC_PCT", "101,9000-9009")
    assert exec_refusal(9001, "pct") == ""
    assert "9010 is not among the guests" in exec_refusal(9010, "pct")
    assert "qemu/9001: no guest is open to the connection qga" in exec_refusal(9001, "qga")


def test_the_policy_is_asked_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text("version: 1\nmax_risk: low\n")
    monkeypatch.setenv("STEWARD_POLICY", str(policy))
    monkeypatch.setenv("STEWARD_EXEC_PCT", "*")
    assert "lxc/9001: the risk of any command is medium" in exec_refusal(9001, "pct")
