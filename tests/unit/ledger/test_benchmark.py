# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the benchmark writes is what the ledger writes."""

from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify

from tests.benchmark import appending, ledger


def test_the_large_ledger_is_one_that_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "VERIFIED", 10)
    ledger._fill(tmp_path / "ledger")
    report = verify.verify(verify.Directory(tmp_path / "ledger"))
    assert (report.verdict, report.records) == ("intact", 12)


def test_processes_append_to_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appending, "APPENDS", 8)
    monkeypatch.setattr(appending, "SECONDS", 60)
    writer = appending.Ours(tmp_path / "ledger")
    writer.fill(4)
    assert appending.rate(writer, 2)["per_second"] > 0
    source = verify.Directory(tmp_path / "ledger")
    (run_id,) = source.runs()
    assert len(list(source.lines(run_id))) == 1 + 4 + 8
