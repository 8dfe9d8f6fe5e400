# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real runs of ansible-playbook, each with a time limit, because a faulty callback can hang a play for ever."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).parent / "plugins"
BIN = Path(sys.executable).parent
TIME_LIMIT = 300
HEAD_LINE = re.compile(r"^steward\.proxmox ledger: run (\w+) head sha256:(\w{64}) frames (\d+) in (.+)$", re.M)


@dataclass
class Done:
    status: int
    output: str

    @property
    def heads(self) -> dict[str, str]:
        return {run_id: head for run_id, head, _frames, _file in HEAD_LINE.findall(self.output)}


@dataclass
class Site:
    """A place with an inventory, a ledger, and a file of the changes that were really made."""

    folder: Path
    configuration: str = "[steward_ledger]\nrequired = true\n"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def changes(self) -> list[str]:
        path = self.folder / "changes"
        return path.read_text().split() if path.exists() else []

    @property
    def frames(self) -> list[dict[str, Any]]:
        files = sorted((self.ledger / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(line[65:]) for file in files for line in file.read_bytes().splitlines()]

    def count(self) -> Counter[str]:
        return Counter(frame["type"] for frame in self.frames)

    def start(self, *command: str) -> subprocess.Popen[str]:
        (self.folder / "ansible.cfg").write_text(self.configuration)
        hosts = "".join(f"h{number} ansible_python_interpreter={sys.executable}\n" for number in range(1, 6))
        (self.folder / "hosts").write_text(hosts)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "STEWARD_"))}
        environment = kept | {
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_INVENTORY": str(self.folder / "hosts"),
            "ANSIBLE_ACTION_PLUGINS": str(PLUGINS / "action"),
            "ANSIBLE_LIBRARY": str(PLUGINS / "modules"),
            "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "STEWARD_LEDGER_PATH": str(self.ledger),
            "CHANGES": str(self.folder / "changes"),
        }
        return subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env=environment | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> Done:
        try:
            output, _unused = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"hangs for more than {TIME_LIMIT} seconds: {process.communicate()[0]}")
        return Done(process.returncode, output)

    def playbook(self, *tasks: dict[str, Any], name: str = "play.yml", **play: Any) -> str:
        defaults = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": list(tasks)}
        (self.folder / name).write_text(yaml.safe_dump([defaults | play]))
        return name

    def play(self, *tasks: dict[str, Any], arguments: tuple[str, ...] = (), **play: Any) -> Done:
        return self.finish(self.start("ansible-playbook", self.playbook(*tasks, **play), *arguments))

    def verify(self, *arguments: str) -> Done:
        return self.finish(self.start("python", str(VERIFIER), str(self.ledger), *arguments))


VERIFIER = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "_ledger" / "verify.py"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)
