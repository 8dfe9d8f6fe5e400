# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door with the real ledger: intent before the change, outcome after it, and nothing where that cannot be."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify

from tests.lab import Lab

TIME_LIMIT = 300
PLAY = """
- name: One container
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: It is there
      steward.proxmox.lxc:
        vmid: 900
        name: recorded
        node: pve1
        password: never-to-be-seen
        source:
          template: local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz
        rootfs:
          storage: local
          size: 1G
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


class Play:
    """The play above, in a folder of its own, with a ledger there."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.file, self.ledger = folder / "play.yml", folder / "ledger"
        self.file.write_text(PLAY)
        admin = lab.credentials["admin"]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROXMOX_"))},
            "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "STEWARD_LEDGER_PATH": str(self.ledger),
            "STEWARD_LEDGER_REQUIRED": "1",
            "PROXMOX_HOST": lab.host,
            "PROXMOX_PORT": str(lab.port),
            "PROXMOX_CA_PATH": str(lab.ca_path),
            "PROXMOX_TOKEN_ID": admin["api_token_id"],
            "PROXMOX_TOKEN_SECRET": admin["api_token_secret"],
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "localhost,",
            str(self.file),
            *arguments,
        ]
        return subprocess.Popen(
            command,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, **environment)
        output, _nothing = process.communicate(timeout=TIME_LIMIT)
        return process.returncode, output

    def frames(self) -> list[dict[str, Any]]:
        files = sorted(self.ledger.glob("runs/*.jsonl"))
        whole = [file.read_text().rpartition("\n")[0] for file in files]  # the run may be writing
        return [json.loads(line.partition(" ")[2]) for text in whole for line in text.splitlines()]

    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames()]


def test_a_change_is_recorded_before_and_after(tmp_path: Path, lab: Lab) -> None:
    play = Play(tmp_path, lab)
    code, output = play.run()
    assert code == 0, output
    assert play.types() == ["run_open", "intent", "outcome", "run_close"]
    intent, outcome = play.frames()[1:3]
    assert intent["plan"]["steps"][0]["target"] == "lxc/900"
    assert outcome["status"] == "ok"
    assert outcome["upids"]
    assert "never-to-be-seen" not in "".join(file.read_text() for file in play.ledger.glob("runs/*"))
    assert verify.verify(verify.source(play.ledger)).verdict == verify.INTACT


def test_check_mode_records_the_plan_that_the_real_run_intends(tmp_path: Path, lab: Lab) -> None:
    play = Play(tmp_path, lab)
    assert play.run("--check")[0] == 0
    assert not lab.writes
    assert play.run()[0] == 0
    planned, intended = (frame["plan"]["digest"] for frame in play.frames() if frame["type"] in ("plan", "intent"))
    assert planned == intended


def test_a_failed_change_has_a_failed_outcome(tmp_path: Path, lab: Lab) -> None:
    lab.fault(method="POST", path=r"/nodes/pve1/lxc$", task_exit="no space left on device")
    play = Play(tmp_path, lab)
    code, output = play.run()
    assert code == 2
    assert "no space left on device" in output
    outcome = play.frames()[2]
    assert outcome["status"] == "failed"
    assert "no space left" in outcome["error"]


def test_a_refusal_is_recorded_and_nothing_is_sent(tmp_path: Path, lab: Lab) -> None:
    auditor = lab.credentials["auditor"]
    play = Play(tmp_path, lab)
    code, output = play.run(PROXMOX_TOKEN_ID=auditor["api_token_id"], PROXMOX_TOKEN_SECRET=auditor["api_token_secret"])
    assert code == 2
    assert "pveum acl modify" in output
    assert play.types() == ["run_open", "refused", "run_close"]
    assert not lab.writes


def test_no_ledger_no_change(tmp_path: Path, lab: Lab) -> None:
    play = Play(tmp_path, lab)
    code, output = play.run(ANSIBLE_CALLBACKS_ENABLED="steward.proxmox.plan")
    assert code == 2
    assert "nothing was changed" in output
    assert not lab.writes


def test_a_ledger_that_cannot_be_written_stops_the_change(tmp_path: Path, lab: Lab) -> None:
    play = Play(tmp_path, lab)
    code, _output = play.run(STEWARD_LEDGER_PATH="/dev/full/ledger")
    assert code != 0
    assert not lab.writes


def test_killed_between_intent_and_outcome(tmp_path: Path, lab: Lab) -> None:
    """kill -9 while Proxmox works: the verifier names the change whose outcome nobody knows."""
    lab.fault(method="POST", path=r"/nodes/pve1/lxc$", task_seconds=3600)
    play = Play(tmp_path, lab)
    process = play.start()
    deadline = time.monotonic() + TIME_LIMIT
    while "intent" not in (play.types() if play.ledger.exists() else []) or not lab.writes:
        assert time.monotonic() < deadline, "the change was never begun"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=TIME_LIMIT)
    report = verify.verify(verify.source(play.ledger))
    assert report.verdict == verify.INCOMPLETE
    told = "\n".join(verify.describe(report))
    assert "lxc/900" in told
    assert "unknown" in told
