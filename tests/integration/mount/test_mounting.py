# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""usb_mount on real loop devices: what mount, umount, blkid and findmnt do, and what becomes of it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    BadInput,
    PermissionDenied,
    Refused,
    StewardError,
)
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory

from .conftest import Bench

ABSENT = "deadbeef-0000-4000-8000-000000000000"


def steps(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["op"], step["path"]) for step in result["plan"]["steps"]]


def whys(result: dict[str, Any]) -> list[str]:
    return [step["why"] for step in result["plan"]["steps"]]


def test_mounted_where_no_directory_was_and_unmounted_again(bench: Bench) -> None:
    stick = bench.stick()
    result = bench.do(stick, options=["noatime", "noexec"])
    assert steps(result) == [("create", "mkdir"), ("mount", "mount")]
    (row,) = bench.rows
    assert row["uuid"] == stick.uuid
    assert {"nosuid", "nodev", "noatime", "noexec"} <= set(row["options"].split(","))
    assert result["usb_mount"] == {
        "uuid": stick.uuid,
        "path": bench.path,
        "mounted": True,
        "source": stick.device,
        "fstype": "ext4",
        "options": ["nosuid", "nodev", "noatime", "noexec"],
        "persist": "none",
    }
    assert result["plan"]["risk"]["level"] == "low"
    assert result["plan"]["blast_radius"]["others"] == [f"pve1:{bench.path}"]

    result = bench.do(stick, state="absent")
    assert steps(result) == [("unmount", "umount")]
    assert result["usb_mount"]["mounted"] is False
    assert result["plan"]["risk"]["level"] == "medium"
    assert bench.rows == []
    assert Path(bench.path).is_dir()


def test_check_mode_mounts_nothing_and_a_later_task_sees_it_mounted(bench: Bench) -> None:
    stick, memory = bench.stick(), Memory()
    first = bench.work(stick, check=True, memory=memory, persist="fstab")
    memory.remember(first.plan, {}, check=True)
    second = bench.work(stick, check=True, memory=memory, persist="fstab")
    assert (first.plan.changed, second.plan.changed) == (True, False)
    gone = bench.work(stick, check=True, memory=memory, state="absent")
    assert [step.path for step in gone.plan.steps] == ["umount", "no fstab line"]
    assert bench.rows == []
    assert not Path(bench.path).exists()


def test_a_stack_is_taken_down_to_the_one_at_the_bottom(bench: Bench) -> None:
    stick, other = bench.stick(), bench.stick()
    bench.mount(stick)
    bench.mount(other)
    assert bench.uuids == [stick.uuid, other.uuid]
    result = bench.do(stick)
    assert steps(result) == [("unmount", "umount")]
    assert whys(result) == [f"{other.device} with the UUID {other.uuid} is mounted there"]
    assert bench.uuids == [stick.uuid]


def test_another_stick_below_is_taken_away_as_well(bench: Bench) -> None:
    stick, other = bench.stick(), bench.stick()
    bench.mount(other)
    bench.mount(stick)
    result = bench.do(stick)
    assert steps(result) == [("unmount", "umount")] * 2 + [("mount", "mount")]
    assert bench.uuids == [stick.uuid]


def test_a_stack_of_the_same_is_unmounted_whole(bench: Bench) -> None:
    stick = bench.stick()
    bench.mount(stick)
    twin = stick.copy("twin")
    bench.sticks.append(twin)
    twin.plug()
    bench.mount(twin)
    assert bench.uuids == [stick.uuid] * 2
    result = bench.do(stick, state="absent")
    assert whys(result) == ["it is mounted more than once", "it is mounted"]
    assert bench.rows == []


def test_what_lies_over_it_is_not_unmounted_for_absent(bench: Bench) -> None:
    stick, other = bench.stick(), bench.stick()
    bench.mount(stick)
    bench.mount(other)
    with pytest.raises(Refused, match=f"{other.device} is mounted over {stick.uuid}"):
        bench.work(stick, state="absent")
    assert bench.work(other, state="absent").plan.changed


def test_another_stick_at_the_path_stays_for_absent(bench: Bench) -> None:
    stick, other = bench.stick(), bench.stick()
    bench.mount(other)
    result = bench.do(stick, state="absent")
    assert (result["changed"], result["usb_mount"]["mounted"]) == (False, False)
    assert bench.uuids == [other.uuid]


def test_the_ghost_of_a_pulled_stick_gives_way_to_the_stick(bench: Bench) -> None:
    stick = bench.stick()
    again = stick.copy("plugged in again")
    bench.sticks.append(again)
    bench.do(stick)
    device = stick.device
    stick.pull()
    assert bench.uuids == [None]
    with pytest.raises(Refused, match="No device of pve1 has a file system with the UUID"):
        bench.work(stick)
    again.plug()
    result = bench.do(stick)
    assert steps(result) == [("unmount", "umount"), ("mount", "mount")]
    assert whys(result)[0] == f"{device} has no UUID any more, as after its stick was pulled"
    assert result["usb_mount"]["source"] == again.device
    assert bench.uuids == [stick.uuid]


def test_a_ghost_is_unmounted_for_absent(bench: Bench) -> None:
    stick = bench.stick()
    bench.mount(stick)
    stick.pull()
    assert steps(bench.do(stick, state="absent")) == [("unmount", "umount")]
    assert bench.rows == []


def test_two_devices_with_one_uuid_are_refused_by_their_names(bench: Bench) -> None:
    stick = bench.stick()
    twin = stick.copy("twin")
    bench.sticks.append(twin)
    twin.plug()
    with pytest.raises(Refused) as caught:
        bench.work(stick)
    assert f"{', '.join(sorted([stick.device, twin.device]))}. Which one would be mounted is chance" in str(
        caught.value
    )
    assert "Nothing was sent" in str(caught.value)
    assert bench.rows == []


def test_no_stick_is_a_refusal_whatever_nofail_says(bench: Bench) -> None:
    with pytest.raises(Refused, match=f"No device of pve1 .*{ABSENT}.*Is the stick plugged in"):
        bench.work(ABSENT, persist="fstab", nofail=True)
    assert bench.rows == []


def test_a_mount_that_reports_success_and_mounts_nothing_is_a_failure(
    bench: Bench, programs: Callable[[str, str], None]
) -> None:
    """As `mount PATH` does of a line of fstab with nofail, whose stick is not there."""
    stick = bench.stick()
    line = f"UUID={ABSENT}\t{bench.path}\text4\tnofail\t0\t0\n"
    bench.fstab.write_text(line)
    programs("mount", f"exec mount --fstab '{bench.fstab}' {bench.path}")
    task = bench.work(stick)
    with pytest.raises(
        ApiError, match=r"Every command reported success, and .* is not as planned: it is .'mounts': ..,"
    ):
        task.carry_out()
    assert task.plan.progress[-1]["status"] == "done"
    assert bench.rows == []


def failing(bench: Bench, *args: Any, **wanted: Any) -> tuple[str, dict[str, Any]]:
    task = bench.work(*args, **wanted)
    with pytest.raises(StewardError) as caught:
        task.carry_out()
    return str(caught.value), failure(caught.value, task)


def test_a_busy_path_fails_with_the_process_that_uses_it(bench: Bench) -> None:
    stick = bench.stick()
    bench.do(stick)
    with (Path(bench.path) / "open file").open("w"):
        said, result = failing(bench, stick, state="absent")
    assert "target is busy" in said
    assert f"process {os.getpid()} uses {bench.path}/open file" in said
    assert (result["exit_status"], result["changed"]) == (32, False)
    assert bench.uuids == [stick.uuid]


def test_a_mount_below_it_is_what_keeps_it_busy(bench: Bench) -> None:
    stick, inner = bench.stick(), bench.stick()
    bench.do(stick)
    below = Path(bench.path) / "inner"
    below.mkdir()
    subprocess.run(["mount", inner.device, below], check=True)
    try:
        said, _result = failing(bench, stick, state="absent")
    finally:
        subprocess.run(["umount", below], check=True)
    assert "target is busy" in said
    assert "is something mounted below it" in said


def test_a_stick_that_is_pulled_in_between_fails_in_the_words_of_mount(bench: Bench) -> None:
    stick = bench.stick()
    task = bench.work(stick)
    stick.pull()
    with pytest.raises(ApiError, match=f"exit status 1: mount: {bench.path}: can't find UUID={stick.uuid}"):
        task.carry_out()


def test_a_directory_that_goes_in_between_fails_in_the_words_of_mount(bench: Bench) -> None:
    stick = bench.stick()
    Path(bench.path).mkdir(parents=True)
    task = bench.work(stick)
    Path(bench.path).rmdir()
    with pytest.raises(ApiError, match=f"exit status 32: mount: {bench.path}: mount point does not exist"):
        task.carry_out()


def test_what_somebody_unmounts_in_between_fails_in_the_words_of_umount(bench: Bench) -> None:
    stick = bench.stick()
    bench.do(stick)
    task = bench.work(stick, state="absent")
    subprocess.run(["umount", bench.path], check=True)
    with pytest.raises(ApiError, match=f"exit status 32: umount: {bench.path}: not mounted"):
        task.carry_out()


def test_a_broken_file_system_fails_in_the_words_of_mount(bench: Bench) -> None:
    stick = bench.stick(plugged=False)
    os.truncate(stick.image, 2 * 1024 * 1024)
    stick.plug()
    said, result = failing(bench, stick)
    assert "wrong fs type, bad option, bad superblock" in said
    assert result["exit_status"] == 32
    assert bench.rows == []


def test_what_is_no_file_system_is_refused(bench: Bench) -> None:
    swap = bench.stick("swap")
    with pytest.raises(Refused, match=f"{swap.device} on pve1 holds swap, not a file system that is mounted here"):
        bench.work(swap)


def test_another_file_system_than_the_task_says_is_refused(bench: Bench) -> None:
    stick = bench.stick()
    with pytest.raises(Refused, match=f"{stick.device} on pve1 holds ext4, not vfat"):
        bench.work(stick, fstype="vfat")
    assert bench.work(stick, fstype="ext4").plan.changed


def test_a_file_system_that_the_kernel_lacks_fails_in_the_words_of_mount(
    bench: Bench, programs: Callable[[str, str], None]
) -> None:
    stick = bench.stick()
    programs("blkid", f"printf 'DEVNAME={stick.device}\\nTYPE=f2fs\\n'")
    said, result = failing(bench, stick)
    assert "unknown filesystem type 'f2fs'" in said
    assert result["exit_status"] == 32


def test_a_symbolic_link_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    stick = bench.stick()
    Path(bench.path).parent.mkdir(parents=True, exist_ok=True)
    Path(bench.path).symlink_to(tmp_path)
    for state in ("present", "absent"):
        with pytest.raises(Refused, match=f"{bench.path} on pve1 is {tmp_path} by a symbolic link"):
            bench.work(stick, state=state)


def test_a_file_is_not_mounted_on(bench: Bench) -> None:
    stick = bench.stick()
    Path(bench.path).parent.mkdir(parents=True, exist_ok=True)
    Path(bench.path).write_text("")
    with pytest.raises(Refused, match="is not a directory, but a regular empty file"):
        bench.work(stick)


@pytest.mark.parametrize("argv", [["mount", "-t", "tmpfs", "none"], ["mount", "--bind", "/usr"]])
def test_what_is_no_stick_is_never_unmounted(bench: Bench, argv: list[str]) -> None:
    stick = bench.stick()
    Path(bench.path).mkdir(parents=True)
    subprocess.run([*argv, bench.path], check=True)
    with pytest.raises(Refused, match="which is no file system of a device"):
        bench.work(stick)
    assert bench.work(stick, state="absent").plan.steps == []


def test_options_change_without_unmounting(bench: Bench) -> None:
    stick = bench.stick()
    bench.mount(stick, "noatime,noexec")
    result = bench.do(stick, options=["ro", "sync"])
    assert steps(result) == [("update", "remount")]
    assert result["usb_mount"]["options"] == ["nosuid", "nodev", "ro", "sync"]
    said = set(bench.rows[0]["options"].split(","))
    assert {"ro", "sync", "relatime"} <= said
    assert not {"noexec", "noatime"} & said


def test_options_that_the_task_does_not_say_stay_but_for_the_two(bench: Bench) -> None:
    stick = bench.stick()
    bench.mount(stick, "noatime,suid")
    result = bench.do(stick)
    assert steps(result) == [("update", "remount")]
    assert result["usb_mount"]["options"] == ["nosuid", "nodev", "noatime"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"uuid": "not-a-uuid"},
        {"uuid": "../../etc"},
        {"uuid": f"{ABSENT} -o suid"},
        {"path": "/etc"},
        {"path": "/mnt"},
        {"path": "/mnt/usb/../../etc"},
        {"path": "/mnt/usb/a b"},
        {"path": "/mnt/usb/-o"},
        {"path": "/mnt/usb/a;id"},
        {"path": "/mnt/usb/a\n"},
        {"path": "/mnt/usb/a/"},
        {"path": "/mnt/usb/.hidden"},
        {"path": "/mnt/usb"},
        {"path": "/mnt/backup"},
        {"path": "/mnt/pve/storage"},
        # a link on the stick could lead anywhere
        {"path": "/mnt/usb/stick/folder"},
        {"path": "mnt/usb"},
        {"device_timeout": 0},
        {"device_timeout": 10000},
        {"persist": "none", "nofail": True},
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_run(bench: Bench, wanted: dict[str, Any]) -> None:
    stick = bench.stick()
    with pytest.raises(BadInput, match="Nothing was sent") as caught:
        bench.work(**{"stick": stick.uuid, **wanted} if "uuid" not in wanted else {"stick": wanted["uuid"]})
    assert next(iter(wanted if "nofail" not in wanted else ["nofail"])) in str(caught.value)


def test_a_uuid_is_the_same_in_any_case(bench: Bench) -> None:
    stick = bench.stick()
    assert bench.work(stick.uuid.upper()).plan.steps[-1].data["uuid"] == stick.uuid


def test_whoever_is_not_root_is_told_before_anything_is_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """findmnt and blkid would find nothing, and say nothing."""
    stick = bench.stick()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PermissionDenied, match=r"who is not root.*runner: sudo"):
        bench.work(stick)
