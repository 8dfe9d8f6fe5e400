# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot before a change that the environment asks for: previewed, done, and refused where it cannot be."""

from typing import Any

from tests.integration.guests.conftest import Stage

GROWN: dict[str, Any] = {"vmid": 200, "rootfs": {"size": "6G"}}
SEED = {
    "guests": {
        200: {
            "kind": "lxc",
            "node": "pve1",
            "config": {"hostname": "web", "arch": "amd64", "rootfs": "local-zfs:subvol-200-disk-0,size=4G"},
            "disks": {"local-zfs:subvol-200-disk-0": 4 << 30},
        }
    }
}


def test_the_environment_asks_for_an_undo_point(stage: Stage) -> None:
    stage.lab.app.seed = SEED
    stage.lab.reset()
    tasks = (("lxc", GROWN), ("lxc", {"vmid": 200, "state": "absent", "snapshot_before": "never"}))
    keywords = {"environment": {"STEWARD_SNAPSHOT_BEFORE": "risky"}, "ignore_errors": True}

    def played(name: str, *arguments: str) -> list[dict[str, Any]]:
        run = stage.site.play(stage.file(name, *tasks, **keywords), *arguments, name=name)
        assert run.status == 0, run.output
        return stage.results(name)

    foreseen, done = played("preview", "--check"), played("real")
    assert [step["op"] for step in done[0]["plan"]["steps"]] == ["snapshot", "resize"]
    assert done[0]["plan"]["digest"] == foreseen[0]["plan"]["digest"]
    guest = stage.lab.state.guests[200]
    name = done[0]["plan"]["steps"][0]["data"]["snapname"]
    assert (list(guest.snapshots), guest.config["rootfs"][-7:]) == ([name], "size=6G")
    for result in (foreseen[1], done[1]):
        assert "snapshot_before is risky (said by STEWARD_SNAPSHOT_BEFORE)" in result["msg"]
