# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The laws, over every row of the table; and no module without a row."""

from __future__ import annotations

import pytest
import yaml

from tests.contract.harness import MODULES, PLUGINS, Site
from tests.contract.laws import prove
from tests.contract.scenarios import LEDGER, OF_FILES, SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_laws(site: Site, scenario: Scenario) -> None:
    prove(site, scenario)


def test_every_module_has_a_scenario() -> None:
    assert {scenario.module for scenario in [*SCENARIOS, *LEDGER]} == set(MODULES) - OF_FILES


def test_titles_are_unique() -> None:
    titles = [str(scenario) for scenario in SCENARIOS]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("module", sorted({scenario.module for scenario in SCENARIOS if scenario.verb}))
def test_verbs_say_so_in_their_documentation(module: str) -> None:
    text = (PLUGINS / "modules" / f"{module}.py").read_text(encoding="utf-8")
    documentation = text.partition('DOCUMENTATION = r"""')[2].partition('"""')[0]
    assert "every time" in documentation
    assert yaml.safe_load(documentation)["short_description"]
