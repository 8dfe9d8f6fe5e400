# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""usb_mount without a machine: what its programs print, what may stand in its commands, and what is planned.

What the commands really do is in tests/integration/mount.
"""

import json
import re
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, NotFound, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._host import mounts
from ansible_collections.steward.proxmox.plugins.module_utils._host.command import Outcome
from ansible_collections.steward.proxmox.plugins.module_utils._host.operation import Operation, Text
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import OPERATIONS
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._operations import destroys
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.usb_mount_there import (
    Lasting,
    of_line,
    of_unit,
    unit_name,
)

EXT4, VFAT, NTFS = "4e9f2bd6-8f1c-4d3b-9f0e-2f6f9c1a7b10", "5F3A-09C1", "01D9C0FFEE00BEEF"
PATH = "/mnt/usb/stick"
UNIT = "mnt-usb-stick.mount"
LINE = f"UUID={EXT4}\t{PATH}\text4\tnosuid,nodev,nofail,x-systemd.device-timeout=10s,x-steward.proxmox\t0\t0"


def said(stdout: str, status: int = 0) -> Outcome:
    return Outcome(status, stdout, "")


# -- what programs print ---------------------------------------------------------------------------------------------


def test_findmnt_finds_one_many_or_none() -> None:
    row = {"target": PATH, "source": "/dev/sdb1", "uuid": None, "fstype": "ext4", "options": "rw"}
    assert mounts.mounts_of(said(json.dumps({"filesystems": [row, row]}))) == [row, row]
    assert mounts.mounts_of(said("", 1)) == []
    findmnt = OPERATIONS["findmnt"]
    assert findmnt.answers(Outcome(1, "", ""))
    assert not findmnt.answers(Outcome(1, "", "findmnt: can't read /proc/mounts\n"))


def test_blkid_names_devices_with_what_they_hold() -> None:
    text = "DEVNAME=/dev/sdc1\nTYPE=ext4\n\nDEVNAME=/dev/sdb1\nTYPE=ext4\n"
    assert [row["DEVNAME"] for row in mounts.devices_of(said(text))] == ["/dev/sdb1", "/dev/sdc1"]
    assert mounts.devices_of(said("", 2)) == []
    assert mounts.devices_of(said("DEVNAME=/dev/sdb1\n")) == [{"DEVNAME": "/dev/sdb1"}]


def test_who_holds_a_path_is_told_once_each_and_not_for_ever() -> None:
    text = f"/proc/12/cwd\t{PATH}\n/proc/12/fd/3\t{PATH}/a\n/proc/7/fd/4\t{PATH}/a\tb\n"
    holders = mounts.holders_of(said(text, 1))
    assert holders == [("7", f"{PATH}/a\tb"), ("12", PATH)]
    assert mounts.tell_holders(holders[1:]) == f"process 12 uses {PATH}"
    assert "is something mounted below it" in mounts.tell_holders([])
    assert mounts.tell_holders([(str(number), "f") for number in range(50)]).count("process") == 8


# -- the rows --------------------------------------------------------------------------------------------------------


def words(row: Operation) -> list[str]:
    texts = [part if isinstance(part, str) else part.text for part in row.line if isinstance(part, (str, Text))]
    return texts + [form for part in row.parameters for form in part.form]


@pytest.mark.parametrize("row", mounts.ROWS, ids=lambda row: row.name)
def test_no_argument_has_a_blank(row: Operation) -> None:
    """sudo matches the arguments joined by blanks: it could not tell where such a one ends."""
    assert not [word for word in words(row) if re.search(r"\s", word)]
    assert not [one.name for one in row.parameters if re.search(r"\s|\\s|\[\^|\.[*+]", one.pattern)]


BAD = [
    ("path", "/mnt/usb/../etc"),
    ("path", "/mnt/usb"),
    ("path", "/mnt/usb/a/b"),
    ("path", "/mnt/usb/a.b"),
    ("path", "/mnt/usb/-o"),
    ("path", "/mnt/usb/a b"),
    ("path", "/mnt/usb/a\n"),
    ("path", "/mnt/pve/nfs"),
    ("path", "/etc"),
    ("uuid", "LABEL=x"),
    ("uuid", EXT4.upper()),
    ("uuid", VFAT.lower()),
    ("uuid", f"{EXT4} /etc"),
    ("fstype", "fuse.sshfs"),
    ("fstype", "overlay"),
    ("options", "suid,nodev"),
    ("options", "nosuid"),
    ("options", "nosuid,nodev,suid"),
    ("options", "nosuid,nodev,bind"),
    ("options", "nosuid,nodev -o suid"),
    ("unit", "mnt-usb-stick-a.mount"),
    ("unit", "mnt-pve-backup.mount"),
    ("unit", "mnt-usb-stick.service"),
    ("unit", "../mnt-usb-a.mount"),
    ("unit", "ssh.service"),
    ("install", "WantedBy=sysinit.target"),
    ("install", "ExecStart=/bin/sh"),
    ("device_timeout", "1\nExecStart=/bin/sh"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_no_row_takes_what_is_not_meant(name: str, value: str) -> None:
    rows = [(row, one) for row in mounts.ROWS for one in row.parameters if one.name == name]
    assert rows
    for row, parameter in rows:
        with pytest.raises(BadInput):
            parameter.checked(name, value)
        assert not re.fullmatch(row.rule[1:-1], f"{value}")


@pytest.mark.parametrize(
    ("path", "unit"),
    [(PATH, UNIT), ("/mnt/usb/a-b_c", r"mnt-usb-a\x2db_c.mount"), ("/media/A1", "media-A1.mount")],
)
def test_the_name_of_a_unit_is_that_of_systemd_escape(path: str, unit: str) -> None:
    assert unit_name(path) == unit
    (parameter,) = OPERATIONS["systemctl disable"].parameters
    assert parameter.checked("unit", unit) == unit


@pytest.mark.parametrize("by", ["fstab", "systemd"])
@pytest.mark.parametrize("options", [(), ("noatime", "ro")])
@pytest.mark.parametrize("nofail", [True, False])
def test_what_is_written_is_read_again(by: str, options: tuple[str, ...], nofail: bool) -> None:
    wanted = Lasting(by, EXT4, "ext4", options, nofail, 30)
    text = wanted.text(PATH)
    assert (of_line(text) if by == "fstab" else of_unit(text)) == wanted
    row = OPERATIONS["fstab line" if by == "fstab" else "mount unit"]
    arguments = row.arguments(wanted.data(PATH))
    if by == "fstab":
        assert f"$a{text}".replace("\t", "\\t") in arguments
    else:
        assert "".join(f"{line}\n" for line in arguments[2:]) == text


def test_what_somebody_else_wrote_is_not_read() -> None:
    assert of_unit("[Mount]\nWhat=/dev/sdb1\n") is None
    assert of_unit("") is None


# -- the plan --------------------------------------------------------------------------------------------------------


class Node:
    """A host as its reads show it. `asked` are the writes of which the plan asked whether sudo allows them."""

    def __init__(self, **reads: Any) -> None:
        plain = {"findmnt": [], "fstab": "# none\n", "systemd": True, "realpath": PATH, "systemctl is-enabled": True}
        self.reads: dict[str, Any] = {**plain, "blkid": [{"DEVNAME": "/dev/sdb1", "TYPE": "ext4"}], **reads}
        self.asked: list[str] = []

    def get(self, path: str, /, **params: Any) -> Any:
        if path == "sudo -l":
            OPERATIONS[params.pop("operation")].arguments(params)
            self.asked.append(path)
            return True
        OPERATIONS[path].arguments(params)
        if path not in self.reads:
            raise NotFound("No such file or directory")
        return self.reads[path]

    def send(self, method: str, path: str, data: Any = None) -> None:
        raise AssertionError(f"{path} was run")


def work(node: Node, check: bool = False, memory: Memory | None = None, **wanted: Any) -> Work:
    chosen = {"uuid": EXT4, "path": PATH, "state": "present", **wanted}
    options = {"usb_mount": chosen, "node": "pve1", "runner": "sudo", "pct": "/usr/sbin/pct"}
    return Work(PRIVILEGED_HOST, options, memory or Memory(), check, writer=node)


def steps(task: Work) -> list[str]:
    return [step.path for step in task.plan.steps]


def mounted(uuid: str | None = EXT4, **row: Any) -> dict[str, Any]:
    plain = {"target": PATH, "source": "/dev/sdb1", "fstype": "ext4", "options": "rw,nosuid,nodev,relatime"}
    return {"uuid": uuid, **plain, **row}


def test_each_step_was_asked_of_sudo_and_destroys_nothing() -> None:
    node = Node(findmnt=[mounted(None)])
    task = work(node, persist="systemd")
    assert steps(task) == ["umount", "mount", "mount unit", "systemctl daemon-reload", "systemctl reenable"]
    assert len(node.asked) == len(task.plan.steps)
    assert [destroys(step.op) for step in task.plan.steps] == [""] * len(task.plan.steps)
    assert task.plan.public()["risk"] == {
        "level": "medium",
        "reasons": [f"unmounts /dev/sdb1: what uses {PATH} does without it"],
    }
    assert task.plan.public()["undo"]["possible"] is False


def test_check_and_real_are_the_same_plan() -> None:
    check, real = work(Node(), check=True, persist="fstab"), work(Node(), persist="fstab")
    assert check.plan.public() == real.plan.public()
    assert check.plan.digest == real.plan.digest


def test_the_plan_is_bound_to_what_is_mounted_and_what_lasts() -> None:
    plain = work(Node(findmnt=[mounted(NTFS)])).plan
    assert plain.digest != work(Node(findmnt=[mounted(VFAT)])).plan.digest
    elsewhere = Node(findmnt=[mounted(NTFS)], blkid=[{"DEVNAME": "/dev/sdz1", "TYPE": "ext4"}])
    assert plain.digest == work(elsewhere).plan.digest  # the name of a device is chance


@pytest.mark.parametrize(("uuid", "type_", "fstype"), [(VFAT, "vfat", "vfat"), (NTFS, "ntfs", "ntfs3")])
def test_sticks_of_other_systems(uuid: str, type_: str, fstype: str) -> None:
    node = Node(blkid=[{"DEVNAME": "/dev/sdb1", "TYPE": type_}])
    task = work(node, uuid=uuid.lower())
    assert task.plan.steps[-1].data == {"fstype": fstype, "options": "nosuid,nodev", "uuid": uuid, "path": PATH}


@pytest.mark.parametrize("type_", ["LVM2_member", "crypto_LUKS", "zfs_member", "swap", "iso9660"])
def test_what_is_not_mounted_here(type_: str) -> None:
    with pytest.raises(Refused, match=f"/dev/sdb1 on pve1 holds {type_}, not a file system that is mounted here"):
        work(Node(blkid=[{"DEVNAME": "/dev/sdb1", "TYPE": type_}]))


@pytest.mark.parametrize("source", ["tmpfs", "nas:/export", "rpool/data", "/dev/sda2[/backup]", "//nas/share"])
def test_what_is_no_stick_is_never_unmounted(source: str) -> None:
    node = Node(findmnt=[mounted(None, source=source)])
    with pytest.raises(Refused, match="is no file system of a device"):
        work(node)
    assert steps(work(node, state="absent")) == []


def test_where_nothing_is_to_do_sudo_is_not_asked() -> None:
    node = Node(findmnt=[mounted()], fstab=f"# one\n{LINE}\n")
    assert steps(work(node)) == []
    assert node.asked == []


def test_a_line_that_somebody_changed_is_written_again() -> None:
    node = Node(findmnt=[mounted()], fstab=LINE.replace("nofail", "nofail,user").replace(",x-st", ",x,x-st"))
    assert steps(work(node)) == ["fstab line", "systemctl daemon-reload"]


def test_two_lines_become_one() -> None:
    node = Node(findmnt=[mounted()], fstab=f"{LINE}\n{LINE}\n")
    task = work(node)
    assert steps(task) == ["fstab line", "systemctl daemon-reload"]
    assert [effect.value for effect in task.plan.effects] == [f"{LINE}\n"]


def test_another_host_of_a_check_run_knows_nothing_of_it() -> None:
    memory = Memory()
    first = work(Node(), check=True, memory=memory, persist="systemd")
    memory.remember(first.plan, {}, check=True)
    assert steps(work(Node(), check=True, memory=memory, persist="systemd")) == []
    options = {"usb_mount": {"uuid": EXT4, "path": PATH, "state": "present"}, "node": "pve2", "runner": "sudo"}
    other = Work(PRIVILEGED_HOST, {**options, "pct": "/usr/sbin/pct"}, memory, True, writer=Node())
    assert steps(other) == ["mkdir", "mount"]
