# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The util-linux of Debian 13 and Proxmox VE 9, run beside the machine's own: fetched once, kept in the cache."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PROGRAMS = {"mount": "bin", "umount": "bin", "findmnt": "bin", "blkid": "sbin"}


def root() -> Path:
    """Where its files are. Raises RuntimeError where they cannot be had."""
    if not shutil.which("mmdebstrap"):
        raise RuntimeError("fetching util-linux of Debian 13 needs mmdebstrap")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steward-proxmox"
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / "util-linux-trixie"
    with (cache / "lock-util-linux").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(prefix="making-util-linux-", dir=cache) as draft:
                command = ["mmdebstrap", "--quiet", "--variant=extract", "--include=mount,util-linux", "trixie"]
                done = subprocess.run([*command, f"{draft}/root"], check=False, capture_output=True, text=True)
                if done.returncode != 0:
                    raise RuntimeError(f"util-linux of Debian 13 could not be fetched: {done.stderr.strip()[-300:]}")
                Path(draft, "root").rename(place)
    return place


def script(name: str) -> str:
    """The lines of a shell script that runs one of its programs, with the libraries that it belongs to."""
    place = root()
    (loader,) = place.glob("usr/lib*/ld-linux-*")
    (libraries,) = (path.parent for path in place.glob("usr/lib/*/libmount.so.1"))
    program = place / "usr" / PROGRAMS[name] / name
    return f'BLKID_FILE=/dev/null exec {loader} --library-path {libraries} {program} "$@"'
