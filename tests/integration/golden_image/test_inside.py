# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A golden container provisioned inside, by the connection pct: a real sshd, sudo and container; the API is the lab's.

The container of the node and that of the lab are two: `pct exec` goes to the one, every other command to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.steward.proxmox.plugins.plugin_utils._sudoers import Agent

from tests.demo.site import ROOT, Run, Site
from tests.lab.state import Guest
from tests.node.node import Container, Node
from tests.node.pct import PYTHON

PLAYBOOK = ROOT / "playbooks" / "golden_image.yml"
OWN = str(Path(__file__).with_name("own.yml"))
OPEN = {"STEWARD_EXEC_PCT": "9001"}
PCT = """\
#!/bin/sh
case "$1" in exec) exec '{node}' "$@" ;; *) exec '{lab}' "$@" ;; esac
"""


@dataclass
class Place:
    """Where the role runs: as a user of the node with the rules of the role host_agent, and as a token of the lab."""

    site: Site
    node: Node
    container: Container
    variables: dict[str, Any]

    def build(self, *arguments: str, around: dict[str, str] | None = None, **variables: Any) -> Run:
        self.node.forget()
        return self.site.play(PLAYBOOK, *arguments, around=around, **{**self.variables, **variables})

    @property
    def entered(self) -> int:
        return sum(call[0] == "exec" for call in self.node.calls)


@pytest.fixture(scope="module")
def place(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Site(tmp_path_factory.mktemp("site")) as site:
        pct = node.place / "both" / "pct"
        pct.parent.mkdir()
        pct.write_text(PCT.format(node=node.pct, lab=site.lab.pct))
        pct.chmod(0o755)
        node.allow(Agent(node.user, exec_vmids=[9001], pct=str(pct)).sudoers())
        (site.folder / "hosts").write_text(yaml.safe_dump({"all": {"hosts": {"pve1": node.variables}}}))
        yield Place(
            site,
            node,
            node.create(9001, PYTHON, hostname="golden"),
            {
                "golden_image_vmid": 9001,
                "golden_image_name": "golden",
                "golden_image_node": "pve1",
                "golden_image_template": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
                "golden_image_storage": "local-zfs",
                "golden_image_backup_storage": "local",
                "golden_image_runner": "sudo",
                "golden_image_pct": str(pct),
                "golden_image_provision": [OWN],
                "golden_image_host_vars": {
                    "proxmox_node_known_hosts": [str(node.known_hosts)],
                    "ansible_python_interpreter": "/usr/bin/python3",
                },
            },
        )
    node.forbid()


@pytest.mark.parametrize(("arguments", "around"), [(("--check",), None), ((), {"STEWARD_EXEC_PCT": "101,9002-9999"})])
def test_a_guest_that_is_not_open_is_refused_before_anything_is_made(
    place: Place, arguments: tuple[str, ...], around: dict[str, str] | None
) -> None:
    run = place.build(*arguments, around=around)
    assert (run.status, run.failed, run.writes) == (2, 1, [])
    assert "No command may be run in lxc/9001" in run.output
    assert "STEWARD_EXEC_PCT" in run.output
    assert place.node.calls == []
    assert place.site.lab.state.guests == {}


def test_it_is_previewed_made_and_provisioned_inside_without_a_network(place: Place) -> None:
    previewed = place.build("--check", around=OPEN)
    assert (previewed.status, previewed.failed) == (0, 0)
    assert f"Not run in check mode: {OWN}" in previewed.output
    assert place.entered == 0

    place.container.run("mkdir", "-p", "/var/tmp/only once")
    run = place.build(around=OPEN)
    assert (run.status, run.failed) == (0, 0), run.output
    own, sealed = place.container.root / "var" / "tmp" / "own conf", place.container.root / "var" / "tmp" / "only once"
    assert own.read_text() == "of golden, by localhost\n"
    assert own.stat().st_mode & 0o777 == 0o640
    assert not sealed.exists()
    assert "inside: golden 0 lo" in run.output  # its host name, root, and no network

    # what was planned was done; and each command inside is in the ledger, beside the plans
    plans, intents = (
        [frame["plan"] for frame in made.frames(kind)] for made, kind in ((previewed, "plan"), (run, "intent"))
    )
    commands = [plan for plan in intents if plan["summary"].endswith("in lxc/9001")]
    assert [plan["digest"] for plan in intents if plan not in commands] == [plan["digest"] for plan in plans]
    assert len(commands) == place.entered > 0

    again = place.build()  # nothing is left to do, so nobody has to be let in
    assert (again.status, again.changed, again.writes, place.entered) == (0, 0, [], 0)


@pytest.mark.slow
def test_a_machine_is_provisioned_inside_by_its_agent(place: Place) -> None:
    inside = place.node.create(9002, PYTHON, hostname="golden-vm")
    config = {"name": "golden-vm", "agent": "1"}
    place.site.lab.state.guests[9002] = Guest(9002, "qemu", "pve1", config, agent_seconds=0.0, runner=inside.attach())
    machine: dict[str, Any] = {
        "golden_image_type": "qemu",
        "golden_image_vmid": 9002,
        "golden_image_name": "golden-vm",
        "golden_image_node": "pve1",
        "golden_image_backup_storage": "local",
        "golden_image_snapshot": "",
        "golden_image_wait_for": {"agent": True, "ip": "none"},
        "golden_image_connection": "qga",
        "golden_image_provision": [OWN],
        "golden_image_host_vars": {"ansible_python_interpreter": "/usr/bin/python3"},
    }
    refused = place.site.play(PLAYBOOK, around=OPEN, **machine)
    assert (refused.failed, refused.writes) == (1, [])
    assert "no guest is open to the connection qga" in refused.output
    run = place.site.play(PLAYBOOK, around={"STEWARD_EXEC_QGA": "9002"}, **machine)
    assert (run.status, run.failed) == (0, 0), run.output
    assert (inside.root / "var" / "tmp" / "own conf").read_text() == "of golden-vm, by localhost\n"
    assert "inside: golden-vm 0 lo" in run.output
