# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan says that it needs is enough to carry it out, as it was planned, and none of it can be left out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._grants import grants

from tests.contract.harness import Site
from tests.contract.scenarios import SCENARIOS, SEED, Scenario

#: nobody knows what `api` needs; root's commands on a node are not a matter of the API's privileges
UNTOLD = {"api", "privileged_host"}
CHANGING = [one for one in SCENARIOS if one.steps and one.module not in UNTOLD]
FEW = [
    "lxc: grown, with a snapshot to go back to",
    "lxc: restored over what is there",
    "vm: from a cloud image, configured and started",
    "vm: moved to another node",
    "backup: pruned",
    "acl: granted",
    "token: made",
]
NOBODY = "least@pve"

Grant = dict[str, Any]


class Trial:
    """A scenario that was previewed, and may be done by somebody who holds just some privileges."""

    def __init__(self, site: Site, scenario: Scenario) -> None:
        self._site, self._scenario = site, scenario
        site.reset(SEED)
        for module, options in scenario.first:
            site.run().done(module, options, scenario.identity)
        self._state = copy.deepcopy(vars(site.lab.state))
        self.plan = site.run(check=True).done(scenario.module, scenario.options, scenario.identity)["plan"]
        self.grants = grants(report(self.plan), (), "least")

    def run(self, allowed: Sequence[Grant]) -> dict[str, Any]:
        """What becomes of the task, as a token that holds this."""
        state = self._site.lab.app.state
        vars(state).update(copy.deepcopy(self._state))
        state.users[NOBODY] = {"enable": 1, "tokens": {"t1": {"privsep": 0, "secret": "lab-secret-of-least"}}}
        state.credentials["least"] = {"token": f"{NOBODY}!t1"}
        for number, one in enumerate(allowed):
            state.roles[f"least{number}"] = set(one["privileges"])
            entry = {"path": one["path"], "type": "user", "ugid": NOBODY, "roleid": f"least{number}"}
            state.acl.append({**entry, "propagate": int(one["propagate"])})
        return self._site.run().task(self._scenario.module, self._scenario.options, "least")

    def works(self, allowed: Sequence[Grant]) -> bool:
        """Is it done, as it was planned?"""
        done = self.run(allowed)
        return not done.get("failed") and done["changed"] and done["plan"]["digest"] == self.plan["digest"]

    @property
    def dispensable(self) -> list[str]:
        """The privileges without which it works as well."""
        return [
            f"{name} on {one['path']}"
            for one in self.grants
            for name in one["privileges"]
            if self.works([_without(other, name) if other is one else other for other in self.grants])
        ]


def _without(one: Grant, name: str) -> Grant:
    return {**one, "privileges": [other for other in one["privileges"] if other != name]}


def report(*plans: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As much of a saved plan as tells what it needs."""
    entries = [{"plan": plan, "task": {"action": "steward.proxmox.any"}} for plan in plans]
    return {"version": 1, "plans": entries, "failed_hosts": [], **more}


def check(site: Site, scenario: Scenario) -> None:
    trial = Trial(site, scenario)
    done = trial.run(trial.grants)
    assert not done.get("failed"), done["msg"]
    assert done["plan"]["digest"] == trial.plan["digest"], "another plan than the one that was previewed"
    assert trial.dispensable == []


@pytest.mark.parametrize("title", FEW)
def test_what_a_plan_needs_is_enough_and_nothing_too_much(site: Site, title: str) -> None:
    (scenario,) = (one for one in CHANGING if str(one) == title)
    check(site, scenario)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [one for one in CHANGING if str(one) not in FEW], ids=str)
def test_so_it_is_for_every_scenario(site: Site, scenario: Scenario) -> None:
    check(site, scenario)
