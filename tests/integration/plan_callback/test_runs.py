# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people, files and exit statuses say at the end of real runs of ansible-playbook."""

import stat
from typing import Any

from .conftest import Site

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
SECRET = "very-secret-word"


def lxc(title: str, vmid: Any, _task: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return {"name": title, "steward.proxmox.lxc": {"vmid": vmid, "node": "pve1", **options}} | (_task or {})


def create(title: str, vmid: Any, _task: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    born = {"source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs", "size": "4G"}}
    return lxc(title, vmid, _task, **born, **options)


CHANGE = lxc("Change", 200, cores=3, net=[{"slot": "net0", "ip": "10.0.0.5/24"}])


def test_dev(site: Site) -> None:
    done = site.play(
        CHANGE,
        create("Make", 9001, name="golden-docker", state="started", password=SECRET),
        create("Hidden", 9002, {"no_log": True}, name="hidden", password=SECRET),
        lxc("Gone", 200, state="absent", force=True),
    )
    print(done.output)
    print(site.markdown)
    print((site.folder / "plan.json").read_text()[:3000])
    done = site.play(CHANGE, create("Hidden", 9002, {"no_log": True}, name="hidden", password=SECRET), check=False)
    print(done.output)
    print(site.markdown)
    print((site.folder / "plan.json").read_text()[:3000])
    assert 0
