# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of containers: who may change what, how values are written, what waits for a restart."""

from __future__ import annotations

import re
from typing import Any

from . import disks, guests, sdn
from .call import Call, serves
from .errors import Died, Forbidden
from .permissions import Permissions
from .propertystring import parse, render
from .schema import lookup
from .state import Config, Guest, State

CONFIG = "/nodes/{node}/lxc/{vmid}/config"
# Which privilege an option needs; the others need VM.Config.Options.
PRIVILEGES = {
    "VM.Config.Disk": r"rootfs|mp\d+|unused\d+",
    "VM.Config.CPU": r"cores|cpulimit|cpuunits",
    "VM.Config.Memory": r"memory|swap",
    "VM.Config.Network": r"net\d+|nameserver|searchdomain|hostname",
}
ROOT_ONLY = {r"dev\d+": "configuring device passthrough", "hookscript": "changing the hookscript"}
READ_ONLY = ("unprivileged",)
# These take effect in a running container; the others wait for its next start.
LIVE = re.compile(
    r"description|onboot|startup|protection|hostname|hookscript|cores|tags|lock|memory|swap|cpulimit|cpuunits|net\d+"
)
# Of these a running container lets go.
LETS_GO = re.compile(
    r"description|onboot|startup|protection|hostname|hookscript|cores|tags|lock|swap|cpulimit|cpuunits|net\d+|unused\d+"
)


@serves("GET", CONFIG)
def read(call: Call) -> Config:
    guest = guests.of(call, "lxc")
    name = call.params.get("snapshot")
    if name:
        snapshot = guests.snapshot_of(guest, name)
        return guests.shown(guest, snapshot) | {"digest": guests.config_digest(guest)}
    return guests.current(guest, with_pending=not call.params.get("current"))


@serves("GET", "/nodes/{node}/lxc/{vmid}/pending")
def pending(call: Call) -> list[dict[str, Any]]:
    return guests.pending_list(guests.of(call, "lxc"))


@serves("PUT", CONFIG)
def update(call: Call) -> None:
    change = guests.Change(call, "lxc")
    change.check_names()
    guest = guests.of(call, "lxc")
    guests.check_lock_file(guest)
    guests.check_lock(guest)
    check_rights(call, guest, change.sets, [*change.deletes, *change.reverts])
    guests.check_digest(guest, call.params.get("digest"))
    apply(call, guest, change.sets, change.deletes, change.reverts)


def apply(call: Call, guest: Guest, sets: Config, deletes: list[str], reverts: list[str]) -> None:
    for key in [*sets, *deletes]:
        if key in READ_ONLY:
            raise Died(f"unable to modify read-only option: '{key}'")
    if "rootfs" in deletes:
        raise Died("unable to delete required option 'rootfs'")
    _check_protection(guest, deletes)
    with disks.made_together(call.state):
        values = {key: normalise(call.state, guest, key, value, allocate=True) for key, value in sets.items()}
    for key in reverts:
        guest.pending.pop(key, None)
        guest.deletes.discard(key)
    for key in deletes:
        _delete(call.state, guest, key)
    for key, value in values.items():
        _set(call.state, guest, key, value, sets[key])
    disks.forget_used(guest)


def _check_protection(guest: Guest, deletes: list[str]) -> None:
    """A protected container keeps its volumes."""
    for key in deletes:
        if guest.config.get("protection") and key in guest.config:
            if re.fullmatch(r"mp\d+", key):
                raise Died(f"can't remove CT {guest.vmid} drive '{key}' - protection mode enabled")
            if key.startswith("unused"):
                raise Died(f"can't remove CT {guest.vmid} unused disk '{guest.config[key]}' - protection mode enabled")


def takes(guest: Guest, key: str, asked: Any) -> bool:
    """Whether a running container takes what is asked now: no other mount point with a volume that is there already."""
    if re.fullmatch(r"mp\d+", key):
        volume = values_of(key, str(asked)).get("volume", "")
        return key not in guest.config or volume.startswith("/") or bool(disks.NEW_DISK.fullmatch(volume))
    return bool(LIVE.fullmatch(key))


def _set(state: State, guest: Guest, key: str, value: Any, asked: Any) -> None:
    guest.deletes.discard(key)
    if guest.running and not takes(guest, key, asked):
        if guest.config.get(key) == value:
            guest.pending.pop(key, None)
        else:
            guest.pending[key] = value
        return
    guest.pending.pop(key, None)
    if key == "description" and not value:
        guest.config.pop(key, None)
        return
    put(state, guest, key, value)


def put(state: State, guest: Guest, key: str, value: Any) -> None:
    """Writes an option; the volume of a mount point that is replaced stays as unused one."""
    old = str(guest.config.get(key, ""))
    guest.config[key] = value
    if old and re.fullmatch(r"mp\d+", key):
        _keep_unused(state, guest, old.split(",", 1)[0].removeprefix("volume="))


def _keep_unused(state: State, guest: Guest, volid: str) -> None:
    named = [found for _unused, found in disks.used_by(guest)]
    if state.volume(guest.node, volid) and volid not in named:
        disks.add_unused(guest, volid)


def _delete(state: State, guest: Guest, key: str) -> None:
    guest.pending.pop(key, None)
    if key not in guest.config:
        return
    if guest.running and not LETS_GO.fullmatch(key):
        guest.deletes.add(key)
        return
    drop_option(state, guest, key)


def drop_option(state: State, guest: Guest, key: str) -> None:
    """Removes an option; the volume of a mount point stays as unused one, and that of an unused one goes."""
    volid = str(guest.config.pop(key)).split(",", 1)[0].removeprefix("volume=")
    if re.fullmatch(r"mp\d+", key):
        _keep_unused(state, guest, volid)
    elif key.startswith("unused"):
        volume = state.volume(guest.node, volid)
        if volume and volume.vmid == guest.vmid and not disks.in_snapshot(guest, volid):
            state.remove(volume)


def apply_pending(state: State, guest: Guest) -> None:
    """What waited for a restart takes effect."""
    for key in sorted(guest.deletes):
        if key in guest.config:
            drop_option(state, guest, key)
    for key, value in guest.pending.items():
        put(state, guest, key, value)
    guest.pending, guest.deletes = {}, set()


# rights


def check_rights(call: Call, guest: Guest | None, sets: Config, deletes: list[str], vmid: int | None = None) -> None:
    """Each option needs its privilege; some belong to root@pam alone."""
    number = guest.vmid if guest else vmid
    permissions = call.permissions
    for key in sorted([*sets, *deletes]):
        for pattern, what in ROOT_ONLY.items():
            if re.fullmatch(pattern, key):
                permissions.need_root(what)
        if key == "features":
            continue  # below
        privilege = next((p for p, keys in PRIVILEGES.items() if re.fullmatch(keys, key)), "VM.Config.Options")
        _need(permissions, call, number, privilege)
        if key in sets and re.fullmatch(r"mp\d+|rootfs", key):
            _check_mount(permissions, key, str(sets[key]))
        if key in sets and re.fullmatch(r"net\d+", key):
            check_bridge(permissions, str(sets[key]))
    if "features" in sets or "features" in deletes:
        old = str(guest.config.get("features", "")) if guest else ""
        unprivileged = guest.config.get("unprivileged") if guest else sets.get("unprivileged", 1)
        changed = check_features(permissions, old, str(sets.get("features", "")), unprivileged=bool(unprivileged))
        if changed:
            _need(permissions, call, number, "VM.Allocate")


def _need(permissions: Permissions, call: Call, vmid: int | None, privilege: str) -> None:
    """A guest's privilege may also come from the pool that it is made for."""
    pool = call.params.get("pool") if call.method == "POST" else None
    if not (pool and permissions.may(f"/pool/{pool}", privilege)):
        permissions.need(f"/vms/{vmid}", privilege)


def check_bridge(permissions: Permissions, value: str) -> None:
    """Who puts a guest on a bridge needs to be let onto it, or onto its VLAN."""
    net = values_of("net0", value)
    if "bridge" in net:
        vlan = f"/{net['tag']}" if "tag" in net else ""
        permissions.need(f"/sdn/zones/{sdn.zone_of(permissions.state, net['bridge'])}/{net['bridge']}{vlan}", "SDN.Use")


def _check_mount(permissions: Permissions, key: str, value: str) -> None:
    volume = values_of(key, value).get("volume", "")
    if volume.startswith("/dev/"):
        permissions.need_root("mount point type device")
    elif volume.startswith("/"):
        permissions.need_root("mount point type bind")
    elif disks.NEW_DISK.fullmatch(volume):
        disks.section(permissions.state, volume.split(":")[0])
        permissions.need(f"/storage/{volume.split(':')[0]}", "Datastore.AllocateSpace")


def check_features(permissions: Permissions, old: str, new: str, *, unprivileged: bool) -> set[str]:
    """Who may allocate a container may switch its nesting if it is unprivileged; every other flag is root's."""
    before, after = values_of("features", old), values_of("features", new)
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    if permissions.caller.is_root or not changed:
        return set()
    if not unprivileged:
        raise Forbidden("changing feature flags for privileged container is only allowed for root@pam")
    if changed - {"nesting"}:
        raise Forbidden("changing feature flags (except nesting) is only allowed for root@pam")
    return changed


def values_of(key: str, text: str) -> dict[str, str]:
    form = (lookup(guests.config_schema("lxc"), key) or {}).get("format", {})
    return parse(form, text) if text else {}


# values


def normalise(state: State, guest: Guest, key: str, value: Any, *, allocate: bool) -> Any:
    """The value as PVE stores it."""
    if re.fullmatch(r"net\d+", key):
        return normal_net(state, str(value))
    if re.fullmatch(r"mp\d+", key) and allocate:
        return new_disk(state, guest, key, str(value))
    if key == "tags":
        return guests.normal_tags(str(value))
    if key == "description":
        return str(value)
    if key == "hookscript" and not state.volume(guest.node, str(value)):
        raise Died(f"script '{value}' does not exist")
    if re.fullmatch(r"dev\d+", key):
        _check_device(values_of(key, str(value)).get("path", ""))
    return value


def _check_device(path: str) -> None:
    if path not in DEVICES:
        raise Died(f"Device {path} does not exist")


# The devices that the lab's nodes have.
DEVICES = frozenset(
    {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "kvm", "fuse")}
    | {"/dev/dri/renderD128", "/dev/dri/card0", "/dev/net/tun"}
)


def normal_net(state: State, value: str) -> str:
    form = (lookup(guests.config_schema("lxc"), "net0") or {})["format"]
    return render(form, {"hwaddr": state.mac(), **parse(form, value), "type": "veth"})


def new_disk(state: State, guest: Guest, key: str, value: str) -> str:
    """STORAGE:SIZE becomes a volume; anything else stays as it is."""
    values = values_of(key, value)
    match = disks.NEW_DISK.fullmatch(values.get("volume", ""))
    if not match:
        return value
    disks.check_content(state, guest.node, match[1], "rootdir")
    volume = disks.allocate(state, guest.node, match[1], "lxc", guest.vmid, int(float(match[2]) * disks.GIB))
    form = (lookup(guests.config_schema("lxc"), key) or {})["format"]
    return render(form, {**values, "volume": volume.volid, "size": disks.show_size(volume.size)})
