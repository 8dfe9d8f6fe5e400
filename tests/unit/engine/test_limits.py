# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits: what is there already is not held against a task, and what is not known is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _policy as policies
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest import effects
from ansible_collections.steward.proxmox.plugins.module_utils._guest.draft import Draft
from ansible_collections.steward.proxmox.plugins.module_utils._guest.limits import check_limits
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES
from ansible_collections.steward.proxmox.plugins.module_utils._policy import POLICY, Policy

from tests.unit.engine.fakes import Cluster, Memory, World, world_of

LIST = "/cluster/resources?type=vm"
NODES = [{"node": "pve1", "status": "online", "maxcpu": 8}]
VM = {"cores": 2, "memory": "2048", "scsi0": "local:100/vm-100-disk-0.qcow2,size=8G"}
CT = {"cores": 2, "memory": 2048, "rootfs": "zfs:subvol-100-disk-0,size=8G"}
CONFIG: dict[str, dict[str, Any]] = {"qemu": VM, "lxc": CT}
DISK = {"qemu": "scsi0", "lxc": "rootfs"}
KINDS = ("qemu", "lxc")


def others(count: int) -> list[dict[str, Any]]:
    return [{"type": "qemu", "vmid": 200 + number, "node": "pve1"} for number in range(count)]


def policy(**limits: int) -> dict[str, Any]:
    """What the front door hands over where the controller says these limits."""
    return {POLICY: Policy.of({"limits": limits}, lambda key: f"{key} of the controller").export()}


def check(
    options: Mapping[str, Any],
    kind: str,
    target: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    world: World | None = None,
) -> None:
    world = world or world_of({LIST: others(3), "/nodes": NODES}, is_root=True)
    check_limits(options, world, Draft(Guest(kind, 100, "pve1")), TABLES[kind], target, before)


# -- which limits hold ------------------------------------------------------------------------------------------------


def test_without_any_limit_nothing_is_limited_and_nothing_is_read() -> None:
    """A collection must not surprise a cluster of 300 guests."""
    cluster = Cluster({})
    world = World(cluster.get, Memory(), False)
    huge = {"sockets": 8, "cores": 64, "memory": "4194304", "scsi0": "local:900000"}
    check({}, "qemu", huge, world=world)
    check(policy(), "qemu", huge, world=world)
    assert cluster.asked == []


# -- what counts ------------------------------------------------------------------------------------------------------

OVER: list[tuple[str, str, dict[str, Any], str]] = [
    ("qemu", "max_cpu", {"cores": 3, "sockets": 3}, "number of cores would be 9, and the limit is 8"),
    ("lxc", "max_cpu", {"cores": 9}, "number of cores would be 9, and the limit is 8"),
    ("qemu", "max_ram_mb", {"memory": "4097"}, "memory in MiB would be 4097, and the limit is 4096"),
    ("qemu", "max_ram_mb", {"memory": "current=4097"}, "memory in MiB would be 4097"),
    ("lxc", "max_ram_mb", {"memory": 4097}, "memory in MiB would be 4097"),
    ("qemu", "max_disk_gb", {"scsi1": "local:100/vm-100-disk-1.qcow2,size=13G"}, "disk space in GiB would be 21"),
    ("qemu", "max_disk_gb", {"virtio3": "local:12.5"}, "disk space in GiB would be 20.5"),
    ("qemu", "max_disk_gb", {"efidisk0": "local:13"}, "disk space in GiB would be 21"),
    ("qemu", "max_disk_gb", {"tpmstate0": "local:100/vm-100-disk-2.raw,size=13G"}, "disk space in GiB would be 21"),
    ("lxc", "max_disk_gb", {"mp7": "zfs:subvol-100-disk-1,mp=/srv,size=13G"}, "disk space in GiB would be 21"),
]
SMALL = {"max_cpu": 8, "max_ram_mb": 4096, "max_disk_gb": 20}


@pytest.mark.parametrize(("kind", "limit", "more", "said"), OVER)
def test_a_new_guest_beyond_a_limit_is_refused(kind: str, limit: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as refusal:
        check({"limits": {limit: SMALL[limit]}}, kind, {**CONFIG[kind], **more})
    assert f"(limits.{limit})" in str(refusal.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_guest_at_its_limits_passes(kind: str) -> None:
    check({"limits": {"max_cpu": 2, "max_ram_mb": 2048, "max_disk_gb": 8, "max_vms": 4}}, kind, CONFIG[kind])


def test_what_takes_no_disk_space_does_not_count() -> None:
    more = {
        "ide2": "local:iso/huge.iso,media=cdrom,size=900G",
        "ide0": "local:100/vm-100-cloudinit.qcow2,media=cdrom",
        "ide1": "local:cloudinit",
        "sata0": "none,media=cdrom",
        "unused0": "local:100/vm-100-disk-9.qcow2",
    }
    check({"limits": {"max_disk_gb": 8}}, "qemu", {**VM, **more})
    check({"limits": {"max_disk_gb": 8}}, "lxc", {**CT, "mp0": "/srv/big,mp=/srv"})


@pytest.mark.parametrize(("kind", "most"), [("qemu", 511), ("lxc", 511)])
def test_memory_that_is_not_said_is_what_the_server_takes(kind: str, most: int) -> None:
    with pytest.raises(Refused, match="would be 512"):
        check({"limits": {"max_ram_mb": most}}, kind, {})


def test_a_container_without_cores_has_those_of_its_node() -> None:
    rest = {key: value for key, value in CT.items() if key != "cores"}
    with pytest.raises(Refused, match="number of cores would be 8, and the limit is 4"):
        check({"limits": {"max_cpu": 4}}, "lxc", rest)
    check({"limits": {"max_cpu": 8}}, "lxc", rest)
    blind = world_of({LIST: [], "/nodes": [{"node": "pve1", "status": "online"}]})
    with pytest.raises(Refused, match=r"number of cores cannot be known.*Say it in the task"):
        check({"limits": {"max_cpu": 400}}, "lxc", rest, world=blind)


def test_a_volume_of_unknown_size_is_not_taken_for_nothing() -> None:
    imported = {**VM, "scsi1": "local:0,import-from=local:import/debian.qcow2"}
    with pytest.raises(Refused, match=r"cannot be known \(the size of scsi1\).*limited to 500"):
        check({"limits": {"max_disk_gb": 500}}, "qemu", imported)
    check({"limits": {"max_disk_gb": 500}}, "qemu", {**imported, "cores": 4}, before=imported)


# -- updates ----------------------------------------------------------------------------------------------------------

LARGE: dict[str, dict[str, Any]] = {
    "qemu": {"cores": 32, "memory": "65536", "scsi0": "local:100/vm-100-disk-0.qcow2,size=900G"},
    "lxc": {"cores": 32, "memory": 65536, "rootfs": "zfs:subvol-100-disk-0,size=900G"},
}
GUARDED = {POLICY: Policy.of(policies.GUARDED, lambda _key: "guarded").export()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_guest_may_be_changed_elsewhere(kind: str) -> None:
    check(GUARDED, kind, {**LARGE[kind], "description": "now said"}, before=LARGE[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [{"cores": 24}, {"memory": 40000}])
def test_a_large_guest_may_become_smaller_without_being_small(kind: str, change: dict[str, Any]) -> None:
    check(GUARDED, kind, {**LARGE[kind], **change}, before=LARGE[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [{"cores": 33}, {"memory": 65537}, {"disk": "901G"}])
def test_a_large_guest_does_not_grow(kind: str, change: dict[str, Any]) -> None:
    slot = DISK[kind]
    grown = {slot: LARGE[kind][slot].replace("900G", change["disk"])} if "disk" in change else change
    with pytest.raises(Refused, match=r"\(guarded\)"):
        check(GUARDED, kind, {**LARGE[kind], **grown}, before=LARGE[kind])


def test_an_update_asks_for_no_count() -> None:
    cluster = Cluster({})
    check(policy(max_vms=1), "qemu", VM, before=VM, world=World(cluster.get, Memory(), False))
    assert cluster.asked == []


# -- how many ---------------------------------------------------------------------------------------------------------


def counting(rows: list[dict[str, Any]], permissions: Any = None, check: bool = False, **more: Any) -> World:
    answers = {LIST: rows, "/access/permissions": permissions or {"/": {"VM.Audit": 1}}}
    return world_of(answers, check=check, **more)


def test_the_last_guest_that_fits_and_the_first_that_does_not() -> None:
    check(policy(max_vms=5), "qemu", VM, world=counting(others(4)))
    with pytest.raises(Refused, match=r"qemu/100 would be guest number 6, and the limit is 5 \(limits.max_vms of"):
        check(policy(max_vms=5), "qemu", VM, world=counting(others(5)))


def test_a_guest_that_is_restored_over_itself_counts_once() -> None:
    own = {"type": "qemu", "vmid": 100, "node": "pve1"}
    check(policy(max_vms=5), "qemu", VM, world=counting([*others(4), own]))


def test_guests_that_exist_only_in_the_plan_count() -> None:
    memory = Memory()
    for effect in effects.born("lxc", "pve1", 300, "planned", {}):
        memory.effects.setdefault(effect.at, []).append(effect)
    world = counting(others(4), check=True, memory=memory)
    with pytest.raises(Refused, match="would be guest number 6"):
        check(policy(max_vms=5), "qemu", VM, world=world)


@pytest.mark.parametrize(
    "permissions",
    [
        {"/vms/200": {"VM.Audit": 1}},
        {"/vms": {"VM.Audit": 0}},
        {"/": {"VM.Audit": 1}, "/vms/204": {"VM.PowerMgmt": 1}},
    ],
)
def test_a_partial_view_of_the_cluster_is_unknown_and_refused(permissions: Any) -> None:
    with pytest.raises(Refused, match=r"how many guests there are is not known.*bob@pve!ci.*Grant VM.Audit on /vms"):
        check(GUARDED, "qemu", VM, world=counting(others(1), permissions))


def test_without_a_limit_on_the_number_a_partial_view_is_enough() -> None:
    check(policy(max_cpu=4), "qemu", VM, world=counting([], {"/vms/200": {"VM.Audit": 1}}))
