# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving a guest to another node: what is sent, what is refused before, what later tasks see."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, BadInput, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest.draft import Draft
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest, from_rows
from ansible_collections.steward.proxmox.plugins.module_utils._guest.migrate import plan_migration
from ansible_collections.steward.proxmox.plugins.module_utils._guest.power import read_state
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan, is_symbol

from tests.unit.engine.fakes import world_of

MIGRATE = {
    "online": True,
    "restart": False,
    "with_local_disks": True,
    "storage": None,
    "bwlimit": None,
    "timeout": 0,
}
VM = Guest(
    "qemu",
    101,
    "pve1",
    {"name": "web", "scsi0": "local:101/vm-101-disk-0.qcow2,size=1G", "digest": "abc"},
)
CT = Guest("lxc", 102, "pve1", {"hostname": "ct", "rootfs": "local:102/vm-102-disk-0.raw,size=1G", "digest": "abc"})
DISK = {
    "volid": "local:101/vm-101-disk-0.qcow2",
    "drivename": "scsi0",
    "size": 1073741824,
    "is_attached": 1,
    "cdrom": 0,
    "is_cloudinit": 0,
}
#: as recorded: the target is in both lists, and nothing is wrong with it
ALLOWED = {
    "running": 0,
    "allowed_nodes": ["pve2"],
    "not_allowed_nodes": {"pve2": {}},
    "local_disks": [DISK],
    "local_resources": [],
    "mapped-resources": [],
    "mapped-resource-info": {},
}
CURRENT = [{"name": "current", "description": "You are here!"}]


def storage(name: str, shared: int = 0) -> dict[str, Any]:
    row = {"storage": name, "content": "images,rootdir", "shared": shared, "enabled": 1, "active": 1}
    return {**row, "avail": 90 << 30, "total": 100 << 30}


def answers_of(guest: Guest, answer: Any = None, **more: Any) -> dict[str, Any]:
    answer = ({**ALLOWED} if guest.kind == "qemu" else {"running": 0}) if answer is None else answer
    return {
        "/nodes": [{"node": "pve1", "status": "online"}, {"node": "pve2", "status": "online"}],
        "/cluster/status": [
            {"type": "cluster", "quorate": 1},
            {"type": "node", "name": "pve1", "online": 1},
            {"type": "node", "name": "pve2", "online": 1},
        ],
        "/cluster/ha/status/current": [],
        "/cluster/replication": [],
        "/nodes/pve1/storage": [storage("local"), storage("nas", shared=1)],
        "/nodes/pve2/storage": [storage("local"), storage("fast"), storage("nas", shared=1)],
        f"{guest.path}/migrate?target=pve2": answer,
        f"{guest.path}/status/current": {"status": "stopped", "ha": {"managed": 0}},
        f"{guest.path}/snapshot": CURRENT,
        **more,
    }


def planned(
    guest: Guest = VM,
    power: str = "stopped",
    migrate: dict[str, Any] | None = None,
    answer: Any = None,
    managed: str = "unmanaged",
    node: str = "pve2",
    **more: Any,
) -> tuple[Plan, Guest]:
    draft = Draft(guest)
    state = {"power": power, "lock": None, "ha": managed}
    options = {"migrate": {**MIGRATE, **(migrate or {})}, "shutdown_timeout": 60}
    world = world_of(answers_of(guest, answer, **more))
    moved = plan_migration(draft, world, guest, node, options, state)
    assert draft.guest is moved
    return draft.done(), moved


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(Refused) as refused:
        planned(*args, **kwargs)
    assert refused.value.hint
    return str(refused.value)


def test_without_migrate_nothing_is_moved() -> None:
    with pytest.raises(BadInput, match="is on node pve1, not on pve2") as error:
        plan_migration(Draft(VM), world_of({}), VM, "pve2", {"migrate": None}, {"power": "stopped", "ha": "unmanaged"})
    assert "migrate: {}" in error.value.hint


@pytest.mark.parametrize(
    ("guest", "power", "migrate", "data"),
    [
        (VM, "stopped", {}, {"target": "pve2"}),
        (VM, "running", {}, {"target": "pve2", "online": 1, "with-local-disks": 1}),
        (VM, "paused", {}, {"target": "pve2", "online": 1, "with-local-disks": 1}),
        (VM, "stopped", {"online": False, "bwlimit": 1024}, {"target": "pve2", "bwlimit": 1024}),
        (VM, "stopped", {"storage": "fast"}, {"target": "pve2", "targetstorage": "fast"}),
        (VM, "stopped", {"storage": {"local": "fast"}}, {"target": "pve2", "targetstorage": "local:fast"}),
        (CT, "stopped", {}, {"target": "pve2"}),
        (CT, "running", {"restart": True}, {"target": "pve2", "restart": 1, "timeout": 60}),
        (CT, "stopped", {"storage": {"local": "fast"}}, {"target": "pve2", "target-storage": "local:fast"}),
    ],
)
def test_what_is_sent(guest: Guest, power: str, migrate: dict[str, Any], data: dict[str, Any]) -> None:
    plan, moved = planned(guest, power, migrate)
    (step,) = plan.steps
    assert (step.op, step.method, step.path) == ("migrate", "POST", f"/nodes/pve1/{guest.kind}/{guest.vmid}/migrate")
    assert dict(step.data) == data
    assert moved.node == "pve2"
    assert "digest" not in (moved.config or {})
    assert (plan.before["node"], plan.after["node"]) == ("pve1", "pve2")
    assert plan.blast.nodes == {"pve1", "pve2"}
    (undo,) = plan.undo.public()["steps"]
    back = {"fast": "local"} if migrate.get("storage") else None
    assert undo | {"migrate": {}} == {
        "op": "migrate",
        "target": guest.target,
        "of": [0],
        "node": "pve1",
        "left": "pve2",
        "migrate": {},
    }
    assert undo["migrate"]["storage"] == back


def test_peer_fault_migrate_is_always_online() -> None:
    """A stopped machine is moved while it is off, and a running one that must not move live is refused."""
    assert "online" not in planned(VM, "stopped")[0].steps[0].data
    assert "migrate.online: true" in refusal(VM, "running", {"online": False})


def test_peer_fault_containers_cannot_be_migrated() -> None:
    assert planned(CT, "stopped")[0].steps[0].path == "/nodes/pve1/lxc/102/migrate"
    assert "migrate.restart: true" in refusal(CT, "running")
    plan, _moved = planned(CT, "running", {"restart": True})
    assert any("services are interrupted" in why for why in plan.blast.risk(True)["reasons"])


def test_a_target_in_both_lists_is_allowed() -> None:
    assert planned(VM, answer=ALLOWED)[0].steps


# what is needed


def test_a_storage_map_needs_space_there_and_the_disks_of_the_guest() -> None:
    needs = {(need.path, need.any_of[0]) for need in planned(VM, migrate={"storage": "fast"})[0].steps[0].needs}
    assert needs == {
        ("/vms/101", "VM.Migrate"),
        ("/vms/101", "VM.Config.Disk"),
        ("/storage/fast", "Datastore.AllocateSpace"),
    }
    assert [need.any_of for need in planned(VM)[0].steps[0].needs] == [("VM.Migrate",)]


# what is refused


def test_an_unknown_node_is_named_with_those_that_exist() -> None:
    with pytest.raises(BadInput, match="'pve9' is not a node of this cluster; it has: pve1, pve2"):
        planned(VM, node="pve9")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"/nodes": [{"node": "pve1", "status": "online"}, {"node": "pve2", "status": "offline"}]}, "pve2 is offline"),
        (
            {"/cluster/status": [{"type": "cluster", "quorate": 0}, {"type": "node", "name": "pve2", "online": 1}]},
            "no quorum",
        ),
        (
            {"/cluster/ha/status/current": [{"type": "lrm", "node": "pve2", "status": "pve2 (maintenance mode, x)"}]},
            "pve2 is in maintenance",
        ),
    ],
)
def test_a_node_that_takes_no_guest_is_refused_by_name(more: dict[str, Any], says: str) -> None:
    assert says in refusal(VM, **more)


def test_a_missing_storage_is_named_with_its_disks_and_the_option_that_helps() -> None:
    answer = {**ALLOWED, "not_allowed_nodes": {"pve2": {"unavailable_storages": ["local"]}}}
    text = refusal(VM, answer=answer)
    assert "storage local (of scsi0) is not available there" in text
    assert "migrate.storage: {local: STORAGE}" in text
    assert planned(VM, answer=answer, migrate={"storage": {"local": "fast"}})[0].steps


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"not_allowed_nodes": {"pve2": {"unavailable-resources": ["gpu"]}}}, "gpu is not mapped there"),
        (
            {"not_allowed_nodes": {"pve2": {"blocking-ha-resources": [{"sid": "vm:7", "cause": "resource-affinity"}]}}},
            "vm:7 (resource-affinity)",
        ),
        ({"local_resources": ["hostpci0", "usb1"]}, "uses devices of pve1: hostpci0, usb1"),
        (
            {"local_disks": [{"volid": "local:iso/a.iso", "drivename": "ide2", "cdrom": 1, "size": 1}]},
            "CD-ROM image of pve1 inserted: ide2 (local:iso/a.iso)",
        ),
    ],
)
def test_what_stands_in_the_way_is_named(change: dict[str, Any], says: str) -> None:
    assert says in refusal(VM, answer={**ALLOWED, **change})


def test_a_cloud_init_drive_is_no_disc_in_the_way() -> None:
    drive = {"volid": "local:101/vm-101-cloudinit.qcow2", "drivename": "ide2", "cdrom": 1, "is_cloudinit": 1, "size": 1}
    assert planned(VM, answer={**ALLOWED, "local_disks": [drive]})[0].steps


def test_a_mapped_device_keeps_a_running_machine_where_it_is() -> None:
    fixed = {**ALLOWED, "mapped-resource-info": {"hostpci0": {"name": "gpu", "live-migration": 0}}}
    assert "hostpci0, which cannot be moved while it runs" in refusal(VM, "running", answer=fixed)
    assert planned(VM, "stopped", answer=fixed)[0].steps
    mobile = {**ALLOWED, "mapped-resource-info": {"hostpci0": {"name": "gpu", "live-migration": 1}}}
    assert planned(VM, "running", answer=mobile)[0].steps


def test_local_disks_of_a_running_machine_can_be_kept_from_being_copied() -> None:
    text = refusal(VM, "running", {"with_local_disks": False})
    assert "scsi0 (local:101/vm-101-disk-0.qcow2)" in text
    plan, _moved = planned(VM, "running", {"with_local_disks": False}, answer={**ALLOWED, "local_disks": []})
    assert dict(plan.steps[0].data) == {"target": "pve2", "online": 1}


def test_local_disks_in_a_snapshot_are_not_copied_while_the_machine_runs() -> None:
    more: dict[str, Any] = {
        f"{VM.path}/snapshot": [{"name": "before"}, *CURRENT],
        f"{VM.path}/snapshot/before/config": {"scsi0": "local:101/vm-101-disk-0.qcow2,size=1G"},
    }
    assert "snapshot before holds its local scsi0" in refusal(VM, "running", **more)
    assert planned(VM, "stopped", **more)[0].steps


def test_a_hibernated_machine_stays() -> None:
    assert "hibernated" in refusal(VM, "hibernated")


def test_a_replicated_machine_moves_live_only_to_its_replica() -> None:
    elsewhere: dict[str, Any] = {"/cluster/replication": [{"id": "101-0", "guest": 101, "target": "pve3"}]}
    assert "replicated to pve3" in refusal(VM, "running", **elsewhere)
    there: dict[str, Any] = {"/cluster/replication": [{"id": "101-0", "guest": 101, "target": "pve2"}]}
    plan, _moved = planned(VM, "running", **there)
    assert "replication 101-0" in plan.blast.others
    assert any("turns round: from pve2 to pve1" in why for why in plan.blast.risk(True)["reasons"])


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"mp0": "/srv/data,mp=/data"}, "mp0 is /srv/data of pve1"),
        ({"mp0": "slow:102/vm-102-disk-1.raw,mp=/data,size=1G"}, "storage slow (of mp0) is not available there"),
    ],
)
def test_what_a_container_cannot_take_along(config: dict[str, Any], says: str) -> None:
    guest = Guest("lxc", 102, "pve1", {**(CT.config or {}), **config})
    seen: dict[str, Any] = {"/access/permissions": {"/storage": {"Datastore.Audit": 1}}}
    assert says in refusal(guest, **seen)


def test_a_path_that_every_node_has_is_no_obstacle() -> None:
    guest = Guest("lxc", 102, "pve1", {**(CT.config or {}), "mp0": "/srv/data,mp=/data,shared=1"})
    assert planned(guest)[0].steps


def test_pve_8_says_nothing_about_containers() -> None:
    unknown = ApiError("Method 'GET /nodes/pve1/lxc/102/migrate' not implemented", status=501)
    assert planned(CT, answer=unknown)[0].steps
    with pytest.raises(ApiError):
        planned(VM, answer=unknown)


@pytest.mark.parametrize("said", [3, ["fast"], {"local": 3}])
def test_a_storage_map_of_another_form_is_said(said: Any) -> None:
    with pytest.raises(BadInput, match=r"migrate\.storage"):
        planned(VM, migrate={"storage": said})


def test_a_target_storage_that_is_not_there_is_said() -> None:
    seen: dict[str, Any] = {"/access/permissions": {"/storage": {"Datastore.Audit": 1}}}
    with pytest.raises(BadInput, match=r"migrate\.storage: storage 'nope' does not exist on node pve2"):
        planned(VM, migrate={"storage": "nope"}, **seen)


# what it disturbs


def test_the_bytes_that_are_copied_are_told() -> None:
    plan, _moved = planned(VM, "running")
    reasons = plan.blast.risk(True)["reasons"]
    assert any("copies 1G of local disks to pve2" in why for why in reasons)
    assert "local" in plan.blast.storages
    assert plan.blast.risk(True)["level"] == "medium"


def test_guests_that_go_along_are_told() -> None:
    plan, _moved = planned(VM, answer={**ALLOWED, "dependent-ha-resources": ["vm:105"]})
    assert "HA resource vm:105" in plan.blast.others


# volumes


def test_volumes_keep_their_names_on_their_storage() -> None:
    assert planned(VM)[1].config == {"name": "web", "scsi0": "local:101/vm-101-disk-0.qcow2,size=1G"}


@pytest.mark.parametrize(("guest", "slot"), [(VM, "scsi0"), (CT, "rootfs")])
def test_volumes_on_another_storage_get_a_name_that_the_server_chooses(guest: Guest, slot: str) -> None:
    plan, moved = planned(guest, migrate={"storage": {"local": "fast"}})
    text = (moved.config or {})[slot]
    assert text.startswith("fast:(known after apply: ")
    assert is_symbol(text)
    assert text.endswith("size=1G")
    assert len(plan.steps[0].yields) == 1


def test_shared_volumes_stay_where_they_are() -> None:
    guest = Guest("lxc", 102, "pve1", {"hostname": "ct", "rootfs": "nas:102/vm-102-disk-0.raw,size=1G"})
    assert planned(guest, migrate={"storage": "fast"})[1].config == guest.config


# HA


def test_ha_moves_its_guests_itself() -> None:
    plan, _moved = planned(VM, "running", managed="started")
    assert plan.steps[0].until is not None
    assert planned(VM, "running")[0].steps[0].until is None


@pytest.mark.parametrize(("name", "value"), [("storage", "fast"), ("bwlimit", 1024)])
def test_ha_takes_no_wishes(name: str, value: Any) -> None:
    assert f"knows nothing of migrate.{name}" in refusal(VM, "stopped", {name: value}, managed="started")


def test_ha_that_does_not_listen_is_not_asked() -> None:
    assert "HA state error" in refusal(VM, managed="error")


# later tasks of a --check run


@pytest.mark.parametrize("guest", [VM, CT])
def test_later_tasks_find_the_guest_on_its_new_node(guest: Guest) -> None:
    before = {
        **answers_of(guest),
        f"{guest.path}/snapshot": [{"name": "before"}, *CURRENT],
        f"{guest.path}/pending": [{"key": "memory", "value": "512", "pending": "1024"}],
        "/cluster/resources?type=vm": [{"id": guest.target, "type": guest.kind, "vmid": guest.vmid, "node": "pve1"}],
    }
    waits = Guest(guest.kind, guest.vmid, "pve1", {**(guest.config or {}), "memory": "1024"}, {"memory": "512"})
    draft = Draft(waits)
    options = {"migrate": MIGRATE, "shutdown_timeout": 60}
    moved = plan_migration(draft, world_of(before), waits, "pve2", options, {"power": "stopped", "ha": "unmanaged"})
    memory = Memory()
    memory.remember(draft.done(), {}, check=True)
    later = world_of(before, memory, check=True)
    assert later.find(f"{guest.path}/pending") is None
    config, pending = from_rows(later.get(f"{moved.path}/pending"))
    assert config["memory"] == "1024"
    assert pending == {"memory": "512"}
    assert read_state(later, moved)["power"] == "stopped"
    assert [row["name"] for row in later.get(f"{moved.path}/snapshot")] == ["before", "current"]
    assert [row["node"] for row in later.get("/cluster/resources", type="vm")] == ["pve2"]
