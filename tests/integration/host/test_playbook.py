# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""privileged_host in a playbook, through both doors: in the process of the play, and sent to the target."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import PROGRAMS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CONNECTIONS = ("local", "elsewhere")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A lab as a process of its own, with its `pct`."""
    place = tmp_path / "lab"
    command = [sys.executable, "-m", "tests.lab"]
    subprocess.run([*command, "start", "--dir", place], cwd=ROOT, check=True, capture_output=True)
    yield {**json.loads((place / "lab.json").read_text()), "env": environment(place / "lab.env")}
    subprocess.run([*command, "stop", "--dir", place], cwd=ROOT, check=True, capture_output=True)


def environment(file: Path) -> dict[str, str]:
    pairs = (line.removeprefix("export ").partition("=") for line in file.read_text().splitlines())
    return {name: value.strip("'") for name, _equals, value in pairs}


@pytest.fixture
def play(lab: dict[str, Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs the playbook once and returns what its tasks returned."""

    def once(connection: str, *more: str, book: str = "golden.yml") -> dict[str, Any]:
        kept = tmp_path / "kept.json"
        own = {"ANSIBLE_CONNECTION_PLUGINS": str(HERE / "plugins" / "connection"), "ANSIBLE_LOCAL_TEMP": str(tmp_path)}
        variables = {"pct": lab["pct"], "kept": str(kept), "ansible_python_interpreter": sys.executable}
        program = Path(sys.executable).with_name("ansible-playbook")
        command: list[str | Path] = [
            program,
            "-i",
            "node1,",
            "-c",
            connection,
            "-e",
            json.dumps(variables),
            *more,
            HERE / book,
        ]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **lab["env"], **own},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(kept.read_text())
        return result

    return once


@pytest.mark.slow
@pytest.mark.parametrize("connection", CONNECTIONS)
def test_previewed_made_and_then_as_wanted(play: Callable[..., dict[str, Any]], connection: str) -> None:
    check, real, again = play(connection, "--check"), play(connection), play(connection)

    assert [run["base"]["changed"] for run in (check, real, again)] == [True, True, False]
    assert check["base"]["plan"]["digest"] == real["base"]["plan"]["digest"]
    (planned,), (done,) = check["base"]["plan"]["steps"], real["base"]["plan"]["steps"]
    assert done.items() >= planned.items()
    assert (done["status"], planned["method"], planned["path"]) == ("done", "RUN", "pct create")

    # a task of the API in the same --check run sees what is not there yet
    assert [run["configured"]["changed"] for run in (check, real, again)] == [True, True, False]
    assert check["configured"]["plan"]["digest"] == real["configured"]["plan"]["digest"]
    assert "known after apply: rootfs" in check["base"]["config"]["rootfs"]
    assert real["base"]["config"]["features"] == "nesting=1,keyctl=1"
    assert again["base"]["config"]["tags"] == "golden"


@pytest.mark.slow
def test_both_doors_say_the_same(play: Callable[..., dict[str, Any]]) -> None:
    here, sent = (play(connection, "--check", "--diff")["base"] for connection in CONNECTIONS)
    assert here["diff"]
    assert {name: value for name, value in sent.items() if not name.startswith("ansible_")} == here


@pytest.mark.slow
@pytest.mark.skipif(not Path(PROGRAMS["smartctl"].path).exists(), reason="needs the package smartmontools")
@pytest.mark.skipif(not Path(PROGRAMS["sensors"].path).exists(), reason="needs the package lm-sensors")
def test_health_is_read_in_check_mode_and_through_both_doors(play: Callable[..., dict[str, Any]]) -> None:
    here = play("local", book="health.yml")
    sent = play("elsewhere", "--check", book="health.yml")
    assert [one["changed"] for one in here.values()] == [False, False]
    assert here["disks"]["smart"]["unread"][0]["why"].startswith("Smartctl open device: /dev/sdzz failed")
    assert "/dev/sdzz on node1 could not be read" in here["disks"]["warnings"][0]
    for name, result in here.items():
        assert {key: value for key, value in sent[name].items() if not key.startswith("ansible_")} == result
