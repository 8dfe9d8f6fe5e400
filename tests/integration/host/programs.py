# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that say what a test tells them to, in the places of the fence's own."""

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._host import sudo
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import PROGRAMS
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST


class Programs:
    """`says` puts a program in its place. What was run, with its arguments, is in `calls`."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        self._place, self._patch = place, patch

    def says(self, name: str, stdout: str = "", stderr: str = "", status: int = 0) -> None:
        out, err = self._place / f"{name}.out", self._place / f"{name}.err"
        out.write_text(stdout)
        err.write_text(stderr)
        self.does(name, f"cat {out}; cat {err} >&2; exit {status}")

    def does(self, name: str, shell: str) -> None:
        program = self._place / name
        log = shlex.quote(str(self._place / "calls"))
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>{log}\n{shell}\n')
        program.chmod(0o755)
        self.is_at(name, str(program))

    def is_at(self, name: str, path: str) -> None:
        if name == "sudo":
            self._patch.setattr(sudo, "SUDO", path)
        else:
            self._patch.setitem(PROGRAMS, name, dataclasses.replace(PROGRAMS[name], path=path))

    @property
    def calls(self) -> list[str]:
        log = self._place / "calls"
        return log.read_text().splitlines() if log.exists() else []


def work(what: str, wanted: dict[str, Any], runner: str = "direct", check: bool = False) -> Work:
    """The task, planned: a task that only reads is over then."""
    options = {what: wanted, "node": "pve1", "runner": runner, "pct": "/usr/sbin/pct", "timeout": 20}
    return Work(PRIVILEGED_HOST, options, Memory(), check)


def read(what: str, wanted: dict[str, Any], runner: str = "direct", check: bool = False) -> dict[str, Any]:
    """What the task returns."""
    return work(what, wanted, runner, check).result()
