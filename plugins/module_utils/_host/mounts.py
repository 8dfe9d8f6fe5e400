# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that find, mount and unmount file systems, and make that last: util-linux 2.38 and 2.41. Pure.

Everything that is written stands in the arguments, so that the rules of sudoers see all of it. No argument has a blank:
sudo could not tell where it ends.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .command import Outcome
from .operation import Operation, Parameter, Text, or_nothing, unsent

FSTYPES = ("btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "ntfs3", "vfat", "xfs")
#: what a task may ask for, and what turns it off again
OPTIONS = {"noatime": "relatime", "noexec": "exec", "ro": "rw", "sync": "async"}
#: what no stick is mounted without
ALWAYS = ("nosuid", "nodev")
UNITS = "/etc/systemd/system"
#: by which what this collection made is known
FSTAB_MARK, UNIT_MARK = "x-steward.proxmox", "X-Made-By=steward.proxmox"

UUID = "([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{4}-[0-9A-F]{4}|[0-9A-F]{16})"
#: No stick is mounted below another, whose links mount would follow, nor below /mnt/pve of Proxmox VE. And no dot: it
#: would be any character in the expression by which a line of fstab is found.
PATH = "/(mnt/usb|media)/[A-Za-z0-9_][A-Za-z0-9_-]*"
#: PATH as systemd escapes it
_UNIT_NAME = r"(mnt-usb|media)-([A-Za-z0-9_]|\\x2d)+[.]mount"
_OPTIONS = f"{','.join(ALWAYS)}(,({'|'.join(OPTIONS)}))*"
_IN_FSTAB = rf"{_OPTIONS}(,nofail)?,x-systemd[.]device-timeout=[0-9]{{1,4}}s,x-steward[.]proxmox"
_REMOUNT = ",".join([*ALWAYS, *(f"({on}|{off})" for on, off in OPTIONS.items())])
#: sed: the lines of fstab that this collection made for a path
_OWN = r"\|^UUID=[^\t]*\t{path}\t.*,x-steward\.proxmox\t|d"

_NODE = unsent("node", "[A-Za-z0-9._-]+")
_PATH = Parameter("path", PATH)
_UUID = Parameter("uuid", UUID)
_SOURCE = Parameter("uuid", UUID, ("UUID={}",))
_UNIT = Parameter("unit", _UNIT_NAME)
_FILE = Parameter("unit", _UNIT_NAME, (f"{UNITS}/{{}}",))
_TYPE = Parameter("fstype", f"({'|'.join(FSTYPES)})")
_FSTAB = "/etc/fstab"
_NOT_THERE = "No such file or directory$"


def mounts_of(outcome: Outcome) -> list[dict[str, Any]]:
    """What is mounted there, the one on top last. `uuid` is None where the device is gone, or has none."""
    return json.loads(outcome.stdout)["filesystems"] if outcome.stdout.strip() else []


def devices_of(outcome: Outcome) -> list[dict[str, str]]:
    """The devices that blkid found, in order, with their TYPE."""
    blocks = [dict(re.findall("^([A-Z_]+)=(.*)$", text, re.MULTILINE)) for text in outcome.stdout.split("\n\n")]
    return sorted((block for block in blocks if block), key=lambda block: block["DEVNAME"])


def holders_of(outcome: Outcome) -> list[tuple[str, str]]:
    """Processes, and the first file of each. find has a status of its own for those that ended in the meantime."""
    found = re.findall("^/proc/([0-9]+)/[^\t]*\t(.*)$", outcome.stdout, re.MULTILINE)
    return sorted(dict(reversed(found)).items(), key=lambda pair: int(pair[0]))


def tell_holders(holders: list[tuple[str, str]]) -> str:
    if not holders:
        return "No process has a file of it open: is something mounted below it, or exported from it?"
    return "; ".join(f"process {process} uses {file}" for process, file in holders[:8])


ROWS = (
    # with udev any user sees a UUID here, without it only root
    Operation(
        "findmnt",
        "findmnt",
        ("--json", "--output", "TARGET,SOURCE,UUID,FSTYPE,OPTIONS", "--mountpoint", _PATH, _NODE),
        writes=False,
        mute=True,
        answers=or_nothing(1),
        answer=mounts_of,
    ),
    # not from its cache: every device is asked, which takes its time where disks sleep
    Operation(
        "blkid",
        "blkid",
        ("--cache-file", "/dev/null", "--match-tag", "TYPE", "--output", "export", "--match-token", _SOURCE, _NODE),
        writes=False,
        timeout=120,
        mute=True,
        answers=or_nothing(2),
        answer=devices_of,
    ),
    Operation(
        "realpath",
        "realpath",
        ("--canonicalize-missing", _PATH, _NODE),
        writes=False,
        answer=lambda outcome: outcome.stdout.rstrip("\n"),
    ),
    Operation(
        "stat",
        "stat",
        ("--format", "%F", _PATH, _NODE),
        writes=False,
        missing=_NOT_THERE,
        answer=lambda outcome: outcome.stdout.rstrip("\n"),
    ),
    Operation("fstab", "cat", (_FSTAB, _NODE), writes=False, as_root=False, missing=_NOT_THERE),
    Operation("cat mount unit", "cat", (_FILE, _NODE), writes=False, missing=_NOT_THERE),
    Operation(
        "systemd",
        "test",
        ("-d", "/run/systemd/system", _NODE),
        writes=False,
        as_root=False,
        answers=or_nothing(1),
        answer=lambda outcome: outcome.status == 0,
    ),
    # from the files alone: a user without root may have no bus to ask systemd itself
    Operation(
        "systemctl is-enabled",
        "systemctl",
        ("--root=/", "is-enabled", _UNIT, _NODE),
        writes=False,
        as_root=False,
        answers=lambda outcome: bool(outcome.stdout.strip()),
        answer=lambda outcome: outcome.stdout.strip() == "enabled",
    ),
    Operation(
        "holders",
        "find",
        ("/proc", "-maxdepth", "3", "-lname", Text("{path}*", (_PATH,)), "-printf", r"%p\t%l\n"),
        writes=False,
        answers=lambda _outcome: True,
        answer=holders_of,
        tells=tell_holders,
    ),
    Operation("mkdir", "mkdir", ("--parents", "--mode=0755", _PATH), writes=True),
    Operation(
        "mount",
        "mount",
        ("--types", _TYPE, "--options", Parameter("options", _OPTIONS), _SOURCE, _PATH),
        writes=True,
        timeout=120,
    ),
    # with a device and a path fstab is not asked; each option is said, for what is not said is not turned off
    Operation(
        "remount",
        "mount",
        ("--options", Parameter("options", _REMOUNT, ("remount,{}",)), _SOURCE, _PATH),
        writes=True,
        timeout=120,
    ),
    Operation("umount", "umount", (_PATH,), writes=True, timeout=300, afterwards="holders"),
    Operation(
        "fstab line",
        "sed",
        (
            "--follow-symlinks",
            "--expression",
            Text(
                r"$aUUID={uuid}\t{path}\t{fstype}\t{options}\t0\t0",
                (_UUID, _PATH, _TYPE, Parameter("options", _IN_FSTAB)),
            ),
            "--expression",
            Text(_OWN, (_PATH,)),
            "--in-place",
            _FSTAB,
        ),
        writes=True,
    ),
    Operation(
        "no fstab line",
        "sed",
        ("--follow-symlinks", "--expression", Text(_OWN, (_PATH,)), "--in-place", _FSTAB),
        writes=True,
    ),
    # awk takes the lines of a file as arguments, and none of them for a part of its program
    Operation(
        "mount unit",
        "awk",
        (
            "BEGIN{for(i=2;i<ARGC;i++)print(ARGV[i])>ARGV[1]}",
            _FILE,
            "[Unit]",
            UNIT_MARK,
            Parameter("device_timeout", "[0-9]{1,4}", ("JobTimeoutSec={}",)),
            "[Mount]",
            Parameter("uuid", UUID, ("What=/dev/disk/by-uuid/{}",)),
            Parameter("path", PATH, ("Where={}",)),
            Parameter("fstype", _TYPE.pattern, ("Type={}",)),
            Parameter("options", f"{_OPTIONS}(,nofail)?", ("Options={}",)),
            "[Install]",
            Parameter("install", "(WantedBy=multi-user|RequiredBy=local-fs)[.]target"),
        ),
        writes=True,
    ),
    Operation("no mount unit", "rm", (_FILE,), writes=True),
    Operation("systemctl daemon-reload", "systemctl", ("daemon-reload",), writes=True),
    # of what it is wanted by may have changed
    Operation("systemctl reenable", "systemctl", ("reenable", _UNIT), writes=True),
    Operation("systemctl disable", "systemctl", ("disable", _UNIT), writes=True),
)
