# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One machine for all tests, and plays on it as a user who has the collection's rules of sudoers and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._host import sudo

from . import image
from .machine import Machine

ROOT = Path(__file__).resolve().parents[2]
USER = "ansible"
SIZE = 64 << 20
LOCALHOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    with image.machine(image.made()) as started:
        rules = "\n".join(sudo.rules(USER)) + "\n"
        started.run("install -m 440 /dev/stdin /etc/sudoers.d/steward-proxmox && visudo -c", stdin=rules)
        yield started


@dataclass(frozen=True)
class Play:
    """Runs tasks of `privileged_host` with ansible-playbook, over ssh, and returns what they returned."""

    machine: Machine
    place: Path

    def __call__(self, *tasks: dict[str, Any], check: bool = False) -> list[dict[str, Any]]:
        kept, book, hosts = (self.place / name for name in ("kept.json", "play.json", "hosts.json"))
        results = [f"result{number}" for number in range(len(tasks))]
        steps: list[dict[str, Any]] = [
            {"steward.proxmox.privileged_host": {**task, "node": "pve1"}, "register": result, "ignore_errors": True}
            for task, result in zip(tasks, results, strict=True)
        ]
        copy = {"content": f"{{{{ [{', '.join(results)}] | to_json }}}}", "dest": str(kept), "mode": "0600"}
        steps.append({"ansible.builtin.copy": copy, "delegate_to": "localhost", "check_mode": False})
        book.write_text(json.dumps([{"hosts": "node", "gather_facts": False, "tasks": steps}]))
        hosts.write_text(json.dumps({"all": {"hosts": {"node": self._variables(), "localhost": LOCALHOST}}}))
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", hosts, book, *(["--check"] if check else [])],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_SSH_ARGS": " ".join(self.machine.ssh_options), "ANSIBLE_HOME": str(self.place)},
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        returned: list[dict[str, Any]] = json.loads(kept.read_text())
        return returned

    def one(self, check: bool = False, **options: Any) -> dict[str, Any]:
        """The result of a single task, which has not failed."""
        (result,) = self(options, check=check)
        assert not result.get("failed"), result["msg"]
        return result

    def _variables(self) -> dict[str, Any]:
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.machine.port,
            "ansible_user": USER,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_pipelining": True,
        }


@pytest.fixture
def play(machine: Machine, tmp_path: Path) -> Play:
    return Play(machine, tmp_path)


def raw_disk(path: Path) -> Path:
    """Sparse and empty."""
    path.touch()
    os.truncate(path, SIZE)
    return path


@pytest.fixture
def nvme(machine: Machine, tmp_path: Path) -> Iterator[str]:
    """A new NVMe disk: its name for `machine.turn`, and in /dev."""
    machine.plug("nvme0", "nvme", raw_disk(tmp_path / "nvme.raw"), serial="NVME0001", bus="slot0")
    machine.wait_for("test -b /dev/nvme0n1")
    yield "nvme0"
    machine.unplug("nvme0")
    machine.wait_for("test ! -e /dev/nvme0")


class Stick:
    """A USB stick with one file system. On it is the file `letter`."""

    def __init__(self, machine: Machine, disk: Path) -> None:
        self._machine, self._disk, self.uuid, self.device = machine, raw_disk(disk), "", ""
        self._plug()

    def format(self, fstype: str) -> None:
        number = uuid.uuid4()
        fat = f"{number.time_low:08X}"
        self.uuid = f"{fat[:4]}-{fat[4:]}" if fstype == "vfat" else str(number)
        device = self._machine.wait_for("realpath -e /dev/disk/by-id/usb-*STICK0001*").strip()
        makes = f"mkfs.vfat -i {fat}" if fstype == "vfat" else f"mkfs.ext4 -q -U {self.uuid}"
        writes = "echo dear node >/media/letter"
        self._machine.run(f"{makes} {device} && mount {device} /media && {writes} && umount /media")
        self._find()

    def put_in(self) -> None:
        self._plug()
        self._find()

    def _plug(self) -> None:
        self._machine.plug("stick", "usb-storage", self._disk, bus="usb.0", serial="STICK0001", removable=True)

    def _find(self) -> None:
        """It may be another device each time."""
        self.device = self._machine.wait_for(f"realpath -e /dev/disk/by-uuid/{self.uuid}").strip()

    def pull(self) -> None:
        """Whatever is mounted."""
        self._machine.unplug("stick")
        self._machine.wait_for(f"test ! -e /dev/disk/by-uuid/{self.uuid}")

    def copy(self) -> Path:
        """The disk of another one with the same UUID."""
        twin = self._disk.with_name("twin.raw")
        shutil.copyfile(self._disk, twin)
        return twin


@pytest.fixture
def stick(request: pytest.FixtureRequest, machine: Machine, tmp_path: Path) -> Iterator[Stick]:
    """A new stick, plugged in; pulled afterwards, with nothing left of its mounts."""
    fstab = machine.run("cat /etc/fstab")
    made = Stick(machine, tmp_path / "stick.raw")
    try:
        made.format(getattr(request, "param", "ext4"))
        yield made
    finally:
        machine.run("findmnt -rno TARGET | grep ^/mnt/ | xargs -r -n 1 umount; rm -rf /mnt/usb")
        machine.run("rm -f /etc/systemd/system/mnt-*; cat >/etc/fstab && systemctl daemon-reload", stdin=fstab)
        machine.unplug("stick")
