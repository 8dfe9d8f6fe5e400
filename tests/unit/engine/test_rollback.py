# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollback takes away is said before it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, PermissionDenied, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import to_rows
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan, compute_digest
from ansible_collections.steward.proxmox.plugins.module_utils._policy import POLICY
from ansible_collections.steward.proxmox.plugins.module_utils._snapshot import plan_snapshot
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.settings import policy_of

from tests.unit.engine.fakes import world_of

HERE = "/nodes/pve1/qemu/100"
NOW = {"name": "web", "cores": 4, "memory": "2048", "parent": "s3", "digest": "d1", "description": "notes"}
THEN = {"name": "web", "cores": 2, "memory": "2048", "snaptime": 1_700_000_000, "digest": "d1"}
ROWS: list[dict[str, Any]] = [
    {"name": "s1", "snaptime": 1_700_000_000},
    {"name": "s2", "parent": "s1", "snaptime": 1_700_000_100},
    {"name": "s3", "parent": "s2", "snaptime": 1_700_000_200},
    {"name": "current", "parent": "s3"},
]
OPTIONS: dict[str, Any] = {"vmid": 100, "node": "pve1", "snapshot": "s1", "state": "rolled_back", "start": False}


def roll_back(changed: Mapping[str, Any] | None = None, power: str = "stopped", **options: Any) -> Plan:
    answers: dict[str, Any] = {
        "/cluster/resources?type=vm": [{"type": "qemu", "vmid": 100, "node": "pve1", "name": "web"}],
        "/cluster/replication": [],
        "/nodes": [{"node": "pve1", "status": "online"}],
        "/cluster/status": [{"type": "node", "name": "pve1", "online": 1}],
        f"{HERE}/pending": to_rows(NOW),
        f"{HERE}/status/current": {"vmid": 100, "status": power, "ha": {"managed": 0}},
        f"{HERE}/snapshot": ROWS,
        f"{HERE}/snapshot/s1/config": THEN,
        f"{HERE}/snapshot/s3/config": THEN,
    }
    world = world_of({**answers, **(changed or {})}, identity="root@pam", is_root=True)
    return plan_snapshot({**OPTIONS, **options}, world)


def reasons(plan: Plan) -> list[str]:
    return list(plan.blast.risk(changes=True)["reasons"])


def test_data_configuration_and_later_snapshots() -> None:
    plan = roll_back()
    assert reasons(plan) == [
        "everything written since snapshot s1 of 2023-11-14 22:13 UTC is lost",
        "the configuration goes back as well: cores",
        "later snapshots may be in the way or lost: s2, s3",
    ]
    assert plan.blast.risk(changes=True)["level"] == "high"
    assert plan.public()["blast_radius"] == {
        "guests": ["qemu/100"],
        "nodes": ["pve1"],
        "others": ["snapshot qemu/100@s2", "snapshot qemu/100@s3"],
        "complete": True,
    }
    assert plan.undo.why.startswith("the state before the rollback is not kept")


def test_of_the_newest_snapshot_there_are_no_later_ones() -> None:
    assert not any("later snapshots" in why for why in reasons(roll_back(snapshot="s3")))


def test_a_running_guest_is_stopped_and_stays_so_unless_started() -> None:
    assert "qemu/100 is running and will be stopped, and stays so" in reasons(roll_back(power="running"))
    assert "qemu/100 is running and will be stopped" in reasons(roll_back(power="running", start=True))
    assert not any("stopped" in why for why in reasons(roll_back()))


def test_a_hibernated_guest_is_refused_before_the_task_fails() -> None:
    status = {"vmid": 100, "status": "stopped", "lock": "suspended", "ha": {"managed": 0}}
    with pytest.raises(Refused, match=r"is hibernated.*Start it first"):
        roll_back({f"{HERE}/status/current": status})


def test_a_snapshot_with_memory_leaves_the_guest_running() -> None:
    rows = [{**ROWS[0], "vmstate": 1}, *ROWS[1:]]
    plan = roll_back({f"{HERE}/snapshot": rows})
    assert "qemu/100 runs afterwards, with its memory as it was in snapshot s1" in reasons(plan)
    powered = [effect.value for effect in plan.effects if effect.at == f"{HERE}/status/current"]
    assert powered == [{"status": "running"}]


def test_what_was_replicated_is_named() -> None:
    plan = roll_back({"/cluster/replication": [{"id": "100-0", "guest": 100}, {"id": "7-0", "guest": 7}]})
    assert "what 100-0 has replicated is dropped where it is newer than the snapshot" in reasons(plan)
    assert "replication job 100-0" in plan.blast.others
    assert "replication job 7-0" not in plan.blast.others


def test_replication_that_cannot_be_read_is_unknown() -> None:
    plan = roll_back({"/cluster/replication": PermissionDenied("no", status=403)})
    assert plan.blast.unseen == ["replication jobs of qemu/100"]


def test_the_time_of_the_snapshot_is_no_part_of_the_digest() -> None:
    later = [{**row, "snaptime": 1_800_000_000} if "snaptime" in row else row for row in ROWS]
    assert compute_digest(roll_back(), {}, {}) == compute_digest(roll_back({f"{HERE}/snapshot": later}), {}, {})


def test_a_rollback_to_more_than_the_limit_is_refused() -> None:
    limited: dict[str, Any] = {POLICY: policy_of({"PROXMOX_MAX_CPU": "8"}, []).export()}
    huge = {f"{HERE}/snapshot/s1/config": {**THEN, "cores": 9}}
    with pytest.raises(Refused, match=r"number of cores would be 9, and the limit is 8 \(PROXMOX_MAX_CPU\)"):
        roll_back(huge, **limited)
    assert roll_back(**limited).changed


def test_a_snapshot_that_does_not_exist_is_no_task() -> None:
    """Proxmox answers 200, and the task fails."""
    with pytest.raises(BadInput, match=r"has no snapshot 's9'; it has: s1, s2, s3"):
        roll_back(snapshot="s9")
