# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people do with virtual machines, as playbooks: previewed, done, done again."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.integration.guests.conftest import IMAGE, Stage

MACHINE: dict[str, Any] = {
    "vmid": 101,
    "node": "pve1",
    "name": "web",
    "state": "started",
    "source": {"image": {"volid": IMAGE}},
    "cores": 2,
    "memory": 2048,
    "agent": {"enabled": True},
    "net": [{"slot": "net0", "bridge": "vmbr0", "tag": 5, "firewall": True}],
    "disks": [{"slot": "scsi0", "storage": "local-zfs", "size": "8G", "discard": "on"}],
    "cloud_init": {
        "storage": "local-zfs",
        "user": "admin",
        "password": "never-to-be-seen",
        "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"],
        "ip": [{"slot": "ipconfig0", "ip": "192.0.2.50/24", "gw": "192.0.2.1"}],
    },
    "tags": ["web"],
}


def made(stage: Stage, **more: Any) -> dict[str, Any]:
    """The machine, for real; returns its configuration."""
    result = stage.play("make", ("vm", MACHINE | more)).results[0]
    assert not result.get("failed"), result["msg"]
    config: dict[str, Any] = result["config"]
    return config


def test_from_a_cloud_image_to_a_running_machine_in_one_task(stage: Stage) -> None:
    task = ("vm", {**MACHINE, "wait_for": {"ip": "ipv4", "timeout": 120}})
    preview = stage.play("preview", task, arguments=("--check", "--diff"))
    assert preview.writes == []
    real = stage.play("real", task)
    assert real.run.status == 0, real.run.output
    shown, done = preview.results[0], real.results[0]
    assert [step["op"] for step in shown["plan"]["steps"]] == [step["op"] for step in done["plan"]["steps"]]
    assert shown["plan"]["digest"] == done["plan"]["digest"]
    guest = stage.lab.state.guests[101]
    assert guest.running
    assert guest.config["scsi0"].endswith("size=8G")
    assert done["ansible_host"] == "192.0.2.50"
    again = stage.play("again", task)
    assert (again.run.changed, again.writes) == (0, [])
    assert again.results[0]["ansible_host"] == "192.0.2.50"
    assert "never-to-be-seen" not in real.run.output + json.dumps(real.results)


def test_a_clone_by_name_is_one_machine_however_often_it_runs(stage: Stage) -> None:
    made(stage, state="template")
    task = ("vm", {"name": "copy", "node": "pve1", "source": {"clone": {"name": "web"}}, "memory": 4096})
    first, second = stage.play("clone", task), stage.play("clone-again", task)
    assert (first.run.changed, second.run.changed) == (1, 0)
    copies = [guest for guest in stage.lab.state.guests.values() if guest.config.get("name") == "copy"]
    assert len(copies) == 1
    assert first.results[0]["vmid"] == second.results[0]["vmid"] == copies[0].vmid != 101
    assert str(copies[0].config["memory"]) == "4096"
    assert "BC:24:11" in copies[0].config["net0"]
    assert copies[0].config["net0"] != stage.lab.state.guests[101].config["net0"]


def test_a_change_of_memory_is_previewed_and_done(stage: Stage) -> None:
    made(stage)
    task = ("vm", {"vmid": 101, "node": "pve1", "memory": 4096})
    preview = stage.play("preview", task, arguments=("--check", "--diff"))
    assert preview.writes == []
    plan = preview.results[0]["plan"]
    assert [step["data"] for step in plan["steps"]] == [{"memory": "4096"}]
    assert plan["state"]["pending"] == ["memory"]
    real = stage.play("real", task)
    assert real.results[0]["plan"]["digest"] == plan["digest"]
    assert real.results[0]["pending"] == ["memory"]
    rebooted = stage.play("reboot", ("vm", {"vmid": 101, "node": "pve1", "memory": 4096, "reboot_if_pending": True}))
    assert [step["op"] for step in rebooted.results[0]["plan"]["steps"]] == ["reboot"]
    assert rebooted.results[0]["pending"] == []
    assert stage.lab.state.guests[101].running


def test_another_vlan_keeps_the_mac_and_the_rest(stage: Stage) -> None:
    before = made(stage)["net0"]
    result = stage.play("tag", ("vm", {"vmid": 101, "node": "pve1", "net": [{"slot": "net0", "tag": 7}]})).results[0]
    assert result["config"]["net0"] == before.replace("tag=5", "tag=7")


def test_a_disk_grows(stage: Stage) -> None:
    made(stage)
    task = ("vm", {"vmid": 101, "node": "pve1", "disks": [{"slot": "scsi0", "size": "12G"}]})
    first, second = stage.play("grow", task), stage.play("grow-again", task)
    assert [step["op"] for step in first.results[0]["plan"]["steps"]] == ["resize"]
    assert first.results[0]["config"]["scsi0"].endswith("size=12G")
    assert second.run.changed == 0


def test_a_disk_does_not_shrink(stage: Stage) -> None:
    made(stage)
    for arguments in (("--check",), ()):
        task = ("vm", {"vmid": 101, "node": "pve1", "disks": [{"slot": "scsi0", "size": "4G"}]})
        played = stage.play("shrink", task, arguments=arguments)
        assert played.results[0]["failed"]
        assert "scsi0.size: it is 8G and the task wants 4G: a volume cannot shrink" in played.results[0]["msg"]
        assert played.writes == []


def test_a_running_machine_is_not_destroyed_unless_forced(stage: Stage) -> None:
    made(stage)
    absent = {"vmid": 101, "node": "pve1", "state": "absent"}
    refused = stage.play("absent", ("vm", absent))
    assert "qemu/101 is running" in refused.results[0]["msg"]
    assert refused.writes == []
    assert 101 in stage.lab.state.guests
    forced = stage.play("force", ("vm", {**absent, "force": True}), ("vm", absent))
    assert [result["changed"] for result in forced.results] == [True, False]
    assert 101 not in stage.lab.state.guests


@pytest.mark.parametrize("named", [True, False], ids=["the same name", "two names"])
def test_two_plays_at_once(stage: Stage, named: bool) -> None:
    """The same name is one machine; two names are two machines with two ids."""
    plays: list[subprocess.Popen[str]] = []
    for name in ("web", "web" if named else "db"):
        options = {"name": name, "node": "pve1", "memory": 512}
        path = stage.file(f"play-{len(plays)}", ("vm", options))
        plays.append(
            subprocess.Popen(
                [sys.executable, "-m", "ansible", "playbook", str(path)],
                cwd=stage.site.folder,
                env=stage.site.environment("admin"),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [process.communicate(timeout=300)[0] for process in plays]
    assert [process.returncode for process in plays] == [0, 0], outputs
    results = [stage.results(f"play-{number}")[0] for number in range(2)]
    machines = {vmid: guest.config["name"] for vmid, guest in stage.lab.state.guests.items()}
    assert sorted(machines.values()) == (["web"] if named else ["db", "web"])
    assert {result["vmid"] for result in results} == set(machines)
    assert sorted(result["changed"] for result in results) == ([False, True] if named else [True, True])


def test_a_loop_over_thirty_machines(stage: Stage) -> None:
    made(stage, vmid=9000, name="base", state="template")
    tasks = [
        {
            "name": "Thirty machines",
            "steward.proxmox.vm": {
                "name": "node-{{ item }}",
                "node": "pve1",
                "source": {"clone": {"vmid": 9000, "full": False}},
                "cores": 1,
            },
            "loop": "{{ range(30) | list }}",
        }
    ]
    first, second = stage.play_tasks("thirty", tasks), stage.play_tasks("thirty-again", tasks)
    assert (first.status, first.changed) == (0, 1), first.output
    names = sorted(guest.config["name"] for guest in stage.lab.state.guests.values())
    assert names == sorted(["base", *(f"node-{number}" for number in range(30))])
    assert (second.changed, second.writes) == (0, [])
