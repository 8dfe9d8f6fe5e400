# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sticks that are loop devices with real file systems, and a fstab, a systemd and a path of the test's own."""

import itertools
import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._host import operations
from ansible_collections.steward.proxmox.plugins.module_utils._host.operation import Operation, Parameter
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST

_NUMBER = itertools.count()
FSTAB = "# static file system information\n\nUUID=0a3407de-014b-458b-b5c1-848e92a327a3 / ext4 \t errors=remount-ro 0 1"

# systemctl as far as mounts need it: what is enabled, and a log. Texts: systemd 257
SYSTEMCTL = """
cd '{place}' || exit 99
[ "$1" = --root=/ ] && shift
printf '%s\\n' "$*" >>calls
case "$1" in
    reenable) [ -f "units/$2" ] || {{ echo "Failed to reenable unit: Unit $2 does not exist" >&2; exit 1; }}
        touch "enabled-$2" ;;
    disable) rm -f "enabled-$2" ;;
    is-enabled) [ -f "enabled-$2" ] && echo enabled || {{ echo disabled; exit 1; }} ;;
esac
"""


def run(*argv: str | Path, check: bool = True) -> str:
    return subprocess.run(argv, check=check, capture_output=True, text=True).stdout.strip()


@dataclass
class Stick:
    """A file with a file system, and the loop device that it is behind once it is plugged in."""

    image: Path
    uuid: str
    device: str = ""

    def plug(self) -> str:
        self.device = run("losetup", "--find", "--show", self.image)
        # as after udev: else blkid's cache, for two seconds, still has the stick that was behind this device before
        os.utime(self.device)
        return self.device

    def pull(self) -> None:
        """What was mounted stays, and nothing can be read any more: as of a pulled stick, findmnt finds no UUID."""
        run("dd", "if=/dev/zero", f"of={self.device}", "bs=64K", "count=1", "conv=notrunc")

    def copy(self, name: str) -> "Stick":
        image = self.image.with_name(name)
        image.write_bytes(self.image.read_bytes())
        return Stick(image, self.uuid)


@dataclass
class Bench:
    """A host whose mounts are real and whose fstab and systemd are the test's own."""

    place: Path
    path: str
    sticks: list[Stick] = field(default_factory=list)

    @property
    def fstab(self) -> Path:
        return self.place / "fstab"

    @property
    def unit(self) -> Path:
        return self.place / "units" / f"{self.path[1:].replace('-', chr(92) + 'x2d').replace('/', '-')}.mount"

    @property
    def systemctl(self) -> list[str]:
        """The calls that change something, since the last look."""
        log = self.place / "calls"
        found = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [call for call in found if not call.startswith("is-enabled")]

    def boot(self) -> None:
        """systemd runs here from now on."""
        (self.place / "systemd").mkdir()

    def stick(self, fstype: str = "ext4", plugged: bool = True) -> Stick:
        stick = Stick(self.place / f"stick{len(self.sticks)}", str(uuid.uuid4()))
        with stick.image.open("wb") as file:
            file.truncate(4 * 1024 * 1024)
        options = {"ext4": ["-q", "-U", stick.uuid], "swap": ["-q", "-U", stick.uuid]}[fstype]
        run({"ext4": "mkfs.ext4", "swap": "mkswap"}[fstype], *options, stick.image)
        self.sticks.append(stick)
        if plugged:
            stick.plug()
        return stick

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What findmnt shows."""
        shown = run("findmnt", "-J", "-o", "SOURCE,UUID,OPTIONS", "--mountpoint", self.path, check=False)
        rows: list[dict[str, Any]] = json.loads(shown)["filesystems"] if shown else []
        return rows

    @property
    def uuids(self) -> list[str | None]:
        return [row["uuid"] for row in self.rows]

    def mount(self, stick: Stick, options: str = "nosuid,nodev") -> None:
        Path(self.path).mkdir(parents=True, exist_ok=True)
        run("mount", "-o", options, stick.device, self.path)

    def options(self, stick: Stick | str, **wanted: Any) -> dict[str, Any]:
        chosen = {"uuid": getattr(stick, "uuid", stick), "path": self.path, "state": "present", **wanted}
        return {"usb_mount": chosen, "node": "pve1", "runner": "direct", "pct": "/usr/sbin/pct", "timeout": 20}

    def work(self, stick: Stick | str, check: bool = False, memory: Memory | None = None, **wanted: Any) -> Work:
        return Work(PRIVILEGED_HOST, self.options(stick, **wanted), memory or Memory(), check)

    def do(self, stick: Stick | str, **wanted: Any) -> dict[str, Any]:
        """Planned in check mode, planned again and carried out, and then there is nothing to do."""
        preview = self.work(stick, check=True, **wanted)
        task = self.work(stick, **wanted)
        assert task.plan.digest == preview.plan.digest
        task.allow(preview.plan.digest)
        task.carry_out()
        again = self.work(stick, **wanted)
        assert again.plan.steps == []
        assert again.result()["usb_mount"] == task.result()["usb_mount"] == preview.result()["usb_mount"]
        return task.result()

    def clean(self) -> None:
        for _row in self.rows:
            run("umount", "--lazy", self.path)
        for device in run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").splitlines():
            if f"{self.place}/" in device:
                run("losetup", "--detach", device.split()[0])
        made = Path(self.path)
        if made.is_dir() and not made.is_symlink():
            made.rmdir()
        else:
            made.unlink(missing_ok=True)


def moved(row: Operation, places: Mapping[str, str]) -> Operation:
    """The operation with files of its own."""

    def text(word: str) -> str:
        return next((word.replace(old, new) for old, new in places.items() if word.startswith(old)), word)

    def part(one: Any) -> Any:
        if isinstance(one, Parameter):
            return replace(one, form=tuple(map(text, one.form)))
        return text(one) if isinstance(one, str) else one

    return replace(row, line=tuple(map(part, row.line)))


def why_not() -> str:
    """What this machine cannot, or ""."""
    if os.geteuid() != 0:
        return "mounting needs root"
    tried = subprocess.run(["losetup", "--find"], check=False, capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"there are no loop devices here: {tried.stderr.strip()}"


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Keeps /mnt/usb there while these tests run; an empty one is removed."""
    if reason := why_not():
        pytest.skip(reason)
    made = Path(f"/mnt/usb/steward-test-{os.getpid()}")
    while not made.exists():
        with suppress(FileNotFoundError):  # another process of these tests has ended, and has removed /mnt/usb
            made.mkdir(parents=True)
    yield made
    made.rmdir()
    with suppress(OSError):
        made.parent.rmdir()


@pytest.fixture
def sticks(tmp_path: Path, folder: Path) -> Iterator[Bench]:
    """Sticks and a path, and the host as it is."""
    made = Bench(tmp_path, f"{folder}-{next(_NUMBER)}")
    try:
        yield made
    finally:
        made.clean()


@pytest.fixture
def bench(sticks: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """With a fstab and a systemd of the test's own."""
    place = sticks.place
    sticks.fstab.write_text(FSTAB)
    (place / "units").mkdir()
    places = {
        "/etc/fstab": str(sticks.fstab),
        "/etc/systemd/system": str(place / "units"),
        "/run/systemd/system": str(place / "systemd"),
    }
    rows = tuple(moved(row, places) for row in operations.PARTS["usb_mount"])
    monkeypatch.setitem(operations.PARTS, "usb_mount", rows)
    for row in rows:
        monkeypatch.setitem(operations.OPERATIONS, row.name, row)
    put_program(monkeypatch, place, "systemctl", SYSTEMCTL.format(place=place))
    # without udev mount believes blkid's cache, which for two seconds does not see another stick behind the same device
    put_program(monkeypatch, place, "mount", 'BLKID_FILE=/dev/null exec /usr/bin/mount "$@"')
    return sticks


def put_program(monkeypatch: pytest.MonkeyPatch, place: Path, name: str, script: str) -> None:
    program = place / f"instead-of-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setitem(operations.PROGRAMS, name, replace(operations.PROGRAMS[name], path=str(program)))


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], None]:
    """Puts a script in the place of a program."""
    return lambda name, script: put_program(monkeypatch, tmp_path, name, script)
