# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must not happen: another guest overwritten, a change without the right to it, a build begun twice."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.demo.site import Site
from tests.lab.state import Guest

from .conftest import COPIES, GOLDEN, GOLDEN_IMAGE, MACHINE, RESTORE, plans

STRANGER: dict[str, Any] = {
    "hostname": "web",
    "unprivileged": 1,
    "features": "nesting=1,keyctl=1",
    "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth",
}


def add_stranger(site: Site, vmid: int) -> None:
    """A container of somebody else, running."""
    config = {**STRANGER, "rootfs": f"local-zfs:subvol-{vmid}-disk-0,size=4G"}
    site.lab.state.guests[vmid] = Guest(vmid, "lxc", "pve1", config, started=1.0)


@pytest.mark.parametrize("arguments", [("--check",), ()])
def test_an_id_that_is_another_containers_is_not_built_on(site: Site, arguments: tuple[str, ...]) -> None:
    add_stranger(site, 9001)
    run = site.play(GOLDEN_IMAGE, *arguments, **GOLDEN)
    assert run.failed == 1
    assert "lxc/9001 exists and is called 'web', not 'golden'" in run.output
    assert run.writes == []
    assert site.lab.state.guests[9001].running


@pytest.mark.parametrize("arguments", [("--check",), ()])
def test_a_copy_is_not_restored_over_another_guest(site: Site, arguments: tuple[str, ...]) -> None:
    add_stranger(site, 201)
    copies = [{"name": "one", "vmid": 200}, {"name": "two", "vmid": 201}]
    run = site.play(RESTORE, *arguments, **COPIES, restore_copies=copies)
    assert run.failed == 1
    assert "201 exists and is called 'web', not 'two'" in run.output
    assert run.writes == []
    assert site.lab.state.guests[201].config["hostname"] == "web"


def test_a_token_without_rights_builds_nothing(site: Site) -> None:
    previewed = site.play(GOLDEN_IMAGE, "--check", who="auditor", **GOLDEN)
    assert (previewed.status, previewed.failed) == (0, 0)
    for privilege in ("VM.PowerMgmt", "VM.Backup", "VM.Snapshot", "VM.Config.Options"):
        assert f"missing privilege: {privilege} on /vms/9001" in previewed.report
    assert "missing privilege: Datastore.AllocateSpace on /storage/local" in previewed.report
    done = site.play(GOLDEN_IMAGE, who="auditor", **GOLDEN)
    assert done.failed == 1
    assert "lacks VM.Backup, VM.Config.Options, VM.PowerMgmt, VM.Snapshot on /vms/9001" in done.output
    assert done.writes == []
    assert site.lab.state.guests == {}


def test_a_token_without_rights_makes_no_template(site: Site) -> None:
    done = site.play(GOLDEN_IMAGE, who="auditor", **MACHINE, golden_image_as_template=True)
    assert done.failed == 1
    assert "lacks VM.Allocate, VM.Backup, VM.Config.Options, VM.PowerMgmt on /vms/9002" in done.output
    assert done.writes == []
    assert site.lab.state.guests == {}


def test_a_token_without_rights_restores_nothing(site: Site) -> None:
    assert site.play(GOLDEN_IMAGE, **GOLDEN).status == 0
    site.lab.state.acl.append(
        {"path": "/storage", "type": "user", "ugid": "auditor@pve", "roleid": "PVEDatastoreAdmin", "propagate": 1}
    )
    copies = {**COPIES, "restore_copies": [{"name": "one", "vmid": 201}]}
    previewed = site.play(RESTORE, "--check", who="auditor", **copies)
    assert (previewed.status, previewed.failed) == (0, 0)
    assert "missing privilege: VM.Allocate on /vms/201" in previewed.report
    done = site.play(RESTORE, who="auditor", **copies)
    assert done.failed == 1
    assert "pveum acl modify '/vms/201' --tokens 'auditor@pve!audit'" in done.output
    assert done.writes == []
    assert sorted(site.lab.state.guests) == [9001]


def test_an_interrupted_build_is_taken_up_where_it_is(site: Site, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(yaml.safe_dump([{"name": "Break", "ansible.builtin.fail": {"msg": "the mirror is down"}}]))
    own = {**GOLDEN, "golden_image_connection": "none", "golden_image_provision": [str(broken)]}
    run = site.play(GOLDEN_IMAGE, **own)
    assert run.failed == 1
    assert site.lab.state.guests[9001].running
    broken.write_text(yaml.safe_dump([{"name": "Mend", "ansible.builtin.debug": {"msg": "the mirror is back"}}]))
    run = site.play(GOLDEN_IMAGE, **own, golden_image_snapshot="")
    assert (run.status, run.failed) == (0, 0)
    assert "the mirror is back" in run.output
    assert [text.partition(" ")[0] for text, _digest in plans(run, "intent")] == ["shutdown", "backup", "update"]


def test_the_backup_is_enough_when_the_golden_container_is_gone(site: Site) -> None:
    assert site.play(GOLDEN_IMAGE, **GOLDEN).status == 0
    del site.lab.state.guests[9001]
    run = site.play(GOLDEN_IMAGE, **GOLDEN)
    assert (run.status, run.changed, run.writes) == (0, 0, [])
    copies = {**COPIES, "restore_copies": [{"name": "one"}, {"name": "two", "state": "stopped"}]}
    previewed, done = site.play(RESTORE, "--check", **copies), site.play(RESTORE, **copies)
    assert plans(previewed, "plan") == plans(done, "intent")
    assert {guest.config["hostname"]: guest.running for guest in site.lab.state.guests.values()} == {
        "one": True,
        "two": False,
    }
