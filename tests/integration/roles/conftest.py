# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles and their playbooks, run by ansible-playbook against a lab."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.demo.site import ROOT, Run, Site

GOLDEN_IMAGE = ROOT / "playbooks" / "golden_image.yml"
RESTORE = ROOT / "playbooks" / "restore.yml"
TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"

GOLDEN: dict[str, Any] = {
    "golden_image_vmid": 9001,
    "golden_image_name": "golden",
    "golden_image_node": "pve1",
    "golden_image_template": TEMPLATE,
    "golden_image_storage": "local-zfs",
    "golden_image_backup_storage": "local",
}
MACHINE: dict[str, Any] = {
    "golden_image_type": "qemu",
    "golden_image_vmid": 9002,
    "golden_image_name": "golden",
    "golden_image_node": "pve1",
    "golden_image_cloud_image": "local:import/debian-12-generic-amd64.qcow2",
    "golden_image_storage": "local-zfs",
    "golden_image_backup_storage": "local",
}
COPIES: dict[str, Any] = {
    "restore_archive": {"storage": "local", "name": "golden"},
    "restore_defaults": {"node": "pve1", "storage": "local-zfs", "tags": ["copy"]},
}


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(shared_site: Site) -> Site:
    """A lab without guests."""
    shared_site.lab.reset()
    return shared_site


def plans(run: Run, kind: str) -> list[tuple[str, str]]:
    """The plans that a run recorded, in words and with their digests."""
    return [(frame["plan"]["summary"], frame["plan"]["digest"]) for frame in run.frames(kind)]
