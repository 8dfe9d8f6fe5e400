# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power of guests: pause, hibernation, clean shutdowns that are not heard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import Lab

from .conftest import LONG, Client

VM = "/nodes/pve1/qemu/100"
DEAF = {
    "guests": {
        200: {"kind": "qemu", "deaf": True, "running": True, "config": {"name": "deaf"}},
        201: {"kind": "lxc", "deaf": True, "running": True, "config": {"hostname": "deaf"}},
    }
}


@pytest.fixture
def deaf() -> Iterator[Client]:
    with Lab(DEAF) as lab:
        yield Client(lab)


def test_paused_and_resumed(root: Client) -> None:
    root.create_vm(100)
    assert root.power("qemu/100", "start") == "OK"
    assert root.power("qemu/100", "suspend") == "OK"
    assert (root.status("qemu/100")["status"], root.status("qemu/100")["qmpstatus"]) == ("running", "paused")
    assert root.power("qemu/100", "reset") == "OK"
    assert root.status("qemu/100")["qmpstatus"] == "paused"
    assert root.power("qemu/100", "start") == "VM 100 already running"
    for verb in ("shutdown", "reboot"):
        assert root.refusal("POST", f"{VM}/status/{verb}") == "VM is paused - cannot shutdown"
    assert root.power("qemu/100", "resume") == "OK"
    assert root.status("qemu/100")["qmpstatus"] == "running"
    root.power("qemu/100", "suspend")
    assert root.power("qemu/100", "shutdown", forceStop=1) == "OK"
    assert root.status("qemu/100")["status"] == "stopped"


@pytest.mark.parametrize("verb", ["start", "resume"])
def test_hibernated(root: Client, verb: str) -> None:
    root.create_vm(100, memory=1024)
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/config", memory=2048)
    assert root.power("qemu/100", "suspend", todisk=1) == "OK"
    config = root.config("qemu/100")
    assert config["lock"] == "suspended"
    assert config["vmstate"].startswith("local-zfs:vm-100-state-suspend-")
    assert {"runningmachine", "runningcpu"} <= config.keys()
    status = root.status("qemu/100")
    assert (status["status"], status["lock"]) == ("stopped", "suspended")
    assert root.refusal("PUT", f"{VM}/config", cores=2) == "VM is locked (suspended)"
    assert root.power("qemu/100", verb) == "OK"
    assert not {"lock", "vmstate", "runningmachine"} & root.config("qemu/100").keys()
    assert root.status("qemu/100")["status"] == "running"
    assert root.volids("local-zfs") == ["local-zfs:vm-100-disk-0"]


def test_a_saved_memory_can_be_thrown_away(root: Client) -> None:
    root.create_vm(100)
    root.power("qemu/100", "start")
    root.power("qemu/100", "suspend", todisk=1)
    root.data("PUT", f"{VM}/config", delete="vmstate")
    assert not {"lock", "vmstate", "runningcpu"} & root.config("qemu/100").keys()
    assert root.volids("local-zfs") == ["local-zfs:vm-100-disk-0"]


def test_a_saved_memory_goes_with_its_machine(root: Client) -> None:
    root.create_vm(100)
    root.power("qemu/100", "start")
    assert root.task("POST", f"{VM}/snapshot", snapname="s1", vmstate=1) == "OK"
    root.power("qemu/100", "suspend", todisk=1)
    assert len(root.volids("local-zfs")) == 3
    assert root.task("DELETE", VM) == "OK"
    assert root.volids("local-zfs") == []


def test_a_reboot_applies_what_waits(root: Client) -> None:
    root.create_vm(100, memory=1024)
    root.power("qemu/100", "start")
    root.data("PUT", f"{VM}/config", memory=2048)
    assert {"key": "memory", "value": "1024", "pending": "2048"} in root.data("GET", f"{VM}/pending")
    assert root.power("qemu/100", "reboot") == "OK"
    assert {"key": "memory", "value": "2048"} in root.data("GET", f"{VM}/pending")


@pytest.mark.parametrize(
    ("guest", "end"),
    [
        ("qemu/200", "VM quit/powerdown failed - got timeout"),
        ("lxc/201", "command 'lxc-stop -n 201 --nokill --timeout 5' failed: exit code 1"),
    ],
)
def test_who_does_not_listen_goes_down_by_force(deaf: Client, guest: str, end: str) -> None:
    assert deaf.power(guest, "shutdown", timeout=5) == end
    assert deaf.status(guest)["status"] == "running"
    assert deaf.power(guest, "reboot") != "OK"
    assert deaf.power(guest, "shutdown", timeout=5, forceStop=1) == "OK"
    assert deaf.status(guest)["status"] == "stopped"


def test_a_stop_overrules_a_shutdown() -> None:
    with Lab(DEAF, task_seconds=LONG) as lab:
        client = Client(lab)
        shutdown = client.data("POST", "/nodes/pve1/qemu/200/status/shutdown")
        client.data("POST", "/nodes/pve1/qemu/200/status/stop", **{"overrule-shutdown": 1})
        assert client.end(shutdown) == "interrupted by signal"
