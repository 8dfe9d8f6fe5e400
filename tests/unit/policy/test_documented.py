# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on policies: every key and every variable stands there, and its example is a policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._policy_keys import KEYS, WORDS
from ansible_collections.steward.proxmox.plugins.module_utils._protect import PROTECTS
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import policy_file
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.settings import VARIABLES

PAGE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")


def row_of(name: str) -> str:
    (row,) = re.findall(rf"^\| `{name}` \|.*$", PAGE, re.MULTILINE)
    return str(row)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_a_row_with_its_words(key: str) -> None:
    row = row_of(key)
    assert [word for word in WORDS.get(key, ()) if f"`{word}`" not in row] == []


@pytest.mark.parametrize("what", PROTECTS)
def test_everything_that_can_be_protected_has_a_row(what: str) -> None:
    assert row_of(what)


def test_every_variable_is_named() -> None:
    shortened = re.compile(r"`(STEWARD_PROTECT)_VMIDS`((?:, `_[A-Z]+`)+)")
    joined = shortened.sub(lambda found: found[0].replace("`_", f"`{found[1]}_"), PAGE)
    assert [variable for variable in VARIABLES if f"`{variable}`" not in joined] == []


def test_the_example_is_a_policy(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "policy.yml"
    path.write_text(example)
    policy = policy_file.load(path, "STEWARD_POLICY")
    assert set(policy.origins) == set(KEYS) - {"snapshot_before", "exec"}
