# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in a container: busybox alone, or the machine's own /usr, read-only and with the container's ids."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

BUSYBOX = "/bin/busybox"
FIRST_ID = 100000

_FOLDERS = ("dev", "etc", "home/guest", "proc", "root", "run", "sys", "tmp", "usr", "var/log", "var/tmp")
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_OPEN = ("tmp", "var/tmp")
# what programs of the machine's /usr read
_ETC = (
    "alternatives",
    "debian_version",
    "ld.so.cache",
    "login.defs",
    "nsswitch.conf",
    "os-release",
    "pam.d",
    "security",
)
# the password of guest is "guest"
_FILES = {
    "etc/inittab": "::sysinit:/bin/true\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
    "guest:x:1000:1000:guest:/home/guest:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\nguest:x:1000:\n",
    "etc/shadow": "root:*:20000::::::\nguest:$6$steward$8e9qrRyM5x7gVFW.bgbVgESAWdE3q5xiA9dNjbIxGJuOvLI21qneIs5SZHmyej"
    "UOa0U8ne7PjweCKcgXVUbTq1:20000::::::\n",
    "etc/sudoers": "root ALL=(ALL:ALL) ALL\nguest ALL=(ALL:ALL) ALL\n",
}
_SECRET = ("etc/shadow", "etc/sudoers")


def make(root: Path, hostname: str, with_machine: bool) -> None:
    """A new root folder, which belongs to the container's root."""
    for name in _FOLDERS:
        (root / name).mkdir(parents=True)
    for name, text in _FILES.items():
        (root / name).write_text(text)
    (root / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {hostname}\n")
    # the first process: unlike `sleep`, it waits for the children that others left
    shutil.copy(BUSYBOX, root / "init")
    (_machine if with_machine else _busybox)(root)
    _give(root)


def _busybox(root: Path) -> None:
    program = root / "bin" / "busybox"
    program.parent.mkdir()
    program.hardlink_to(root / "init")
    (root / "sbin").symlink_to("bin")
    listed = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in {*listed} - {"busybox"}:
        (root / "bin" / name).symlink_to("busybox")
    for name in ("bin", "sbin"):
        (root / "usr" / name).symlink_to("../bin")


def _machine(root: Path) -> None:
    for name in _MERGED:
        if Path("/", name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    for name in _ETC:
        source = Path("/etc", name)
        if source.is_dir():
            shutil.copytree(source, root / "etc" / name, symlinks=True)
        elif source.exists():
            shutil.copy(source, root / "etc" / name, follow_symlinks=False)


def _give(root: Path) -> None:
    for folder, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            os.chown(Path(folder, name), FIRST_ID, FIRST_ID, follow_symlinks=False)
    os.chown(root / "home" / "guest", FIRST_ID + 1000, FIRST_ID + 1000)
    for name in _OPEN:
        (root / name).chmod(0o1777)
    for name in _SECRET:
        (root / name).chmod(0o400)
