# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine of the lab, whose inside is a container with a real agent where this machine has one, and playbooks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab, real_agent
from tests.node.fixtures import node
from tests.node.node import Container, Node
from tests.node.pct import PYTHON

__all__ = ["node"]

PLUGINS = Path(__file__).parents[2] / "parity" / "plugins"
VMID = 200
OURS = ("ANSIBLE_", "PROXMOX_", "STEWARD_")


@pytest.fixture(scope="session")
def inside(node: Node) -> Container:
    """What is inside the machine."""
    return node.create(290, PYTHON)


@contextlib.contextmanager
def agent_in(inside: Container, *prefix: str) -> Iterator[dict[str, Any]]:
    """How the lab's agent really runs something there: by a real one, or else by itself."""
    folder = f"/tmp/agent-{len(prefix)}"
    seen = inside.root / folder.lstrip("/")

    def kill(pid: int) -> None:
        inside.run("/bin/sh", "-c", f"kill -9 {pid}; rm -rf {folder}")

    with contextlib.ExitStack() as until_then:
        means: dict[str, Any] = {"runner": inside.attach(*prefix), "agent_socket": None}
        if real_agent.is_there():
            path = until_then.enter_context(real_agent.listening(folder, seen, inside.attach(*prefix), kill))
            means = {"runner": None, "agent_socket": path}
        yield means


@pytest.fixture(scope="session")
def agent(inside: Container) -> Iterator[dict[str, Any]]:
    with agent_in(inside) as means:
        yield means


@dataclass
class Site:
    """The lab, the machine, and a folder with an inventory and a ledger."""

    lab: Lab
    inside: Container
    folder: Path
    variables: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> list[str]:
        """What was asked of the API."""
        return [f"{entry['method']} {entry['path']}" for entry in self.lab.requests]

    @property
    def ledger(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("ledger/runs/**/*.jsonl"))

    def left(self) -> str:
        """What is in the folders for temporary files."""
        found = self.inside.run("find", "/tmp", "/var/tmp", "/root/.ansible/tmp", "-mindepth", "1").stdout
        return "".join(path for path in found.splitlines(keepends=True) if not path.startswith("/tmp/agent-"))

    def play(self, *tasks: dict[str, Any], hosts: dict[str, Any] | None = None, **keywords: Any) -> Result:
        """In the machine, or in others."""
        play = {"hosts": "all", "gather_facts": False, "tasks": list(tasks), **keywords}
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        inventory = {"all": {"hosts": hosts or {"machine": {}}, "vars": self.variables}}
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        done = subprocess.run(
            [program, "-i", "inventory.yml", "play.yml"],
            cwd=self.folder,
            env={**{n: v for n, v in os.environ.items() if not n.startswith(OURS)}, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=300,
        )
        file = self.folder / "results.jsonl"
        told = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        file.unlink(missing_ok=True)
        return Result(done.returncode, done.stdout + done.stderr, {line["task"]: line["result"] for line in told})


@dataclass
class Result:
    code: int
    said: str
    #: by the name of the task
    results: dict[str, dict[str, Any]]


@pytest.fixture
def site(inside: Container, agent: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    inside.run("/bin/sh", "-c", "rm -rf /root/* /root/.ansible")
    machine = {
        "kind": "qemu",
        "node": "pve1",
        "running": True,
        "agent_seconds": 0,
        **agent,
        "config": {"name": "app", "agent": "1", "scsi0": "ceph:vm-200-disk-0,size=4G"},
        "disks": {"ceph:vm-200-disk-0": 4 << 30},
    }
    with Lab({"guests": {VMID: machine}}) as lab:
        admin = lab.credentials["admin"]
        variables = {
            "ansible_connection": "steward.proxmox.qga",
            "ansible_python_interpreter": "/usr/bin/python3",
            "proxmox_vmid": VMID,
        }
        environment = {
            "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger,results",
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
            "RESULTS": str(tmp_path / "results.jsonl"),
            "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
            "PROXMOX_HOST": lab.host,
            "PROXMOX_PORT": str(lab.port),
            "PROXMOX_CA_PATH": lab.ca_path,
            "PROXMOX_TOKEN_ID": admin["api_token_id"],
            "PROXMOX_TOKEN_SECRET": admin["api_token_secret"],
            "STEWARD_EXEC_QGA": str(VMID),
            "STEWARD_LEDGER_PATH": str(tmp_path / "ledger"),
        }
        yield Site(lab, inside, tmp_path, variables, environment)
