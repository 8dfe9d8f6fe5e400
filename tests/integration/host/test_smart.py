# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""smart through the fence: the real smartctl of this machine where it fails, and one that says what disks say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._host import command, operations

from .programs import Programs, read

SMARTCTL = operations.PROGRAMS["smartctl"].path
real = pytest.mark.skipif(not Path(SMARTCTL).exists(), reason="needs the package smartmontools")
#: a card reader without a card has no size; util-linux before 2.33 prints numbers as texts
LSBLK = json.dumps(
    {
        "blockdevices": [
            {"name": "/dev/sda", "type": "disk", "size": 2000398934016},
            {"name": "/dev/sdb", "type": "disk", "size": 0},
            {"name": "/dev/sdc", "type": "disk", "size": "8004304896"},
            {"name": "/dev/sr0", "type": "rom", "size": 1073741312},
            {"name": "/dev/nvme0n1", "type": "disk", "size": 1000204886016},
        ]
    }
)
DISKS = {"disks": ["/dev/sda"]}


def document(**more: Any) -> str:
    return json.dumps({"json_format_version": [1, 0], "smartctl": {"version": [7, 4]}, **more})


@real
@pytest.mark.parametrize("check", [True, False])
def test_the_real_smartctl_says_that_a_disk_is_not_there(check: bool) -> None:
    if Path("/dev/sdzz").exists():
        pytest.skip("this machine has many disks")
    result = read("smart", {"disks": ["/dev/sdzz"]}, check=check)
    (row,) = result["smart"]["unread"]
    assert row["why"].startswith("Smartctl open device: /dev/sdzz failed: No such device")
    assert (row["exit_status"], result["smart"]["disks"], result["changed"]) == (2, [], False)


@real
def test_the_real_smartctl_looks_for_disks() -> None:
    result = read("smart", {"disks": ["all"]})
    found = len(result["smart"]["disks"]) + len(result["smart"]["unread"])
    assert found or result["warnings"] == ["smartctl finds no disk on pve1"]


@real
def test_the_real_smartctl_says_in_a_document_what_it_cannot_read(tmp_path: Path) -> None:
    """With status 1 and an empty stderr; the fence lets no such path through, so it is run beside it."""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1024))
    outcome = command.run([SMARTCTL, "-a", "-j", str(disk)], 20, stop=True)
    row = operations.OPERATIONS["smartctl -a"]
    assert (outcome.status, outcome.stderr, row.answers(outcome)) == (1, "", True)
    (message,) = row.answer(outcome)["document"]["smartctl"]["messages"]
    assert message["string"] == f"{disk}: Unable to detect device type"


def test_what_is_run_is_exactly_this(programs: Programs) -> None:
    scan = document(devices=[{"name": "/dev/sda", "type": "sat"}, {"name": "/dev/nvme0", "type": "nvme"}])
    programs.does("smartctl", f"case $1 in --scan) echo '{scan}';; *) echo '{document(smart_status={})}';; esac")
    programs.says("lsblk", LSBLK)
    read("smart", {"disks": ["all"]}, check=True)
    disks = ("/dev/sda", "/dev/nvme0", "/dev/sdc")
    assert programs.calls == [
        "smartctl --scan -j",
        "lsblk --json --nodeps --paths --bytes --output NAME,TYPE,SIZE",
        *(f"smartctl -a -j {disk}" for disk in disks),
    ]


@pytest.mark.parametrize(("status", "health"), [(0, "passed"), (8, "failing"), (64, "passed")])
def test_an_exit_status_with_findings_is_an_answer(programs: Programs, status: int, health: str) -> None:
    programs.says("smartctl", document(smart_status={"passed": status != 8}), status=status)
    (row,) = read("smart", DISKS)["smart"]["disks"]
    assert (row["health"], row["exit_status"]) == (health, status)


@pytest.mark.parametrize(
    ("stdout", "stderr", "status", "says"),
    [
        ("", "smartctl: error while loading shared libraries", 127, "exit status 127: smartctl: error while loading"),
        ("{", "", 0, "printed what is not JSON"),
        ("[]", "", 0, r"failed on .* with exit status 0: \[\]"),
        ("", "", 0, "failed on .* with exit status 0: it said nothing"),
        ("{" + "x" * 1100000, "", 0, "printed more than 1 MiB"),
    ],
)
def test_a_smartctl_that_breaks_makes_the_disk_unread(
    programs: Programs, stdout: str, stderr: str, status: int, says: str
) -> None:
    programs.says("smartctl", stdout, stderr, status)
    result = read("smart", DISKS)["smart"]
    assert result["disks"] == []
    (row,) = result["unread"]
    assert re.search(says, row["why"])


def test_a_disk_that_does_not_answer_is_unread(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    row = operations.OPERATIONS["smartctl -a"]
    monkeypatch.setitem(operations.OPERATIONS, row.name, type(row)(**{**vars(row), "timeout": 0.3}))
    programs.does("smartctl", "exec sleep 20")
    (unread,) = read("smart", DISKS)["smart"]["unread"]
    assert "smartctl -a -j /dev/sda' still runs on" in unread["why"]
    assert "Is a disk or a file system of this host stuck?" in unread["why"]


def test_a_host_without_smartctl_says_what_to_install(programs: Programs) -> None:
    programs.is_at("smartctl", "/nowhere/smartctl")
    with pytest.raises(BadInput, match=r"/nowhere/smartctl is not installed on .*Install the package smartmontools"):
        read("smart", DISKS)


# -- behind sudo: its texts, as 1.9.13 and 1.9.16 print them ---------------------------------------------------------

NO_HOST = "sudo: unable to resolve host pve1: Name or service not known\n"


@pytest.mark.parametrize(
    "refusal",
    [
        "sudo: a password is required\n",
        "sudo: a terminal is required to read the password; either use the -S option to read from standard input or "
        "configure an askpass helper\nsudo: a password is required\n",
        "Sorry, user ansible is not allowed to execute '/usr/sbin/smartctl' as root on vm.\n",
        "ansible is not in the sudoers file.\n",
        f"{NO_HOST}sudo: a password is required\n",
    ],
)
def test_a_refusal_of_sudo_fails_the_task_with_the_lines_that_help(programs: Programs, refusal: str) -> None:
    programs.says("sudo", stderr=refusal, status=1)
    with pytest.raises(Refused, match=r"sudo does not let \S+ run '/usr/sbin/smartctl --scan -j' on") as caught:
        read("smart", {"disks": ["all"]}, runner="sudo")
    lines = caught.value.facts["sudoers"].splitlines()
    assert [line.partition("NOPASSWD: ")[2].partition(" ^")[0] for line in lines] == [SMARTCTL, SMARTCTL]
    assert programs.calls == [f"sudo -n {SMARTCTL} --scan -j"]


def test_a_finding_of_smartctl_behind_sudo_is_no_refusal(programs: Programs) -> None:
    said = document(smartctl={"messages": [{"string": "/dev/sda: Unable to detect device type"}]})
    programs.says("sudo", said, NO_HOST, status=1)
    (row,) = read("smart", DISKS, runner="sudo")["smart"]["unread"]
    assert row["why"] == "/dev/sda: Unable to detect device type"


def test_a_warning_of_sudo_is_not_what_the_command_said(programs: Programs) -> None:
    programs.says("sudo", stderr=f"{NO_HOST}smartctl: error while loading shared libraries", status=127)
    (row,) = read("smart", DISKS, runner="sudo")["smart"]["unread"]
    assert "exit status 127: smartctl: error while loading shared libraries" in row["why"]


def test_what_is_allowed_and_not_installed_is_no_refusal(programs: Programs) -> None:
    programs.says("sudo", stderr=f"sudo: {SMARTCTL}: command not found\n", status=1)
    with pytest.raises(BadInput, match="Install the package smartmontools"):
        read("smart", DISKS, runner="sudo")
