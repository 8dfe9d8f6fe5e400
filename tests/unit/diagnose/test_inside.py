# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What commands inside of guests and nodes printed, as flags; and everything that is none of an answer."""

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.filter.diagnose_flags import diagnose_flags
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.inside import JUDGES
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.looks import COMMANDS

Told = list[tuple[str, str, str]]


def look(check: str, stdout: str = "", rc: int = 0, stderr: str = "", **more: Any) -> dict[str, Any]:
    return {"check": check, "subject": "lxc/101", "rc": rc, "stdout": stdout, "stderr": stderr, **more}


def told(*looks: dict[str, Any], **limits: Any) -> Told:
    return [(flag["level"], flag["subject"], flag["what"]) for flag in diagnose_flags(looks, limits=limits)["flags"]]


def levels(*looks: dict[str, Any], **limits: Any) -> list[str]:
    return [level for level, _subject, _what in told(*looks, **limits)]


def test_every_command_has_a_judge() -> None:
    assert set(COMMANDS) < set(JUDGES)


UNITS = "cron.timer loaded failed failed x\nnginx.service loaded failed failed A high performance web server\n"
DF = """\
Filesystem                       1024-blocks     Used Available Capacity Mounted on
/dev/mapper/pve-vm--101--disk--0        1000      {used}      {free}      50% /
rpool/data/subvol 101                   1000      100       900      10% /srv/my data
tmpfs                                   1000      100       900      10% /tmp
udev                                      10       10         0     100% /dev
/dev/loop3                                10       10         0     100% /snap/core/1
efivarfs                                   -        -         -        - /sys/firmware/efi/efivars
"""
BUSYBOX = "Filesystem           1024-blocks    Used Available Capacity Mounted on\n/dev/loop0 1000 960 40 96% /\n"
INODES = "Filesystem     Inodes IUsed IFree IUse% Mounted on\n/dev/sda1 1000 910 90 91% /\nrpool 0 0 0 - /srv\n"
MEMORY = "MemTotal:           1000 kB\nMemFree:             10 kB\nMemAvailable:       {free} kB\nSwapTotal: 0 kB\n"
JOURNAL = """\
2026-11-21T19:00:00+0000 web nginx[7]: bind() failed
    on two lines
-- Boot 4f --
2026-11-21T19:00:01+0000 web kernel: oom
"""
HINT = """\
Hint: You are currently not seeing messages from other users and the system.
      Users in groups 'adm', 'systemd-journal' can see all messages.
      Pass -q to turn off this notice.
"""
LOG = "starting\nERROR: no space left\nerrors: 0 of 7\nsegfault at 0\n"


@pytest.mark.parametrize(
    ("seen", "flags"),
    [
        (look("inside"), []),
        (look("units"), []),
        (
            look("units", UNITS),
            [("warning", "cron.timer in lxc/101", "has failed"), ("warning", "nginx.service in lxc/101", "has failed")],
        ),
        (look("disks", DF.format(used=899, free=101)), []),
        (look("disks", DF.format(used=900, free=100)), [("warning", "/ in lxc/101", "is 90.0 % full")]),
        (look("disks", DF.format(used=950, free=50)), [("critical", "/ in lxc/101", "is 95.0 % full")]),
        # more than full: what is kept for root is used, too
        (look("disks", DF.format(used=990, free=-20)), [("critical", "/ in lxc/101", "is 100.0 % full")]),
        (look("disks", BUSYBOX), [("critical", "/ in lxc/101", "is 96.0 % full")]),
        (look("disks", BUSYBOX.replace("\n", "\r\n")), [("critical", "/ in lxc/101", "is 96.0 % full")]),
        (
            look("disks", "Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 5 5 0 100% /tmp\n"),
            [("critical", "/tmp in lxc/101", "is 100.0 % full")],
        ),
        (look("inodes", INODES), [("warning", "/ in lxc/101", "is 91.0 % full")]),
        (look("memory", MEMORY.format(free=101)), []),
        (look("memory", MEMORY.format(free=100)), [("warning", "lxc/101", "90.0 % of its memory is in use")]),
        (look("memory", MEMORY.format(free=30)), [("critical", "lxc/101", "97.0 % of its memory is in use")]),
        (look("journal"), []),
        (look("journal", "-- No entries --\n"), []),
        (
            look("journal", JOURNAL),
            [("warning", "lxc/101", "has 2 errors, the last: 2026-11-21T19:00:01+0000 web kernel: oom")],
        ),
        (look("ports", "LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:((nginx))\n"), []),
        (look("log", "all good\n", name="/var/log/a"), []),
        (
            look("log", LOG, name="/var/log/a"),
            [("warning", "/var/log/a in lxc/101", "2 of its last lines look like errors, the last: segfault at 0")],
        ),
        (
            look("log", LOG, name="/var/log/a", pattern="^start"),
            [("warning", "/var/log/a in lxc/101", "1 of its last lines look like errors, the last: starting")],
        ),
        (look("psql", "7\n", name="shop"), []),
        (look("psql", "7\n", name="shop", expect="^7$"), []),
        (
            look("psql", "8\n", name="shop", expect="^7$"),
            [("warning", "shop in lxc/101", "does not answer what is expected: 8")],
        ),
        (
            look("psql", "", name="shop", expect="."),
            [("warning", "shop in lxc/101", "does not answer what is expected: nothing")],
        ),
    ],
)
def test_what_is_wrong_inside(seen: dict[str, Any], flags: Told) -> None:
    assert told(seen) == flags


def test_the_limits_are_those_that_were_asked_for() -> None:
    seen = look("disks", BUSYBOX.replace("960 40 96", "50 50 50"))
    assert levels(seen, full=51) == []
    assert levels(seen, full=50) == ["warning"]
    assert levels(seen, full=10, full_critical=50) == ["critical"]
    assert levels(look("memory", MEMORY.format(free=500)), memory=50) == ["warning"]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"rc": 127, "stderr": "sh: 1: systemctl: not found"}, "ended with 127: sh: 1: systemctl: not found"),
        ({"rc": 1, "stdout": "System has not been booted with systemd"}, "with 1: System has not been booted"),
        ({"rc": 1}, "the command ended with 1: it said nothing"),
        ({"unreachable": True, "msg": "container '101' not running!"}, "could not be reached: container '101' not"),
        ({"failed": True, "msg": "no guest is open to the connection pct"}, "looked at: no guest is open"),
        ({"skipped": True}, "the task was not run"),
        ({}, "the task was not run"),
    ],
    ids=["no program", "refused", "without a word", "unreachable", "not allowed", "skipped", "nothing"],
)
@pytest.mark.parametrize("check", [check for check in JUDGES if check not in ("smart", "sensors")])
def test_a_look_that_failed_is_unread(check: str, seen: dict[str, Any], words: str) -> None:
    if check in ("disks", "inodes") and seen.get("stdout"):
        words = "its output is not understood"
    ((level, _subject, what),) = told({"check": check, "subject": "lxc/101", **seen})
    assert level == "unread"
    assert words in what


def test_df_tells_what_it_knows_and_that_it_is_not_all() -> None:
    seen = look("disks", BUSYBOX, rc=1, stderr="df: /mnt/nas: Stale file handle\n")
    assert told(seen) == [
        ("critical", "/ in lxc/101", "is 96.0 % full"),
        ("unread", "lxc/101", "not every file system was read: df: /mnt/nas: Stale file handle"),
    ]


@pytest.mark.parametrize(
    "seen",
    [
        look("disks", ""),
        look("disks", "Filesystem 1024-blocks\n"),
        look("inodes", "who knows"),
        look("memory", ""),
        look("memory", "MemTotal: 5 kB\n"),
        look("memory", "MemTotal: 0 kB\nMemAvailable: 0 kB\n"),
    ],
)
def test_an_output_that_is_not_understood_is_unread(seen: dict[str, Any]) -> None:
    assert levels(seen) == ["unread"]


@pytest.mark.parametrize("where", ["stdout", "stderr"])
@pytest.mark.parametrize("hint", [HINT, "No journal files were found.\n-- No entries --\n"])
def test_a_journal_of_which_only_a_part_may_be_seen_is_no_clean_one(where: str, hint: str) -> None:
    assert levels({**look("journal"), where: hint}) == ["unread"]
    assert levels(look("journal", JOURNAL + (hint if where == "stdout" else ""), stderr=hint)) == ["warning", "unread"]


def disk(**more: Any) -> dict[str, Any]:
    known = {"device": "/dev/sda", "health": "passed", "reasons": [], "exit_status": 0, "document": {"huge": 1}}
    return {**known, **more}


def smart(*disks: dict[str, Any], unread: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"check": "smart", "subject": "pve1", "smart": {"disks": list(disks), "unread": list(unread)}}


@pytest.mark.parametrize(
    ("seen", "flags"),
    [
        (smart(disk()), []),
        (
            smart(disk(health="failing", reasons=["it is failing", "spare below threshold"])),
            [("critical", "/dev/sda in pve1", "its health is failing: it is failing; spare below threshold")],
        ),
        (
            smart(disk(health="unknown", reasons=["SMART is switched off"])),
            [("unread", "/dev/sda in pve1", "its health is unknown: SMART is switched off")],
        ),
        (
            smart(disk(reasons=["the disk has logged errors"])),
            [("warning", "/dev/sda in pve1", "passes, but the disk has logged errors")],
        ),
        (
            smart(disk(), unread=({"device": "/dev/sdb", "why": "Unknown USB bridge"},)),
            [("unread", "/dev/sdb in pve1", "Unknown USB bridge")],
        ),
        (smart(), [("unread", "pve1", "smartctl finds no disk: how they are is not known")]),
        (
            {"check": "smart", "subject": "pve1", "failed": True, "rc": 126, "msg": "no Python"},
            [("unread", "pve1", "could not be looked at: no Python")],
        ),
    ],
)
def test_smart(seen: dict[str, Any], flags: Told) -> None:
    assert told(seen) == flags


def test_the_whole_document_of_a_disk_is_evidence_but_not_of_its_flag() -> None:
    found = diagnose_flags([smart(disk(health="failing"))])
    assert "document" not in found["flags"][0]["evidence"]
    assert found["evidence"]["pve1"]["smart"]["disks"][0]["document"] == {"huge": 1}


@pytest.mark.parametrize("answer", [{}, None, [], {"disks": [{}], "unread": []}], ids=str)
def test_a_result_of_another_kind_is_unread(answer: Any) -> None:
    assert levels({"check": "smart", "subject": "pve1", "smart": answer}) == ["unread"]


def sensors(chips: dict[str, Any], *alarms: dict[str, Any], unread: tuple[str, ...] = ()) -> dict[str, Any]:
    found = {"chips": chips, "alarms": list(alarms), "unread": list(unread)}
    return {"check": "sensors", "subject": "pve1", "sensors": found}


CHIPS = {"nvme-pci-0008": {"Composite": {"temp1_input": 99.0}}}


@pytest.mark.parametrize(
    ("seen", "flags"),
    [
        (sensors(CHIPS), []),
        (
            sensors(CHIPS, {"sensor": "nvme-pci-0008 Composite", "what": "temp1_crit", "value": 99.0, "limit": 90}),
            [("critical", "nvme-pci-0008 Composite in pve1", "temp1_crit at 99.0")],
        ),
        (sensors(CHIPS, unread=("lm75 temp1: no value",)), [("unread", "pve1", "lm75 temp1: no value")]),
        (sensors({}), [("unread", "pve1", "has no sensors that can be read: how warm it is is not known")]),
        (
            {"check": "sensors", "subject": "pve1", "unreachable": True, "msg": "No route to host"},
            [("unread", "pve1", "could not be reached: No route to host")],
        ),
    ],
)
def test_sensors(seen: dict[str, Any], flags: Told) -> None:
    assert told(seen) == flags


def test_what_the_api_said_stands_beside_what_was_seen_inside() -> None:
    api = {
        "flags": [{"level": "unread", "check": "ha", "subject": "cluster", "what": "x", "evidence": None}],
        "evidence": {"cluster": {"ha": []}, "pve1": {"zfs": []}},
        "grants": ["pveum ..."],
        "nodes": ["pve1"],
        "counts": {"unread": 1},
    }
    found = diagnose_flags([smart(disk(health="failing")), look("units", UNITS)], api=api)
    assert [flag["level"] for flag in found["flags"]] == ["critical", "warning", "warning", "unread"]
    assert found["counts"] == {"critical": 1, "warning": 2, "unread": 1}
    assert (found["grants"], found["nodes"]) == (["pveum ..."], ["pve1"])
    assert set(found["evidence"]) == {"cluster", "pve1", "lxc/101"}
    assert set(found["evidence"]["pve1"]) == {"zfs", "smart"}


def test_what_a_terminal_is_told_is_no_part_of_an_output() -> None:
    """`raw` over ssh has one: colours, carriage returns, and a farewell."""
    colours = "\x1b[0;1;31m2026-11-21T19:00:00+0000 web kernel: oom\x1b[0m\r\n"
    seen = look("journal", colours, stderr="Shared connection to 192.0.2.1 closed.\r\n")
    assert told(seen) == [("warning", "lxc/101", "has 1 errors, the last: 2026-11-21T19:00:00+0000 web kernel: oom")]
    link = "\x1b]8;;file://web/etc\x07cron.timer\x1b]8;;\x07 loaded failed failed x\r\n"
    assert told(look("units", link)) == [("warning", "cron.timer in lxc/101", "has failed")]
    denied = look("node", "this is vm, not pve3\r\n", rc=1, stderr="Connection to pve1 closed.\r\n")
    assert told(denied)[0][2] == "could not be looked at: the command ended with 1: this is vm, not pve3"


def test_of_a_long_output_the_end_is_kept() -> None:
    found = diagnose_flags([look("log", "\n".join(f"line {n} " + "x" * 500 for n in range(100)), name="/a")])
    kept = found["evidence"]["lxc/101"]["/a"]
    assert len(kept) == 40
    assert kept[-1].startswith("line 99 ")
    assert max(map(len, kept)) == 400


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"check": "mood", "subject": "x"}, "has the check 'mood' of 'x'"),
        ({"check": "units"}, "has the check 'units' of None"),
        ({"rc": 0}, "has the check None"),
        (look("log", "x", name="/a", pattern="("), "missing \\)"),
    ],
)
def test_what_is_no_look_is_refused(seen: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        diagnose_flags([seen])
