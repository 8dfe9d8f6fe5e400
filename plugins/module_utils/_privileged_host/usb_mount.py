# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts a file system by its UUID, and makes that last. What findmnt shows before and after is what counts: exit
statuses of mount say little (nofail hides a failure, and util-linux 2.41 mounts twice without a word).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._errors import BadInput, Refused
from .._host import mounts
from .._names import Rule
from .._plan import Plan
from .._world import World
from .usb_mount_steps import Draft
from .usb_mount_there import Lasting, There, foreign_lines, is_ghost, is_of_device, of_unit, options_of, unit_name

OPTIONS: dict[str, dict[str, Any]] = {
    "uuid": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "fstype": {"type": "str", "choices": list(mounts.FSTYPES)},
    "options": {"type": "list", "elements": "str", "choices": list(mounts.OPTIONS)},
    "persist": {"type": "str", "choices": ["none", "fstab", "systemd"]},
    "nofail": {"type": "bool"},
    "device_timeout": {"type": "int"},
}
_UUID = Rule(
    re.compile(mounts.UUID),
    36,
    "a UUID is as blkid shows it: 8-4-4-4-12 hexadecimal digits, XXXX-XXXX (vfat, exfat), or 16 digits (ntfs)",
)
_PATH = Rule(
    re.compile(mounts.PATH),
    255,
    "a path is /mnt/usb/NAME or /media/NAME, where the name has letters, digits, dashes and underscores",
)
#: what blkid calls it -> what the kernel mounts it as
_KERNEL = {"ntfs": "ntfs3"}


def plan(wanted: Mapping[str, Any], node: str, world: World) -> Plan:
    """What is wrong is unmounted, what is wanted is mounted, and what makes it last is written or removed."""
    task = _Task(wanted, node, world)
    return task.absent() if wanted["state"] == "absent" else task.present()


class _Task:
    """What a task wants of a path, against what is there."""

    def __init__(self, wanted: Mapping[str, Any], node: str, world: World) -> None:
        uuid = str(wanted["uuid"])
        self.uuid = _UUID.check("usb_mount.uuid", uuid.lower() if len(uuid) == 36 else uuid.upper())
        self.path = _PATH.check("usb_mount.path", wanted["path"])
        if wanted.get("device_timeout") is not None and not 1 <= wanted["device_timeout"] <= 9999:
            raise BadInput(f"usb_mount.device_timeout: {wanted['device_timeout']} is not between 1 and 9999 seconds")
        self.wanted, self.node, self.world = wanted, node, world
        real = world.get("realpath", path=self.path, node=node)
        if real != self.path:
            raise Refused(f"{self.path} on {node} is {real} by a symbolic link", "Name that path, where it is allowed")
        self.before = There.of(world, self.path, node)
        self.draft = Draft(self.before, self.uuid, node, world)

    # -- the two states ----------------------------------------------------------------------------------------------

    def present(self) -> Plan:
        self._refuse_others()
        device = self._device()
        rows = self.before.rows
        kept = rows[:1] if rows and rows[0]["uuid"] == self.uuid else []
        goal, options = self._goal(device["TYPE"], kept)
        self._refuse_foreign(goal)
        self.draft.unmount(len(rows) - len(kept))
        self.draft.drop([one for one in self.before.lasting if not goal or (one.by, one.uuid) != (goal.by, self.uuid)])
        if not rows:
            self.draft.directory()
        if not kept:
            self.draft.mount(device, options)
        elif set(options_of(kept[0])) != {*mounts.ALWAYS, *options}:
            self.draft.remount(kept[0], options)
        if goal:
            self.draft.put(goal)
        return self.draft.done()

    def absent(self) -> Plan:
        rows = list(self.before.rows)
        while rows and (rows[-1]["uuid"] == self.uuid or is_ghost(rows[-1])):
            rows.pop()
        if any(row["uuid"] == self.uuid for row in rows):
            raise Refused(
                f"{rows[-1]['source']} is mounted over {self.uuid} at {self.path} on {self.node}", "Unmount that first"
            )
        self.draft.unmount(len(self.before.rows) - len(rows))
        self.draft.drop([one for one in self.before.lasting if one.uuid == self.uuid])
        self._refuse_foreign(None)
        return self.draft.done()

    # -- looking -----------------------------------------------------------------------------------------------------

    def _refuse_others(self) -> None:
        """What is no file system of a device is nobody's forgotten stick."""
        for row in self.before.rows:
            if not is_of_device(row):
                raise Refused(
                    f"{self.path} on {self.node} holds {row['source']} ({row['fstype']}), which is no file system of a"
                    " device",
                    "Choose another path, or unmount it there",
                )

    def _device(self) -> Mapping[str, str]:
        """The one device that has the UUID, with what the kernel mounts it as."""
        found = self.world.get("blkid", uuid=self.uuid, node=self.node)
        if not found:
            raise Refused(
                f"No device of {self.node} has a file system with the UUID {self.uuid}",
                "Is the stick plugged in? 'blkid' there, as root, shows the UUIDs",
            )
        if len(found) > 1:
            raise Refused(
                f"{len(found)} devices of {self.node} have the UUID {self.uuid}:"
                f" {', '.join(row['DEVNAME'] for row in found)}. Which one would be mounted is chance",
                "Unplug the copy, or give it a UUID of its own (tune2fs -U random, xfs_admin -U generate)",
            )
        (device,) = found
        fstype = _KERNEL.get(device.get("TYPE", ""), device.get("TYPE", ""))
        if fstype not in mounts.FSTYPES or self.wanted.get("fstype") not in (None, fstype):
            raise Refused(
                f"{device['DEVNAME']} on {self.node} holds {fstype or 'nothing that is known'}, not"
                f" {self.wanted.get('fstype') or 'a file system that is mounted here'}",
                f"File systems that are: {', '.join(mounts.FSTYPES)}",
            )
        return {"DEVNAME": device["DEVNAME"], "TYPE": fstype}

    def _goal(self, fstype: str, kept: list[dict[str, Any]]) -> tuple[Lasting | None, tuple[str, ...]]:
        """What shall make it last, and the options of the mount. What the task does not say stays as it is."""
        lasting = self.before.lasting
        same = next((one for one in lasting if one.uuid == self.uuid), None)
        by = self.wanted.get("persist") or (lasting[0].by if lasting else "none")
        chosen = self.wanted.get("options")
        if chosen is None:
            chosen = same.options if same else options_of(kept[0]) if kept else ()
        options = tuple(option for option in mounts.OPTIONS if option in chosen)
        said = [name for name in ("nofail", "device_timeout") if self.wanted.get(name) is not None]
        if by == "none" and said:
            raise BadInput(f"usb_mount.{said[0]}: it is about the start of the node, and persist is none there")
        if by == "none":
            return None, options
        if by == "systemd" and not self.before.by_systemd:
            raise Refused(f"systemd does not run on {self.node}", "Set persist: fstab")
        if by == "fstab" and not self.before.fstab:
            raise Refused(f"/etc/fstab on {self.node} is missing or empty", "Write a comment into it first")
        goal = Lasting(
            by,
            self.uuid,
            fstype,
            options,
            nofail=self.wanted["nofail"] if "nofail" in said else same.nofail if same else True,
            device_timeout=self.wanted.get("device_timeout") or (same.device_timeout if same else 0) or 10,
        )
        return goal, options

    def _refuse_foreign(self, goal: Lasting | None) -> None:
        """What somebody else wrote is left alone: a warning, or a refusal where it would be in the way."""
        found = [f"/etc/fstab has {line}" for line in foreign_lines(self.before.fstab, self.path, self.uuid)]
        if self.before.unit and of_unit(self.before.unit) is None:
            found.append(f"there is a unit {unit_name(self.path)}")
        for text in found:
            told = f"{text} on {self.node}, which is not of this task's making"
            if goal:
                raise Refused(told, "Remove it, or set persist: none")
            self.draft.plan.warnings.append(f"{told}: it stays, and mounts at the next start")
