# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SMART and sensors, of devices that the kernel, smartctl and sensors take for real ones."""

from .conftest import USER, Play, Stick
from .machine import Machine

ATA = "/dev/disk/by-id/ata-QEMU_HARDDISK_ATA0001"
# bits of an NVMe disk's own warning: spare blocks, temperature, reliability
WORN, HOT, UNRELIABLE = 1, 2, 4


def test_disks_that_are_well_and_their_sensors(nvme: str, play: Play) -> None:
    found, named, shown = play({"smart": {}}, {"smart": {"disks": [ATA]}}, {"sensors": {}}, check=True)

    assert [result["changed"] for result in (found, named, shown)] == [False, False, False]
    assert found["smart"]["unread"] == []
    disks = {disk["device"]: disk for disk in found["smart"]["disks"]}
    seen = {device: (disk["model"], disk["serial"], disk["health"], disk["reasons"]) for device, disk in disks.items()}
    assert seen == {
        "/dev/sda": ("QEMU HARDDISK", "ATA0001", "passed", []),
        f"/dev/{nvme}": ("QEMU NVMe Ctrl", "NVME0001", "passed", []),
    }
    assert {disk["exit_status"] for disk in disks.values()} == {0}
    assert disks[f"/dev/{nvme}"]["temperature"] == 50

    (ata,) = named["smart"]["disks"]
    assert (ata["device"], ata["serial"], ata["document"]["device"]["protocol"]) == (ATA, "ATA0001", "ATA")

    ((name, chip),) = shown["sensors"]["chips"].items()
    assert name.startswith("nvme-pci-")
    assert chip["Composite"]["temp1_input"] == 49.85
    assert shown["sensors"]["alarms"] == []


def test_a_disk_that_is_failing_and_one_that_cannot_be_asked(
    machine: Machine, nvme: str, stick: Stick, play: Play
) -> None:
    machine.turn(nvme, "smart_critical_warning", WORN | HOT | UNRELIABLE)
    found, named, shown = play({"smart": {}}, {"smart": {"disks": ["/dev/sdz"]}}, {"sensors": {}})

    healthy, disk = sorted(found["smart"]["disks"], key=lambda disk: disk["exit_status"])
    assert healthy["health"] == "passed"
    assert (disk["exit_status"], disk["bits"], disk["health"]) == (8, ["failing"], "failing")
    assert disk["reasons"] == [
        "the disk says that it is failing",
        "spare below threshold",
        "temperature above or below threshold",
        "reliability degraded",
    ]

    # smartctl's own scan leaves the stick out
    (bridge,), (absent,) = found["smart"]["unread"], named["smart"]["unread"]
    assert (bridge["device"], bridge["exit_status"]) == (stick.device, 1)
    assert "Unknown USB bridge [0x46f4:0x0001" in bridge["why"]
    assert "smartctl does not know how to ask the disk behind it" in bridge["why"]
    assert (absent["device"], absent["exit_status"]) == ("/dev/sdz", 2)
    assert [len(result["warnings"]) for result in (found, named)] == [1, 1]

    (alarm,) = shown["sensors"]["alarms"]
    assert (alarm["what"], alarm["value"]) == ("temp1_alarm", 49.85)


def test_the_fence_holds(machine: Machine, play: Play) -> None:
    tried = "sudo -n smartctl -s off /dev/sda; sudo -n mount --bind /etc /mnt; sudo -n sh -c id"
    said = machine.run(f"su -c '{tried}' {USER} 2>&1", check=False)
    assert said.splitlines() == ["sudo: a password is required"] * 3

    machine.run("mv /etc/sudoers.d/steward-proxmox /root")
    try:
        (refused,) = play({"smart": {}})
    finally:
        machine.run("mv /root/steward-proxmox /etc/sudoers.d")
    assert refused["failed"]
    assert f"sudo does not let {USER} run '/usr/sbin/smartctl --scan -j' on node" in refused["msg"]
    assert f"{USER} ALL=(root) NOPASSWD: /usr/sbin/smartctl ^--scan -j$" in refused["sudoers"]
