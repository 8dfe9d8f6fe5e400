# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook with a ledger that is required, against the lab, and something goes wrong. All has a time limit."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab

BIN = Path(sys.executable).parent
HOOK = Path(__file__).parent / "hook"
#: a connection plugin: the local one under a name that is none of this machine, so that modules run as on a target
REMOTE = Path(__file__).parents[2] / "parity" / "plugins" / "connection"
VERIFIER = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "_ledger" / "verify.py"
TIME_LIMIT = 300
#: one container for each of fifty hosts
GUESTS = range(200, 250)

#: exit statuses: of a run with failed tasks, of one whose recording broke, of the verifier
FAILED = 2
RECORDING_BROKE = 74
INTACT, TAMPERED, INCOMPLETE, UNVERIFIABLE = range(4)

MARK = {"name": "Go on", "ansible.builtin.debug": {"msg": "WENT ON"}}


def update(vmid: int | str = 200, cores: int | str = 2, **task: Any) -> dict[str, Any]:
    """A change of one write, and none where it is done already."""
    return {"name": f"Update {vmid}", "steward.proxmox.lxc": {"vmid": vmid, "node": "pve1", "cores": cores}} | task


def put(vmid: int) -> str:
    """What that sends."""
    return f"PUT /nodes/pve1/lxc/{vmid}/config"


@dataclass
class Done:
    """How a run ended, what it told, its steps, and what it sent that may change something, as METHOD PATH."""

    status: int
    output: str
    steps: list[str]
    sent: list[str]

    @property
    def told(self) -> str:
        """Without the line breaks that Ansible puts into messages."""
        return " ".join(self.output.split())


@dataclass
class Site:
    """A folder with a playbook and a ledger, and the lab that it works on."""

    folder: Path
    lab: Lab
    variables: dict[str, str] = field(default_factory=dict)
    configuration: str = "[steward_ledger]\nrequired = true\n"
    #: by process: the ends of a pipe that the process and all of its forks hold open for writing
    _pipes: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The whole records of all runs."""
        files = sorted((self.ledger / "runs").glob("*.jsonl"))
        lines = (line for file in files for line in file.read_bytes().splitlines(keepends=True))
        return [json.loads(line[65:]) for line in lines if line.endswith(b"\n")]

    def count(self) -> Counter[str]:
        return Counter(frame["type"] for frame in self.frames)

    @property
    def intended(self) -> Counter[str]:
        """The writes that the ledger announces, as METHOD PATH."""
        plans = [frame["plan"] for frame in self.frames if frame["type"] == "intent"]
        return Counter(f"{step['method']} {step['path']}" for plan in plans for step in plan["steps"])

    @property
    def sent(self) -> list[str]:
        """By all runs."""
        return [f"{request['method']} {request['path']}" for request in self.lab.writes]

    def play(
        self,
        *tasks: dict[str, Any],
        hosts: str = "one,",
        arguments: Sequence[str] = (),
        fault: dict[str, Any] | None = None,
        **play: Any,
    ) -> Done:
        return self.run(*self.playbook(*tasks, hosts=hosts, **play), *arguments, fault=fault)

    def playbook(
        self, *tasks: dict[str, Any], hosts: str = "one,", name: str = "play.yml", **play: Any
    ) -> tuple[str, ...]:
        """Written; the command that plays it."""
        defaults = {"name": "Play", "hosts": "all", "gather_facts": False, "connection": "local", "tasks": list(tasks)}
        (self.folder / name).write_text(yaml.safe_dump([defaults | play]))
        return "ansible-playbook", "-i", hosts, name

    def run(self, *command: str, fault: dict[str, Any] | None = None) -> Done:
        """A command of Ansible. Whatever goes wrong: nothing is sent that the ledger does not announce, and the ledger
        never looks as if somebody had changed it."""
        before = len(self.sent)
        status, output = self.finish(self.start(*command, fault=fault))
        steps = self.folder / "steps"
        unannounced = Counter(self.sent) - self.intended
        assert not unannounced, f"sent without an intent: {unannounced}\n{output}"
        verdict, why = self.verify()
        assert verdict != TAMPERED, f"{why}\n{output}"
        return Done(status, output, steps.read_text().splitlines() if steps.exists() else [], self.sent[before:])

    def start(self, *command: str, fault: dict[str, Any] | None = None) -> subprocess.Popen[str]:
        (self.folder / "ansible.cfg").write_text(self.configuration)
        (self.folder / "steps").unlink(missing_ok=True)
        program = str(BIN / command[0]) if (BIN / command[0]).exists() else command[0]
        pipe = os.pipe()
        process = subprocess.Popen(
            [program, *command[1:]],
            pass_fds=pipe[1:],
            cwd=self.folder,
            env=self._environment() | ({"STEPS_FAULT": json.dumps(fault)} if fault else {}) | self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        os.close(pipe[1])
        self._pipes[process.pid] = pipe
        return process

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        try:
            output, _unused = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"hangs for more than {TIME_LIMIT} seconds: {process.communicate()[0]}")
        self._end_workers(process)
        return process.returncode, output

    def _end_workers(self, process: subprocess.Popen[str]) -> None:
        """Those of a run that was killed go on without it, until they have more to tell it than a pipe holds.

        What they do is awaited; what they would do later would come into the journal of the next run, or to its lab.
        """
        ended, running = self._pipes.pop(process.pid)
        journal, length = self.folder / "steps", -1
        while not select.select([ended], [], [], 1)[0]:  # at its end, a pipe can be read
            before, length = length, journal.stat().st_size if journal.exists() else 0
            if length == before:
                kill_whoever_has(running, os.fstat(ended))
        os.close(ended)

    def verify(self) -> tuple[int, str]:
        """The verdict of the verifier, as an auditor runs it, and what it says."""
        done = subprocess.run(
            [sys.executable, str(VERIFIER), str(self.ledger)],
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def _environment(self) -> dict[str, str]:
        unwanted = ("ANSIBLE_", "STEWARD_", "PROXMOX_", "REQUESTS_")
        admin = self.lab.credentials["admin"]
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(unwanted)},
            "PYTHONPATH": os.pathsep.join(filter(None, (str(HOOK), os.environ.get("PYTHONPATH")))),
            "STEPS": str(self.folder / "steps"),
            "STEPS_IN": str(self.ledger),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "STEWARD_LEDGER_PATH": str(self.ledger),
            "PROXMOX_HOST": self.lab.host,
            "PROXMOX_PORT": str(self.lab.port),
            "PROXMOX_CA_PATH": self.lab.ca_path,
            "PROXMOX_TOKEN_ID": admin["api_token_id"],
            "PROXMOX_TOKEN_SECRET": admin["api_token_secret"],
        }


def kill_whoever_has(descriptor: int, file: os.stat_result) -> None:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.name != str(os.getpid()) and os.path.samestat((process / f"fd/{descriptor}").stat(), file):
                os.kill(int(process.name), signal.SIGKILL)


#: each call makes a new one
NewSite = Callable[[], Site]


def _container(vmid: int) -> dict[str, Any]:
    disk = f"local-zfs:subvol-{vmid}-disk-0"
    config = {"hostname": f"guest{vmid}", "cores": 1, "memory": 512, "rootfs": f"{disk},size=4G"}
    return {"kind": "lxc", "node": "pve1", "config": config, "disks": {disk: 4 << 30}}


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with Lab(seed={"guests": {vmid: _container(vmid) for vmid in GUESTS}}) as lab:
        yield lab


@pytest.fixture
def site(tmp_path: Path, lab: Lab) -> Site:
    lab.reset()
    return Site(tmp_path, lab)


@pytest.fixture
def new_site(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> NewSite:
    """One after the other, for tests that need many."""

    def make() -> Site:
        lab.reset()
        return Site(tmp_path_factory.mktemp("site"), lab)

    return make
