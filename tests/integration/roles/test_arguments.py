# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles accept is said in meta/argument_specs.yml, and checked before their first task."""

from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from tests.demo.site import ROOT, Site

from .conftest import COPIES, GOLDEN, GOLDEN_IMAGE, MACHINE, RESTORE


def errors(role: str, variables: dict[str, Any]) -> list[str]:
    spec = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())
    return list(ArgumentSpecValidator(spec["argument_specs"]["main"]["options"]).validate(variables).error_messages)


def test_the_needed_variables_are_enough() -> None:
    assert errors("golden_image", GOLDEN) == []
    assert errors("golden_image", MACHINE) == []
    assert errors("restore", {**COPIES, "restore_copies": [{"name": "one"}]}) == []


@pytest.mark.parametrize("name", ["golden_image_name", "golden_image_node", "golden_image_vmid"])
def test_a_golden_image_needs(name: str) -> None:
    assert errors("golden_image", {key: value for key, value in GOLDEN.items() if key != name}) == [
        f"missing required arguments: {name}"
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"golden_image_vmid": "nine"}, "golden_image_vmid"),
        ({"golden_image_type": "vm"}, "value of golden_image_type must be one of: lxc, qemu"),
        ({"golden_image_cloud_init": "debian"}, "golden_image_cloud_init"),
        ({"golden_image_as_template": "perhaps"}, "golden_image_as_template"),
        ({"golden_image_runner": "su"}, "value of golden_image_runner must be one of: sudo, direct"),
        ({"golden_image_backup_mode": "fast"}, "value of golden_image_backup_mode must be one of"),
        ({"golden_image_net": ["net0"]}, "golden_image_net"),
        ({"golden_image_protect": "perhaps"}, "golden_image_protect"),
    ],
)
def test_wrong_values_of_a_golden_image(wrong: dict[str, Any], says: str) -> None:
    (message,) = errors("golden_image", {**GOLDEN, **wrong})
    assert says in message


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"restore_copies": [{"vmid": 201}]}, "missing required arguments: name found in restore_copies"),
        ({"restore_copies": [{"name": "one", "core": 2}]}, "restore_copies.core"),
        ({"restore_copies": [{"name": "one", "state": "absent"}]}, "value of state must be one of"),
        ({"restore_copies": [{"name": "one"}], "restore_defaults": {"name": "two"}}, "restore_defaults.name"),
        ({"restore_copies": [{"name": "one"}], "restore_archive": {"file": "x"}}, "restore_archive.file"),
        ({"restore_copies": [{"name": "one"}], "restore_clone": {"id": 1}}, "restore_clone.id"),
        ({"restore_copies": [{"name": "one"}], "restore_type": "vm"}, "value of restore_type must be one of"),
    ],
)
def test_wrong_values_of_a_restore(wrong: dict[str, Any], says: str) -> None:
    (message,) = errors("restore", {**COPIES, **wrong})
    assert says in message


def test_the_role_checks_them_before_it_asks_the_lab_anything(site: Site) -> None:
    asked = len(site.lab.requests)
    run = site.play(GOLDEN_IMAGE, **{**GOLDEN, "golden_image_vmid": "nine"})
    assert run.failed == 1
    assert "golden_image_vmid" in run.output
    assert len(site.lab.requests) == asked


@pytest.mark.parametrize(
    ("given", "without", "says"),
    [
        (GOLDEN, "golden_image_backup_storage", "There is nothing to copy from"),
        (GOLDEN, "golden_image_template", "A container needs golden_image_template"),
        (GOLDEN | {"golden_image_iso": "local:iso/x.iso"}, "", "are for golden_image_type: qemu"),
        (MACHINE, "golden_image_storage", "A new virtual machine needs golden_image_storage"),
        (MACHINE | {"golden_image_iso": "local:iso/x.iso"}, "", "Give one of golden_image_cloud_image"),
        (MACHINE | {"golden_image_iso": "local:iso/x.iso"}, "golden_image_cloud_image", "needs golden_image_size"),
        (MACHINE | {"golden_image_template": "local:vztmpl/x.tar.zst"}, "", "is for golden_image_type: lxc"),
    ],
)
def test_a_golden_image_that_does_not_fit_together(site: Site, given: dict[str, Any], without: str, says: str) -> None:
    asked = len(site.lab.requests)
    run = site.play(GOLDEN_IMAGE, **{key: value for key, value in given.items() if key != without})
    assert run.failed == 1
    assert says in run.output
    assert len(site.lab.requests) == asked


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"restore_clone": {"vmid": 9001}}, "Give either restore_archive or restore_clone"),
        ({"restore_copies": [{"name": "one"}, {"name": "one"}]}, "a name of its own"),
        ({"restore_copies": [{"name": "one", "disks": []}]}, "one: disks is not for restore_type lxc"),
        ({"restore_type": "qemu", "restore_defaults": {"swap": 0}}, "one: swap is not for restore_type qemu"),
    ],
)
def test_copies_that_do_not_fit_together(site: Site, wrong: dict[str, Any], says: str) -> None:
    asked = len(site.lab.requests)
    run = site.play(RESTORE, **{**COPIES, "restore_copies": [{"name": "one"}], **wrong})
    assert run.failed == 1
    assert says in run.output
    assert len(site.lab.requests) == asked
