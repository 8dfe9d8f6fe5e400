# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the options of virtual machines are written, and what becomes of the disks that are asked for."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from . import disks, guests
from .errors import BadParameter, Died
from .propertystring import Form, parse, render
from .schema import NAMED_FORMS, lookup
from .state import Config, Guest, State, Volume

DISK = re.compile(r"(ide|sata|scsi|virtio|efidisk|tpmstate)\d+")
BOOT: Form = {"legacy": {"default_key": 1}, "order": {}}


def memory_of(config: Config) -> int:
    return int(values_of("memory", str(config.get("memory", 512)))["current"])


def _form(key: str) -> Form:
    """How the value of an option is put together; a format that is only named is not known."""
    form = (lookup(guests.config_schema("qemu"), key) or {}).get("format", {})
    return form if isinstance(form, dict) else NAMED_FORMS.get(form, {})


def known_keys(key: str, values: dict[str, str]) -> dict[str, str]:
    """What the slot knows of a disk's options."""
    form = _form(key)
    return {name: value for name, value in values.items() if name in form}


def values_of(key: str, text: str) -> dict[str, str]:
    form = _form(key)
    values = parse(form, text) if text else {}
    if "volume" in values:
        values["file"] = values.pop("volume")
    return values


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
    for device in parse(BOOT, text).get("order", "").split(";"):
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
    source = _import_source(state, guest, values.pop("import-from", None))
    size = source.virtual or source.size if source else _new_size(key, values, float(new[2]))
    disks.check_content(state, guest.node, new[1], "images")
    made = disks.allocate(state, guest.node, new[1], "qemu", guest.vmid, size, values.pop("format", None))
    made.system = bool(source and source.system)
    if guest.template:
        rename_base(state, made)
    if source:
        log(f"importing disk '{source.volid}' to VM {guest.vmid} ...")
    log_disk(log, state, made)
    values |= {"file": made.volid, "size": disks.show_size(made.size)}
    rendered = render_value(key, values)
    log(f"{key}: successfully created disk '{rendered}'")
    return rendered


def _new_size(key: str, values: dict[str, str], wanted: float) -> int:
    """Firmware variables and the state of a TPM have their own size, whatever is asked."""
    if key.startswith("efidisk"):
        return disks.EFI_SIZE[values.get("efitype", "2m")]
    return disks.TPM_SIZE if key.startswith("tpmstate") else int(wanted * disks.GIB)


def _import_source(state: State, guest: Guest, source: str | None) -> Volume | None:
    if source is None:
        return None
    found = state.volume(guest.node, source)
    if source.startswith("/"):
        found = next((v for v in state.volumes.values() if disks.path_of(state, v) == source), None)
    if found is None:
        raise Died(f"volume '{source}' does not exist")
    return found


def _cloudinit_disk(state: State, guest: Guest, key: str, wanted: str) -> str:
    storage = wanted.split(":", 1)[0]
    disks.check_content(state, guest.node, storage, "images")
    value = f"{disks.allocate_cloud_init(state, guest.node, storage, guest.vmid).volid},media=cdrom"
    for part in str(guest.config.get("cicustom", "")).split(","):
        snippet = part.partition("=")[2]
        if snippet and not state.volume(guest.node, snippet):
            guest.config[key] = value  # the drive is there, only its image could not be written
            raise Died(f"volume '{snippet}' does not exist")
    return value


def _existing_disk(state: State, guest: Guest, key: str, values: dict[str, str]) -> str:
    volid = values["file"]
    if ":" not in volid:
        return render_value(key, values)
    if ":iso/" in volid and values.get("media") != "cdrom":
        raise BadParameter.of({key: "explicit 'media=cdrom' is required for iso images"})
    found = state.volume(guest.node, volid)
    if found is None:
        raise Died(f"volume '{volid}' does not exist")
    return render_value(key, {"size": disks.show_size(found.size), **values})


def render_value(key: str, values: dict[str, str]) -> str:
    return render(_form(key), values)


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
