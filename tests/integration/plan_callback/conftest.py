# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-playbook against a lab, with the plan callback enabled."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab

BIN = Path(sys.executable).parent
TIME_LIMIT = 300
GUEST = {
    "hostname": "web",
    "cores": 2,
    "memory": 512,
    "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp",
    "rootfs": "local-zfs:subvol-200-disk-0,size=4G",
}


@dataclass
class Done:
    status: int
    output: str

    @property
    def shown(self) -> list[str]:
        """The lines of the report, without the banner."""
        _before, banner, report = self.output.partition("STEWARD PLAN")
        return report.splitlines()[1:] if banner else []


@dataclass
class Site:
    """A folder with a playbook, and the lab that it works on."""

    folder: Path
    lab: Lab
    callbacks: str = "steward.proxmox.plan"
    configuration: str = ""

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "plan.json").read_text()))

    @property
    def markdown(self) -> str:
        return (self.folder / "plan.md").read_text()

    @property
    def text(self) -> str:
        """Everything that both files hold."""
        return (self.folder / "plan.json").read_text() + self.markdown

    def play(
        self,
        *tasks: dict[str, Any],
        check: bool = True,
        who: str = "admin",
        hosts: str = "one,",
        files: bool = True,
        environment: dict[str, str] | None = None,
        **play: Any,
    ) -> Done:
        defaults = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": list(tasks)}
        (self.folder / "play.yml").write_text(yaml.safe_dump([defaults | play]))
        (self.folder / "ansible.cfg").write_text(
            f"[defaults]\ncallbacks_enabled = {self.callbacks}\n{self.configuration}"
        )
        command = [str(BIN / "ansible-playbook"), "-i", hosts, "--forks=4", "play.yml", *(["--check"] if check else [])]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(who, files) | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    def _environment(self, who: str, files: bool) -> dict[str, str]:
        unwanted = ("ANSIBLE_", "STEWARD_", "PROXMOX_", "REQUESTS_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        credential = self.lab.credentials[who]
        names = {name: f"PROXMOX_{name.removeprefix('api_').upper()}" for name in credential}
        reports = {name: str(self.folder / f"plan.{end}") for name, end in (("JSON", "json"), ("MARKDOWN", "md"))}
        return {
            **kept,
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "PROXMOX_HOST": self.lab.host,
            "PROXMOX_PORT": str(self.lab.port),
            "PROXMOX_CA_PATH": self.lab.ca_path,
            **{names[name]: value for name, value in credential.items()},
            **({f"STEWARD_PLAN_{name}": path for name, path in reports.items()} if files else {}),
        }


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    guest = {"kind": "lxc", "node": "pve1", "running": True, "config": GUEST}
    disks = {"local-zfs:subvol-200-disk-0": 4 << 30}
    with Lab(seed={"guests": {200: {**guest, "disks": disks}}}) as lab:
        yield lab


@pytest.fixture
def site(tmp_path: Path, lab: Lab) -> Site:
    lab.reset()
    return Site(tmp_path, lab)
