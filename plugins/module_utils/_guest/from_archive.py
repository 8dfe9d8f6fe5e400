# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest from a backup: a restore.

Identity (MAC, name as asked) is reset in the restore call itself, before the first start. The features of a container
are kept, which no API token could set. Volumes are restored as they were; what the task says of them comes after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import BadInput, Refused
from .._privileges import Need
from .._storage import storages
from . import config as configs
from .archive import archived_config, choose
from .bridges import bridge_needs
from .change import Change
from .lookup import Guest, without_digest
from .newborn import Made, Newborn
from .options import is_cdrom
from .overwritten import tell_overwritten
from .power import read_state
from .volumes import storage_of, volume_codec, volume_of

#: keys of an archived configuration that a restore does not bring back
_NOT_RESTORED = {
    "lxc": frozenset({"parent", "lock", "template", "digest"}),
    "qemu": frozenset({"parent", "lock", "digest", "vmstate", "runningmachine", "runningcpu", "running-nets-host-mtu"}),
}


def from_archive(newborn: Newborn) -> Made:
    """Add the restoring step."""
    _refuse_overwriting(newborn)
    table, world, node, over = newborn.table, newborn.world, newborn.node, newborn.over
    archive = choose(world, node, newborn.source["archive"], table.kind)
    volid = archive["volid"]
    inside = archived_config(world, node, volid)
    kept = _kept(newborn, inside)
    live = _refuse_impossible(newborn, archive, kept)
    overrides = _overrides(newborn, kept)
    config = _restored(newborn, kept, overrides)
    space = newborn.takes_space(config, "source.archive.restore_storage")
    newborn.make(
        "overwrite" if over else "restore",
        f"/nodes/{node}/{table.kind}",
        {
            "vmid": newborn.vmid,
            **({"ostemplate": volid, "restore": 1} if table.kind == "lxc" else {"archive": volid}),
            "storage": _storage(newborn, kept),
            **overrides,
            "pool": newborn.pool,
            **_unique(newborn, overrides),
            **({"force": 1} if over else {}),
            **({"live-restore": 1} if live else {}),
        },
        why=f"overwritten by {volid}" if over else f"it does not exist; restored from {volid}",
        needs=(
            *newborn.config_needs(overrides),
            *bridge_needs(table, {**kept, **overrides}),
            *newborn.mapping_needs(kept),
            *space,
            *_reading(newborn, archive),
        ),
    )
    newborn.draft.consulted(f"backup/{volid}", inside)
    if over:
        _overwrites(newborn, over, kept)
    else:
        newborn.draft.blast("low", f"creates {newborn.target} from {volid}")
    return Made(config, _left(newborn, config, overrides), live)


def _kept(newborn: Newborn, inside: Mapping[str, Any]) -> dict[str, Any]:
    """What a restore brings back. Disks that were left out of the backup do not come with it."""
    table = newborn.table
    kept = {
        key: value
        for key, value in inside.items()
        if key not in _NOT_RESTORED[table.kind] and not key.startswith("unused")
    }
    if table.kind == "lxc":
        return kept
    left_out = [
        slot for slot in newborn.volumes(kept) if volume_codec(table, slot).decode(kept[slot]).get("backup") is False
    ]
    return {key: value for key, value in kept.items() if key not in left_out}


def _overrides(newborn: Newborn, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that the restore call itself sets otherwise; it takes no volumes."""
    table, kind = newborn.table, newborn.table.kind
    identity = _addresses(newborn, kept)
    change = configs.difference(table, newborn.options, {**kept, **identity})
    put = {key: value for key, value in change.put.items() if not table.is_volume(key)}
    newborn.refuse_root_only(put, kept, "A restore keeps what the archive has; leave it out")
    # a machine gets new addresses by `unique` alone; of a container, also the ones that it would take over are said
    return {**(identity if kind == "lxc" else {}), **put}


def _addresses(newborn: Newborn, kept: Mapping[str, Any]) -> dict[str, str]:
    """The interfaces without their addresses, where the guest gets new ones."""
    return {} if newborn.source["keep_identity"] else newborn.without_macs(kept)


def _restored(newborn: Newborn, kept: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that the restore leaves."""
    config = {
        **kept,
        **newborn.new_ids(kept, uuid="smbios1" in kept and not newborn.source["keep_identity"]),
        **_addresses(newborn, kept),
        **overrides,
        **newborn.copied_volumes(kept, _storage(newborn, kept)),
    }
    unused = {f"unused{number}": volume for number, volume in enumerate(_not_in_backup(newborn, kept).values())}
    return {**newborn.planned(config), **unused}


def _not_in_backup(newborn: Newborn, kept: Mapping[str, Any]) -> dict[str, str]:
    """slot -> volume of an overwritten machine that the backup lacks: it stays. A container loses all."""
    if newborn.over is None or newborn.over.kind == "lxc":
        return {}
    have = dict(newborn.over.config or {})
    restored = newborn.volumes(kept)
    return {
        slot: volume
        for slot, volume in newborn.volumes(have).items()
        if slot not in restored and not is_cdrom(have[slot])
    }


def _left(newborn: Newborn, config: Mapping[str, Any], overrides: Mapping[str, Any]) -> Change:
    """What the restored guest still has otherwise than the task wants it."""
    change = configs.difference(newborn.table, newborn.options, config)
    change.put = {key: value for key, value in change.put.items() if key not in overrides}
    return change


def _storage(newborn: Newborn, kept: Mapping[str, Any]) -> str:
    """Where the volumes go: all of them to one storage, or each of a machine to where it was."""
    rootfs = newborn.options.get("rootfs") or {}
    named = newborn.source["archive"].get("restore_storage") or rootfs.get("storage") or ""
    if named or newborn.table.kind == "qemu":
        return str(named)
    return storage_of(volume_of(volume_codec(newborn.table, "rootfs"), kept["rootfs"]))


def _unique(newborn: Newborn, overrides: Mapping[str, Any]) -> dict[str, int]:
    """Ask the server for new addresses. That of a container would replace one that the task chose."""
    if newborn.source["keep_identity"]:
        return {}
    table, mac = newborn.table, newborn.table.mac_key
    chosen = any(mac in table.codec(slot).decode(overrides[slot]) for slot in filter(table.is_net, overrides))
    return {} if chosen and table.kind == "lxc" else {"unique": 1}


def _reading(newborn: Newborn, archive: Mapping[str, Any]) -> tuple[Need, ...]:
    """Reading a backup: its storage, and its guest where that is another one (pve-storage: check_volume_access)."""
    space = Need(f"/storage/{archive['storage']}", ("Datastore.AllocateSpace",))
    owner = int(archive.get("vmid") or newborn.vmid)
    return (space,) if owner == newborn.vmid else (space, Need(f"/vms/{owner}", ("VM.Backup",)))


# -- what the server would refuse, and what goes ---------------------------------------------------------------------


def _refuse_overwriting(newborn: Newborn) -> None:
    over = newborn.over
    if over is None:
        return
    power = read_state(newborn.world, over)
    newborn.draft.plan.state = power
    if power["power"] != "stopped":
        raise Refused(
            f"{over.target} is {power['power']}: a restore does not overwrite a guest that is not stopped",
            "Stop it first (state: shutdown, or stopped)",
        )
    if str((over.config or {}).get("protection", 0)) == "1":
        raise Refused(f"{over.target} is protected", "Set protection: false first")


def _refuse_impossible(newborn: Newborn, archive: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
    """Raise for what cannot be restored; returns whether the machine runs while it is restored."""
    bound = [slot for slot in kept if newborn.table.is_volume(slot) and str(kept[slot]).startswith("/")]
    if bound and newborn.table.kind == "lxc" and not newborn.world.is_root:
        raise Refused(
            f"The archive has {bound[0]} ({kept[bound[0]]}), and only root@pam with its password restores a bind mount",
            "Log in as root@pam with api_password for this task",
        )
    state = newborn.options["state"]
    if str(kept.get("template", 0)) == "1" and state not in ("present", "template"):
        raise Refused(
            f"{archive['volid']} holds a template, and a template never runs",
            "Restore it with state: template, and clone it",
        )
    if not newborn.source["archive"].get("live"):
        return False
    if state != "started":
        raise BadInput("source.archive.live: a live restore starts the machine, and state is not started")
    backend = storages(newborn.world, newborn.node).get(archive["storage"], {}).get("type")
    if backend not in (None, "pbs"):
        raise Refused(
            f"source.archive.live: storage '{archive['storage']}' is of type {backend}; only a backup on a Proxmox"
            " Backup Server can be restored into a running machine",
            "Leave live out",
        )
    return True


def _overwrites(newborn: Newborn, over: Guest, kept: Mapping[str, Any]) -> None:
    """What goes with a guest that a restore overwrites, and what stays."""
    draft, have = newborn.draft, dict(over.config or {})
    stays = _not_in_backup(newborn, kept)
    going = {slot: volume for slot, volume in newborn.volumes(have).items() if slot not in stays}
    draft.plan.blast.storages.update(map(storage_of, [*going.values(), *stays.values()]))
    draft.plan.blast.others.update(f"volume {volume}" for volume in going.values())
    for slot, volume in stays.items():
        draft.blast("medium", f"{slot} ({volume}) is not in the backup: it stays as an unused disk")
    tell_overwritten(newborn.table, newborn.world, draft.plan.blast, over, going.values())
    draft.consulted(newborn.target, without_digest(over.config))
