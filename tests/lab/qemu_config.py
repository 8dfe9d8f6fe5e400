# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of virtual machines: who may change what, how values are written, what waits for a restart."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from . import disks, guests, lxc_config
from .call import Call, serves
from .errors import BadParameter, Died
from .propertystring import parse, render
from .schema import lookup
from .state import Config, Guest, State, Volume
from .tasks import Steps, Task

ONE = "/nodes/{node}/qemu/{vmid}"
CONFIG = ONE + "/config"
DISK = re.compile(r"(ide|sata|scsi|virtio|efidisk|tpmstate)\d+")
# Which privilege an option needs; the others need VM.Config.Options.
PRIVILEGES = {
    "VM.Config.Disk": r"(ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+|scsihw|bootdisk",
    "VM.Config.CPU": r"cores|cpu|cpulimit|cpuunits|numa\d*|sockets|smp|vcpus|affinity",
    "VM.Config.Memory": r"memory|balloon|shares|hugepages",
    "VM.Config.Network": r"net\d+",
    "VM.Config.HWType": r"acpi|machine|kvm|vga|hostpci\d+|usb\d+|serial\d+|parallel\d+|audio\d+|rng\d+|watchdog|bios"
    r"|arch|ivshmem|keyboard|tablet",
    "VM.Config.Cloudinit": r"ci\w+|ipconfig\d+|nameserver|searchdomain|sshkeys",
}
CLOUDINIT = ("cicustom", "cipassword", "citype", "ciuser", "nameserver", "searchdomain", "sshkeys")
# What only root@pam may set, unless the value is of the harmless kind.
ROOT_ONLY = (
    (r"args|lock", r"(?!)", "only root can set '{key}' config"),
    (r"hostpci\d+", r".*mapping=.*", "only root can set '{key}' config for non-mapped devices"),
    (r"usb\d+", r"spice.*|host=spice.*|.*mapping=.*", "only root can set '{key}' config for real devices"),
    (r"serial\d+", r"socket", "only root can modify '{key}' config for real devices"),
    (r"parallel\d+", r"(?!)", "only root can modify '{key}' config for real devices"),
)
# These take effect in a running VM; the others wait for its next start.
LIVE = re.compile(
    r"lock|name|onboot|shares|startup|description|protection|vmstatestorage|hookscript|tags|balloon|cpuunits|cpulimit"
)
HOTPLUG = {
    "network": r"net\d+",
    "disk": r"(scsi|virtio|unused)\d+",
    "usb": r"usb\d+",
    "cpu": r"cores|sockets|vcpus",
    "memory": r"memory",
}


@serves("GET", CONFIG)
def read(call: Call) -> Config:
    guest = guests.of(call, "qemu")
    name = call.params.get("snapshot")
    if name:
        return guests.shown(guest, guests.snapshot_of(guest, name)) | {"digest": guests.config_digest(guest)}
    return guests.current(guest, with_pending=not call.params.get("current"))


@serves("GET", ONE + "/pending")
def pending(call: Call) -> list[dict[str, Any]]:
    return guests.pending_list(guests.of(call, "qemu"))


@serves("GET", ONE + "/cloudinit")
def cloudinit(call: Call) -> list[dict[str, Any]]:
    guest = guests.of(call, "qemu")
    config = guests.shown(guest, guest.config)
    return [{"key": key, "value": config[key]} for key in CLOUDINIT if key in config]


@serves("PUT", CONFIG)
def update(call: Call) -> None:
    guest, change = _prepare(call)
    _apply(call, guest, change, lambda *_unused: None)


@serves("POST", CONFIG)
def update_in_task(call: Call) -> str:
    guest, change = _prepare(call)

    def work(task: Task) -> Steps:
        guests.check_lock_file(guest)
        words = " ".join(f"-{key} {value}" for key, value in change.sets.items() if key != "cipassword")
        task.log(f"update VM {guest.vmid}: {words}")
        yield
        _apply(call, guest, change, task.log)

    return call.task("qmconfig", guest.vmid, work, guest=guest.vmid)


def _prepare(call: Call) -> tuple[Guest, guests.Change]:
    """Every check that comes before the change."""
    check_skiplock(call)
    change = guests.Change(call, "qemu")
    change.check_names()
    for key, value in change.sets.items():
        check_root_only(call, key, str(value))
    guest = guests.of(call, "qemu")
    check_rights(call, guest.vmid, change.sets, [*change.deletes, *change.reverts])
    guests.check_lock_file(guest)
    guests.check_digest(guest, call.params.get("digest"))
    if not call.params.get("skiplock"):
        guests.check_lock(guest)
    return guest, change


def check_skiplock(call: Call) -> None:
    if call.params.get("skiplock") and not call.caller.is_root:
        raise BadParameter(skiplock="Only root may use this option.")


def check_root_only(call: Call, key: str, value: str) -> None:
    if call.caller.is_root:
        return
    for keys, harmless, text in ROOT_ONLY:
        if re.fullmatch(keys, key) and not re.fullmatch(harmless, value):
            raise Died(text.format(key=key))


def check_rights(call: Call, vmid: int, sets: Config, deletes: list[str]) -> None:
    for key in sorted([*sets, *deletes]):
        privilege = next((p for p, keys in PRIVILEGES.items() if re.fullmatch(keys, key)), "VM.Config.Options")
        if "media=cdrom" in str(sets.get(key, "")):
            privilege = "VM.Config.CDROM"
        call.need(f"/vms/{vmid}", privilege)
        if key in sets and DISK.fullmatch(key):
            _check_source(call, key, str(sets[key]))
        if key in sets and re.fullmatch(r"net\d+", key):
            lxc_config.check_bridge(call.permissions, _bridge_and_tag(key, str(sets[key])))


def _bridge_and_tag(key: str, value: str) -> str:
    values = values_of(key, value)
    return ",".join(f"{name}={values[name]}" for name in ("bridge", "tag") if name in values)


def _check_source(call: Call, key: str, value: str) -> None:
    """A new disk needs space on its storage; a path of the host is for root."""
    values = values_of(key, value)
    volume = values.get("file", "")
    if values.get("import-from", "").startswith("/") and not call.caller.is_root:
        raise Died("Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.")
    if volume.startswith("/") and not volume.startswith("/dev/"):
        raise BadParameter.of({key: f"unable to associate path '{volume}' to any storage"})
    new = disks.NEW_DISK.fullmatch(volume)
    if new or volume.endswith(":cloudinit"):
        storage = volume.split(":", 1)[0]
        disks.section(call.state, storage)
        disks.need_space(call, storage)


def values_of(key: str, text: str) -> dict[str, str]:
    form = (lookup(guests.config_schema("qemu"), key) or {}).get("format", {})
    values = parse(form, text) if text else {}
    if "volume" in values:
        values["file"] = values.pop("volume")
    return values


# applying


def _apply(call: Call, guest: Guest, change: guests.Change, log: Any) -> None:
    state = call.state
    for key in change.reverts:
        guest.pending.pop(key, None)
        guest.deletes.discard(key)
    for key in change.deletes:
        _delete(state, guest, key)
    errors: dict[str, str] = {}
    values = {key: normalise(state, guest, key, value, log) for key, value in change.sets.items()}
    for key, value in values.items():
        text = _set(state, guest, key, value)
        if text:
            errors[key] = text
    if errors:
        raise BadParameter.of(errors)


def _set(state: State, guest: Guest, key: str, value: Any) -> str | None:
    guest.deletes.discard(key)
    if guest.running and not live(guest, key):
        if guest.config.get(key) == value:
            guest.pending.pop(key, None)
        else:
            guest.pending[key] = value
        return None
    problem = _hotplug_problem(state, guest, key, value) if guest.running else None
    if problem:
        guest.pending[key] = value
        return problem
    guest.pending.pop(key, None)
    put(state, guest, key, value)
    return None


def live(guest: Guest, key: str) -> bool:
    wanted = str(guest.config.get("hotplug", "network,disk,usb"))
    kinds = {"0": "", "1": "network,disk,usb"}.get(wanted, wanted).split(",")
    return bool(LIVE.fullmatch(key)) or any(re.fullmatch(HOTPLUG[kind], key) for kind in kinds if kind in HOTPLUG)


def _hotplug_problem(state: State, guest: Guest, key: str, value: Any) -> str | None:
    bridge = values_of(key, str(value)).get("bridge") if key.startswith("net") else None
    if bridge and bridge not in state.networks[guest.node]:
        why = f"network script /usr/libexec/qemu-server/pve-bridge failed: bridge '{bridge}' does not exist"
        return f"hotplug problem - VM {guest.vmid} qmp command 'netdev_add' failed - {why}\n"
    return None


def put(state: State, guest: Guest, key: str, value: Any) -> None:
    """Writes an option; a disk that is replaced stays as unused one."""
    if key == "description" and not value:
        guest.config.pop(key, None)
        return
    old = guest.config.get(key)
    guest.config[key] = value
    if old and DISK.fullmatch(key):
        _keep_unused(state, guest, str(old))


def _keep_unused(state: State, guest: Guest, value: str) -> None:
    volid = value.split(",", 1)[0]
    volume = state.volume(guest.node, volid)
    named = [found for _unused, found in disks.used_by(guest)]
    if volume and volume.vmid == guest.vmid and volid not in named and "cloudinit" not in volid:
        disks.add_unused(guest, volid)


def _delete(state: State, guest: Guest, key: str) -> None:
    guest.pending.pop(key, None)
    if key not in guest.config:
        return
    if guest.running and not live(guest, key):
        guest.deletes.add(key)
        return
    drop_option(state, guest, key)


def drop_option(state: State, guest: Guest, key: str) -> None:
    value = str(guest.config.pop(key))
    if DISK.fullmatch(key):
        _keep_unused(state, guest, value)
    elif key.startswith("unused"):
        volume = state.volume(guest.node, value.split(",", 1)[0])
        if volume and volume.vmid == guest.vmid:
            state.remove(volume)


def apply_pending(state: State, guest: Guest) -> None:
    for key in sorted(guest.deletes):
        if key in guest.config:
            drop_option(state, guest, key)
    for key, value in guest.pending.items():
        put(state, guest, key, value)
    guest.pending, guest.deletes = {}, set()


# values


def normalise(state: State, guest: Guest, key: str, value: Any, log: Any) -> Any:
    text = str(value)
    if re.fullmatch(r"net\d+", key):
        form = (lookup(guests.config_schema("qemu"), key) or {})["format"]
        return render(form, {"macaddr": state.mac(), **parse(form, text)})
    if DISK.fullmatch(key):
        return disk_value(state, guest, key, text, log)
    simple = SIMPLE.get(key)
    return simple(state, guest, text) if simple else value


def _tags(_state: State, _guest: Guest, text: str) -> str:
    return guests.normal_tags(text) or " "


def _boot(_state: State, guest: Guest, text: str) -> str:
    for device in parse({"legacy": {"default_key": 1}, "order": {}}, text).get("order", "").split(";"):
        if device and device not in guest.config:
            raise Died(f"invalid bootorder: device '{device}' does not exist'")
    return text


def _hookscript(state: State, guest: Guest, text: str) -> str:
    if not state.volume(guest.node, text):
        raise BadParameter(hookscript=f"script '{text}' does not exist\n")
    return text


def _ssh_keys(_state: State, _guest: Guest, text: str) -> str:
    """Each key's blob begins with the length and the name of its type, and is whole."""
    for line in unquote(text).splitlines():
        kind, _unused, rest = line.strip().partition(" ")
        try:
            blob = base64.b64decode(rest.split(" ")[0], validate=True)
        except binascii.Error:
            raise Died("SSH public key validation error") from None
        if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()) or len(blob) < 40:
            raise Died("SSH public key validation error")
    return text


SIMPLE: dict[str, Callable[[State, Guest, str], Any]] = {
    "tags": _tags,
    "boot": _boot,
    "hookscript": _hookscript,
    "sshkeys": _ssh_keys,
    "description": lambda _state, _guest, text: text.rstrip("\n"),
    "cipassword": lambda *_unused: guests.HIDDEN["cipassword"],
}


def disk_value(state: State, guest: Guest, key: str, text: str, log: Any) -> str:
    """STORAGE:SIZE becomes a volume, an existing one gets its size."""
    values = values_of(key, text)
    volume = values.get("file", "")
    if volume in ("none", "cdrom"):
        return text
    if volume.endswith(":cloudinit"):
        return _cloudinit_disk(state, guest, key, volume)
    new = disks.NEW_DISK.fullmatch(volume)
    if not new:
        return _existing_disk(state, guest, key, values)
    size = _imported_size(state, guest, values.pop("import-from", None)) or int(float(new[2]) * disks.GIB)
    if key.startswith("tpmstate"):
        size = 4 << 20
    disks.check_content(state, guest.node, new[1], "images")
    made = disks.allocate(state, guest.node, new[1], "qemu", guest.vmid, size, values.pop("format", None))
    if guest.template:
        rename_base(state, made)
    log_disk(log, state, made)
    values |= {"file": made.volid, "size": disks.show_size(made.size)}
    rendered = render_disk(key, values)
    log(f"{key}: successfully created disk '{rendered}'")
    return rendered


def _imported_size(state: State, guest: Guest, source: str | None) -> int | None:
    if source is None:
        return None
    found = state.volume(guest.node, source)
    if source.startswith("/"):
        found = next((v for v in state.volumes.values() if disks.path_of(state, v) == source), None)
    if found is None:
        raise Died(f"volume '{source}' does not exist")
    return found.size


def _cloudinit_disk(state: State, guest: Guest, key: str, wanted: str) -> str:
    storage = wanted.split(":", 1)[0]
    name = (
        f"{guest.vmid}/vm-{guest.vmid}-cloudinit.qcow2"
        if disks.backend(state, storage).files
        else (f"vm-{guest.vmid}-cloudinit")
    )
    volume = Volume(f"{storage}:{name}", guest.node, "images", "qcow2", 4 << 20, int(time.time()), vmid=guest.vmid)
    state.add(volume)
    value = f"{volume.volid},media=cdrom"
    for part in str(guest.config.get("cicustom", "")).split(","):
        snippet = part.partition("=")[2]
        if snippet and not state.volume(guest.node, snippet):
            guest.config[key] = value  # the drive is there, only its image could not be written
            raise Died(f"volume '{snippet}' does not exist")
    return value


def _existing_disk(state: State, guest: Guest, key: str, values: dict[str, str]) -> str:
    volid = values["file"]
    if ":" not in volid:
        return render_disk(key, values)
    if ":iso/" in volid and values.get("media") != "cdrom":
        raise BadParameter.of({key: "explicit 'media=cdrom' is required for iso images"})
    found = state.volume(guest.node, volid)
    if found is None:
        raise Died(f"volume '{volid}' does not exist")
    return render_disk(key, {"size": disks.show_size(found.size), **values})


def render_disk(key: str, values: dict[str, str]) -> str:
    form = (lookup(guests.config_schema("qemu"), key) or {})["format"]
    return render(form, values)


def log_disk(log: Any, state: State, volume: Volume) -> None:
    path = disks.path_of(state, volume)
    if volume.format == "qcow2":
        log(
            f"Formatting '{path}', fmt=qcow2 cluster_size=65536 extended_l2=off preallocation=metadata "
            f"compression_type=zlib size={volume.size} lazy_refcounts=off refcount_bits=16"
        )
    elif disks.backend(state, volume.storage).files:
        log(f"Formatting '{path}', fmt={volume.format} size={volume.size} preallocation=off")


def rename_base(state: State, volume: Volume) -> None:
    """The disk of a template is a base volume."""
    state.remove(volume)
    volume.volid = re.sub(r"([:/])vm-", r"\1base-", volume.volid)
    state.add(volume)
