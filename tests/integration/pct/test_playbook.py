# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own modules in a container that has no network, and what the ledger keeps of that."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify

from tests.node.node import Container, Node

Play = Callable[..., tuple[int, str, dict[str, Any]]]
WEB = {"web": {"proxmox_vmid": 102}}

TEN = [
    {"ansible.builtin.ping": {}, "register": "ping"},
    {"ansible.builtin.command": "hostname", "register": "hostname"},
    {"ansible.builtin.shell": "hostname; hostname | cat", "register": "shell"},
    {"ansible.builtin.raw": "hostname; hostname; id -un; printf '\\377' >&2", "register": "raw"},
    {"ansible.builtin.file": {"path": "/tmp/folder", "state": "directory", "mode": "0700"}},
    {"ansible.builtin.lineinfile": {"path": "/tmp/folder/a b", "line": "x=1", "create": True}},
    {"ansible.builtin.slurp": {"src": "/tmp/folder/a b"}, "register": "slurp"},
    {"ansible.builtin.stat": {"path": "/tmp/folder"}, "register": "stat"},
    {"ansible.builtin.command": "id -un", "become": True, "become_user": "guest", "register": "guest"},
    {"ansible.builtin.shell": "echo ~", "register": "home", "become": True, "remote_user": "somebody"},
]


def test_ten_tasks_are_ten_calls_of_pct(play: Play, node: Node, python_container: Container) -> None:
    assert len(TEN) == 10
    status, output, kept = play(TEN, WEB)
    assert status == 0, output
    assert len(node.calls) == 10
    assert kept["ping"]["ping"] == "pong"
    inside = [kept[task]["stdout_lines"] for task in ("hostname", "shell", "raw", "guest")]
    assert inside == [["CT102"], ["CT102"] * 2, ["CT102", "CT102", "root"], ["guest"]]
    assert kept["slurp"]["content"] == "eD0xCg=="
    assert (kept["stat"]["stat"]["mode"], kept["stat"]["stat"]["uid"]) == ("0700", 0)
    assert kept["home"]["stdout"] == "/root"


def test_files_and_become_with_a_password(play: Play, node: Node, python_container: Container, tmp_path: Path) -> None:
    large = tmp_path / "large file"
    large.write_bytes(os.urandom(3 << 20))
    guest = {"become": True, "become_user": "guest"}
    # root is never asked, so guest is: sudo reads the password from the same stdin as the module comes from
    variables = {"ansible_become_exe": "sudo -u guest sudo", "ansible_become_password": "guest"}
    asked = {"become": True, "become_user": "nobody", "vars": variables}
    tasks = [
        {"ansible.builtin.copy": {"src": str(large), "dest": "/tmp/it's here"}, "register": "copied"},
        {"ansible.builtin.copy": {"src": str(large), "dest": "/tmp/it's here"}, "register": "again"},
        {"ansible.builtin.fetch": {"src": "/tmp/it's here", "dest": f"{tmp_path}/back", "flat": True}},
        {"ansible.builtin.copy": {"content": "hers", "dest": "/home/guest/hers"}, **guest},
        {"ansible.builtin.stat": {"path": "/home/guest/hers"}, "register": "hers"},
        {"ansible.builtin.command": "id -un", "register": "nobody", **asked},
        {"ansible.builtin.raw": "id -un", "register": "raw", **asked},
        {
            "ansible.builtin.command": "id -un",
            "register": "without_pipelining",
            **asked,
            "vars": {**variables, "ansible_pipelining": False, "ansible_shell_allow_world_readable_temp": True},
        },
        {
            "ansible.builtin.command": "id -un",
            "register": "refused",
            "ignore_errors": True,
            **asked,
            "vars": {**variables, "ansible_become_password": "wrong"},
        },
        {"ansible.builtin.raw": "sleep 60", "timeout": 2, "ignore_errors": True, "register": "endless"},
        {"ansible.builtin.find": {"paths": "/", "patterns": "~*", "file_type": "any"}, "register": "strange"},
    ]
    status, output, kept = play(tasks, WEB)
    assert status == 0, output
    assert [kept[task]["changed"] for task in ("copied", "again")] == [True, False]
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    assert kept["hers"]["stat"]["pw_name"] == "guest"
    assert [kept[task]["stdout"].strip() for task in ("nobody", "raw", "without_pipelining")] == ["nobody"] * 3
    assert "sudo did not accept the password" in kept["refused"]["msg"]
    assert kept["endless"]["failed"]
    # neither of the node's user, nor of ansible_user
    assert kept["strange"]["files"] == []
    assert not any(path.name.startswith(".ansible") for path in node.home.iterdir())


def test_unreachable_and_why(play: Play, node: Node, container: Container) -> None:
    node.create(110, start=False)
    hosts = {"gone": {"proxmox_vmid": 999}, "stopped": {"proxmox_vmid": 110}, "closed": {"proxmox_vmid": 101}}
    status, output, _kept = play([{"ansible.builtin.ping": {}}], hosts, STEWARD_EXEC_PCT="110,900-999")
    assert status & 4
    assert "there is no container 999" in output
    assert "container 110 is not running" in output
    assert "No command may be run in lxc/101" in output
    recap = {line.split()[0]: line for line in output.partition("PLAY RECAP")[2].splitlines() if ":" in line}
    assert "unreachable=1" in recap["gone"]
    assert "unreachable=1" in recap["stopped"]
    assert "unreachable=0" in recap["closed"]
    assert "failed=1" in recap["closed"]
    assert not [call for call in node.calls if call[:2] == ["exec", "101"]]
    node.root("destroy", 110)


SECRET = "echo hunter2 >/dev/null; exit 3"


@pytest.mark.parametrize("told", [False, True])
def test_the_ledger_has_each_command(play: Play, node: Node, container: Container, tmp_path: Path, told: bool) -> None:
    ledger = {
        "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger",
        "STEWARD_LEDGER_PATH": str(tmp_path / "ledger"),
        "STEWARD_LEDGER_REQUIRED": "true",
    }
    hosts = {"web": {"proxmox_vmid": 101, "proxmox_record_commands": told}, "gone": {"proxmox_vmid": 999}}
    tasks = [{"ansible.builtin.raw": SECRET, "ignore_errors": True}]
    status, output, _kept = play(tasks, hosts, **ledger)
    assert status & 4, output
    (run,) = (tmp_path / "ledger" / "runs").iterdir()
    frames = [json.loads(line[65:]) for line in run.read_text().splitlines()]
    intents = {frame["host"]: frame for frame in frames if frame["type"] == "intent"}
    outcomes = {frame["op_id"]: frame for frame in frames if frame["type"] == "outcome"}
    web, gone = intents["web"], intents["gone"]
    assert (web["identity"], web["endpoint"]) == ("root@pam", ["127.0.0.1"])
    (step,) = web["plan"]["steps"]
    assert (step["op"], step["target"]) == ("exec", "lxc/101")
    assert ("hunter2" in json.dumps(frames)) is told
    outcome = outcomes[web["op_id"]]
    assert (outcome["status"], outcome["steps"][0]["exit_status"]) == ("ok", 3)
    assert (outcomes[gone["op_id"]]["status"], outcomes[gone["op_id"]]["changed"]) == ("failed", False)
    assert verify.main([str(tmp_path / "ledger")]) == 0


def test_without_a_required_ledger_nothing_is_run(play: Play, node: Node, container: Container) -> None:
    status, output, _kept = play(
        [{"ansible.builtin.raw": "true"}], {"web": {"proxmox_vmid": 101}}, STEWARD_LEDGER_REQUIRED="true"
    )
    assert status == 2
    assert "A ledger is required and none is open" in output
    assert node.calls == []
