# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which write starts which task: as a real PVE 9.2 was seen to answer. tests/contract holds every module to it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.task_types import expected, of_ha

RECORDED = [
    ("POST", "/lxc", {"vmid": 101}, "vzcreate", "101"),
    ("POST", "/qemu", {"vmid": "200"}, "qmcreate", "200"),
    ("POST", "/qemu", {"vmid": 123}, "qmrestore", "123"),
    ("DELETE", "/lxc/121", {}, "vzdestroy", "121"),
    ("DELETE", "/qemu/200", {}, "qmdestroy", "200"),
    ("POST", "/lxc/110/clone", {"newid": 130}, "vzclone", "110"),
    ("POST", "/qemu/200/config", {}, "qmconfig", "200"),
    ("POST", "/qemu/600/migrate", {}, "qmigrate", "600"),
    ("POST", "/lxc/610/migrate", {}, "hamigrate", "610"),
    ("POST", "/lxc/103/move_volume", {}, "move_volume", "103"),
    ("POST", "/qemu/200/move_disk", {}, "qmmove", "200"),
    ("POST", "/qemu/200/move_disk", {}, "qmmove", "200-scsi0>201-scsi1"),
    ("PUT", "/lxc/100/resize", {}, "resize", "100"),
    ("POST", "/qemu/201/template", {}, "qmtemplate", "201"),
    ("POST", "/lxc/110/snapshot", {}, "vzsnapshot", "110"),
    ("DELETE", "/lxc/110/snapshot/s1", {}, "vzdelsnapshot", "110"),
    ("POST", "/qemu/200/snapshot/s1/rollback", {}, "qmrollback", "200"),
    ("POST", "/lxc/100/status/start", {}, "vzstart", "100"),
    ("POST", "/lxc/100/status/reboot", {}, "vzreboot", "100"),
    ("POST", "/qemu/200/status/suspend", {}, "qmpause", "200"),
    ("POST", "/qemu/200/status/resume", {}, "qmresume", "200"),
    ("POST", "/vzdump", {"vmid": 110}, "vzdump", "110"),
    ("POST", "/vzdump", {"vmid": "110,111"}, "vzdump", ""),
    ("DELETE", "/storage/local/content/local:backup/vzdump-lxc-103-x.tar.zst", {}, "imgdel", "103@local"),
    ("DELETE", "/storage/crudd/content/crudd:iso/x.iso", {}, "imgdel", "crudd"),
    ("POST", "/storage/crudd/download-url", {}, "download", "dl.iso"),
    ("POST", "/storage/crudd/upload", {}, "imgcopy", ""),
]  # fmt: skip


def written(method: str, path: str, data: dict[str, Any], target: str = "") -> dict[str, Any]:
    return {"op": "post", "target": target or path, "method": method, "path": path, "data": data}


@pytest.mark.parametrize(("method", "below", "data", "type_", "id_"), RECORDED)
def test_a_write_and_its_task(method: str, below: str, data: dict[str, Any], type_: str, id_: str) -> None:
    found = expected(written(method, f"/nodes/pve1{below}", data))
    assert found
    assert found.fits(type_, id_, "pve1")
    assert not found.fits(type_, id_, "pve2")
    assert not found.fits("vncproxy", id_, "pve1")
    if id_.isdigit():
        assert not found.fits(type_, f"{id_}9", "pve1")


def test_a_guest_whose_number_was_hidden() -> None:
    """In the record of a task with no_log no value of a step is left; the target is."""
    hidden = {"vmid": "********"}
    found = expected(written("POST", "/nodes/pve1/lxc", hidden, "lxc/901"))
    assert found
    assert (found.fits("vzcreate", "901", "pve1"), found.fits("vzcreate", "902", "pve1")) == (True, False)
    by_path = expected(written("POST", "/nodes/pve1/lxc", hidden))
    assert by_path
    assert by_path.fits("vzcreate", "902", "pve1")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/nodes/pve1/qemu/100/config"),
        ("PUT", "/access/acl"),
        ("POST", "/cluster/firewall/aliases"),
        ("GET", "/nodes/pve1/qemu"),
        ("DELETE", "/pools/prod"),
    ],
)
def test_a_write_that_starts_no_task(method: str, path: str) -> None:
    assert expected(written(method, path, {})) is None


@pytest.mark.parametrize(
    ("method", "path", "guest"),
    [
        ("PUT", "/cluster/ha/resources/vm:100", "100"),
        ("POST", "/cluster/ha/resources/ct:101/migrate", "101"),
        ("GET", "/cluster/ha/resources/vm:100", ""),
        ("PUT", "/nodes/pve1/qemu/100/config", ""),
    ],
)
def test_a_write_to_the_ha_manager(method: str, path: str, guest: str) -> None:
    assert of_ha(written(method, path, {})) == guest
