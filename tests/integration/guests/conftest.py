# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks about guests, run by ansible-playbook against a lab over HTTPS."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.demo.site import Run, Site

IMAGE = "local:import/debian-12-genericcloud-amd64.qcow2"
SEED: dict[str, Any] = {"volumes": {IMAGE: {"content": "import", "format": "qcow2", "size": 2 << 30}}}


@dataclass
class Played:
    """A run of a playbook, and what its tasks returned."""

    run: Run
    results: list[dict[str, Any]]

    @property
    def writes(self) -> list[str]:
        return [f"{entry['method']} {entry['path']}" for entry in self.run.writes]


class Stage:
    """Plays tasks of this collection, each with its result."""

    def __init__(self, site: Site) -> None:
        self.site, self.lab = site, site.lab

    def file(self, name: str, *tasks: tuple[str, dict[str, Any]], **keywords: Any) -> Path:
        """A playbook of these tasks, each with the keywords; the results go to NAME.json."""
        listed: list[dict[str, Any]] = []
        for number, (module, options) in enumerate(tasks):
            result = f"result_{number}"
            listed.append(
                {"name": f"Task {number}", f"steward.proxmox.{module}": options, "register": result, **keywords}
            )
        shown = ", ".join(f"result_{number}" for number, _task in enumerate(tasks))
        content = f"{{{{ [{shown}] | to_json }}}}"
        keep = {"ansible.builtin.copy": {"content": content, "dest": str(self._results(name)), "mode": "0600"}}
        listed.append({"name": "Keep the results", **keep, "check_mode": False, "diff": False, "changed_when": False})
        return self._write(name, listed)

    def _write(self, name: str, tasks: list[dict[str, Any]]) -> Path:
        play = {"name": name, "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        path = self.site.folder / f"{name}.yml"
        path.write_text(yaml.safe_dump([play], sort_keys=False))
        return path

    def play_tasks(self, name: str, tasks: list[dict[str, Any]], *arguments: str) -> Run:
        """Play tasks as they stand."""
        return self.site.play(self._write(name, tasks), *arguments, name=name)

    def play(self, name: str, *tasks: tuple[str, dict[str, Any]], arguments: tuple[str, ...] = ()) -> Played:
        run = self.site.play(self.file(name, *tasks, ignore_errors=True), *arguments, name=name)
        return Played(run, self.results(name))

    def results(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._results(name).read_text())
        return found

    def _results(self, name: str) -> Path:
        return self.site.folder / f"{name}.json"


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("guests")) as site:
        yield site


@pytest.fixture
def stage(shared_site: Site) -> Stage:
    """A lab with a cloud image and without guests."""
    shared_site.lab.app.seed = SEED
    shared_site.lab.reset()
    return Stage(shared_site)
