# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that the lab knows: plain data, filled from a seed, changed by the handlers."""

from __future__ import annotations

import copy
import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from .agent_process import Process
    from .ha_manager import Service

SEED = Path(__file__).with_name("seed.yml")
ROOT = "root@pam"
Config = dict[str, Any]


@dataclass
class Volume:
    """A disk, a template, an image or a backup on a storage. `node` is None on a shared storage."""

    volid: str
    node: str | None
    content: str
    format: str
    size: int
    ctime: int
    vmid: int | None = None
    parent: str | None = None
    notes: str = ""
    protected: bool = False
    archive: Guest | None = None  # what a backup would restore
    snapshots: dict[str, int] = field(default_factory=dict)  # name: the size it had then
    virtual: int = 0  # an image to import: the size of the disk in it
    system: bool = False  # an operating system is on it

    @property
    def storage(self) -> str:
        return self.volid.split(":", 1)[0]

    @property
    def name(self) -> str:
        return self.volid.split(":", 1)[1]


@dataclass
class Guest:
    vmid: int
    kind: str  # lxc or qemu
    node: str
    config: Config = field(default_factory=dict)
    pending: Config = field(default_factory=dict)
    deletes: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)  # of the deletes, those that destroy the volume
    cloud_init: Config | None = None  # what is on the cloud-init drive, if it is not what is configured
    snapshots: dict[str, Config] = field(default_factory=dict)
    started: float | None = None
    paused: bool = False
    deaf: bool = False  # it does not react to a clean shutdown
    agent_seconds: float | None = None  # how long after its start the guest agent answers
    addresses: dict[str, list[str]] | None = None  # interface: its addresses with their prefix
    pid: int = 0
    files: dict[str, bytes] = field(default_factory=dict)  # what `pct push` or the agent brought into it
    processes: dict[int, Process | None] = field(default_factory=dict)  # what the agent was asked to run
    runner: list[str] | None = None  # the command line that really runs what the agent is asked to run
    agent_socket: str | None = None  # a real agent listens there
    frozen: bool = False  # its file systems, by the agent
    busy_until: float = 0.0  # somebody holds the lock file of the configuration
    lock_until: float = 0.0  # a lock that a fault set and that goes by itself
    lock_name: str = ""

    @property
    def running(self) -> bool:
        return self.started is not None

    @property
    def lock(self) -> str | None:
        return self.lock_name if time.time() < self.lock_until else self.config.get("lock")

    @property
    def template(self) -> bool:
        return bool(self.config.get("template"))

    @property
    def name(self) -> str:
        if self.kind == "lxc":
            return str(self.config.get("hostname", f"CT{self.vmid}"))
        return str(self.config.get("name", f"VM {self.vmid}"))

    @property
    def file(self) -> str:
        return f"nodes/{self.node}/{'lxc' if self.kind == 'lxc' else 'qemu-server'}/{self.vmid}.conf"


@dataclass
class Firewall:
    """A file of the firewall. There may be no section for rules yet."""

    aliases: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    ipsets: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    rules: list[dict[str, Any]] | None = None


class State:
    """The cluster. `seed` is laid over the lab's own seed file, key by key."""

    def __init__(self, seed: dict[str, Any] | None = None, file: Path = SEED) -> None:
        data = merge(yaml.safe_load(file.read_text(encoding="utf-8")), seed or {})
        self.seed = data
        self.cluster: str | None = data.get("cluster")
        self.local: str = next(iter(data["nodes"]))
        self.nodes: dict[str, dict[str, Any]] = data["nodes"]
        self.offline: set[str] = set()
        self.maintenance: set[str] = set()
        self.quorate = True
        self.storages: dict[str, dict[str, Any]] = data.get("storages", {})
        self.storages_offline: set[str] = set()
        self.storage_used: dict[str, int] = data.get("storage_used", {})  # bytes that are no volumes of ours
        self.ceph_health: dict[str, Any] | None = data.get("ceph_health")
        self.networks: dict[str, dict[str, dict[str, Any]]] = {n: dict(d["networks"]) for n, d in self.nodes.items()}
        self.domains: dict[str, dict[str, Any]] = data.get("domains", {})
        self.users: dict[str, dict[str, Any]] = data.get("users", {})
        self.groups: dict[str, dict[str, Any]] = data.get("groups", {})
        self.roles: dict[str, set[str]] = {name: set(privs) for name, privs in data.get("roles", {}).items()}
        self.acl: list[dict[str, Any]] = list(_seed_acl(data.get("acl", {})))
        self.credentials: dict[str, dict[str, str]] = data.get("credentials", {})
        self.pools: dict[str, dict[str, Any]] = data.get("pools", {})
        self.options: dict[str, Any] = data.get("options", {})
        self.version = str(data.get("version", "9.2"))
        sdn = data.get("sdn", {})
        self.zones: dict[str, dict[str, Any]] = sdn.get("zones", {})
        self.vnets: dict[str, dict[str, Any]] = sdn.get("vnets", {})
        # by /cluster, /nodes/NAME or /vms/ID
        self.firewalls = {scope: Firewall(**spec) for scope, spec in data.get("firewalls", {}).items()}
        self.backup_jobs: dict[str, dict[str, Any]] = data.get("backup_jobs", {})
        self.ha: dict[str, dict[str, Any]] = data.get("ha", {})
        self.ha_rules: dict[str, dict[str, Any]] = data.get("ha_rules", {})
        self.ha_services: dict[str, Service] = {}
        self.ha_seconds = float(data.get("ha_seconds", 0.2))  # how long the HA manager takes to act
        self.replication: dict[str, dict[str, Any]] = data.get("replication", {})
        self.replication_results: dict[str, dict[str, Any]] = data.get("replication_results", {})  # how jobs went
        self.replication_marked: dict[str, float] = {}
        self.replication_seconds = float(data.get("replication_seconds", 0.2))  # when a marked job goes
        self.volumes: dict[tuple[str | None, str], Volume] = {}
        self.guests: dict[int, Guest] = {}
        # How old /cluster/resources may be: PVE's statistics daemon reports every ten seconds.
        self.statistics_seconds = float(data.get("statistics_seconds", 0))
        self.statistics: dict[int, dict[str, Any]] = {}
        self.statistics_time = 0.0
        self.agent_seconds = float(data.get("agent_seconds", 0))  # the time that a guest takes to boot
        self.commands: list[dict[str, Any]] = []  # what `pct exec` and agents were asked to run
        self._random = random.Random(20261120)
        self._seed_volumes(data.get("volumes", {}))
        self._seed_guests(data.get("guests", {}))

    def _seed_volumes(self, volumes: dict[str, dict[str, Any]]) -> None:
        for volid, spec in volumes.items():
            shared = self.storages[volid.split(":", 1)[0]].get("shared")
            for node in [None] if shared else spec.get("nodes", list(self.nodes)):
                self.add(
                    Volume(
                        volid,
                        node,
                        spec["content"],
                        spec["format"],
                        spec.get("size", 3 << 20),
                        int(time.time()),
                        vmid=spec.get("vmid"),
                        virtual=int(spec.get("virtual", 0)),
                        system=spec.get("system", spec["content"] == "import"),
                    )
                )

    def _seed_guests(self, guests: dict[int, dict[str, Any]]) -> None:
        for vmid, spec in guests.items():
            guest = Guest(int(vmid), spec.get("kind", "lxc"), spec.get("node", self.local), dict(spec["config"]))
            guest.deaf, guest.agent_seconds = bool(spec.get("deaf")), spec.get("agent_seconds")
            guest.addresses = spec.get("addresses")
            guest.runner, guest.agent_socket = spec.get("runner"), spec.get("agent_socket")
            if spec.get("running"):
                guest.started = time.time()
            self.guests[guest.vmid] = guest
            for volid, size in spec.get("disks", {}).items():
                content = "rootdir" if guest.kind == "lxc" else "images"
                shared = self.storages[volid.split(":", 1)[0]].get("shared")
                self.add(
                    Volume(
                        volid,
                        None if shared else guest.node,
                        content,
                        spec.get("format", "qcow2" if volid.endswith(".qcow2") else "raw"),
                        int(size),
                        int(time.time()),
                        vmid=guest.vmid,
                        system=bool(spec.get("system")),
                    )
                )

    def add(self, volume: Volume) -> Volume:
        self.volumes[volume.node, volume.volid] = volume
        return volume

    def volume(self, node: str, volid: str) -> Volume | None:
        return self.volumes.get((node, volid)) or self.volumes.get((None, volid))

    def remove(self, volume: Volume) -> None:
        self.volumes.pop((volume.node, volume.volid), None)

    def mac(self) -> str:
        """A new address; the prefix is Proxmox's own."""
        prefix = self.options.get("mac_prefix", "BC:24:11")
        return ":".join([prefix, *(f"{self._random.randrange(256):02X}" for _unused in range(3))])

    def uuid(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, dicts key by key; None removes."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            known = result.get(key)
            result[key] = merge(known if isinstance(known, dict) else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _seed_acl(paths: dict[str, dict[str, str]]) -> Iterator[dict[str, Any]]:
    """A path's subjects and their roles; a group is written @name."""
    for path, subjects in paths.items():
        for subject, role in subjects.items():
            kind = "group" if subject.startswith("@") else "token" if "!" in subject else "user"
            yield {"path": path, "type": kind, "ugid": subject.removeprefix("@"), "roleid": role, "propagate": 1}


def digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def section_digest(sections: Any) -> str:
    """The digest of a configuration file: any change of any section changes it."""
    return digest(repr(sections) if sections else "")
