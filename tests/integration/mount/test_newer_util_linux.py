# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same with util-linux 2.41 of Proxmox VE 9, whose mount puts one mount on top of another without a word."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._host import operations

from . import trixie
from .conftest import Bench


@pytest.fixture
def newer(bench: Bench, programs: Callable[[str, str], None]) -> Bench:
    try:
        for name in trixie.PROGRAMS:
            programs(name, trixie.script(name))
    except RuntimeError as error:
        pytest.skip(str(error))
    return bench


def ops(bench: Bench, uuid: str, **wanted: Any) -> list[str]:
    return [step["op"] for step in bench.do(uuid, **wanted)["plan"]["steps"]]


def test_mounted_twice_is_mounted_twice_and_taken_down_to_once(newer: Bench) -> None:
    stick = newer.stick()
    Path(newer.path).mkdir(parents=True)
    again = [operations.PROGRAMS["mount"].path, f"UUID={stick.uuid}", newer.path]
    for _time in range(3):
        subprocess.run(again, check=True)
    assert newer.uuids == [stick.uuid] * 3
    assert ops(newer, stick.uuid) == ["unmount", "unmount", "update"]
    assert newer.uuids == [stick.uuid]
    subprocess.run(again, check=True)
    assert ops(newer, stick.uuid, state="absent") == ["unmount", "unmount"]
    assert newer.rows == []


def test_a_task_that_is_run_twice_mounts_once(newer: Bench) -> None:
    stick = newer.stick()
    assert ops(newer, stick.uuid, options=["noatime"]) == ["create", "mount"]  # and then nothing, see Bench.do
    assert newer.uuids == [stick.uuid]
    assert ops(newer, stick.uuid, options=["ro"]) == ["update"]
    said = set(newer.rows[0]["options"].split(","))
    assert {"ro", "relatime", "nosuid", "nodev"} <= said
    assert "noatime" not in said


def test_ghosts_and_duplicates(newer: Bench) -> None:
    stick = newer.stick()
    again = stick.copy("plugged in again")
    newer.mount(stick)
    again.plug()
    with pytest.raises(Refused, match="2 devices of pve1 have the UUID"):
        newer.work(stick)
    stick.pull()
    assert newer.uuids == [None]
    assert ops(newer, stick.uuid) == ["unmount", "mount"]
    assert newer.rows[0]["source"] == again.device


def test_its_failures_are_told_in_its_words(newer: Bench) -> None:
    stick = newer.stick()
    newer.do(stick)
    task = newer.work(stick, state="absent")
    with (Path(newer.path) / "open").open("w"), pytest.raises(ApiError, match="target is busy"):
        task.carry_out()
    newer.do(stick, state="absent")
    task = newer.work(stick)
    Path(newer.path).rmdir()
    with pytest.raises(ApiError, match="mount point does not exist") as caught:
        task.carry_out()
    assert failure(caught.value, task)["exit_status"] == 32


def test_nofail_hides_a_failure_from_its_status(newer: Bench) -> None:
    """Why findmnt is the judge."""
    Path(newer.path).mkdir(parents=True)
    newer.fstab.write_text(f"UUID=deadbeef-0000-4000-8000-000000000000 {newer.path} ext4 nofail 0 0\n")
    mount = operations.PROGRAMS["mount"].path
    assert subprocess.run([mount, "--fstab", newer.fstab, newer.path], check=False).returncode == 0
    assert newer.rows == []
