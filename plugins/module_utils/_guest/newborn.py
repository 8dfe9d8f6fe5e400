# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest in the making: what every way of making one shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._plan import Step, after_apply, is_symbol
from .._privileges import Need
from .._storage import require_storage
from .._world import World
from . import config as configs
from .capacity import add, size_in, tell_room
from .change import Change
from .configure import Configuring, refuse_root_only
from .draft import Draft
from .lookup import Guest, free_vmid, guest_path, require
from .options import Table, is_cdrom, is_cloudinit
from .place import choose_node
from .pool import require_pool
from .symbols import learned, planned, volume_symbol
from .volumes import storage_of, volume_codec, volume_of


@dataclass
class Made:
    """What the making step leaves: the configuration, and what of it still is not as the task wants it."""

    config: dict[str, Any]
    change: Change = field(default_factory=Change)
    #: a live restore leaves the guest running
    running: bool = False


class Newborn:
    """The guest, and the plan that makes it. `over`: the one that a restore overwrites."""

    def __init__(self, table: Table, options: Mapping[str, Any], world: World, over: Guest | None) -> None:
        self.table, self.options, self.world, self.over = table, options, world, over
        self.source = {name: said for name, said in (options.get("source") or {}).items() if said is not None}
        clone = self.source.get("clone")
        self.origin = require(world, table.kind, clone.get("vmid"), clone.get("name"), None) if clone else None
        vmid = over.vmid if over else options.get("vmid")
        self.vmid = int(vmid if vmid is not None else free_vmid(world))
        self.node = over.node if over else choose_node(world, options.get("node"), self.source, self.origin)
        self.target, self.path = f"{table.kind}/{self.vmid}", guest_path(table.kind, self.node, self.vmid)
        self.pool = require_pool(world, options["pool"]) if options.get("pool") else ""
        self.draft = Draft(Guest(table.kind, self.vmid, self.node, over.config if over else None))
        self._uuid = after_apply(f"uuid of {self.target}")
        if vmid is None:
            self.draft.plan.symbols[str(self.vmid)] = after_apply(f"vmid of {table.kind} {options['name']}")

    # -- the steps -----------------------------------------------------------------------------------------------

    def make(self, op: str, path: str, data: Mapping[str, Any], *, why: str, needs: Iterable[Need]) -> None:
        """The step that makes the guest."""
        given = {key: value for key, value in data.items() if value not in (None, "")}
        secrets = frozenset(key for key in given if key == "password" or self.table.is_hidden(key))
        allocates = (*self._allocation(), *needs)
        self.draft.step(Step(op, self.target, "POST", path, given, why=why, needs=allocates, secrets=secrets))
        if self.over is None:
            self.draft.consulted(self.target, {"exists": False})

    def converge(self, made: Made) -> dict[str, Any]:
        """The steps after it, for what the making call cannot do; returns the configuration that they leave.

        They disturb nobody and go with the guest, so neither the risk nor the way back is about them.
        """
        waits = configs.waiting(self.table, made.change, made.config) if made.running else {}
        draft = Draft(self.draft.guest)
        left = Configuring(draft, self.table, self.world, made.change, made.config, made.running, waits).plan()
        self.draft.plan.steps += draft.plan.steps
        self.draft.plan.effects += draft.plan.effects
        self.draft.plan.blast.storages |= draft.plan.blast.storages
        return left

    def refuse_root_only(self, change: Mapping[str, Any], have: Mapping[str, Any], instead: str) -> None:
        """Raise Refused, before anything is sent, for what no token may do."""
        refuse_root_only(self.table, self.target, change, have, self.world, instead)

    # -- what it needs -------------------------------------------------------------------------------------------

    def through_pool(self, need: Need) -> Need:
        """The rights on a pool are rights on its guests."""
        mine = self.pool and need.path == f"/vms/{self.vmid}"
        return replace(need, or_path=f"/pool/{self.pool}") if mine else need

    def config_needs(self, data: Mapping[str, Any]) -> tuple[Need, ...]:
        """The privileges behind the keys of a configuration. For the drives of a new machine, space is enough."""
        drives = self.table.kind == "qemu"
        keys = (key for key in data if not (drives and self.table.is_volume(key)))
        return tuple(need for key in keys for need in self.table.needs(key, data[key], self.vmid))

    def mapping_needs(self, config: Mapping[str, Any]) -> tuple[Need, ...]:
        """The right to use the devices that a copied configuration is mapped to."""
        every = (need for key in config for need in self.table.needs(key, config[key], self.vmid))
        return tuple(need for need in every if need.path.startswith("/mapping/"))

    def takes_space(self, config: Mapping[str, Any], option: str = "") -> tuple[Need, ...]:
        """Check the storages of the volumes that are made, and say what they need. `option` names what chose them."""
        used = set()
        for slot, volume in self.new_volumes(config).items():
            content = self.table.content
            require_storage(self.world, self.node, storage_of(volume), content, option or f"{slot}.storage")
            used.add(storage_of(volume))
        return tuple(Need(f"/storage/{storage}", ("Datastore.AllocateSpace",)) for storage in sorted(used))

    def tell_space(self, config: Mapping[str, Any]) -> None:
        """How much the volumes that are made may come to hold, and what that leaves."""
        taken: dict[str, int | None] = {}
        for slot, volume in self.new_volumes(config).items():
            add(taken, storage_of(volume), size_in(self.table, slot, config[slot]))
        tell_room(self.world, self.draft.plan.blast, self.node, taken, self.target)

    def _allocation(self) -> tuple[Need, ...]:
        """The id, and the pool where one is asked for. Whoever may back up a guest may restore over it."""
        any_of = ("VM.Allocate", "VM.Backup") if self.over else ("VM.Allocate",)
        vmid = Need(f"/vms/{self.vmid}", any_of)
        return (vmid, Need(f"/pool/{self.pool}", ("Pool.Allocate", "Permissions.Modify"))) if self.pool else (vmid,)

    # -- what it will be -----------------------------------------------------------------------------------------

    def planned(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration as it will read, with symbols for what the server chooses."""
        return planned(self.table, self.target, config)

    def without_macs(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Every interface without its address: two guests must not share one."""
        mac = self.table.mac_key
        nets = {slot: self.table.codec(slot).decode(config[slot]) for slot in filter(self.table.is_net, config)}
        without = {slot: {key: nic[key] for key in nic if key != mac} for slot, nic in nets.items()}
        return {slot: self.table.codec(slot).encode(nic) for slot, nic in without.items()}

    def new_ids(self, config: Mapping[str, Any], *, uuid: bool) -> dict[str, str]:
        """The ids that the server gives a machine anew: of its generation always, its own where `uuid`."""
        if self.table.kind == "lxc":
            return {}
        ids = {}
        if str(config.get("vmgenid", 0)) != "0":
            ids["vmgenid"] = after_apply(f"vmgenid of {self.target}")
        if uuid:
            smbios = self.table.codec("smbios1")
            own = {**smbios.decode(config.get("smbios1") or ""), "uuid": self._uuid}
            ids["smbios1"] = smbios.encode(own)
        return ids

    def learned(self, config: Mapping[str, Any]) -> dict[str, Callable[[Any, Any], str]]:
        """Symbol of the configuration -> how to read its value, once the guest is made."""
        table = self.table
        chosen = {key: text for key, text in config.items() if table.is_net(key) or table.is_volume(key)}

        def uuid(reader: Any, _answer: Any) -> str:
            smbios = reader.get(f"{self.path}/config").get("smbios1") or ""
            return str(table.codec("smbios1").decode(smbios).get("uuid", ""))

        ids = {self._uuid: uuid} if self._uuid in str(config.get("smbios1")) else {}
        return {**learned(table, self.path, chosen), **ids}

    def copied_volumes(self, origin: Mapping[str, Any], storage: str) -> dict[str, str]:
        """The volumes of the origin as they are called in the copy; their names are the server's."""
        copies = {}
        for slot, volume in self.volumes(origin).items():
            codec = volume_codec(self.table, slot)
            what = f"cloudinit drive {slot}" if is_cloudinit(volume) else slot
            there = volume_symbol(self.target, what, storage or storage_of(volume))
            copies[slot] = codec.encode({**codec.decode(origin[slot]), str(codec.default): there})
        return copies

    def volumes(self, config: Mapping[str, Any]) -> dict[str, str]:
        """slot -> volume id of what is the guest's own: no discs, no host paths."""
        found = {}
        for slot in filter(self.table.is_volume, config):
            text = str(config[slot])
            volume = volume_of(volume_codec(self.table, slot), text)
            if storage_of(volume) and (not is_cdrom(text) or is_cloudinit(text) or is_symbol(volume)):
                found[slot] = volume
        return found

    def new_volumes(self, config: Mapping[str, Any]) -> dict[str, str]:
        """Those of them that do not exist yet."""
        return {slot: volume for slot, volume in self.volumes(config).items() if is_symbol(volume)}
