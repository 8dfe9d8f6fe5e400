# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small cluster as a table of answers, and what a write by path to it is told to touch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._blast_of.paths import tell
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied, Unreachable

from tests.unit.engine.fakes import world_of

REFUSALS = [PermissionDenied("no", status=403), Unreachable("node down", status=595)]
EVERYTHING = ("VM.Audit", "Sys.Audit", "SDN.Audit", "Datastore.Allocate", "Datastore.Audit", "VM.Allocate", "VM.Backup")


def rows(config: Mapping[str, Any], **waiting: Any) -> list[dict[str, Any]]:
    """A configuration as `…/pending` lists it; `waiting` is what the key will be."""
    found = [{"key": key, "value": value} for key, value in config.items() if key not in waiting]
    return found + [{"key": key, "value": config.get(key), "pending": value} for key, value in waiting.items()]


VM, CT, IDLE = "/nodes/pve1/qemu/101", "/nodes/pve2/lxc/102", "/nodes/pve1/lxc/103"
GUESTS = {
    VM: ("qemu", 101, "pve1", "running"),
    CT: ("lxc", 102, "pve2", "stopped"),
    IDLE: ("lxc", 103, "pve1", "stopped"),
}
ANSWERS: dict[str, Any] = {
    "/access/permissions": {"/": dict.fromkeys(EVERYTHING, 1)},
    "/cluster/resources?type=vm": [
        {"type": kind, "vmid": vmid, "node": node, "status": status} for kind, vmid, node, status in GUESTS.values()
    ],
    "/nodes": [{"node": "pve1"}, {"node": "pve2"}],
    "/cluster/status": [
        {"type": "cluster", "name": "lab"},
        {"type": "node", "name": "pve1", "ip": "192.0.2.11"},
        {"type": "node", "name": "pve2", "ip": "192.0.2.12"},
    ],
    f"{VM}/pending": rows(
        {"scsi0": "nas:101/vm-101-disk-0.qcow2,size=8G", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"}
    ),
    f"{VM}/snapshot": [{"name": "s1"}, {"name": "current"}],
    f"{VM}/snapshot/s1/config": {
        "scsi0": "nas:101/vm-101-disk-0.qcow2,size=8G",
        "vmstate": "local:101/vm-101-state-s1.raw",
    },
    f"{CT}/pending": rows({"rootfs": "local:102/vm-102-disk-0.raw,size=4G", "net0": "name=eth0,bridge=vmbr1,tag=5"}),
    f"{CT}/snapshot": [{"name": "current"}],
    f"{IDLE}/pending": rows({"rootfs": "zfs:subvol-103-disk-0,size=4G", "onboot": 1, "net0": "name=eth0,bridge=v1"}),
    f"{IDLE}/snapshot": [{"name": "current"}],
    "/cluster/firewall/groups": [],
    "/cluster/sdn/vnets": [],
    "/cluster/sdn/zones": [],
    **{f"{path}/firewall/{what}": [] for path in (*GUESTS, "/cluster") for what in ("rules", "ipset", "aliases")},
    **{f"{path}/firewall/options": {} for path in (*GUESTS, "/cluster", "/nodes/pve1", "/nodes/pve2")},
    "/nodes/pve1/firewall/rules": [],
    "/nodes/pve2/firewall/rules": [],
    "/cluster/backup": [],
    "/cluster/replication": [],
    "/storage": [{"storage": "nas", "shared": 1}, {"storage": "local"}, {"storage": "zfs"}],
}


def touched(
    method: str,
    path: str,
    data: Mapping[str, Any] | None = None,
    before: Mapping[str, Any] | None = None,
    changed: Mapping[str, Any] | None = None,
) -> Blast:
    """The blast radius of a write to a known path; `changed` answers are laid over those of the cluster."""
    blast = Blast()
    assert tell(world_of({**ANSWERS, **(changed or {})}), blast, method, path, data or {}, before or {})
    return blast


def why(blast: Blast) -> list[str]:
    reasons: list[str] = blast.risk(changes=True)["reasons"]
    return reasons


def level(blast: Blast) -> str:
    return str(blast.risk(changes=True)["level"])


def seen(blast: Blast) -> dict[str, Any]:
    """What is touched, of a blast radius in which nothing is unknown."""
    shown = blast.public()
    assert shown.pop("complete"), blast.unseen
    return shown
