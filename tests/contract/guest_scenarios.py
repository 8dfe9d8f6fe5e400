# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scenarios of `vm`, and those of `lxc` that came with it: births, disks, moves, power, pools, limits."""

from __future__ import annotations

from typing import Any

from tests.contract.scenario import Options, Scenario

IMAGE = "local:import/debian-12-generic-amd64.qcow2"
ISO = "local:iso/debian-12.8.0-amd64-netinst.iso"
PASSWORD = "open-sesame-of-cloud-init"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"


def machine(vmid: int, *, running: bool = False, storage: str = "local-zfs", **config: Any) -> Options:
    """A machine of the lab's seed, with things that no task mentions."""
    disk, data = f"{storage}:vm-{vmid}-disk-0", f"{storage}:vm-{vmid}-disk-1"
    return {
        "kind": "qemu",
        "node": "pve1",
        "running": running,
        "config": {
            "agent": "1",
            "boot": "order=scsi0;net0",
            "cores": 2,
            "memory": "1024",
            "name": f"v{vmid}",
            "net0": f"virtio=BC:24:11:00:03:{vmid % 100:02d},bridge=vmbr0,firewall=1,tag=5",
            "onboot": 1,
            "ostype": "l26",
            "scsi0": f"{disk},discard=on,iothread=1,size=4G",
            "scsi1": f"{data},size=2G",
            "scsihw": "virtio-scsi-single",
            "tags": "kept;seeded",
            **config,
        },
        "disks": {disk: 4 << 30, data: 2 << 30},
    }


def template(vmid: int) -> Options:
    """A machine that only lives on in its clones."""
    base = f"local-zfs:base-{vmid}-disk-0"
    guest = machine(vmid, template=1, scsi0=f"{base},size=4G")
    del guest["config"]["scsi1"]
    return {**guest, "disks": {base: 4 << 30}}


STOPPED = (320, 322, 324, 326, 328, 330, 331, 333, 334, 336, 338, 340, 342, 344, 346, 348)
RUNNING = (321, 323, 325, 327, 329, 332, 337, 339, 341, 343, 345)
SEED: dict[int, Options] = {
    **{vmid: machine(vmid) for vmid in STOPPED},
    **{vmid: machine(vmid, running=True) for vmid in RUNNING},
    # with an operating system that answers
    335: machine(335, running=True) | {"agent_seconds": 0},
    # on shared storage, so that it can move while it runs
    347: machine(347, running=True, storage="ceph"),
    349: template(349),
}


def vm(title: str, vmid: int, options: Options, *steps: str, **more: Any) -> Scenario:
    return Scenario("vm", title, {"vmid": vmid, "node": "pve1", **options}, steps, **more)


BIRTHS = [
    vm(
        "from a cloud image, configured and started",
        300,
        {
            "name": "cloud",
            "state": "started",
            "source": {"image": {"volid": IMAGE}},
            "disks": [{"slot": "scsi0", "storage": "local-zfs", "size": "8G", "discard": "on", "ssd": True}],
            "efidisk": {"storage": "local-zfs", "efitype": "4m", "pre_enrolled_keys": True},
            "bios": "ovmf",
            "machine": "q35",
            "cpu": {"cputype": "x86-64-v2-AES"},
            "cores": 4,
            "memory": 4096,
            "agent": {"enabled": True},
            "net": [{"slot": "net0", "bridge": "vmbr0", "tag": 5, "firewall": True}],
            "cloud_init": {
                "storage": "local-zfs",
                "user": "admin",
                "password": PASSWORD,
                "ssh_keys": [KEY],
                "ip": [{"slot": "ipconfig0", "ip": "192.0.2.30/24", "gw": "192.0.2.1"}],
                "nameserver": ["192.0.2.2"],
            },
            "tags": ["web"],
            "onboot": True,
        },
        "create",
        "resize",
        "start",
        secrets=(PASSWORD,),
    ),
    vm(
        "empty, with a disc",
        301,
        {
            "name": "installer",
            "source": {"iso": {"volid": ISO}},
            "disks": [{"slot": "virtio0", "storage": "local-zfs", "size": "8G"}],
            "tpmstate": {"storage": "local-zfs", "version": "v2.0"},
            "net": [{"slot": "net0", "bridge": "vmbr0"}],
            "memory": 2048,
        },
        "create",
    ),
    vm("from nothing", 302, {"name": "bare", "memory": 512}, "create"),
    Scenario("vm", "made by name, its id allocated", {"name": "allocated", "node": "pve1", "memory": 512}, ("create",)),
    vm(
        "cloned, changed and started",
        303,
        {
            "name": "clone",
            "state": "started",
            "source": {"clone": {"vmid": 320}},
            "memory": 2048,
            "net": [{"slot": "net0", "tag": 7}],
            "disks": [{"slot": "scsi0", "size": "6G"}],
            "cloud_init": {"user": "admin", "ip": [{"slot": "ipconfig0", "ip": "dhcp"}], "storage": "local-zfs"},
            "delete": ["onboot"],
        },
        "clone",
        "update",
        "resize",
        "start",
    ),
    Scenario(
        "vm",
        "a linked clone by name",
        {"name": "linked", "node": "pve1", "source": {"clone": {"name": "v349", "full": False}}},
        ("clone",),
    ),
    vm(
        "restored beside the first one",
        304,
        {"name": "restored", "source": {"archive": {"storage": "local", "name": "of-322"}}, "memory": 2048},
        "restore",
        first=(("backup", {"vmid": 322, "storage": "local", "name": "of-322"}),),
    ),
    vm(
        "restored over what is there",
        324,
        {"force": True, "source": {"archive": {"storage": "local", "guest": 324, "name": "over-324"}}},
        "overwrite",
        verb=True,
        first=(("backup", {"vmid": 324, "storage": "local", "name": "over-324"}),),
    ),
]

CONFIGURED = [
    vm(
        "configured while it runs",
        321,
        {
            "memory": 2048,
            "description": "changed",
            "net": [{"slot": "net0", "tag": 9}, {"slot": "net1", "bridge": "vmbr1"}],
            "tags": ["new"],
            "tags_mode": "additive",
            "disks": [{"slot": "scsi0", "size": "5G"}],
        },
        "update",
        "resize",
    ),
    vm("what waited is taken over", 323, {"memory": 3072, "reboot_if_pending": True}, "update", "reboot"),
    vm(
        "disks added, changed, moved, detached and destroyed",
        326,
        {
            "disks": [
                {"slot": "scsi0", "storage": "ceph", "cache": "writeback"},
                {"slot": "scsi1", "state": "detached"},
                {"slot": "scsi2", "storage": "local-zfs", "size": "1G", "ssd": True},
            ],
        },
        "update",
        "move",
    ),
    vm("a disk destroyed with its data", 328, {"disks": [{"slot": "scsi1", "state": "absent"}]}, "destroy disk"),
    vm(
        "options without an option of their own",
        330,
        {"config": {"acpi": False, "smbios1": {"manufacturer": "ACME"}, "vmstatestorage": "local-zfs"}},
        "update",
    ),
    vm(
        "as wanted already",
        331,
        {
            "name": "v331",
            "state": "stopped",
            "memory": 1024,
            "net": [{"slot": "net0", "macaddr": "bc:24:11:00:03:31", "model": "virtio", "tag": 5}],
            "disks": [{"slot": "scsi0", "size": "4096M", "storage": "local-zfs", "iothread": True}],
            "boot": ["scsi0", "net0"],
            "tags": ["Seeded", "kept"],
            "agent": {"enabled": True},
            "description": "",
            "config": {"acpi": True},
        },
    ),
    vm("keys removed", 333, {"delete": ["net0.tag", "onboot"], "tags": []}, "update"),
    vm(
        "put into a pool",
        334,
        {"pool": "web"},
        "pool",
        first=(("api", {"path": "/pools", "method": "post", "data": {"poolid": "web"}}),),
    ),
    vm("waited for", 335, {"state": "started", "wait_for": {"ip": "any", "timeout": 20}}),
    vm(
        "limited and within it",
        336,
        {"cores": 4, "limits": {"max_cpu": 4, "max_ram_mb": 1024, "max_disk_gb": 6, "max_vms": 500}},
        "update",
    ),
]

POWER = [
    vm("started", 338, {"state": "started"}, "start"),
    vm("stopped", 337, {"state": "stopped"}, "stop"),
    vm("shut down", 339, {"state": "shutdown"}, "shutdown"),
    vm("restarted", 341, {"state": "restarted"}, "reboot", verb=True),
    vm("reset", 343, {"state": "reset"}, "reset", verb=True),
    vm("paused", 345, {"state": "paused"}, "pause"),
    vm("hibernated", 325, {"state": "hibernated"}, "hibernate"),
    vm(
        "goes on after it was hibernated",
        327,
        {"state": "started"},
        "start",
        first=(("vm", {"vmid": 327, "state": "hibernated"}),),
    ),
    vm(
        "goes on after it was paused",
        329,
        {"state": "started"},
        "resume",
        first=(("vm", {"vmid": 329, "state": "paused"}),),
    ),
    vm("turned into a template", 340, {"state": "template"}, "template"),
]

MOVED = [
    Scenario("vm", "moved to another node", {"vmid": 342, "node": "pve2", "migrate": {}}, ("migrate",)),
    Scenario("vm", "moved while it runs", {"vmid": 347, "node": "pve3", "migrate": {}, "cores": 2}, ("migrate",)),
]

GONE = [
    vm("destroyed", 344, {"state": "absent", "purge": True}, "destroy"),
    vm("destroyed while it runs", 332, {"state": "absent", "force": True}, "stop", "destroy"),
    vm("absent already", 399, {"state": "absent"}),
]

LXC = [
    Scenario("lxc", "stopped at once", {"vmid": 262, "state": "stopped"}, ("stop",)),
    Scenario(
        "lxc", "moved to another node", {"vmid": 263, "node": "pve2", "migrate": {}, "cores": 2}, ("migrate", "update")
    ),
    Scenario(
        "lxc",
        "its volume moved, a mount point added, another destroyed",
        {
            "vmid": 264,
            "rootfs": {"storage": "local"},
            "mounts": [
                {"slot": "mp0", "state": "absent"},
                {"slot": "mp1", "mp": "/new", "storage": "local-zfs", "size": "1G"},
            ],
        },
        ("update", "detach", "destroy volume", "move"),
    ),
    Scenario(
        "lxc", "what waited is taken over", {"vmid": 265, "tty": 4, "reboot_if_pending": True}, ("update", "reboot")
    ),
    Scenario(
        "lxc", "waited for", {"vmid": 266, "state": "started", "wait_for": {"ip": "any", "timeout": 20}}, ("start",)
    ),
]

GUESTS = [*BIRTHS, *CONFIGURED, *POWER, *MOVED, *GONE, *LXC]
