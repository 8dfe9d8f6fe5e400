# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/approved-apply.md says what the code does."""

import re
from pathlib import Path

import yaml
from ansible_collections.steward.proxmox.plugins.module_utils._operations import OPERATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "approved-apply.md").read_text()


def test_it_names_every_operation_that_asks_for_approval() -> None:
    section = PAGE.partition("## What asks for approval")[2].partition("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(.+?)`", row)}
    assert named - {"api"} == {name for name, operation in OPERATIONS.items() if operation.destroys}


def test_its_examples_are_yaml() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    assert len(blocks) > 5
    for block in blocks:
        assert yaml.safe_load(block)
