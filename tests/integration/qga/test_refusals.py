# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be reached, and what must not be: said with its cause, and nothing is run or asked in vain."""

from __future__ import annotations

import threading
import time
from typing import Any

from .conftest import VMID, Site

PING = {"name": "ping", "ansible.builtin.ping": {}}
RAW = {"name": "raw", "ansible.builtin.raw": "echo reached"}
DISK = "ceph:vm-{}-disk-0"


def machine(vmid: int, **more: Any) -> dict[str, Any]:
    disk = DISK.format(vmid)
    config = {"name": f"vm{vmid}", "agent": "1", "scsi0": f"{disk},size=4G", **more.pop("config", {})}
    base = {"kind": "qemu", "node": "pve1", "running": True, "agent_seconds": 0, "disks": {disk: 4 << 30}}
    return {**base, **more, "config": config}


def told(said: str, host: str) -> str:
    """The message for a host."""
    return next(line for line in said.splitlines() if line.startswith(f"fatal: [{host}]"))


def test_why_a_machine_is_unreachable(site: Site) -> None:
    seed = {
        201: machine(201, running=False),
        202: machine(202, config={"agent": "0"}),
        203: machine(203, agent_seconds=9999),
        205: {"kind": "lxc", "node": "pve1", "config": {"hostname": "ct"}},
        207: machine(207),
    }
    for vmid, spec in seed.items():
        site.lab.app.state._seed_guests({vmid: spec})
    site.environment["STEWARD_EXEC_QGA"] = "200-206,207"
    hosts: dict[str, dict[str, Any]] = {f"vm{vmid}": {"proxmox_vmid": vmid} for vmid in (*seed, 206, 208)}
    hosts["vm207"] |= {
        "proxmox_api_token_id": site.lab.credentials["auditor"]["api_token_id"],
        "proxmox_api_token_secret": site.lab.credentials["auditor"]["api_token_secret"],
    }
    hosts["nowhere"] = {"proxmox_vmid": 200, "proxmox_api_port": 1}
    hosts["badtls"] = {"proxmox_vmid": 200, "proxmox_fingerprint": "00" * 32}
    done = site.play(RAW, hosts=hosts)
    assert done.code, done.said
    for host, words in {
        "vm201": ("UNREACHABLE!", "VM 201 is not running. Start it"),
        "vm202": ("UNREACHABLE!", "QEMU guest agent is not running. Install and start qemu-guest-agent"),
        "vm203": ("UNREACHABLE!", "QEMU guest agent is not running. Install and start qemu-guest-agent"),
        "vm205": ("FAILED!", "205 is a container, which has no agent", "Its connection is steward.proxmox.pct"),
        "vm206": ("UNREACHABLE!", "There is no guest 206, or automation@pve!ansible may not see it", "VM.Audit"),
        "vm207": (
            "UNREACHABLE!",
            "Permission check failed (/vms/207, VM.GuestAgent.Unrestricted)",
            "--privs 'VM.GuestAgent.Unrestricted' && pveum acl modify '/vms/207' --tokens",
        ),
        "vm208": ("FAILED!", "No command may be run in qemu/208: 208 is not among the guests", "STEWARD_EXEC_QGA"),
        "nowhere": ("UNREACHABLE!", "no node answered"),
        "badtls": ("UNREACHABLE!", "has another certificate than the pinned one"),
    }.items():
        message = told(done.said, host)
        assert [word for word in words if word not in message] == [], message
    assert not site.lab.state.commands
    assert '"status":"unknown"' not in site.ledger


def test_an_unset_allowlist_reaches_nothing(site: Site) -> None:
    """And neither does that of the other connection."""
    del site.environment["STEWARD_EXEC_QGA"]
    site.environment["STEWARD_EXEC_PCT"] = "*"
    done = site.play(RAW, PING)
    assert "no guest is open to the connection qga" in told(done.said, "machine")
    assert site.lab.requests == []
    assert '"intent"' not in site.ledger


def test_a_required_ledger_that_is_not_open_reaches_nothing(site: Site) -> None:
    site.environment |= {"STEWARD_LEDGER_REQUIRED": "1", "ANSIBLE_CALLBACKS_ENABLED": "results"}
    done = site.play(RAW)
    assert "A ledger is required and none is open" in told(done.said, "machine")
    assert site.lab.requests == []


def test_a_machine_moves_and_stops_between_and_under_commands(site: Site) -> None:
    """The first command begins on one node and ends on another; the second begins there; the third is cut off."""
    guest = site.lab.state.guests[VMID]
    happened: list[str] = []

    def happenings() -> None:
        for word, name, value in (("sleep 1.5", "node", "pve2"), ("sleep 9.75", "started", None)):
            while not any(word in " ".join(entry["command"]) for entry in site.lab.app.state.commands):
                time.sleep(0.02)
            time.sleep(0.3)
            setattr(guest, name, value)
            happened.append(word)

    threading.Thread(target=happenings, daemon=True).start()
    raw = "ansible.builtin.raw"
    done = site.play(
        {"name": "first", raw: "sleep 1.5; echo one"},
        {"name": "second", raw: "echo two"},
        {"name": "third", raw: "sleep 9.75; echo three"},
        vars={"ansible_qga_agent_timeout": 1},
    )
    assert happened == ["sleep 1.5", "sleep 9.75"], done.said
    assert [done.results[name]["stdout"] for name in ("first", "second")] == ["one\n", "two\n"]
    assert "POST /nodes/pve2/qemu/200/agent/exec" in site.asked
    message = told(done.said, "machine")
    assert "UNREACHABLE!" in message
    assert "ended is unknown: " in message
    assert "VM 200 is not running. Look inside before running it again" in message
    assert site.ledger.count('"status":"unknown"') == 2  # the outcome and its step
