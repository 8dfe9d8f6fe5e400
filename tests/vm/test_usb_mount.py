# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A USB stick, mounted by its UUID on Debian 13 with systemd and udev: made to last, pulled, put back, stacked."""

import json
from typing import Any

import pytest

from .conftest import Play, Stick
from .machine import Machine

PATH = "/mnt/usb/stick"


def wanted(stick: Stick, **more: Any) -> dict[str, Any]:
    return {"usb_mount": {"uuid": stick.uuid, "path": PATH, **more}}


def rows(machine: Machine, path: str = PATH) -> list[tuple[str, str | None]]:
    """Device and UUID of what is mounted there, as findmnt has it."""
    said = machine.run(f"findmnt --json --output SOURCE,UUID --mountpoint {path}", check=False)
    found = json.loads(said)["filesystems"] if said else []
    return [(row["source"], row["uuid"]) for row in found]


def mount_by_hand(machine: Machine, stick: Stick, times: int = 1) -> None:
    """As an administrator, or an older script, would. util-linux 2.41 does it again without a word."""
    mounts = "; ".join([f"mount -o nosuid,nodev UUID={stick.uuid} {PATH}"] * times)
    machine.run(f"mkdir -p {PATH}; {mounts}")
    assert rows(machine) == [(stick.device, stick.uuid)] * times


def does(result: dict[str, Any]) -> list[str]:
    """The operations of its plan, in order."""
    assert not result.get("failed"), result["msg"]
    assert result["changed"] == bool(result["plan"]["steps"])
    return [step["path"] for step in result["plan"]["steps"]]


def test_it_is_mounted_and_fstab_mounts_it_again(machine: Machine, stick: Stick, play: Play) -> None:
    fstab, present = machine.run("cat /etc/fstab"), wanted(stick, persist="fstab", options=["noatime"])

    (preview,) = play(present, check=True)
    assert rows(machine) == []
    done, again = play(present, present)
    assert preview["plan"]["digest"] == done["plan"]["digest"]
    assert "mount" in does(done)
    assert does(again) == []
    assert rows(machine) == [(stick.device, stick.uuid)]

    after = machine.run("cat /etc/fstab")
    assert after.startswith(fstab)
    (line,) = after.removeprefix(fstab).splitlines()
    assert line.split()[:3] == [f"UUID={stick.uuid}", PATH, "ext4"]
    # what libmount and systemd make of it
    machine.run("findmnt --verify")
    assert "/fstab" in machine.run("systemctl show --property=SourcePath mnt-usb-stick.mount")
    shown = machine.run(f"umount {PATH} && mount {PATH} && cat {PATH}/letter && findmnt -no OPTIONS {PATH}")
    assert shown.startswith("dear node\n")
    assert {"noatime", "nosuid", "nodev"} <= set(shown.split()[-1].split(","))

    absent = wanted(stick, state="absent")
    gone, again = play(absent, absent)
    assert "umount" in does(gone)
    assert does(again) == []
    assert (machine.run("cat /etc/fstab"), rows(machine)) == (fstab, [])


@pytest.mark.parametrize("stick", ["vfat"], indirect=True)
def test_a_unit_of_systemd_mounts_it_again(machine: Machine, stick: Stick, play: Play) -> None:
    path, unit = "/mnt/usb/photo-box", machine.run("systemd-escape --path --suffix=mount /mnt/usb/photo-box").strip()
    present = {"usb_mount": {"uuid": stick.uuid, "path": path, "persist": "systemd"}}

    done, again = play(present, present)
    assert "mount unit" in does(done)
    assert does(again) == []
    machine.run(f"systemd-analyze verify '/etc/systemd/system/{unit}' && systemctl is-enabled '{unit}'")
    assert machine.run(f"systemctl is-active '{unit}'") == "active\n"
    assert machine.run(f"systemctl stop '{unit}' && ls {path}") == ""
    # as when it boots: by what the unit is wanted by
    machine.run("systemctl start --job-mode=replace multi-user.target")
    assert machine.wait_for(f"cat {path}/letter") == "dear node\n"

    # systemd unmounts what it knows when the stick is pulled, and does not mount it when it is back
    stick.pull()
    machine.wait_for(f"! findmnt {path}")
    stick.put_in()
    assert rows(machine, path) == []
    back, gone = play(present, {"usb_mount": {"uuid": stick.uuid, "path": path, "state": "absent"}})
    assert does(back) == ["mount"]
    assert "no mount unit" in does(gone)
    assert rows(machine, path) == []
    assert machine.run(f"systemctl show --property=LoadState '{unit}'") == "LoadState=not-found\n"


def test_a_stick_that_was_pulled_is_mounted_anew(machine: Machine, stick: Stick, play: Play) -> None:
    mount_by_hand(machine, stick)
    stick.pull()
    ((ghost, none),) = rows(machine)
    assert none is None

    (missing,) = play(wanted(stick))
    assert missing["failed"]
    assert stick.uuid in missing["msg"]

    stick.put_in()
    assert stick.device != ghost
    (preview,) = play(wanted(stick), check=True)
    done, again = play(wanted(stick), wanted(stick))
    assert does(preview) == does(done) == ["umount", "mount"]
    assert does(again) == []
    assert rows(machine) == [(stick.device, stick.uuid)]
    assert machine.run(f"cat {PATH}/letter") == "dear node\n"


def test_a_ghost_is_unmounted_without_its_stick(machine: Machine, stick: Stick, play: Play) -> None:
    mount_by_hand(machine, stick)
    stick.pull()
    gone, again = play(*[wanted(stick, state="absent")] * 2)
    stick.put_in()
    assert does(gone) == ["umount"]
    assert does(again) == []
    assert rows(machine) == []


def test_stacked_mounts_become_one(machine: Machine, stick: Stick, play: Play) -> None:
    mount_by_hand(machine, stick, times=3)
    done, again = play(wanted(stick), wanted(stick))
    assert does(done) == ["umount", "umount"]
    assert does(again) == []
    assert rows(machine) == [(stick.device, stick.uuid)]


def test_a_mount_that_is_in_use_stays_and_is_told(machine: Machine, stick: Stick, play: Play) -> None:
    mount_by_hand(machine, stick)
    holder = machine.run(f"cd {PATH} && {{ sleep 300 >/dev/null 2>&1 & echo $!; }}").strip()
    (refused,) = play(wanted(stick, state="absent"))
    machine.run(f"kill {holder}")
    assert refused["failed"]
    assert "target is busy" in refused["msg"]
    assert f"process {holder} uses {PATH}" in refused["msg"]
    assert rows(machine) == [(stick.device, stick.uuid)]


def test_two_sticks_of_one_uuid_are_refused(machine: Machine, stick: Stick, play: Play) -> None:
    twin = stick.copy()
    machine.plug("twin", "usb-storage", twin, bus="usb.0", serial="STICK0002", removable=True)
    device = machine.wait_for("realpath -e /dev/disk/by-id/usb-*STICK0002*").strip()
    try:
        (refused,) = play(wanted(stick))
    finally:
        machine.unplug("twin")
    assert refused["failed"]
    assert f"have the UUID {stick.uuid}: {', '.join(sorted((stick.device, device)))}" in refused["msg"]
    assert rows(machine) == []
