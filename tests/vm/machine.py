# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A virtual machine under QEMU, always emulated: where this host is a guest itself, its /dev/kvm may run nothing."""

import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from .monitor import Monitor

QEMU = "qemu-system-x86_64"
# A snapshot fits exactly these devices. NVMe cannot be part of one: it is plugged later, as the stick is.
HARDWARE = (
    *("-machine", "pc-q35-7.2", "-accel", "tcg", "-cpu", "qemu64", "-smp", "1", "-m", "1024"),
    *("-nodefaults", "-no-user-config", "-display", "none"),
    *("-append", "root=/dev/vda rw console=ttyS0 quiet mitigations=off"),
    *("-device", "virtio-blk-pci,drive=root", "-device", "ide-hd,drive=ata,serial=ATA0001,bus=ide.0"),
    *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
    *("-device", "pcie-root-port,id=slot0,chassis=1", "-device", "qemu-xhci,id=usb"),
)


class Machine:
    """A running machine. Its disks and all else that it writes are in `place`; the rest is in `image`."""

    def __init__(self, image: Path, place: Path, snapshot: str = "", patience: float = 60) -> None:
        self._image, self._place = image, place
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(120)
        command = [
            # a test run that is killed takes it along
            *("setpriv", "--pdeathsig", "KILL", QEMU, *HARDWARE),
            *("-kernel", str(image / "kernel"), "-initrd", str(image / "initrd")),
            *("-drive", f"if=none,id=root,file={place}/root.qcow2", "-drive", f"if=none,id=ata,file={place}/ata.qcow2"),
            *("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"),
            *("-serial", f"file:{place}/console"),
            *("-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"),
            *(("-loadvm", snapshot) if snapshot else ()),
        ]
        with theirs, (place / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs.fileno()]
            )
        try:
            self.monitor = Monitor(self._socket)
            self.port = self._forwarded_port()
            self._wait_for_ssh(patience)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def save(self, snapshot: str) -> None:
        said = self.monitor.human(f"savevm {snapshot}")
        if said:
            raise RuntimeError(f"savevm: {said}")

    # -- devices -----------------------------------------------------------------------------------------------------

    def plug(self, name: str, driver: str, disk: Path, **properties: Any) -> None:
        """Puts in a device that reads and writes the raw file `disk`."""
        self.monitor("blockdev-add", driver="raw", node_name=name, file={"driver": "file", "filename": str(disk)})
        self.monitor("device_add", driver=driver, id=name, drive=name, **properties)

    def unplug(self, name: str) -> None:
        """Pulls it out, without a word to the system before."""
        self.monitor("device_del", id=name)
        self.monitor.wait_for("DEVICE_DELETED", device=name)
        self.monitor("blockdev-del", node_name=name)

    def turn(self, name: str, knob: str, value: Any) -> None:
        """Sets a property of a device while it runs."""
        self.monitor("qom-set", path=f"/machine/peripheral/{name}", property=knob, value=value)

    # -- inside ------------------------------------------------------------------------------------------------------

    @property
    def ssh_options(self) -> list[str]:
        """One connection for all commands of a user: under emulation a handshake takes seconds."""
        return [
            *("-F", "none", "-i", str(self._image / "key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
            *("-o", f"UserKnownHostsFile={self._image}/known_hosts", "-o", "HostKeyAlias=node"),
            *("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={self._place}/%r"),
        ]

    def run(self, script: str, stdin: str = "", check: bool = True) -> str:
        """What the script prints that root runs in the machine."""
        done = self._ssh(script, stdin, 60)
        if check and done.returncode:
            raise RuntimeError(f"{script!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait_for(self, script: str, seconds: float = 30) -> str:
        """What the script prints once it succeeds."""
        deadline = time.monotonic() + seconds
        while (done := self._ssh(script, "", 60)).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{script!r} has not succeeded in {seconds} seconds: {done.stdout}{done.stderr}")
            time.sleep(0.3)
        return done.stdout

    def _ssh(self, script: str, stdin: str, seconds: float) -> "subprocess.CompletedProcess[str]":
        command = ["ssh", *self.ssh_options, "-o", "ConnectTimeout=10", "-p", str(self.port), "root@127.0.0.1", script]
        return subprocess.run(command, input=stdin, check=False, capture_output=True, text=True, timeout=seconds)

    def _forwarded_port(self) -> int:
        """The loopback port that the system gave: asked for afterwards, so that nobody else can be given it between."""
        said = self.monitor.human("info usernet")
        found = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", said)
        if not found:
            raise RuntimeError(f"no port is forwarded: {said}")
        return int(found[1])

    def _wait_for_ssh(self, patience: float) -> None:
        try:
            # its clock stopped when the snapshot was made
            self.wait_for(f"date --set=@{time.time():.0f}", patience)
        except RuntimeError as error:
            console = (self._place / "console").read_text(errors="replace")
            raise RuntimeError(f"{error}\nIts console:\n{console[-2000:]}") from None
