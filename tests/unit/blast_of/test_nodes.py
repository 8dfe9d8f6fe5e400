# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All guests of a node at once: which start, stop or move, and what they have that cannot move along."""

from __future__ import annotations

import pytest

from tests.unit.blast_of.cluster import IDLE, REFUSALS, VM, level, seen, touched, why


@pytest.mark.parametrize("call", ["stopall", "suspendall"])
def test_the_guests_that_run_are_named(call: str) -> None:
    blast = touched("post", f"/nodes/pve1/{call}")
    assert seen(blast) == {"guests": ["qemu/101"], "nodes": ["pve1"]}
    assert (level(blast), why(blast)) == ("high", ["1 guest(s) of node pve1 stop running: qemu/101"])
    assert level(touched("post", "/nodes/pve2/stopall")) == "low", "nothing runs there"


def test_only_those_that_are_asked_for_count() -> None:
    assert touched("post", "/nodes/pve1/stopall", {"vms": "103"}).guests == set()
    assert touched("post", "/nodes/pve1/stopall", {"vms": "101;103"}).guests == {"qemu/101"}


def test_guests_start_that_are_to_start_with_their_node() -> None:
    blast = touched("post", "/nodes/pve1/startall")
    assert (level(blast), seen(blast)["guests"]) == ("medium", ["lxc/103"])
    assert touched("post", "/nodes/pve2/startall").guests == set()
    assert touched("post", "/nodes/pve2/startall", {"force": 1}).guests == {"lxc/102"}


def test_moving_everything_tells_what_lies_on_local_storages() -> None:
    blast = touched("post", "/nodes/pve1/migrateall", {"target": "pve2"})
    assert seen(blast) == {"guests": ["lxc/103", "qemu/101"], "nodes": ["pve1", "pve2"], "storages": ["zfs"]}
    assert "lxc/103 has volumes on zfs, which are not known to be shared" in why(blast)
    assert not any("qemu/101 has volumes" in reason for reason in why(blast))
    assert level(blast) == "high"


@pytest.mark.parametrize(
    ("command", "text"), [("reboot", "node pve1 restarts"), ("shutdown", "node pve1 is shut down")]
)
def test_a_node_takes_its_guests_with_it(command: str, text: str) -> None:
    blast = touched("post", "/nodes/pve1/status", {"command": command})
    assert (level(blast), seen(blast)["guests"], why(blast)[0]) == ("high", ["qemu/101"], text)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(
    ("call", "path", "unknown"),
    [
        ("pve2/stopall", "/cluster/resources?type=vm", "guests of the cluster"),
        ("pve1/startall", "/cluster/resources?type=vm", "guests of the cluster"),
        ("pve1/startall", f"{IDLE}/pending", "configuration of lxc/103"),
        ("pve1/migrateall", f"{VM}/pending", "configuration of qemu/101"),
        ("pve1/migrateall", "/storage", "storages"),
        ("pve1/status", "/cluster/resources?type=vm", "guests of the cluster"),
    ],
)
def test_a_refused_read_is_unknown_and_the_highest_risk(call: str, path: str, unknown: str, refusal: Exception) -> None:
    blast = touched("post", f"/nodes/{call}", {"target": "pve2"}, None, {path: refusal})
    assert unknown in blast.unseen
    assert level(blast) == "high"
