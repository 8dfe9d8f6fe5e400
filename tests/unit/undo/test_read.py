# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger tells about the way back of a run, and when it is not believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.read import read
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.run import RunLedger

SYMBOL = "(known after apply: mp0 of lxc/200)"
PLAN: dict[str, Any] = {
    "summary": "update, resize lxc/200",
    "undo": {
        "possible": False,
        "why": "it grew",
        "cannot": [{"of": [1], "why": "it grew"}],
        "steps": [{"op": "update", "target": "lxc/200", "of": [0], "left": {"mp0": f"zfs:{SYMBOL}"}}],
    },
}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def run_of(ledger: Path) -> RunLedger:
    return RunLedger.begin(FileStore(ledger))


def done(run: RunLedger, plan: dict[str, Any], *went: str, status: str = "ok", **more: Any) -> str:
    op = run.intent(plan=plan, host="one", endpoint=["pve1"], **more)
    run.outcome(op, status=status, steps=[{"status": word} for word in went], values={SYMBOL: "vol-1"})
    return op


def rows(ledger: Path, run: RunLedger) -> list[dict[str, Any]]:
    return list(read(verify.source(ledger), run.run_id).rows())


def test_what_has_a_way_back_and_what_has_none(ledger: Path) -> None:
    run = run_of(ledger)
    op = done(run, PLAN, "done", "done")
    cannot, way = rows(ledger, run)
    assert (cannot["possible"], cannot["why"], cannot["step"]) == (False, "it grew", None)
    assert (way["possible"], way["step"], way["op"], way["undo"]["op"]) == (True, 0, op, "update")
    assert way["undo"]["left"] == {"mp0": "zfs:vol-1"}, "what the server chose is told"


def test_the_last_operation_is_taken_back_first(ledger: Path) -> None:
    run = run_of(ledger)
    first, second = (done(run, {**PLAN, "summary": text}, "done", "done") for text in ("one", "two"))
    assert [row["op"] for row in rows(ledger, run)] == [second, second, first, first]


@pytest.mark.parametrize(
    ("went", "expected"),
    [
        (("done", "failed"), [False, True]),
        (("failed", "not tried"), [False, False]),
        (("unknown", "not tried"), [False, True]),
        (("done", "started"), [True, True]),
        ((), [True, True]),
    ],
)
def test_only_what_may_have_been_done_counts(ledger: Path, went: tuple[str, ...], expected: list[bool]) -> None:
    run = run_of(ledger)
    done(run, PLAN, *went, status="failed")
    assert [row["done"] for row in rows(ledger, run)] == expected


def test_without_an_outcome_everything_may_have_been_done(ledger: Path) -> None:
    run = run_of(ledger)
    run.intent(plan=PLAN)
    assert [(row["done"], row["outcome"]) for row in rows(ledger, run)] == [(True, "none")] * 2


@pytest.mark.parametrize("plan", [{"summary": "hidden"}, {"omitted": "larger than a frame", "summary": "hidden"}])
def test_a_record_without_values_says_so(ledger: Path, plan: dict[str, Any]) -> None:
    run = run_of(ledger)
    op = done(run, plan, "done")
    (row,) = rows(ledger, run)
    assert not row["possible"]
    with pytest.raises(Refused, match="'hidden' cannot be taken back: its record has no values"):
        read(verify.source(ledger), run.run_id).step(op, None)


def test_who_took_it_back_already_is_known_also_within_one_second(ledger: Path) -> None:
    run, runs = run_of(ledger), []
    op = done(run, PLAN, "done", "done")
    for status in ("failed", "ok"):
        runs.append(run_of(ledger))
        done(runs[-1], PLAN, "done", "done", status=status, undoes={"run": run.run_id, "op": op, "step": 0})
    found = read(verify.source(ledger), run.run_id).step(op, 0)
    assert found["undone_by"]["run"] == runs[1].run_id
    (later,) = (one.op for one in read(verify.source(ledger), runs[1].run_id).operations)
    assert read(verify.source(ledger), runs[1].run_id).step(later, 0)["done"]


def test_the_last_run_is_the_last_that_changed_something_but_this_one(ledger: Path) -> None:
    first, second, this = run_of(ledger), run_of(ledger), run_of(ledger)
    done(first, PLAN, "done", "done")
    second.refused(reasons=["no"])
    done(this, PLAN, "done", "done")
    assert read(verify.source(ledger), "last", this.run_id).run == first.run_id
    assert read(verify.source(first.where), "last").run == first.run_id


@pytest.mark.parametrize("name", ["", "nothing", "last"])
def test_a_run_that_is_not_there(ledger: Path, name: str) -> None:
    run_of(ledger)
    with pytest.raises(BadInput, match=r"^run: "):
        read(verify.source(ledger), name)


def test_a_beginning_that_several_runs_have(ledger: Path) -> None:
    runs = [run_of(ledger) for _number in range(17)]
    letters = [run.run_id[0] for run in runs]
    twice = next(letter for letter in letters if letters.count(letter) > 1)
    with pytest.raises(BadInput, match=f"'{twice}' is the beginning of {letters.count(twice)} runs"):
        read(verify.source(ledger), twice)


def test_a_ledger_that_was_changed_is_not_believed(ledger: Path) -> None:
    run = run_of(ledger)
    op = done(run, PLAN, "done", "done")
    file = Path(run.where)
    good = file.read_bytes()
    file.write_bytes(good.replace(b"it grew", b"it grow"))
    with pytest.raises(Refused, match=r"The ledger is not what was written: .* record 2"):
        read(verify.source(ledger), run.run_id)
    file.write_bytes(good)
    later = run_of(ledger)
    done(later, PLAN, "done", "done", undoes={"run": run.run_id, "op": op, "step": 0})
    forged = Path(later.where)
    forged.write_bytes(forged.read_bytes().replace(b'"step":0', b'"step":1'))
    with pytest.raises(Refused, match="The ledger is not what was written"):
        read(verify.source(ledger), run.run_id)


def test_an_operation_or_a_step_that_is_not_there(ledger: Path) -> None:
    run = run_of(ledger)
    two = {"steps": [{"op": "stop", "target": "lxc/1", "of": [1]}, {"op": "destroy", "target": "lxc/1", "of": [0]}]}
    op = done(run, {"summary": "made", "undo": {"possible": True, **two}}, "done", "done")
    found = read(verify.source(ledger), run.run_id)
    with pytest.raises(BadInput, match="has no operation 'x'"):
        found.step("x", None)
    for step in (None, 2):
        with pytest.raises(BadInput, match=r"step: say which .*: 0 \(stop\), 1 \(destroy\)"):
            found.step(op, step)
    assert found.step(op, 1)["undo"]["op"] == "destroy"
