# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stick in a playbook: over ssh as a user whom sudo allows it; and with the files of the system itself."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._host import operations, sudo

from tests.node.fixtures import node
from tests.node.node import Node

from .conftest import Bench, Stick

__all__ = ["node"]  # the fixture

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


class Play:
    def __init__(self, place: Path, host: dict[str, Any], stick: dict[str, Any]) -> None:
        self.kept = place / "kept.json"
        self.inventory = place / "inventory.json"
        variables = {"kept": str(self.kept), "stick": stick, **host}
        self.inventory.write_text(json.dumps({"all": {"hosts": {"pve1": variables}}}))
        self.command = [str(PLAYBOOK), "-i", str(self.inventory), str(HERE / "mount.yml")]
        own = {"ANSIBLE_LOCAL_TEMP": str(place), "ANSIBLE_PIPELINING": "1", "ANSIBLE_TIMEOUT": "60"}
        self.environment = {**os.environ, **own}

    def run(self, *around: str) -> dict[str, Any]:
        done = subprocess.run(
            [*around, *self.command],
            cwd=ROOT,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(self.kept.read_text())
        return result


def told(result: dict[str, Any], stick: Stick) -> None:
    runs = [result[name] for name in ("preview", "mounted", "again", "unmounted")]
    assert [run["changed"] for run in runs] == [True, True, False, True]
    preview, mounted, again, unmounted = runs
    assert [step["path"] for step in preview["plan"]["steps"]] == [step["path"] for step in mounted["plan"]["steps"]]
    assert preview["usb_mount"] == mounted["usb_mount"] == again["usb_mount"]
    assert mounted["usb_mount"]["source"] == stick.device
    assert [step["status"] for step in mounted["plan"]["steps"]] == ["done"] * len(mounted["plan"]["steps"])
    assert unmounted["usb_mount"]["mounted"] is False


@pytest.mark.slow
def test_over_ssh_as_a_user_whom_sudo_allows_it(sticks: Bench, node: Node, tmp_path: Path) -> None:
    stick = sticks.stick()
    node.allow("\n".join(sudo.rules(node.user, names=[row.name for row in operations.PARTS["usb_mount"]])))
    wanted = {"uuid": stick.uuid, "path": sticks.path, "options": ["noexec"]}
    result = Play(tmp_path, {**node.variables, "runner": "sudo"}, wanted).run()
    told(result, stick)
    assert sticks.rows == []


ETC_OF_ITS_OWN = """
mount -t tmpfs none "{place}/etc" && mkdir "{place}/etc/upper" "{place}/etc/work"
mount -t overlay -o "lowerdir=/etc,upperdir={place}/etc/upper,workdir={place}/etc/work" none /etc
cp "{place}/before" /etc/fstab
"$@"
cp /etc/fstab "{place}/after"
"""


@pytest.mark.slow
def test_the_fstab_of_the_system_is_the_one_that_is_written(sticks: Bench, tmp_path: Path) -> None:
    """In a mount namespace of its own, whose /etc nobody else sees."""
    stick = sticks.stick()
    before = b"# byte for byte\n/dev/vda1 / ext4 defaults 0 1"
    (tmp_path / "before").write_bytes(before)
    (tmp_path / "etc").mkdir()
    wanted = {"uuid": stick.uuid, "path": sticks.path, "persist": "fstab"}
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "runner": "direct"}
    play = Play(tmp_path, here, wanted)
    result = play.run("unshare", "--mount", "--", "sh", "-ec", ETC_OF_ITS_OWN.format(place=tmp_path), "-")
    told(result, stick)
    options = "nosuid,nodev,nofail,x-systemd.device-timeout=10s,x-steward.proxmox"
    line = f"UUID={stick.uuid}\t{sticks.path}\text4\t{options}\t0\t0"
    assert base64.b64decode(result["fstab"]["content"]) == before + f"\n{line}\n".encode()
    assert (tmp_path / "after").read_bytes() == before + b"\n"
    assert sticks.path not in Path("/etc/fstab").read_text()
