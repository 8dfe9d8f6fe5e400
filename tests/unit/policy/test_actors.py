# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may change anything: those whom the policy names, as far as it is known who they are."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import actors
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.actor import actor

ME = pwd.getpwuid(os.getuid()).pw_name
AWX = {"AWX_PRIVATE_DATA_DIR": "/runner", "JOB_ID": "7"}
NIGHTLY = {"awx_job_launch_type": "scheduled", "awx_schedule_id": 3, "awx_schedule_name": "nightly"}
BY_ALICE = {"awx_job_launch_type": "manual", "awx_user_name": "alice"}

#: allowed, environment, extra vars, why it is refused ("" = it is not)
CASES: dict[str, tuple[list[str], dict[str, str], dict[str, Any], str]] = {
    "OS user": ([f"os:{ME}"], {}, {}, ""),
    "another OS user": (["os:nobody-at-all"], {}, {}, f"os:{ME} may not change anything"),
    "nobody": ([], {}, {}, f"os:{ME} may not"),
    "an OS user is no AWX user": ([f"awx:{ME}", f"env:{ME}"], {}, {}, f"os:{ME} may not"),
    "extra vars make no AWX job": (["awx:alice"], {}, BY_ALICE, f"os:{ME} may not"),
    "named by the environment": (["env:ci"], {"STEWARD_ACTOR": "ci"}, {}, ""),
    "a name is not the user": ([f"os:{ME}"], {"STEWARD_ACTOR": "ci"}, {}, "env:ci may not"),
    "AWX user": (["awx:alice"], AWX, BY_ALICE, ""),
    "another AWX user": (["awx:bob"], AWX, BY_ALICE, "awx:alice may not"),
    "an AWX user is no OS user": (["os:alice", f"os:{ME}"], AWX, BY_ALICE, "awx:alice may not"),
    "in the team": (["awx_team:ops"], AWX, BY_ALICE, ""),
    "not in the team": (["awx_team:ops"], AWX, {**BY_ALICE, "awx_user_name": "carol"}, "awx:carol may not"),
    "a schedule": (["awx:alice"], AWX, NIGHTLY, "awx_schedule:nightly may not"),
    "a schedule with a survey": (["awx:alice"], AWX, {**NIGHTLY, "awx_user_name": "alice"}, "awx_schedule:nightly may"),
    "a schedule that is allowed": (["awx_schedule:nightly"], AWX, NIGHTLY, ""),
    "another schedule": (["awx_schedule:weekly"], AWX, NIGHTLY, "awx_schedule:nightly may not"),
    "a schedule that a survey names": (
        ["awx_schedule:nightly"],
        AWX,
        {**NIGHTLY, "awx_job_launch_type": "webhook"},
        r"Nobody is known .* \(launched: webhook\)",
    ),
    "a job without facts": (["awx:alice", "awx:None"], AWX, {}, r"Nobody is known .* \(launched: in some other way\)"),
}


@pytest.mark.parametrize(("allowed", "environment", "extra_vars", "told"), CASES.values(), ids=CASES)
def test_who_may(
    allowed: list[str],
    environment: dict[str, str],
    extra_vars: dict[str, Any],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given = {"actors": {"allow": allowed, "teams": {"ops": ["alice", "bob"]}}}
    policy = Policy.of(given, lambda key: f"{key} in /etc/policy.yml")
    if not told:
        actors.check(policy, actor(extra_vars))
        return
    with pytest.raises(Refused, match=f"{told}.*actors in /etc/policy.yml.*Nothing was sent"):
        actors.check(policy, actor(extra_vars))


def test_where_nobody_is_named_everybody_may(monkeypatch: pytest.MonkeyPatch) -> None:
    actors.check(Policy(), actor({}))
    for name, value in AWX.items():
        monkeypatch.setenv(name, value)
    actors.check(Policy(), actor({}))
