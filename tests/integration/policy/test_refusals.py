# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy reaches the plan through both doors, from wherever it is set, and a task cannot loosen it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from tests.lab import Lab

PLUGINS = Path(__file__).parents[2] / "parity" / "plugins"


def guest(vmid: int, name: str, tags: str) -> dict[str, Any]:
    volume = f"local-zfs:subvol-{vmid}-disk-0"
    shape = {"arch": "amd64", "ostype": "debian", "cores": 1, "memory": 512}
    config = {"hostname": name, "tags": tags, "rootfs": f"{volume},size=4G", **shape}
    return {"kind": "lxc", "node": "pve1", "config": config, "disks": {volume: 4 << 30}}


SEED = {"guests": {101: guest(101, "web", "blue;prod"), 102: guest(102, "db", "blue")}}
POLICY = """\
version: 1
approval: none
ledger: optional
protect: {tags: [prod]}
limits: {max_ram_mb: 4096}
"""
BROKEN = "version: 1\nprotects: {}\n"
OURS = ("ANSIBLE_", "PROXMOX_", "STEWARD_", "AWX_")
GROUP = "group/steward.proxmox.proxmox"
GONE = {"vmid": 102, "state": "absent"}


@dataclass(frozen=True)
class Task:
    """A task of `lxc` about guest 101, and what its result says; "" where it passes."""

    says: str
    options: Mapping[str, Any]
    keywords: Mapping[str, Any]
    module: str = "lxc"


def task(says: str, options: Mapping[str, Any], module: str = "lxc", **keywords: Any) -> Task:
    return Task(says, options, keywords, module)


PLANNED: dict[str, Task] = {
    # limits
    "process": task("number of cores would be 9, and the limit is 8 (PROXMOX_MAX_CPU)", {"cores": 9}),
    "process, not loosened by the task": task("(PROXMOX_MAX_CPU)", {"cores": 9, "limits": {"max_cpu": 99}}),
    "process, not loosened by the task's environment": task(
        "the limit is 8 (PROXMOX_MAX_CPU)",
        {"cores": 9},
        environment={"PROXMOX_MAX_CPU": "99", "STEWARD_POLICY": ""},
    ),
    "file": task("memory in MiB would be 4097, and the limit is 4096 (limits.max_ram_mb in ", {"memory": 4097}),
    "environment of the task": task(
        "the limit is 1024 (PROXMOX_MAX_RAM_MB)", {"memory": 2048}, environment={"PROXMOX_MAX_RAM_MB": "1024"}
    ),
    "guarded by the task": task(
        "the limit is 2048 (PROXMOX_MAX_RAM_MB)",
        {"memory": 4096},
        environment={"STEWARD_POLICY": "guarded", "PROXMOX_MAX_RAM_MB": "2048"},
    ),
    "task": task("the limit is 2 (limits.max_cpu)", {"cores": 3, "limits": {"max_cpu": 2}}),
    "module_defaults of the group": task(
        "disk space in GiB would be 6, and the limit is 5 (limits.max_disk_gb of module_defaults)",
        {"rootfs": {"size": "6G"}},
        module_defaults={GROUP: {"limits": {"max_disk_gb": 5}}},
    ),
    "module_defaults of the module, not loosened by the task": task(
        "the limit is 5 (limits.max_disk_gb of module_defaults)",
        {"rootfs": {"size": "6G"}, "limits": {"max_disk_gb": 99}},
        module_defaults={"steward.proxmox.lxc": {"limits": {"max_disk_gb": "{{ most }}"}}},
        vars={"most": 5},
    ),
    # protection
    "protected by the file": task("lxc/101 is protected by tag 'prod' (protect.tags in ", {"state": "absent"}),
    "protected by the file, not loosened by the task": task(
        "lxc/101 is protected by tag 'prod'", {"state": "absent", "protect": {"tags": []}, "approve": ["0" * 32]}
    ),
    "protected by the task": task(
        "lxc/102 is protected by id 102 (protect.vmids)", {**GONE, "protect": {"vmids": [102]}}
    ),
    "protected by module_defaults": task(
        "lxc/102 is protected by name 'd*' (protect.names of module_defaults)",
        GONE,
        module_defaults={GROUP: {"protect": {"names": ["d*"]}}},
    ),
    "protected by the environment": task(
        "protected by node 'pve1' (STEWARD_PROTECT_NODES)", GONE, environment={"STEWARD_PROTECT_NODES": "pve1,pve9"}
    ),
    "from any change": task(
        "lxc/101 is protected by id 100-199 (protect.vmids)",
        {"memory": 600, "protect": {"vmids": ["100-199"], "from": "any"}},
    ),
    "a path that nobody knows": task(
        "whether it touches what is protected cannot be told",
        {"path": "/cluster/metrics/server/influx", "method": "delete"},
        module="api",
    ),
    # risk
    "risk": task("its risk is high (destroys lxc/102", {**GONE, "max_risk": "medium"}),
    "risk of module_defaults, not loosened by the task": task(
        "the most that is allowed is low (max_risk of module_defaults)",
        {**GONE, "max_risk": "high"},
        module_defaults={"steward.proxmox.lxc": {"max_risk": "low"}},
    ),
    # what is wrong is never no policy
    "a number that is none": task(
        "PROXMOX_MAX_CPU: 'many' is not a whole number", {"cores": 2}, environment={"PROXMOX_MAX_CPU": "many"}
    ),
    "a policy that is none": task(
        "gaurded cannot be read: No such file or directory. Nothing was sent. The built-in policy is called guarded",
        {"cores": 2},
        environment={"STEWARD_POLICY": "gaurded"},
    ),
    "a file that is wrong": task(
        "broken.yml: there is no such key; known are approval",
        {"cores": 2},
        environment={"STEWARD_POLICY": "broken.yml"},
    ),
    "module_defaults that are wrong": task(
        "vmids of module_defaults: 'db' is neither a guest id",
        {"cores": 2},
        module_defaults={GROUP: {"protect": {"vmids": ["db"]}}},
    ),
    # and what passes
    "within everything": task("", {"cores": 8, "memory": 1024, "description": "still here"}),
    "not protected": task("", GONE),
    "a module without limits": task("", {}, module="guest_info", module_defaults={GROUP: {"limits": {"max_cpu": 1}}}),
}

#: of these, what must travel to a module on a target
FAR_AWAY = {
    title: PLANNED[title]
    for title in (
        "process, not loosened by the task",
        "environment of the task",
        "module_defaults of the module, not loosened by the task",
        "protected by the file",
        "protected by the task",
        "from any change",
        "risk of module_defaults, not loosened by the task",
        "within everything",
    )
}

CARRIED_OUT: dict[str, Task] = {
    "protected": PLANNED["protected by the file"],
    "limited": PLANNED["process"],
    "risk": PLANNED["risk"],
    "wrong": PLANNED["a file that is wrong"],
    # who launched the job is what AWX says on the command line, and not what a playbook says
    "stranger": task(
        "awx:alice may not change anything (STEWARD_ACTORS)",
        {"memory": 600},
        environment={"STEWARD_ACTORS": "awx:bob"},
        vars={"awx_user_name": "bob"},
    ),
    "no plan": task(
        "Only what is in a saved plan may be changed (STEWARD_PLAN_REQUIRED)",
        {"memory": 600},
        environment={"STEWARD_PLAN_REQUIRED": "true"},
    ),
    "nothing to do": task("", {"memory": 512, "max_risk": "low", "protect": {"names": ["*"], "from": "any"}}),
}
#: refused by a policy, and not an error in one
RECORDED = len(CARRIED_OUT) - 2


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(seed=SEED) as lab:
        yield lab


def play(
    lab: Lab, folder: Path, tasks: Mapping[str, Task], connection: str, *arguments: str, **variables: str
) -> dict[str, dict[str, Any]]:
    """The results of these tasks, by their titles."""
    listed = [
        {
            "name": title,
            f"steward.proxmox.{one.module}": {"vmid": 101, "node": "pve1", **one.options}
            if one.module == "lxc"
            else dict(one.options),
            "ignore_errors": True,
            **one.keywords,
        }
        for title, one in tasks.items()
    ]
    written = {
        "play.yml": yaml.safe_dump([{"hosts": "target", "gather_facts": False, "tasks": listed}]),
        "hosts": f"target ansible_connection={connection} ansible_python_interpreter={sys.executable}\n",
        "policy.yml": POLICY,
        "broken.yml": BROKEN,
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    admin = lab.credentials["admin"]
    # not in the folder: ansible-core makes a socket there, whose path may have 107 characters
    with TemporaryDirectory(prefix="policy-") as temporary:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts", "play.yml", *arguments],
            cwd=folder,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
                "ANSIBLE_CALLBACKS_ENABLED": "results,steward.proxmox.ledger",
                "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
                "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
                "ANSIBLE_LOCAL_TEMP": temporary,
                "ANSIBLE_REMOTE_TEMP": temporary,
                "RESULTS": str(folder / "results.jsonl"),
                "STEWARD_LEDGER_PATH": str(folder / "ledger"),
                "STEWARD_POLICY": "policy.yml",
                "PROXMOX_HOST": lab.host,
                "PROXMOX_PORT": str(lab.port),
                "PROXMOX_CA_PATH": str(lab.ca_path),
                "PROXMOX_TOKEN_ID": admin["api_token_id"],
                "PROXMOX_TOKEN_SECRET": admin["api_token_secret"],
                "PROXMOX_MAX_CPU": "8",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return {one["task"]: one["result"] for one in map(json.loads, lines)}


def frames(folder: Path) -> list[dict[str, Any]]:
    """What the run's ledger holds."""
    (file,) = [path for path in (folder / "ledger").rglob("*") if path.is_file() and b'"run_open"' in path.read_bytes()]
    return [json.loads(line[65:]) for line in file.read_bytes().splitlines()]


@pytest.mark.parametrize(("connection", "tasks"), [("local", PLANNED), ("lab_remote", FAR_AWAY)])
def test_a_preview_is_refused_as_the_change_would_be(
    lab: Lab, connection: str, tasks: Mapping[str, Task], tmp_path: Path
) -> None:
    results = play(lab, tmp_path, tasks, connection, "--check")
    for title, one in tasks.items():
        assert one.says in results[title].get("msg", ""), title
        assert bool(results[title].get("failed")) is bool(one.says), title
    assert results["within everything"]["changed"]
    assert results["protected by the file"]["refused"]
    assert lab.writes == []


def test_a_change_is_refused_and_the_ledger_says_so(lab: Lab, tmp_path: Path) -> None:
    awx = {"AWX_PRIVATE_DATA_DIR": "/runner", "JOB_ID": "1"}
    launched = ("-e", "awx_user_name=alice", "-e", "awx_job_launch_type=manual")
    results = play(lab, tmp_path, CARRIED_OUT, "local", *launched, **awx)
    for title, one in CARRIED_OUT.items():
        assert one.says in results[title].get("msg", ""), title
        assert bool(results[title].get("failed")) is bool(one.says), title
    assert lab.writes == []
    recorded = frames(tmp_path)
    refused = [frame for frame in recorded if frame["type"] == "refused"]
    assert len(refused) == RECORDED
    assert refused[0]["reasons"] == [results["protected"]["msg"]]
    assert not [frame for frame in recorded if frame["type"] == "intent"]
