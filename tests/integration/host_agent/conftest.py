# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role host_agent on a real node: its sshd, its sudo, its users."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.node.fixtures import container, node
from tests.node.node import Node

__all__ = ["container", "node"]

ROOT = Path(__file__).parents[3]
PLAYBOOK = ROOT / "playbooks" / "host_agent.yml"
ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))
_RECAP = re.compile(r"^\S+ +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=(\d+) ", re.MULTILINE)


@dataclass
class Run:
    """One run of the playbook."""

    status: int
    output: str

    @property
    def changed(self) -> int:
        found = _RECAP.search(self.output)
        return int(found[1]) if found else -1


class Role:
    """Runs the role as root of the node, by ssh."""

    def __init__(self, there: Node, place: Path) -> None:
        self.node, self.place = there, place
        self.user = f"{there.user}-a"
        self.home = Path("/home", self.user)
        self.rules = Path("/etc/sudoers.d", f"steward-proxmox-{self.user}")
        self.key = place / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        (place / "hosts.json").write_text(
            json.dumps({"all": {"hosts": {"pve1": {**there.variables, "ansible_user": "root"}}}})
        )

    def run(self, *arguments: str, around: tuple[str, ...] = (), **variables: Any) -> Run:
        told = {
            "host_agent_hosts": "pve1",
            "host_agent_user": self.user,
            "host_agent_keys": [Path(f"{self.key}.pub").read_text().strip()],
            "host_agent_pct": str(self.node.pct),
            "host_agent_exec_vmids": [101],
            **variables,
        }
        return self._ansible([*around, ANSIBLE, "-e", json.dumps(told), *arguments, str(PLAYBOOK)])

    def play(self, tasks: list[dict[str, Any]]) -> Run:
        """Somebody else's tasks on the node, as the user that the role makes."""
        play = {"hosts": "pve1", "gather_facts": False, "tasks": tasks}
        (self.place / "play.json").write_text(json.dumps([play]))
        told = {"ansible_user": self.user, "ansible_ssh_private_key_file": str(self.key)}
        return self._ansible([ANSIBLE, "-e", json.dumps(told), str(self.place / "play.json")])

    def _ansible(self, command: list[str]) -> Run:
        done = subprocess.run(
            [*command, "-i", str(self.place / "hosts.json")],
            cwd=self.place,
            env={
                **os.environ,
                "ANSIBLE_HOME": str(self.place / "ansible"),
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_TIMEOUT": "60",
            },
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return Run(done.returncode, done.stdout)

    def ssh(self, command: str, *more: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """As the user that the role makes, with its key."""
        options = ["BatchMode=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={self.node.known_hosts}"]
        return subprocess.run(
            ["ssh", "-F", "none", "-p", str(self.node.port), "-i", self.key, *(f"-o{option}" for option in options),
             *more, f"{self.user}@{self.node.host}", command],
            check=settings.pop("check", False),
            **{"input": "", "capture_output": True, "text": True, "timeout": 300, **settings},
        )  # fmt: skip

    def remove(self) -> None:
        """Whatever the role left."""
        self.rules.unlink(missing_ok=True)
        subprocess.run(["userdel", "--force", "--remove", self.user], check=False, capture_output=True)


@pytest.fixture(scope="module")
def role(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Role]:
    made = Role(node, tmp_path_factory.mktemp("role"))
    try:
        yield made
    finally:
        made.remove()
