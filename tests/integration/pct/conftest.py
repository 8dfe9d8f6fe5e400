# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection in this process, and playbooks over it. The node is real, and so are its containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.playbook.play_context import PlayContext
from ansible_collections.steward.proxmox.plugins.connection import pct
from ansible_collections.steward.proxmox.plugins.doc_fragments import exec_in_guest

from tests.node.fixtures import container, node, python_container
from tests.node.node import Node

__all__ = ["container", "node", "python_container"]

BIN = Path(sys.executable).parent
NAME = "steward.proxmox.pct"
Connect = Callable[..., pct.Connection]


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """All containers, unless a test says otherwise."""
    monkeypatch.setenv("STEWARD_EXEC_PCT", "*")


@pytest.fixture(autouse=True)
def fresh(node: Node) -> None:
    node.allow_pct()
    node.forget()


@pytest.fixture(scope="session")
def documented() -> None:
    """The options of the connection, as ansible learns them when it loads a plugin."""
    texts = (pct.DOCUMENTATION, exec_in_guest.ModuleDocFragment.DOCUMENTATION)
    options = {name: option for text in texts for name, option in yaml.safe_load(text)["options"].items()}
    constants.config.initialize_plugin_configuration_definitions("connection", NAME, options)


@pytest.fixture
def options(node: Node) -> dict[str, Any]:
    return {
        "host": [node.host],
        "port": node.port,
        "timeout": 60,  # to log in, also where the machine has much to do
        "node_user": node.user,
        "private_key_file": str(node.key),
        "known_hosts": [str(node.known_hosts)],
        "pct": str(node.pct),
        "vmid": 101,
        "inventory_name": "web",
    }


@pytest.fixture
def connect(options: dict[str, Any], documented: None) -> Iterator[Connect]:
    made = []

    def connect(**more: Any) -> pct.Connection:
        connection = pct.Connection(PlayContext())
        connection._load_name = NAME
        connection.set_options(direct={**options, **more})
        made.append(connection)
        return connection

    yield connect
    for connection in made:
        connection.close()


@pytest.fixture
def play(options: dict[str, Any], tmp_path: Path) -> Callable[..., tuple[int, str, dict[str, Any]]]:
    """Runs tasks in the containers of an inventory; the status, the output, and the result of each registered task."""

    def run(tasks: list[dict[str, Any]], hosts: dict[str, Any], **environment: str) -> tuple[int, str, dict[str, Any]]:
        variables = {
            "ansible_connection": NAME,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_user": "somebody",  # neither on the node nor inside
            "ansible_host": "not-the-node.invalid",
            "proxmox_node_host": options["host"],
            "proxmox_node_port": options["port"],
            "proxmox_node_user": options["node_user"],
            "proxmox_node_private_key_file": options["private_key_file"],
            "proxmox_node_known_hosts": options["known_hosts"],
            "ansible_pct_executable": options["pct"],
        }
        kept, names = tmp_path / "kept.json", [task["register"] for task in tasks if "register" in task]
        keep = {
            "ansible.builtin.copy": {
                "dest": str(kept),
                "content": f"{{{{ dict({names} | map('extract', vars) | zip({names}) | map('reverse')) | to_json }}}}",
            },
            "delegate_to": "localhost",
            "connection": "local",
            "vars": {"ansible_python_interpreter": sys.executable},
        }
        files = {
            "inventory": {"all": {"hosts": hosts, "vars": variables}},
            "playbook": [{"hosts": "all", "gather_facts": False, "tasks": [*tasks, keep]}],
        }
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        done = subprocess.run(
            [BIN / "ansible-playbook", "-i", tmp_path / "inventory.json", tmp_path / "playbook.json"],
            cwd=tmp_path,
            env={
                **os.environ,
                "ANSIBLE_HOME": str(tmp_path),
                "TMPDIR": str(tmp_path),
                "ANSIBLE_TIMEOUT": "60",
                **environment,
            },
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        results = json.loads(kept.read_text()) if kept.exists() else {}
        return done.returncode, done.stdout + done.stderr, results

    return run
