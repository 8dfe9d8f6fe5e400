# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The image that machines start from: a booted system as a snapshot, made once and kept in the user's cache."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .machine import HARDWARE, QEMU, Machine

SCRIPT = Path(__file__).with_name("image.sh")
SNAPSHOT = "ready"
DISKS = ("root.qcow2", "ata.qcow2")
# program -> Debian's package
NEEDED = {
    QEMU: "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
}
# what the first test would wait for otherwise: drivers of what is plugged later, programs in the page cache
WARM = """
modprobe -a nvme uas usb_storage
smartctl --scan; sensors; findmnt; blkid
su -c "sudo -n -l; python3 -c 'import json, logging, ssl, subprocess, urllib.request, zipfile'" ansible
sync
"""


def made() -> Path:
    """The folder of the image, which is made when it is not there."""
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if missing:
        raise RuntimeError(f"the machine needs: apt-get install {' '.join(missing)}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steward-proxmox"
    cache.mkdir(parents=True, exist_ok=True)
    image = cache / f"vm-{_key()}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            _make(image)
    return image


@contextlib.contextmanager
def machine(image: Path) -> Iterator[Machine]:
    """A machine of its own from the image, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="steward-vm-") as place:
        for disk in DISKS:
            shutil.copyfile(image / disk, Path(place, disk))
        started = Machine(image, Path(place), SNAPSHOT)
        try:
            # it has them open: whatever ends this process, half a gigabyte is not left behind
            for disk in DISKS:
                Path(place, disk).unlink()
            yield started
        finally:
            started.stop()


def _key() -> str:
    """Another QEMU does not load the snapshot; another script makes another system."""
    version = subprocess.run([QEMU, "--version"], check=True, capture_output=True).stdout
    parts = (SCRIPT.read_bytes(), repr(HARDWARE).encode(), WARM.encode(), version)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _make(image: Path) -> None:
    if os.geteuid() != 0:
        raise RuntimeError("making the image of the machine needs root, once (mmdebstrap keeps owners of files)")
    for killed in image.parent.glob("making-*"):
        shutil.rmtree(killed)
    with tempfile.TemporaryDirectory(prefix="making-", dir=image.parent) as draft:
        place = Path(draft, "image")
        place.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", place / "key"], check=True)
        with tempfile.TemporaryDirectory(prefix="steward-vm-") as root:
            subprocess.run([SCRIPT, place, root], check=True)
        booted = Machine(place, place, patience=600)
        try:
            booted.run(WARM)
            booted.save(SNAPSHOT)
        finally:
            booted.stop()
        place.rename(image)
