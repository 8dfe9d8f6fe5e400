# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a ledger to compare it with Proxmox's task log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import PostgresStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.run import RunLedger
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.tasks import Known

from tests.postgres import Postgres, postgres

__all__ = ["postgres"]  # the fixture

UPID = "UPID:pve1:00000001:00000001:60000000:qmstart:100:ci@pve!run:"
HOUR = 3600


def step(op: str, method: str, below: str, **data: Any) -> dict[str, Any]:
    path = f"/nodes/pve1/qemu/100{below}"
    return {"op": op, "target": "qemu/100", "method": method, "path": path, "data": data, "why": "asked for"}


UPDATE, START = step("update", "PUT", "/config", cores=2), step("start", "POST", "/status/start")
INTENT = {
    "host": "localhost",
    "task": {"name": "Start it"},
    "endpoint": ["pve1.example.com"],
    "identity": "ci@pve!run",
    "plan": {"summary": "start qemu/100", "steps": [UPDATE, START]},
}


@pytest.fixture
def writer(ledger: Path) -> RunLedger:
    return RunLedger.begin(FileStore(ledger))


def known(ledger: Path, current: str = "", since: int = HOUR, until: int = HOUR, also: tuple[str, ...] = ()) -> Known:
    now = int(time.time())
    return Known(verify.source(ledger), now - since, now + until, current, also)


def operations(found: Known) -> dict[str, dict[str, Any]]:
    return {row["op"]: row for row in found.public()["operations"]}


def test_an_operation_with_its_outcome(ledger: Path, writer: RunLedger) -> None:
    op = writer.intent(**INTENT)
    went = [{"status": "done"}, {"status": "done", "upid": UPID, "target": "qemu/100"}]
    writer.outcome(op, status="ok", steps=went, upids=[UPID])
    found = known(ledger)
    row = operations(found)[op]
    assert found.public()["upids"] == [UPID]
    assert row["at"] <= row["until"] <= time.time()
    assert {key: row[key] for key in row.keys() - {"at", "until", "run", "op"}} == {
        "open": False,
        "host": "localhost",
        "task": "Start it",
        "summary": "start qemu/100",
        "endpoint": ["pve1.example.com"],
        "identity": "ci@pve!run",
        "steps": [
            {"op": "update", "target": "qemu/100", "method": "PUT", "path": UPDATE["path"], "data": {"vmid": ""}}
            | {"status": "done"},
            {"op": "start", "target": "qemu/100", "method": "POST", "path": START["path"], "data": {"vmid": ""}}
            | {"status": "done", "upid": UPID},
        ],
    }


@pytest.mark.parametrize("outcome", [None, {"status": "unknown", "steps": [], "upids": []}])
def test_open_until_another_run_finds_it_out(ledger: Path, writer: RunLedger, outcome: dict[str, Any] | None) -> None:
    op = writer.intent(**INTENT)
    if outcome:
        writer.outcome(op, **outcome)
    row = operations(known(ledger))[op]
    assert (row["open"], row["until"] is None, "status" in row["steps"][1]) == (True, outcome is None, False)
    writer.close()
    assert operations(known(ledger))[op]["until"] is not None
    RunLedger.begin(FileStore(ledger)).resolved(
        of={"run": writer.run_id, "op": op}, status="ok", upid=UPID, upids=[UPID]
    )
    found = known(ledger)
    assert (operations(found)[op]["open"], found.open(writer.run_id), found.public()["upids"]) == (False, set(), [UPID])


def test_what_the_asking_run_is_about_to_do_is_not_open(ledger: Path, writer: RunLedger) -> None:
    op = writer.intent(**INTENT)
    assert operations(known(ledger, writer.run_id))[op]["open"] is False


def test_a_plan_that_was_not_recorded(ledger: Path, writer: RunLedger) -> None:
    op = writer.intent(**{**INTENT, "plan": {"omitted": "sha256:0"}})
    assert operations(known(ledger))[op]["steps"] is None


def test_only_the_time_that_is_asked_for(ledger: Path, writer: RunLedger) -> None:
    """An open change before it is left out; one with an outcome may have started a task since."""
    lost, done = writer.intent(**INTENT), writer.intent(**INTENT)
    writer.outcome(done, status="ok", steps=[], upids=[UPID])
    assert set(operations(known(ledger, since=HOUR, until=-HOUR))) == set()
    later = known(ledger, since=-HOUR, also=(writer.run_id[:8],))
    assert (set(operations(later)), later.open(writer.run_id)) == ({done}, {lost})
    assert known(ledger, since=-HOUR).public()["upids"] == []


def test_which_run_is_meant(ledger: Path, writer: RunLedger) -> None:
    assert known(ledger).full(writer.run_id[:6]) == writer.run_id
    for wrong in ("", "nope"):
        with pytest.raises(BadInput, match="is the beginning of 0 runs"):
            known(ledger, also=(wrong,))


def test_a_run_that_is_over(ledger: Path, writer: RunLedger) -> None:
    other = RunLedger.begin(FileStore(ledger))
    assert known(ledger).over(writer.run_id) is False
    writer.close()
    read = known(ledger).runs[other.run_id].read
    RunLedger.begin(FileStore(ledger)).settle(other.run_id, read.records, read.head, "nothing was done")
    assert [known(ledger).over(one.run_id) for one in (writer, other)] == [True, True]


def test_the_last_second_counts_to_its_end(ledger: Path, writer: RunLedger) -> None:
    op = writer.intent(**INTENT)
    at = operations(known(ledger))[op]["at"]
    read = [Known(verify.source(ledger), int(at) - HOUR, second) for second in (int(at), int(at) - 1)]
    assert [op in operations(found) for found in read] == [True, False]


def test_a_ledger_that_was_tampered_with_explains_nothing(ledger: Path, writer: RunLedger) -> None:
    writer.intent(**INTENT)
    file = next((ledger / "runs").glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b"qemu/100", b"qemu/101"))
    with pytest.raises(Refused, match="not what was written"):
        known(ledger)


def test_a_ledger_in_a_database(postgres: Postgres) -> None:
    store, now = PostgresStore(postgres.ledger()), int(time.time())
    dead, asking = RunLedger.begin(store), RunLedger.begin(store)
    op = dead.intent(**INTENT)
    found = Known(store.source(), now - HOUR, now + HOUR, asking.run_id, (dead.run_id[:8],))
    assert operations(found)[op]["open"] is True
    asking.resolved(of={"run": dead.run_id, "op": op}, status="ok", upid=UPID, upids=[UPID])
    asking.settle(dead.run_id, found.runs[dead.run_id].read.records, found.runs[dead.run_id].read.head, "it is known")
    found = Known(store.source(), now - HOUR, now + HOUR, asking.run_id)
    assert (found.open(dead.run_id), found.over(dead.run_id)) == (set(), True)
    asking.close()
    assert verify.verify(store.source()).verdict == "intact"
