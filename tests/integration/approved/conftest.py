# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-playbook under a policy, against a lab of three containers, with ledger, plan file and approvals."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify

from tests.lab import Lab

BIN = Path(sys.executable).parent
TIME_LIMIT = 300
POLICY = {"version": 1, "approval": "destructive", "ledger": "required"}


def lxc(title: str, vmid: int, _task: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return {"name": title, "steward.proxmox.lxc": {"vmid": vmid, **options}} | (_task or {})


def destroy(vmid: int, _task: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return lxc(f"Destroy {vmid}", vmid, _task, state="absent", **options)


@dataclass
class Done:
    """One run: how it ended, what it recorded, and what it sent that is not a read."""

    status: int
    output: str
    frames: list[dict[str, Any]]
    sent: list[tuple[str, str]]

    @property
    def run_id(self) -> str:
        return str(self.frames[0]["run_id"])

    @property
    def refusals(self) -> list[str]:
        return [frame["reasons"][0] for frame in self.frames if frame["type"] == "refused"]

    @property
    def intents(self) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == "intent"]


@dataclass
class Site:
    """A folder with a playbook, a policy, a ledger and approvals, and the lab that it works on."""

    folder: Path
    lab: Lab

    @property
    def plan(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "plan.json").read_text()))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked for, in the order of time."""
        paths = sorted(
            (self.folder / "approvals" / "requests").glob("*.json"), key=lambda path: path.stat().st_mtime_ns
        )
        return [json.loads(path.read_text()) for path in paths]

    def preview(self, *tasks: dict[str, Any], **more: Any) -> Done:
        """As a CI job makes a plan: a file beside the playbook."""
        return self.play(*tasks, arguments=("--check",), files={"STEWARD_PLAN_JSON": "plan.json"}, **more)

    def apply(self, *tasks: dict[str, Any], **more: Any) -> Done:
        """What was planned, and nothing else."""
        return self.play(*tasks, files={"STEWARD_PLAN": "plan.json"}, **more)

    def play(
        self,
        *tasks: dict[str, Any],
        arguments: tuple[str, ...] = (),
        hosts: str = "one,",
        files: dict[str, str] | None = None,
        policy: dict[str, Any] | None = None,
        variables: dict[str, str] | None = None,
        **play: Any,
    ) -> Done:
        defaults = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": list(tasks)}
        self._write("play.yml", yaml.safe_dump([defaults | play]))
        self._write("policy.yml", yaml.safe_dump(POLICY | (policy or {})))
        self._write("ansible.cfg", "[steward]\npolicy = policy.yml\napprovals = approvals\n")
        paths = {name: str(self.folder / file) for name, file in (files or {}).items()}
        before = len(self.lab.writes)
        done = self.run("ansible-playbook", "-i", hosts, "play.yml", *arguments, variables=paths | (variables or {}))
        sent = [(request["method"], request["path"]) for request in self.lab.writes[before:]]
        return Done(done.returncode, done.stdout, self._frames(), sent)

    def run(self, *command: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A command of Ansible, here."""
        return subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env=self._environment() | (variables or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )

    def elsewhere(self) -> "Site":
        """Another machine, to which only the plan is carried."""
        folder = self.folder / "elsewhere"
        folder.mkdir()
        shutil.copy(self.folder / "plan.json", folder)
        return Site(folder, self.lab)

    def verdict(self) -> str:
        return verify.verify(verify.source(self.folder / "ledger")).verdict

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        if not path.exists() or path.read_text() != text:  # another run may be reading it
            path.write_text(text)

    def _frames(self) -> list[dict[str, Any]]:
        """What the newest run recorded."""
        newest = max((self.folder / "ledger" / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        whole, _newline, _begun = newest.read_text().rpartition("\n")  # another run may be writing
        return [json.loads(line.partition(" ")[2]) for line in whole.splitlines()]

    def _environment(self) -> dict[str, str]:
        unwanted = ("ANSIBLE_", "STEWARD_", "PROXMOX_", "REQUESTS_")
        admin = self.lab.credentials["admin"]
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(unwanted)},
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger,steward.proxmox.plan",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "STEWARD_LEDGER_PATH": str(self.folder / "ledger"),
            "PROXMOX_HOST": self.lab.host,
            "PROXMOX_PORT": str(self.lab.port),
            "PROXMOX_CA_PATH": self.lab.ca_path,
            "PROXMOX_TOKEN_ID": admin["api_token_id"],
            "PROXMOX_TOKEN_SECRET": admin["api_token_secret"],
        }


def _container(vmid: int, name: str) -> dict[str, Any]:
    disk = f"local-zfs:subvol-{vmid}-disk-0"
    config = {"hostname": name, "cores": 2, "memory": 512, "rootfs": f"{disk},size=4G"}
    return {"kind": "lxc", "node": "pve1", "config": config, "disks": {disk: 4 << 30}}


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    names = {200: "web", 201: "old", 202: "cache"}
    with Lab(seed={"guests": {vmid: _container(vmid, name) for vmid, name in names.items()}}) as lab:
        yield lab


@pytest.fixture
def site(tmp_path: Path, lab: Lab) -> Site:
    lab.reset()
    return Site(tmp_path, lab)
