# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `undo`, on the ledger of a real run: previewed, refused where it must be, done, and done once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab

ROOT = Path(__file__).parents[3]
UNDO = ROOT / "playbooks" / "undo.yml"
GUEST = {
    "kind": "lxc",
    "node": "pve1",
    "config": {
        "arch": "amd64",
        "cores": 1,
        "hostname": "web",
        "memory": 512,
        "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth",
        "ostype": "debian",
        "rootfs": "local-zfs:subvol-200-disk-0,size=4G",
        "swap": 512,
        "unprivileged": 1,
    },
    "disks": {"local-zfs:subvol-200-disk-0": 4 << 30},
}
PLAY = """
- name: Changes
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: More of everything
      steward.proxmox.lxc:
        vmid: 200
        node: pve1
        cores: 2
        mounts: [{slot: mp0, storage: local-zfs, size: 1G, mp: /srv}]
    - name: May look
      steward.proxmox.acl:
        path: /vms/200
        type: user
        ugid: root@pam
        roleid: PVEAuditor
    - name: Another one
      steward.proxmox.lxc:
        name: second
        node: pve1
        source: {template: "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"}
        rootfs: {storage: local-zfs, size: 1G}
        net: [{slot: net0, bridge: vmbr0}]
        state: started
"""


class Place:
    """A lab, a folder with a ledger in it, and the playbooks that run there."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.folder, self.lab = folder, lab
        self.ledger = folder / "ledger"
        admin = lab.credentials["root"]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROXMOX_"))},
            "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger, results",
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "parity" / "plugins" / "callback"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "RESULTS": str(folder / "results"),
            "STEWARD_LEDGER_PATH": str(self.ledger),
            "STEWARD_APPROVALS": str(folder / "approvals"),
            "PROXMOX_HOST": lab.host,
            "PROXMOX_PORT": str(lab.port),
            "PROXMOX_CA_PATH": str(lab.ca_path),
            "PROXMOX_USER": admin["api_user"],
            "PROXMOX_PASSWORD": admin["api_password"],
        }

    def play(self, playbook: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
        """The exit status, the result of each task by its name, and the whole output."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)]
        results = Path(self.environment["RESULTS"])
        results.write_text("")
        done = subprocess.run(
            [*command, *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        told = map(json.loads, results.read_text().splitlines())
        return done.returncode, {one["task"]: one["result"] for one in told}, done.stdout

    def undo(self, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
        return self.play(UNDO, *arguments, **environment)

    @property
    def runs(self) -> list[Path]:
        return sorted((self.ledger / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)

    @property
    def picture(self) -> Any:
        state = self.lab.state
        guests = {vmid: dict(guest.config) for vmid, guest in state.guests.items()}
        return json.loads(json.dumps([guests, state.acl, sorted(volume.volid for volume in state.volumes.values())]))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Lab(seed={"guests": {200: GUEST}}) as lab:
        yield Place(tmp_path, lab)


def test_a_run_is_taken_back_once_and_as_it_was(place: Place) -> None:
    playbook, before = place.folder / "play.yml", place.picture
    playbook.write_text(PLAY)
    status, _results, output = place.play(playbook)
    assert status == 0, output
    after = place.picture
    assert after != before
    run = place.runs[0].stem.rpartition("-")[2]

    status, results, output = place.undo("--check", "-e", f"run={run[:8]}")
    assert status == 0, output
    assert [item["plan"]["steps"][-1]["op"] for item in results["Take it back"]["results"]] == [
        "destroy",
        "delete",
        "destroy volume",
    ]
    assert place.picture == after

    status, _results, output = place.undo("-e", "run=last", STEWARD_APPROVAL="destructive")
    assert status != 0
    assert "needs approval" in output
    assert place.picture == after

    status, results, output = place.undo("-e", f"run={run}")
    assert status == 0, output
    assert place.picture == before
    undoes = [
        json.loads(line[65:])["undoes"]
        for line in place.runs[-1].read_bytes().splitlines()
        if b'"type":"intent"' in line
    ]
    assert [one["run"] for one in undoes] == [run] * 3

    status, results, output = place.undo("-e", f"run={run}")
    assert status == 0, output
    again = results["Take it back"]["results"]
    assert not any(item["changed"] for item in again)
    assert {item["undone_by"]["run"] for item in again} == {place.runs[-2].stem.rpartition("-")[2]}


def test_what_cannot_be_taken_back_stops_it_and_a_ledger_that_was_changed_too(place: Place) -> None:
    playbook = place.folder / "play.yml"
    playbook.write_text(PLAY.partition("    - name: May look")[0].replace("mounts:", "rootfs: {size: 6G}\n        #"))
    status, _results, output = place.play(playbook)
    assert status == 0, output
    status, results, output = place.undo("-e", "run=last")
    assert status != 0
    assert results["Tell it"]["msg"][0].endswith("cannot be taken back: a volume does not shrink back (rootfs)")
    assert "-e partial=true takes back the rest" in output
    assert place.lab.state.guests[200].config["cores"] == 2

    file = place.runs[0]
    good, run = file.read_bytes(), file.stem.rpartition("-")[2]
    file.write_bytes(good.replace(b'"cores":1', b'"cores":9'))
    status, results, output = place.undo("-e", f"run={run}", "-e", "partial=true")
    assert status != 0
    assert "The ledger is not what was written" in results["Read what it did"]["msg"]
    assert place.lab.state.guests[200].config["cores"] == 2

    file.write_bytes(good)
    status, _results, output = place.undo("-e", f"run={run}", "-e", "partial=true")
    assert status == 0, output
    assert place.lab.state.guests[200].config["cores"] == 1


GROWTH = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - steward.proxmox.lxc: {vmid: 200, node: pve1, rootfs: {size: 6G}, snapshot_before: risky}
"""
END = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - steward.proxmox.backup: {vmid: 200, storage: local, name: last}
    - steward.proxmox.lxc: {vmid: 200, cores: 3}
    - steward.proxmox.lxc: {vmid: 200, state: absent}
"""


def test_a_growth_and_the_end_of_a_guest_are_taken_back(place: Place) -> None:
    """By the snapshot that was made before, and by the newest backup with the configuration of the end."""
    playbook, before = place.folder / "play.yml", dict(place.lab.state.guests[200].config)
    playbook.write_text(GROWTH)
    assert place.play(playbook)[0] == 0
    assert "size=6G" in place.lab.state.guests[200].config["rootfs"]
    status, _told, output = place.undo("-e", "run=last")
    assert status == 0, output
    assert place.lab.state.guests[200].config["rootfs"] == before["rootfs"]

    playbook.write_text(END)
    assert place.play(playbook)[0] == 0
    assert 200 not in place.lab.state.guests
    status, _told, output = place.undo("-e", "run=last", "-e", "partial=true", "-e", f"op={_last_op(place)}")
    assert status == 0, output
    back = dict(place.lab.state.guests[200].config)
    assert {**back, "parent": ""} == {**before, "cores": 3, "parent": ""}


def _last_op(place: Place) -> str:
    """The last change of the last run."""
    frames = [json.loads(line.partition(" ")[2]) for line in place.runs[-1].read_text().splitlines()]
    return str([frame["op_id"] for frame in frames if frame["type"] == "intent"][-1])
