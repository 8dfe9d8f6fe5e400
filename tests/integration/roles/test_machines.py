# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines from a cloud image to the last copy: previewed, done, done again; and other ways to build one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.demo.site import ROOT, Run, Site
from tests.lab.state import Guest

from .conftest import GOLDEN, GOLDEN_IMAGE, MACHINE, RESTORE, plans

MACHINES = ROOT / "tests" / "integration" / "roles" / "machines.yml"


@dataclass
class Story:
    site: Site
    previewed: Run
    done: Run
    again: Run
    guests_after_preview: int


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with Site(tmp_path_factory.mktemp("machines")) as site:
        previewed = site.play(MACHINES, "--check", "--diff", name="previewed")
        seen = len(site.lab.state.guests)
        yield Story(site, previewed, site.play(MACHINES, name="done"), site.play(MACHINES, name="again"), seen)


def test_the_preview_fails_nowhere_and_changes_nothing(story: Story) -> None:
    assert (story.previewed.status, story.previewed.failed) == (0, 0)
    assert story.previewed.writes == []
    assert story.guests_after_preview == 0


def test_it_is_done_with_the_digests_that_were_previewed(story: Story) -> None:
    assert (story.done.status, story.done.failed) == (0, 0)
    own = [plan for plan in plans(story.done, "intent") if "/agent/" in plan[0]]
    done = [plan for plan in plans(story.done, "intent") if plan not in own]
    assert len(own) == 2
    assert len(done) == 9
    assert plans(story.previewed, "plan") == done


def test_the_second_time_nothing_is_left_to_do(story: Story) -> None:
    assert (story.again.status, story.again.failed, story.again.changed) == (0, 0, 0)
    assert story.again.writes == []


def test_the_golden_machine_was_provisioned_sealed_and_kept(story: Story) -> None:
    golden = story.site.lab.state.guests[9002]
    assert not golden.running
    assert golden.config["protection"] == 1
    assert list(golden.snapshots) == ["golden"]
    assert b"journald" in golden.files["/etc/docker/daemon.json"]
    assert golden.files["/etc/machine-id"] == b""
    (backup,) = [volume for volume in story.site.lab.state.volumes.values() if volume.content == "backup"]
    assert (backup.notes, backup.protected) == ("golden-debian", True)


def test_each_copy_runs_with_an_identity_of_its_own(story: Story) -> None:
    guests = story.site.lab.state.guests
    machines = [guests[vmid] for vmid in (9002, 301, 302, 303)]
    assert all(machine.running for machine in machines[1:])
    assert [machine.config["name"] for machine in machines] == ["golden-debian", "web1", "web2", "web3"]
    assert len({machine.config["net0"].partition(",")[0] for machine in machines}) == 4
    assert len({machine.config["smbios1"] for machine in machines}) == 4
    assert all("protection" not in machine.config for machine in machines[1:])
    assert story.done.output.count("192.0.2.31 192.0.2.32 192.0.2.33") == 1


def test_a_copy_has_what_is_asked_of_it_and_keeps_the_rest(story: Story) -> None:
    guests = story.site.lab.state.guests
    assert "size=16G" in guests[302].config["scsi0"]
    assert str(guests[302].config["memory"]) == "4096"
    assert "tag=20" in guests[303].config["net0"]
    assert (guests[301].config["ciuser"], guests[303].config["ciuser"]) == ("debian", "admin")
    assert all(guests[vmid].config["cores"] == 2 for vmid in (301, 302, 303))


def test_the_password_of_cloud_init_is_nowhere(story: Story) -> None:
    for run in (story.previewed, story.done, story.again):
        assert "golden-secret" not in run.output
        assert b"golden-secret" not in run.ledger[2].read_bytes()


# -- the other ways --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "disk", "linked"),
    [
        (MACHINE, "scsi0", "local-zfs:base-9002-disk-0/vm-301-disk-"),
        (GOLDEN, "rootfs", "local-zfs:basevol-9001-disk-0/subvol-301-disk-"),
    ],
)
def test_a_template_alone_is_enough_and_gives_linked_clones(
    site: Site, given: dict[str, Any], disk: str, linked: str
) -> None:
    alone = {**given, "golden_image_backup_storage": "", "golden_image_as_template": True}
    assert site.play(GOLDEN_IMAGE, **alone).status == 0
    golden = site.lab.state.guests[given["golden_image_vmid"]]
    assert (golden.config["template"], golden.config["protection"], golden.snapshots) == (1, 1, {})
    clones: dict[str, Any] = {
        "restore_type": golden.kind,
        "restore_clone": {"name": "golden", "full": False},
        "restore_copies": [{"name": "one", "vmid": 301, "node": "pve1", "protection": False}],
    }
    assert site.play(RESTORE, **clones).status == 0
    clone = site.lab.state.guests[301]
    assert clone.running
    assert clone.config[disk].startswith(linked)
    assert not clone.config.get("protection")
    for again in (site.play(GOLDEN_IMAGE, **alone), site.play(RESTORE, **clones)):
        assert (again.status, again.changed, again.writes) == (0, 0, [])


def test_a_machine_with_an_installation_disc(site: Site) -> None:
    disc = {**MACHINE, "golden_image_cloud_image": "", "golden_image_iso": "local:iso/debian-12.8.0-amd64-netinst.iso"}
    run = site.play(GOLDEN_IMAGE, **disc, golden_image_size="20G", golden_image_wait_for={})
    assert (run.status, run.failed) == (0, 0)
    config = site.lab.state.guests[9002].config
    assert config["ide2"].startswith("local:iso/debian-12.8.0-amd64-netinst.iso,media=cdrom")
    assert "size=20G" in config["scsi0"]
    assert config["boot"] == "order=scsi0;ide2"


def test_a_machine_that_you_installed_is_taken_as_it_is(site: Site) -> None:
    own = {"name": "golden", "agent": "1", "cores": 3, "tags": "own", "scsihw": "pvscsi"}
    site.lab.state.guests[9002] = Guest(9002, "qemu", "pve1", dict(own), agent_seconds=0.0)
    given = {
        **MACHINE,
        "golden_image_cloud_image": "",
        "golden_image_snapshot": "",
        "golden_image_wait_for": {"agent": True, "ip": "none"},
    }
    run = site.play(GOLDEN_IMAGE, **given)
    assert (run.status, run.failed) == (0, 0)
    assert [text.partition(" ")[0] for text, _digest in plans(run, "intent")] == [
        "start",
        "shutdown",
        "backup",
        "update",
    ]
    kept = site.lab.state.guests[9002]
    assert not kept.running
    assert {key: kept.config[key] for key in own} == own


def test_a_machine_that_is_not_there_is_not_built_from_nothing(site: Site) -> None:
    run = site.play(GOLDEN_IMAGE, **{**MACHINE, "golden_image_cloud_image": ""})
    assert run.failed == 1
    assert "There is no qemu/9002" in run.output
    assert run.writes == []


@pytest.mark.parametrize(("kind", "key"), [("qemu", "name"), ("lxc", "hostname")])
def test_an_id_that_is_another_guests_is_not_built_on(site: Site, kind: str, key: str) -> None:
    site.lab.state.guests[9002] = Guest(9002, kind, "pve1", {key: "web"}, started=1.0)
    run = site.play(GOLDEN_IMAGE, **MACHINE)
    assert run.failed == 1
    assert f"{kind}/9002 exists and is called 'web', not 'golden'" in run.output
    assert run.writes == []
    assert site.lab.state.guests[9002].running


def test_a_copy_is_not_made_over_a_guest_of_the_other_type(site: Site) -> None:
    site.lab.state.guests[301] = Guest(301, "lxc", "pve1", {"hostname": "one"}, started=1.0)
    copies = [{"name": "one", "vmid": 301, "node": "pve1"}]
    run = site.play(RESTORE, restore_type="qemu", restore_clone={"vmid": 9002}, restore_copies=copies)
    assert run.failed == 1
    assert "lxc/301 exists" in run.output
    assert run.writes == []


def test_an_interrupted_build_is_taken_up_where_it_is(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "own.yml"
    own.write_text(yaml.safe_dump([{"name": "Break", "ansible.builtin.fail": {"msg": "the mirror is down"}}]))
    run = site.play(GOLDEN_IMAGE, **MACHINE, golden_image_provision=[str(own)])
    assert run.failed == 1
    assert site.lab.state.guests[9002].running
    own.write_text(
        yaml.safe_dump([{"name": "Mend", "ansible.builtin.debug": {"msg": "at {{ golden_image_address }}"}}])
    )
    run = site.play(GOLDEN_IMAGE, **MACHINE, golden_image_provision=[str(own)], golden_image_snapshot="")
    assert (run.status, run.failed) == (0, 0)
    assert re.search(r'"msg": "at \d+\.\d+', run.output)
    assert [text.partition(" ")[0] for text, _digest in plans(run, "intent")] == ["shutdown", "backup", "update"]
