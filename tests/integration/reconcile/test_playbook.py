# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `reconcile`: after a run that was killed, and after changes that went past the ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab
from tests.unit.lab.conftest import Client

ROOT = Path(__file__).parents[3]
VERIFIER = ROOT / "plugins" / "plugin_utils" / "_ledger" / "verify.py"
ANSIBLE_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
TIME_LIMIT = 300


def container(vmid: int) -> dict[str, Any]:
    volume = f"local-zfs:subvol-{vmid}-disk-0"
    config = {"hostname": f"ct{vmid}", "arch": "amd64", "ostype": "debian", "rootfs": f"{volume},size=1G"}
    return {"kind": "lxc", "node": "pve1", "config": config, "disks": {volume: 1 << 30}}


def play(*tasks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": list(tasks)}]


def task(title: str, module: str, /, **options: Any) -> dict[str, Any]:
    return {"name": title, f"steward.proxmox.{module}": options}


class Place:
    """A lab, a folder with a ledger in it, and the playbooks that run there."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.folder, self.lab = folder, lab
        self.ledger = folder / "ledger"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROXMOX_"))},
            "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger, results",
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "parity" / "plugins" / "callback"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "RESULTS": str(folder / "results"),
            "STEWARD_LEDGER_PATH": str(self.ledger),
            "STEWARD_LEDGER_REQUIRED": "1",
            "PROXMOX_HOST": lab.host,
            "PROXMOX_PORT": str(lab.port),
            "PROXMOX_CA_PATH": str(lab.ca_path),
            **self.as_("admin"),
        }

    def as_(self, credential: str) -> dict[str, str]:
        names = {"api_token_id": "PROXMOX_TOKEN_ID", "api_token_secret": "PROXMOX_TOKEN_SECRET"}
        return {names[name]: value for name, value in self.lab.credentials[credential].items() if name in names}

    def begin(self, playbook: Path | list[dict[str, Any]], *arguments: str, **more: str) -> subprocess.Popen[str]:
        if isinstance(playbook, list):
            (self.folder / "play.yml").write_text(yaml.safe_dump(playbook), encoding="utf-8")
            playbook = self.folder / "play.yml"
        (self.folder / "results").write_text("")
        command = [ANSIBLE_PLAYBOOK, "-i", "localhost,", str(playbook), *arguments]
        return subprocess.Popen(
            command,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, playbook: Path | list[dict[str, Any]], *arguments: str, **more: str) -> tuple[int, dict[str, Any]]:
        """The exit status, and the result of each task by its name."""
        started = self.begin(playbook, *arguments, **more)
        output, _errors = started.communicate(timeout=TIME_LIMIT)
        print(output)
        told = map(json.loads, (self.folder / "results").read_text().splitlines())
        return started.returncode, {one["task"]: one["result"] for one in told}

    def reconcile(self, *arguments: str, **more: str) -> tuple[int, dict[str, Any]]:
        status, results = self.play(ROOT / "playbooks" / "reconcile.yml", *arguments, **more)
        return status, results["Read both"]

    @property
    def runs(self) -> list[str]:
        return [path.stem.partition("-")[2] for path in sorted((self.ledger / "runs").iterdir())]

    def verdict(self) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, str(VERIFIER), str(self.ledger), "--json"], capture_output=True, text=True, check=False
        )
        return done.returncode, json.loads(done.stdout)

    def newest(self) -> str:
        """The records of the newest run."""
        found = sorted((self.ledger / "runs").glob("*")) if self.ledger.exists() else []
        return found[-1].read_text() if found else ""

    def kill_while(self, begun: subprocess.Popen[str], is_so: Callable[[], bool]) -> None:
        """End a run as an execution pod ends."""
        deadline = time.monotonic() + TIME_LIMIT
        while not is_so():
            assert begun.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        mine = f"STEWARD_LEDGER_PATH={self.ledger}".encode()
        for process in Path("/proc").glob("[0-9]*"):  # its workers are in sessions of their own
            with suppress(OSError):
                if mine in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
        begun.communicate(timeout=TIME_LIMIT)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Lab({"guests": {vmid: container(vmid) for vmid in (200, 201, 202)}}) as lab:
        yield Place(tmp_path, lab)


def test_a_killed_run_and_a_change_past_the_ledger(place: Place) -> None:
    # recorded, each in its way: deleting the backup answers without a UPID
    status, done = place.play(
        play(
            task("Start", "lxc", vmid=200, node="pve1", state="started"),
            task("Back up", "backup", vmid=200, storage="local", name="once"),
            task("Forget it", "backup", vmid=200, storage="local", name="once", state="absent"),
        )
    )
    assert (status, "upids" in done["Start"]) == (0, True)
    # killed between the intent and the outcome
    before = set(place.runs)
    place.lab.fault(method="POST", path="/lxc/201/status/start", task_seconds=3600)
    place.kill_while(
        place.begin(play(task("Start", "lxc", vmid=201, node="pve1", state="started"))),
        lambda: any(entry["path"].endswith("/lxc/201/status/start") for entry in list(place.lab.writes)),
    )
    (dead,) = set(place.runs) - before
    # somebody else, past the ledger; and what the schedule does
    assert Client(place.lab, "alice").power("lxc/202", "start") == "OK"
    assert Client(place.lab).task("POST", "/nodes/pve1/vzdump", vmid=202, storage="local") == "OK"
    ignore = json.dumps({"ignore": [{"type": "vzdump", "user": "root@pam"}]})

    # while its task runs, nothing can be said of it
    status, early = place.reconcile("-e", ignore)
    assert (status, early["clean"], early["changed"], early["resolved"]) == (2, False, False, [])
    assert [(row["run"], row["why"]) for row in early["open"]] == [(dead, "start lxc/201 still runs")]
    for running in place.lab.app.tasks.running():
        running.due = 0

    # check mode finds it out, and enters nothing
    status, preview = place.reconcile("--check", "-e", ignore)
    (found,) = preview["resolved"]
    assert (found["run"], found["status"], found["summary"]) == (dead, "ok", "start lxc/201 ct201 on pve1")
    assert [(row["type"], row["id"], row["user"]) for row in preview["unrecorded"]] == [("vzstart", "202", "alice@pve")]
    assert (preview["ignored"], preview["complete"], preview["open"], status) == (1, True, [], 2)
    assert (place.verdict()[0], len(place.verdict()[1]["dangling"])) == (2, 1)

    # for real
    status, real = place.reconcile("-e", ignore, "-e", json.dumps({"settle": [dead[:8]]}))
    assert {**preview, "settled": [dead]} == real
    assert real["changed"] is True
    code, report = place.verdict()
    assert (code, report["verdict"], report["dangling"], report["problems"]) == (0, "intact", [], [])

    # done once
    ours = json.dumps({"ignore": [{"type": "vzdump"}, {"user": "alice@pve"}]})
    status, again = place.reconcile("-e", ours, "-e", json.dumps({"settle": [dead]}))
    assert (status, again["changed"], again["clean"], again["resolved"], again["settled"]) == (0, False, True, [], [])

    # a credential that sees its own tasks only
    status, blind = place.reconcile("-e", ours, **place.as_("vmadmin"))
    assert (status, blind["unrecorded"], blind["clean"], blind["complete"]) == (2, [], False, False)
    assert "sees only its own tasks on pve1: Sys.Audit on /nodes/pve1 shows all" in blind["unseen"][0]


@pytest.mark.slow
def test_what_it_cannot_tell_and_what_it_refuses(place: Place) -> None:
    """A change of a configuration is no task, so that its run stays open."""
    place.lab.fault(method="PUT", path="/lxc/200/config", delay=60)
    place.kill_while(
        place.begin(play(task("More", "lxc", vmid=200, node="pve1", cores=2))), lambda: "intent" in place.newest()
    )
    (dead,) = place.runs
    wrong: dict[str, dict[str, Any]] = {
        "nothing to settle": {},
        "still open": {"settle": [dead]},
        "no such run": {"settle": ["0bad"]},
        "no moment": {"since": "yesterday"},
        "backwards": {"since": "2026-02-01", "until": "2026-01-01"},
        "no ledger": {"path": str(place.folder / "nothing")},
        "no node": {"nodes": ["pve9"]},
        "no filter": {"ignore": [{}]},
        "no such change": {"resolve": [{"op": "c0ffee", "status": "ok", "why": "seen"}]},
    }
    tasks = [{**task(name, "reconcile", **options), "ignore_errors": True} for name, options in wrong.items()]
    by_hand = {"op": "{{ untold.open[0].op }}", "status": "failed", "why": "it has one core"}
    tasks[0]["register"] = "untold"
    tasks.append(task("by hand", "reconcile", resolve=[by_hand], settle=[dead]))
    status, results = place.play(play(*tasks))
    assert status == 0, results.get("by hand")
    told = {name: result.get("msg", "") for name, result in results.items()}
    untold = "update lxc/200 starts no task: the task log cannot tell whether it was done"
    assert [row["why"] for row in results["nothing to settle"]["open"]] == [untold]
    assert f"settle: run {dead} has changes that are still open" in told["still open"]
    assert "settle: '0bad' is the beginning of 0 runs" in told["no such run"]
    assert "since: 'yesterday' is not a time in UTC" in told["no moment"]
    assert "since: 2026-02-01T00:00:00Z is later than until, 2026-01-01T23:59:59Z" in told["backwards"]
    assert "cannot be read: there is nothing" in told["no ledger"]
    assert "nodes: 'pve9' is not a node of this cluster; it has: pve1, pve2, pve3" in told["no node"]
    assert "one of the following is required: type, user, id" in told["no filter"]
    assert "no change 'c0ffee' is open" in told["no such change"]
    assert [row["why"] for row in results["by hand"]["resolved"]] == ["found out by hand: it has one core"]
    assert place.verdict()[0] == 0
