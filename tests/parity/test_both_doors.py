# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module through both doors: planned and applied in the process of the play, and as a module on a target.

All scenarios of the contract make one playbook, which runs once with the local connection and once with one that the
front door takes for remote, each on a lab of its own with the same guests. Nothing is left out: verify_ledger works on
the controller in both ways, on the ledger of the run that it is part of; privileged_host runs the lab's `pct` on the
controller, or as a module on the target.

One test with subtests, so that the runs are made once, whatever the number of workers.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.harness import MODULES, Site, planner_of, without_progress
from tests.contract.scenarios import LEDGER, NEW_PASSWORD, OF_FILES, PASSWORD, SCENARIOS, SEED
from tests.lab import Lab, storage
from tests.parity.stage import KEYWORDS, Stage, comparable, refusals

CHECK, REAL, AGAIN = "check", "real", "again"
ARGUMENTS = {CHECK: ("--check", "--diff"), REAL: ("--diff",), AGAIN: ("--diff",)}
ALL = [*SCENARIOS, *LEDGER]
CHANGING = [scenario for scenario in SCENARIOS if scenario.steps]
TASKS = [*map(str, ALL), *(str(one["name"]) for one in KEYWORDS)]


@pytest.mark.slow
def test_both_doors(tmp_path: Path, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch) -> None:
    # the guests of all scenarios together would fill the lab's storage
    monkeypatch.setattr(storage, "TOTAL", 1 << 40)
    with Lab(seed=SEED) as one, Lab(seed=SEED) as other:
        here = Stage(Site(one), tmp_path / "local", "local")
        there = Stage(Site(other), tmp_path / "remote", "lab_remote")
        with ThreadPoolExecutor() as pool:
            list(pool.map(run, (here, there), ((CHECK, REAL, AGAIN), (CHECK, REAL))))
        for name in there.results:
            for task in TASKS:
                with subtests.test("both return the same", play=name, task=task):
                    assert shown(here, name, task) == shown(there, name, task)
            for task in (str(found["name"]) for found in refusals(here.site)):
                with subtests.test("both refuse with the same words", play=name, task=task):
                    # in check mode, a missing privilege is part of the plan
                    assert here.result(name, task)["failed"] or (name, task) == (CHECK, "refused: missing privilege")
                    assert comparable(here.result(name, task)) == comparable(there.result(name, task))
        for stage in (here, there):
            for check in CHECKS:
                with subtests.test(check.__name__, connection=stage.connection):
                    check(stage)
        with subtests.test("both send the same"):
            assert comparable({name: here.writes[name] for name in there.writes}) == comparable(there.writes)
        with subtests.test("a second run changes nothing"):
            the_second_run_changes_nothing(here)


def shown(stage: Stage, name: str, task: str) -> dict[str, Any]:
    """A result as far as two labs can agree. Of a ledger, which is another one for each run, what it is worth."""
    result = stage.result(name, task)
    if task in map(str, LEDGER):
        said = {key: result.get(key) for key in ("changed", "failed", "verdict", "exit_status", "runs", "problems")}
        return {**said, "ops": [step["op"] for step in result.get("plan", {}).get("steps", [])]}
    return dict(comparable(result))


def run(stage: Stage, plays: tuple[str, ...]) -> None:
    stage.folder.mkdir()
    stage.prepare()
    for name in plays:
        stage.play(name, *ARGUMENTS[name])


def every_task_ran(stage: Stage) -> None:
    for name, results in stage.results.items():
        missing = set(TASKS) - {one["task"] for one in results}
        assert not missing, name
    assert {scenario.module for scenario in ALL} == set(MODULES) - OF_FILES


def nothing_is_sent_in_check_mode(stage: Stage) -> None:
    assert stage.writes[CHECK] == []
    for scenario in CHANGING:
        preview = stage.result(CHECK, str(scenario))
        assert preview["changed"]
        assert tuple(step["op"] for step in preview["plan"]["steps"]) == scenario.steps
        assert preview["diff"]["before"] != preview["diff"]["after"] or scenario.verb


def the_preview_is_the_change(stage: Stage) -> None:
    assert len(stage.writes[REAL]) > len(CHANGING)
    for scenario in CHANGING:
        preview, real = (stage.result(name, str(scenario)) for name in (CHECK, REAL))
        assert preview["changed"] is real["changed"] is True
        planner = planner_of(scenario.module)
        tells = bool(planner and planner.tells and scenario.steps == ("create",))
        assert ("censored" in real) is tells, "only what tells a secret is hidden without no_log"
        if tells:
            continue
        assert preview["plan"]["digest"] == real["plan"]["digest"], str(scenario)
        assert foreseen(real["plan"]) == foreseen(preview["plan"]), str(scenario)


def foreseen(plan: dict[str, Any]) -> Any:
    """What a preview can know. Which privileges are held it does not, once a task before it changes the access list."""
    needs = [{**need, "held": "..."} for need in plan["privileges"]]
    return comparable(without_progress({**plan, "privileges": needs}))


def the_second_run_changes_nothing(stage: Stage) -> None:
    changed = {str(scenario) for scenario in ALL if stage.result(AGAIN, str(scenario))["changed"]}
    assert changed == {str(scenario) for scenario in ALL if scenario.verb}


def keywords_hold(stage: Stage) -> None:
    """What Ansible can do to a task: async, no_log, defaults of the group and of a module together."""
    message = stage.result(CHECK, "refused: async")["msg"]
    assert "wait: false" in message
    assert "task_info" in message
    assert "front_door is set by the collection itself" in stage.result(CHECK, "refused: front_door")["msg"]
    (step,) = stage.result(CHECK, "defaults of one module")["plan"]["steps"]
    assert (step["data"]["compress"], step["data"]["storage"]) == ("gzip", "local")
    assert "censored" in stage.result(CHECK, "no_log")
    shown = json.loads((stage.folder / "plans" / "check.json").read_text(encoding="utf-8"))
    assert "lxc/602" in json.dumps(shown), "a plan that no_log hides is shown without its values"


def no_secret_is_left(stage: Stage) -> None:
    """In the output, the results, the ledger, the plans, the state of the run, and the log of the server."""
    kept = {str(path): path.read_text(encoding="utf-8", errors="replace") for path in stage.files}
    assert {Path(path).parent.name for path in kept} >= {"runs", "plans"}
    assert any(Path(path).name == "memory" for path in kept), "the state of the run was not kept"
    kept |= {"output": stage.output, "results": json.dumps(stage.results)}
    kept["requests"] = json.dumps(stage.requests)
    users = stage.site.lab.state.users.values()
    made = {token["secret"] for user in users for token in user.get("tokens", {}).values()}
    secrets: set[Any] = {*stage.site.secrets, *made, PASSWORD, NEW_PASSWORD, "0bad0bad"}
    assert [(where, secret) for where, text in kept.items() for secret in secrets if secret in text] == []


def every_change_is_recorded(stage: Stage) -> None:
    """Each with its intent and its outcome."""
    frames = [
        json.loads(line[65:])
        for path in (stage.folder / "ledger" / "runs").iterdir()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    intents = {frame["op_id"]: frame for frame in frames if frame["type"] == "intent"}
    outcomes = {frame["op_id"]: frame for frame in frames if frame["type"] == "outcome"}
    assert intents.keys() == outcomes.keys()
    assert {str(scenario) for scenario in CHANGING} <= {frame["task"]["name"] for frame in intents.values()}
    assert stage.result(REAL, str(LEDGER[0]))["verdict"] in ("intact", "incomplete")


#: what holds for each of the two
CHECKS = (
    every_task_ran,
    nothing_is_sent_in_check_mode,
    keywords_hold,
    no_secret_is_left,
    the_preview_is_the_change,
    every_change_is_recorded,
)
