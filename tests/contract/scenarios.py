# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is proven of every module: a table. A module without a row fails test_laws.py.

Each row has its own guests and names, so that all rows together also make one playbook (tests/parity).
"""

from __future__ import annotations

from typing import Any

from tests.contract import guest_scenarios
from tests.contract.scenario import Options, Scenario, Task

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
PASSWORD = "correct-horse-battery"  # of a container; no answer may show it
NEW_PASSWORD = "staple-of-a-user"


def container(vmid: int, *, running: bool = False, node: str = "pve1", **config: Any) -> Options:
    """A container of the lab's seed, with things that no task mentions."""
    return {
        "kind": "lxc",
        "node": node,
        "running": running,
        "config": {
            "arch": "amd64",
            "cores": 1,
            "hostname": f"c{vmid}",
            "memory": 512,
            "net0": f"name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:00:00:{vmid % 100:02d},ip=dhcp,type=veth",
            "net1": f"name=eth1,bridge=vmbr1,hwaddr=BC:24:11:00:01:{vmid % 100:02d},tag=7,type=veth",
            "onboot": 1,
            "ostype": "debian",
            "rootfs": f"local-zfs:subvol-{vmid}-disk-0,mountoptions=noatime,size=4G",
            "swap": 512,
            "tags": "kept;seeded",
            "unprivileged": 1,
            **config,
        },
        "disks": {f"local-zfs:subvol-{vmid}-disk-0": 4 << 30},
    }


def machine(vmid: int, *, running: bool = False) -> Options:
    """A virtual machine of the lab's seed, for the modules that serve both kinds of guests."""
    return {
        "kind": "qemu",
        "node": "pve1",
        "running": running,
        "config": {
            "cores": 1,
            "memory": 512,
            "name": f"v{vmid}",
            "net0": f"virtio=BC:24:11:00:02:{vmid % 100:02d},bridge=vmbr0",
            "scsi0": f"local-zfs:vm-{vmid}-disk-0,size=4G",
        },
        "disks": {f"local-zfs:vm-{vmid}-disk-0": 4 << 30},
    }


def with_mount(vmid: int) -> Options:
    """A container with one more volume."""
    guest, volume = container(vmid), f"local-zfs:subvol-{vmid}-disk-1"
    guest["config"]["mp0"] = f"{volume},mp=/old,size=1G"
    guest["disks"][volume] = 1 << 30
    return guest


def on_btrfs(vmid: int) -> Options:
    """A container on a storage that goes back to any of its snapshots."""
    volume = f"btr:{vmid}/vm-{vmid}-disk-0.raw"
    return container(vmid, rootfs=f"{volume},size=4G") | {"disks": {volume: 4 << 30}}


STOPPED = (
    263,
    266,
    213,
    214,
    216,
    217,
    218,
    220,
    222,
    224,
    230,
    231,
    232,
    233,
    234,
    235,
    236,
    240,
    241,
    243,
    244,
    245,
    247,
    248,
    249,
)
RUNNING = (262, 265, 210, 211, 212, 215, 242, 246, 261)
MACHINES = (270, 271, 272, 273, 274)
SEED: Options = {
    "guests": (
        {vmid: container(vmid) for vmid in STOPPED}
        | {vmid: container(vmid, running=True) for vmid in RUNNING}
        | {vmid: machine(vmid, running=vmid in (271, 273)) for vmid in MACHINES}
        | {264: with_mount(264), 237: on_btrfs(237)}
        | guest_scenarios.SEED
    )
}


def snapshot(vmid: int, name: str, **more: Any) -> Task:
    return "snapshot", {"vmid": vmid, "snapshot": name, **more}


def backup(vmid: int, name: str, **more: Any) -> Task:
    return "backup", {"vmid": vmid, "storage": "local", "name": name, **more}


LXC = [
    Scenario(
        "lxc",
        "made from a template and started",
        {
            "vmid": 200,
            "name": "made",
            "node": "pve1",
            "state": "started",
            "source": {"template": TEMPLATE},
            "rootfs": {"storage": "local-zfs", "size": "8G"},
            "mounts": [{"slot": "mp0", "mp": "/srv", "storage": "local-zfs", "size": "1G", "backup": True}],
            "net": [{"slot": "net0", "bridge": "vmbr0", "ip": "10.0.0.10/24", "gw": "10.0.0.1", "firewall": True}],
            "features": {"nesting": True},
            "cores": 2,
            "cpulimit": 1.5,
            "memory": 1024,
            "tags": ["web", "Production"],
            "description": "two\nlines",
            "nameserver": ["10.0.0.2", "10.0.0.3"],
            "startup": {"order": 3, "up": 10},
            "onboot": True,
            "unprivileged": True,
            "password": PASSWORD,
            "ssh_public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHcontracttestcontracttestcontracttestcontr t"],
        },
        ("create", "start"),
        secrets=(PASSWORD,),
    ),
    Scenario(
        "lxc",
        "made by name, its id allocated",
        {
            "name": "allocated",
            "node": "pve1",
            "source": {"template": TEMPLATE},
            "rootfs": {"storage": "local-zfs"},
            "net": [{"slot": "net0", "bridge": "vmbr0"}],
        },
        ("create",),
    ),
    Scenario(
        "lxc",
        "configured while it runs",
        {
            "vmid": 210,
            "node": "pve1",
            "cores": 3,
            "tags": ["new"],
            "description": "changed",
            "net": [{"slot": "net0", "ip": "10.0.0.11/24"}],
            "rootfs": {"size": "6G"},
            "startup": {"order": 2},
        },
        ("update", "resize"),
    ),
    Scenario("lxc", "shut down", {"vmid": 211, "state": "shutdown"}, ("shutdown",)),
    Scenario("lxc", "restarted", {"vmid": 212, "state": "restarted"}, ("reboot",), verb=True),
    Scenario("lxc", "started by name", {"name": "c213", "state": "started"}, ("start",)),
    Scenario("lxc", "turned into a template", {"vmid": 214, "state": "template"}, ("template",)),
    Scenario("lxc", "destroyed while it runs", {"vmid": 215, "state": "absent", "force": True}, ("stop", "destroy")),
    Scenario("lxc", "destroyed", {"vmid": 216, "state": "absent", "purge": True}, ("destroy",)),
    Scenario("lxc", "keys removed", {"vmid": 217, "delete": ["net1", "onboot"], "tags": []}, ("update",)),
    Scenario(
        "lxc",
        "as wanted already",
        {
            "vmid": 218,
            "node": "pve1",
            "name": "c218",
            "state": "stopped",
            "net": [{"slot": "net0", "hwaddr": "bc:24:11:00:00:18", "firewall": True}],
            "rootfs": {"size": "4G", "storage": "local-zfs", "mountoptions": ["noatime"]},
            "tags": ["Seeded", "kept"],
            "features": {"nesting": False},
            "cpulimit": 0,
            "description": "",
        },
    ),
    Scenario("lxc", "absent already", {"vmid": 219, "state": "absent"}),
    Scenario(
        "lxc",
        "cloned, changed and started",
        {
            "vmid": 221,
            "name": "clone",
            "node": "pve1",
            "state": "started",
            "source": {"clone": {"name": "c220"}},
            "cores": 2,
            "net": [{"slot": "net0", "ip": "10.0.0.21/24"}],
            "delete": ["onboot"],
        },
        ("clone", "update", "start"),
    ),
    Scenario(
        "lxc",
        "restored with its own identity",
        {
            "vmid": 223,
            "name": "restored",
            "node": "pve1",
            "state": "started",
            "source": {"archive": {"storage": "local", "name": "golden"}},
            "rootfs": {"storage": "local-zfs", "size": "5G"},
            "net": [{"slot": "net0", "ip": "10.0.0.23/24"}],
            "memory": 2048,
        },
        ("restore", "resize", "start"),
        first=(backup(222, "golden"),),
    ),
    Scenario(
        "lxc",
        "restored over what is there",
        {"vmid": 224, "force": True, "source": {"archive": {"storage": "local", "guest": 224, "name": "over"}}},
        ("overwrite",),
        verb=True,
        first=(backup(224, "over"),),
    ),
]

SNAPSHOT = [
    Scenario("snapshot", "taken", snapshot(230, "s1", description="before it")[1], ("snapshot",)),
    Scenario(
        "snapshot",
        "described",
        snapshot(231, "s1", description="after")[1],
        ("describe",),
        first=(snapshot(231, "s1", description="before"),),
    ),
    Scenario(
        "snapshot", "removed", snapshot(232, "s1", state="absent")[1], ("delsnapshot",), first=(snapshot(232, "s1"),)
    ),
    Scenario(
        "snapshot",
        "rolled back",
        snapshot(233, "s1", state="rolled_back", start=True)[1],
        ("rollback",),
        verb=True,
        first=(snapshot(233, "s1"),),
    ),
    Scenario(
        "snapshot",
        "pruned by number",
        {"vmid": 234, "state": "pruned", "prefix": "own-", "keep": 0},
        ("delsnapshot", "delsnapshot"),
        first=(snapshot(234, "own-1"), snapshot(234, "own-2"), snapshot(234, "others")),
    ),
    Scenario("snapshot", "taken of a machine", snapshot(270, "s1", description="x")[1], ("snapshot",)),
    Scenario("snapshot", "taken with its memory", {"name": "v271", "snapshot": "s1", "vmstate": True}, ("snapshot",)),
    Scenario(
        "snapshot",
        "none is old enough",
        {"vmid": 235, "state": "pruned", "older_than": "1h"},
        first=(snapshot(235, "s1"),),
    ),
]

UNDO_POINT = [
    Scenario(
        "lxc",
        "grown, with a snapshot to go back to",
        {"vmid": 236, "rootfs": {"size": "5G"}, "memory": 600, "snapshot_before": "risky"},
        ("snapshot", "update", "resize"),
    ),
    Scenario(
        "vm",
        "changed and restarted, with a snapshot before it",
        {"vmid": 273, "cores": 3, "state": "restarted", "snapshot_before": "always"},
        ("snapshot", "update", "reboot"),
        verb=True,
    ),
    Scenario(
        "vm",
        "little changed, with no snapshot before it",
        {"vmid": 274, "cores": 2, "snapshot_before": "risky"},
        ("update",),
    ),
    Scenario(
        "snapshot",
        "rolled back, with a snapshot of how it was",
        snapshot(237, "s1", state="rolled_back", snapshot_before="risky")[1],
        ("snapshot", "rollback"),
        verb=True,
        first=(snapshot(237, "s1"), ("lxc", {"vmid": 237, "cores": 2})),
    ),
]

BACKUP = [
    Scenario("backup", "made once by name", backup(240, "named", notes="more\nlines", protected=True)[1], ("backup",)),
    Scenario(
        "backup",
        "young enough",
        {"vmid": 241, "storage": "local", "max_age": "24h"},
        first=(backup(241, "young"),),
    ),
    Scenario("backup", "made every time", {"vmid": 242, "storage": "local"}, ("backup",), verb=True),
    Scenario(
        "backup",
        "protected afterwards",
        backup(243, "guarded", protected=True)[1],
        ("update",),
        first=(backup(243, "guarded"),),
    ),
    Scenario(
        "backup", "removed", backup(244, "doomed", state="absent")[1], ("delete",), first=(backup(244, "doomed"),)
    ),
    Scenario(
        "backup",
        "pruned",
        {"vmid": 245, "storage": "local", "state": "pruned", "keep": {"last": 1}},
        ("delete",),
        first=(backup(245, "one"), backup(245, "two"), backup(245, "three", protected=True)),
    ),
    Scenario("backup", "of a machine", backup(272, "machine")[1], ("backup",)),
    Scenario(
        "backup",
        "made when none is young enough",
        {"vmid": 246, "storage": "nas", "max_age": "1d", "mode": "stop", "compress": "none"},
        ("backup",),
    ),
]


def entry(vmid: int, **more: Any) -> Options:
    return {"path": f"/vms/{vmid}", "type": "user", "ugid": "alice@pve", "roleid": "PVEVMUser", **more}


ACL = [
    Scenario("acl", "granted", entry(250), ("create",)),
    Scenario(
        "acl",
        "granted to a token, path without its slash",
        {"path": "vms/251/", "type": "token", "ugid": "nobody@pve!nothing", "roleid": "PVEAuditor", "propagate": False},
        ("create",),
    ),
    Scenario("acl", "of another reach", entry(252, propagate=False), ("update",), first=(("acl", entry(252)),)),
    Scenario("acl", "taken away", entry(253, state="absent"), ("delete",), first=(("acl", entry(253)),)),
    Scenario("acl", "never there", entry(254, state="absent")),
]


def role(name: str, *privs: str, **more: Any) -> Task:
    return "role", {"roleid": name, **({"privs": list(privs)} if privs else {}), **more}


def user(name: str, **more: Any) -> Task:
    return "user", {"userid": f"{name}@pve", **more}


def token(name: str, **more: Any) -> Task:
    return "token", {"userid": f"{name}@pve", "tokenid": "t1", **more}


def as_root(title: str, task: Task, *steps: str, first: tuple[Task, ...] = ()) -> Scenario:
    return Scenario(*(task[0], title, task[1]), steps, first=first, identity="root_token")


PRINCIPALS = [
    as_root("made", role("r1", "VM.PowerMgmt", "VM.Audit"), "create"),
    as_root("with other privileges", role("r2", "VM.Audit"), "update", first=(role("r2", "VM.Clone", "VM.Audit"),)),
    as_root("removed", role("r3", state="absent"), "delete", first=(role("r3", "VM.Audit"),)),
    as_root("as wanted already", role("r4", "VM.Clone", "VM.Audit"), first=(role("r4", "VM.Audit,VM.Clone"),)),
    as_root("never there", role("r5", state="absent")),
    as_root("made", user("u1", comment="deploys", expire=1999999999, enable=False), "create"),
    as_root(
        "put into a group, its comment kept",
        user("u2", groups=["operators"], email="u2@example.com"),
        "update",
        first=(
            ("api", {"path": "/access/groups", "method": "post", "data": {"groupid": "operators"}}),
            user("u2", comment="kept"),
        ),
    ),
    as_root("removed with its token", user("u3", state="absent"), "delete", first=(user("u3"), token("u3"))),
    as_root("as wanted already", user("u4", comment="", enable=True), first=(user("u4", email="u4@example.com"),)),
    as_root("never there", user("u5", state="absent")),
    as_root("made", token("u6", comment="deploys", privsep=False), "create", first=(user("u6"),)),
    as_root(
        "to end one day, its comment kept",
        token("u7", expire=1999999999),
        "update",
        first=(user("u7"), token("u7", comment="kept")),
    ),
    as_root("removed", token("u8", state="absent"), "delete", first=(user("u8"), token("u8"))),
    as_root("as wanted already", token("u9", privsep=True), first=(user("u9"), token("u9", comment="x"))),
    as_root("never there", token("u10", state="absent"), first=(user("u10"),)),
]


def alias(name: str, **more: Any) -> Task:
    return "firewall_alias", {"name": name, **more}


FIREWALL_ALIAS = [
    Scenario(
        "firewall_alias",
        "made",
        alias("Office", cidr="192.0.2.0/24", comment="Ground floor")[1],
        ("create",),
        identity="root_token",
    ),
    Scenario(
        "firewall_alias",
        "moved, its comment kept",
        alias("lab", cidr="198.51.100.0/25")[1],
        ("update",),
        first=(alias("lab", cidr="198.51.100.0/24", comment="kept"),),
        identity="root_token",
    ),
    Scenario(
        "firewall_alias",
        "removed",
        alias("OLD", state="absent")[1],
        ("delete",),
        first=(alias("old", cidr="203.0.113.0/24"),),
        identity="root_token",
    ),
    Scenario(
        "firewall_alias",
        "as wanted already",
        alias("SAME", cidr="203.0.113.9")[1],
        first=(alias("same", cidr="203.0.113.9", comment="x"),),
        identity="root_token",
    ),
]

API = [
    Scenario("api", "read", {"path": "/version"}),
    Scenario(
        "api",
        "put what differs",
        {"path": "/cluster/options", "method": "put", "data": {"keyboard": "de", "language": "de"}},
        ("put",),
        identity="root_token",
    ),
    Scenario(
        "api",
        "posted once",
        {"path": "/pools", "method": "post", "data": {"poolid": "once"}, "creates": "/pools/once"},
        ("post",),
    ),
    Scenario(
        "api",
        "posted every time",
        {"path": "/nodes/pve1/lxc/261/status/reboot", "method": "post"},
        ("post",),
        verb=True,
    ),
    Scenario(
        "api",
        "deleted",
        {"path": "/pools/doomed", "method": "delete"},
        ("delete",),
        first=(("api", {"path": "/pools", "method": "post", "data": {"poolid": "doomed"}}),),
    ),
    Scenario(
        "api",
        "a secret, sent every time",
        {
            "path": "/access/password",
            "method": "put",
            "data": {"userid": "alice@pve"},
            "secrets": {"password": NEW_PASSWORD, "confirmation-password": "lab-root-password"},
        },
        ("put",),
        verb=True,
        identity="root",
        secrets=(NEW_PASSWORD,),
    ),
]

READS = [
    Scenario("guest_info", "with details", {"vmid": 247, "details": ["config", "pending", "status", "snapshots"]}),
    Scenario(
        "guest_info",
        "by tag and node",
        {"tag": ["seeded"], "node": "pve1", "type": "lxc", "status": "stopped", "limit": 5},
    ),
    Scenario("guest_info", "of machines", {"type": "qemu", "details": ["config"]}),
    Scenario("guest_info", "without their addresses", {"vmid": [247, 270], "details": ["addresses", "agent"]}),
    Scenario("backup_info", "by guest", {"node": "pve1", "storage": "local", "vmid": 247}, first=(backup(247, "b"),)),
    Scenario("backup_info", "on all storages", {"vmid": 248, "newest": True}, first=(backup(248, "b"),)),
    Scenario("snapshot_info", "of one guest", {"vmid": 249}, first=(snapshot(249, "s1"), snapshot(249, "s2"))),
    Scenario("snapshot_info", "of all that match", {"tags": ["seeded"], "status": "stopped", "snapshot": "nowhere"}),
    Scenario("cluster_info", "without its guests", {"kinds": ["pools", "sdn", "storages"], "limit": 2}),
    Scenario("doctor_info", "of one guest", {"vmids": [248], "capabilities": ["snapshots", "backups"]}),
    Scenario("diagnose_info", "of everything", {"backup_max_age": "1d"}),
    Scenario("diagnose_info", "of one node", {"nodes": ["pve1"], "checks": ["storages", "tasks", "updates"]}),
    Scenario("task_info", "of a guest", {"node": "pve1", "vmid": 248, "errors": True}),
]


def golden(vmid: int) -> Options:
    wanted = {"vmid": vmid, "template": TEMPLATE, "storage": "local-zfs", "hostname": f"golden{vmid}"}
    return {"node": "pve1", "runner": "direct", "golden_lxc": wanted | {"net": [{"slot": "net0", "bridge": "vmbr0"}]}}


HOST = [
    Scenario("privileged_host", "a golden base", golden(290), ("create",)),
    Scenario("privileged_host", "a golden base that is there", golden(291), first=(("privileged_host", golden(291)),)),
]

#: what reads a ledger on the controller, so that only tests/parity runs it, through its plugin; of the undone run
#: there, see tests/parity/stage.py
RECORDED = {"path": "{{ playbook_dir }}/recorded", "run": "last"}
PROOF = "{{ playbook_dir }}/proof.json"
SIGNED = {"path": RECORDED["path"], "key": "{{ playbook_dir }}/key"}
LEDGER = [
    Scenario("verify_ledger", "an intact ledger", {"allow_incomplete": True}),
    Scenario("undo_info", "of a run", RECORDED),
    Scenario("undo", "of a change", {**RECORDED, "op": "c0ffee"}),
    Scenario("ledger_key", "that the ledger gets to know", SIGNED),
    Scenario("ledger_checkpoint", "of a log", SIGNED),
    Scenario("ledger_export", "of a ledger", {"path": RECORDED["path"], "dest": "{{ playbook_dir }}/exported"}),
    Scenario("reconcile", "with the task log", {"path": RECORDED["path"], "nodes": ["pve1"]}),
    Scenario("ledger_info", "of a guest", {"path": RECORDED["path"], "vmid": 249, "proof": True}),
    Scenario("ledger_proof", "of a change", {"path": RECORDED["path"], "op": "c0ffee", "dest": PROOF}),
    Scenario(
        "ledger_proof",
        "of a log",
        {
            "path": RECORDED["path"],
            "checkpoint": RECORDED["path"] + "/checkpoints",
            "dest": "{{ playbook_dir }}/growth.json",
        },
    ),
]

#: works on a file that an earlier run has made: tests/integration/saved_plan
OF_FILES = {"sign_plan"}

SCENARIOS = [
    *LXC,
    *guest_scenarios.GUESTS,
    *SNAPSHOT,
    *UNDO_POINT,
    *BACKUP,
    *ACL,
    *PRINCIPALS,
    *FIREWALL_ALIAS,
    *API,
    *READS,
    *HOST,
]
