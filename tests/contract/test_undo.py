# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a module did is taken back from its ledger, or the plan said why it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.harness import Site
from tests.contract.scenario import Scenario
from tests.contract.scenarios import SCENARIOS
from tests.contract.undone import NO_OUTCOME, Book, ops


def picture(site: Site) -> Any:
    """The cluster without what nobody means: counters, moments, ids that the server gives anew, undo points."""
    shown = site.picture
    for guest in shown["guests"].values():
        _forget_undo_points(guest)
        guest["config"].pop("vmgenid", None)
        guest.update(pid=0, started=0)
    for volume in shown["volumes"].values():
        volume["ctime"] = 0
        volume["snapshots"] = {name for name in volume["snapshots"] if not name.startswith("before_")}
    return shown


def _forget_undo_points(guest: dict[str, Any]) -> None:
    for name in [name for name in guest["snapshots"] if name.startswith("before_")]:
        gone = guest["snapshots"].pop(name)
        if guest["config"].get("parent") == name:
            guest["config"].pop("parent")
            guest["config"] |= {"parent": gone["parent"]} if "parent" in gone else {}


def _differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from _differences(one.get(key), other.get(key), f"{where}/{key}")
    elif (one or None) != (other or None):
        yield f"{where}: {one!r} became {other!r}"


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.steps], ids=str)
def test_what_can_be_taken_back_is_as_it_was(site: Site, scenario: Scenario, tmp_path: Path) -> None:
    for module, options in scenario.first:
        site.run().done(module, options, scenario.identity)
    before = picture(site)
    book = Book(site, tmp_path)
    done = book.do(scenario.module, scenario.options, scenario.identity)
    undo = done["plan"]["undo"]
    told = {place for one in (*undo["steps"], *undo.get("cannot", ())) for place in one["of"]}
    undo_point = done["plan"]["steps"][0]["data"].get("snapname", "").startswith("before_")
    assert told == set(range(int(undo_point), len(done["plan"]["steps"])))
    if not undo["possible"]:
        assert undo["why"]
        return
    for result in book.undo_all(identity=scenario.identity):
        assert not result.get("failed"), result["msg"]
    found = list(_differences(before, picture(site)))
    assert found == [], "\n".join(found)
    again = book.undo_all(identity=scenario.identity)
    assert not any(result["changed"] for result in again)
    assert all(result["undone_by"] for result in again)


# -- what somebody did since -------------------------------------------------------------------------------------------

CONTAINER: dict[str, Any] = {
    "kind": "lxc",
    "node": "pve1",
    "config": {
        "arch": "amd64",
        "cores": 1,
        "hostname": "web",
        "memory": 512,
        "mp0": "local-zfs:subvol-101-disk-1,mp=/srv,size=1G",
        "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,tag=5,type=veth",
        "ostype": "debian",
        "rootfs": "local-zfs:subvol-101-disk-0,size=4G",
        "unprivileged": 1,
    },
    "disks": {"local-zfs:subvol-101-disk-0": 4 << 30, "local-zfs:subvol-101-disk-1": 1 << 30},
}
LXC = {"vmid": 101, "node": "pve1"}
TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"


@pytest.fixture
def book(empty_site: Site, tmp_path: Path) -> Book:
    empty_site.reset({"guests": {101: CONTAINER}})
    return Book(empty_site, tmp_path)


def config(book: Book, vmid: int = 101) -> dict[str, Any]:
    return dict(book.site.lab.state.guests[vmid].config)


def test_what_others_changed_in_other_parts_stays(book: Book) -> None:
    book.do("lxc", {**LXC, "cores": 2, "net": [{"slot": "net0", "tag": 7}]})
    book.site.run().done("lxc", {**LXC, "memory": 1024, "net": [{"slot": "net0", "bridge": "vmbr1"}]})
    assert book.undo()["changed"]
    assert "bridge=vmbr1" in config(book)["net0"]
    assert "tag=5" in config(book)["net0"]
    assert (config(book)["cores"], config(book)["memory"]) == (1, 1024)


def test_what_somebody_set_otherwise_since_is_refused_by_name_unless_forced(book: Book) -> None:
    book.do("lxc", {**LXC, "cores": 2, "net": [{"slot": "net0", "tag": 7}]})
    book.site.run().done("lxc", {**LXC, "net": [{"slot": "net0", "tag": 9}]})
    for check in (True, False):
        refused = book.undo(check=check)
        assert refused["refused"]
        assert "net0.tag is '9'; the run left '7', and before it was '5'" in refused["msg"]
    assert config(book)["cores"] == 2
    assert book.undo(force=True)["changed"]
    assert "tag=5" in config(book)["net0"]


def test_the_preview_of_an_undo_sends_nothing(book: Book) -> None:
    book.do("lxc", {**LXC, "cores": 2})
    book.site.forget()
    shown = book.undo(check=True)
    assert shown["changed"]
    assert shown["plan"]["steps"][0]["data"] == {"cores": 1}
    assert shown["plan"]["summary"].startswith("take back 'update lxc/101 web on pve1': update")
    assert book.site.writes == []


def test_a_volume_that_the_run_made_goes_and_one_that_it_detached_comes_back(book: Book) -> None:
    before = config(book)
    mounts = [
        {"slot": "mp0", "state": "detached"},
        {"slot": "mp1", "storage": "local-zfs", "size": "2G", "mp": "/data"},
    ]
    book.do("lxc", {**LXC, "mounts": mounts})
    made = [volume.volid for volume in book.site.lab.state.volumes.values() if volume.vmid == 101]
    assert len(made) == 3
    assert ops(book.undo_all()) == ["update", "detach", "destroy volume"]
    assert config(book) == before
    assert len([volume for volume in book.site.lab.state.volumes.values() if volume.vmid == 101]) == 2


def test_a_volume_that_is_gone_does_not_come_back(book: Book) -> None:
    book.do("lxc", {**LXC, "mounts": [{"slot": "mp0", "state": "detached"}]})
    book.site.run().done("lxc", {**LXC, "delete": ["unused0"]})
    assert "local-zfs:subvol-101-disk-1 of mp0 is not the guest's any more" in book.undo()["msg"]


def test_a_guest_that_got_the_number_later_is_not_destroyed(book: Book) -> None:
    born: dict[str, Any] = {"vmid": 200, "node": "pve1", "rootfs": {"storage": "local-zfs", "size": "1G"}}
    born |= {"source": {"template": TEMPLATE}, "net": [{"slot": "net0", "bridge": "vmbr0"}]}
    book.do("lxc", {**born, "name": "one"})
    run = book.site.run()
    run.done("lxc", {"vmid": 200, "node": "pve1", "state": "absent"})
    run.done("lxc", {**born, "name": "one"})
    refused = book.undo()
    assert "lxc/200 is not the guest that was made ('one')" in refused["msg"]
    assert 200 in book.site.lab.state.guests
    assert book.undo(force=True)["changed"]
    assert 200 not in book.site.lab.state.guests


def test_a_guest_that_went_to_a_third_pool_stays_there(empty_site: Site, tmp_path: Path) -> None:
    empty_site.reset({"guests": {101: CONTAINER}, "pools": {"one": {}, "two": {}}})
    book = Book(empty_site, tmp_path)
    book.do("lxc", {**LXC, "pool": "one"})
    empty_site.run().done("lxc", {**LXC, "pool": "two"})
    assert "its pool is 'two', the run left 'one'" in book.undo()["msg"]
    assert book.undo(force=True)["changed"]
    assert [pool for pool in empty_site.lab.state.pools.values() if 101 in pool["vms"]] == []


def test_another_cluster_is_not_taken_for_this_one(book: Book) -> None:
    book.do("lxc", {**LXC, "cores": 2})
    for force in (False, True):
        refused = book.undo(api_host=["localhost"], force=force)
        assert refused["refused"]
        assert "was done at 127.0.0.1, and this task connects to localhost" in refused["msg"]
    assert config(book)["cores"] == 2


# -- what comes back after more ----------------------------------------------------------------------------------------


def test_a_destroyed_guest_comes_back_from_its_backup_as_it_was_when_it_went(book: Book) -> None:
    book.site.run().done("backup", {"vmid": 101, "storage": "local", "name": "nightly"})
    options = {**LXC, "cores": 4, "tags": ["late"], "delete": ["net0.tag"], "description": "since then"}
    book.site.run().done("lxc", {**options, "state": "started"})
    before = config(book)
    gone = book.do("lxc", {**LXC, "state": "absent", "force": True})
    assert "nothing" not in gone["plan"]["undo"]["why"]
    assert ops(book.undo_all()) == ["restore", "update", "start"]
    # the server writes out what it takes for granted, and ends a text with a line break
    assert {key: str(value).rstrip("\n") for key, value in config(book).items() if key != "swap"} == {
        key: str(value) for key, value in before.items()
    }
    assert book.site.lab.state.guests[101].running
    assert not any(result["changed"] for result in book.undo_all())


def test_a_restore_does_not_touch_a_guest_that_got_the_number_later(book: Book) -> None:
    book.site.run().done("backup", {"vmid": 101, "storage": "local", "name": "nightly"})
    book.do("lxc", {**LXC, "state": "absent"})
    other = {"source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs", "size": "1G"}}
    book.site.run().done("lxc", {**LXC, **other, "name": "other"})
    (restore, *_rest) = [row for row in book.recorded().rows() if row["possible"]]
    assert "is another guest by now ('other')" in book.undo(restore["op"], restore["step"])["msg"]


def test_a_volume_that_grew_goes_back_by_the_snapshot_before(book: Book) -> None:
    before = config(book)
    book.do("lxc", {**LXC, "cores": 2, "rootfs": {"size": "6G"}, "snapshot_before": "always"})
    assert config(book)["rootfs"].endswith("size=6G")
    assert ops(book.undo_all()) == ["rollback"]
    assert {**config(book), "parent": None} == {**before, "parent": None}


def test_without_it_a_volume_that_grew_stays_and_the_rest_goes_back(book: Book) -> None:
    done = book.do("lxc", {**LXC, "cores": 2, "rootfs": {"size": "6G"}})
    assert done["plan"]["undo"]["why"] == "a volume does not shrink back (rootfs)"
    assert ops(book.undo_all()) == ["update"]
    assert config(book)["cores"] == 1
    assert config(book)["rootfs"].endswith("size=6G")


def test_secrets_do_not_come_back_and_are_not_in_the_record(empty_site: Site, tmp_path: Path) -> None:
    machine: dict[str, Any] = {"kind": "qemu", "node": "pve1", "config": {"name": "vm", "ide2": "none,media=cdrom"}}
    empty_site.reset({"guests": {102: machine}})
    book = Book(empty_site, tmp_path)
    done = book.do("vm", {"vmid": 102, "node": "pve1", "cores": 3, "cloud_init": {"password": "open sesame"}})
    assert "no record holds the secrets that stood in cipassword" in done["plan"]["undo"]["why"]
    assert "open sesame" not in Path(book.ledger.where).read_text(encoding="utf-8")
    assert book.undo()["changed"]
    assert "cores" not in config(book, 102)


# -- what was done, and what was not -----------------------------------------------------------------------------------


def test_of_a_failed_operation_only_what_was_done_is_taken_back(book: Book) -> None:
    book.site.lab.fault(path=r"/resize$", status=500, reason="no room")
    with pytest.raises(AssertionError, match="no room"):
        book.do("lxc", {**LXC, "cores": 2, "mounts": [{"slot": "mp0", "size": "2G"}]})
    rows = list(book.recorded().rows())
    assert [(row["done"], row["possible"]) for row in rows] == [(False, False), (True, True)]
    assert ops(book.undo_all()) == ["update"]
    assert config(book)["cores"] == 1


@pytest.mark.parametrize("really", [True, False])
def test_of_a_killed_run_everything_counts_as_perhaps_done(book: Book, really: bool) -> None:
    before = config(book)
    mounts = [{"slot": "mp1", "storage": "local-zfs", "size": "2G", "mp": "/data"}]
    book.do("lxc", {**LXC, "cores": 2, "mounts": mounts}, outcome=NO_OUTCOME)
    if not really:
        book.site.reset({"guests": {101: CONTAINER}})
    result = book.undo()
    assert not result.get("failed"), result["msg"]
    assert result["changed"] is really
    kept = {"unused0": config(book).get("unused0")} if really else {}
    assert config(book) == {**before, **kept}, "a volume whose name nobody recorded is only detached"


def test_an_undo_is_recorded_and_can_be_taken_back_itself(book: Book) -> None:
    book.do("lxc", {**LXC, "cores": 2})
    book.undo()
    (later,) = [path for path in (book.folder / "runs").iterdir() if book.ledger.run_id not in path.name]
    again = Book(book.site, book.folder)
    again.ledger.run_id = later.stem.rpartition("-")[2]
    assert again.recorded().operations[0].intent["undoes"]["run"] == book.ledger.run_id
    assert again.undo()["changed"]
    assert config(book)["cores"] == 2


def test_the_limits_of_the_task_hold_for_an_undo(empty_site: Site, tmp_path: Path) -> None:
    empty_site.reset({"guests": {101: {**CONTAINER, "config": {**CONTAINER["config"], "cores": 8}}}})
    book = Book(empty_site, tmp_path)
    book.do("lxc", {**LXC, "cores": 2})
    assert "number of cores would be 8, and the limit is 4" in book.undo(limits={"max_cpu": 4})["msg"]
    assert config(book)["cores"] == 2
