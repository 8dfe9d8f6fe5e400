# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs inside the guests: agents, addresses, cloud-init."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab import Lab

from .conftest import LONG, Client, Wait

VM = "/nodes/pve1/qemu/100"
IMAGE = "local:0,import-from=local:import/debian-12-generic-amd64.qcow2"
INTERFACES = f"{VM}/agent/network-get-interfaces"


def addresses(entries: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {
        entry["name"]: [f"{a['ip-address']}/{a['prefix']}" for a in entry["ip-addresses"]]
        for entry in entries
        if entry["name"] != "lo"
    }


def test_why_an_agent_does_not_answer(root: Client) -> None:
    root.create_vm(100, scsi0=IMAGE)
    assert root.refusal("GET", INTERFACES) == "No QEMU guest agent configured"
    root.data("PUT", f"{VM}/config", agent=1)
    assert root.refusal("GET", INTERFACES) == "VM 100 is not running"
    root.data("PUT", f"{VM}/config", agent=0)
    root.power("qemu/100", "start")
    assert root.refusal("GET", INTERFACES) == "QEMU guest agent is not running"


def test_a_paused_machine_does_not_answer(root: Client) -> None:
    root.create_vm(100, scsi0=IMAGE, agent=1)
    root.power("qemu/100", "start")
    assert root.data("POST", f"{VM}/agent/ping") == {"result": {}}
    root.power("qemu/100", "suspend")
    assert root.refusal("POST", f"{VM}/agent/ping") == "QEMU guest agent is not running"


def test_a_machine_without_an_operating_system_has_none(root: Client) -> None:
    root.create_vm(100, agent=1)
    root.power("qemu/100", "start")
    assert root.refusal("POST", f"{VM}/agent/ping") == "QEMU guest agent is not running"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("ip=192.0.2.5/24,gw=192.0.2.1,ip6=2001:db8::5/64", ["192.0.2.5/24", "2001:db8::5/64"]),
        ("ip=dhcp", ["198.18.1.144/15"]),
        ("ip6=auto", ["2001:db8::190/64"]),
    ],
)
def test_the_addresses_are_those_of_cloud_init(root: Client, asked: str, found: list[str]) -> None:
    root.create_vm(100, scsi0=IMAGE, agent=1, ide2="local:cloudinit", ipconfig0=asked)
    root.power("qemu/100", "start")
    assert addresses(root.data("GET", INTERFACES)["result"]) == {"eth0": found}


def test_the_guest_boots_first(wait: Wait) -> None:
    with Lab({"agent_seconds": LONG}) as lab:
        root = Client(lab)
        root.create_vm(100, scsi0=IMAGE, agent=1)
        root.create(101)
        for guest in ("qemu/100", "lxc/101"):
            root.power(guest, "start")
        assert root.refusal("GET", INTERFACES) == "QEMU guest agent is not running"
        assert addresses(root.data("GET", "/nodes/pve1/lxc/101/interfaces")) == {"eth0": []}
        wait(LONG)
        assert root.data("GET", f"{VM}/agent/get-host-name") == {"result": {"host-name": "vm100"}}
        assert addresses(root.data("GET", "/nodes/pve1/lxc/101/interfaces")) == {"eth0": ["198.18.1.148/15"]}


def test_a_seed_says_the_addresses() -> None:
    eth = {"ens18": ["192.0.2.9/24", "192.0.2.10/24"]}
    guest = {"kind": "qemu", "running": True, "addresses": eth, "config": {"agent": "1", "name": "seeded"}}
    with Lab({"guests": {100: guest}}) as lab:
        assert addresses(Client(lab).data("GET", INTERFACES)["result"]) == eth


def test_copies_have_an_agent_too(root: Client) -> None:
    root.create_vm(100, scsi0=f"{IMAGE},format=qcow2", agent=1, ide2="local:cloudinit")
    assert root.task("POST", f"{VM}/clone", newid=101) == "OK"
    root.data("POST", "/nodes/pve1/vzdump", vmid=100, storage="local")
    archive = root.volids("local", content="backup")[0]
    assert root.task("POST", "/nodes/pve1/qemu", vmid=102, archive=archive, storage="local-zfs", unique=1) == "OK"
    assert root.config("qemu/102")["scsi0"] == "local-zfs:vm-102-disk-0,size=3G"
    assert root.config("qemu/102")["ide2"] == "local-zfs:vm-102-cloudinit,media=cdrom"
    for vmid in (101, 102):
        root.power(f"qemu/{vmid}", "start")
        assert root.data("POST", f"/nodes/pve1/qemu/{vmid}/agent/ping") == {"result": {}}


def test_commands_and_files(lab: Lab, root: Client) -> None:
    root.create_vm(100, scsi0=IMAGE, agent=1)
    root.power("qemu/100", "start")
    pid = root.data("POST", f"{VM}/agent/exec", command=["sh", "-c", "exit 3"])["pid"]
    assert root.data("GET", f"{VM}/agent/exec-status", pid=pid) == {"exited": 1, "exitcode": 3}
    assert lab.state.commands[-1]["command"] == ["sh", "-c", "exit 3"]
    root.data("POST", f"{VM}/agent/file-write", file="/etc/motd", content="hello")
    assert root.data("GET", f"{VM}/agent/file-read", file="/etc/motd") == {"content": "hello", "bytes-read": 5}
    assert root.refusal("GET", f"{VM}/agent/file-read", file="/no").startswith("Agent error: failed to open file")
    root.data("POST", f"{VM}/agent/fsfreeze-freeze")
    assert root.data("POST", f"{VM}/agent/fsfreeze-status") == {"result": "frozen"}


# cloud-init


def test_what_is_not_on_the_drive_yet(root: Client) -> None:
    root.create_vm(100, scsi0=IMAGE, ide2="local:cloudinit", ciuser="a", nameserver="192.0.2.1", cipassword="secret")
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/config", ciuser="b", searchdomain="x.test", delete="nameserver")
    assert root.config("qemu/100")["ciuser"] == "b"
    found = {entry.pop("key"): entry for entry in root.data("GET", f"{VM}/cloudinit")}
    assert found == {
        "ciuser": {"value": "a", "pending": "b"},
        "cipassword": {"value": "**********"},
        "searchdomain": {"pending": "x.test"},
        "nameserver": {"delete": 1},
    }
    root.data("PUT", f"{VM}/cloudinit")
    found = {entry.pop("key"): entry for entry in root.data("GET", f"{VM}/cloudinit")}
    assert found == {
        "ciuser": {"value": "b"},
        "cipassword": {"value": "**********"},
        "searchdomain": {"value": "x.test"},
    }


def test_a_start_writes_the_drive(root: Client) -> None:
    root.create_vm(100, scsi0=IMAGE, ide2="local:cloudinit", ciuser="a")
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/config", ciuser="b")
    root.power("qemu/100", "reboot")
    assert {"key": "ciuser", "value": "b"} in root.data("GET", f"{VM}/cloudinit")


def test_what_the_guest_will_read(root: Client) -> None:
    root.create_vm(100, scsi0=IMAGE, ide2="local:cloudinit", ciuser="a", ipconfig0="ip=192.0.2.5/24,gw=192.0.2.1")
    assert "user: a" in root.data("GET", f"{VM}/cloudinit/dump", type="user")
    assert "address: 192.0.2.5/24" in root.data("GET", f"{VM}/cloudinit/dump", type="network")
