# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container comes to be: from a template, from a backup (restore), or as a copy of another one.

A restore resets identity (MAC, hostname as asked) in the restore call itself, before the first start, and keeps the
features of the archive, which no API token could set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._errors import BadInput, Refused
from .._names import POOL, SNAPSHOT, VOLID, segment
from .._plan import Plan, Step, after_apply
from .._privileges import Need
from .._storage import require_storage
from .._world import World
from . import effects, lxc_config
from .archive import archived_config, choose, content_path
from .draft import Draft
from .lookup import Guest, free_vmid, guest_path, online_nodes, require
from .lxc_options import NET, VOLUME, codec_of, privilege_of
from .power import plan_power, read_state
from .template import plan_template

SOURCE_SPEC: dict[str, Any] = {
    "type": "dict",
    "mutually_exclusive": [["template", "archive", "clone"]],
    "required_one_of": [["template", "archive", "clone"]],
    "options": {
        "template": {"type": "str"},
        "archive": {
            "type": "dict",
            "options": {
                "volid": {"type": "str"},
                "storage": {"type": "str"},
                "guest": {"type": "int"},
                "name": {"type": "str"},
                "newest": {"type": "bool", "default": True},
            },
        },
        "clone": {
            "type": "dict",
            "options": {
                "vmid": {"type": "int"},
                "name": {"type": "str"},
                "full": {"type": "bool", "default": True},
                "snapshot": {"type": "str"},
            },
        },
        "keep_identity": {"type": "bool", "default": False},
    },
}


class Birth:
    """One container in the making: where it goes, what it will be called, and the options that shape it."""

    def __init__(self, options: Mapping[str, Any], world: World, over: Guest | None) -> None:
        self.options, self.world, self.over = options, world, over
        self.source = options.get("source") or {}
        vmid = over.vmid if over else options.get("vmid")
        self.allocated = vmid is None
        self.vmid = int(vmid if vmid is not None else free_vmid(world))
        self.node = over.node if over else self._node()
        self.target = f"lxc/{self.vmid}"
        self.draft = Draft(Guest("lxc", self.vmid, self.node, over.config if over else None))
        if self.allocated:
            self.draft.plan.symbols[str(self.vmid)] = after_apply(f"vmid of lxc {options['name']}")

    @property
    def pool(self) -> str:
        return POOL.check("pool", self.options["pool"]) if self.options.get("pool") else ""

    @property
    def storage(self) -> str:
        return str((self.options.get("rootfs") or {}).get("storage") or "")

    def allocation(self) -> tuple[Need, ...]:
        """What every birth needs: the id, the pool, the space."""
        pool = f"/pool/{self.pool}" if self.pool else ""
        needs = [Need(f"/vms/{self.vmid}", ("VM.Allocate",), or_path=pool)]
        return (*needs, Need(pool, ("Pool.Allocate", "Permissions.Modify"))) if pool else tuple(needs)

    def _node(self) -> str:
        node = self.options.get("node")
        online = online_nodes(self.world)
        if node is None:
            if len(online) != 1:
                raise BadInput(
                    f"node is not given and the cluster has {len(online)} online nodes: {', '.join(online)}. Nothing"
                    " was sent",
                    "Give node",
                )
            return online[0]
        if node not in online:
            raise BadInput(
                f"node: '{node}' is not an online node of this cluster; online: {', '.join(online) or 'none visible'}."
            )
        return str(node)


def give_birth(options: Mapping[str, Any], world: World, over: Guest | None) -> Plan:
    """The plan that makes the container, configures it and brings it to its power state."""
    birth = Birth(options, world, over)
    source = birth.source
    if source.get("template"):
        config = _from_template(birth)
    elif source.get("archive"):
        config = _from_archive(birth)
    elif source.get("clone"):
        config = _from_clone(birth)
    else:
        raise BadInput(
            f"{birth.target} does not exist and source says nothing to make it from",
            "Give source.template, source.archive or source.clone",
        )
    draft, plan = birth.draft, birth.draft.plan
    _planned_nets(birth, config)
    plan.steps[0] = replace(plan.steps[0], yields=_learned(birth, config))
    name = str(config.get("hostname") or f"CT{birth.vmid}")
    draft.guest = replace(draft.guest, config=config)
    plan.effects = [*effects.born("lxc", birth.node, birth.vmid, name, config), *plan.effects]
    plan.before = (
        {"exists": over is not None}
        if over is None
        else {key: value for key, value in (over.config or {}).items() if key != "digest"}
    )
    plan.after = {"exists": True, **config} if over is None else config
    plan_power(draft, options["state"], running=False, options=options)
    if over is None:
        plan.before = {"exists": False}
    if options["state"] == "template":
        config = {**config, **plan_template(draft, config)}
    path = draft.guest.path
    plan.result = {"vmid": birth.vmid, "node": birth.node, "config": config}
    plan.finish = lambda reader: {
        "config": {key: value for key, value in reader.get(f"{path}/config").items() if key != "digest"}
    }
    plan.state = plan.state or {"power": "absent", "lock": None, "ha": "unmanaged"}
    return draft.done()


# -- template --------------------------------------------------------------------------------------------------------


def _from_template(birth: Birth) -> dict[str, Any]:
    options, world = birth.options, birth.world
    template = VOLID.check("source.template", birth.source["template"])
    if not birth.storage and not (options.get("rootfs") or {}).get("volume"):
        raise BadInput("rootfs.storage is needed to create a container: the storage for its root file system")
    require_storage(world, birth.node, birth.storage, "rootdir", "rootfs.storage")
    template_storage = template.partition(":")[0]
    require_storage(world, birth.node, template_storage, "vztmpl", "source.template")
    rows = world.get(content_path(birth.node, template_storage), content="vztmpl")
    if template not in [row["volid"] for row in rows]:
        there = ", ".join(sorted(row["volid"] for row in rows)) or "none"
        raise BadInput(f"source.template: '{template}' does not exist on node {birth.node}; there: {there}")
    data = lxc_config.whole(options)
    _refuse_root_only(
        birth,
        lxc_config.root_only(data, {"unprivileged": 1}),
        "Create it with privileged_host (golden_lxc), or restore it from a backup that has the features",
    )
    call = {"vmid": birth.vmid, "ostemplate": template, **data, **_extras(birth)}
    birth.draft.step(
        Step(
            "create",
            birth.target,
            "POST",
            f"/nodes/{birth.node}/lxc",
            call,
            why="it does not exist",
            needs=(
                *birth.allocation(),
                *_config_needs(birth, data),
                *_space_needs(data),
                Need(f"/storage/{template_storage}", ("Datastore.Audit", "Datastore.AllocateSpace")),
            ),
            secrets=frozenset({"password"}),
        )
    )
    birth.draft.undo({"op": "destroy", "target": birth.target})
    birth.draft.blast("low", f"creates {birth.target}")
    birth.draft.plan.blast.storages.add(birth.storage)
    birth.draft.consulted(birth.target, {"exists": False})
    return _as_created(birth, data)


def _as_created(birth: Birth, data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that the server will have written."""
    config = {"hostname": f"CT{birth.vmid}", "memory": 512, "swap": 512, "unprivileged": 1, **data}
    for slot in [key for key in config if key == "rootfs" or key.startswith("mp")]:
        config[slot] = _allocated(birth, slot, str(config[slot]))
    return config


def _planned_nets(birth: Birth, config: dict[str, Any]) -> None:
    """Every interface gets a MAC that only the server knows."""
    for slot in [key for key in config if key.startswith("net") and key[3:].isdigit()]:
        nic = NET.decode(config[slot])
        config[slot] = NET.encode(
            {**nic, "hwaddr": nic.get("hwaddr") or after_apply(f"hwaddr of {slot} of {birth.target}")}
        )


def _learned(birth: Birth, config: Mapping[str, Any]) -> dict[str, Any]:
    """How to learn, from the configuration of the finished container, what the server chose for each symbol."""
    path = f"{guest_path('lxc', birth.node, birth.vmid)}/config"
    seen: dict[str, Any] = {}

    def learn(slot: str, codec: Any, key: str) -> Any:
        def read(reader: Any, _answer: Any) -> str:
            seen.update(seen or reader.get(path))
            return (
                str(codec.decode(seen[slot]).get(key, "")).partition(":")[2]
                if key == "volume"
                else str(codec.decode(seen[slot]).get(key, ""))
            )

        return read

    found = {}
    for slot, text in config.items():
        codec, key = (NET, "hwaddr") if slot.startswith("net") else (VOLUME, "volume")
        if codec_of(slot) is codec and "(known after apply" in str(text):
            found[str(codec.decode(text)[key]).partition(":")[2] if key == "volume" else codec.decode(text)[key]] = (
                learn(slot, codec, key)
            )
    return found


def _allocated(birth: Birth, slot: str, text: str) -> str:
    """`STORAGE:GIB` as it reads once the volume exists; its name is the server's."""
    volume = VOLUME.decode(text)
    storage, colon, gib = str(volume["volume"]).partition(":")
    if not colon or not gib.replace(".", "").isdigit():
        return text
    symbol = after_apply(f"{slot} of {birth.target}")
    return VOLUME.encode({**volume, "volume": f"{storage}:{symbol}", "size": int(float(gib) * 1024**3)})


def _extras(birth: Birth) -> dict[str, Any]:
    options = birth.options
    keys = "\n".join(options.get("ssh_public_keys") or []) or None
    extras = {"pool": birth.pool or None, "password": options.get("password"), "ssh-public-keys": keys}
    return {key: value for key, value in extras.items() if value is not None}


# -- archive ---------------------------------------------------------------------------------------------------------


def _from_archive(birth: Birth) -> dict[str, Any]:
    options, world, over = birth.options, birth.world, birth.over
    if over:
        power = read_state(world, over)
        birth.draft.plan.state = power
        if power["power"] == "running":
            raise Refused(
                f"{birth.target} is running: a restore does not overwrite a running container",
                "Stop it first",
            )
        if (over.config or {}).get("protection"):
            raise Refused(f"{birth.target} is protected", "Set protection: false first")
    archive = choose(world, birth.node, birth.source["archive"])
    volid = archive["volid"]
    inside = archived_config(world, birth.node, volid)
    base = {
        key: value
        for key, value in inside.items()
        if key not in ("parent", "lock", "template", "digest") and not key.startswith("unused")
    }
    overrides = {} if birth.source["keep_identity"] else _without_macs(base)
    storage = birth.storage or str(VOLUME.decode(base["rootfs"])["volume"]).partition(":")[0]
    require_storage(world, birth.node, storage, "rootdir", "rootfs.storage")
    wanted = {**options, "rootfs": None, "source": None}
    change = lxc_config.difference(wanted, {**base, **overrides})
    overrides.update(change.put)
    _refuse_root_only(
        birth,
        lxc_config.root_only(change.merged(), base),
        "A restore keeps the features of the archive as they are; leave features out",
    )
    call: dict[str, Any] = {
        "vmid": birth.vmid,
        "ostemplate": volid,
        "restore": 1,
        "storage": storage,
        **overrides,
        **_extras(birth),
    }
    if not birth.source["keep_identity"] and not any(
        "hwaddr=" in str(value) for key, value in overrides.items() if key.startswith("net")
    ):
        call["unique"] = 1
    if over:
        call["force"] = 1
    draft = birth.draft
    draft.step(
        Step(
            "restore",
            birth.target,
            "POST",
            f"/nodes/{birth.node}/lxc",
            call,
            why=f"overwritten by {volid}" if over else f"it does not exist; restored from {volid}",
            needs=(
                *birth.allocation(),
                *_config_needs(birth, overrides),
                Need(f"/storage/{storage}", ("Datastore.AllocateSpace",)),
                *_archive_needs(birth, archive),
            ),
            secrets=frozenset({"password"}),
        )
    )
    config = {**base, **_copied(birth, storage, base), **overrides}
    _finish_restored(birth, change, config)
    draft.consulted(
        birth.target,
        {key: value for key, value in (over.config or {}).items() if key != "digest"} if over else {"exists": False},
    )
    draft.consulted(f"backup/{volid}", inside)
    draft.plan.blast.storages.add(storage)
    if over:
        draft.cannot_undo("what the container held before is overwritten; only a backup of it brings it back")
        draft.blast("high", f"overwrites {birth.target} and everything in it")
    else:
        draft.undo({"op": "destroy", "target": birth.target})
        draft.blast("low", f"creates {birth.target} from {volid}")
    return config


def _nets(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {key: NET.decode(value) for key, value in config.items() if key.startswith("net") and key[3:].isdigit()}


def _without_macs(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every interface without its MAC: a copy must not share one with its origin."""
    return {
        slot: NET.encode({name: item for name, item in nic.items() if name != "hwaddr"})
        for slot, nic in _nets(config).items()
    }


def _copied(birth: Birth, storage: str, config: Mapping[str, Any]) -> dict[str, str]:
    """The volumes of a copy: their names are the server's. They go to `storage`, or stay where the origin's are."""
    volumes = {
        slot: VOLUME.decode(text)
        for slot, text in config.items()
        if codec_of(slot) is VOLUME and not str(text).startswith("/")
    }
    return {
        slot: VOLUME.encode(
            {
                **volume,
                "volume": f"{storage or volume['volume'].partition(':')[0]}:{after_apply(f'{slot} of {birth.target}')}",
            }
        )
        for slot, volume in volumes.items()
    }


def _finish_restored(birth: Birth, change: lxc_config.Change, config: dict[str, Any]) -> None:
    """What the restore call cannot do: unset keys of the archive, grow volumes."""
    path, vms = guest_path("lxc", birth.node, birth.vmid), f"/vms/{birth.vmid}"
    if change.delete:
        data = {"delete": ",".join(sorted(change.delete))}
        needs = tuple(Need(vms, (privilege_of(key),)) for key in change.delete)
        birth.draft.step(
            Step(
                "update",
                birth.target,
                "PUT",
                f"{path}/config",
                data,
                why="the archive has what the task removes",
                needs=needs,
            )
        )
        for key in change.delete:
            config.pop(key, None)
    wanted_size = (birth.options.get("rootfs") or {}).get("size")
    if wanted_size:
        grow = lxc_config.difference({"rootfs": {"size": wanted_size}}, {"rootfs": config["rootfs"]}).grow
        for slot, size in grow.items():
            birth.draft.step(
                Step(
                    "resize",
                    birth.target,
                    "PUT",
                    f"{path}/resize",
                    {"disk": slot, "size": size},
                    why=f"{slot} grows to {size}",
                    needs=(Need(vms, ("VM.Config.Disk",)),),
                )
            )
            config[slot] = VOLUME.encode({**VOLUME.decode(config[slot]), **VOLUME.decode({"size": size})})


def _archive_needs(birth: Birth, archive: Mapping[str, Any]) -> tuple[Need, ...]:
    """Reading a backup: its storage, and its guest where that is another one (pve-storage: check_volume_access)."""
    space = Need(f"/storage/{archive['volid'].partition(':')[0]}", ("Datastore.AllocateSpace",))
    owner = int(archive.get("vmid") or birth.vmid)
    return (space,) if owner == birth.vmid else (space, Need(f"/vms/{owner}", ("VM.Backup",)))


# -- clone -----------------------------------------------------------------------------------------------------------


def _from_clone(birth: Birth) -> dict[str, Any]:
    options, world = birth.options, birth.world
    wanted = birth.source["clone"]
    origin = require(world, "lxc", wanted.get("vmid"), wanted.get("name"), None)
    _refuse_clone(birth, origin)
    call: dict[str, Any] = {
        "newid": birth.vmid,
        "full": int(wanted["full"]),
        "hostname": options.get("name"),
        "pool": birth.pool or None,
    }
    call.update(snapname=wanted.get("snapshot"), storage=birth.storage if wanted["full"] and birth.storage else None)
    if birth.node != origin.node:
        call["target"] = birth.node
    call = {key: value for key, value in call.items() if value is not None}
    have = _origin_config(birth, origin)
    volumes = _copied(birth, birth.storage, have)
    if birth.storage:
        require_storage(world, birth.node, birth.storage, "rootdir", "rootfs.storage")
    storages = sorted({text.partition(":")[0] for text in volumes.values()})
    needs = [Need(f"/vms/{origin.vmid}", ("VM.Clone",)), *birth.allocation()]
    needs += [Need(f"/storage/{storage}", ("Datastore.AllocateSpace",)) for storage in storages]
    birth.draft.plan.blast.storages.update(storages)
    birth.draft.step(
        Step(
            "clone",
            birth.target,
            "POST",
            f"{origin.path}/clone",
            call,
            why=f"it does not exist; copied from {origin.target}",
            needs=tuple(needs),
        )
    )
    config = {
        **have,
        **_without_macs(have),
        **volumes,
        "hostname": options.get("name") or have.get("hostname") or f"CT{birth.vmid}",
    }
    change = lxc_config.difference({**options, "rootfs": None, "name": None}, config)
    if birth.source["keep_identity"]:  # the server gives the interfaces of every clone new addresses
        change.put.update(_with_macs(have, {**config, **change.put}))
    _refuse_root_only(
        birth,
        lxc_config.root_only(change.merged(), have),
        "A clone keeps the features of its origin; leave features out",
    )
    if change.put:
        data, path = dict(change.put), f"{guest_path('lxc', birth.node, birth.vmid)}/config"
        birth.draft.step(
            Step(
                "update",
                birth.target,
                "PUT",
                path,
                data,
                why="differs from its origin",
                needs=_config_needs(birth, data),
            )
        )
        config.update(change.put)
    _finish_restored(birth, lxc_config.Change(delete=change.delete, grow=change.grow), config)
    birth.draft.undo({"op": "destroy", "target": birth.target})
    birth.draft.blast("low", f"creates {birth.target} from {origin.target}")
    birth.draft.consulted(birth.target, {"exists": False})
    birth.draft.consulted(origin.target, have)
    return config


def _refuse_clone(birth: Birth, origin: Guest) -> None:
    """What the server would refuse."""
    wanted = birth.source["clone"]
    if not wanted["full"] and not (origin.config or {}).get("template"):
        raise Refused(
            f"{origin.target} is not a template: only a template can have linked clones",
            "Set source.clone.full: true, or make it a template first",
        )
    if wanted["full"] and not wanted.get("snapshot"):
        power = read_state(birth.world, origin)
        if power["power"] == "running":
            raise Refused(
                f"{origin.target} is running: only a stopped container or a snapshot of one can be copied",
                "Stop it first, or name source.clone.snapshot",
            )


def _origin_config(birth: Birth, origin: Guest) -> dict[str, Any]:
    """What is copied: the configuration of the origin, or of its snapshot."""
    snapshot = birth.source["clone"].get("snapshot")
    config = birth.world.get(f"{origin.path}/snapshot/{segment(snapshot)}/config") if snapshot else origin.config or {}
    about = ("digest", "parent", "lock", "template", "snapshots", "snaptime", "snapstate")
    return {key: value for key, value in config.items() if key not in about and not key.startswith("unused")}


def _with_macs(origin: Mapping[str, Any], copy: Mapping[str, Any]) -> dict[str, str]:
    """The interfaces of a copy with the addresses of its origin, where the task gives no other."""
    return {
        slot: NET.encode({"hwaddr": _nets(origin)[slot]["hwaddr"], **nic})
        for slot, nic in _nets(copy).items()
        if "hwaddr" in _nets(origin).get(slot, {})
    }


# -- shared ----------------------------------------------------------------------------------------------------------


def _config_needs(birth: Birth, data: Mapping[str, Any]) -> tuple[Need, ...]:
    vms, pool = f"/vms/{birth.vmid}", f"/pool/{birth.pool}" if birth.pool else ""
    needs = [Need(vms, (privilege_of(key),), or_path=pool) for key in data]
    bridges = {
        NET.decode(value).get("bridge", "")
        for key, value in data.items()
        if key.startswith("net") and key[3:].isdigit()
    }
    # local bridges live in the zone localnetwork; a vnet's zone is not known from its name
    needs += [
        Need(f"/sdn/zones/localnetwork/{bridge}", ("SDN.Use",))
        for bridge in sorted(bridges)
        if str(bridge).startswith("vmbr")
    ]
    return tuple(needs)


def _space_needs(data: Mapping[str, Any]) -> tuple[Need, ...]:
    volumes = [str(value) for key, value in data.items() if key == "rootfs" or key.startswith("mp")]
    return tuple(
        Need(f"/storage/{volume.partition(':')[0]}", ("Datastore.AllocateSpace",))
        for volume in volumes
        if not volume.startswith("/")
    )


def _refuse_root_only(birth: Birth, forbidden: str, instead: str) -> None:
    if forbidden and not birth.world.is_root:
        raise Refused(
            f"{birth.target}: {forbidden} is only allowed for root@pam with its password; {birth.world.identity} cannot"
            " do it",
            instead,
        )
