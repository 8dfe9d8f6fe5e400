# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A `pct` that keeps its containers as files, says what the real one says, and does what a test tells it to."""

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST

from .programs import Programs

TEMPLATE = "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz"

# texts and exit statuses: pve-container 6.1.10
SCRIPT = """#!/bin/sh
cd '{place}' || exit 99
printf '%s\\n' "$*" >>calls
[ -r before ] && . ./before
case "$1" in
    config)
        [ -f "$2.conf" ] && exec cat "$2.conf"
        echo "Configuration file 'nodes/pve1/lxc/$2.conf' does not exist" >&2
        exit 2 ;;
    create)
        if [ "$3" = local:vztmpl/none.tar.gz ]; then
            echo "Formatting '/var/lib/vz/images/$2/vm-$2-disk-0.raw', fmt=raw size=1073741824 preallocation=off"
            echo "volume '$3' does not exist" >&2
            echo "unable to create CT $2 - volume '$3' does not exist" >&2
            exit 255
        fi
        printf 'arch: amd64\\nfeatures: nesting=1,keyctl=1\\nhostname: golden\\nmemory: 512\\n' >"$2.conf"
        printf 'ostype: alpine\\n' >>"$2.conf"
        printf 'rootfs: local-zfs:subvol-%s-disk-0,size=4G\\nswap: 512\\nunprivileged: 1\\n' "$2" >>"$2.conf" ;;
esac
"""


class Pct:
    """The command, its directory, and what a test wants to know."""

    def __init__(self, place: Path) -> None:
        self.place, self.path = place, str(place / "pct")
        program = Path(self.path)
        program.write_text(SCRIPT.format(place=place))
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def before(self, shell: str) -> None:
        """What it does first, each time."""
        (self.place / "before").write_text(shell)

    @property
    def calls(self) -> list[str]:
        log = self.place / "calls"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def made(self) -> list[str]:
        return sorted(path.stem for path in self.place.glob("*.conf"))

    def options(self, runner: str = "direct", **golden: Any) -> dict[str, Any]:
        wanted = {"vmid": 9001, "template": TEMPLATE, "storage": "local-zfs", "size": "4G", "hostname": "golden"}
        return {"golden_lxc": {**wanted, **golden}, "node": "pve1", "runner": runner, "pct": self.path, "timeout": 20}

    def work(self, runner: str = "direct", check: bool = False, timeout: int = 20, **golden: Any) -> Work:
        return Work(PRIVILEGED_HOST, {**self.options(runner, **golden), "timeout": timeout}, Memory(), check)


@pytest.fixture
def pct() -> Iterator[Pct]:
    # not in tmp_path: another user has to reach it
    place = Path(tempfile.mkdtemp(prefix="fake-pct-"))
    place.chmod(0o755)
    yield Pct(place)
    shutil.rmtree(place)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)
