# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A place where ansible-playbook works on a lab: for the demo, and for the tests of the roles and playbooks."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys

from tests.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
VERIFIER = ROOT / "plugins" / "plugin_utils" / "_ledger" / "verify.py"
PROVER = VERIFIER.with_name("verify_proof.py")
TIME_LIMIT = 300

# The lab's node is this machine, and its root needs no sudo.
INVENTORY = f"pve1 ansible_connection=local ansible_python_interpreter={sys.executable}\n"
CONFIGURATION = """\
[defaults]
callbacks_enabled = steward.proxmox.ledger, steward.proxmox.plan
inventory = hosts
nocows = true

[steward_ledger]
required = true
"""
_UNWANTED = ("ANSIBLE_", "PROXMOX_", "STEWARD_", "REQUESTS_")
_RECAP = re.compile(r"^localhost +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+) ", re.MULTILINE)
_LEDGER = re.compile(r"^steward\.proxmox ledger: run (\w+) head sha256:(\w{64}) frames \d+ in (\S+)$", re.MULTILINE)


@dataclass
class Run:
    """One run of a program: how it ended, what it said, and what it asked the lab to change."""

    log: Path
    status: int
    writes: list[dict[str, Any]]
    seconds: float
    output: str = field(repr=False)

    @property
    def failed(self) -> int:
        """Tasks that failed; -1 where the run did not come to its recap."""
        found = _RECAP.search(self.output)
        return int(found[4]) if found else -1

    @property
    def changed(self) -> int:
        found = _RECAP.search(self.output)
        return int(found[2]) if found else -1

    @property
    def report(self) -> str:
        """What the plan callback showed."""
        _before, _banner, report = self.output.partition("STEWARD PLAN")
        return report.partition("\n")[2].strip("\n")

    @property
    def ledger(self) -> tuple[str, str, Path]:
        """Id, head and file of the run, as the job's output names them."""
        found = _LEDGER.search(self.output)
        if not found:
            raise LookupError(f"no head was printed, see {self.log}")
        return found[1], found[2], Path(found[3])

    def frames(self, kind: str) -> list[dict[str, Any]]:
        """The ledger's records of that type."""
        records = (json.loads(line[65:]) for line in self.ledger[2].read_bytes().splitlines())
        return [record for record in records if record["type"] == kind]


class Site:
    """A folder with a lab, an inventory and a ledger. Whatever was started ends with it."""

    def __init__(self, folder: Path, task_seconds: float = 0.0) -> None:
        self.folder, self.ledger = folder, folder / "ledger"
        for name in ("lab", "logs"):
            (folder / name).mkdir()
        # not in the folder: ansible-core makes a socket there, whose path may have 107 characters
        self.temporary = TemporaryDirectory(prefix="site-")
        self.lab = Lab(task_seconds=task_seconds, directory=folder / "lab")
        (folder / "ansible.cfg").write_text(CONFIGURATION)
        (folder / "hosts").write_text(INVENTORY)
        self.public_key = keys.make(folder / "ledger.key", "demo.example.com").vkey

    def __enter__(self) -> Self:
        self.lab.__enter__()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.lab.__exit__()
        self.temporary.cleanup()

    def play(
        self,
        playbook: Path,
        *arguments: str,
        name: str = "play",
        who: str = "admin",
        around: dict[str, str] | None = None,
        **variables: Any,
    ) -> Run:
        """Run a playbook with the lab's `pct` for its root, as one of the lab's credentials, with more around it."""
        given = {"golden_image_runner": "direct", "golden_image_pct": str(self.lab.pct), **variables}
        command = [str(BIN / "ansible-playbook"), str(playbook), "-e", json.dumps(given), *arguments]
        return self.run(name, command, self.environment(who) | (around or {}))

    def verify(self, ledger: Path, heads: dict[str, str], name: str = "verify", *more: str) -> Run:
        """The verifier as an auditor runs it: one file, with nothing but Python's standard library."""
        expected = [f"--expected-head={run_id}={head}" for run_id, head in heads.items()]
        return self.run(name, [sys.executable, "-I", str(VERIFIER), str(ledger), *expected, *more], dict(os.environ))

    def prove(self, proof: Path, name: str) -> Run:
        """The verifier of a proof, likewise."""
        command = [sys.executable, "-I", str(PROVER), str(proof), "--public-key", self.public_key]
        return self.run(name, command, dict(os.environ))

    def run(self, name: str, command: list[str], environment: dict[str, str]) -> Run:
        log, begun, before = self.folder / "logs" / f"{name}.log", time.monotonic(), len(self.lab.writes)
        with log.open("w") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                status = process.wait(TIME_LIMIT)
            finally:
                _end(process)
        return Run(log, status, self.lab.writes[before:], time.monotonic() - begun, log.read_text())

    def environment(self, who: str) -> dict[str, str]:
        """What a program needs to work on the lab as one of its credentials."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_UNWANTED)}
        credential = self.lab.credentials[who]
        return {
            **kept,
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            # nothing of the user's: the collection is the one that this Python imports
            "ANSIBLE_HOME": self.temporary.name,
            "ANSIBLE_COLLECTIONS_PATH": self.temporary.name,
            "ANSIBLE_TIMEOUT": "60",  # to reach a node by ssh, also where the machine has much to do
            "TMPDIR": self.temporary.name,
            "STEWARD_LEDGER_PATH": str(self.ledger),
            "STEWARD_LEDGER_KEY": str(self.folder / "ledger.key"),
            "STEWARD_ACTOR": "alice",
            "PROXMOX_HOST": self.lab.host,
            "PROXMOX_PORT": str(self.lab.port),
            "PROXMOX_CA_PATH": self.lab.ca_path,
            **{f"PROXMOX_{name.removeprefix('api_').upper()}": value for name, value in credential.items()},
        }


def _end(process: subprocess.Popen[bytes]) -> None:
    """The program, if it still runs, with the workers that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
