# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What results carry for AWX and ansible-runner, and where they carry it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import artifacts, run


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in artifacts._READERS:
        monkeypatch.delenv(name, raising=False)
    yield
    artifacts.ask(None)
    artifacts.plan_is(None)
    run.close()


@pytest.fixture
def opened(ledger: Path) -> run.RunLedger:
    return run.open_run({"path": str(ledger)})


def told() -> dict[str, Any]:
    stats = artifacts.of_run().get("ansible_stats", {"data": {}, "per_host": False, "aggregate": True})
    assert (stats["per_host"], stats["aggregate"]) == (False, True)
    return dict(stats["data"])


def test_where_a_run_is_recorded(opened: run.RunLedger) -> None:
    artifacts.ask(True)
    opened.intent(host="one", plan={"summary": "x"})
    assert told() == {
        "steward_proxmox": {
            "run": opened.run_id,
            "ledger": opened.ledger,
            "head": f"sha256:{opened.head}",
            "checkpoint": opened.checkpoint,
        }
    }
    assert opened.checkpoint.startswith("steward.proxmox/")


def test_a_worker_that_recorded_nothing_does_not_tell_an_older_head(opened: run.RunLedger) -> None:
    artifacts.ask(True)
    opened.intent(host="one", plan={"summary": "x"})
    heads = []
    for records in (False, True):
        read, write = os.pipe()
        worker = os.fork()
        if not worker:
            if records:
                opened.outcome("0" * 16, status="ok")
            os.write(write, told()["steward_proxmox"].get("head", "none").encode())
            os._exit(0)
        os.waitpid(worker, 0)
        heads.append(os.read(read, 100).decode())
    assert heads[0] == "none"
    assert heads[1] not in (f"sha256:{opened.head}", "none")


@pytest.mark.parametrize("reader", artifacts._READERS)
def test_only_where_somebody_reads_it_or_asks_for_it(
    reader: str, opened: run.RunLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not told()
    monkeypatch.setenv(reader, "/runner")
    assert told()
    artifacts.ask(False)
    assert not told()


def test_without_a_ledger_there_is_the_plan_or_nothing() -> None:
    artifacts.ask(True)
    assert artifacts.of_run() == {}
    artifacts.plan_is("/runner/project/plan.json")
    assert told() == {"steward_proxmox": {"plan": "/runner/project/plan.json"}}
