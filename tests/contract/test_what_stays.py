# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Law 3: what a task does not mention stays, key by key."""

from __future__ import annotations

from typing import Any

from tests.contract.harness import Site
from tests.contract.scenarios import alias, backup, container, entry, snapshot

MAC, OTHER_MAC = "BC:24:11:00:00:10", "BC:24:11:00:01:10"


def keys(text: str) -> dict[str, str]:
    """A property string as its keys; the volume's name stands alone."""
    pairs = [part.partition("=") for part in text.split(",")]
    return {key if equals else "volume": value if equals else key for key, equals, value in pairs}


def config(site: Site, vmid: int = 210) -> dict[str, Any]:
    return dict(site.lab.state.guests[vmid].config)


def test_one_key_of_an_interface_leaves_the_others(site: Site) -> None:
    before = config(site)
    site.run().done("lxc", {"vmid": 210, "net": [{"slot": "net0", "ip": "10.0.0.5/24"}]})
    after = config(site)
    assert keys(after["net0"]) == {**keys(before["net0"]), "ip": "10.0.0.5/24"}
    assert keys(after["net0"])["hwaddr"] == MAC
    assert {key: value for key, value in after.items() if key != "net0"} == {
        key: value for key, value in before.items() if key != "net0"
    }


def test_a_new_interface_leaves_the_other_slots(site: Site) -> None:
    before = config(site)
    site.run().done("lxc", {"vmid": 210, "net": [{"slot": "net2", "bridge": "vmbr1"}]})
    after = config(site)
    assert (after["net0"], after["net1"]) == (before["net0"], before["net1"])
    assert keys(after["net2"])["name"] == "eth2"


def test_a_volume_that_grows_keeps_its_name_and_its_flags(site: Site) -> None:
    site.run().done("lxc", {"vmid": 210, "rootfs": {"size": "7G"}})
    assert keys(config(site)["rootfs"]) == {
        "volume": "local-zfs:subvol-210-disk-0",
        "mountoptions": "noatime",
        "size": "7G",
    }


def test_a_flag_of_a_volume_leaves_its_name_and_its_size(site: Site) -> None:
    site.run().done("lxc", {"vmid": 213, "rootfs": {"quota": True}})
    assert keys(config(site, 213)["rootfs"]) == {
        "volume": "local-zfs:subvol-213-disk-0",
        "mountoptions": "noatime",
        "quota": "1",
        "size": "4G",
    }


def test_one_feature_leaves_the_others(site: Site) -> None:
    guest = container(400, features="keyctl=1,nesting=0,fuse=1")
    site.reset({"guests": {400: guest}})
    site.run().done("lxc", {"vmid": 400, "features": {"nesting": True}})
    assert keys(config(site, 400)["features"]) == {"keyctl": "1", "nesting": "1", "fuse": "1"}


def test_one_mount_point_leaves_the_others(site: Site) -> None:
    mounts: dict[str, Any] = {"mp0": "local-zfs:subvol-400-disk-1,mp=/a,backup=1,size=1G", "mp1": "/srv/host,mp=/b"}
    guest = container(400, **mounts)
    guest["disks"]["local-zfs:subvol-400-disk-1"] = 1 << 30
    site.reset({"guests": {400: guest}})
    site.run().done("lxc", {"vmid": 400, "mounts": [{"slot": "mp0", "ro": True}]}, "root")
    after = config(site, 400)
    assert keys(after["mp0"]) == {**keys(mounts["mp0"]), "ro": "1"}
    assert after["mp1"] == mounts["mp1"]


def test_one_key_of_startup_leaves_the_others(site: Site) -> None:
    site.reset({"guests": {400: container(400, startup="order=1,up=30,down=60")}})
    site.run().done("lxc", {"vmid": 400, "startup": {"up": 45}})
    assert keys(config(site, 400)["startup"].replace("order=", "")) == {"volume": "1", "up": "45", "down": "60"}


def test_deleting_a_key_deletes_no_other(site: Site) -> None:
    before = config(site)
    site.run().done("lxc", {"vmid": 210, "delete": ["net1"]})
    before.pop("net1")
    assert config(site) == before


def test_the_features_of_an_archive_stay(site: Site) -> None:
    site.reset({"guests": {400: container(400, features="keyctl=1,nesting=1")}})
    site.run().done(*backup(400, "golden"))
    source = {"archive": {"storage": "local", "name": "golden"}}
    task = {"vmid": 401, "node": "pve1", "source": source, "net": [{"slot": "net0", "ip": "10.0.0.6/24"}]}
    site.run().done("lxc", task)
    origin, copy = config(site, 400), config(site, 401)
    assert keys(copy["features"]) == keys(origin["features"])
    for slot in ("net0", "net1"):
        one, other = keys(origin[slot]), keys(copy[slot])
        assert one.pop("hwaddr") != other.pop("hwaddr")
        assert other == ({**one, "ip": "10.0.0.6/24"} if slot == "net0" else one)


def test_another_snapshot_stays(site: Site) -> None:
    run = site.run()
    for name in ("one", "two"):
        run.done(*snapshot(230, name, description=name))
    run.done(*snapshot(230, "one", description="changed"))
    run.done(*snapshot(230, "one", state="absent"))
    (left,) = run.done(*snapshot(230, "two"))["snapshots"]
    assert (left["name"], left["description"].strip()) == ("two", "two")


def test_other_backups_and_their_notes_stay(site: Site) -> None:
    run = site.run()
    run.done(*backup(240, "one", notes="kept"))
    run.done(*backup(240, "two"))
    run.done(*backup(240, "one", protected=True))
    volumes = [volume for volume in site.lab.state.volumes.values() if volume.content == "backup"]
    assert sorted((volume.notes, volume.protected) for volume in volumes) == [("one\nkept", True), ("two", False)]


def test_other_entries_of_the_access_list_stay(site: Site) -> None:
    run = site.run()
    run.done("acl", entry(250))
    before = list(site.lab.state.acl)
    run.done("acl", entry(250, roleid="PVEAuditor"))
    run.done("acl", entry(250, roleid="PVEAuditor", state="absent"))
    assert site.lab.state.acl == before


def test_the_comment_of_an_alias_stays(site: Site) -> None:
    run = site.run(identity="root_token")
    run.done(*alias("office", cidr="192.0.2.0/24", comment="Ground floor"))
    run.done(*alias("other", cidr="192.0.2.1"))
    run.done(*alias("office", cidr="192.0.2.0/25"))
    (aliases,) = (file.aliases for file in site.lab.state.firewalls.values() if file.aliases)
    assert (aliases["office"]["cidr"], aliases["office"]["comment"]) == ("192.0.2.0/25", "Ground floor")
    assert aliases["other"]["cidr"] == "192.0.2.1"
    run.done(*alias("office", cidr="192.0.2.0/25", comment=""))
    assert not aliases["office"].get("comment")


def test_put_by_path_sends_only_what_differs(site: Site) -> None:
    run = site.run(identity="root_token")
    put = {"path": "/cluster/options", "method": "put"}
    run.done("api", {**put, "data": {"keyboard": "de", "language": "de"}})
    site.forget()
    result = run.done("api", {**put, "data": {"keyboard": "fr", "language": "de"}})
    assert result["plan"]["steps"][0]["data"] == {"keyboard": "fr"}
    assert site.lab.state.options["language"] == "de"
