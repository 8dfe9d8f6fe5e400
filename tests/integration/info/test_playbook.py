# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that read, from a playbook: what a person writes to look at a cluster and to reach its guests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
TIME_LIMIT = 300


def machine(vmid: int, name: str, **more: Any) -> dict[str, Any]:
    config = {"name": name, "agent": "1", "net0": f"virtio=BC:24:11:00:02:{vmid % 100:02d},bridge=vmbr0", "tags": "web"}
    return {"kind": "qemu", "node": "pve1", "running": True, "config": config, **more}


SEED: dict[str, Any] = {
    "guests": {
        # with containers of its own: their bridge comes first, and is not where it is reached
        100: machine(100, "web-1", addresses={"br-x": ["172.18.0.1/16"], "eth0": ["192.0.2.100/24", "fe80::1/64"]}),
        101: machine(101, "web-2", agent_seconds=3600),
        102: {
            "kind": "lxc",
            "node": "pve2",
            "running": True,
            "config": {"hostname": "web-3", "net0": "name=eth0,bridge=vmbr0,ip=192.0.2.102/24", "tags": "web"},
            "disks": {"local-zfs:subvol-102-disk-0": 4 << 30},
        },
        103: machine(103, "web-4", node="pve3"),
    }
}


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    with Lab(seed=SEED) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    running.requests.clear()
    return running


def task(module: str, saved: str = "", **options: Any) -> dict[str, Any]:
    return {"name": f"Read {saved}", f"steward.proxmox.{module}": options, "register": saved}


def keep(*names: str) -> dict[str, Any]:
    """Writes what was registered into a file, also in check mode."""
    content = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}"
    return {
        "name": "Keep it",
        "ansible.builtin.copy": {"content": content, "dest": "{{ playbook_dir }}/kept.json"},
        "check_mode": False,
    }


def play(lab: Lab, folder: Path, *tasks: dict[str, Any], arguments: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the playbook kept."""
    where = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    python = {"ansible_python_interpreter": sys.executable}
    (folder / "play.yml").write_text(yaml.safe_dump([{**where, "vars": python, "tasks": list(tasks)}]))
    unwanted = ("ANSIBLE_", "STEWARD_", "PROXMOX_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    credential = lab.credentials["admin"]
    environment |= {f"PROXMOX_{name.removeprefix('api_').upper()}": value for name, value in credential.items()}
    environment |= {"PROXMOX_HOST": lab.host, "PROXMOX_PORT": str(lab.port), "PROXMOX_CA_PATH": lab.ca_path}
    environment["ANSIBLE_LOCAL_TEMP"] = str(folder / "tmp")
    done = subprocess.run(
        [str(PLAYBOOK), "-i", "localhost,", "play.yml", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    kept: dict[str, Any] = json.loads((folder / "kept.json").read_text())
    return kept


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["for real", "in check mode"])
def test_a_cluster_is_looked_at(lab: Lab, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    kept = play(
        lab,
        tmp_path,
        task("guest_info", "guests", name_pattern="web-*", details=["config", "agent"]),
        task("snapshot_info", "snapshots", tags=["web"]),
        task("backup_info", "backups", newest=True),
        task("cluster_info", "cluster", details=["version", "maintenance"]),
        task("task_info", "tasks", node="pve1"),
        keep("guests", "snapshots", "backups", "cluster", "tasks"),
        arguments=arguments,
    )
    assert lab.writes == []
    assert not any(result["changed"] for result in kept.values())
    assert [guest["vmid"] for guest in kept["guests"]["guests"]] == [100, 101, 102, 103]
    assert kept["guests"]["guests"][0]["agent"]["hostname"] == "web-1"
    assert kept["guests"]["guests"][0]["config"]["agent"] == "1"
    assert (kept["snapshots"]["total"], kept["snapshots"]["complete"]) == (0, True)
    assert (kept["backups"]["total"], kept["backups"]["complete"]) == (0, True)
    assert kept["cluster"]["quorate"] is True
    assert [(node["node"], node["online"], node["maintenance"]) for node in kept["cluster"]["nodes"]] == [
        ("pve1", True, False),
        ("pve2", True, False),
        ("pve3", True, False),
    ]
    assert {node["version"] for node in kept["cluster"]["nodes"]} == {"9.2.11"}
    assert [row["storage"] for row in kept["cluster"]["storages"]].count("nas") == 3


def test_guests_become_hosts_by_their_addresses_and_one_silent_agent_stops_nothing(lab: Lab, tmp_path: Path) -> None:
    lab.fault(node_offline="pve3")
    hosts = {
        "name": "Reach them",
        "ansible.builtin.add_host": {
            "name": "{{ item.name }}",
            "ansible_host": "{{ item.ansible_host }}",
            "groups": "web",
        },
        "loop": "{{ found.guests | selectattr('ansible_host') }}",
    }
    told = {
        "name": "Where they are",
        "ansible.builtin.set_fact": {"where": "{{ groups['web'] | map('extract', hostvars, 'ansible_host') }}"},
    }
    kept = play(
        lab,
        tmp_path,
        task("guest_info", "found", tags=["web"], details=["addresses"]),
        hosts,
        told,
        keep("found", "where"),
    )
    assert kept["where"] == ["192.0.2.100", "192.0.2.102"]
    errors = {guest["vmid"]: guest["errors"].get("addresses", "") for guest in kept["found"]["guests"]}
    assert errors[100] == errors[102] == ""
    assert "QEMU guest agent is not running" in errors[101]
    assert errors[103] == "node pve3 does not answer"
    assert kept["found"]["complete"] is False
    assert kept["found"]["unseen"] == ["node pve3 does not answer: only what it last reported is known"]
