# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls on one guest by path: which guest, its live state, how bad; and the paths that stay unknown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._api import API
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._blast_of.paths import tell

from tests.unit.blast_of.cluster import ANSWERS, CT, REFUSALS, VM, level, rows, seen, touched, why
from tests.unit.engine.fakes import world_of

RUNS: dict[str, Any] = {f"{VM}/status/current": {"status": "running", "ha": {"managed": 0}}}
CALLS = [
    ("post", "status/start", "low"),
    ("post", "status/shutdown", "medium"),
    ("post", "status/stop", "high"),
    ("post", "status/reset", "high"),
    ("put", "config", "medium"),
    ("post", "template", "high"),
    ("post", "snapshot", "low"),
    ("delete", "snapshot/s1", "medium"),
    ("post", "snapshot/s1/rollback", "high"),
    ("post", "agent/exec", "high"),
    ("put", "unlink", "high"),
]


@pytest.mark.parametrize(("method", "below", "risk"), CALLS)
def test_a_call_names_its_guest_and_the_live_state(method: str, below: str, risk: str) -> None:
    blast = touched(method, f"{VM}/{below}", {}, {}, RUNS)
    assert seen(blast) == {"guests": ["qemu/101"], "nodes": ["pve1"]}
    assert (level(blast), why(blast)[0]) == (risk, "qemu/101 is running")


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_live_state_that_cannot_be_read_is_unknown_and_the_highest_risk(refusal: Exception) -> None:
    blast = touched("post", f"{VM}/status/start", {}, {}, {f"{VM}/status/current": refusal})
    assert (blast.unseen, level(blast)) == (["live state of qemu/101"], "high")


def test_where_it_goes_is_named_and_what_is_destroyed_with_it() -> None:
    moved = touched("post", f"{VM}/migrate", {"target": "pve2"}, {}, RUNS)
    assert seen(moved)["nodes"] == ["pve1", "pve2"]
    disk = touched("post", f"{VM}/move_disk", {"disk": "scsi0", "storage": "nas"}, {}, RUNS)
    assert seen(disk)["storages"] == ["nas"]
    assert level(touched("put", f"{VM}/config", {"delete": "scsi1", "force": 1}, {}, RUNS)) == "high"


GONE: dict[str, Any] = {
    **RUNS,
    "/access/acl": [{"path": "/vms/101", "type": "user", "ugid": "bob@pve", "roleid": "R", "propagate": 1}],
    "/nodes/pve1/storage": [],
    "/cluster/backup": [{"id": "nightly", "vmid": "101"}],
    f"{VM}/firewall/refs": [],
    "/nodes/pve1/storage/nas/content?content=images": [],
}


def test_destroying_tells_what_hangs_on_the_guest() -> None:
    blast = touched("delete", VM, {}, {}, GONE)
    assert seen(blast)["guests"] == ["qemu/101"]
    assert {"snapshot qemu/101@s1", "backup job nightly"} <= blast.others
    assert "it has 1 snapshots, 1 permissions, 1 backup jobs that name it" in why(blast)
    assert "no backup of it could be seen on the storages of node pve1" in why(blast)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("path", [f"{VM}/pending", f"{VM}/snapshot", "/cluster/backup", "/nodes/pve1/storage"])
def test_what_hangs_on_it_and_cannot_be_read_is_unknown(path: str, refusal: Exception) -> None:
    assert touched("delete", VM, {}, {}, {**GONE, path: refusal}).unseen


def test_a_restore_over_a_guest_is_a_high_risk_and_a_birth_is_not() -> None:
    archive = {"archive": "nas:backup/vzdump-qemu-101.vma", "storage": "local"}
    over = touched("post", "/nodes/pve1/qemu", {"vmid": 101, "force": 1, **archive})
    assert (level(over), seen(over)["storages"]) == ("high", ["local", "nas"])
    assert why(over) == ["qemu/101 is there: everything in it is overwritten"]
    new = touched("post", "/nodes/pve1/qemu", {"vmid": 109, "force": 1, **archive})
    assert (level(new), seen(new)["guests"]) == ("medium", ["qemu/109"])
    unseen = {"/cluster/resources?type=vm": REFUSALS[0]}
    assert level(touched("post", "/nodes/pve1/qemu", {"vmid": 109}, None, unseen)) == "high"


def test_a_backup_names_the_guests_that_it_chooses() -> None:
    assert touched("post", "/nodes/pve1/vzdump", {"vmid": "101", "storage": "nas"}).guests == {"qemu/101"}
    every = touched("post", "/nodes/pve1/vzdump", {"all": 1, "exclude": "101", "mode": "stop"})
    assert (every.guests, level(every)) == ({"lxc/103"}, "medium")
    assert seen(every)["nodes"] == ["pve1"]


VOLUME = "/nodes/pve1/storage/nas/content/nas:101/vm-101-disk-0.qcow2"


def test_a_volume_that_a_configuration_or_a_snapshot_names_is_in_use() -> None:
    blast = touched("delete", VOLUME)
    assert seen(blast)["guests"] == ["qemu/101"]
    assert "qemu/101 has it as scsi0, scsi0 of snapshot s1, and it is running" in why(blast)
    assert level(blast) == "high"
    saved = touched("delete", "/nodes/pve1/storage/local/content/101%2Fvm-101-state-s1.raw")
    assert "qemu/101 has it as vmstate of snapshot s1, and it is running" in why(saved)
    free = touched("delete", "/nodes/pve1/storage/nas/content/nas:101/vm-101-disk-0.qcow")
    assert (level(free), seen(free).get("guests")) == ("medium", None)


def test_a_volume_that_waits_for_a_restart_is_in_use() -> None:
    waits = {f"{CT}/pending": rows({"rootfs": "local:102/vm-102-disk-0.raw"}, mp0="local:102/vm-102-disk-1.raw,mp=/x")}
    blast = touched("delete", "/nodes/pve2/storage/local/content/local:102/vm-102-disk-1.raw", changed=waits)
    assert "lxc/102 has it as mp0" in why(blast)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(
    "path", ["/cluster/resources?type=vm", f"{CT}/pending", f"{CT}/snapshot", f"{VM}/snapshot/s1/config"]
)
def test_whether_a_volume_is_in_use_is_unknown_where_a_configuration_cannot_be_read(
    path: str, refusal: Exception
) -> None:
    free = "/nodes/pve1/storage/nas/content/nas:101/vm-101-disk-9.qcow2"
    assert level(touched("delete", free)) == "medium"
    assert level(touched("delete", free, changed={path: refusal})) == "high"


# -- what is not known -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "/cluster/options"),
        ("post", f"{VM}/monitor"),
        ("delete", f"{VM}/config"),
        ("post", "/nodes/pve1/qemu/101x/status/stop"),
        ("put", "/storage"),
    ],
)
def test_other_paths_stay_unknown(method: str, path: str) -> None:
    assert not tell(world_of(ANSWERS), Blast(), method, path, {}, {})


def test_the_module_says_so() -> None:
    def planned(path: str) -> dict[str, Any]:
        options = {"path": path, "method": "post", "data": {"a": "b"}, "secrets": {"s": "x"}}
        plan = API.plan(options, world_of({**ANSWERS, **RUNS}))
        return {"blast": plan.blast.public(), "risk": plan.blast.risk(True)["level"]}

    assert planned("/cluster/jobs/x") == {"blast": {"complete": False}, "risk": "high"}
    shown = {"guests": ["qemu/101"], "nodes": ["pve1"], "complete": True}
    assert planned(f"{VM}/status/shutdown") == {"blast": shown, "risk": "medium"}
