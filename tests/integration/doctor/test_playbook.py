# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook doctor: what it tells, and its exercise, which leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import Lab

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(sys.executable).with_name("ansible-playbook")
GUEST = {"kind": "qemu", "node": "pve1", "config": {"name": "web"}}
SELFTEST = ("-e", "selftest_vmid=990", "-e", "selftest_node=pve1")
Doctor = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    with Lab({"guests": {100: GUEST}}) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    running.requests.clear()
    return running


@pytest.fixture
def doctor(lab: Lab, tmp_path: Path) -> Doctor:
    """Runs the playbook: its exit status, and what it printed, in one line."""

    def see(*arguments: str, credential: str = "admin", **more: str) -> tuple[int, str]:
        unwanted = ("ANSIBLE_", "STEWARD_", "PROXMOX_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        environment |= {"PROXMOX_HOST": lab.host, "PROXMOX_PORT": str(lab.port), "PROXMOX_CA_PATH": str(lab.ca_path)}
        own = lab.credentials[credential]
        environment |= {f"PROXMOX_{name.removeprefix('api_').upper()}": value for name, value in own.items()}
        done = subprocess.run(
            [str(PROGRAM), "-i", "localhost,", str(ROOT / "playbooks" / "doctor.yml"), *arguments],
            cwd=tmp_path,
            env={**environment, "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"), **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return see


def of_guests(lab: Lab) -> list[str]:
    """What was written to guests, each as method and the end of its path."""
    return [f"{row['method']} {row['path'].partition('/qemu')[2]}" for row in lab.writes]


def test_a_gap_comes_with_the_line_that_grants_it(doctor: Doctor, lab: Lab) -> None:
    status, told = doctor("-e", json.dumps({"capabilities": ["snapshots", "backups"]}), credential="auditor")
    assert status == 2
    assert "connected as auditor@pve!audit, Proxmox VE 9" in told
    assert f"the certificate is verified, by {lab.ca_path}" in told
    assert "snapshots: nowhere" in told
    assert "pveum role add StewardVms --privs 'VM.Snapshot VM.Backup' && pveum acl modify '/vms' --tokens" in told
    status, told = doctor("-e", json.dumps({"capabilities": ["snapshots", "backups"]}))
    assert (status, "snapshots: everywhere" in told) == (0, True)
    assert lab.writes == []


def test_who_is_not_let_in_is_told_why(doctor: Doctor) -> None:
    status, told = doctor(PROXMOX_TOKEN_SECRET="11111111-1111-4111-8111-111111111111")
    assert (status, "not connected to 127.0.0.1: " in told) == (2, True)
    status, told = doctor(PROXMOX_CA_PATH="", PROXMOX_VERIFY_SSL="no", PROXMOX_PORT="1")
    assert (status, "no node answered" in told) == (2, True)


WANTED = ("-e", json.dumps({"capabilities": ["snapshots"]}))
THERE_AND_BACK = [
    "POST ",
    "POST /990/snapshot",
    "PUT /990/config",
    "POST /990/snapshot/selftest/rollback",
    "DELETE /990/snapshot/selftest",
    "DELETE /990",
]


def test_the_exercise_goes_there_and_back(doctor: Doctor, lab: Lab) -> None:
    status, told = doctor(*WANTED, *SELFTEST, "--check")
    assert (status, lab.writes) == (0, []), told
    status, told = doctor(*WANTED, *SELFTEST)
    assert status == 0, told
    assert of_guests(lab) == THERE_AND_BACK
    assert sorted(lab.state.guests) == [100]


def test_the_exercise_touches_no_guest_that_is_there(doctor: Doctor, lab: Lab) -> None:
    status, told = doctor(*WANTED, "-e", "selftest_vmid=100", "-e", "selftest_node=pve1")
    assert (status, lab.writes) == (2, [])
    assert "selftest_vmid: 100 is web. Nothing was sent. Choose an id that no guest has" in told


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/qemu/990/snapshot"), ("POST", "/rollback"), ("DELETE", "/snapshot/selftest"), ("PUT", "/config")],
)
def test_whatever_fails_nothing_is_left(doctor: Doctor, lab: Lab, method: str, path: str) -> None:
    lab.fault(method=method, path=path, task_exit="it does not work", status=500)
    status, told = doctor(*WANTED, *SELFTEST)
    assert (status, sorted(lab.state.guests)) == (2, [100]), told
    assert of_guests(lab)[-1] == "DELETE /990"
