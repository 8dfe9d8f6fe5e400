# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One playbook of all scenarios, and what ansible-playbook made of it through one of the two doors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys

from tests.contract.harness import Site
from tests.contract.scenarios import LEDGER, PASSWORD, SCENARIOS, TEMPLATE, Options, Scenario
from tests.unit.ledger.scribe import Scribe

PLUGINS = Path(__file__).parent / "plugins"
TIME_LIMIT = 1800
VARIABLES = {
    "api_host": "PROXMOX_HOST",
    "api_port": "PROXMOX_PORT",
    "api_user": "PROXMOX_USER",
    "api_password": "PROXMOX_PASSWORD",
    "api_token_id": "PROXMOX_TOKEN_ID",
    "api_token_secret": "PROXMOX_TOKEN_SECRET",
    "ca_path": "PROXMOX_CA_PATH",
}
#: the time in the name of a backup
BACKUP_TIME = re.compile(r"\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d")
#: what two labs have in common, and what is theirs alone
OWN = (
    (re.compile(r"UPID:[^\s'\"]+:"), "UPID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "TIME"),
    (re.compile(r"\bctime=\d+"), "ctime=TIME"),
    (BACKUP_TIME, "TIME"),
    (re.compile(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}"), "FINGERPRINT"),
    (re.compile(r"/\S+/(?=ca\.pem|ledger\b)"), "FOLDER/"),
)
COUNTERS = {"ctime", "snaptime", "starttime", "endtime", "pid", "uptime", "cpu", "diskread", "diskwrite", "netin"}
COUNTERS.add("netout")
#: what Ansible adds to the result of a module, and not to that of an action plugin; the name of the connection
OF_ANSIBLE = {"_ansible_no_log", "_ansible_parsed", "_ansible_delegated_vars", "invocation"}


@dataclass
class Stage:
    """A lab with its own guests, and a controller that reaches it through one connection."""

    site: Site
    folder: Path
    connection: str  # the plugin by which Ansible reaches the target
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    writes: dict[str, list[str]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    output: str = ""
    #: not in the folder: ansible-core makes a socket there, whose path may have 107 characters
    temporary: TemporaryDirectory[str] = field(default_factory=lambda: TemporaryDirectory(prefix="stage-"))

    def prepare(self) -> None:
        """What comes before the scenarios."""
        for scenario in SCENARIOS:
            for module, options in scenario.first:
                self.site.run().done(module, options, scenario.identity)
        self._record()

    def _record(self) -> None:
        """A ledger of an earlier run, for what LEDGER takes back."""
        run = Scribe(self.folder / "recorded").run()
        step = {"op": "update", "target": "lxc/249", "of": [0], "data": {"cores": 2}, "left": {"cores": 1}, "made": []}
        undo = {"possible": True, "steps": [step]}
        plan = {"summary": "once", "steps": [{"op": "update", "target": "lxc/249"}], "undo": undo}
        run.intend(op_id="c0ffee", endpoint=[], plan=plan)
        run.tell("c0ffee", steps=[{"status": "done"}])
        run.close()
        keys.make(self.folder / "key", "stage")

    def _name_backups(self) -> None:
        """The same in every lab: a plan is bound to the names that it read."""
        state = self.site.lab.state
        backups = [volume for volume in state.volumes.values() if volume.content == "backup"]
        for number, volume in enumerate(backups):
            state.remove(volume)
            volume.volid = BACKUP_TIME.sub(f"2026_01_01-00_00_{number:02d}", volume.volid)
            state.add(volume)

    def play(self, name: str, *arguments: str) -> None:
        """Run the playbook, and keep its results under `name`."""
        self._name_backups()
        self.site.forget()
        results = self.folder / f"{name}.jsonl"
        (self.folder / "hosts").write_text(self._inventory(), encoding="utf-8")
        (self.folder / "play.yml").write_text(yaml.safe_dump(playbook(self.site)), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-v", "play.yml", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(results, name),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        self.output += done.stdout + done.stderr
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        self.results[name] = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        self.writes[name] = self.site.writes
        self.requests += self.site.lab.requests

    def result(self, play: str, task: str) -> dict[str, Any]:
        """What one task returned."""
        (found,) = (one["result"] for one in self.results[play] if one["task"] == task)
        return dict(found)

    @property
    def files(self) -> Iterator[Path]:
        """What the runs left: ledger, plans, run state, results."""
        kept = (self.folder / "ledger", self.folder / "plans", Path(self.temporary.name) / "state")
        yield from (path for folder in kept for path in folder.rglob("*") if path.is_file())

    def _inventory(self) -> str:
        way = f"ansible_connection={self.connection} ansible_python_interpreter={sys.executable}"
        return f"target {way}\nother {way}\n"

    def _environment(self, results: Path, name: str) -> dict[str, str]:
        (self.folder / "plans").mkdir(exist_ok=True)
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE", "STEWARD", "PROXMOX"))
        }
        return kept | {
            "ANSIBLE_CALLBACKS_ENABLED": "results,steward.proxmox.ledger,steward.proxmox.plan",
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
            "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
            "ANSIBLE_INVENTORY": str(self.folder / "hosts"),
            "ANSIBLE_LOCAL_TEMP": self.temporary.name,
            "ANSIBLE_REMOTE_TEMP": self.temporary.name,
            "ANSIBLE_PIPELINING": "1",
            "STEWARD_LEDGER_PATH": str(self.folder / "ledger"),
            "STEWARD_LEDGER_REQUIRED": "1",
            "STEWARD_PLAN_JSON": str(self.folder / "plans" / f"{name}.json"),
            "STEWARD_PLAN_MARKDOWN": str(self.folder / "plans" / f"{name}.md"),
            "TMPDIR": self.temporary.name,
            "RESULTS": str(results),
        }


# -- the playbook ------------------------------------------------------------------------------------------------------


def playbook(site: Site) -> list[dict[str, Any]]:
    """Three plays: the connection from the environment, from module_defaults, and all that Ansible can do to a task."""
    admin, root = site.connection("admin"), site.connection("root_token")
    by_admin = [one for one in [*SCENARIOS, *LEDGER] if one.identity == "admin"]
    by_root = [one for one in SCENARIOS if one.identity != "admin"]
    return [
        play("environment", [as_task(site, one) for one in by_admin], environment=environment(admin)),
        play(
            "module_defaults",
            [as_task(site, one) for one in by_root],
            module_defaults=defaults(root, firewall_alias={"comment": "from its defaults"}),
        ),
        play(
            "keywords",
            [*KEYWORDS, *refusals(site), KEEP],
            module_defaults=defaults(admin, backup={"compress": "gzip", "storage": "local"}),
            environment={"PROXMOX_HOST": "not-this-one.invalid"},
        ),
    ]


def play(name: str, tasks: list[dict[str, Any]], **keywords: Any) -> dict[str, Any]:
    return {"name": name, "hosts": "target", "gather_facts": False, **keywords, "tasks": tasks}


def environment(connection: Options) -> dict[str, str]:
    return {variable: _text(connection[name]) for name, variable in VARIABLES.items() if name in connection}


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def defaults(connection: Options, **modules: Options) -> dict[str, Options]:
    """Of the group and of single modules, together."""
    own = {f"steward.proxmox.{module}": options for module, options in modules.items()}
    return {"group/steward.proxmox.proxmox": connection, **own}


def as_task(site: Site, scenario: Scenario) -> dict[str, Any]:
    options = dict(scenario.options)
    if scenario.module == "privileged_host":
        options["pct"] = str(site.lab.pct)
    if scenario.identity == "root":  # a password, where the group's defaults have a token
        options |= {**site.lab.credentials["root"], "api_token_id": "", "api_token_secret": ""}
    return {"name": str(scenario), f"steward.proxmox.{scenario.module}": options}


def task(name: str, module: str, options: Options, **keywords: Any) -> dict[str, Any]:
    return {"name": name, f"steward.proxmox.{module}": options, **keywords}


MADE = {"node": "pve1", "source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs"}}
#: copies what the run keeps while it runs
KEEP = {
    "name": "keep the state of the run",
    "ansible.builtin.shell": "mkdir -p state && cp -r steward-proxmox-* state/",
    "args": {"chdir": "{{ lookup('env', 'TMPDIR') }}"},
    "delegate_to": "localhost",
    "check_mode": False,
    "changed_when": False,
}
KEYWORDS = [
    task("loop", "lxc", {**MADE, "vmid": "{{ item }}", "name": "l{{ item }}"}, loop=[600, 601], register="made"),
    task(
        "registered",
        "lxc",
        {"vmid": "{{ made.results[1].vmid }}", "cores": 2},
    ),
    task("no_log", "lxc", {**MADE, "vmid": 602, "password": PASSWORD}, no_log=True, register="hidden"),
    {"name": "what no_log hid", "ansible.builtin.debug": {"msg": "{{ hidden.plan }}"}},
    task("timeout", "snapshot", {"vmid": 600, "snapshot": "s1"}, timeout=60),
    task("delegated", "lxc", {"vmid": 600, "state": "started"}, delegate_to="other"),
    task("defaults of one module", "backup", {"vmid": 601, "name": "by default"}, register="backup"),
    task("registered volume id", "lxc", {
        "vmid": 603, "node": "pve1", "source": {"archive": {"volid": "{{ backup.volid }}"}}}),
    task("once only", "guest_info", {"vmid": 603, "details": ["config"]}, run_once=True),
    task("environment of a task", "api", {"path": "/nodes"}, environment={"PROXMOX_USER": "nobody@pve"}),
    task("not waited for", "lxc", {"vmid": 600, "state": "restarted", "wait": False}),
    task("checked only", "lxc", {"vmid": 601, "state": "absent", "force": True}, check_mode=True),
]  # fmt: skip


def refusals(site: Site) -> list[dict[str, Any]]:
    """Tasks that fail, each with a message that has to be the same through both doors."""
    nothing, auditor = site.lab.credentials["nothing"], site.lab.credentials["auditor"]
    failing = [
        task("refused: running", "lxc", {"vmid": 210, "state": "absent"}),
        task("refused: unknown storage", "lxc", {**MADE, "vmid": 610, "rootfs": {"storage": "nope"}}),
        task("refused: vmid", "snapshot", {"vmid": 7, "snapshot": "s1"}),
        task("refused: keyctl", "lxc", {"vmid": 213, "features": {"keyctl": True}}),
        task("refused: missing privilege", "lxc", {"vmid": 210, "cores": 2, **auditor}),
        task("refused: sees nothing", "lxc", {"vmid": 210, "cores": 2, **nothing}),
        task("refused: wrong secret", "lxc", {"vmid": 210, "cores": 2, "api_token_secret": "0bad0bad"}),
        task("refused: wrong fingerprint", "lxc", {"vmid": 210, "fingerprint": "AB" * 32}),
        task("refused: unknown option", "lxc", {"vmid": 210, "core": 2}),
        task("refused: wrong choice", "lxc", {"vmid": 210, "state": "gone"}),
        task("refused: missing option", "backup", {"vmid": 210, "state": "absent"}),
        task("refused: front_door", "lxc", {"vmid": 210, "front_door": {"plan_only": False}}),
        task("refused: async", "lxc", {"vmid": 210, "cores": 2}, **{"async": 30, "poll": 0}),
    ]
    return [{**one, "ignore_errors": True} for one in failing]


# -- comparing ---------------------------------------------------------------------------------------------------------


def comparable(value: Any, key: str = "") -> Any:
    """A result without what two labs, or two seconds, cannot have in common."""
    if key in COUNTERS or (key == "digest" and not str(value).startswith("sha256:")):
        return "..."
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name not in OF_ANSIBLE}
        return {comparable(name): comparable(item, name) for name, item in sorted(kept.items())}
    if isinstance(value, list):
        return [comparable(item, key) for item in value]
    if isinstance(value, str):
        for pattern, instead in OWN:
            value = pattern.sub(instead, value)
    return value
