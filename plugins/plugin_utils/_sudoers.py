# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of sudoers of one user, and command lines that prove it: what sudo must allow, and what it must refuse.

The rules are those of the table of operations. `pct exec` is none of them: whoever may run it is root in a container,
so it is allowed for containers that are named, one by one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._host import sudo
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import (
    OPERATIONS,
    PARTS,
    PROGRAMS,
    check_program,
)
from ansible_collections.steward.proxmox.plugins.module_utils._names import check_vmid
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.pct import Entrance

# a dot in it would keep sudo from reading a file of that name
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HEAD = "# Made by the role steward.proxmox.host_agent: what is changed here is lost. Needs sudo 1.9.10 or later.\n"

_UUID, _PATH, _UNIT = "0e5d1b9c-4a52-4f0e-8f7c-2b6f0a1c9d3e", "/mnt/usb/backup", "mnt-usb-backup.mount"
_ON_IT = {"path": _PATH}

#: for each operation that needs root, values for all of its parameters
EXAMPLES: dict[str, Mapping[str, Any]] = {
    "pct config": {"vmid": 9001},
    "pct create": {
        "vmid": 9001,
        "ostemplate": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
        "unprivileged": 1,
        "features": "nesting=1,keyctl=1",
        "rootfs": "local-zfs:8",
        "hostname": "golden-docker",
        "cores": 2,
        "memory": 1024,
        "swap": 0,
        "net0": "bridge=vmbr0,ip=dhcp,name=eth0",
        "net1": "bridge=vmbr1,ip6=auto,name=eth1",
        "nameserver": "192.0.2.1 2001:db8::1",
        "searchdomain": "example.com",
        "tags": "docker;golden",
        "ostype": "debian",
        "arch": "amd64",
        "cpulimit": 1.5,
        "cpuunits": 100,
        "timezone": "Europe/Berlin",
        "onboot": 0,
        "startup": "order=3,up=10",
        "description": "Golden base, with Docker",
    },
    "findmnt": _ON_IT,
    "blkid": {"uuid": _UUID},
    "realpath": _ON_IT,
    "stat": _ON_IT,
    "cat mount unit": {"unit": _UNIT},
    "holders": _ON_IT,
    "mkdir": _ON_IT,
    "mount": {**_ON_IT, "uuid": _UUID, "fstype": "ext4", "options": "nosuid,nodev,ro"},
    "remount": {**_ON_IT, "uuid": _UUID, "options": "nosuid,nodev,relatime,exec,rw,async"},
    "umount": _ON_IT,
    "fstab line": {
        **_ON_IT,
        "uuid": _UUID,
        "fstype": "ext4",
        "options": "nosuid,nodev,nofail,x-systemd.device-timeout=10s,x-steward.proxmox",
    },
    "no fstab line": _ON_IT,
    "mount unit": {
        **_ON_IT,
        "unit": _UNIT,
        "uuid": _UUID,
        "fstype": "ext4",
        "options": "nosuid,nodev,nofail",
        "device_timeout": 10,
        "install": "WantedBy=multi-user.target",
    },
    "no mount unit": {"unit": _UNIT},
    "systemctl daemon-reload": {},
    "systemctl reenable": {"unit": _UNIT},
    "systemctl disable": {"unit": _UNIT},
    "smartctl --scan": {},
    "smartctl -a": {"device": "/dev/nvme0n1"},
}

#: what no rule allows, though some come close; their programs are on every node
_NEVER = (
    "/bin/sh -c id",
    "/usr/bin/env /usr/sbin/pct config 9001",
    "/usr/bin/cat /etc/shadow",
    "/usr/bin/mount -a",
    "/usr/bin/mount -o bind /etc /mnt/usb/stick",
    "/usr/bin/umount /",
    "/usr/bin/mkdir --parents --mode=0755 /mnt/../etc/steward",
    "/usr/bin/find /proc -maxdepth 3 -lname /mnt/usb* -exec id {{}} +",
    "/usr/bin/awk 'BEGIN{{system(\"id\")}}'",
    "/usr/bin/rm /etc/systemd/system/ssh.service",
    "/usr/bin/rm /etc/systemd/system/mnt-usb.mount /etc/passwd",
    "/usr/bin/sed -i d /etc/passwd",
    "/usr/bin/systemctl reenable ssh.service",
    "/usr/sbin/smartctl -s off /dev/sda",
    "/usr/sbin/smartctl -a -j /dev/../etc/shadow",
    "/usr/sbin/smartctl -a -j -d test /dev/sda",
    "{pct} list",
    "{pct} enter 9001",
    "{pct} destroy 9001",
    "{pct} set 9001 --features nesting=1,keyctl=1",
    "{pct} push 9001 /etc/shadow /tmp/shadow",
    "{pct} create 9001 local:vztmpl/debian-12.tar.zst --unprivileged 0 --features nesting=1,keyctl=1 --rootfs local:4",
    "{pct} create 9001 local:vztmpl/debian-12.tar.zst --unprivileged 1 --features nesting=1,keyctl=1 --rootfs /dev/sda",
    "{pct} exec {other} -- id",
    "{pct} exec {other} --keep-env 0 -- /bin/sh -c id",
)


@dataclass(frozen=True)
class Agent:
    """A user, and what it may do as root. Raises BadInput for what is none of it."""

    user: str
    operations: Collection[str] = tuple(PARTS)
    exec_vmids: Collection[int] = ()
    pct: str = PROGRAMS["pct"].path

    def __post_init__(self) -> None:
        if not _USER.fullmatch(self.user) or self.user == "root":
            raise BadInput(
                f"user: {self.user[:80]!r} is not the name of a user for this: {_USER.pattern}, and not root"
            )
        unknown = sorted(set(self.operations) - set(PARTS))
        if unknown:
            raise BadInput(f"operations: {', '.join(unknown)} is not among {', '.join(PARTS)}")
        for vmid in self.exec_vmids:
            check_vmid("exec_vmids", vmid)
        check_program("pct", self.pct)

    def sudoers(self) -> str:
        """The content of the file."""
        lines = sudo.rules(self.user, self.pct, self._names)
        for vmid in sorted(self.exec_vmids):
            pct, *words = self._exec(vmid, ".+")  # whatever it is, it runs in that container
            lines.append(f"{self.user} ALL=(root) NOPASSWD: {pct} ^{' '.join(words)}$")
        return _HEAD + "".join(f"{line}\n" for line in lines)

    def allowed(self) -> Iterator[list[str]]:
        """A command line of each rule."""
        for name in self._names:
            yield [self._program(name), *OPERATIONS[name].arguments(EXAMPLES[name])]
        for vmid in sorted(self.exec_vmids):
            yield self._exec(vmid, "echo it works; id\nexit 0")

    def refused(self) -> Iterator[list[str]]:
        """Command lines that differ a little from what is allowed, and such as nobody may run."""
        for name in self._names:
            arguments = OPERATIONS[name].arguments(EXAMPLES[name])
            for changed in (*_changed(arguments), [*arguments, "--help"], arguments[:-1]):
                yield [self._program(name), *changed]
        for vmid in sorted(self.exec_vmids):
            pct, *fixed, flag, script = self._exec(vmid, "id")
            for changed in _changed(fixed):
                yield [pct, *changed, flag, script]
            yield [pct, *fixed, flag]
        other = min(set(range(100, 101 + len(self.exec_vmids))) - set(self.exec_vmids))
        yield from (shlex.split(line.format(pct=self.pct, other=other)) for line in _NEVER)

    @property
    def _names(self) -> list[str]:
        return [row.name for part in PARTS if part in self.operations for row in PARTS[part] if row.as_root]

    def _exec(self, vmid: int, script: str) -> list[str]:
        """What the connection plugin steward.proxmox.pct runs as root."""
        return Entrance(vmid, self.pct, runner="direct").argv(script)

    def _program(self, name: str) -> str:
        program = OPERATIONS[name].program
        return self.pct if program == "pct" else PROGRAMS[program].path


def _changed(arguments: list[str]) -> Iterator[list[str]]:
    """The same command line with one word made another one."""
    yield ["--help", *arguments]
    for place, word in enumerate(arguments):
        folder, slash, name = word.rpartition("/")
        others = ["*", f"-{word}", f"{word} --help", f"{word}\nid", f"{word}$(id)", f"{folder}{slash}../{name}"]
        others += [f"{word[:-1]}x"] if word.startswith("-") else []  # another flag
        for other in others:
            yield [*arguments[:place], other, *arguments[place + 1 :]]


def proof(agent: Agent) -> list[dict[str, str]]:
    """Each command line, quoted for a shell, and what sudo must answer."""

    def rows(answer: str, lines: Iterable[list[str]]) -> list[dict[str, str]]:
        return [{"answer": answer, "line": shlex.join(line)} for line in lines]

    return rows("allowed", agent.allowed()) + rows("refused", agent.refused())
