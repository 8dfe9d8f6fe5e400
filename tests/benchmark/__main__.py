# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task that finds nothing to do costs: requests and CPU time per no-op `lxc` task, run with `make bench`.

The lab serves from this process; what is measured are the processes that it starts. Of each measurement the same run
without the work is taken off: a play with as many tasks that do nothing, or a program that sends nothing.
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import Lab

TASKS = 50
ROUNDS = 3
MOST_REQUESTS = 2  # per no-op whose vmid and node are known
VMIDS = range(1000, 1000 + TASKS)
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"

Task = dict[str, Any]


def main() -> int:
    guests = {vmid: _container(vmid) for vmid in VMIDS}
    with Lab(seed={"guests": guests}) as lab, tempfile.TemporaryDirectory() as folder:
        bench = Bench(lab, Path(folder))
        rows = [
            Row("requests.Session, the same reads", *bench.bare()),
            Row(f"a loop over {TASKS} containers", *bench.play(_loop)),
            Row(f"{TASKS} separate tasks", *bench.play(_separate)),
        ]
    print(_table(rows))
    worst = max(row.requests for row in rows) / TASKS
    if worst > MOST_REQUESTS:
        print(f"a no-op costs {worst:g} requests; at most {MOST_REQUESTS} are allowed")
    return int(worst > MOST_REQUESTS)


@dataclass
class Row:
    """One line of the table."""

    what: str
    requests: int
    seconds: float


def _table(rows: list[Row]) -> str:
    bare = rows[0].seconds
    lines = [f"{'':36}{'requests':>9}{'per task':>9}{'CPU s':>8}{'ms/task':>9}{'ratio':>7}"]
    for row in rows:
        per_task, milliseconds = row.requests / TASKS, row.seconds / TASKS * 1000
        lines.append(
            f"{row.what:36}{row.requests:>9}{per_task:>9.1f}{row.seconds:>8.2f}{milliseconds:>9.1f}"
            f"{row.seconds / bare:>7.1f}"
        )
    return "\n".join(lines)


class Bench:
    """Measures programs against a lab."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        token = lab.credentials["admin"]
        self.connection = {"api_host": lab.host, "api_port": lab.port, "ca_path": lab.ca_path, **token}

    def bare(self) -> tuple[int, float]:
        """Requests and CPU seconds of the reads alone."""
        token = f"{self.connection['api_token_id']}={self.connection['api_token_secret']}"
        place = {"url": f"https://{self.lab.host}:{self.lab.port}/api2/json", "ca_path": self.lab.ca_path}

        def reads(vmids: list[int]) -> list[str]:
            return [sys.executable, "-m", "tests.benchmark.bare", json.dumps({**place, "token": token, "vmids": vmids})]

        return self._difference(reads(list(VMIDS)), reads([]), Path.cwd())

    def play(self, tasks_of: Callable[[str, Task], list[Task]]) -> tuple[int, float]:
        """Requests and CPU seconds of a play, beyond those of a play with as many tasks that do nothing."""
        wanted = {"vmid": "{{ item }}", "node": "pve1", "state": "started", "cores": 2, "memory": 512}
        work = self._playbook("work", tasks_of("steward.proxmox.lxc", {**wanted, **self.connection}))
        nothing = self._playbook("nothing", tasks_of("ansible.builtin.debug", {"msg": "{{ item }}"}))
        return self._difference([str(PLAYBOOK), work], [str(PLAYBOOK), nothing], self.folder)

    def _playbook(self, name: str, tasks: list[Task]) -> str:
        path = self.folder / f"{name}.yml"
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
        return str(path)

    def _difference(self, work: list[str], nothing: list[str], folder: Path) -> tuple[int, float]:
        """The median over some rounds; a round is both, one after the other, so that both meet the same machine."""
        requests, seconds = set(), []
        for _round in range(ROUNDS):
            self.lab.requests.clear()
            spent = _cpu_seconds(work, folder)
            requests.add(len(self.lab.requests))
            if any(entry["method"] != "GET" or entry["status"] != 200 for entry in self.lab.requests):
                raise RuntimeError(f"{work[-1]} was to read and to change nothing: {self.lab.requests[-1]}")
            seconds.append(spent - _cpu_seconds(nothing, folder))
        return max(requests), statistics.median(seconds)


def _cpu_seconds(command: list[str], folder: Path) -> float:
    """User and system time of a program and of all that it started. Its play must change and fail nothing."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PROXMOX_"))}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    recap = re.search(r"ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", done.stdout)
    if done.returncode or (recap and [int(number) for number in recap.groups()[1:]] != [0, 0, 0]):
        raise RuntimeError(f"{command[0]} did not do what was to be measured:\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _container(vmid: int) -> dict[str, Any]:
    config = {"hostname": f"ct{vmid}", "cores": 2, "memory": 512, "net0": "name=eth0,bridge=vmbr0,type=veth"}
    disks = {f"local-zfs:subvol-{vmid}-disk-0": 4 << 30}
    return {"kind": "lxc", "node": "pve1", "running": True, "config": config, "disks": disks}


def _loop(module: str, options: Task) -> list[Task]:
    return [{module: options, "loop": list(VMIDS)}]


def _separate(module: str, options: Task) -> list[Task]:
    return [{module: options, "vars": {"item": vmid}} for vmid in VMIDS]


if __name__ == "__main__":
    sys.exit(main())
