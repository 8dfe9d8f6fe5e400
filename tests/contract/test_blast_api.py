# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The blast radius of `acl`, `firewall_alias` and of writes by path, against the lab: what is named, and that every
read that is forbidden makes the risk high and is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.guest_scenarios import machine
from tests.contract.harness import Site
from tests.contract.scenarios import container

RULE = {"type": "in", "action": "ACCEPT", "enable": 1}
SEED: dict[str, Any] = {
    "users": {"bob@pve": {"tokens": {"ci": {"privsep": 0, "secret": "00000000-0000-4000-8000-0000000000b0"}}}},
    "groups": {"ops": {"members": ["bob@pve"]}},
    "roles": {"Onlookers": ["VM.Audit"]},
    "acl": {"/": {"@ops": "PVEVMUser"}, "/vms": {"@ops": "Onlookers"}},
    "pools": {"web": {"vms": [800], "storage": ["nas"]}},
    "guests": {
        800: machine(800, running=True, storage="ceph"),
        801: container(801, running=False),
        802: container(802, node="pve2"),
    },
    "firewalls": {
        "/cluster": {
            "aliases": {"office": {"name": "office", "cidr": "192.0.2.0/24"}},
            "groups": {"admins": {"rules": [{**RULE, "macro": "SSH", "source": "+staff"}]}},
            "ipsets": {"staff": {"name": "staff", "entries": {"office": {}}}},
            "rules": [{**RULE, "type": "group", "action": "admins"}],
        },
        "/vms/801": {"rules": [{**RULE, "source": "dc/office"}], "options": {"enable": 1}},
    },
    "backup_jobs": {"nightly": {"vmid": "800", "storage": "nas", "schedule": "daily"}},
}
GRANT = {"path": "/pool/web", "type": "group", "ugid": "ops", "roleid": "PVEAuditor"}
Case = tuple[str, dict[str, Any], dict[str, Any], list[str], list[str]]


def api(method: str, path: str, **data: Any) -> tuple[str, dict[str, Any]]:
    return "api", {"method": method, "path": path, "data": data}


#: what is done, what is touched, words of the reasons, and the reads that may be forbidden
CASES: list[Case] = [
    (
        "acl",
        GRANT,
        {"guests": ["qemu/800"], "storages": ["nas"], "principals": ["bob@pve", "bob@pve!ci", "ops"]},
        ["bob@pve, bob@pve!ci: the entry replaces what is inherited on /pool/web: loses", "gains Datastore.Audit,"],
        ["/access/roles", "/access/users", "/access/groups/ops", "/cluster/resources", "/pools"],
    ),
    (
        "role",
        {"roleid": "Onlookers", "privs": ["VM.Audit", "VM.Console"]},
        {"principals": ["bob@pve", "bob@pve!ci"]},
        ["bob@pve, bob@pve!ci: gains VM.Console on /vms"],
        ["/access/(acl|users)", "/access/groups/ops"],
    ),
    (
        "user",
        {"userid": "bob@pve", "groups": []},
        {"principals": ["bob@pve", "bob@pve!ci"]},
        ["bob@pve, bob@pve!ci: loses VM.Audit on /vms"],
        ["/access/(acl|roles)"],
    ),
    (
        "firewall_alias",
        {"name": "office", "state": "absent"},
        {"guests": ["lxc/801"], "nodes": ["pve1", "pve2", "pve3"]},
        ["left dangling, so that Proxmox ignores them: set staff of the cluster, rule 0 of security group admins"],
        [
            "/cluster/firewall/(rules|groups|ipset|groups/admins|ipset/staff)",
            "/nodes",
            "/nodes/pve2/firewall/rules",
            "/nodes/pve1/lxc/801/firewall/(rules|ipset)",
            "/cluster/resources",
        ],
    ),
    (
        *api("delete", "/storage/ceph"),
        {"guests": ["qemu/800"], "nodes": ["pve1", "pve2", "pve3"], "storages": ["ceph"]},
        ["qemu/800 has there: all its disks (scsi0, scsi1), and it is running", "what lies on it is not deleted"],
        ["/nodes/pve2/lxc/802/(pending|snapshot)", "/nodes/pve1/storage/ceph/content", "/cluster/(backup|replication)"],
    ),
    (
        *api("put", "/storage/nas", nodes="pve1"),
        {"nodes": ["pve2", "pve3"], "storages": ["nas"]},
        ["storage nas cannot be used any more on node pve2, pve3", "backup job nightly writes to it"],
        ["/cluster/backup", "/cluster/resources", "/nodes/pve2/storage/nas/content"],
    ),
    (
        *api("post", "/cluster/firewall/groups/admins", **RULE, proto="tcp", dport="8006"),
        {"nodes": ["pve1", "pve2", "pve3"]},
        ["with this rule anybody may come in: tcp port 8006, which is Proxmox VE (8006)"],
        ["/cluster/firewall/rules", "/nodes/pve3/firewall/rules", "/nodes/pve1/lxc/801/firewall/rules"],
    ),
    (
        *api("delete", "/cluster/firewall/rules/0"),
        {"nodes": ["pve1", "pve2", "pve3"]},
        ["without this rule (security group admins) +staff may lose the way in to the nodes: SSH"],
        ["/cluster/firewall/groups/admins", "/nodes"],
    ),
    (
        *api("put", "/cluster/firewall/options", enable=1),
        {"guests": ["lxc/801"], "nodes": ["pve1", "pve2", "pve3"]},
        ["node pve2: beside the node's own network, +staff to SSH"],
        ["/nodes/pve2/firewall/rules", "/nodes/pve2/lxc/802/firewall/options", "/cluster/firewall/groups"],
    ),
    (
        *api("put", "/nodes/pve1/network/eno1", type="eth", comments="uplink"),
        {"guests": ["lxc/801", "qemu/800"], "nodes": ["pve1"]},
        ["vmbr0 has 192.0.2.11, by which the cluster and its users reach pve1", "(net0 on vmbr0), and it is running"],
        ["/nodes/pve1/network", "/cluster/status", "/nodes/pve1/qemu/800/pending", "/cluster/sdn/zones"],
    ),
    (
        *api("put", "/nodes/pve2/network"),
        {"guests": ["lxc/802"], "nodes": ["pve2"]},
        ["lxc/802: its network may be interrupted (net0 on vmbr0, net1 on vmbr1)"],
        ["/cluster/status", "/nodes/pve2/lxc/802/pending"],
    ),
    (
        *api("post", "/nodes/pve1/stopall"),
        {"guests": ["qemu/800"], "nodes": ["pve1"]},
        ["1 guest(s) of node pve1 stop running: qemu/800"],
        ["/cluster/resources"],
    ),
    (
        *api("post", "/nodes/pve1/startall"),
        {"guests": ["lxc/801"], "nodes": ["pve1"]},
        ["1 guest(s) of node pve1 start: lxc/801"],
        ["/nodes/pve1/lxc/801/pending"],
    ),
    (
        *api("post", "/nodes/pve1/migrateall", target="pve2"),
        {"guests": ["lxc/801", "qemu/800"], "nodes": ["pve1", "pve2"], "storages": ["local-zfs"]},
        ["lxc/801 has volumes on local-zfs, which are not known to be shared"],
        ["/storage", "/nodes/pve1/lxc/801/pending"],
    ),
    (
        *api("post", "/nodes/pve1/qemu/800/status/shutdown"),
        {"guests": ["qemu/800"], "nodes": ["pve1"]},
        ["qemu/800 is running", "qemu/800 is shut down: its services stop"],
        ["/nodes/pve1/qemu/800/status/current"],
    ),
    (
        *api("delete", "/nodes/pve1/lxc/801"),
        {"guests": ["lxc/801"], "nodes": ["pve1"]},
        ["destroys lxc/801 with its volumes", "no backup of it could be seen"],
        ["/nodes/pve1/lxc/801/(status/current|snapshot)", "/cluster/backup", "/nodes/pve1/storage"],
    ),
]
TITLES = [" ".join([module, *map(str, list(options.values())[:2])]) for module, options, *_r in CASES]
FORBIDDEN = [
    pytest.param(module, options, path, id=f"{title} without {path}")
    for (module, options, _touched, _words, paths), title in zip(CASES, TITLES, strict=True)
    for path in paths
]


def planned(site: Site, module: str, options: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = site.run(check=True, identity="root_token").done(module, options)["plan"]
    return result


@pytest.mark.parametrize(("module", "options", "touched", "words", "_paths"), CASES, ids=TITLES)
def test_what_feels_a_write_is_named(
    site: Site, module: str, options: dict[str, Any], touched: dict[str, Any], words: list[str], _paths: list[str]
) -> None:
    site.reset(SEED)
    plan = planned(site, module, options)
    shown = plan["blast_radius"]
    assert shown["complete"], plan["risk"]
    assert {key: names for key, names in shown.items() if key not in ("complete", "others")} == touched
    told = "\n".join(plan["risk"]["reasons"])
    assert [word for word in words if word not in told] == [], told
    assert site.writes == []


@pytest.mark.parametrize(("module", "options", "path"), FORBIDDEN)
def test_a_read_that_is_forbidden_makes_the_risk_high_and_is_told(
    site: Site, module: str, options: dict[str, Any], path: str
) -> None:
    site.reset(SEED)
    site.lab.fault(method="GET", path=f"^{path}$", status=403, reason="Permission check failed", count=99)
    plan = planned(site, module, options)
    assert not plan["blast_radius"]["complete"]
    assert plan["risk"]["level"] == "high"
    assert any(reason.startswith("could not be seen: ") for reason in plan["risk"]["reasons"])
