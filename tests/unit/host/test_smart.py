# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of smart, against documents as smartctl 7.3 and 7.4 print them."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    BadInput,
    StewardError,
    Unreachable,
)
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST

Document = dict[str, Any]

NVME: Document = {
    "device": {"name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"},
    "model_name": "QEMU NVMe Ctrl",
    "serial_number": "PHNVME0001",
    "smart_status": {"passed": True, "nvme": {"value": 0}},
    "nvme_smart_health_information_log": {
        "critical_warning": 0,
        "temperature": 50,
        "available_spare": 0,
        "percentage_used": 3,
        "media_errors": 0,
    },
    "temperature": {"current": 50},
    "power_on_time": {"hours": 7},
}
ATTRIBUTE: Document = {
    "id": 1,
    "name": "Raw_Read_Error_Rate",
    "value": 100,
    "worst": 100,
    "thresh": 6,
    "when_failed": "",
    "flags": {"value": 3},
    "raw": {"value": 0, "string": "0"},
}
ATA: Document = {
    "device": {"name": "/dev/sda", "info_name": "/dev/sda [SAT]", "type": "sat", "protocol": "ATA"},
    "model_name": "QEMU HARDDISK",
    "serial_number": "QM00001",
    "smart_status": {"passed": True},
    "ata_smart_data": {"self_test": {"status": {"value": 0, "string": "completed without error", "passed": True}}},
    "ata_smart_attributes": {"revision": 1, "table": [ATTRIBUTE]},
}
#: as after `smartctl -s off`
SWITCHED_OFF: Document = {
    "device": {"name": "/dev/sda", "type": "sat", "protocol": "ATA"},
    "smart_support": {"available": True, "enabled": False},
}
#: a failing NVMe disk: its critical warning is 5
DYING: Document = {
    **NVME,
    "smart_status": {
        "passed": False,
        "nvme": {
            "value": 5,
            "spare_below_threshold": True,
            "temperature_above_or_below_threshold": False,
            "reliability_degraded": True,
        },
    },
}


def attributes(*rows: Document) -> Document:
    return {**ATA, "ata_smart_attributes": {"table": [{**ATTRIBUTE, **row} for row in rows]}}


def message(text: str) -> Document:
    return {"smartctl": {"messages": [{"string": text, "severity": "error"}]}}


class Disks:
    """A host whose smartctl answers this for each disk: an exit status and a document, or an error."""

    def __init__(self, scan: tuple[int, Document] = (0, {}), **disks: tuple[int, Document] | StewardError) -> None:
        self.scan, self.disks = scan, {f"/dev/{name}": answer for name, answer in disks.items()}
        self.block_devices: list[str] = []
        self.asked: list[str] = []

    def get(self, path: str, /, **params: Any) -> Any:
        self.asked.append(" ".join([path, *params.values()]))
        if path == "lsblk":
            return self.block_devices
        answer = self.scan if path == "smartctl --scan" else self.disks[params["device"]]
        if isinstance(answer, StewardError):
            raise answer
        return {"exit_status": answer[0], "document": answer[1]}

    def send(self, *_sent: Any) -> None:
        raise AssertionError


def smart(host: Disks, *disks: str, check: bool = False) -> dict[str, Any]:
    options = {"smart": {"disks": [*disks] or ["all"]}, "node": "pve1", "runner": "sudo", "pct": "/usr/sbin/pct"}
    return Work(PRIVILEGED_HOST, options, Memory(), check, writer=host).result()


def only(status: int, document: Document) -> dict[str, Any]:
    """The one disk that was read."""
    (row,) = smart(Disks(sda=(status, document)), "/dev/sda")["smart"]["disks"]
    return dict(row)


def test_a_healthy_disk() -> None:
    assert only(0, NVME) == {
        "device": "/dev/sda",
        "model": "QEMU NVMe Ctrl",
        "serial": "PHNVME0001",
        "exit_status": 0,
        "bits": [],
        "health": "passed",
        "reasons": [],
        "temperature": 50,
        "power_on_hours": 7,
        "wear": 3,
        "failed_attributes": [],
        "document": NVME,
    }


def test_it_never_changes_anything_and_is_the_same_in_check_mode() -> None:
    results = [smart(Disks(nvme0=(0, NVME)), "/dev/nvme0", check=check) for check in (True, False)]
    assert results[0] == results[1]
    assert results[0]["changed"] is False
    assert results[0]["plan"]["steps"] == []


def test_a_failing_nvme_disk_says_why() -> None:
    row = only(8, DYING)
    assert (row["health"], row["bits"]) == ("failing", ["failing"])
    assert row["reasons"] == ["the disk says that it is failing", "spare below threshold", "reliability degraded"]


@pytest.mark.parametrize(
    ("status", "document", "health", "bits"),
    [
        (0, ATA, "passed", []),
        (4, ATA, "passed", ["command"]),
        (16, ATA, "failing", ["prefail"]),
        (32, ATA, "passed", ["was_prefail"]),
        (64, ATA, "passed", ["error_log"]),
        (64 + 128, ATA, "passed", ["error_log", "self_test_log"]),
        (0, DYING, "failing", []),
        (8, SWITCHED_OFF, "failing", ["failing"]),
        (4, SWITCHED_OFF, "unknown", ["command"]),
        (0, {}, "unknown", []),
    ],
)
def test_the_bits_of_the_exit_status_are_findings(
    status: int, document: Document, health: str, bits: list[str]
) -> None:
    row = only(status, document)
    assert (row["health"], row["bits"], row["exit_status"]) == (health, bits, status)
    assert bool(row["reasons"]) is bool(bits or health != "passed")


def test_a_disk_that_gives_no_status_is_not_a_healthy_one() -> None:
    assert only(4, SWITCHED_OFF)["reasons"][-1] == "SMART is switched off"
    assert only(0, {"smart_support": {"available": False}})["reasons"] == ["the disk gives no status"]


def test_attributes_that_failed_are_named() -> None:
    bad = {"id": 5, "name": "Reallocated_Sector_Ct", "value": 1, "worst": 1, "thresh": 10, "when_failed": "now"}
    row = only(16, attributes({}, bad))
    assert row["failed_attributes"] == [bad]
    assert "Reallocated_Sector_Ct has failed: now" in row["reasons"]


@pytest.mark.parametrize(
    ("document", "wear"),
    [
        (NVME, 3),
        (ATA, None),
        (attributes({"name": "Wear_Leveling_Count", "value": 88}), 12),
        (attributes({"name": "Percent_Lifetime_Remain", "value": 100}), 0),
        ({"scsi_percentage_used_endurance_indicator": 9}, 9),
    ],
)
def test_wear_is_what_was_used(document: Document, wear: int | None) -> None:
    assert only(0, document)["wear"] == wear


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (2, "Smartctl open device: /dev/sda failed: No such device", "No such device"),
        (2, "Smartctl open device: /dev/sda failed: Permission denied", "Permission denied. Log in as root"),
        (1, "/dev/sda: Unknown USB bridge [0x46f4:0x0001 (0x000)]", "(0x000)]. smartctl does not know how to ask"),
        (1, "/dev/sda: Unable to detect device type", "Unable to detect device type"),
        (1, "ERROR: smartctl requires a device name as the final command-line argument.", "requires a device name"),
    ],
)
def test_a_disk_that_cannot_be_read_is_told_and_is_no_healthy_one(status: int, said: str, why: str) -> None:
    result = smart(Disks(sda=(status, message(said)), nvme0=(0, NVME)), "/dev/sda", "/dev/nvme0")
    (row,) = result["smart"]["unread"]
    assert (row["device"], row["exit_status"]) == ("/dev/sda", status)
    assert why in row["why"]
    assert [row["device"] for row in result["smart"]["disks"]] == ["/dev/nvme0"]
    assert result["warnings"] == [f"/dev/sda on pve1 could not be read: {row['why']}"]


def test_data_beside_an_error_bit_are_not_trusted() -> None:
    result = smart(Disks(sda=(2, ATA)), "/dev/sda")["smart"]
    assert (result["disks"], result["unread"][0]["why"]) == ([], "smartctl does not say why")


@pytest.mark.parametrize("error", [ApiError("it printed what is not JSON"), Unreachable("it still runs")])
def test_one_disk_that_breaks_smartctl_does_not_hide_the_others(error: StewardError) -> None:
    result = smart(Disks(sda=error, sdb=(0, ATA)), "/dev/sda", "/dev/sdb")["smart"]
    assert result["unread"] == [{"device": "/dev/sda", "why": str(error)}]
    assert [row["device"] for row in result["disks"]] == ["/dev/sdb"]


def scanned(*rows: tuple[str, str]) -> tuple[int, Document]:
    return 0, {"devices": [{"name": name, "type": kind} for name, kind in rows]}


def test_all_are_those_that_a_scan_finds() -> None:
    host = Disks(scanned(("/dev/sda", "scsi"), ("/dev/nvme0", "nvme")), sda=(0, ATA), nvme0=(8, DYING))
    result = smart(host)["smart"]
    assert host.asked == ["smartctl --scan", "lsblk", "smartctl -a /dev/sda", "smartctl -a /dev/nvme0"]
    assert [row["health"] for row in result["disks"]] == ["passed", "failing"]


def test_a_disk_that_the_scan_leaves_out_is_asked_all_the_same() -> None:
    """As it does with a USB stick whose bridge it does not know; of an NVMe disk it names the controller."""
    unknown = (1, message("/dev/sdb: Unknown USB bridge [0x46f4:0x0001 (0x000)]"))
    host = Disks(scanned(("/dev/sda", "scsi"), ("/dev/nvme0", "nvme")), sda=(0, ATA), nvme0=(0, NVME), sdb=unknown)
    host.block_devices = ["/dev/sda", "/dev/sdb", "/dev/vda", "/dev/nvme0n1", "/dev/zram0"]
    result = smart(host)["smart"]
    assert [row["device"] for row in result["disks"]] == ["/dev/sda", "/dev/nvme0"]
    assert [row["device"] for row in result["unread"]] == ["/dev/sdb"]


def test_what_a_scan_finds_and_the_fence_does_not_reach_is_told() -> None:
    result = smart(Disks(scanned(("/dev/bus/0", "megaraid,0"), ("/dev/sda", "sat")), sda=(0, ATA)))["smart"]
    assert [row["device"] for row in result["disks"]] == ["/dev/sda"]
    assert result["unread"] == [
        {"device": "/dev/bus/0", "why": "it is behind a controller (megaraid,0), which is not asked"}
    ]


def test_several_disks_behind_one_controller_are_told_one_by_one() -> None:
    result = smart(Disks(scanned(("/dev/bus/0", "megaraid,0"), ("/dev/bus/0", "megaraid,1"))))["smart"]
    assert ["megaraid,0" in result["unread"][0]["why"], "megaraid,1" in result["unread"][1]["why"]] == [True, True]


def test_a_host_without_disks_says_so() -> None:
    result = smart(Disks(scanned()))
    assert result["smart"] == {"disks": [], "unread": []}
    assert result["warnings"] == ["smartctl finds no disk on pve1"]


def test_a_scan_that_fails_is_a_failure() -> None:
    with pytest.raises(ApiError, match="smartctl --scan failed: out of order"):
        smart(Disks((2, message("out of order"))))


@pytest.mark.parametrize(
    "disk",
    [
        *("/etc/passwd", "/dev/../etc/passwd", "/dev/sda/../../etc/passwd", "/dev/disk/by-id/../../../etc/passwd"),
        *("/dev/sda1", "/dev/sdaaa", "/dev/vda", "/dev/loop0", "/dev/mapper/pve-root", "/dev/nvme0n1p1", "sda", ""),
        *("/dev/sda -s off", "/dev/sda\n", "/dev/sd$(id)", "/dev/disk/by-id/a b", "/dev/disk/by-id/-a", "-a", "all"),
    ],
)
def test_what_is_no_disk_is_refused_before_anything_is_asked(disk: str) -> None:
    host = Disks()
    with pytest.raises(BadInput, match=r"smart\.disks: .*Nothing was sent"):
        smart(host, disk, "/dev/sda")
    assert host.asked == []


@pytest.mark.parametrize(
    "disk",
    [
        *("sda", "sdab", "nvme0", "nvme0n1", "nvme12n3", "disk/by-id/nvme-Samsung_SSD_980_PRO_1TB_S5GXNX0T123456"),
        *("disk/by-id/wwn-0x5002538e40a22954", "disk/by-path/pci-0000:00:17.0-ata-1", "disk/by-id/usb-A_B-0:0"),
    ],
)
def test_the_names_of_disks(disk: str) -> None:
    assert smart(Disks(**{disk: (0, ATA)}), f"/dev/{disk}")["smart"]["disks"][0]["device"] == f"/dev/{disk}"


def test_a_disk_that_is_named_twice_is_read_once() -> None:
    host = Disks(sda=(0, ATA))
    smart(host, "/dev/sda", "/dev/sda")
    assert host.asked == ["smartctl -a /dev/sda"]


@pytest.mark.parametrize("named", [{}, {"smart": {"disks": ["all"]}, "sensors": {}}])
def test_a_task_names_exactly_one_thing(named: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"exactly one of golden_lxc, .*smart.* is needed"):
        Work(PRIVILEGED_HOST, {**named, "node": "pve1"}, Memory(), False, writer=Disks())
