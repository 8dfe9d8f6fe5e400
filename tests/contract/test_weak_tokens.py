# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Law 4: a credential that sees or may too little. Unknown is never "absent", and nothing is sent in vain."""

from __future__ import annotations

import pytest

from tests.contract.harness import Site
from tests.contract.scenarios import SCENARIOS, TEMPLATE, Scenario, container

WEAK = ("nothing", "auditor", "vmadmin")
CHANGING = [scenario for scenario in SCENARIOS if scenario.steps and scenario.module != "privileged_host"]


def prepared(site: Site, scenario: Scenario) -> None:
    for module, options in scenario.first:
        site.run().done(module, options, scenario.identity)
    site.forget()


@pytest.mark.parametrize("identity", WEAK)
@pytest.mark.parametrize("scenario", CHANGING, ids=str)
def test_a_weak_token_is_refused_before_anything_is_sent(site: Site, scenario: Scenario, identity: str) -> None:
    """Where the plan says that every privilege is held, the change works; where not, it says which is missing."""
    prepared(site, scenario)
    before = site.picture
    preview = site.run(check=True, identity=identity).task(scenario.module, scenario.options)
    assert site.writes == []
    assert preview.get("failed") or preview["changed"], "what the token cannot see was taken for what is not there"
    real = site.run(identity=identity).task(scenario.module, scenario.options)
    if real.get("failed"):
        assert site.picture == before
    if preview.get("failed"):
        assert real["failed"]
        return
    lacking = [row for row in preview["plan"]["privileges"] if row["held"] is False]
    if not lacking and scenario.module != "api":  # what a call by path needs is not known before
        assert not real.get("failed"), f"the plan promised that it may, but: {real['msg']}"
        return
    if scenario.module == "api":
        assert not real.get("failed") or "pveum acl modify" in real["msg"] or "api_password" in real["msg"]
        return
    assert site.writes == []
    assert real["refused"]
    for row in lacking:
        assert f"{' or '.join(row['any_of'])} on {row['path']}" in real["msg"]
    assert "pveum acl modify" in real["msg"]
    assert site.lab.credentials[identity]["api_token_id"] in real["msg"]


def test_the_preview_of_a_weak_token_lists_what_is_missing(site: Site) -> None:
    plan = site.run(check=True, identity="auditor").done("lxc", {"vmid": 210, "cores": 4})["plan"]
    assert plan["privileges"] == [{"path": "/vms/210", "any_of": ["VM.Config.CPU"], "held": False}]
    real = site.run(identity="auditor").task("lxc", {"vmid": 210, "cores": 4})
    role, grant = "pveum role add StewardVms210 --privs 'VM.Config.CPU'", "--tokens 'auditor@pve!audit'"
    assert role in real["msg"]
    assert f"pveum acl modify '/vms/210' {grant} --roles StewardVms210" in real["msg"]
    assert site.writes == []


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("lxc", {"vmid": 210, "state": "absent"}),
        ("lxc", {"name": "c210", "state": "absent"}),
        ("snapshot", {"vmid": 210, "snapshot": "s1", "state": "absent"}),
        ("backup", {"vmid": 210, "storage": "local", "name": "b", "state": "absent"}),
        ("acl", {"path": "/vms/1", "type": "user", "ugid": "a@pve", "roleid": "PVEAuditor", "state": "absent"}),
        ("api", {"path": "/pools/once", "method": "delete"}),
    ],
)
def test_unknown_is_never_absent(site: Site, module: str, options: dict[str, object]) -> None:
    result = site.run(identity="nothing").task(module, options)
    assert result["failed"], result
    assert site.writes == []


def test_no_token_changes_keyctl_and_it_says_so_before_anything_is_sent(site: Site) -> None:
    for identity in ("admin", "root_token"):
        result = site.run(identity=identity).task("lxc", {"vmid": 213, "features": {"keyctl": True}})
        assert result["refused"]
        assert "root@pam" in result["msg"]
    assert site.writes == []
    assert site.run(identity="root").done("lxc", {"vmid": 213, "features": {"keyctl": True}})["changed"]


GUEST_RIGHTS = ("VM.Allocate", "VM.Audit", "VM.Config.Disk", "VM.Config.CPU", "VM.Config.Memory", "VM.PowerMgmt")
#: a token whose rights over guests come from a pool
POOLED = {
    "users": {"pooled@pve": {"tokens": {"t": {"privsep": 0, "secret": "00000000-0000-4000-8000-000000000901"}}}},
    "pools": {"web": {"vms": [400]}},
    "guests": {400: container(400), 401: container(401)},
    "roles": {"Delegated": [*GUEST_RIGHTS, "Pool.Allocate"]},
    "acl": {
        "/pool/web": {"pooled@pve": "Delegated"},
        "/storage": {"pooled@pve": "PVEDatastoreUser"},
        "/sdn": {"pooled@pve": "PVESDNUser"},
    },
    "credentials": {"pooled": {"token": "pooled@pve!t"}},
}
NEW = {"node": "pve1", "source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs"}}


def test_the_rights_of_a_pool_are_enough_to_make_a_guest_in_it(site: Site) -> None:
    site.reset(POOLED)
    result = site.run(identity="pooled").done("lxc", {**NEW, "vmid": 402, "pool": "web"})
    assert {need["held"] for need in result["plan"]["privileges"]} == {True}
    assert sorted(site.lab.state.pools["web"]["vms"]) == [400, 402]


def test_rights_of_a_pool_end_where_it_ends(site: Site) -> None:
    site.reset(POOLED)
    run = site.run(identity="pooled")
    for task in ({"vmid": 401, "cores": 2}, {**NEW, "vmid": 402}):
        assert run.task("lxc", task)["failed"]
    assert site.writes == []


def test_an_id_that_is_certainly_free_is_no_secret(site: Site) -> None:
    """Absent is then true, also for a token that sees nothing."""
    for node in ("pve1", None):
        task = {"vmid": 999, "state": "absent", **({"node": node} if node else {})}
        assert not site.run(identity="nothing").done("lxc", task)["changed"]
        assert site.run(identity="nothing").task("lxc", {**task, "vmid": 210})["failed"]
