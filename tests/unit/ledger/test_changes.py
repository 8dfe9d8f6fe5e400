# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who changed what and when, out of all runs of a ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.changes import change, changes

from tests.unit.ledger.scribe import Scribe


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return Scribe(tmp_path / "ledger")


def ops(scribe: Scribe, **options: Any) -> list[str]:
    return [found.intent.frame["op_id"] for found in changes(scribe.source, options)]


def test_a_change_says_who_what_when_and_what_came_of_it(scribe: Scribe) -> None:
    run = scribe.run(user="alice")
    op = run.change(101, "update qemu/101 db on pve1")
    run.close()
    (row,) = (found.row() for found in changes(scribe.source, {}))
    assert row.pop("at").endswith("Z")
    assert row == {
        "by": "alice (system user)",
        "run": run.id,
        "op": op,
        "host": "web",
        "endpoint": ["pve1"],
        "task": "Change it",
        "action": "steward.proxmox.vm",
        "summary": "update qemu/101 db on pve1",
        "digest": f"sha256:{op}",
        "targets": ["qemu/101"],
        "outcome": "ok",
        "error": "",
        "upids": [f"UPID:pve1:{op}:"],
        "resolved": None,
        "where": f"{run.chain.where} record 2",
    }


def test_all_runs_the_newest_change_first(scribe: Scribe) -> None:
    first, second = scribe.run(), scribe.run()
    one, two, three = first.change(101), second.change(101), first.change(101)
    assert ops(scribe) == [three, two, one]


@pytest.mark.parametrize(
    ("actor", "told"),
    [
        ({"source": "os", "user": "alice"}, "alice (system user)"),
        ({"source": "env", "user": "bob"}, "bob (by STEWARD_ACTOR)"),
        ({"source": "awx", "user": "carol", "awx_job_id": 42}, "carol (AWX job 42)"),
        ({"source": "awx", "user": None, "awx_job_id": 7}, "nobody named (AWX job 7)"),
        ({"source": "awx", "user": None}, "nobody named (AWX job ?)"),
        ({}, "nobody named (source unknown)"),
    ],
)
def test_by_whom_and_how_that_is_known(scribe: Scribe, actor: dict[str, Any], told: str) -> None:
    run = scribe.run(actor=actor)
    run.change(101)
    (found,) = changes(scribe.source, {})
    assert found.row()["by"] == told


def test_what_became_of_it(scribe: Scribe) -> None:
    run = scribe.run()
    never, unknown, failed = run.intend(), run.intend(), run.intend()
    run.tell(unknown, "unknown")
    run.tell(failed, "failed", error="the disk is full")
    run.close()
    told = {row["op"]: (row["outcome"], row["error"]) for row in (one.row() for one in changes(scribe.source, {}))}
    assert told == {
        never: ("none", ""),
        unknown: ("unknown", ""),
        failed: ("failed", "the disk is full"),
    }
    later = scribe.run()
    later.add("resolved", of={"run": run.id, "op": never}, status="ok", upid="UPID:new:", why="its task ended with OK")
    later.add("resolved", of={"run": run.id, "op": failed}, status="ok", upid="UPID:no:", why="an outcome is recorded")
    rows = {found.intent.frame["op_id"]: found.row() for found in changes(scribe.source, {})}
    assert (rows[never]["outcome"], rows[never]["upids"]) == ("ok", ["UPID:new:"])
    assert rows[never]["resolved"]["run"] == later.id
    assert rows[failed]["outcome"] == "failed", "what was recorded at the time counts"
    assert ops(scribe, status=["ok"]) == [never]
    assert set(ops(scribe, status=["unknown", "failed"])) == {unknown, failed}
    assert change(scribe.source, never, run.id).status == "ok"
    assert change(scribe.source, unknown).status == "unknown"


def test_filters(scribe: Scribe) -> None:
    one, two = scribe.run(user="alice"), scribe.run(actor={"source": "awx", "user": "bob", "awx_job_id": 42})
    vm, lxc = one.change(101), one.change(1011, kind="lxc", host="other", endpoint=["pve2"])
    job = two.change(102, task={"action": "steward.proxmox.snapshot"})
    expected: list[tuple[dict[str, Any], list[str]]] = [
        ({"vmid": 101}, [vm]),
        ({"vmid": 10}, []),
        ({"target": "lxc/*"}, [lxc]),
        ({"target": "qemu/10?"}, [job, vm]),
        ({"host": "other"}, [lxc]),
        ({"host": "pve1"}, [job, vm]),
        ({"actor": "alice"}, [lxc, vm]),
        ({"actor": "42"}, [job]),
        ({"actor": "ali"}, []),
        ({"run": one.id[:12]}, [lxc, vm]),
        ({"op": lxc}, [lxc]),
        ({"action": "snapshot"}, [job]),
        ({"action": "steward.proxmox.vm", "vmid": 1011}, [lxc]),
    ]
    for options, found in expected:
        assert ops(scribe, **options) == found, options


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": {"steps": [{"target": "acl//vms/101", "path": "/access/acl"}]}},
        {"plan": {"steps": [{"target": "alias/web", "path": "/nodes/pve1/lxc/101/firewall/aliases"}]}},
        {"plan": {"steps": [{"target": "backup/local:backup/vzdump-qemu-101-2026_11_21-12_00_00.vma.zst"}]}},
        {"plan": {"steps": [{"target": "backup/pbs:backup/ct/101/2026-11-21T12:00:00Z"}]}},
        {"plan": {"steps": [{"target": "x", "path": "/nodes/pve1/storage/zfs/content/zfs:subvol-101-disk-0"}]}},
        {"plan": {"steps": [{"target": "/nodes/pve1/qemu/101/config", "path": "/nodes/pve1/qemu/101/config"}]}},
        {"plan": {"steps": [{"target": "storage/nfs"}], "blast_radius": {"guests": ["lxc/7", "qemu/101"]}}},
        {"plan": {"omitted": "larger than a frame", "summary": "update", "digest": "sha256:0"}},
    ],
)
def test_what_may_concern_a_guest_is_listed(scribe: Scribe, fields: dict[str, Any]) -> None:
    run = scribe.run()
    op = run.change(7, **fields)
    assert ops(scribe, vmid=101) == [op]
    (found,) = changes(scribe.source, {})
    assert (found.row()["targets"] is None) == ("omitted" in fields["plan"])


def test_an_id_that_was_chosen_in_the_run_is_known_by_its_outcome(scribe: Scribe) -> None:
    run = scribe.run()
    symbol = "(known after apply: vmid)"
    op = run.intend(plan={"summary": "create", "steps": [{"op": "create", "target": f"lxc/{symbol}"}]})
    assert ops(scribe, vmid=123) == []
    run.tell(op, values={symbol: "123"})
    assert ops(scribe, vmid=123) == [op]


def test_time(scribe: Scribe) -> None:
    run = scribe.run()
    op = run.change()
    (found,) = changes(scribe.source, {})
    at = found.row()["at"]
    year = int(at[:4])
    for length in (4, 7, 10, 13, 16, 19):
        assert ops(scribe, since=at[:length], until=at[:length]) == [op], "all of the day, the hour ..."
    assert ops(scribe, since=f"{at[:10]} {at[11:19]}+00:00", until=f"{at[:19]}Z") == [op], "as YAML writes a date"
    assert ops(scribe, since=f"{year + 1}") == ops(scribe, until=f"{year - 1}-12-31") == []
    for wrong in ("yesterday", "2026-11-21T12:00:00+02:00", "21.11.2026", ""):
        with pytest.raises(BadInput, match=r"^since: .* is not a time in UTC"):
            ops(scribe, since=wrong)


def test_a_run_that_was_killed_at_its_very_beginning_is_passed_over(scribe: Scribe) -> None:
    op = scribe.run().change()
    runs = scribe.store.path / "runs"
    (runs / f"20260101T000000Z-{'0' * 32}.jsonl").write_bytes(b"")
    (runs / f"20260101T000000Z-{'1' * 32}.jsonl").write_bytes(b"0" * 64 + b' {"v":1,"ledger_id"')
    assert ops(scribe) == [op]


def test_only_the_runs_of_the_change_have_to_be_what_was_written(scribe: Scribe) -> None:
    run, other = scribe.run(), scribe.run()
    op = run.change(101, "as it was")
    bad = other.change(101, "as it was")
    file = Path(other.chain.where)
    file.write_bytes(file.read_bytes().replace(b"as it was", b"as it is!"))
    assert change(scribe.source, op).plan["summary"] == "as it was"
    with pytest.raises(Refused, match="The ledger is not what was written"):
        change(scribe.source, bad)
    for wrong in (("x", ""), (op, other.id), ("", "")):
        with pytest.raises(BadInput, match=f"^op: 0 runs of the ledger .* made the change '{wrong[0]}'"):
            change(scribe.source, *wrong)
