# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module through both doors: planned and applied in the process of the play, and as a module on a target.

All scenarios of the contract make one playbook, which runs in check mode, for real, and again, once with the local
connection and once with one that the front door takes for remote; each on a lab of its own with the same guests.
Nothing is left out. verify_ledger works on the controller in both ways, on the ledger of the run that it is part of;
privileged_host runs the lab's `pct` on the controller, or as a module on the target.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.harness import MODULES, Site, without_progress
from tests.contract.scenarios import LEDGER, NEW_PASSWORD, PASSWORD, SCENARIOS, SEED, Scenario
from tests.lab import Lab
from tests.parity.stage import KEYWORDS, Stage, comparable

PLAYS = {"check": ("--check", "--diff"), "real": ("--diff",), "again": ("--diff",)}
TASKS = [*map(str, [*SCENARIOS, *LEDGER]), *(str(one["name"]) for one in KEYWORDS)]
Doors = tuple[Stage, Stage]


def run_all(stage: Stage) -> Stage:
    stage.prepare()
    for name, arguments in PLAYS.items():
        stage.play(name, *arguments)
    return stage


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Both ways at once, each with its own lab."""
    with Lab(seed=SEED) as one, Lab(seed=SEED) as other:
        stages = [
            Stage(Site(lab), tmp_path_factory.mktemp(connection), connection)
            for lab, connection in ((one, "local"), (other, "lab_remote"))
        ]
        with ThreadPoolExecutor() as pool:
            here, there = pool.map(run_all, stages)
        yield here, there


pytestmark = pytest.mark.xdist_group("parity")


@pytest.mark.parametrize("name", PLAYS)
def test_both_doors_ran_every_task(doors: Doors, name: str) -> None:
    for stage in doors:
        ran = [one["task"] for one in stage.results[name]]
        missing = set(TASKS) - set(ran)
        assert missing <= ({"registered"} if name == "again" else set())
        actions = {str(scenario).partition(":")[0] for scenario in [*SCENARIOS, *LEDGER]}
        assert actions == set(MODULES)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["check", "real"])
def test_both_doors_return_the_same(doors: Doors, name: str, task: str) -> None:
    here, there = (comparable(stage.result(name, task)) for stage in doors)
    assert here == there


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.steps], ids=str)
def test_the_preview_is_the_change_through_both_doors(doors: Doors, scenario: Scenario) -> None:
    for stage in doors:
        preview, real = (stage.result(name, str(scenario)) for name in ("check", "real"))
        assert tuple(step["op"] for step in preview["plan"]["steps"]) == scenario.steps
        assert preview["changed"] is real["changed"] is True
        assert preview["plan"]["digest"] == real["plan"]["digest"]
        assert comparable(without_progress(real["plan"])) == comparable(preview["plan"])


@pytest.mark.parametrize("scenario", [*SCENARIOS, *LEDGER], ids=str)
def test_the_second_run_changes_nothing_through_both_doors(doors: Doors, scenario: Scenario) -> None:
    for stage in doors:
        assert stage.result("again", str(scenario))["changed"] is scenario.verb


def test_check_mode_sends_nothing_and_both_doors_send_the_same(doors: Doors) -> None:
    here, there = doors
    for stage in doors:
        assert stage.writes["check"] == []
    assert here.writes["real"] == there.writes["real"]
    assert len(here.writes["real"]) > len([one for one in SCENARIOS if one.steps])


@pytest.mark.parametrize("task", [
    "refused: running", "refused: unknown storage", "refused: vmid", "refused: keyctl", "refused: missing privilege",
    "refused: sees nothing", "refused: wrong secret", "refused: wrong fingerprint", "refused: unknown option",
    "refused: wrong choice", "refused: missing option", "refused: front_door", "refused: async",
])  # fmt: skip
def test_both_doors_refuse_with_the_same_words(doors: Doors, task: str) -> None:
    here, there = (comparable(stage.result("real", task)) for stage in doors)
    assert here["failed"]
    for stage in doors:
        here["msg"] = here["msg"].replace(stage.site.lab.fingerprint, "SEEN")
        there["msg"] = there["msg"].replace(stage.site.lab.fingerprint, "SEEN")
    assert here == there


def test_async_is_refused_with_a_hint(doors: Doors) -> None:
    for stage in doors:
        message = stage.result("real", "refused: async")["msg"]
        assert "wait: false" in message
        assert "task_info" in message


def test_the_modules_own_option_cannot_be_set_by_a_task(doors: Doors) -> None:
    for stage in doors:
        assert "front_door is set by the collection itself" in stage.result("real", "refused: front_door")["msg"]


def test_defaults_of_a_module_and_of_the_group_hold_together(doors: Doors) -> None:
    for stage in doors:
        (step,) = stage.result("real", "defaults of one module")["plan"]["steps"]
        assert (step["data"]["compress"], step["data"]["storage"]) == ("gzip", "local")
        alias = stage.result("real", "firewall_alias: removed")
        assert alias["changed"]


def test_a_task_with_no_log_is_hidden_and_its_plan_is_kept_without_values(doors: Doors) -> None:
    for stage in doors:
        for name in ("check", "real"):
            assert "censored" in stage.result(name, "no_log")
        plans = json.loads((stage.folder / "plans" / "check.json").read_text(encoding="utf-8"))
        assert "lxc/602" in json.dumps(plans)


def test_no_secret_is_left_anywhere(doors: Doors) -> None:
    """Output, results, ledger, plans, the state of the run and the log of the server."""
    for stage in doors:
        kept = {str(path): path.read_text(encoding="utf-8", errors="replace") for path in stage.files}
        assert {Path(path).parent.name for path in kept} >= {"runs", "plans"}
        assert any("memory" in path for path in kept), "the state of the run was not kept"
        kept |= {"output": stage.output, "results": json.dumps(stage.results)}
        kept["requests"] = json.dumps(stage.site.lab.requests)
        secrets: set[Any] = {*stage.site.secrets, PASSWORD, NEW_PASSWORD, "0bad0bad"}
        assert [(where, secret) for where, text in kept.items() for secret in secrets if secret in text] == []


def test_every_change_is_in_the_ledger(doors: Doors) -> None:
    for stage in doors:
        frames = [
            json.loads(line[65:])
            for path in (stage.folder / "ledger" / "runs").iterdir()
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        intents = {frame["op_id"]: frame for frame in frames if frame["type"] == "intent"}
        outcomes = {frame["op_id"]: frame for frame in frames if frame["type"] == "outcome"}
        assert intents.keys() == outcomes.keys()
        recorded = {frame["task"]["name"] for frame in intents.values()}
        assert {str(one) for one in SCENARIOS if one.steps} <= recorded
        assert stage.result("again", str(LEDGER[0]))["verdict"] in ("intact", "incomplete")
