# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo points: when a plan begins with a snapshot, what it is for, and where none is taken the plan is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work, open_writer
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lookup import Guest
from ansible_collections.steward.proxmox.plugins.module_utils._guest.snapshots import newest_only, refuse_unable
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._policy import POLICY, Policy

from tests.contract.harness import Site, planner_of, validated
from tests.unit.engine.births import GIB, Births, container, data, machine, reasons, steps
from tests.unit.engine.fakes import world_of

SEED: dict[str, Any] = {
    "storages": {"thin": {"type": "lvmthin", "vgname": "pve", "thinpool": "data", "content": "images,rootdir"}},
    "guests": {
        170: container(170, "box", "local-zfs:subvol-170-disk-0"),
        171: machine(171, "web"),
        172: container(172, "raw"),
        173: container(173, "thin", "thin:vm-173-disk-0", mp0="thin:vm-173-disk-1,mp=/srv,size=1G", description="hi")
        | {"disks": {"thin:vm-173-disk-0": GIB, "thin:vm-173-disk-1": GIB}},
        174: container(174, "bound", "thin:vm-174-disk-0", mp0="/srv/data,mp=/srv"),
    },
}
NAME = re.compile(r"before_[0-9a-f]{8}")
ALWAYS: dict[str, Any] = {"snapshot_before": "always"}
RISKY: dict[str, Any] = {"snapshot_before": "risky"}


@pytest.fixture
def lab(birth_site: Site) -> Births:
    birth_site.reset(SEED)
    return Births(birth_site)


def seeded(lab: Births, *guests: dict[int, Any], **more: Any) -> None:
    """Begin again with other guests, or with more in the cluster."""
    lab.site.reset({**SEED, **more, "guests": {**SEED["guests"], **{k: v for one in guests for k, v in one.items()}}})
    lab.state = lab.lab.state


def running(vmid: int) -> dict[int, Any]:
    return {vmid: SEED["guests"][vmid] | {"running": True}}


def grown(slot: str = "rootfs", size: str = "3G") -> dict[str, Any]:
    return {"rootfs": {"size": size}} if slot == "rootfs" else {"disks": [{"slot": slot, "size": size}]}


def size_of(lab: Births, volid: str) -> int:
    volume = lab.state.volume("pve1", volid)
    assert volume is not None
    return volume.size


def snapshots_of(lab: Births, vmid: int) -> list[str]:
    return list(lab.state.guests[vmid].snapshots)


# -- when one is taken -------------------------------------------------------------------------------------------------


def test_always_takes_one_before_any_change_and_says_what_for(lab: Births) -> None:
    result = lab.done("lxc", vmid=170, cores=2, **ALWAYS)
    name = data(result)["snapname"]
    assert steps(result) == ["snapshot", "update"]
    assert NAME.fullmatch(name)
    assert data(result)["description"] == "Taken by steward.proxmox before: update"
    assert result["plan"]["summary"].startswith("snapshot, update lxc/170 box")
    assert result["plan"]["after"][f"snapshot {name}"] == data(result)["description"]
    assert {"path": "/vms/170", "any_of": ["VM.Snapshot"], "held": True} in [
        {key: row[key] for key in ("path", "any_of", "held")} for row in result["plan"]["privileges"]
    ]
    taken = lab.state.guests[170].snapshots[name]
    assert taken["cores"] == 1
    assert lab.config(170)["cores"] == 2
    assert result["config"]["parent"] == name


def test_what_can_be_undone_without_it_is(lab: Births) -> None:
    undo = lab.done("lxc", vmid=170, cores=2, **ALWAYS)["plan"]["undo"]
    assert undo["possible"] is True
    assert [(step["op"], step["of"]) for step in undo["steps"]] == [("update", [1])]


@pytest.mark.parametrize(
    ("module", "options", "wanted"),
    [
        ("lxc", {"vmid": 170, "cores": 2}, False),  # little risk, and it goes back
        ("lxc", {"vmid": 170, **grown()}, True),  # it does not shrink again
        ("vm", {"vmid": 171, **grown("scsi0", "4G")}, True),
        ("vm", {"vmid": 171, "cores": 2}, False),
    ],
)
def test_risky_takes_one_where_something_cannot_be_undone(
    lab: Births, module: str, options: dict[str, Any], wanted: bool
) -> None:
    assert ("snapshot" in steps(lab.done(module, **options, **RISKY))) is wanted


def test_risky_takes_one_where_the_risk_is_high(lab: Births) -> None:
    seeded(lab, running(170))
    assert steps(lab.done("lxc", vmid=170, state="stopped", **RISKY)) == ["snapshot", "stop"]
    assert steps(lab.done("lxc", vmid=170, state="started", **RISKY)) == ["start"]


def test_where_nothing_changes_or_nothing_is_there_yet_none_is_taken(lab: Births) -> None:
    assert steps(lab.done("lxc", vmid=170, cores=1, **ALWAYS)) == []
    born: dict[str, Any] = {"vmid": 179, "node": "pve1", "rootfs": {"storage": "local-zfs", "size": "1G"}, "memory": 64}
    template: dict[str, Any] = {"source": {"template": "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz"}}
    assert steps(lab.done("lxc", **born, **template, **ALWAYS)) == ["create"]
    assert steps(lab.done("lxc", vmid=999, node="pve1", state="absent", **ALWAYS)) == []


def test_by_default_none_is_taken(lab: Births) -> None:
    assert steps(lab.done("lxc", vmid=170, **grown())) == ["resize"]


def test_a_policy_asks_for_it_and_no_task_loosens_it(lab: Births) -> None:
    policy = Policy.of({"snapshot_before": "risky"}, lambda key: f"{key} of /etc/steward.yml").export()
    planner = planner_of("lxc")
    assert planner is not None

    def work(**options: Any) -> Work:
        given = validated(planner, {**lab.site.connection("admin"), "vmid": 170, "snapshot_before": "never", **options})
        return Work(planner, {**given, POLICY: policy}, Memory(), True, open_writer(planner, given))

    assert [step.op for step in work(**grown()).plan.steps] == ["snapshot", "resize"]
    with pytest.raises(Refused, match=r"snapshot_before is risky .said by snapshot_before of /etc/steward\.yml"):
        work(state="absent")


# -- what it is called -------------------------------------------------------------------------------------------------


def test_the_name_is_the_plans_and_a_second_one_has_a_number(lab: Births) -> None:
    names = []
    for cores in (2, 1, 2, 1):
        names.append(data(lab.done("lxc", vmid=170, cores=cores, **ALWAYS))["snapname"])
    assert len(set(names)) == 4
    first = lab.task("lxc", check=True, vmid=170, cores=2, **ALWAYS)
    again = lab.task("lxc", check=True, vmid=170, cores=2, memory=600, **ALWAYS)
    assert data(first)["snapname"] != data(again)["snapname"]
    assert data(first)["snapname"].startswith(names[0][:15])


def test_an_id_that_the_run_chooses_is_not_part_of_the_name(lab: Births) -> None:
    """The guest is made in the same run, and another guest takes its id between the preview and the real run."""
    new = {"name": "made", "node": "pve1", "rootfs": {"storage": "local-zfs", "size": "1G"}}
    new["source"] = {"template": "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz"}

    def made(check: bool) -> tuple[int, str, str]:
        run = lab.site.run(check)
        vmid = run.done("lxc", new)["vmid"]
        grown_up = run.done("lxc", {"name": "made", "rootfs": {"size": "2G"}, **ALWAYS})
        return vmid, data(grown_up)["snapname"], grown_up["plan"]["digest"]

    foreseen = made(check=True)
    lab.site.forget()
    lab.done("lxc", vmid=foreseen[0], node="pve1", rootfs=new["rootfs"], source=new["source"])
    done = made(check=False)
    assert done[0] != foreseen[0]
    assert done[1:] == foreseen[1:]


# -- the way back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [False, True])
def test_a_growth_is_undone_by_a_rollback(lab: Births, runs: bool) -> None:
    seeded(lab, running(173) if runs else {})
    result = lab.done("lxc", vmid=173, description="later", mounts=[{"slot": "mp0", "size": "5G"}], **RISKY)
    assert steps(result) == ["snapshot", "update", "resize"]
    undo = result["plan"]["undo"]
    rollback = {"op": "rollback", "target": "lxc/173", "of": [1, 2], "snapshot": data(result)["snapname"]}
    assert undo["possible"] is True
    assert undo["steps"][0] == {**rollback, "start": runs}
    assert size_of(lab, "thin:vm-173-disk-1") == 5 * GIB

    back = undo["steps"][0]
    lab.done("snapshot", vmid=173, snapshot=back["snapshot"], state="rolled_back", start=back["start"])
    config = lab.config(173)
    assert "size=1G" in config["mp0"]
    assert config["description"] == "later", "Proxmox keeps the notes of today"
    assert size_of(lab, "thin:vm-173-disk-1") == GIB
    assert lab.state.guests[173].running is runs


def test_a_secret_comes_back_with_the_snapshot(lab: Births) -> None:
    result = lab.done("vm", vmid=171, cloud_init={"user": "me", "password": "x" * 20}, **ALWAYS)
    assert [step["op"] for step in result["plan"]["undo"]["steps"]] == ["rollback"]


def test_what_a_rollback_does_not_bring_back_keeps_its_own_way(lab: Births) -> None:
    seeded(lab, pools={"test": {}})
    undo = lab.done("lxc", vmid=173, pool="test", **grown(), **RISKY)["plan"]["undo"]
    assert [(step["op"], step["of"]) for step in undo["steps"]] == [("rollback", [2]), ("pool", [1])]


def test_the_notes_are_taken_back_beside_it(lab: Births) -> None:
    """Proxmox keeps those of today when it rolls back."""
    changes = {"description": "new", "cores": 2, **grown()}
    undo = lab.done("lxc", vmid=173, **changes, **RISKY)["plan"]["undo"]
    assert [(step["op"], step["of"]) for step in undo["steps"]] == [("rollback", [1, 2]), ("update", [1])]
    assert (undo["steps"][1]["data"], undo["steps"][1]["left"]) == ({"description": "hi\n"}, {"description": "new"})
    lab.done("lxc", vmid=173, delete=["description"], rootfs={"size": "4G"})
    undo = lab.done("lxc", vmid=173, description="x", rootfs={"size": "5G"}, **RISKY)["plan"]["undo"]
    assert (undo["steps"][1]["data"], undo["steps"][1]["delete"]) == ({}, ["description"])


def test_a_restart_stays_what_cannot_be_undone(lab: Births) -> None:
    seeded(lab, running(170))
    result = lab.done("lxc", vmid=170, state="restarted", **RISKY)
    assert steps(result) == ["snapshot", "reboot"]
    assert result["plan"]["undo"]["possible"] is False
    assert result["plan"]["undo"]["cannot"][0]["of"] == [1]


def test_a_disk_that_came_later_is_unused_after_the_rollback(lab: Births) -> None:
    """What a --check run foretells is what is there then."""
    run = lab.site.run()
    run.done("snapshot", {"vmid": 173, "snapshot": "s1"})
    run.done("lxc", {"vmid": 173, "mounts": [{"slot": "mp0", "state": "detached"}]})
    run.done("lxc", {"vmid": 173, "mounts": [{"slot": "mp1", "storage": "thin", "size": "1G", "mp": "/x"}]})
    check = lab.site.run(check=True)
    check.done("snapshot", {"vmid": 173, "snapshot": "s1", "state": "rolled_back"})
    foretold = check.task("guest_info", {"vmid": 173, "details": ["config"]})["guests"][0]["config"]
    run.done("snapshot", {"vmid": 173, "snapshot": "s1", "state": "rolled_back"})
    now = lab.config(173)
    assert now["unused1"] == foretold["unused1"] == "thin:vm-173-disk-2"
    assert now["mp0"] == foretold["mp0"]
    assert {"mp1", "unused0"}.isdisjoint([*now, *foretold])


# -- a rollback --------------------------------------------------------------------------------------------------------


def test_a_rollback_that_can_be_undone(lab: Births) -> None:
    lab.done("snapshot", vmid=173, snapshot="s1")
    lab.done("lxc", vmid=173, cores=2)
    result = lab.done("snapshot", vmid=173, snapshot="s1", state="rolled_back", **RISKY)
    name = data(result)["snapname"]
    assert steps(result) == ["snapshot", "rollback"]
    assert lab.config(173)["cores"] == 1
    assert sorted(row["name"] for row in result["snapshots"]) == sorted(["s1", name])
    undo = result["plan"]["undo"]
    assert undo["possible"] is True
    assert undo["steps"][0]["snapshot"] == name
    lab.done("snapshot", vmid=173, snapshot=name, state="rolled_back")
    assert lab.config(173)["cores"] == 2


def test_on_zfs_a_snapshot_would_be_in_the_way_of_the_rollback(lab: Births) -> None:
    lab.done("snapshot", vmid=170, snapshot="s1")
    lab.site.forget()
    why = lab.refused("snapshot", vmid=170, snapshot="s1", state="rolled_back", **RISKY)
    assert "rootfs is on storage 'local-zfs' of type zfspool, and Proxmox rolls that back to its newest snapshot" in why
    assert "steward.proxmox.backup" in why


def test_the_way_back_to_an_undo_point_asks_for_no_other_one(lab: Births) -> None:
    name = data(lab.done("lxc", vmid=170, **grown(), **RISKY))["snapname"]
    back = {"vmid": 170, "snapshot": name, "state": "rolled_back"}
    assert steps(lab.done("snapshot", check=True, **back, **RISKY)) == ["rollback"]
    lab.site.forget()
    assert "newest snapshot only" in lab.refused("snapshot", **back, **ALWAYS)


CONFIG = {"rootfs": "st:vm-1-disk-0,size=1G", "ide2": "st:iso/x.iso,media=cdrom", "unused0": "zfs:vm-1-disk-9"}
DISK = {"scsi0": "st:1/vm-1-disk-0.qcow2,size=1G", "ide2": "zfs:iso/x.iso,media=cdrom"}


@pytest.mark.parametrize(
    ("kind", "config", "row", "says"),
    [
        ("lxc", CONFIG, {"type": "lvmthin"}, ""),
        ("lxc", CONFIG, {"type": "rbd"}, ""),
        ("lxc", CONFIG, {"type": "btrfs"}, ""),
        ("qemu", DISK, {"type": "dir"}, ""),
        ("qemu", DISK, {"type": "nfs"}, ""),
        ("lxc", CONFIG, {"type": "zfspool"}, "rootfs is on storage 'st' of type zfspool"),
        ("qemu", DISK, {"type": "zfs"}, "of type zfs"),
        ("qemu", DISK, {"type": "dir", "snapshot-as-volume-chain": 1}, "of type dir with chains of volumes"),
        ("qemu", DISK, {"type": "lvm", "snapshot-as-volume-chain": 1}, "of type lvm"),
        ("qemu", DISK, {"type": "somebodys-own"}, "of type somebodys-own"),
        ("qemu", DISK, None, "whose type cannot be seen"),
    ],
)
def test_which_storages_go_back_to_any_snapshot(kind: str, config: Any, row: Any, says: str) -> None:
    world = world_of({"/storage": [{"storage": "st", **row}] if row else []})
    found = newest_only(world, kind, config)
    assert says in found
    assert bool(found) is bool(says)


# -- where it cannot be, or does not help ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "options", "says"),
    [
        ("lxc", {"vmid": 170, "state": "absent"}, "goes with the guest (destroy)"),
        (
            "lxc",
            {"vmid": 173, "mounts": [{"slot": "mp0", "state": "absent"}]},
            "destroys no volume that",
        ),
        ("lxc", {"vmid": 173, "mounts": [{"slot": "mp0", "storage": "local-zfs"}]}, "moves no volume"),
        ("vm", {"vmid": 171, "disks": [{"slot": "scsi0", "state": "absent"}]}, "destroys no volume"),
        ("vm", {"vmid": 171, "state": "template"}, "makes no template of a guest that has snapshots"),
        ("lxc", {"vmid": 173, "node": "pve2", "migrate": {"storage": "local-zfs"}}, "mp0 is on 'thin' of node pve1"),
        ("lxc", {"vmid": 172, "cores": 2}, "rootfs is on storage 'local' of type dir"),
        ("lxc", {"vmid": 174, "cores": 2}, "mp0 is /srv/data, a path of node pve1"),
    ],
)
def test_the_plan_is_refused_and_nothing_is_sent(lab: Births, module: str, options: dict[str, Any], says: str) -> None:
    assert says in lab.refused(module, **options, **ALWAYS)


def test_who_asked_for_it_is_named(lab: Births) -> None:
    why = lab.refused("lxc", vmid=170, state="absent", **RISKY)
    assert "snapshot_before is risky (said by snapshot_before)" in why
    assert "Back it up first (steward.proxmox.backup)" in why


def test_a_hibernated_machine_has_none(lab: Births) -> None:
    hibernated = machine(171, "web", lock="suspended")
    seeded(lab, {171: hibernated})
    assert "it is hibernated" in lab.refused("vm", vmid=171, state="started", **ALWAYS)


def test_a_guest_that_moves_without_copying_its_volumes_may_have_one(lab: Births) -> None:
    seeded(lab, {175: container(175, "far", "ceph:vm-175-disk-0")})
    assert steps(lab.done("lxc", vmid=175, node="pve2", migrate={}, **ALWAYS)) == ["snapshot", "migrate"]


def test_what_is_only_planned_is_judged_by_the_type_of_its_storage() -> None:
    """The server cannot be asked for a guest that this --check run makes."""
    path = "/nodes/pve1/lxc/100"
    planned = Memory.of([{"effects": [{"at": f"{path}/config", "do": "set", "value": {}, "by": ""}]}])
    types = {"st": "dir", "zfs": "zfspool", "san": "iscsi"}
    answers = {"/nodes/pve1/storage": [{"storage": name, "type": kind} for name, kind in types.items()]}
    world = world_of(answers, planned, check=True)
    refuse_unable(world, Guest("lxc", 100, "pve1", {"rootfs": "zfs:subvol-100-disk-0,size=1G"}))
    refuse_unable(world, Guest("lxc", 100, "pve1", {"rootfs": "st:100/vm-100-disk-0.qcow2,size=1G"}))
    with pytest.raises(Refused, match="mp0 is on storage 'san' of type iscsi; rootfs is on storage 'st' of type dir"):
        refuse_unable(
            world,
            Guest("lxc", 100, "pve1", {"rootfs": "st:100/vm-100-disk-0.raw,size=1G", "mp0": "san:0.0.1.lun,mp=/x"}),
        )


def test_the_server_has_the_last_word() -> None:
    """A plugin of somebody's own: which storage it is, only the server knows."""
    feature = {"/nodes/pve1/lxc/100/feature?feature=snapshot": {"hasFeature": 0}, "/nodes/pve1/storage": []}
    guest = Guest("lxc", 100, "pve1", {"rootfs": "own:vol,size=1G"})
    with pytest.raises(Refused, match="a storage of its volumes cannot make any"):
        refuse_unable(world_of(feature), guest)
    feature["/nodes/pve1/lxc/100/feature?feature=snapshot"] = {"hasFeature": 1}
    refuse_unable(world_of(feature), guest)


# -- later tasks of a preview ------------------------------------------------------------------------------------------


def test_later_tasks_of_a_preview_see_it(lab: Births) -> None:
    def story(check: bool) -> tuple[list[str], list[str], str]:
        run = lab.site.run(check)
        name = data(run.done("lxc", {"vmid": 173, **grown(), **RISKY}))["snapname"]
        seen = run.task("snapshot_info", {"vmid": 173})["snapshots"]
        back = run.done("snapshot", {"vmid": 173, "snapshot": name, "state": "rolled_back"})
        gone = run.done("snapshot", {"vmid": 173, "state": "pruned", "prefix": "before_", "keep": 0})
        return [row["name"] for row in seen], [*steps(back), *steps(gone)], back["plan"]["digest"]

    foreseen = story(check=True)
    assert foreseen == story(check=False)
    assert foreseen[1] == ["rollback", "delsnapshot"]


def test_after_a_rollback_the_present_descends_from_the_old_snapshot(lab: Births) -> None:
    back = {"vmid": 173, "snapshot": "s1", "state": "rolled_back", **RISKY}

    def parents(check: bool) -> dict[str, str | None]:
        run = lab.site.run(check)
        run.done("snapshot", back)
        rows = run.done("snapshot", {"vmid": 173, "snapshot": "s2"})["snapshots"]
        return {row["name"]: row.get("parent") for row in rows}

    lab.done("snapshot", vmid=173, snapshot="s1")
    foreseen = parents(check=True)
    assert foreseen == parents(check=False)
    assert foreseen["s2"] == "s1"


def test_the_undo_points_are_pruned_by_their_prefix(lab: Births) -> None:
    lab.done("lxc", vmid=170, **grown(), **RISKY)
    lab.done("snapshot", vmid=170, snapshot="mine")
    name = next(name for name in snapshots_of(lab, 170) if name != "mine")
    lab.state.guests[170].snapshots[name]["snaptime"] -= 15 * 86400
    prune: dict[str, Any] = {"vmid": 170, "state": "pruned", "prefix": "before_", "older_than": "14d"}
    assert steps(lab.done("snapshot", **prune)) == ["delsnapshot"]
    assert snapshots_of(lab, 170) == ["mine"]


def test_without_the_privilege_the_plan_says_so(lab: Births) -> None:
    seeded(
        lab,
        roles={"Changes": ["VM.Audit", "VM.Config.CPU"]},
        acl={"/vms/170": {"auditor@pve": "Changes"}},
    )
    result = lab.task("lxc", "auditor", vmid=170, cores=2, **ALWAYS)
    assert result["failed"]
    assert "VM.Snapshot" in result["msg"]
    assert lab.site.writes == []


def test_it_is_said_that_one_is_taken(lab: Births) -> None:
    assert "takes snapshot before_" in reasons(lab.done("lxc", vmid=170, cores=2, **ALWAYS))
