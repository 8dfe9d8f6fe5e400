# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-playbook against a lab: one run with --check makes the plan file, others carry it out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.plan_callback.conftest import GUEST, Done, Site
from tests.lab import Lab

DISK = "local-zfs:subvol-200-disk-0"


class Stage(Site):
    """A folder with a playbook, its plan file, and where its use is kept."""

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan.json"

    @property
    def applied(self) -> dict[str, Any]:
        """The report of the last real run."""
        return dict(json.loads((self.folder / "applied.json").read_text()))

    def preview(self, *tasks: dict[str, Any], **more: Any) -> Done:
        return self.play(*tasks, check=True, **more)

    def apply(self, *tasks: dict[str, Any], environment: dict[str, str] | None = None, **more: Any) -> Done:
        said = {
            "STEWARD_PLAN": str(self.plan_file),
            "STEWARD_APPROVALS": str(self.folder / "approvals"),
            "STEWARD_PLAN_JSON": str(self.folder / "applied.json"),
        }
        return self.play(*tasks, check=False, files=False, environment=said | (environment or {}), **more)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    guest = {"kind": "lxc", "node": "pve1", "running": True, "config": GUEST, "disks": {DISK: 4 << 30}}
    with Lab(seed={"guests": {200: guest}}) as lab:
        yield lab


@pytest.fixture
def stage(tmp_path: Path, lab: Lab) -> Stage:
    lab.reset()
    return Stage(tmp_path, lab)
