# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container in the making: where it goes, which options shape it, and what every way of making one shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput, Refused
from .._names import POOL
from .._plan import after_apply
from .._privileges import Need
from .._world import World
from . import lxc_config
from .draft import Draft
from .lookup import Guest, free_vmid, guest_path, online_nodes
from .lxc_options import NET, VOLUME, codec_of, privilege_of


def is_net(key: str) -> bool:
    return codec_of(key) is NET


def is_volume(key: str) -> bool:
    return codec_of(key) is VOLUME


def without_macs(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Every interface of the origin without its MAC: two guests must not share one."""
    nets = {slot: NET.decode(origin[slot]) for slot in filter(is_net, origin)}
    return {slot: NET.encode({key: nic[key] for key in nic if key != "hwaddr"}) for slot, nic in nets.items()}


class Newborn:
    """The container, and the plan that makes it."""

    def __init__(self, options: Mapping[str, Any], world: World, over: Guest | None) -> None:
        self.options, self.world, self.over = options, world, over
        self.source = options.get("source") or {}
        vmid = over.vmid if over else options.get("vmid")
        self.vmid = int(vmid if vmid is not None else free_vmid(world))
        self.node = over.node if over else self._node()
        self.target, self.path = f"lxc/{self.vmid}", guest_path("lxc", self.node, self.vmid)
        self.pool = POOL.check("pool", options["pool"]) if options.get("pool") else ""
        self.storage = str((options.get("rootfs") or {}).get("storage") or "")
        self.draft = Draft(Guest("lxc", self.vmid, self.node, over.config if over else None))
        if vmid is None:
            self.draft.plan.symbols[str(self.vmid)] = after_apply(f"vmid of lxc {options['name']}")

    # -- what it needs -------------------------------------------------------------------------------------------

    def allocation(self) -> tuple[Need, ...]:
        """The id, and the pool where one is asked for."""
        pool = f"/pool/{self.pool}" if self.pool else ""
        vmid = Need(f"/vms/{self.vmid}", ("VM.Allocate",), or_path=pool)
        return (vmid, Need(pool, ("Pool.Allocate", "Permissions.Modify"))) if pool else (vmid,)

    def config_needs(self, data: Mapping[str, Any]) -> tuple[Need, ...]:
        """The privileges behind the keys of a configuration."""
        pool = f"/pool/{self.pool}" if self.pool else ""
        return tuple(Need(f"/vms/{self.vmid}", (privilege_of(key),), or_path=pool) for key in data)

    def refuse_root_only(self, change: Mapping[str, Any], have: Mapping[str, Any], instead: str) -> None:
        """Raise Refused, before anything is sent, for what no token may do."""
        forbidden = lxc_config.root_only(change, have)
        if forbidden and not self.world.is_root:
            who = self.world.identity
            raise Refused(
                f"{self.target}: {forbidden} is only allowed for root@pam with its password; {who} cannot do it",
                instead,
            )

    # -- what it will be -----------------------------------------------------------------------------------------

    def extras(self) -> dict[str, Any]:
        """Options of the creating call that are not configuration."""
        keys = "\n".join(self.options.get("ssh_public_keys") or [])
        extras = {"pool": self.pool, "password": self.options.get("password"), "ssh-public-keys": keys}
        return {key: value for key, value in extras.items() if value}

    def copied_volumes(self, origin: Mapping[str, Any], storage: str) -> dict[str, str]:
        """The volumes of the origin as they are called in the copy; their names are the server's."""
        copies = {}
        for slot in filter(is_volume, origin):
            volume = VOLUME.decode(origin[slot])
            if not str(volume["volume"]).startswith("/"):
                where = storage or str(volume["volume"]).partition(":")[0]
                symbol = after_apply(f"{slot} of {self.target}")
                copies[slot] = VOLUME.encode({**volume, "volume": f"{where}:{symbol}"})
        return copies

    def adjust(self, change: lxc_config.Change, config: dict[str, Any], why: str) -> None:
        """Steps after the creation, for what the creating call cannot do: set, unset, grow."""
        if change.data:
            needs = (privilege_of(key) for key in change.merged())
            self.draft.call("update", "PUT", "/config", change.data, why=why, needs=needs)
        config.update(change.put)
        for key in change.delete:
            config.pop(key, None)
        size = (self.options.get("rootfs") or {}).get("size")
        wanted = {"rootfs": {"size": size}} if size else {}
        for slot, grown in lxc_config.difference(wanted, config).grow.items():
            self.draft.grow(slot, grown)
            config[slot] = VOLUME.encode({**VOLUME.decode(config[slot]), **VOLUME.decode({"size": grown})})

    def _node(self) -> str:
        node, online = self.options.get("node"), online_nodes(self.world)
        shown = ", ".join(online) or "none visible"
        if node is None:
            if len(online) != 1:
                raise BadInput(
                    f"node is not given and the cluster has {len(online)} online nodes: {shown}", "Give node"
                )
            return online[0]
        if node not in online:
            raise BadInput(f"node: '{node}' is not an online node of this cluster; online: {shown}")
        return str(node)
