# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a guest comes to be: the id, the node, the rights, the one call that makes it, and two who make it at once."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _engine
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError, Taken
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import twins

from tests.contract.harness import Elsewhere
from tests.unit.engine.births import IMAGE, NET, SYMBOL, TEMPLATE, Births, data, reasons, steps
from tests.unit.engine.fakes import Cluster

DISK: list[dict[str, Any]] = [{"slot": "scsi0", "storage": "btr", "size": "4G"}]
ROOTFS: dict[str, Any] = {"storage": "local-zfs", "size": "2G"}
CONTAINER: dict[str, Any] = {"name": "new", "node": "pve1", "source": {"template": TEMPLATE}, "rootfs": ROOTFS}
MACHINE: dict[str, Any] = {"name": "new", "node": "pve1", "disks": DISK}


# -- one call ------------------------------------------------------------------------------------------------------


def test_a_machine_from_nothing_is_one_call(births: Births) -> None:
    task: dict[str, Any] = {
        **MACHINE,
        "vmid": 300,
        "bios": "ovmf",
        "cores": 2,
        "cpu": {"cputype": "host", "flags": ["+aes"]},
        "memory": 2048,
        "net": [{"slot": "net0", "bridge": "vmbr0", "tag": 5}],
        "efidisk": {"storage": "btr", "efitype": "4m", "pre_enrolled_keys": True},
        "tpmstate": {"storage": "btr", "version": "v2.0"},
        "cloud_init": {"storage": "btr", "user": "ops", "ip": [{"slot": "ipconfig0", "ip": "dhcp"}]},
        "tags": ["web"],
    }
    result = births.done("vm", **task)
    assert steps(result) == ["create"]
    assert data(result) == {
        "vmid": 300,
        "name": "new",
        "bios": "ovmf",
        "cores": 2,
        "cpu": "host,flags=+aes",
        "memory": "2048",
        "net0": "virtio,bridge=vmbr0,tag=5",
        "scsi0": "btr:4",
        "efidisk0": "btr:1,efitype=4m,pre-enrolled-keys=1",
        "tpmstate0": "btr:1,version=v2.0",
        "ide2": "btr:cloudinit,media=cdrom",
        "ciuser": "ops",
        "ipconfig0": "ip=dhcp",
        "tags": "web",
    }
    assert births.again("vm", **task) == []


def test_a_container_from_a_template_is_one_call(births: Births) -> None:
    task: dict[str, Any] = {**CONTAINER, "vmid": 300, "net": NET, "features": {"nesting": True}, "password": "geheim-7"}
    result = births.done("lxc", **task)
    assert steps(result) == ["create"]
    assert data(result) == {
        "vmid": 300,
        "hostname": "new",
        "ostemplate": TEMPLATE,
        "rootfs": "local-zfs:2",
        "net0": "bridge=vmbr0,name=eth0",
        "features": "nesting=1",
        "password": "********",
    }
    assert births.again("lxc", **task) == []


def test_make_configure_and_start_are_one_task(births: Births) -> None:
    result = births.done("vm", **MACHINE, state="started")
    assert steps(result) == ["create", "start"]
    assert births.state.guests[result["vmid"]].running


def test_the_plan_shows_what_only_the_server_knows_as_such(births: Births) -> None:
    after = births.done("vm", **MACHINE, vmid=300, net=NET, check=True)["plan"]["after"]
    assert after["scsi0"] == f"btr:{SYMBOL.format('scsi0', 'qemu/300')},size=4G"
    assert after["net0"] == f"virtio={SYMBOL.format('MAC of net0', 'qemu/300')},bridge=vmbr0"


def test_the_result_is_what_was_made(births: Births) -> None:
    result = births.done("vm", **MACHINE, vmid=300)
    assert (result["vmid"], result["node"]) == (300, "pve1")
    assert result["config"]["scsi0"].startswith("btr:300/vm-300-disk-0.raw")


def test_later_tasks_of_a_check_run_see_it(births: Births) -> None:
    births.seed(pools={"dev": {}})
    run = births.site.run(check=True)
    run.done("vm", {**MACHINE, "pool": "dev", "cores": 2})
    assert run.done("vm", {**MACHINE, "pool": "dev", "cores": 2})["plan"]["steps"] == []
    assert steps(run.done("vm", {"name": "new", "state": "started"})) == ["start"]
    assert births.named("new") == []


def test_a_birth_is_taken_back_by_destroying(births: Births) -> None:
    result = births.done("lxc", **CONTAINER, vmid=300, check=True)
    (undo,) = result["plan"]["undo"]["steps"]
    assert undo["op"] == "destroy"
    assert undo["of"] == list(range(len(result["plan"]["steps"])))
    assert undo["born"]["name"] == result["plan"]["after"]["hostname"]
    assert result["plan"]["blast_radius"]["storages"] == ["local-zfs"]
    assert "takes up to 2G on local-zfs" in reasons(result)
    assert result["plan"]["risk"]["level"] == "low"


def test_an_image_of_a_registry_gets_its_entry_point_and_environment(births: Births) -> None:
    pulled = "local:vztmpl/nginx_1.29.tar"
    births.seed(volumes={pulled: {"content": "vztmpl", "format": "tar", "size": 1000}})
    more: dict[str, Any] = {
        "source": {"template": pulled},
        "entrypoint": "/sbin/nginx",
        "env": {"MODE": "web", "A": "b"},
    }
    result = births.done("lxc", **{**CONTAINER, **more})
    assert data(result)["ostemplate"] == pulled
    assert data(result)["entrypoint"] == "/sbin/nginx"
    assert sorted(data(result)["env"].split("\0")) == ["A=b", "MODE=web"]


# -- what peers get wrong ------------------------------------------------------------------------------------------


def test_cores_of_a_container_are_cores_and_never_cpuunits(births: Births) -> None:
    vmid = births.done("lxc", **CONTAINER, cores=2)["vmid"]
    assert births.config(vmid)["cores"] == 2
    assert {"cpuunits", "cpulimit"}.isdisjoint(births.config(vmid))
    copy = births.done("lxc", name="copy", source={"clone": {"vmid": vmid}}, cores=3)["vmid"]
    assert births.config(copy)["cores"] == 3
    assert {"cpuunits", "cpulimit"}.isdisjoint(births.config(copy))


def test_no_storage_is_touched_that_the_task_does_not_name(births: Births) -> None:
    """A default such as `local` makes the server ask for rights on a storage that nobody wanted."""
    tasks: list[tuple[str, dict[str, Any]]] = [("vm", MACHINE), ("lxc", {**CONTAINER, "name": "box2"})]
    for module, task in tasks:
        result = births.done(module, **task)
        assert "storage" not in data(result)
        asked = {row["path"] for row in result["plan"]["privileges"] if row["any_of"][0] == "Datastore.AllocateSpace"}
        assert asked == {"/storage/btr" if module == "vm" else "/storage/local-zfs"}


# -- where it goes -------------------------------------------------------------------------------------------------


def test_a_node_must_be_said_where_there_are_several(births: Births) -> None:
    said = births.refused("vm", name="new", disks=DISK)
    assert "node is not given and the cluster has 3 online nodes: pve1, pve2, pve3" in said


def test_the_only_online_node_is_taken(births: Births) -> None:
    births.lab.fault(node_offline="pve2")
    births.lab.fault(node_offline="pve3")
    births.state.quorate = True
    assert births.done("vm", vmid=300, disks=DISK, check=True)["node"] == "pve1"


def test_the_only_node_that_sees_the_source_is_taken(births: Births) -> None:
    source = {"template": "onlyhere:vztmpl/alpine.tar.gz"}
    assert births.done("lxc", vmid=300, source=source, rootfs=ROOTFS, check=True)["node"] == "pve2"


def test_several_nodes_that_see_the_source_are_named(births: Births) -> None:
    said = births.refused("vm", vmid=300, source={"image": {"volid": IMAGE, "storage": "local"}})
    assert "storage 'local' is on 3 online nodes: pve1, pve2, pve3" in said


def test_a_node_that_is_not_online_is_refused(births: Births) -> None:
    births.lab.fault(node_offline="pve2")
    for node in ("pve2", "pve9"):
        said = births.refused("vm", name="new", node=node, disks=DISK)
        assert f"'{node}' is not an online node of this cluster; online: pve1, pve3" in said


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the others do, they do from another controller."""
    monkeypatch.setattr(_engine, "Turn", Elsewhere)


# -- ids and names -------------------------------------------------------------------------------------------------


def test_an_id_that_somebody_takes_in_between_is_given_up_for_the_next(births: Births, elsewhere: None) -> None:
    ours = births.planned("vm", **MACHINE)
    chosen = ours.plan.result["vmid"]
    births.done("vm", name="faster", node="pve1", vmid=chosen)
    ours.carry_out()
    assert ours.plan.result["vmid"] == chosen + 1
    assert births.named("faster") == [chosen]
    assert births.named("new") == [chosen + 1]
    assert any(str(chosen) in warning for warning in ours.plan.warnings)


def test_an_id_that_a_task_of_this_machine_takes_is_given_up_as_well(births: Births) -> None:
    ours = births.planned("vm", **MACHINE)
    chosen = ours.plan.result["vmid"]
    births.done("vm", name="faster", node="pve1", vmid=chosen)
    ours.carry_out()
    assert births.named("new") == [chosen + 1]
    assert any(str(chosen) in warning for warning in ours.plan.warnings)


def test_an_id_that_the_task_names_is_not_changed_for_another(births: Births, elsewhere: None) -> None:
    ours = births.planned("vm", **MACHINE, vmid=300)
    births.done("vm", name="faster", node="pve1", vmid=300)
    with pytest.raises(Taken):
        ours.carry_out()
    assert births.named("new") == []


def test_two_who_make_the_same_name_at_once_are_told(births: Births) -> None:
    ours = births.planned("vm", **MACHINE)
    births.done("vm", **MACHINE, vmid=400)
    with pytest.raises(StewardError) as told:
        ours.carry_out()
    mine = ours.plan.result["vmid"]
    assert f"qemu/{mine} was made on pve1" in str(told.value)
    assert "qemu/400 on pve1 has the same name 'new'" in str(told.value)
    assert "Nothing was removed" in str(told.value)
    assert "state: absent" in str(told.value)
    assert births.named("new") == [400, mine]


def test_the_same_name_twice_at_once_gives_one_guest_where_the_id_was_the_same(births: Births, elsewhere: None) -> None:
    first, second = births.planned("vm", **MACHINE), births.planned("vm", **MACHINE)
    first.carry_out()
    with pytest.raises(Taken):
        second.carry_out()
    assert births.named("new") == [first.plan.result["vmid"]]


def test_twins_are_looked_for_on_the_nodes_themselves() -> None:
    reader = Cluster(
        {
            "/nodes": [{"node": name, "status": "online"} for name in ("pve1", "pve2")]
            + [{"node": "pve3", "status": "offline"}],
            "/nodes/pve1/qemu": [{"vmid": "100", "name": "web"}, {"vmid": 101, "name": "db"}],
            "/nodes/pve2/qemu": [{"vmid": 102, "name": "web"}],
        }
    )
    assert twins(reader, "qemu", "web", 100) == ["qemu/102 on pve2"]
    assert twins(reader, "qemu", "db", 101) == []


# -- rights --------------------------------------------------------------------------------------------------------


def test_the_rights_on_a_pool_are_enough(births: Births) -> None:
    config = [f"VM.Config.{area}" for area in ("CPU", "Disk", "Network", "Options")]
    births.seed(
        pools={"dev": {}},
        roles={
            "Makers": ["Pool.Allocate", "VM.Allocate", "VM.Audit", "VM.PowerMgmt", *config],
            "Space": ["Datastore.AllocateSpace"],
        },
        acl={"/pool/dev": {"auditor@pve": "Makers"}, "/storage/local-zfs": {"auditor@pve": "Space"}},
    )
    result = births.done("lxc", "auditor", **CONTAINER, vmid=300, pool="dev", cores=2, state="started")
    assert births.state.guests[300].running
    allocates = {"path": "/vms/300", "any_of": ["VM.Allocate"], "held": True, "or_path": "/pool/dev"}
    assert allocates in result["plan"]["privileges"]


def test_missing_rights_are_named_before_anything_is_sent(births: Births) -> None:
    said = births.task("vm", "nothing", **MACHINE, vmid=300)
    assert births.site.writes == []
    assert "VM.Allocate on /vms/300" in said["msg"]
    assert "Datastore.AllocateSpace on /storage/btr" in said["msg"]


def test_what_only_root_may_set_is_refused_in_the_plan(births: Births) -> None:
    assert "setting args" in births.refused("vm", **MACHINE, config={"args": "-cpu host"})
    assert "mp0" in births.refused("lxc", **CONTAINER, mounts=[{"slot": "mp0", "mp": "/x", "volume": "/srv"}])
    assert "feature flags" in births.refused("lxc", **CONTAINER, features={"keyctl": True})


def test_limits_hold_at_birth(births: Births) -> None:
    assert "4" in births.refused("vm", **MACHINE, cores=4, limits={"max_cpu": 2})
    assert steps(births.done("vm", **MACHINE, cores=2, limits={"max_cpu": 2}, check=True)) == ["create"]


def test_without_quorum_nothing_is_tried(births: Births) -> None:
    births.lab.fault(no_quorum=True)
    assert "no quorum" in births.refused("vm", **MACHINE, vmid=300)


# -- what is said clearly ------------------------------------------------------------------------------------------


def test_a_container_needs_a_source(births: Births) -> None:
    said = births.refused("lxc", vmid=300, node="pve1", rootfs=ROOTFS)
    assert "source says nothing to make it from" in said


def test_a_missing_pool_names_those_that_are_there(births: Births) -> None:
    births.seed(pools={"dev": {}})
    assert "pool: 'nope' does not exist; there: dev" in births.refused("vm", **MACHINE, pool="nope")


def test_a_missing_template_names_those_that_are_there(births: Births) -> None:
    said = births.refused("lxc", **{**CONTAINER, "source": {"template": "local:vztmpl/nope.tar.gz"}})
    assert TEMPLATE in said


def test_a_container_needs_a_storage_for_its_root(births: Births) -> None:
    assert "rootfs.storage" in births.refused("lxc", **{**CONTAINER, "rootfs": None})


def test_a_storage_that_cannot_hold_the_volume_names_those_that_can(births: Births) -> None:
    said = births.refused("lxc", **{**CONTAINER, "rootfs": {"storage": "scratch"}})
    assert "rootfs.storage" in said
    assert "local-zfs" in said


def test_cloud_init_without_a_drive_is_said(births: Births) -> None:
    result = births.done("vm", **MACHINE, cloud_init={"user": "ops"})
    assert "no cloud-init drive" in result["warnings"][0]
    with_drive = births.done("vm", name="other", node="pve1", cloud_init={"user": "ops", "storage": "local"})
    assert "warnings" not in with_drive


def test_a_password_is_seen_nowhere(births: Births) -> None:
    result = births.done("vm", **MACHINE, cloud_init={"password": "geheim-7", "storage": "local"})
    assert data(result)["cipassword"] == "********"
    assert "geheim-7" not in str(result)


def test_a_password_that_a_copy_would_not_get_is_said(births: Births) -> None:
    result = births.done("lxc", name="copy", source={"clone": {"vmid": 160}}, password="geheim-7")
    assert "password: only a container that is made from a template" in result["warnings"][0]
