# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks in a container cost by the connection pct, beside that of community.proxmox, in the same run.

Both go to the node of the tests: a real sshd, a real sudo, a real container. The other collection is taken out of
PyPI's `ansible`, into a temporary folder. Run with `python -m tests.benchmark.pct`, as root.
"""

import glob
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.node.node import Node, missing
from tests.node.pct import PYTHON

ROOT = Path(__file__).parents[2]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
THEIRS = "ansible_collections/community/proxmox/"
TASKS, SIZE, ROUNDS = 10, 20 << 20, 3
PATIENCE = 60
INSIDE = "/tmp/large"

Task = dict[str, Any]


def main() -> int:
    if lacking := missing():
        print(f"the benchmark of pct is left out: it {lacking}")
        return 0
    with Node() as node, tempfile.TemporaryDirectory() as folder:
        bench = Bench(node, Path(folder))
        rows = [bench.row(what, tasks) for what, tasks in _works(Path(folder)).items()]
    print(f"{'pct calls, seconds':44}" + "".join(f"{side:>28}" for side in bench.sides))
    for row in rows:
        print(f"{row.what:44}" + "".join(f"{row.cells[side]:>28}" for side in bench.sides))
    ours = rows[1].calls["steward.proxmox"]
    if ours > TASKS:
        print(f"NOT AS PROMISED: {TASKS} tasks are {ours} calls of pct")
    return int(ours > TASKS)


def _works(folder: Path) -> dict[str, list[Task]]:
    large = folder / "large"
    large.write_bytes(os.urandom(SIZE).replace(b"\n", b" "))  # as a disk's image: there are no lines in it
    back, megabytes = f"{folder}/back", f"{SIZE >> 20} MB"
    return {
        f"a play of {TASKS} tasks that do nothing": [{"ansible.builtin.debug": {}}] * TASKS,
        f"a play of {TASKS} tasks": [{"ansible.builtin.command": "true"}] * TASKS,
        f"{megabytes} copied into the container": [{"ansible.builtin.copy": {"src": str(large), "dest": INSIDE}}],
        f"{megabytes} fetched from it": [{"ansible.builtin.fetch": {"src": INSIDE, "dest": back, "flat": True}}],
    }


@dataclass
class Row:
    """One line of the table."""

    what: str
    calls: dict[str, int]
    cells: dict[str, str]


class Bench:
    """Runs plays over either connection."""

    def __init__(self, node: Node, folder: Path) -> None:
        self._node, self._folder = node, folder
        node.create(102, PYTHON)
        # the other plugin wants pct at /usr/sbin, where this machine has none
        direct = node.place / "direct"
        direct.write_text(f'#!/bin/sh\nshift\nexec {node.pct} "$@"\n')
        direct.chmod(0o755)
        node.allow(f"{node.user} ALL=(root) NOPASSWD: {node.pct}, {direct}")
        (folder / ".ssh").mkdir()
        (folder / ".ssh" / "known_hosts").write_text(node.known_hosts.read_text())
        common = {
            "proxmox_vmid": 102,
            "ansible_host": node.host,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_private_key_file": str(node.key),
        }
        self.sides = {
            "steward.proxmox": {
                **common,
                "ansible_connection": "steward.proxmox.pct",
                "ansible_pct_port": node.port,
                "ansible_pct_user": node.user,
                "ansible_pct_executable": str(node.pct),
            }
        }
        collections = folder / "collections" / "ansible_collections"
        (collections / "steward").mkdir(parents=True)
        (collections / "steward" / "proxmox").symlink_to(ROOT)
        if version := _unpacked(folder):
            self.sides[f"community.proxmox {version}"] = {
                **common,
                "ansible_connection": "community.proxmox.proxmox_pct_remote",
                "ansible_port": node.port,
                "ansible_user": node.user,
                "proxmox_become_method": f"sudo {direct}",
            }
        else:
            print("community.proxmox is left out: pip does not find PyPI's package ansible\n")

    def row(self, what: str, tasks: list[Task]) -> Row:
        """The medians over some rounds; in each of them the sides take turns, so that all meet the same machine."""
        calls: dict[str, int] = {}
        seconds: dict[str, list[float]] = {side: [] for side in self.sides}
        for _round in range(ROUNDS):
            for side, variables in self.sides.items():
                self._node.forget()
                if max(seconds[side], default=0) < PATIENCE:
                    seconds[side].append(self._play(tasks, variables))
                    calls[side] = len(self._node.calls)
        cells = {}
        for side, taken in seconds.items():
            gave_up = max(taken) >= PATIENCE
            cells[side] = f"{calls[side]:>4}  " + (
                f"> {PATIENCE} s" if gave_up else f"{statistics.median(taken):.1f} s"
            )
        return Row(what, calls, cells)

    def _play(self, tasks: list[Task], variables: dict[str, Any]) -> float:
        """How long it took; PATIENCE when it was not waited for any longer."""
        for name, content in {
            "inventory": {"all": {"hosts": {"container": variables}}},
            "playbook": [{"hosts": "all", "gather_facts": False, "tasks": tasks}],
        }.items():
            (self._folder / f"{name}.json").write_text(json.dumps(content))
        # what is there already would not be copied again
        (self._folder / "back").unlink(missing_ok=True)
        if "ansible.builtin.copy" in tasks[0]:
            self._node.ssh(f"sudo -n {self._node.pct} exec 102 -- rm -f {INSIDE}")
            self._node.forget()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PROXMOX_"))}
        own = {
            "HOME": str(self._folder),
            "ANSIBLE_HOME": str(self._folder / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(self._folder / "collections"),
            "STEWARD_EXEC_PCT": "102",
        }
        began = time.monotonic()
        process = subprocess.Popen(
            [PLAYBOOK, "-i", self._folder / "inventory.json", self._folder / "playbook.json"],
            cwd=self._folder,
            env={**kept, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _nothing = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return PATIENCE
        if process.returncode:
            raise RuntimeError(f"a play did not do what was to be measured:\n{output}")
        return time.monotonic() - began


def _unpacked(folder: Path) -> str:
    """The version of the other collection, which is in the folder then; "" without one."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    wheel = ["--python-version", "3.13", "--dest", str(folder), "ansible"]  # it is unpacked, and not installed
    if subprocess.run([*command, *wheel], stderr=subprocess.DEVNULL, check=False).returncode:
        return ""
    with zipfile.ZipFile(glob.glob(f"{folder}/ansible-*.whl")[0]) as archive:
        archive.extractall(folder / "collections", [name for name in archive.namelist() if name.startswith(THEIRS)])
    manifest = json.loads((folder / "collections" / THEIRS / "MANIFEST.json").read_text())
    return str(manifest["collection_info"]["version"])


if __name__ == "__main__":
    sys.exit(main())
