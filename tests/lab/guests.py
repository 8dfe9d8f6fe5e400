# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What containers and virtual machines have in common: configuration, locks, digests, pending changes, snapshots."""

from __future__ import annotations

import contextlib
import functools
import re
import time
from collections.abc import Iterator
from typing import Any

from . import disks, ha_manager
from .call import Call
from .errors import BadParameter, Died, Refusal
from .formats import split_list
from .propertystring import parse, render
from .schema import Properties, lookup, properties_of, typed
from .state import Config, Guest, State, Volume, digest

NOUN = {"lxc": "CT", "qemu": "VM"}
CONFIG_PATH = {kind: f"/nodes/{{node}}/{kind}/{{vmid}}/config" for kind in NOUN}
NOT_CONFIG = {
    "node",
    "vmid",
    "delete",
    "revert",
    "digest",
    "skiplock",
    "force",
    "background_delay",
    "import-working-storage",
}
HIDDEN = {"cipassword": "**********"}
SNAPSHOT_KEYS = (
    "snaptime",
    "parent",
    "description",
    "vmstate",
    "runningmachine",
    "runningcpu",
    "running-nets-host-mtu",
    "snapstate",
)
LOCK_FILE = {"lxc": "/run/lock/lxc/pve-config-{vmid}.lock", "qemu": "/var/lock/qemu-server/lock-{vmid}.conf"}


@functools.cache
def config_schema(kind: str) -> Properties:
    """The options of a configuration: those that a PUT takes, without the ones that steer it."""
    described = properties_of("PUT", CONFIG_PATH[kind])
    return {name: schema for name, schema in described.items() if name not in NOT_CONFIG}


def missing(kind: str, node: str, vmid: int) -> Died:
    return Died(f"Configuration file '{Guest(vmid, kind, node).file}' does not exist")


def find(state: State, kind: str, node: str, vmid: int) -> Guest:
    """The guest, if the asked node has it and it is of the asked kind."""
    guest = state.guests.get(vmid)
    if guest is None or guest.kind != kind or guest.node != node:
        raise missing(kind, node, vmid)
    return guest


def of(call: Call, kind: str) -> Guest:
    return find(call.state, kind, call.node, call.vmid)


def check_unused(state: State, vmid: int) -> None:
    taken = state.guests.get(vmid)
    if taken:
        raise Died(f"{NOUN[taken.kind]} {vmid} already exists on node '{taken.node}'")


def check_lock(guest: Guest) -> None:
    if guest.lock:
        raise Died(f"{NOUN[guest.kind]} is locked ({guest.lock})")


def check_lock_file(guest: Guest) -> None:
    if time.time() < guest.busy_until:
        raise Died(f"can't lock file '{LOCK_FILE[guest.kind].format(vmid=guest.vmid)}' - got timeout")


def enter(task_log: Any, guest: Guest) -> None:
    """A worker takes the lock file and finds the guest unlocked."""
    if time.time() < guest.busy_until:
        task_log("trying to acquire lock...")
    check_lock_file(guest)
    check_lock(guest)


def check_digest(guest: Guest, sent: str | None) -> None:
    texts = {
        "lxc": "detected modified configuration - file changed by other user? Try again.",
        "qemu": "checksum mismatch (file change by other user?)",
    }
    if sent and sent != config_digest(guest):
        raise Died(texts[guest.kind])


# the configuration as a file


def config_text(config: Config) -> str:
    """The configuration as the file that PVE writes: the description as comments, then the options by name."""
    lines = [f"#{line}" for line in str(config.get("description", "")).splitlines()]
    lines += [f"{key}: {value}" for key, value in sorted(config.items()) if key != "description"]
    return "".join(line + "\n" for line in lines)


def config_digest(guest: Guest) -> str:
    parts = [config_text(guest.config), config_text(guest.pending), " ".join(sorted(guest.deletes))]
    parts += [f"[{name}]{config_text(snapshot)}" for name, snapshot in guest.snapshots.items()]
    return digest("\n".join(parts))


def shown(guest: Guest, config: Config) -> Config:
    """As the API shows it: passwords hidden, and a container's description ends its lines."""
    seen = {key: HIDDEN.get(key, value) for key, value in config.items()}
    if guest.kind == "lxc" and seen.get("description"):
        seen["description"] = str(seen["description"]).rstrip("\n") + "\n"
    if guest.lock:
        seen["lock"] = guest.lock
    return seen


def current(guest: Guest, *, with_pending: bool) -> Config:
    config = dict(guest.config)
    if with_pending:
        config |= guest.pending
        for key in guest.deletes:
            config.pop(key, None)
    return shown(guest, config) | {"digest": config_digest(guest)}


def pending_list(guest: Guest) -> list[dict[str, Any]]:
    entries = []
    values = shown(guest, guest.config) | {"digest": config_digest(guest)}
    for key, value in values.items():
        entry: dict[str, Any] = {"key": key, "value": value}
        if key in guest.pending:
            entry["pending"] = guest.pending[key]
        elif key in guest.deletes:
            entry["delete"] = 2 if key in guest.forced else 1
        entries.append(entry)
    entries += [{"key": key, "pending": value} for key, value in guest.pending.items() if key not in values]
    return entries


# values


def normal_tags(value: str) -> str:
    return ";".join(sorted({tag.lower() for tag in split_list(value)}))


def typed_value(kind: str, key: str, value: Any) -> Any:
    schema = lookup(config_schema(kind), key)
    return typed(schema, value) if schema else value


def rewrite(kind: str, key: str, changes: dict[str, str | None], value: str) -> str:
    """A property string with some keys changed, written in PVE's order."""
    form = (lookup(config_schema(kind), key) or {}).get("format", {})
    values = parse(form, value)
    for name, new in changes.items():
        if new is None:
            values.pop(name, None)
        else:
            values[name] = new
    return render(form, values)


# changing the configuration


class Change:
    """A PUT on a configuration: what is set, deleted and reverted, checked in PVE's order."""

    def __init__(self, call: Call, kind: str) -> None:
        self.call = call
        self.kind = kind
        self.sets = call.options("delete", "revert", "digest", "skiplock", "force", "background_delay")
        self.deletes = split_list(str(call.params.get("delete", "")))
        self.reverts = split_list(str(call.params.get("revert", "")))

    def check_names(self) -> None:
        if not self.sets and not self.deletes and not self.reverts:
            raise Died("no options specified")
        for name, keys in (("revert", self.reverts), ("delete", self.deletes)):
            for key in keys:
                if not option_exists(self.kind, key):
                    raise BadParameter.of({name: f"unknown option '{key}'"})
                if key in self.sets:
                    raise BadParameter.of({name: f"you can't use '-{key}' and -{name} {key}' at the same time"})


def option_exists(kind: str, key: str) -> bool:
    return key in ("lock", "vmstate") or lookup(config_schema(kind), key) is not None


# snapshots


def snapshot_list(guest: Guest) -> list[dict[str, Any]]:
    entries = []
    for name, config in guest.snapshots.items():
        entry: dict[str, Any] = {"name": name, "description": _line_end(guest, config.get("description", ""))}
        entry |= {key: config[key] for key in ("snaptime", "parent", "snapstate") if key in config}
        if guest.kind == "qemu":
            entry["vmstate"] = int("vmstate" in config)
        entries.append(entry)
    now: dict[str, Any] = {
        "name": "current",
        "description": "You are here!",
        "digest": config_digest(guest),
        "running": int(guest.running),
    }
    if "parent" in guest.config:
        now["parent"] = guest.config["parent"]
    return [*entries, now]


def _line_end(guest: Guest, text: str) -> str:
    return text.rstrip("\n") + "\n" if text and guest.kind == "lxc" else text


def snapshot_of(guest: Guest, name: str) -> Config:
    if name not in guest.snapshots:
        raise Died(f"snapshot '{name}' does not exist")
    return guest.snapshots[name]


def prepare_snapshot(guest: Guest, name: str, description: str, extra: Config) -> None:
    """The snapshot as the configuration holds it while it is taken."""
    left_out = ("lock", *SNAPSHOT_KEYS)
    config: Config = {key: value for key, value in guest.config.items() if key not in left_out and not _is_unused(key)}
    config["snaptime"] = int(time.time())
    if description:
        config["description"] = description.rstrip("\n")
    if "parent" in guest.config:
        config["parent"] = guest.config["parent"]
    guest.snapshots[name] = config | extra | {"snapstate": "prepare"}


def commit_snapshot(state: State, guest: Guest, name: str) -> None:
    guest.snapshots[name].pop("snapstate")
    guest.config["parent"] = name
    for _unused, volume in disks.volumes_of(state, guest, unused=False):
        volume.snapshots[name] = volume.size


def drop_snapshot(state: State, guest: Guest, name: str) -> None:
    parent = guest.snapshots.pop(name).get("parent")
    for config in [guest.config, *guest.snapshots.values()]:
        if config.get("parent") == name:
            config.pop("parent")
            if parent:
                config["parent"] = parent
    for _unused, volume in disks.volumes_of(state, guest):
        volume.snapshots.pop(name, None)


def roll_back(state: State, guest: Guest, name: str) -> None:
    """Configuration and volumes as they were; the notes and the unused volumes stay those of today."""
    config = {key: value for key, value in snapshot_of(guest, name).items() if key not in SNAPSHOT_KEYS}
    kept = {key: value for key, value in guest.config.items() if key == "description" or _is_unused(key)}
    if "vmgenid" in config:
        kept["vmgenid"] = state.uuid()  # it is another machine to its system now
    attached = [volume for _unused, volume in disks.volumes_of(state, guest, unused=False)]
    guest.config = config | kept | {"parent": name}
    guest.pending, guest.deletes = {}, set()
    named = {volid for _unused, volid in disks.used_by(guest)}
    for volume in attached:
        if volume.volid in named:
            volume.size = volume.snapshots.get(name, volume.size)
        elif disks.is_cloud_init(volume.volid):
            state.remove(volume)
        else:
            disks.add_unused(guest, volume.volid)
    disks.forget_used(guest)


def _is_unused(key: str) -> bool:
    return bool(re.fullmatch(r"unused\d+", key))


# removal


@contextlib.contextmanager
def undone(state: State, guest: Guest, made: list[Volume]) -> Iterator[None]:
    """Whatever goes wrong while a guest is made, nothing stays of it."""
    try:
        yield
    except Refusal:
        for volume in made:
            state.remove(volume)
        state.guests.pop(guest.vmid, None)
        raise


def destroy(state: State, guest: Guest, *, purge: bool, unreferenced: bool = False) -> None:
    """What goes with a guest: always what it owns, and with `purge` what names it elsewhere."""
    for _unused, volume in disks.volumes_of(state, guest):
        state.remove(volume)
    for volume in list(state.volumes.values()):
        own = volume.vmid == guest.vmid and volume.content in ("images", "rootdir")
        if own and volume.node in (None, guest.node) and (unreferenced or _belongs(guest, volume)):
            state.remove(volume)
    state.guests.pop(guest.vmid, None)
    state.acl[:] = [entry for entry in state.acl if entry["path"] != f"/vms/{guest.vmid}"]
    for pool in state.pools.values():
        pool["vms"] = [vmid for vmid in pool.get("vms", []) if vmid != guest.vmid]
    state.firewalls.pop(f"/vms/{guest.vmid}", None)
    if purge:
        _purge(state, guest)


def _belongs(guest: Guest, volume: Volume) -> bool:
    """Saved memories and the drive for cloud-init go with the guest, and what only a snapshot names."""
    return disks.is_cloud_init(volume.volid) or "-state-" in volume.name or disks.in_snapshot(guest, volume.volid)


def _purge(state: State, guest: Guest) -> None:
    for name in [name for name, job in state.replication.items() if int(job["guest"]) == guest.vmid]:
        del state.replication[name]
    for name, job in list(state.backup_jobs.items()):
        if "vmid" in job:
            left = [vmid for vmid in split_list(str(job["vmid"])) if vmid != str(guest.vmid)]
            job["vmid"] = ",".join(left)
            if not left:
                del state.backup_jobs[name]
    state.ha.pop(ha_manager.sid_of(guest), None)


def check_not_managed(state: State, guest: Guest) -> None:
    """Who does not purge must first take away what depends on the guest."""
    if ha_manager.sid_of(guest) in state.ha:
        noun = NOUN[guest.kind]
        raise Died(f"unable to remove {noun} {guest.vmid} - used in HA resources and purge parameter not set.")
    for name in sorted(name for name, job in state.replication.items() if int(job["guest"]) == guest.vmid):
        raise Died(f"There is a replication job '{name}' for guest '{guest.vmid}' - Please remove that first.")


def ha_status(state: State, guest: Guest) -> dict[str, Any]:
    sid = ha_manager.sid_of(guest)
    if sid not in ha_manager.managed(state):
        return {"managed": 0}
    service = state.ha_services.get(sid)
    return {"managed": 1, "state": service.state if service else None}


def indexed(key: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"([a-z_\-]+?)(\d+)", key)
    return (match[1], int(match[2])) if match else (key, None)
