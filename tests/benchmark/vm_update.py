# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger records of one task that changes a machine, as it came out of the lab: about 1.6 and 0.7 kB."""

from typing import Any

DIGEST = "sha256:111dfc2be2b0805a55b24f568de21e4f6dd70838ee755f71744dd59916c12b18"
WANTED = {"cores": 4, "description": "web server, grown for the sale", "memory": "6144"}

INTENT: dict[str, Any] = {
    "host": "localhost",
    "task": {
        "action": "steward.proxmox.vm",
        "name": "The web server has room",
        "path": "/runner/project/site.yml:12",
        "uuid": "02fc0000-0001-ae45-6817-000000000003",
    },
    "check_mode": False,
    "endpoint": ["pve1.example.com"],
    "permit": {},
    "plan": {
        "summary": "update qemu/101 web on pve1",
        "digest": DIGEST,
        "steps": [
            {
                "op": "update",
                "target": "qemu/101",
                "method": "PUT",
                "path": "/nodes/pve1/qemu/101/config",
                "data": WANTED,
                "why": "cores, description, memory differ",
            }
        ],
        "blast_radius": {"complete": True, "guests": ["qemu/101"], "nodes": ["pve1"]},
        "risk": {"level": "medium", "reasons": ["changes the configuration of qemu/101"]},
        "privileges": [
            {"any_of": [f"VM.Config.{what}"], "held": True, "path": "/vms/101"} for what in ("CPU", "Options", "Memory")
        ],
        "reads": [{"any_of": ["VM.Audit"], "path": "/vms/101"}],
        "state": {
            "ha": "unmanaged",
            "lock": None,
            "node": "online",
            "pending": ["cores", "memory"],
            "power": "running",
        },
        "before": {"cores": 2, "memory": 4096},
        "after": WANTED,
        "undo": {
            "possible": True,
            "steps": [
                {
                    "op": "update",
                    "target": "qemu/101",
                    "of": [0],
                    "data": {"cores": 2, "memory": 4096},
                    "delete": ["description"],
                    "left": WANTED,
                    "made": [],
                }
            ],
        },
    },
}

OUTCOME: dict[str, Any] = {
    "status": "ok",
    "changed": True,
    "upids": [],
    "error": None,
    "steps": [{"op": "update", "target": "qemu/101", "status": "done"}],
    "values": {},
    "remembers": {
        "bound": dict.fromkeys(["/nodes/pve1/qemu/101/config", "/nodes/pve1/qemu/101/pending", "qemu/101"], DIGEST),
        "made": [],
        "symbols": {},
    },
}
