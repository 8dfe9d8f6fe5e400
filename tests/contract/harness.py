# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs tasks against the lab through the engine, in this process: the front door without Ansible around it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work, failure, open_writer
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._planner import Planner

from tests.lab import Lab

PLUGINS = Path(__file__).parents[2] / "plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
ACTIONS = "ansible_collections.steward.proxmox.plugins.action"
PROGRESS = ("status", "started", "finished", "upid", "error")


def planner_of(module: str) -> Planner | None:
    """What the module's action plugin plans with; verify_ledger has none."""
    found = getattr(import_module(f"{ACTIONS}.{module}").ActionModule, "planner", None)
    assert found is None or isinstance(found, Planner)
    return found


def validated(planner: Planner, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as Ansible hands them to a module."""
    checked = ArgumentSpecValidator(planner.argument_spec(), **planner.rules).validate(copy.deepcopy(dict(options)))
    assert checked.error_messages == []
    parameters: dict[str, Any] = checked.validated_parameters
    parameters.pop("front_door")
    return parameters


class Elsewhere:
    """The lock of another controller: it holds nobody up on this one."""

    def __init__(self, _what: str, _patience: float) -> None:
        pass

    def used_since(self, _moment: int) -> bool:
        return False

    def end(self) -> None:
        pass


class Site:
    """A lab, and what the tests ask of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def reset(self, seed: dict[str, Any] | None = None) -> None:
        self.lab.app.seed = seed or {}
        self.lab.reset()
        self.forget()

    def forget(self) -> None:
        """Only the requests from here on are looked at."""
        self.lab.requests.clear()

    @property
    def writes(self) -> list[str]:
        """Everything that was sent and could change something, over the API or as root."""
        return [f"{entry['method']} {entry['path']}" for entry in self.lab.writes]

    @property
    def picture(self) -> Any:
        """The cluster as it is: what a change would change."""
        state = self.lab.state
        return copy.deepcopy(
            {
                "guests": {vmid: asdict(guest) for vmid, guest in state.guests.items()},
                "volumes": {name: asdict(volume) | {"archive": None} for name, volume in state.volumes.items()},
                "acl": state.acl,
                "firewalls": {
                    scope: asdict(file) for scope, file in state.firewalls.items() if any(asdict(file).values())
                },
                "ha": state.ha,
                "backup_jobs": state.backup_jobs,
                "replication": state.replication,
                "pools": state.pools,
                "options": state.options,
                "users": state.users,
                "roles": state.roles,
                "groups": state.groups,
            }
        )

    @property
    def secrets(self) -> set[str]:
        """What opens a door of the lab."""
        hidden = ("api_password", "api_token_secret")
        found = [values.get(name) for values in self.lab.credentials.values() for name in hidden]
        return {secret for secret in found if secret}

    def connection(self, identity: str) -> dict[str, Any]:
        lab = self.lab
        where = {"api_host": [lab.host], "api_port": lab.port, "ca_path": lab.ca_path, "lock_timeout": 5}
        return {**where, "task_timeout": 60, **lab.credentials[identity]}

    def run(self, check: bool = False, identity: str = "admin") -> Run:
        return Run(self, check, identity)


@dataclass
class Run:
    """The tasks of one ansible-playbook: they share the run's memory, which travels as JSON from each to the next."""

    site: Site
    check: bool = False
    identity: str = "admin"
    entries: list[str] = field(default_factory=list)
    #: of the last task: its plan before anything was carried out, and what was sent until then
    planned: dict[str, Any] = field(default_factory=dict)
    binding: dict[str, Any] = field(default_factory=dict)
    sent_while_planning: list[str] = field(default_factory=list)

    def task(self, module: str, options: Mapping[str, Any], identity: str = "") -> dict[str, Any]:
        """The result of one task, as the front door makes it."""
        planner = planner_of(module)
        assert planner is not None
        memory = Memory.of([json.loads(entry) for entry in self.entries])
        work, before = None, len(self.site.writes)
        try:
            given = self._options(planner, options, identity or self.identity)
            work = Work(planner, given, memory, self.check, open_writer(planner, given))
            work.judge()
            self.planned, self.binding = copy.deepcopy(work.plan.public()), copy.deepcopy(work.plan.binding)
            self.sent_while_planning = self.site.writes[before:]
            if self.check:
                memory.remember(work.plan, {}, check=True)
            elif work.plan.steps:
                work.allow(self.planned["digest"])
                work.carry_out()
            else:
                work.settle()
            result = work.result(diff=True)
        except StewardError as error:
            result = failure(error, work)
        finally:
            self.entries += [json.dumps(entry, default=str) for entry in memory.entries]
        shown: dict[str, Any] = json.loads(json.dumps(result))
        return shown

    def done(self, module: str, options: Mapping[str, Any], identity: str = "") -> dict[str, Any]:
        """The result of a task that must not fail."""
        result = self.task(module, options, identity)
        assert not result.get("failed"), result["msg"]
        return result

    def _options(self, planner: Planner, options: Mapping[str, Any], identity: str) -> dict[str, Any]:
        around = {"pct": str(self.site.lab.pct)} if planner.where == "host" else self.site.connection(identity)
        known = planner.argument_spec()
        return validated(planner, {name: value for name, value in around.items() if name in known} | dict(options))


def without_progress(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan as it was before it was carried out."""
    steps = [{key: value for key, value in step.items() if key not in PROGRESS} for step in plan["steps"]]
    return {**{key: value for key, value in plan.items() if key != "values"}, "steps": steps}
