# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX runs them: ansible-runner starts a project with an ansible.cfg, and turns its output into events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab

BIN = Path(sys.executable).parent
VERIFIER = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "_ledger" / "verify.py"
TIME_LIMIT = 300
#: what AWX sets for every job, in its environment and, after all other variables, on its command line
ENVIRONMENT = {"JOB_ID": "7", "AWX_HOST": "https://awx.example.com", "PROJECT_REVISION": "4f2a", "INVENTORY_ID": "3"}
EXTRA_VARS = {
    "awx_job_id": 7,
    "awx_job_launch_type": "manual",
    "awx_job_template_name": "Grow the web servers",
    "awx_user_name": "alice",
    "awx_project_revision": "4f2a",
}
CONFIGURATION = """
[defaults]
callbacks_enabled = steward.proxmox.ledger, steward.proxmox.plan

[steward_ledger]
path = {folder}/ledger
required = true

[steward_plan]
json = plan.json
"""
GUEST = {
    "kind": "lxc",
    "node": "pve1",
    "running": True,
    "config": {"hostname": "web", "cores": 2, "memory": 512, "rootfs": "local-zfs:subvol-200-disk-0,size=4G"},
    "disks": {"local-zfs:subvol-200-disk-0": 4 << 30},
}


@dataclass
class Job:
    """What ansible-runner leaves of a job."""

    artifacts: Path

    @property
    def status(self) -> str:
        return (self.artifacts / "status").read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        files = [*(self.artifacts / "job_events").glob("*.json")]
        return sorted((json.loads(file.read_text()) for file in files), key=itemgetter("counter"))

    @property
    def output(self) -> str:
        """What its events hold of its output: what AWX has in its database."""
        return "\n".join(event["stdout"].replace("\r\n", "\n") for event in self.events)

    @property
    def stats(self) -> dict[str, Any]:
        (stats,) = [event["event_data"]["artifact_data"] for event in self.events if "_on_stats" in event["event"]]
        return dict(stats)


@dataclass
class Awx:
    """One execution environment, and what it keeps when a job is over."""

    folder: Path
    lab: Lab

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    def job(
        self,
        *tasks: dict[str, Any],
        cmdline: str = "",
        meanwhile: Callable[[subprocess.Popen[str]], None] | None = None,
    ) -> Job:
        """Run a job. What is to happen `meanwhile` happens as soon as it has begun to change something."""
        play = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": list(tasks)}
        environment = {**ENVIRONMENT, "AWX_PRIVATE_DATA_DIR": str(self.folder), **self._credential()}
        files = {
            "project/ansible.cfg": CONFIGURATION.format(folder=self.folder),
            "project/site.yml": yaml.safe_dump([play]),
            "inventory/hosts": "one\n",
            "env/envvars": yaml.safe_dump(environment),
            "env/extravars": yaml.safe_dump(EXTRA_VARS),
            "env/cmdline": cmdline,
            "env/settings": yaml.safe_dump({"pexpect_timeout": 0.2}),  # how often it looks whether it is cancelled
        }
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        command = [str(BIN / "ansible-runner"), "run", str(self.folder), "-p", "site.yml", "-i", "1", "-q"]
        with subprocess.Popen(command, env=_environment(), text=True, start_new_session=True) as runner:
            try:
                if meanwhile:
                    wait(lambda: runner.poll() is not None or any(one["type"] == "intent" for one in self.frames))
                    meanwhile(runner)
                runner.wait(TIME_LIMIT)
            finally:
                runner.kill()
        return Job(self.folder / "artifacts" / "1")

    @property
    def lines(self) -> list[str]:
        """The whole records of the job, each after its hash."""
        files = [file.read_text("ascii") for file in self.ledger.glob("runs/*.jsonl")]
        return [line for text in files for line in text[: text.rfind("\n") + 1].splitlines()]

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(line[65:]) for line in self.lines]

    def verify(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(VERIFIER), str(self.ledger), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)

    def _credential(self) -> dict[str, str]:
        token = self.lab.credentials["admin"]
        names = {name: f"PROXMOX_{name.removeprefix('api_').upper()}" for name in token}
        place = {"HOST": self.lab.host, "PORT": str(self.lab.port), "CA_PATH": self.lab.ca_path}
        return {names[name]: value for name, value in token.items()} | {
            f"PROXMOX_{name}": value for name, value in place.items()
        }


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with Lab(seed={"guests": {200: GUEST}}) as lab:
        yield lab


@pytest.fixture
def awx(tmp_path: Path, lab: Lab) -> Awx:
    lab.reset()
    return Awx(tmp_path, lab)


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIME_LIMIT
    while not until():
        if time.monotonic() > deadline:
            pytest.fail(f"nothing came of it in {TIME_LIMIT} seconds")
        time.sleep(0.05)


def _environment() -> dict[str, str]:
    unwanted = ("ANSIBLE_", "STEWARD_", "PROXMOX_", "REQUESTS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}"}
