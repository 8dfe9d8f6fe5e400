# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which guests commands may be run: nowhere, until somebody says so."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy
from ansible_collections.steward.proxmox.plugins.plugin_utils._exec import allowed

ALICE = {"source": "os", "user": "alice"}
OPEN: dict[str, Any] = {"exec": {"pct": [101, "200-299"], "qga": ["*"]}}


def policy(**said: Any) -> Policy:
    return Policy.of(said, lambda key: f"{key} of p")


@pytest.mark.parametrize(
    ("how", "target"), [("pct", "lxc/101"), ("pct", "lxc/200"), ("pct", "lxc/299"), ("qga", "qemu/999999999")]
)
def test_a_guest_that_is_listed_is_open(how: str, target: str) -> None:
    allowed.check(policy(**OPEN), how, target, ALICE)


@pytest.mark.parametrize(
    ("said", "how", "target", "says"),
    [
        ({}, "pct", "lxc/101", "no guest is open to the connection pct. .*exec.pct .*STEWARD_EXEC_PCT"),
        ({}, "qga", "qemu/101", "no guest is open to the connection qga. .*exec.qga .*STEWARD_EXEC_QGA"),
        ({"exec": {}}, "pct", "lxc/101", "no guest is open"),
        ({"exec": {"pct": []}}, "pct", "lxc/101", "no guest is open"),
        # the lists are apart
        ({"exec": {"qga": ["*"]}}, "pct", "lxc/101", "no guest is open to the connection pct"),
        (OPEN, "pct", "lxc/102", r"102 is not among the guests that are open to the connection pct \(exec of p\)"),
        (OPEN, "pct", "lxc/199", "199 is not among"),
        (OPEN, "pct", "lxc/300", "300 is not among"),
        (OPEN | {"actors": {"allow": ["os:bob"]}}, "pct", "lxc/101", "os:alice may not change anything"),
        (
            OPEN | {"protect": {"vmids": ["100-110"], "from": "any"}},
            *("pct", "lxc/101", r"protected by id 100-110 \(protect.vmids of p\)"),
        ),
        (
            OPEN | {"protect": {"tags": ["prod"], "from": "any"}},
            *("pct", "lxc/101", "whether it is protected by tag 'prod' .* cannot be told here"),
        ),
        (OPEN | {"max_risk": "low"}, "pct", "lxc/101", r"the risk of any command is medium: .* \(max_risk of p\)"),
        (OPEN | {"approval": "all"}, "qga", "qemu/101", r"a command cannot be approved before \(approval of p\)"),
        (OPEN | {"plan": "required"}, "qga", "qemu/101", r"commands are in none \(plan of p\)"),
    ],
)
def test_everything_else_is_refused(said: dict[str, Any], how: str, target: str, says: str) -> None:
    with pytest.raises(Refused, match=says) as caught:
        allowed.check(policy(**said), how, target, ALICE)
    assert str(caught.value).startswith(("No command may be run in", "os:alice may not"))


@pytest.mark.parametrize(
    "said",
    [
        {"protect": {"vmids": [101]}},  # from what destroys: a command is not known to
        {"protect": {"vmids": [102], "from": "any"}},
        {"protect": {"storages": ["local"], "from": "any"}},
        {"approval": "destructive", "max_risk": "medium"},
        {"actors": {"allow": ["os:alice"]}},
    ],
)
def test_what_does_not_speak_of_commands_is_in_no_ones_way(said: dict[str, Any]) -> None:
    allowed.check(policy(**OPEN, **said), "pct", "lxc/101", ALICE)
