# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real unprivileged containers of LXC, in a folder of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import rootfs

PROGRAMS = "/usr/bin"
# Where LXC finds newuidmap it wants an entry for root in /etc/subuid; without it root writes the map itself.
_ENVIRONMENT = {"PATH": "/nowhere"}

# As Proxmox VE has it for a container without the feature: the call seems not to exist.
_KEYCTL = "keyctl errno 38\n"
_SECCOMP = "2\ndenylist\nreject_force_umount\n[all]\nkexec_load errno 1\nopen_by_handle_at errno 1\n"
_NESTING = """\
lxc.mount.entry = proc dev/.lxc/proc proc create=dir,optional 0 0
lxc.mount.entry = sys dev/.lxc/sys sysfs create=dir,optional 0 0
"""
_MACHINE = "lxc.mount.entry = /usr usr none bind,ro,idmap=container 0 0\n"
_CONFIG = """\
lxc.idmap = u 0 {first} 65536
lxc.idmap = g 0 {first} 65536
lxc.rootfs.path = dir:{folder}/rootfs
lxc.uts.name = {hostname}
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.cap.drop = mac_admin mac_override sys_time sys_module sys_rawio
lxc.mount.auto = proc:mixed sys:mixed
lxc.pty.max = 1024
lxc.init.cmd = /init
lxc.log.file = {folder}/log
lxc.log.level = WARN
lxc.seccomp.profile = {folder}/seccomp
"""


class Container:
    """One container of the node at `place`."""

    def __init__(self, place: Path, vmid: str) -> None:
        self.vmid = vmid
        self.folder = place / "lxc" / vmid
        self.root = self.folder / "rootfs"

    def make(self, hostname: str, with_machine: bool) -> None:
        self.root.mkdir(parents=True)
        rootfs.make(self.root, hostname, with_machine)
        (self.folder / "machine").write_text(_MACHINE if with_machine else "")

    def start(self, hostname: str, features: Mapping[str, str]) -> None:
        """Its configuration is written anew, as Proxmox VE does with each start."""
        config = _CONFIG.format(first=rootfs.FIRST_ID, folder=self.folder, hostname=hostname)
        config += (self.folder / "machine").read_text() + (_NESTING if features.get("nesting") == "1" else "")
        (self.folder / "config").write_text(config)
        (self.folder / "seccomp").write_text(_SECCOMP + ("" if features.get("keyctl") == "1" else _KEYCTL))
        done = subprocess.run(self._command("lxc-start"), env=_ENVIRONMENT, check=False, capture_output=True, text=True)
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(done.stderr + (log.read_text() if log.exists() else ""))

    def is_running(self) -> bool:
        done = subprocess.run(self._command("lxc-info", "-sH"), check=False, capture_output=True, text=True)
        return done.stdout.strip() == "RUNNING"

    def attach(self, *argv: str, keep_env: bool = False) -> list[str]:
        """The command line that runs `argv` inside."""
        return self._command("lxc-attach", "--keep-env" if keep_env else "--clear-env", "--", *argv)

    def stop(self) -> None:
        subprocess.run(self._command("lxc-stop", "-k"), check=False, capture_output=True)

    def destroy(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self, program: str, *words: str) -> list[str]:
        return [f"{PROGRAMS}/{program}", "-P", str(self.folder.parent), "-n", self.vmid, *words]


def all_of(place: Path) -> list[Container]:
    try:
        names = sorted(os.listdir(place / "lxc"))
    except FileNotFoundError:  # another process of these tests is removing it
        names = []
    return [Container(place, name) for name in names]
