# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab with something to make guests from, and short words for tests about births."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work, open_writer
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory

from tests.contract.harness import Site, planner_of, validated

GIB = 1024**3
TEMPLATE = "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz"
IMAGE = "local:import/debian.qcow2"
ISO = "local:iso/debian.iso"
NET = [{"slot": "net0", "bridge": "vmbr0"}]
SYMBOL = "(known after apply: {} of {})"


def machine(vmid: int, name: str, storage: str = "local", **config: Any) -> dict[str, Any]:
    """A machine of the seed with one disk and one interface."""
    disk = f"{storage}:{vmid}/{'base' if config.get('template') else 'vm'}-{vmid}-disk-0.qcow2"
    return {
        "kind": "qemu",
        "node": "pve1",
        "config": {
            "name": name,
            "memory": "512",
            "cores": 1,
            "scsi0": f"{disk},size=2G",
            "net0": f"virtio=BC:24:11:00:00:{vmid % 100:02d},bridge=vmbr0,tag=7",
            "boot": "order=scsi0",
            "smbios1": "uuid=33360ba9-d34a-4dca-9457-46298e5c303a",
            "vmgenid": "33360ba9-d34a-4dca-9457-46298e5c303b",
            **config,
        },
        "disks": {disk: 2 * GIB},
    }


def container(vmid: int, name: str, volume: str = "", **config: Any) -> dict[str, Any]:
    """A container of the seed with one volume and one interface."""
    volume = volume or f"local:{vmid}/vm-{vmid}-disk-0.raw"
    return {
        "kind": "lxc",
        "node": "pve1",
        "config": {
            "arch": "amd64",
            "cores": 1,
            "hostname": name,
            "memory": 512,
            "net0": f"name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:01:{vmid % 100:02d},type=veth",
            "ostype": "alpine",
            "rootfs": f"{volume},size=1G",
            "unprivileged": 1,
            **config,
        },
        "disks": {volume: GIB},
    }


SEED: dict[str, Any] = {
    "storages": {
        "nas": {
            "type": "nfs",
            "path": "/mnt/pve/nas",
            "server": "192.0.2.50",
            "export": "/export/pve",
            "content": "backup,vztmpl,iso,images,rootdir",
            "shared": 1,
        },
        "onlyhere": {"type": "dir", "path": "/mnt/here", "content": "backup,vztmpl,images,rootdir", "nodes": "pve2"},
    },
    "volumes": {
        IMAGE: {"content": "import", "format": "qcow2", "size": 2 * GIB},
        ISO: {"content": "iso", "format": "iso", "size": GIB},
        "onlyhere:vztmpl/alpine.tar.gz": {"content": "vztmpl", "format": "tgz", "size": 1000, "node": "pve2"},
    },
    "guests": {
        150: machine(150, "golden", template=1),
        151: machine(151, "web"),
        152: machine(152, "shared", "nas"),
        160: container(160, "box"),
    },
}


class Births:
    """Tasks against the lab, for real or in check mode."""

    def __init__(self, site: Site) -> None:
        self.site, self.lab, self.state = site, site.lab, site.lab.state

    def task(self, module: str, identity: str = "admin", check: bool = False, **options: Any) -> dict[str, Any]:
        """The result of a task, which may fail."""
        self.site.forget()
        return self.site.run(check, identity).task(module, options)

    def done(self, module: str, identity: str = "admin", check: bool = False, **options: Any) -> dict[str, Any]:
        """The result of a task that must not fail, and the same plan in check mode before it."""
        foreseen = self.task(module, identity, check=True, **options)
        assert not foreseen.get("failed"), foreseen["msg"]
        if check:
            return foreseen
        result = self.task(module, identity, **options)
        assert not result.get("failed"), result["msg"]
        assert result["plan"]["digest"] == foreseen["plan"]["digest"]
        return result

    def again(self, module: str, **options: Any) -> list[str]:
        """What the same task would do once more."""
        return steps(self.done(module, check=True, **options))

    def refused(self, module: str, identity: str = "admin", **options: Any) -> str:
        """Why a task was refused before anything was sent."""
        result = self.task(module, identity, **options)
        assert result.get("failed"), "was not refused"
        assert self.site.writes == []
        assert "Nothing was sent" in result["msg"]
        return str(result["msg"])

    def planned(self, module: str, **options: Any) -> Work:
        """A task of another machine, planned and not carried out: it takes no turns with ours."""
        found = planner_of(module)
        assert found is not None
        planner = replace(found, turn=lambda _options: "")
        given = validated(planner, {**self.site.connection("admin"), **options})
        return Work(planner, given, Memory(), False, open_writer(planner, given))

    def seed(self, **more: Any) -> None:
        """Begin again with more in the cluster: guests, acl, roles, pools."""
        self.site.reset({**SEED, **more, "guests": {**SEED["guests"], **more.get("guests", {})}})
        self.state = self.lab.state

    def config(self, vmid: int) -> dict[str, Any]:
        return dict(self.state.guests[vmid].config)

    def named(self, name: str) -> list[int]:
        """The ids of the guests of a name."""
        guests = self.state.guests
        return [
            vmid for vmid in guests if name in (guests[vmid].config.get("name"), guests[vmid].config.get("hostname"))
        ]


def steps(result: Mapping[str, Any]) -> list[str]:
    return [step["op"] for step in result["plan"]["steps"]]


def data(result: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    """What a step of the plan sends."""
    return dict(result["plan"]["steps"][number]["data"])


def reasons(result: Mapping[str, Any]) -> str:
    return "; ".join(result["plan"]["risk"]["reasons"])
