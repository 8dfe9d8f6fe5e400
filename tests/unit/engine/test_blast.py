# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Risk: the worst reason wins, and what could not be seen is the worst."""

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import LEVELS, Blast


def test_nothing_that_changes_has_no_risk() -> None:
    assert Blast().because("high", "x").unknown("y").risk(changes=False) == {"level": "none", "reasons": []}


def test_a_change_without_a_reason_is_low() -> None:
    assert Blast().risk(changes=True) == {"level": "low", "reasons": ["changes little"]}


@pytest.mark.parametrize(
    ("levels", "worst"),
    [
        (["low"], "low"),
        (["low", "medium"], "medium"),
        (["medium", "low"], "medium"),
        (["high", "low", "medium"], "high"),
        (["none", "low"], "low"),
    ],
)
def test_the_worst_reason_wins_and_all_are_told(levels: list[str], worst: str) -> None:
    blast = Blast()
    for number, level in enumerate(levels):
        blast.because(level, f"reason {number}")
    assert blast.risk(changes=True) == {"level": worst, "reasons": [f"reason {n}" for n in range(len(levels))]}


def test_unknown_is_the_highest_risk_and_is_named() -> None:
    blast = Blast().because("low", "starts lxc/100").unknown("the rules that use it")
    assert blast.risk(changes=True) == {
        "level": LEVELS[-1],
        "reasons": ["starts lxc/100", "could not be seen: the rules that use it"],
    }
    assert blast.public() == {"complete": False}


def test_what_is_touched_is_shown_sorted_and_empty_kinds_are_left_out() -> None:
    blast = Blast(guests={"lxc/101", "lxc/100"}, storages={"nas"})
    assert blast.public() == {"guests": ["lxc/100", "lxc/101"], "storages": ["nas"], "complete": True}


def test_a_level_that_does_not_exist_is_a_mistake_of_the_planner() -> None:
    with pytest.raises(ValueError, match="'extreme' is not one of none, low, medium, high"):
        Blast().because("extreme", "x")
