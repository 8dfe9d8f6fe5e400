# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests of the laws can fail: each fault is planted in the engine, and the law that it breaks has to catch it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _apply, _plan, _session
from ansible_collections.steward.proxmox.plugins.module_utils._codec import PropertyString
from ansible_collections.steward.proxmox.plugins.module_utils._guest import effects, guest, lookup, power
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Effect, Plan, Step

from tests.contract import test_failures, test_preview, test_what_stays
from tests.contract.harness import Site
from tests.contract.laws import prove
from tests.contract.scenarios import SCENARIOS, Scenario

Patch = pytest.MonkeyPatch


def scenario(name: str) -> Scenario:
    return next(one for one in SCENARIOS if str(one) == name)


CONFIGURED = scenario("lxc: configured while it runs")
AS_WANTED = scenario("lxc: as wanted already")
MADE = scenario("lxc: made from a template and started")
SECRET = scenario("api: a secret, sent every time")


@pytest.mark.parametrize("one", [CONFIGURED, AS_WANTED, MADE, SECRET], ids=str)
def test_without_a_fault_all_is_well(site: Site, one: Scenario) -> None:
    prove(site, one)


# -- (a) a write while planning ----------------------------------------------------------------------------------------


def write_while_planning(patch: Patch, only_for_real: bool) -> None:
    """The planner of lxc tags the container on the way."""
    find = lookup.find

    def planted(world: Any, kind: str, vmid: int, *more: Any, **named: Any) -> Any:
        if not (only_for_real and world._check):
            world._read.__self__.send("PUT", f"/nodes/pve1/lxc/{vmid}/config", {"tags": "seen"})
        return find(world, kind, vmid, *more, **named)

    patch.setattr(guest, "find", planted)


def test_a_write_while_planning_is_caught_in_check_mode(site: Site, monkeypatch: Patch) -> None:
    write_while_planning(monkeypatch, only_for_real=False)
    with pytest.raises(AssertionError, match="law 1: something was sent in check mode"):
        prove(site, CONFIGURED)


def test_a_write_while_planning_is_caught_in_a_real_run(site: Site, monkeypatch: Patch) -> None:
    write_while_planning(monkeypatch, only_for_real=True)
    with pytest.raises(AssertionError, match="law 1: something was sent while planning"):
        prove(site, CONFIGURED)


# -- (b) a lying `changed` ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "lie", "caught"),
    [
        (CONFIGURED, lambda _plan: False, "law 2: changed is not what the plan says"),
        (AS_WANTED, lambda _plan: True, "law 2: changed is not what the plan says"),
        (CONFIGURED, lambda plan: bool(plan.steps) and not plan.progress, "law 2: changed is not what the plan says"),
    ],
)
def test_a_lying_changed_is_caught(
    site: Site, monkeypatch: Patch, one: Scenario, lie: Callable[[Plan], bool], caught: str
) -> None:
    monkeypatch.setattr(Plan, "changed", property(lie))
    with pytest.raises(AssertionError, match=caught):
        prove(site, one)


def test_a_change_that_is_no_change_is_caught(site: Site, monkeypatch: Patch) -> None:
    """Every step is reported as done, and the last one was never sent."""
    do = _apply._do

    def planted(step: Step, *rest: Any) -> Any:
        return (None, None) if step.op in ("update", "resize") else do(step, *rest)

    monkeypatch.setattr(_apply, "_do", planted)
    with pytest.raises(AssertionError, match="law 2: changed is not what was sent"):
        prove(site, CONFIGURED)


def test_a_plan_that_is_another_one_for_real_is_caught(site: Site, monkeypatch: Patch) -> None:
    compute = _plan.compute_digest
    calls = iter(range(100))
    engine = "ansible_collections.steward.proxmox.plugins.module_utils._engine"
    monkeypatch.setattr(f"{engine}.compute_digest", lambda *given: f"{compute(*given)}{next(calls)}")
    with pytest.raises(AssertionError, match="law 2: the plan of check mode is not the plan of the real run"):
        prove(site, CONFIGURED)


# -- (c) a dropped sub-key of a property string ------------------------------------------------------------------------


def test_a_dropped_sub_key_is_caught(site: Site, monkeypatch: Patch) -> None:
    """What the task mentions replaces what is there: MAC, bridge and firewall flag are lost."""
    monkeypatch.setattr(PropertyString, "merge", lambda self, _have, want: self.decode(want))
    with pytest.raises(AssertionError, match="'down': '60'"):
        test_what_stays.test_one_key_of_startup_leaves_the_others(site)


@pytest.mark.parametrize("lost", ["hwaddr", "firewall"])
def test_one_dropped_sub_key_of_an_interface_is_caught(site: Site, monkeypatch: Patch, lost: str) -> None:
    merge = PropertyString.merge

    def planted(self: PropertyString, have: Any, want: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in merge(self, have, want).items() if key != lost}

    monkeypatch.setattr(PropertyString, "merge", planted)
    with pytest.raises(AssertionError, match=lost):
        test_what_stays.test_one_key_of_an_interface_leaves_the_others(site)


# -- (d) a leaked secret -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [MADE, SECRET], ids=str)
def test_a_secret_in_a_plan_is_caught(site: Site, monkeypatch: Patch, one: Scenario) -> None:
    public = Step.public
    monkeypatch.setattr(Step, "public", lambda self: {**public(self), "data": dict(self.data)})
    with pytest.raises(AssertionError, match="law 6: a secret is seen"):
        prove(site, one)


def test_a_secret_in_the_memory_of_the_run_is_caught(site: Site, monkeypatch: Patch) -> None:
    remember = Memory.remember

    def planted(self: Memory, plan: Plan, found: Mapping[str, str], check: bool) -> None:
        remember(self, plan, found, check)
        self.add({"symbols": {str(step.data): "leaked" for step in plan.steps}})

    monkeypatch.setattr(Memory, "remember", planted)
    with pytest.raises(AssertionError, match="law 6: a secret is seen"):
        prove(site, MADE)


def test_a_secret_in_an_error_is_caught(site: Site, monkeypatch: Patch) -> None:
    """The message names the whole connection."""
    cause = _session._cause
    monkeypatch.setattr(_session, "_cause", lambda error: f"{cause(error)} {site.lab.credentials['admin']}")
    fault = {"path": r"/lxc$", "drop": "after"}
    with pytest.raises(AssertionError, match=site.lab.credentials["admin"]["api_token_secret"]):
        test_failures.test_no_secret_is_seen_when_a_task_fails(site, fault)


# -- and a preview that does not come true -----------------------------------------------------------------------------


def test_a_preview_that_forgets_an_effect_is_caught(site: Site, monkeypatch: Patch) -> None:
    configured = effects.configured
    lists = "/pending"  # what the planner reads

    def planted(*given: Any) -> list[Effect]:
        return [effect for effect in configured(*given) if not effect.at.endswith(lists)]

    monkeypatch.setattr(effects, "configured", planted)
    with pytest.raises(AssertionError, match="law 9: the second run has steps"):
        prove(site, CONFIGURED)


def test_a_job_that_cannot_see_its_own_plan_is_caught(empty_site: Site, monkeypatch: Patch) -> None:
    monkeypatch.setattr(power, "_effects", lambda *_given: [])
    monkeypatch.setattr(effects, "powered", lambda *_given: [])
    shown = test_preview.outcomes(empty_site.run(check=True), test_preview.GOLDEN)
    real = test_preview.outcomes(empty_site.run(), test_preview.GOLDEN)
    assert [one["changed"] for one in shown] != [one["changed"] for one in real]
