# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a preview to a token that can carry out that plan and nothing else, by ansible-playbook against a lab."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.demo.site import ROOT, Run, Site

PLAYBOOK = ROOT / "playbooks" / "least_privilege.yml"
TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
GUEST: dict[str, Any] = {
    "vmid": 300,
    "node": "pve1",
    "name": "web",
    "source": {"template": TEMPLATE},
    "rootfs": {"storage": "local-zfs", "size": "4G"},
    "net": [{"slot": "net0", "bridge": "vmbr0"}],
    "state": "started",
}
WORK = [
    {"name": "Make it", "steward.proxmox.lxc": GUEST},
    {"name": "Back it up", "steward.proxmox.backup": {"vmid": 300, "storage": "local", "name": "fresh"}},
]
OTHER = [{"name": "Stop it", "steward.proxmox.lxc": {"vmid": 300, "node": "pve1", "state": "stopped"}}]


class Desk(Site):
    """A site whose variables can be set for one run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.variables: dict[str, str] = {}

    def environment(self, who: str) -> dict[str, str]:
        return {**super().environment(who), **self.variables}

    def work(self, tasks: list[dict[str, Any]], *arguments: str, who: str = "admin", **variables: str) -> Run:
        """Run these tasks, with these variables in the environment."""
        playbook = self.folder / "work.yml"
        playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        self.variables = variables
        try:
            return self.play(playbook, *arguments, who=who)
        finally:
            self.variables = {}

    def make(self, *arguments: str, **more: Any) -> Run:
        """Run the role as an administrator."""
        given = {
            "least_privilege_plan": str(self.plan),
            "least_privilege_user": "deploy@pve",
            "least_privilege_token": "web",
            "least_privilege_file": str(self.folder / "token.env"),
        }
        return self.play(PLAYBOOK, "-v", *arguments, who="root_token", **(given | more))

    @property
    def plan(self) -> Path:
        return self.folder / "plan.json"

    @property
    def token(self) -> dict[str, str]:
        """The variables of the token that was made."""
        lines = (self.folder / "token.env").read_text().splitlines()
        return {"PROXMOX_USER": "", **dict(line.split("=", 1) for line in lines)}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as desk:
        yield desk


def held(desk: Desk) -> set[tuple[str, str, str]]:
    """Who holds which privilege where, of what the role made."""
    state = desk.lab.state
    mine = [entry for entry in state.acl if entry["ugid"].startswith("deploy@pve")]
    assert not any(entry["propagate"] for entry in mine)
    return {(entry["ugid"], entry["path"], name) for entry in mine for name in state.roles[entry["roleid"]]}


def makes_a_token_that_can_do_it(desk: Desk) -> None:
    assert desk.work(WORK, "--check", STEWARD_PLAN_JSON=str(desk.plan)).failed == 0
    previewed = desk.make("--check")
    assert (previewed.failed, previewed.writes) == (0, [])
    assert "+ create token deploy@pve!web" in previewed.report

    made = desk.make()
    assert made.failed == 0, made.output
    secret = desk.token["PROXMOX_TOKEN_SECRET"]
    assert secret == desk.lab.state.users["deploy@pve"]["tokens"]["web"]["secret"]
    assert secret not in made.output + made.ledger[2].read_text()
    assert (desk.folder / "token.env").stat().st_mode & 0o777 == 0o600
    expected = {
        ("/vms/300", "VM.Allocate"),
        ("/vms/300", "VM.Audit"),
        ("/vms/300", "VM.Backup"),
        ("/vms/300", "VM.Config.Disk"),
        ("/vms/300", "VM.Config.Network"),
        ("/vms/300", "VM.PowerMgmt"),
        ("/storage/local", "Datastore.AllocateSpace"),
        ("/storage/local-zfs", "Datastore.AllocateSpace"),
        ("/sdn/zones/localnetwork/vmbr0", "SDN.Use"),
    }
    assert held(desk) == {(who, *one) for who in ("deploy@pve", "deploy@pve!web") for one in expected}

    done = desk.work(WORK, **desk.token, STEWARD_PLAN=str(desk.plan))
    assert (done.failed, done.changed) == (0, 2), done.output
    assert {entry["user"] for entry in desk.lab.writes if entry["path"].startswith("/nodes")} == {"deploy@pve!web"}


def takes_away_what_another_plan_does_not_need(desk: Desk) -> None:
    assert desk.work(OTHER, "--check", STEWARD_PLAN_JSON=str(desk.plan)).failed == 0
    secret = desk.token["PROXMOX_TOKEN_SECRET"]
    assert desk.make().failed == 0
    both = ("deploy@pve", "deploy@pve!web")
    assert held(desk) == {(who, "/vms/300", name) for who in both for name in ("VM.Audit", "VM.PowerMgmt")}
    (left,) = desk.lab.state.roles
    assert left.startswith("least-")
    assert desk.token["PROXMOX_TOKEN_SECRET"] == secret
    again = desk.make()
    assert (again.failed, again.changed, again.writes) == (0, 0, [])


def leaves_users_of_others_and_goes(desk: Desk) -> None:
    strange = desk.make(least_privilege_user="alice@pve")
    assert (strange.failed, strange.writes) == (1, [])
    assert "alice@pve exists and was not made by this role" in strange.output
    assert desk.make(least_privilege_state="absent", least_privilege_plan="").failed == 0
    state = desk.lab.state
    assert "deploy@pve" not in state.users
    assert not state.roles
    assert not [entry for entry in state.acl if entry["ugid"].startswith("deploy@pve")]
    assert "alice@pve" in state.users


def test_from_a_preview_to_a_token_that_can_do_that(desk: Desk) -> None:
    makes_a_token_that_can_do_it(desk)


@pytest.mark.slow
def test_what_is_needed_no_more_goes(desk: Desk) -> None:
    makes_a_token_that_can_do_it(desk)
    takes_away_what_another_plan_does_not_need(desk)
    leaves_users_of_others_and_goes(desk)
