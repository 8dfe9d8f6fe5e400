# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who writes a task, and who has the node's user: neither gets more out of the fence than its table of operations.

Three walls, each tried by itself: the module, which starts nothing for what it refuses; the rules of sudoers, for those
who go past the module; and both together, in a playbook over ssh.
"""

from __future__ import annotations

import copy
import functools
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._host import command, sudo
from ansible_collections.steward.proxmox.plugins.module_utils._host.operation import Operation, Parameter, Text
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import OPERATIONS, PROGRAMS
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST
from ansible_collections.steward.proxmox.plugins.plugin_utils._sudoers import EXAMPLES, Agent

from tests.node.node import Container, Node

CANARY = "/tmp/steward-test-canary"
#: what is put behind and before a value that is valid
EVIL = (
    f"; touch {CANARY}",
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"| touch {CANARY}",
    f"&& touch {CANARY}",
    f"\ntouch {CANARY}",
    f"> {CANARY}",
    "\n",
    " --help",
    "/../../../etc/shadow",
    "$HOME",
    "{a,b}",
    "\\",
    "'",
    '"',
    "*",
    "?",
    "!",
    "#",
    "\t",
    "é",
)
SHARP = (f"; touch {CANARY}", "\n", " --help", "/../../../etc/shadow", "*")
#: in a text for people these are words
HARMLESS = {"description": ("/../../../etc/shadow", "?", "!")}


def attacks(name: str, value: object) -> list[str]:
    evils = [evil for evil in EVIL if evil not in HARMLESS.get(name, ())]
    return [text for evil in evils for text in (f"{value}{evil}", f"{evil}{value}")]


def sharpest(name: str, value: object) -> list[str]:
    """Where each costs a process."""
    return [f"{value}{evil}" for evil in SHARP if evil not in HARMLESS.get(name, ())]


# -- the module ------------------------------------------------------------------------------------------------------

#: each option of the module once, with a value that is valid
TASKS: dict[str, dict[str, Any]] = {
    "golden_lxc": {
        "vmid": 9001,
        "template": "local:vztmpl/alpine.tar.gz",
        "storage": "local-zfs",
        "size": "4G",
        "hostname": "golden",
        "arch": "amd64",
        "cores": 2,
        "cpulimit": 1.5,
        "cpuunits": 100,
        "description": "A golden base",
        "memory": 1024,
        "nameserver": ["192.0.2.1"],
        "net": [
            {
                "slot": "net0",
                "bridge": "vmbr0",
                "firewall": True,
                "gw": "192.0.2.1",
                "gw6": "2001:db8::1",
                "host_managed": True,
                "hwaddr": "BC:24:11:00:00:01",
                "ip": "192.0.2.9/24",
                "ip6": "2001:db8::9/64",
                "link_down": True,
                "mtu": 1500,
                "name": "eth0",
                "rate": 1.5,
                "tag": 3,
                "trunks": ["4"],
            }
        ],
        "onboot": True,
        "ostype": "alpine",
        "searchdomain": "example.com",
        "startup": {"order": 3, "up": 10, "down": 10},
        "swap": 512,
        "tags": ["golden"],
        "timezone": "Europe/Berlin",
    },
    "sensors": {"chips": ["nvme-pci-0100"]},
    "smart": {"disks": ["/dev/sda"]},
    "usb_mount": {
        "uuid": "12345678-1234-1234-1234-123456789abc",
        "path": "/mnt/usb/stick",
        "state": "present",
        "fstype": "ext4",
        "options": ["ro"],
        "persist": "fstab",
        "nofail": True,
        "device_timeout": 10,
    },
}
COMMON = {"node": "pve1", "pct": "/usr/sbin/pct", "runner": "sudo", "timeout": 600}
Place = tuple[str | int, ...]


def leaves(spec: Mapping[str, Any], place: Place = ()) -> Iterator[Place]:
    """The way to every value that the options may hold."""
    for name, option in spec.items():
        here = (*place, name, 0) if option["type"] == "list" else (*place, name)
        if "options" in option:
            yield from leaves(option["options"], here)
        else:
            yield here


PLACES = list(leaves(PRIVILEGED_HOST.options))


def task_of(place: Place) -> Any:
    name = "golden_lxc" if place[0] in COMMON else str(place[0])
    return copy.deepcopy({name: TASKS[name], **COMMON})


def value_of(place: Place) -> Any:
    return functools.reduce(lambda inner, part: inner[part], place, task_of(place))


def with_value(place: Place, value: object) -> Any:
    task = task_of(place)
    functools.reduce(lambda inner, part: inner[part], place[:-1], task)[place[-1]] = value
    return task


def refusal(task: Mapping[str, Any]) -> str:
    """Why the module does not do this, or ""."""
    checked = ArgumentSpecValidator(PRIVILEGED_HOST.argument_spec(), **PRIVILEGED_HOST.rules).validate(task)
    if checked.error_messages:
        return str(checked.error_messages)
    try:
        Work(PRIVILEGED_HOST, checked.validated_parameters, Memory(), True)
    except StewardError as error:
        return str(error)
    return ""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that would be run; each fails in the words of pct."""
    found: list[list[str]] = []

    def run(argv: list[str], *_settings: Any, **_more: Any) -> command.Outcome:
        found.append(argv)
        return command.Outcome(2, "", "Configuration file 'nodes/pve1/lxc/9001.conf' does not exist")

    monkeypatch.setattr(command, "run", run)
    return found


@pytest.mark.parametrize("place", PLACES, ids=[".".join(map(str, place)) for place in PLACES])
def test_a_metacharacter_in_an_option_starts_no_process(place: Place, started: list[list[str]]) -> None:
    """Or what is started without it: Ansible strips numbers, and some values never leave the module."""
    refusal(task_of(place))
    clean = list(started)
    assert clean
    for text in attacks(str(place[-1]), value_of(place)):
        started.clear()
        refused = refusal(with_value(place, text))
        assert (refused and not started) or started == clean, repr(text)


@pytest.mark.parametrize(
    "device",
    [
        "/dev/sda1 /dev/sdb",
        "/dev/../etc/shadow",
        "/dev/disk/by-id/../../../etc/shadow",
        "/dev/disk/by-id/",
        "/dev/disk/by-uuid/x",
        "/dev/loop0",
        "/dev/mem",
        "/dev/null",
        "/dev/sd",
        "/dev/sdA",
        "/dev//sda",
        "/etc/passwd",
        "/proc/self/mem",
        "sda",
        "-a",
        "--device=test",
        "",
        "/dev/sda\x00",
    ],
)
def test_what_is_no_disk_is_refused_and_starts_no_process(device: str, started: list[list[str]]) -> None:
    assert refusal({"smart": {"disks": [device]}})
    assert started == []


@pytest.mark.parametrize(
    "path",
    [
        "/mnt/../etc",
        "/mnt/usb/../../etc",
        "/mnt/usb/..",
        "/mnt/usb/../../../root/.ssh",
        "/media/./usb",
        "/mnt",
        "/mnt/",
        "/",
        "",
        "/etc",
        "/mnt//usb",
        "/mntusb/a",
        "mnt/usb",
        "/mnt/usb ",
        "/mnt/usb -o suid",
        "/mnt/usb,suid",
        "/mnt/.hidden",
        "/mnt/-o",
        "/mnt/usb/stick\\040x",
        # a link of that name may be on the stick
        "/mnt/usb/stick/a",
        # where Proxmox VE mounts its storages
        "/mnt/pve/backup",
        "/mnt/usb\x00",
        "/srv/usb",
        "/var/lib/vz",
    ],
)
def test_what_is_no_place_for_a_stick_is_refused_and_starts_no_process(path: str, started: list[list[str]]) -> None:
    assert refusal({"usb_mount": {**TASKS["usb_mount"], "path": path}})
    assert started == []


# -- the table, and the rules that are made from it ------------------------------------------------------------------

ANYTHING = "(?s:.*)"
AS_ROOT = [row for row in OPERATIONS.values() if row.as_root]


def unfenced(operation: Operation) -> Operation:
    """The same command line with any text for its parameters."""

    def part(row: str | Parameter | Text) -> str | Parameter | Text:
        if isinstance(row, str):
            return row
        return row if isinstance(row, Text) and not row.parameters else opened(row)

    def opened(row: Parameter | Text) -> Parameter | Text:
        if isinstance(row, Parameter):
            return replace(row, pattern=ANYTHING)
        return replace(row, parameters=tuple(replace(inner, pattern=ANYTHING) for inner in row.parameters))

    return replace(operation, line=tuple(part(row) for row in operation.line))


def tampered(how: Callable[[str, object], list[str]]) -> Iterator[tuple[Operation, dict[str, Any]]]:
    """Each operation with one of its parameters made evil."""
    for operation in AS_ROOT:
        example = EXAMPLES[operation.name]
        for name, value in example.items():
            for text in how(name, value):
                yield operation, {**example, name: text}


def test_the_table_takes_no_parameter_with_a_metacharacter() -> None:
    for operation, params in tampered(attacks):
        with pytest.raises(BadInput):
            operation.arguments(params)


CREATE = "pct create 9001 local:vztmpl/a.tar.gz --unprivileged 1 --features nesting=1,keyctl=1 --rootfs"
MOUNT = "mount --types ext4 --options nosuid,nodev UUID=12345678-1234-1234-1234-123456789abc"
#: the name of a program, and what an attacker would like it to do
NEAR_MISSES = """\
pct
pct list
pct config 9001 --current 1
pct config 9001 9002
pct config 99
pct config 09001
pct config 9001;id
pct config ../9001
pct set 9001 --features nesting=1,keyctl=1
pct destroy 9001
pct enter 9001
pct exec 9001 -- id
pct exec 9001 --keep-env 0 -- /bin/sh -c id
pct push 9001 /etc/shadow /tmp/shadow
pct pull 9001 /etc/shadow /etc/shadow
pct mount 9001
pct start 9001
pct restore 9001 local:backup/vzdump-lxc-9001.tar.zst
pct create 9001 local:vztmpl/a.tar.gz --unprivileged 0 --features nesting=1,keyctl=1 --rootfs local:4
pct create 9001 local:vztmpl/a.tar.gz --features nesting=1,keyctl=1 --rootfs local:4
pct create 9001 local:vztmpl/a.tar.gz --unprivileged 1 --features nesting=1,keyctl=1,fuse=1 --rootfs local:4
pct create 9001 local:vztmpl/a.tar.gz --unprivileged 1 --features nesting=1,keyctl=1,mount=nfs --rootfs local:4
{create} /dev/sda
{create} local:100/vm-100-disk-0.raw
{create} local:4 --mp0 /etc,mp=/mnt
{create} local:4 --hookscript local:snippets/x
{create} local:4 --unprivileged 0
{create} local:4 --dev0 /dev/sda
{create} local:4 --ssh-public-keys /etc/shadow
pct create 9001 local:vztmpl/../../etc/a.tar.gz --unprivileged 1 --features nesting=1,keyctl=1 --rootfs local:4
pct create 9001 local:backup/vzdump.tar.zst --unprivileged 1 --features nesting=1,keyctl=1 --rootfs local:4
pct create 9001 /tmp/a.tar.gz --unprivileged 1 --features nesting=1,keyctl=1 --rootfs local:4
pct create --mp0 /etc,mp=/mnt 9001 local:vztmpl/a.tar.gz --unprivileged 1 --features nesting=1,keyctl=1 --rootfs local:4
smartctl
smartctl -a /dev/sda
smartctl -a -j /dev/sda /dev/sdb
smartctl -a -j -d test /dev/sda
smartctl -a -j /dev/sda -s off
smartctl -a -j /dev/disk/by-id/../../mem
smartctl -s off /dev/sda
smartctl -t long /dev/sda
smartctl --scan
smartctl -B /etc/shadow -a -j /dev/sda
mount
mount -a
mount /dev/sda1 /mnt/usb/a
mount -o bind /etc /mnt/usb/a
{mount} /mnt/usb/../../etc
{mount} /etc
{mount} /mnt/usb/a -o suid
mount --types ext4 --options suid,nodev UUID=12345678-1234-1234-1234-123456789abc /mnt/usb/a
mount --types ext4 --options nosuid,nodev,suid UUID=12345678-1234-1234-1234-123456789abc /mnt/usb/a
mount --types ext4 --options nosuid,nodev /dev/sda1 /mnt/usb/a
mount --types overlay --options nosuid,nodev UUID=12345678-1234-1234-1234-123456789abc /mnt/usb/a
umount /
umount -a
umount /mnt/usb/../../boot
umount -R /mnt/usb/a
umount /mnt/pve/backup
umount /mnt/usb/a/etc
{mount} /mnt/usb/a/etc
{mount} /mnt/pve/backup
mkdir /etc/steward
mkdir --parents --mode=4777 /mnt/usb/a
mkdir --parents --mode=0755 /mnt/../etc/steward
mkdir --parents --mode=0755 /mnt/usb/a/etc/b
rm /etc/systemd/system/mnt-pve-backup.mount
rm /etc/systemd/system/../../passwd
rm -r /etc/systemd/system/mnt-usb-a.mount
cat /etc/shadow
cat /etc/systemd/system/../../shadow
sed -i d /etc/passwd
sed -i s/x// /etc/shadow
sed -n p /etc/shadow
sed -i 1e/bin/id /etc/fstab
sed -i w/etc/cron.d/x /etc/fstab
systemctl start ssh.service
systemctl disable mnt-pve-backup.mount
systemctl disable ssh.service
systemctl reenable ../../../tmp/mnt-usb-a.mount
systemctl edit mnt-usb-a.mount
systemctl link /tmp/mnt-usb-a.mount
systemctl enable --now /tmp/mnt-usb-a.mount
systemctl daemon-reexec
find /proc -exec id
find /proc -maxdepth 3 -lname /mnt/usb/a* -delete
find / -delete
awk BEGIN{{system("id")}}
awk BEGIN{{for(i=2;i<ARGC;i++)print(ARGV[i])>ARGV[1]}} /etc/cron.d/x * * * * * root id
awk BEGIN{{for(i=2;i<ARGC;i++)print(ARGV[i])>ARGV[1]}} /etc/systemd/system/mnt-usb-a.mount [Service] ExecStart=id
rm /etc/fstab
tee /etc/fstab
sh -c id
"""
#: what sudo itself would take, before a command that is allowed
WAYS_AROUND = (
    ["-E"],
    ["-i"],
    ["-s"],
    ["-D", "/tmp"],
    ["-R", "/tmp"],
    ["-u", "nobody"],
    ["LD_PRELOAD=/tmp/evil.so"],
    ["PATH=/tmp"],
    ["PERL5LIB=/tmp"],
)
ASKED = """
import json, subprocess, sys
quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
print(json.dumps([subprocess.run(["/usr/bin/sudo", "-n", *line], **quiet).returncode for line in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def allowed(node: Node) -> Iterator[Node]:
    """The node with the rules of every operation."""
    node.allow("\n".join(sudo.rules(node.user, str(node.pct))))
    yield node
    node.forbid()


@pytest.fixture(autouse=True)
def canary(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whoever gets a shell leaves it behind."""
    yield
    assert not Path(CANARY).exists()


def statuses(node: Node, lines: list[list[str]]) -> list[int]:
    """What sudo's end is for each line, when the node's user runs it."""
    done = node.ssh(shlex.join(["/usr/bin/python3", "-c", ASKED]), stdin=None, input=json.dumps(lines))
    assert done.returncode == 0, done.stderr
    return [int(status) for status in json.loads(done.stdout)]


def let_through(node: Node, lines: list[list[str]], *asking: str) -> list[str]:
    found = statuses(node, [[*asking, *line] for line in lines])
    return [shlex.join(line) for line, status in zip(lines, found, strict=True) if status != 1]


def program(node: Node, name: str) -> str:
    if name == "pct":
        return str(node.pct)
    return PROGRAMS[name].path if name in PROGRAMS else f"/usr/bin/{name}"


def test_sudo_allows_each_operation(allowed: Node) -> None:
    """So that the refusals below are not for another reason."""
    lines = [
        ["-l", program(allowed, operation.program), *operation.arguments(EXAMPLES[operation.name])]
        for operation in AS_ROOT
    ]
    assert statuses(allowed, lines) == [0] * len(AS_ROOT)


def test_sudo_refuses_every_parameter_with_a_metacharacter(allowed: Node) -> None:
    """Also where the blank in it makes two arguments of one, which look the same to sudo."""
    lines = []
    for operation, params in tampered(sharpest):
        words = unfenced(operation).arguments(params)
        lines.append([program(allowed, operation.program), *words])
        if any(" " in word for word in words):
            lines.append([program(allowed, operation.program), *" ".join(words).split(" ")])
    assert len(lines) > 200
    assert let_through(allowed, lines, "-l") == []


def test_sudo_refuses_what_is_nearly_allowed(allowed: Node) -> None:
    misses = [line.split() for line in NEAR_MISSES.format(create=CREATE, mount=MOUNT).splitlines()]
    lines = [[program(allowed, name), *rest] for name, *rest in misses]
    assert len(lines) >= 30
    assert let_through(allowed, lines, "-l") == []
    # and not only when it is asked
    allowed.forget()
    assert let_through(allowed, [line for line in lines if line[0] == str(allowed.pct)]) == []
    assert allowed.calls == []


def test_sudo_lets_nobody_choose_the_environment_the_user_or_the_place(allowed: Node) -> None:
    fine = [str(allowed.pct), "config", "9001"]
    allowed.forget()
    assert let_through(allowed, [[*way, *fine] for way in WAYS_AROUND]) == []
    assert allowed.calls == []
    assert statuses(allowed, [fine]) == [2]
    assert allowed.calls == [["config", "9001"]]


EXEC = "pct exec 101 --keep-env 0 -- /bin/sh -c"
#: near misses of a rule that lets one user into container 101
ELSEWHERE = """\
pct exec 102 --keep-env 0 -- /bin/sh -c id
pct exec 1011 --keep-env 0 -- /bin/sh -c id
pct exec 101 102 --keep-env 0 -- /bin/sh -c id
pct exec 102 -- exec 101 --keep-env 0 -- /bin/sh -c id
pct --keep-env 0 exec 101 -- /bin/sh -c id
pct exec 101 --keep-env 1 -- /bin/sh -c id
pct exec 101 -- /bin/sh -c id
pct exec 101 --keep-env 0 -- /bin/bash -c id
pct exec 101 --keep-env 0 -- /bin/sh
pct exec 101 --keep-env 0 --
pct enter 101
pct push 101 /etc/shadow /tmp/shadow
pct stop 101
"""


def test_who_may_run_commands_in_one_container_reaches_nothing_else(node: Node, container: Container) -> None:
    agent = Agent(node.user, operations=(), exec_vmids=[101], pct=str(node.pct))
    node.allow(agent.sudoers())
    lines = [[program(node, name), *rest] for name, *rest in map(str.split, ELSEWHERE.splitlines())]
    node.forget()
    assert let_through(node, lines) == []
    assert node.calls == []
    inside = [[program(node, "pct"), *EXEC.split()[1:], f"true{evil}"] for evil in EVIL]
    assert len(statuses(node, inside)) == len(node.calls) == len(EVIL)
    assert (container.root / CANARY[1:]).exists()  # there, and not on the node
    node.forbid()


# -- all of it -------------------------------------------------------------------------------------------------------


def test_a_playbook_full_of_attacks_changes_nothing_on_the_node(
    allowed: Node, play: Callable[..., dict[str, Any]]
) -> None:
    places: list[Place] = [("golden_lxc", "vmid"), ("golden_lxc", "hostname"), ("golden_lxc", "net", 0, "bridge")]
    places += [("smart", "disks", 0), ("usb_mount", "path")]
    tasks = [with_value(place, f"{value_of(place)}; touch {CANARY}") for place in places]
    tasks += [with_value(("usb_mount", "path"), "/mnt/usb/../../etc"), with_value(("pct",), "/bin/sh -c id pct")]
    allowed.forget()
    results: Any = play(
        "attacks.yml", attacks=[{**task, "pct": task["pct"].replace(COMMON["pct"], str(allowed.pct))} for task in tasks]
    )
    assert len(results) == len(tasks)
    for task, result in zip(tasks, results, strict=True):
        assert result.get("msg"), task
        assert result["changed"] is False
    assert allowed.calls == []
