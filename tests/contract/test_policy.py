# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy holds for every module: what a plan would do to a protected guest, and how risky it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._operations import destructive
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy, judge
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.contract.harness import Site, planner_of
from tests.contract.scenarios import SCENARIOS, Scenario

GUEST = re.compile(r"(?:lxc|qemu)/\d+")
BIRTHS = {"clone", "create", "restore"}
EVERY_GUEST = {"vmids": ["100-999999999"]}
LEVELS = ["low", "medium", "high"]

CHANGES = [scenario for scenario in SCENARIOS if scenario.steps]


def felt(plan: Plan) -> set[str]:
    """The guests that a plan reaches, but those that it makes."""
    made = {step.target for step in plan.steps if step.op in BIRTHS}
    return {name for name in {*plan.blast.guests, *plan.targets} - made if GUEST.fullmatch(name)}


@pytest.mark.parametrize("scenario", CHANGES, ids=str)
def test_a_policy_holds_for_every_module(site: Site, scenario: Scenario) -> None:
    for module, options in scenario.first:
        site.run().done(module, options, scenario.identity)
    site.forget()
    planner = planner_of(scenario.module)
    assert planner is not None
    given = site.run()._options(planner, scenario.options, scenario.identity)
    work = Work(planner, given, Memory(), check=True)
    plan = work.plan
    world = World(work.writer.get, Memory(), True, work.identity, is_root=True)

    def is_refused(**values: Any) -> bool:
        try:
            judge(Policy.of(values, str), plan, world)
        except Refused:
            return True
        return False

    reaches = bool(felt(plan) or plan.blast.unseen)
    assert is_refused(protect=EVERY_GUEST) is (reaches and bool(destructive(plan.steps)))
    assert is_refused(protect={**EVERY_GUEST, "from": "any"}) is reaches
    level = LEVELS.index(plan.blast.risk(changes=True)["level"])
    assert [is_refused(max_risk=most) for most in LEVELS] == [level > most for most in range(len(LEVELS))]
    assert not is_refused()
    assert site.writes == []
