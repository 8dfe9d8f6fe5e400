# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits reach the planner through both doors, from wherever they are set, and a task cannot loosen them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from tests.lab import Lab

PLUGINS = Path(__file__).parents[2] / "parity" / "plugins"
GUEST = {
    "kind": "lxc",
    "node": "pve1",
    "config": {
        "hostname": "web",
        "arch": "amd64",
        "ostype": "debian",
        "cores": 1,
        "memory": 512,
        "rootfs": "local-zfs:subvol-101-disk-0,size=4G",
    },
    "disks": {"local-zfs:subvol-101-disk-0": 4 << 30},
}
OURS = ("ANSIBLE_", "PROXMOX_", "STEWARD_")
GROUP = "group/steward.proxmox.proxmox"
#: title -> keywords of the task, its options, what its result says ("" = it passes)
TASKS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "process": ({}, {"cores": 9}, "number of cores would be 9, and the limit is 8 (PROXMOX_MAX_CPU)"),
    "process, not loosened by the task": ({}, {"cores": 9, "limits": {"max_cpu": 99}}, "(PROXMOX_MAX_CPU)"),
    "environment of the task": (
        {"environment": {"PROXMOX_MAX_RAM_MB": "1024"}},
        {"memory": 2048},
        "memory in MiB would be 2048, and the limit is 1024 (PROXMOX_MAX_RAM_MB)",
    ),
    "process, not loosened by the task's environment": (
        {"environment": {"PROXMOX_MAX_CPU": "99", "STEWARD_POLICY": ""}},
        {"cores": 9},
        "the limit is 8 (PROXMOX_MAX_CPU)",
    ),
    "task": ({}, {"cores": 3, "limits": {"max_cpu": 2}}, "the limit is 2 (limits.max_cpu)"),
    "module_defaults of the group": (
        {"module_defaults": {GROUP: {"limits": {"max_disk_gb": 5}}}},
        {"rootfs": {"size": "6G"}},
        "disk space in GiB would be 6, and the limit is 5 (limits.max_disk_gb",
    ),
    "module_defaults of the module, not loosened by the task": (
        {"module_defaults": {"steward.proxmox.lxc": {"limits": {"max_disk_gb": "{{ most }}"}}}, "vars": {"most": 5}},
        {"rootfs": {"size": "6G"}, "limits": {"max_disk_gb": 99}},
        "the limit is 5 (limits.max_disk_gb of module_defaults)",
    ),
    "a number that is none": (
        {"environment": {"PROXMOX_MAX_CPU": "many"}},
        {"cores": 2},
        "PROXMOX_MAX_CPU: 'many' is not a whole number",
    ),
    "a policy that is none": (
        {"environment": {"STEWARD_POLICY": "gaurded"}},
        {"cores": 2},
        "STEWARD_POLICY: 'gaurded' is not a policy",
    ),
    "guarded": ({"environment": {"STEWARD_POLICY": "guarded"}}, {"memory": 32769}, "(STEWARD_POLICY=guarded)"),
    "within every limit": ({"environment": {"STEWARD_POLICY": "guarded"}}, {"cores": 8, "memory": 1024}, ""),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(seed={"guests": {101: GUEST}}) as lab:
        yield lab


def play(lab: Lab) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = [
        {
            "name": title,
            "steward.proxmox.lxc": {"vmid": 101, "node": "pve1", **options},
            "ignore_errors": True,
            **keywords,
        }
        for title, (keywords, options, _said) in TASKS.items()
    ]
    other = {"module_defaults": {GROUP: {"limits": {"max_cpu": 1}}}, "steward.proxmox.guest_info": {}}
    tasks.append({"name": "a module without limits", **other})
    return [{"hosts": "target", "gather_facts": False, "tasks": tasks}]


@pytest.mark.parametrize("connection", ["local", "lab_remote"])
def test_limits_through_both_doors(lab: Lab, connection: str, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play(lab)), encoding="utf-8")
    where = f"target ansible_connection={connection} ansible_python_interpreter={sys.executable}\n"
    (tmp_path / "hosts").write_text(where, encoding="utf-8")
    admin = lab.credentials["admin"]
    # not in the folder: ansible-core makes a socket there, whose path may have 107 characters
    with TemporaryDirectory(prefix="limits-") as temporary:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts", "play.yml", "--check"],
            cwd=tmp_path,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
                "ANSIBLE_CALLBACKS_ENABLED": "results",
                "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
                "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
                "ANSIBLE_LOCAL_TEMP": temporary,
                "ANSIBLE_REMOTE_TEMP": temporary,
                "RESULTS": str(tmp_path / "results.jsonl"),
                "PROXMOX_HOST": lab.host,
                "PROXMOX_PORT": str(lab.port),
                "PROXMOX_CA_PATH": str(lab.ca_path),
                "PROXMOX_TOKEN_ID": admin["api_token_id"],
                "PROXMOX_TOKEN_SECRET": admin["api_token_secret"],
                "PROXMOX_MAX_CPU": "8",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    results = {one["task"]: one["result"] for one in map(json.loads, lines)}
    for title, (_keywords, _options, said) in TASKS.items():
        result = results[title]
        assert said in result.get("msg", ""), title
        assert bool(result.get("failed")) is bool(said), title
    assert results["within every limit"]["changed"]
    assert not results["a module without limits"].get("failed")
    assert lab.writes == []
