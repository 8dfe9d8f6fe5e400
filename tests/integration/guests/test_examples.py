# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of `vm` and `lxc` work as they stand: previewed, and then done, one after another."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.demo.site import Run
from tests.integration.guests.conftest import Stage

MODULES = "ansible_collections.steward.proxmox.plugins.modules"
GIB = 1 << 30
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9kZ0H1FvQ6Cw0bS6W4fH7yT5p3mB8wXn2vL1cQ4rEa me\n"
PASSWORD = "never-to-be-seen"


def machine(vmid: int, name: str, *, disks: int = 1, **more: Any) -> dict[str, Any]:
    volumes = [f"local-lvm:vm-{vmid}-disk-{number}" for number in range(disks)]
    attached = {f"scsi{number}": f"{volume},size=32G" for number, volume in enumerate(volumes)}
    net = {f"net{n}": f"virtio=BC:24:11:00:{n:02X}:{vmid % 100:02X},bridge=vmbr0" for n in range(2)}
    config = {"name": name, "memory": "4096", "ostype": "l26", "agent": "1", "boot": "order=scsi0", **attached, **net}
    sizes = dict.fromkeys(volumes, 32 * GIB)
    return {"kind": "qemu", "node": "pve1", "config": config, "disks": sizes, "system": True, **more}


def container(
    vmid: int, name: str, *, mounts: int = 0, config: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    volumes = [f"local-zfs:subvol-{vmid}-disk-{number}" for number in range(1 + mounts)]
    attached = {f"mp{n}": f"{volume},mp=/srv{n},size=8G" for n, volume in enumerate(volumes[1:])}
    net = f"name=eth0,bridge=vmbr0,hwaddr=BC:24:11:01:00:{vmid % 100:02X},ip=192.0.2.70/24,type=veth"
    own = {"hostname": name, "arch": "amd64", "memory": 512, "swap": 512, "ostype": "debian", "unprivileged": 1}
    whole = {**own, "rootfs": f"{volumes[0]},size=8G", "net0": net, **attached, **(config or {})}
    sizes = dict.fromkeys(volumes, 8 * GIB)
    return {"kind": "lxc", "node": "pve1", "config": whole, "disks": sizes, "format": "subvol", **more}


SEED: dict[str, Any] = {
    "storages": {
        "local-lvm": {"type": "lvmthin", "vgname": "pve", "thinpool": "data", "content": "images,rootdir"},
        "ceph": {"type": "rbd", "pool": "rbd", "content": "images,rootdir", "shared": 1},
    },
    "volumes": {
        "local:import/debian-13-generic-amd64.qcow2": {"content": "import", "format": "qcow2", "size": 2 * GIB},
        "local:iso/windows-server-2025.iso": {"content": "iso", "format": "iso", "size": 5 * GIB},
    },
}
GUESTS: dict[str, dict[int, dict[str, Any]]] = {
    "vm": {
        200: machine(200, "web", disks=3, running=True),
        240: machine(240, "base"),
        900: machine(900, "debian-template"),
    },
    "lxc": {
        200: container(200, "web", mounts=2, running=True),
        203: container(203, "app", running=True),
        204: container(204, "base"),
        205: container(205, "docker", config={"features": "keyctl=1,nesting=1"}),
        900: container(900, "debian-template"),
    },
}
#: what must be there before: a template to clone, and a backup to restore
BEFORE: dict[str, list[dict[str, Any]]] = {
    "vm": [
        {"steward.proxmox.vm": {"vmid": 900, "state": "template"}},
        {"steward.proxmox.backup": {"vmid": 200, "storage": "local"}},
    ],
    "lxc": [
        {"steward.proxmox.lxc": {"vmid": 900, "state": "template"}},
        {"steward.proxmox.backup": {"vmid": 205, "storage": "local", "name": "golden-docker"}},
    ],
}


def plans(run: Run, kind: str) -> list[tuple[str, str]]:
    """The plans that a run recorded, in words and with their digests."""
    return [(frame["plan"]["summary"], frame["plan"]["digest"]) for frame in run.frames(kind)]


@pytest.mark.parametrize("module", ["vm", "lxc"])
def test_the_examples_work_as_they_stand(
    stage: Stage, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text(KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    stage.lab.app.seed = SEED | {"guests": GUESTS[module]}
    stage.lab.reset()
    before = stage.play_tasks("before", BEFORE[module])
    assert before.failed == 0, before.output
    examples = yaml.safe_load(import_module(f"{MODULES}.{module}").EXAMPLES)
    variables = ("-e", f"vault_web1_password={PASSWORD}")
    preview = stage.play_tasks("preview", examples, "--check", *variables)
    assert preview.failed == 0, preview.output
    assert preview.writes == []
    real = stage.play_tasks("examples", examples, *variables)
    assert real.failed == 0, real.output
    assert real.changed == preview.changed == len(examples)
    assert plans(preview, "plan") == plans(real, "intent")
    assert PASSWORD not in real.output
