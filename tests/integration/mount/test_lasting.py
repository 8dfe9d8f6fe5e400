# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes a mount last: one line of fstab, or one unit of systemd; nothing else of either is touched."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, Refused

from .conftest import FSTAB, Bench, Stick

STEPS = dict[str, Any]
OPTIONS = "nosuid,nodev,nofail,x-systemd.device-timeout=10s,x-steward.proxmox"


def steps(result: dict[str, Any]) -> list[str]:
    return [step["path"] for step in result["plan"]["steps"]]


def line(bench: Bench, stick: Stick, options: str = OPTIONS) -> str:
    return f"UUID={stick.uuid}\t{bench.path}\text4\t{options}\t0\t0\n"


# -- fstab -----------------------------------------------------------------------------------------------------------


def test_its_line_comes_and_goes_and_all_else_stays_byte_for_byte(bench: Bench) -> None:
    stick = bench.stick()
    foreign = "# old \x80 comment\r\n\tLABEL=x\t/srv\text4 defaults 0 2\n\n  # the end, without a newline".encode(
        "latin-1"
    )
    bench.fstab.write_bytes(foreign)
    result = bench.do(stick, persist="fstab")
    assert steps(result) == ["mkdir", "mount", "fstab line"]
    assert bench.fstab.read_bytes() == foreign + b"\n" + line(bench, stick).encode()
    assert result["usb_mount"]["persist"] == "fstab"

    result = bench.do(stick, state="absent")
    assert steps(result) == ["umount", "no fstab line"]
    assert bench.fstab.read_bytes() == foreign + b"\n"
    assert result["usb_mount"]["persist"] == "none"


def test_the_line_is_what_mount_and_findmnt_understand(bench: Bench) -> None:
    stick = bench.stick()
    bench.do(stick, persist="fstab")
    subprocess.run(["umount", bench.path], check=True)
    subprocess.run(["mount", "--fstab", bench.fstab, bench.path], check=True)
    assert bench.uuids == [stick.uuid]
    verified = subprocess.run(
        ["findmnt", "--verify", "--tab-file", bench.fstab], check=False, capture_output=True, text=True
    )
    assert bench.path not in verified.stdout
    assert bench.do(stick)["changed"] is False


def test_its_line_is_replaced_where_it_is_not_as_wanted(bench: Bench) -> None:
    stick = bench.stick()
    bench.do(stick, persist="fstab")
    bench.fstab.write_text(bench.fstab.read_text() + "# after it\n")
    result = bench.do(stick, options=["ro"], nofail=False, device_timeout=5)
    assert steps(result) == ["remount", "fstab line"]
    wanted = "nosuid,nodev,ro,x-systemd.device-timeout=5s,x-steward.proxmox"
    assert bench.fstab.read_text() == f"{FSTAB}\n# after it\n{line(bench, stick, wanted)}"
    # what a task does not say stays
    assert bench.do(stick)["changed"] is False
    result = bench.do(stick, options=[])
    assert steps(result) == ["remount", "fstab line"]
    assert "nosuid,nodev,x-systemd.device-timeout=5s," in bench.fstab.read_text()


def test_the_next_stick_takes_over_path_and_line(bench: Bench) -> None:
    monday, tuesday = bench.stick(), bench.stick()
    bench.do(monday, persist="fstab", options=["noatime"])
    result = bench.do(tuesday)
    # the older line goes before the mount: systemd would unmount what does not belong to it
    assert steps(result) == ["umount", "no fstab line", "mount", "fstab line"]
    assert bench.fstab.read_text() == f"{FSTAB}\n{line(bench, tuesday)}"
    assert bench.do(monday, state="absent")["changed"] is False


def test_persist_none_leaves_it_mounted(bench: Bench) -> None:
    stick = bench.stick()
    bench.do(stick, persist="fstab")
    assert steps(bench.do(stick, persist="none")) == ["no fstab line"]
    assert (bench.uuids, bench.fstab.read_text()) == ([stick.uuid], f"{FSTAB}\n")


def test_a_line_of_somebody_else_beside_its_own_is_kept(bench: Bench) -> None:
    stick = bench.stick()
    theirs = f"UUID={stick.uuid}\t{bench.path}\text4\tdefaults\t0\t0\n"
    bench.fstab.write_text(f"{theirs}{line(bench, stick)}")
    assert steps(bench.do(stick, persist="none")) == ["no fstab line", "mkdir", "mount"]
    assert bench.fstab.read_text() == theirs


def test_the_same_line_for_another_path_is_kept(bench: Bench) -> None:
    stick, longer = bench.stick(), bench.stick()
    other = f"UUID={longer.uuid}\t{bench.path}-2\text4\t{OPTIONS}\t0\t0\n"
    bench.fstab.write_text(other)
    bench.do(stick, persist="fstab")
    bench.do(stick, state="absent")
    assert bench.fstab.read_text() == other


@pytest.mark.parametrize(
    "foreign",
    [
        "UUID={uuid} /srv/backup ext4 defaults 0 2",
        'UUID="{UUID}" /srv/backup ext4 defaults 0 2',
        "/dev/disk/by-uuid/{uuid}\t/srv/backup\text4\tdefaults\t0\t2",
        "LABEL=other\t{path} ext4 defaults 0 0",
        "LABEL=other {path}/ ext4 defaults 0 0",
        # ours, moved about by hand
        "UUID={uuid} {path} ext4 " + OPTIONS + " 0 0",
        "UUID={uuid}\t{path}-other\text4\t" + OPTIONS + "\t0\t0",
    ],
)
def test_a_line_of_somebody_else_is_refused_and_told(bench: Bench, foreign: str) -> None:
    stick = bench.stick()
    text = foreign.format(uuid=stick.uuid, UUID=stick.uuid.upper(), path=bench.path)
    bench.fstab.write_text(f"# one\n{text}\n")
    told = "/etc/fstab has line 2 .* on pve1, which is not of this task's making"
    with pytest.raises(Refused, match=f"{told}.*Nothing was sent.*persist: none"):
        bench.work(stick, persist="fstab")
    (said,) = bench.work(stick).plan.warnings
    assert "it stays, and mounts at the next start" in said
    assert steps(bench.do(stick)) == ["mkdir", "mount"]
    (said,) = bench.work(stick, state="absent").plan.warnings
    assert "line 2" in said
    bench.do(stick, state="absent")
    assert bench.fstab.read_text() == f"# one\n{text}\n"


@pytest.mark.parametrize("text", ["", None])
def test_without_fstab_there_is_nothing_to_add_to(bench: Bench, text: str | None) -> None:
    stick = bench.stick()
    bench.fstab.unlink() if text is None else bench.fstab.write_text(text)
    with pytest.raises(Refused, match="/etc/fstab on pve1 is missing or empty"):
        bench.work(stick, persist="fstab")
    assert bench.do(stick)["changed"]


def test_a_link_to_fstab_stays_a_link(bench: Bench, tmp_path: Path) -> None:
    stick = bench.stick()
    bench.fstab.rename(tmp_path / "elsewhere")
    bench.fstab.symlink_to(tmp_path / "elsewhere")
    bench.do(stick, persist="fstab")
    assert bench.fstab.is_symlink()
    assert stick.uuid in (tmp_path / "elsewhere").read_text()


def test_an_edit_that_was_lost_is_a_failure(bench: Bench) -> None:
    stick = bench.stick()
    task = bench.work(stick, persist="fstab")
    bench.fstab.write_text("")  # sed finds no last line to add to
    with pytest.raises(ApiError, match=r"Every command reported success, and .* is not as planned"):
        task.carry_out()


# -- systemd ---------------------------------------------------------------------------------------------------------


def test_without_systemd_there_is_no_unit(bench: Bench) -> None:
    with pytest.raises(Refused, match=r"systemd does not run on pve1.*persist: fstab"):
        bench.work(bench.stick(), persist="systemd")


def test_its_unit_comes_and_goes(bench: Bench) -> None:
    bench.boot()
    stick = bench.stick()
    result = bench.do(stick, persist="systemd", options=["noexec"])
    assert steps(result) == ["mkdir", "mount", "mount unit", "systemctl daemon-reload", "systemctl reenable"]
    assert bench.systemctl == ["daemon-reload", f"reenable {bench.unit.name}"]
    assert bench.unit.read_text() == (
        f"[Unit]\nX-Made-By=steward.proxmox\nJobTimeoutSec=10\n[Mount]\nWhat=/dev/disk/by-uuid/{stick.uuid}\n"
        f"Where={bench.path}\nType=ext4\nOptions=nosuid,nodev,noexec,nofail\n[Install]\nWantedBy=multi-user.target\n"
    )
    assert result["usb_mount"]["persist"] == "systemd"
    assert bench.fstab.read_text() == FSTAB

    result = bench.do(stick, state="absent")
    assert steps(result) == ["umount", "systemctl disable", "no mount unit", "systemctl daemon-reload"]
    assert bench.systemctl == [f"disable {bench.unit.name}", "daemon-reload"]
    assert not bench.unit.exists()


def test_its_name_is_the_one_of_systemd_escape(bench: Bench) -> None:
    assert "\\x2d" in bench.unit.name
    assert "steward-test" in bench.path


def test_a_unit_that_is_not_enabled_is_enabled(bench: Bench) -> None:
    bench.boot()
    stick = bench.stick()
    bench.do(stick, persist="systemd")
    (bench.place / f"enabled-{bench.unit.name}").unlink()
    assert steps(bench.do(stick)) == ["systemctl reenable"]


def test_a_start_that_needs_it(bench: Bench) -> None:
    bench.boot()
    stick = bench.stick()
    bench.do(stick, persist="systemd", nofail=False, device_timeout=30)
    text = bench.unit.read_text()
    assert "JobTimeoutSec=30\n" in text
    assert "Options=nosuid,nodev\n" in text
    assert text.endswith("RequiredBy=local-fs.target\n")
    assert bench.do(stick)["changed"] is False


def test_from_fstab_to_a_unit_and_back(bench: Bench) -> None:
    bench.boot()
    stick = bench.stick()
    bench.do(stick, persist="fstab", options=["ro"])
    assert bench.systemctl == ["daemon-reload"]
    result = bench.do(stick, persist="systemd")
    assert steps(result)[:3] == ["no fstab line", "systemctl daemon-reload", "mount unit"]
    assert "Options=nosuid,nodev,ro,nofail\n" in bench.unit.read_text()
    assert bench.fstab.read_text() == f"{FSTAB}\n"
    bench.do(stick, persist="fstab")
    assert not bench.unit.exists()
    assert "nosuid,nodev,ro,nofail" in bench.fstab.read_text()


def test_a_unit_of_somebody_else_is_refused_and_told(bench: Bench) -> None:
    bench.boot()
    stick = bench.stick()
    bench.unit.write_text("[Mount]\nWhat=/dev/sdb1\n")
    with pytest.raises(Refused, match=r"there is a unit mnt-usb-steward.*not of this task's making"):
        bench.work(stick, persist="systemd")
    bench.do(stick)
    bench.do(stick, state="absent")
    assert bench.unit.read_text() == "[Mount]\nWhat=/dev/sdb1\n"
