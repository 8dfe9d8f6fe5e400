# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster as a whole: its resources, SDN, versions, and two that want the same number."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import Lab

from .conftest import LONG, TEMPLATE, Client, Wait

SDN = {"zones": {"z1": {"type": "simple"}}, "vnets": {"v1": {"zone": "z1"}}}


@pytest.fixture
def slow() -> Iterator[Client]:
    with Lab(task_seconds=LONG) as lab:
        yield Client(lab)


def test_resources_of_every_type() -> None:
    with Lab({"sdn": SDN, "pools": {"p": {}}}) as lab:
        root = Client(lab)
        root.create(100)
        root.create_vm(101)
        found = root.data("GET", "/cluster/resources")
    assert {entry["type"] for entry in found} == {"node", "qemu", "lxc", "storage", "pool", "network"}
    zones = [entry for entry in found if entry.get("zone-type")]
    assert [(entry["node"], entry["network"]) for entry in zones] == [(n, "z1") for n in ("pve1", "pve2", "pve3")]


def test_a_guest_on_a_vnet() -> None:
    with Lab({"sdn": SDN}) as lab:
        root, alice = Client(lab), Client(lab, "vmadmin")
        root.create_vm(100, net0="virtio,bridge=v1")
        assert root.power("qemu/100", "start") == "OK"
        assert [vnet["vnet"] for vnet in root.data("GET", "/cluster/sdn/vnets")] == ["v1"]
        refused = alice.refusal("PUT", "/nodes/pve1/qemu/100/config", net0="virtio,bridge=v1")
        assert refused == "Permission check failed (/sdn/zones/z1/v1, SDN.Use)"


def test_two_want_the_same_number(slow: Client) -> None:
    """The number is taken from the moment that the first is accepted."""
    first = slow.data("POST", "/nodes/pve1/qemu", vmid=100, name="first")
    for kind, refused in (
        ("qemu", "unable to create VM 100 - VM 100 already exists on node 'pve1'"),
        ("lxc", "VM 100 already exists on node 'pve1'"),
    ):
        more = {"ostemplate": TEMPLATE} if kind == "lxc" else {}
        assert slow.refusal("POST", f"/nodes/pve2/{kind}", vmid=100, **more) == refused
    assert slow.refusal("GET", "/cluster/nextid", vmid=100) == "{'vmid': 'VM 100 already exists'}"
    assert slow.data("GET", "/cluster/nextid") == "101"
    assert slow.end(first) == "running"


def test_a_machine_that_is_being_made_has_no_name_yet(slow: Client) -> None:
    slow.data("POST", "/nodes/pve1/qemu", vmid=100, name="first")
    assert set(slow.config("qemu/100")) == {"lock", "digest"}
    listed = slow.data("GET", "/cluster/resources", type="vm")
    assert [(entry["name"], entry["lock"]) for entry in listed] == [("VM 100", "create")]


def test_two_clones_at_once(slow: Client, wait: Wait) -> None:
    slow.data("POST", "/nodes/pve1/qemu", vmid=100, scsi0="local-zfs:1")
    wait(LONG)
    upids = [slow.data("POST", "/nodes/pve1/qemu/100/clone", newid=newid) for newid in (101, 102)]
    assert [slow.end(upid) for upid in upids] == ["running", "running"]
    refused = slow.refusal("POST", "/nodes/pve1/qemu/100/clone", newid=101)
    assert refused == "unable to create VM 101: config file already exists"


@pytest.mark.parametrize(
    ("version", "path", "options", "accepted"),
    [
        ("8.4", "/nodes/pve1/qemu", {"vmid": 100, "allow-ksm": 0}, False),
        ("9.2", "/nodes/pve1/qemu", {"vmid": 100, "allow-ksm": 0}, True),
        ("8.4", "/nodes/pve1/qemu", {"vmid": 100, "machine": "type=q35,aw-bits=39"}, False),
        ("8.4", "/nodes/pve1/lxc", {"vmid": 100, "ostemplate": TEMPLATE, "env": "A=b"}, False),
        ("9.2", "/nodes/pve1/lxc", {"vmid": 100, "ostemplate": TEMPLATE, "env": "A=b", "entrypoint": "/bin/sh"}, True),
        ("9.2", "/nodes/pve1/lxc", {"vmid": 100, "ostemplate": TEMPLATE, "dev0": "/dev/fuse,mode=0660"}, True),
    ],
)
def test_an_older_version_knows_less(version: str, path: str, options: dict[str, object], accepted: bool) -> None:
    with Lab({"version": version}) as lab:
        root = Client(lab)
        assert root.data("GET", "/version")["release"] == version
        answer = root.call("POST", path, **options)
        assert (answer.status_code == 200) is accepted
        if not accepted:
            assert "property is not defined in schema" in str(answer.json()["errors"])
            assert root.call("GET", "/cluster/ha/rules").status_code == 501


def test_what_a_node_can_do(root: Client) -> None:
    assert "x86-64-v2-AES" in {cpu["name"] for cpu in root.data("GET", "/nodes/pve1/capabilities/qemu/cpu")}
    assert "pc-q35-10.0" in {one["id"] for one in root.data("GET", "/nodes/pve1/capabilities/qemu/machines")}


def test_unreferenced_disks(root: Client) -> None:
    """They go only when that is asked for."""
    for vmid, asked, left in ((100, {}, 1), (101, {"destroy-unreferenced-disks": 1}, 1)):
        root.create_vm(vmid)
        lost = {"vmid": vmid, "filename": f"vm-{vmid}-disk-7", "size": "1G"}
        root.data("POST", "/nodes/pve1/storage/local-zfs/content", **lost)
        assert root.task("DELETE", f"/nodes/pve1/qemu/{vmid}", **asked) == "OK"
        assert len(root.volids("local-zfs")) == left
