# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What operations on guests touch beside the guest, and that what could not be read raises the risk and is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract.guest_scenarios import machine, template
from tests.contract.harness import Site
from tests.contract.scenarios import TEMPLATE, Options, container

GIB = 1 << 30
ROOM = 270553174016  # of every storage of the lab
SHARED = "ceph:vm-801-disk-0"
ALIAS = {"web": {"name": "web", "cidr": "192.0.2.77"}}
FIXED = "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:08:11,ip=192.0.2.77/24,type=veth"
GUESTS: dict[int, Options] = {
    # two machines of a cluster with one disk for both, which the second one only names in its snapshot
    801: machine(801, storage="ceph"),
    802: machine(802, scsi5=f"{SHARED},size=4G"),
    803: machine(803),
    804: machine(804, unused0=SHARED),
    805: machine(805),
    806: template(806),
    807: machine(807, storage="ceph"),
    811: container(811, net0=FIXED),
    812: container(812),
}
SEED: Options = {"guests": GUESTS, "firewalls": {"/cluster": {"aliases": ALIAS}}}


def preview(site: Site, module: str, identity: str = "admin", **options: Any) -> dict[str, Any]:
    """The plan of a task that must not fail."""
    before = site.writes
    plan: dict[str, Any] = site.run(check=True, identity=identity).done(module, {"node": "pve1", **options})["plan"]
    assert site.writes == before
    return plan


def why(plan: dict[str, Any]) -> str:
    return "\n".join(plan["risk"]["reasons"])


@pytest.fixture
def cluster(empty_site: Site) -> Site:
    empty_site.reset(SEED)
    guests, taken = empty_site.lab.state.guests, {"snaptime": 1_700_000_000}
    guests[803].snapshots["s1"] = {"name": "v803", "scsi3": f"{SHARED},size=4G", **taken}
    guests[805].snapshots["s1"] = {**guests[805].config, **taken}
    return empty_site


def fill(site: Site, storage: str, left: int) -> None:
    """Somebody else's volumes leave no more room than this."""
    volumes = site.lab.state.volumes.values()
    volume = next(one for one in volumes if one.storage == storage and one.node in (None, "pve1"))
    used = sum(one.size for one in volumes if one.storage == storage and one.node in (None, "pve1"))
    volume.size += ROOM - used - left


# -- room --------------------------------------------------------------------------------------------------------------

DISK = {"slot": "scsi7", "storage": "local-zfs", "size": "8G"}
#: what takes 8 GiB, or 4 more, on local-zfs
TAKES: list[tuple[str, Options]] = [
    ("vm", {"vmid": 802, "disks": [DISK]}),
    ("vm", {"vmid": 802, "disks": [{"slot": "scsi0", "size": "12G"}]}),
    ("vm", {"vmid": 807, "disks": [{"slot": "scsi0", "storage": "local-zfs", "size": "8G"}]}),
    ("vm", {"vmid": 820, "name": "new", "disks": [DISK]}),
    ("vm", {"vmid": 820, "source": {"clone": {"vmid": 801, "storage": "local-zfs"}}, "disks": [DISK]}),
    ("lxc", {"vmid": 820, "source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs", "size": "8G"}}),
    ("lxc", {"vmid": 812, "mounts": [{"slot": "mp7", "mp": "/x", "storage": "local-zfs", "size": "8G"}]}),
]


@pytest.mark.parametrize(("module", "options"), TAKES, ids=str)
def test_a_storage_without_room_is_a_high_risk_and_names_who_stands_still(
    cluster: Site, module: str, options: Options
) -> None:
    plenty = preview(cluster, module, **options)
    assert plenty["risk"]["level"] in ("low", "medium")
    assert "takes up to" in why(plenty)
    assert "free" not in why(plenty)
    assert "local-zfs" in plenty["blast_radius"]["storages"]
    fill(cluster, "local-zfs", 20 * GIB)
    tight = preview(cluster, module, **options)
    assert tight["risk"]["level"] == "medium"
    assert "other guest(s) stand still" in why(tight)
    fill(cluster, "local-zfs", 7 * GIB)
    full = preview(cluster, module, **options)
    assert full["risk"]["level"] == "high"
    assert "and 7G are free there" in why(full)
    assert {"qemu/803", "lxc/811"} <= set(full["blast_radius"]["guests"])
    assert full["digest"] == plenty["digest"]


def test_a_backup_is_measured_by_the_last_one(cluster: Site) -> None:
    cluster.run().done("backup", {"vmid": 812, "storage": "local", "name": "first"})
    fill(cluster, "local", GIB)
    assert preview(cluster, "backup", vmid=812, storage="local")["risk"]["level"] == "medium"
    (made,) = [one for one in cluster.lab.state.volumes.values() if one.content == "backup"]
    made.size += GIB
    fill(cluster, "local", GIB)
    assert "takes about" in why(preview(cluster, "backup", vmid=812, storage="local"))
    assert preview(cluster, "backup", vmid=812, storage="local")["risk"]["level"] == "high"


def test_a_migration_looks_at_the_storage_of_the_target(cluster: Site) -> None:
    task: Options = {"vmid": 812, "node": "pve2", "migrate": {}}
    assert "local-zfs" in why(preview(cluster, "lxc", **task))
    state = cluster.lab.state
    guest = machine(830) | {"node": "pve2"}
    cluster.reset({**SEED, "guests": {**GUESTS, 830: guest}})
    state = cluster.lab.state
    volume = next(one for one in state.volumes.values() if one.storage == "local-zfs" and one.node == "pve2")
    volume.size = ROOM
    plan = preview(cluster, "lxc", **task)
    assert plan["risk"]["level"] == "high"
    assert "are free there" in why(plan)
    assert "qemu/830" in plan["blast_radius"]["guests"]


# -- who else uses a volume --------------------------------------------------------------------------------------------

DESTROYED = {"slot": "scsi0", "state": "absent"}


@pytest.mark.parametrize(
    ("options", "happens"),
    [
        ({"vmid": 801, "disks": [DESTROYED]}, "goes"),
        ({"vmid": 801, "disks": [{"slot": "scsi0", "storage": "local-zfs"}]}, "goes"),
        ({"vmid": 801, "state": "absent"}, "goes"),
        ({"vmid": 801, "state": "template"}, "gets another name"),
        ({"vmid": 805, "disks": [{"slot": "scsi6", "volume": SHARED}]}, "is attached here"),
    ],
    ids=str,
)
def test_every_configuration_that_names_a_volume_is_named(cluster: Site, options: Options, happens: str) -> None:
    """As it is, in a snapshot, and where it is only kept as unused; on shared storage also on other nodes."""
    cluster.lab.state.guests[802].node = "pve2"
    plan = preview(cluster, "vm", **options)
    for vmid, place in ((802, "scsi5"), (803, "scsi3 snapshot s1"), (804, "unused0")):
        assert f"qemu/{vmid} uses volume {SHARED} too ({place}), which {happens}" in why(plan)
        assert f"qemu/{vmid}" in plan["blast_radius"]["guests"]
    assert plan["risk"]["level"] == "high"
    assert plan["blast_radius"]["complete"]


def test_a_volume_of_another_guest_is_known_by_its_name(cluster: Site) -> None:
    """Also where that guest does not use it now: with it goes the volume."""
    cluster.lab.state.guests[807].config.pop("scsi1")
    plan = preview(cluster, "vm", vmid=805, disks=[{"slot": "scsi6", "volume": "ceph:vm-807-disk-1"}])
    assert "volume ceph:vm-807-disk-1 belongs to guest 807, and goes with it" in why(plan)
    assert "uses volume" not in why(plan)


def test_what_waits_for_a_restart_counts(cluster: Site) -> None:
    """A disk that is taken out at the next start is in use until then."""
    guest = cluster.lab.state.guests[802]
    guest.started = 1.0
    guest.deletes.add("scsi5")
    plan = preview(cluster, "vm", vmid=801, disks=[DESTROYED])
    assert f"qemu/802 uses volume {SHARED} too (scsi5 until its restart)" in why(plan)


def test_a_rollback_names_who_shares_the_disk_that_goes_back(cluster: Site) -> None:
    plan = preview(cluster, "snapshot", vmid=803, snapshot="s1", state="rolled_back")
    assert f"qemu/801 uses volume {SHARED} too (scsi0), which goes back with it" in why(plan)
    assert {"qemu/801", "qemu/802"} <= set(plan["blast_radius"]["guests"])


def test_volumes_that_came_after_a_snapshot_are_left_over(cluster: Site) -> None:
    cluster.run().done("vm", {"vmid": 805, "disks": [{"slot": "scsi4", "storage": "local-zfs", "size": "1G"}]})
    plan = preview(cluster, "snapshot", vmid=805, snapshot="s1", state="rolled_back")
    assert "volume local-zfs:vm-805-disk-2 is not in the snapshot: it stays as an unused disk" in why(plan)


@pytest.mark.parametrize("disk", [DESTROYED, {"slot": "scsi0", "storage": "ceph"}], ids=["destroyed", "moved"])
def test_a_disk_that_a_snapshot_holds_neither_goes_nor_moves(cluster: Site, disk: Options) -> None:
    """Proxmox would say so only when the first steps are done."""
    result = cluster.run().task("vm", {"vmid": 805, "disks": [disk]})
    assert result["refused"]
    assert "is held by snapshot s1" in result["msg"]
    assert cluster.writes == []


def test_a_volume_of_a_container_outlives_its_slot_in_a_snapshot(cluster: Site) -> None:
    mount = {"slot": "mp0", "mp": "/srv", "storage": "local-zfs", "size": "1G"}
    cluster.run().done("lxc", {"vmid": 812, "mounts": [mount]})
    cluster.run().done("snapshot", {"vmid": 812, "snapshot": "s1"})
    before = set(cluster.lab.state.volumes)
    plan = cluster.run().done("lxc", {"vmid": 812, "mounts": [{"slot": "mp0", "state": "absent"}]})["plan"]
    assert "stays for snapshot s1" in why(plan)
    assert set(cluster.lab.state.volumes) == before


def test_a_base_volume_with_linked_clones_is_not_destroyed(cluster: Site) -> None:
    cluster.run().done("vm", {"vmid": 820, "name": "linked", "source": {"clone": {"vmid": 806, "full": False}}})
    cluster.forget()
    result = cluster.run().task("vm", {"vmid": 806, "disks": [DESTROYED]})
    assert result["refused"]
    assert "has linked clones that need it: qemu/820" in result["msg"]
    assert cluster.writes == []


# -- the end of a guest, and of its backups ----------------------------------------------------------------------------


def test_the_firewall_of_the_cluster_that_names_its_address(cluster: Site) -> None:
    plan = preview(cluster, "lxc", vmid=811, state="absent")
    assert "whoever gets 192.0.2.77 next is meant by alias web" in why(plan)
    assert "firewall alias web" in plan["blast_radius"]["others"]
    assert "192.0.2.77" not in why(preview(cluster, "lxc", vmid=812, state="absent"))


def test_a_restore_over_a_guest_says_what_its_end_would(cluster: Site) -> None:
    cluster.run().done("backup", {"vmid": 801, "storage": "local", "name": "b"})
    cluster.lab.state.replication["801-0"] = {"guest": 801, "target": "pve2", "type": "local"}
    source: Options = {"archive": {"storage": "local", "guest": 801}}
    plan = preview(cluster, "vm", vmid=801, force=True, source=source)
    for said in ("overwrites qemu/801", "its newest backup is of", "what 801-0 has replicated is replaced", "qemu/802"):
        assert said in why(plan)
    assert plan["blast_radius"]["complete"]
    bare = preview(cluster, "vm", vmid=804, force=True, source=source)
    assert "there is no backup of it on the storages of node pve1" in why(bare)


def test_the_last_backup_the_newest_one_and_that_of_a_guest_that_is_gone(cluster: Site) -> None:
    run = cluster.run()
    absent: Options = {"vmid": 812, "storage": "local", "state": "absent"}
    for name in ("old", "new"):
        run.done("backup", {"vmid": 812, "storage": "local", "name": name})
    made = [one for one in cluster.lab.state.volumes.values() if one.content == "backup"]
    older, newer = sorted(made, key=lambda one: one.notes == "new")
    newer.ctime = older.ctime + 60
    cluster.forget()
    assert "newest" not in why(preview(cluster, "backup", **absent, name="old"))
    assert f"the newest that stays is {older.volid}" in why(preview(cluster, "backup", **absent, name="new"))
    cluster.run().done("backup", {**absent, "name": "old"})
    cluster.forget()
    plan = preview(cluster, "backup", **absent, name="new")
    assert "no backup of lxc/812 is left on the storages of node pve1" in why(plan)
    del cluster.lab.state.guests[812]
    assert "lxc/812 does not exist any more: only its backups bring it back" in why(
        preview(cluster, "backup", **absent, name="new")
    )


def test_a_backup_of_a_machine_is_told_of_a_machine(cluster: Site) -> None:
    """Where the task names the node, nobody had to look what kind of guest it is."""
    cluster.run().done("backup", {"vmid": 801, "storage": "local", "name": "b"})
    cluster.forget()
    plan = preview(cluster, "backup", vmid=801, storage="local", state="absent", name="b")
    assert plan["blast_radius"]["guests"] == ["qemu/801"]


# -- what could not be seen --------------------------------------------------------------------------------------------


@dataclass
class Blind:
    """A task, one read that is refused to it, and what is said to be unknown then."""

    what: str
    module: str
    options: Options
    forbidden: str
    unseen: str
    first: list[tuple[str, Options]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.what}: {self.unseen}"


B802 = ("backup", {"vmid": 802, "storage": "local", "name": "b"})
OVER = {"vmid": 802, "force": True, "source": {"archive": {"storage": "local", "guest": 802}}}
OTHERS = "/qemu/803/pending$"
BLIND = [
    Blind("grow", "vm", {"vmid": 802, "disks": [{"slot": "scsi0", "size": "12G"}]}, "/pve1/storage$", "storages of"),
    Blind("move", "vm", {"vmid": 802, "disks": [{"slot": "scsi0", "storage": "ceph"}]}, OTHERS, "configuration of"),
    Blind("move", "vm", {"vmid": 802, "disks": [{"slot": "scsi0", "storage": "ceph"}]}, "/802/snapshot$", "snapshots"),
    Blind("attach", "vm", {"vmid": 805, "disks": [{"slot": "scsi6", "volume": SHARED}]}, OTHERS, "configuration of"),
    Blind("destroy a disk", "vm", {"vmid": 802, "disks": [DESTROYED]}, OTHERS, "configuration of qemu/803"),
    Blind("destroy a disk", "vm", {"vmid": 802, "disks": [DESTROYED]}, "/803/snapshot$", "snapshots of qemu/803"),
    Blind("destroy a disk", "vm", {"vmid": 802, "disks": [DESTROYED]}, "/snapshot/s1/config$", "snapshot qemu/80"),
    Blind("template", "vm", {"vmid": 802, "state": "template"}, OTHERS, "configuration of qemu/803"),
    Blind("destroy", "vm", {"vmid": 802, "state": "absent"}, OTHERS, "configuration of qemu/803"),
    Blind("destroy", "lxc", {"vmid": 811, "state": "absent"}, "/cluster/firewall/aliases$", "firewall aliases"),
    Blind("migrate", "vm", {"vmid": 804, "node": "pve2", "migrate": {}}, "/pve2/storage$", "storages of node pve2"),
    Blind("overwrite", "vm", OVER, "/cluster/replication$", "replication jobs of qemu/802", [B802]),
    Blind("overwrite", "vm", OVER, OTHERS, "configuration of qemu/803", [B802]),
    Blind(
        "rollback",
        "snapshot",
        {"vmid": 805, "snapshot": "s1", "state": "rolled_back"},
        OTHERS,
        "configuration of qemu/803",
    ),
    Blind("delete a backup", "backup", {**B802[1], "state": "absent"}, "/cluster/resources$", "whether guest", [B802]),
]


@pytest.mark.parametrize("blind", BLIND, ids=str)
def test_a_read_that_is_refused_raises_the_risk_and_is_named(cluster: Site, blind: Blind) -> None:
    for module, options in blind.first:
        cluster.run().done(module, options)
    cluster.forget()
    seen = preview(cluster, blind.module, **blind.options)
    assert seen["blast_radius"]["complete"], why(seen)
    cluster.lab.fault(method="GET", path=blind.forbidden, count=50, status=403, reason="Permission check failed")
    plan = preview(cluster, blind.module, **blind.options)
    assert not plan["blast_radius"]["complete"]
    assert plan["risk"]["level"] == "high"
    assert f"could not be seen: {blind.unseen}" in why(plan)
    assert plan["digest"] == seen["digest"]


@pytest.mark.parametrize(
    ("module", "options"), [row for row in TAKES if row[1]["vmid"] != 802 or "storage" in row[1]["disks"][0]], ids=str
)
def test_a_storage_that_a_token_may_not_see_has_no_known_room(cluster: Site, module: str, options: Options) -> None:
    plan = preview(cluster, module, "vmadmin", **options)
    assert plan["risk"]["level"] == "high"
    assert "could not be seen: free space of storage local-zfs on node pve1" in why(plan)


def test_without_the_live_state_of_a_guest_there_is_no_plan(cluster: Site) -> None:
    """What a power operation does depends on nothing else."""
    cluster.lab.fault(method="GET", path="/status/current$", count=9, status=403, reason="Permission check failed")
    result = cluster.run().task("vm", {"vmid": 802, "node": "pve1", "state": "started"})
    assert result["failed"]
    assert cluster.writes == []
