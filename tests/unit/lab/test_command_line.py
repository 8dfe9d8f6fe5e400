# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab as a process of its own: start, status, stop, and the files that it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.lab.__main__ import is_lab

ROOT = Path(__file__).resolve().parents[3]


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.lab", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory with a blank in its name, for a lab that is stopped afterwards."""
    place = tmp_path / "a lab"
    yield place
    lab("stop", "--dir", str(place))


@pytest.fixture
def started(directory: Path, tmp_path: Path) -> dict[str, Any]:
    seed = tmp_path / "seed.yml"
    seed.write_text("cluster: mine\nnodes: {pve3: null}\n", encoding="utf-8")
    done = lab("start", "--dir", str(directory), "--seed", str(seed))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((directory / "lab.json").read_text(encoding="utf-8"))
    return found


def get(found: dict[str, Any], path: str) -> Any:
    admin = found["credentials"]["admin"]
    session = requests.Session()
    session.trust_env = False
    answer = session.get(
        f"https://{found['host']}:{found['port']}{path}",
        verify=found["ca_path"],
        timeout=60,
        headers={"Authorization": f"PVEAPIToken={admin['api_token_id']}={admin['api_token_secret']}"},
    )
    return answer.json()


def test_start_status_stop(started: dict[str, Any], directory: Path) -> None:
    status = get(started, "/api2/json/cluster/status")["data"]
    assert [entry["name"] for entry in status] == ["mine", "pve1", "pve2"]
    assert lab("status", "--dir", str(directory)).stdout == (
        f"running: pid {started['pid']}, https://{started['host']}:{started['port']}\n"
    )
    again = lab("start", "--dir", str(directory))
    assert (again.returncode, "already runs" in again.stderr) == (1, True)
    assert is_lab(started["pid"], directory)
    assert lab("stop", "--dir", str(directory)).returncode == 0
    assert not is_lab(started["pid"], directory)
    assert lab("status", "--dir", str(directory)).returncode == 3
    assert not (directory / "lab.json").exists()


def test_the_environment_file_opens_the_lab(started: dict[str, Any], directory: Path) -> None:
    command = ["sh", "-c", f". '{directory}/lab.env' && env"]
    text = subprocess.run(command, capture_output=True, text=True, env={}, check=True).stdout
    names = dict(line.split("=", 1) for line in text.splitlines())
    assert names["PROXMOX_HOST"] == "127.0.0.1"
    assert names["PROXMOX_PORT"] == str(started["port"])
    assert names["PROXMOX_TOKEN_ID"] == "automation@pve!ansible"
    assert Path(names["PROXMOX_CA_PATH"]).is_file()


@pytest.mark.parametrize("name", ["lab.json", "lab.env", "leaf.pem"])
def test_what_holds_a_secret_is_private(started: dict[str, Any], directory: Path, name: str) -> None:
    assert (directory / name).stat().st_mode & 0o077 == 0


def test_pct_works_without_environment(started: dict[str, Any]) -> None:
    done = subprocess.run([started["pct"], "list"], env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_stop_leaves_other_processes_alone(started: dict[str, Any], directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "lab.json").write_text(json.dumps({**started, "pid": os.getpid()}), encoding="utf-8")
    assert lab("stop", "--dir", str(other)).stdout == "no lab runs here\n"
    assert get(started, "/_lab/requests") == []


def test_a_seed_that_cannot_be_read_is_told(directory: Path, tmp_path: Path) -> None:
    done = lab("start", "--dir", str(directory), "--seed", str(tmp_path / "none.yml"))
    assert done.returncode == 1
    assert "lab.out" in done.stderr
    assert "none.yml" in (directory / "lab.out").read_text(encoding="utf-8")
