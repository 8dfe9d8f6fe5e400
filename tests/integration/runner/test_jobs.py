# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a job leaves behind in AWX: who ran it, its checkpoints, its artifacts; and what a cancelled one leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import note

from .conftest import Awx, wait

INCOMPLETE = 2
ACTOR = {
    "source": "awx",
    "user": "alice",
    "awx_job_id": 7,
    "awx_job_template_name": "Grow the web servers",
    "awx_host": "https://awx.example.com",
}
HEAD_LINE = re.compile(r"^steward\.proxmox ledger: run (\w+) head sha256:(\w{64}) ", re.M)


def cores(number: int | str, **task: Any) -> dict[str, Any]:
    return {"name": "Grow", "steward.proxmox.lxc": {"vmid": 200, "node": "pve1", "cores": number}, **task}


def test_a_job(awx: Awx) -> None:
    job = awx.job(cores("{{ item }}", loop=[3, 4]), cores(4))
    assert job.status == "successful", job.output
    opening = awx.frames[0]
    assert {name: opening["actor"].get(name) for name in ACTOR} == ACTOR
    assert opening["revision"] == {"commit": "4f2a", "source": "PROJECT_REVISION"}
    # the output is enough to verify the ledger with, without anything that the pod has kept
    printed = job.output
    heads = dict(HEAD_LINE.findall(printed))
    assert list(heads) == [opening["run_id"]]
    checkpoints = list(note.find(printed))
    assert [note.Checkpoint.parse(text)[0].size for text in checkpoints] == [1, 2]
    output = awx.folder / "job.txt"
    output.write_text(printed)
    pins = [f"--expected-head={run}={head}" for run, head in heads.items()]
    verified = awx.verify(*pins, "--checkpoint", str(output))
    assert verified.returncode == 0, verified.stdout
    # the artifacts are those of the last task
    kept = job.stats["steward_proxmox"]
    assert (kept["run"], kept["ledger"]) == (opening["run_id"], str(awx.ledger))
    assert kept["plan"] == str(awx.folder / "project" / "plan.json")
    assert kept["checkpoint"] in checkpoints
    assert [frame["type"] for frame in awx.frames[-2:]] == ["outcome", "run_close"]
    assert kept["head"] == f"sha256:{awx.lines[-2][:64]}"


def test_a_preview_leaves_its_plan(awx: Awx) -> None:
    job = awx.job(cores(4), cmdline="--check")
    assert job.status == "successful", job.output
    kept = job.stats["steward_proxmox"]
    plan = json.loads(Path(kept["plan"]).read_text())
    assert (plan["run"]["ledger_run"], plan["totals"]["change"]) == (kept["run"], 1)


def test_a_job_whose_pod_ends_names_the_open_change(awx: Awx) -> None:
    awx.lab.fault(method="PUT", path="/lxc/200/config", delay=10)

    def end(_runner: subprocess.Popen[str]) -> None:
        """SIGTERM, and SIGKILL for the workers, which Ansible has detached."""
        parent = awx.frames[0]["pid"]
        workers = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(parent, signal.SIGTERM)
        for worker in workers:
            with suppress(ProcessLookupError):  # Ansible passes the signal on
                os.kill(int(worker), signal.SIGKILL)

    job = awx.job(cores(4), meanwhile=end)
    assert job.status == "failed"
    assert [frame["type"] for frame in awx.frames] == ["run_open", "intent"]
    verified = awx.verify()
    assert verified.returncode == INCOMPLETE
    assert awx.frames[1]["op_id"] in verified.stdout
    assert "update lxc/200 web on pve1" in verified.stdout


def test_a_cancelled_job_records_what_comes_of_a_change_that_was_begun(awx: Awx) -> None:
    awx.lab.fault(method="PUT", path="/lxc/200/config", delay=6)
    job = awx.job(cores(4), cores(5), meanwhile=subprocess.Popen.terminate)
    assert job.status == "canceled"
    # ansible-runner kills ansible-playbook, but not the worker, which is detached from it
    wait(lambda: awx.frames[-1]["type"] == "outcome")
    assert [frame["type"] for frame in awx.frames] == ["run_open", "intent", "outcome"]
    verified = awx.verify()
    assert verified.returncode == INCOMPLETE
    assert "not closed" in verified.stdout
