# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes of guests: names, sizes, and what each type of storage can do."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .call import Call
from .errors import BadParameter, Died, Refusal
from .state import Guest, State, Volume
from .tasks import Task

GIB = 1 << 30
# What is asked for as STORAGE:GIGABYTES is a new disk.
NEW_DISK = re.compile(r"([^:\s]+):(\d+(?:\.\d+)?)")
SIZE = re.compile(r"(\+?)(\d+(?:\.\d+)?)([KMGT]?)")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class Backend:
    """How a type of storage names its volumes, and whether it can make snapshots of them."""

    files: bool  # VMID/vm-VMID-disk-N.FORMAT, else a bare name
    ct_format: str = "raw"
    vm_formats: tuple[str, ...] = ("raw",)
    snapshots: bool = False
    unit: int = 1  # sizes are multiples of it


BACKENDS = {
    "dir": Backend(files=True, vm_formats=("raw", "qcow2", "vmdk")),
    "nfs": Backend(files=True, vm_formats=("raw", "qcow2", "vmdk")),
    "cifs": Backend(files=True, vm_formats=("raw", "qcow2", "vmdk")),
    "btrfs": Backend(files=True, snapshots=True),
    "zfspool": Backend(files=False, ct_format="subvol", snapshots=True, unit=1 << 20),
    "lvmthin": Backend(files=False, snapshots=True, unit=4 << 20),
    "lvm": Backend(files=False, unit=4 << 20),
    "rbd": Backend(files=False, snapshots=True, unit=1 << 20),
}
# Small disks with a size of their own: the variables of the firmware by type, and the state of the TPM.
EFI_SIZE = {"2m": 128 << 10, "4m": 528 << 10}
TPM_SIZE = 4 << 20
CLOUD_INIT_SIZE = 4 << 20


def backend(state: State, storage: str) -> Backend:
    return BACKENDS.get(section(state, storage)["type"], BACKENDS["dir"])


def section(state: State, storage: str) -> dict[str, Any]:
    if storage not in state.storages:
        raise Died(f"storage '{storage}' does not exist")
    return state.storages[storage]


def check_storage(state: State, node: str, storage: str) -> dict[str, Any]:
    """The storage's section, if the storage can be used on the node."""
    found = section(state, storage)
    if found.get("disable"):
        raise Died(f"storage '{storage}' is disabled")
    nodes = str(found.get("nodes", node)).split(",")
    if node not in nodes:
        raise Died(f"storage '{storage}' is not available on node '{node}'")
    if storage in state.storages_offline:
        raise Died(f"storage '{storage}' is not online")
    return found


def contents(found: dict[str, Any]) -> list[str]:
    return str(found.get("content", "")).split(",")


def check_content(state: State, node: str, storage: str, content: str) -> None:
    if content not in contents(check_storage(state, node, storage)):
        what = {"rootdir": "container directories", "images": "vm images"}[content]
        raise BadParameter(storage=f"storage '{storage}' does not support {what}")


def show_size(size: int) -> str:
    """1073741824 is 1G: the largest unit that leaves no rest."""
    for unit in "TGMK":
        if size and size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{unit}"
    return str(size)


def read_size(text: str) -> tuple[bool, int]:
    """A size and whether it is to be added."""
    match = SIZE.fullmatch(text)
    if not match:
        raise Died(f"unable to parse size '{text}'")
    return bool(match[1]), int(float(match[2]) * UNITS[match[3]])


DEVICE_PATHS = {"zfspool": "/dev/zvol/{pool}/{name}", "rbd": "rbd:{pool}/{name}"}


def path_of(state: State, volume: Volume) -> str:
    """Where the volume is on its node."""
    found = section(state, volume.storage)
    own_name = volume.name.rpartition("/")[2]
    if not backend(state, volume.storage).files:
        return DEVICE_PATHS.get(found["type"], "/dev/{vgname}/{name}").format_map({**found, "name": own_name})
    folder, _unused, name = volume.name.rpartition("/")
    places = {
        "backup": "dump",
        "vztmpl": "template/cache",
        "iso": "template/iso",
        "snippets": "snippets",
        "import": "import",
    }
    place = places.get(volume.content, f"images/{folder}")
    return f"{found['path']}/{place}/{name}"


def new_name(state: State, storage: str, vmid: int, form: str) -> str:
    """The first free name of a disk; the number counts whatever the format is."""
    taken = {
        int(match[1])
        for volume in state.volumes.values()
        if volume.storage == storage and (match := re.search(rf"-{vmid}-disk-(\d+)(\.\w+)?$", volume.name))
    }
    number = next(n for n in range(len(taken) + 1) if n not in taken)
    if backend(state, storage).files:
        return f"{vmid}/vm-{vmid}-disk-{number}.{form}"
    return f"{'subvol' if form == 'subvol' else 'vm'}-{vmid}-disk-{number}"


def place_of(state: State, node: str, storage: str) -> str | None:
    """The node of a new volume; one on a shared storage has none."""
    return None if section(state, storage).get("shared") else node


def fit_format(state: State, storage: str, *wishes: str | None) -> str:
    """A copy takes the first format that its storage has."""
    known = backend(state, storage).vm_formats
    return next((form for form in wishes if form in known), known[0])


def is_cloud_init(volid: str) -> bool:
    return bool(re.search(r"[:/]vm-\d+-cloudinit(\.\w+)?$", volid))


def allocate_cloud_init(state: State, node: str, storage: str, vmid: int) -> Volume:
    """The drive of a guest for cloud-init has a name of its own."""
    files = backend(state, storage).files
    name, form = (f"{vmid}/vm-{vmid}-cloudinit.qcow2", "qcow2") if files else (f"vm-{vmid}-cloudinit", "raw")
    place = place_of(state, node, storage)
    return state.add(Volume(f"{storage}:{name}", place, "images", form, CLOUD_INIT_SIZE, int(time.time()), vmid=vmid))


def allocate(
    state: State, node: str, storage: str, guest_kind: str, vmid: int, size: int, form: str | None = None
) -> Volume:
    kind = backend(state, storage)
    form = kind.ct_format if guest_kind == "lxc" else form or kind.vm_formats[0]
    if guest_kind == "qemu" and form not in kind.vm_formats:
        raise Died(f"unsupported format '{form}'")
    return state.add(
        Volume(
            f"{storage}:{new_name(state, storage, vmid, form)}",
            place_of(state, node, storage),
            "rootdir" if guest_kind == "lxc" else "images",
            form,
            -(-size // kind.unit) * kind.unit,
            int(time.time()),
            vmid=vmid,
        )
    )


@contextlib.contextmanager
def made_together(state: State) -> Iterator[None]:
    """If one of several disks cannot be made, none stays; drives for cloud-init do."""
    before = set(state.volumes)
    try:
        yield
    except Refusal:
        for place in [place for place in state.volumes if place not in before and not is_cloud_init(place[1])]:
            del state.volumes[place]
        raise


def log_new_filesystem(task: Task, state: State, volume: Volume) -> None:
    """What making a container's disk writes to the log."""
    if section(state, volume.storage)["type"] != "btrfs" and volume.format == "raw":
        task.log(f"Formatting '{path_of(state, volume)}', fmt=raw size={volume.size} preallocation=off")
    if volume.format == "raw":
        task.log(
            f"Creating filesystem with {volume.size >> 12} 4k blocks and {volume.size >> 14} inodes",
            f"Filesystem UUID: {state.uuid()}",
            "Superblock backups stored on blocks: ",
            "\t32768, 98304, 163840, 229376",
        )


def used_by(guest: Guest) -> Iterator[tuple[str, str]]:
    """The options of a guest that name volumes, with their volid."""
    pattern = r"rootfs|mp\d+|unused\d+" if guest.kind == "lxc" else r"(ide|sata|scsi|virtio|unused|efidisk|tpmstate)\d+"
    for key, value in sorted(guest.config.items()):
        if re.fullmatch(pattern, key):
            volid = str(value).split(",", 1)[0].removeprefix("volume=").removeprefix("file=")
            if re.fullmatch(r"[^:/\s]+:.+", volid) and not NEW_DISK.fullmatch(volid):
                yield key, volid


def of_the_node(guest: Guest) -> list[str]:
    """The options of a guest that name a path of the node: bind mounts, and disks that are passed through."""
    pattern = r"rootfs|mp\d+" if guest.kind == "lxc" else r"(ide|sata|scsi|virtio|efidisk|tpmstate)\d+"
    named = (key for key in guest.config if re.fullmatch(pattern, key))
    return [key for key in named if re.match(r"(volume=|file=)?/", str(guest.config[key]))]


def volumes_of(state: State, guest: Guest, *, unused: bool = True) -> list[tuple[str, Volume]]:
    found = []
    for key, volid in used_by(guest):
        volume = state.volume(guest.node, volid)
        if volume and volume.vmid == guest.vmid and (unused or not key.startswith("unused")):
            found.append((key, volume))
    return found


def in_snapshot(guest: Guest, volid: str) -> bool:
    """Whether a snapshot of the guest needs the volume."""
    return any(
        volid == found
        for config in guest.snapshots.values()
        for _unused, found in used_by(Guest(guest.vmid, guest.kind, guest.node, config))
    )


def in_use_by_clones(state: State, volume: Volume) -> bool:
    return any(other.parent == volume.volid and other is not volume for other in state.volumes.values())


def add_unused(guest: Guest, volid: str) -> str:
    key = next(f"unused{n}" for n in range(256) if f"unused{n}" not in guest.config)
    guest.config[key] = volid
    return key


def forget_used(guest: Guest) -> None:
    """A volume that is attached again is not unused any more."""
    used = {volid for key, volid in used_by(guest) if not key.startswith("unused")}
    for key in [key for key, volid in used_by(guest) if key.startswith("unused") and volid in used]:
        del guest.config[key]


def need_space(call: Call, storage: str) -> None:
    call.need(f"/storage/{storage}", "Datastore.AllocateSpace")


def require_volumes(state: State, guest: Guest) -> None:
    """A guest starts only where its volumes are, on storages that its node can use."""
    for key, volid in used_by(guest):
        if not key.startswith("unused") and not state.volume(guest.node, volid):
            raise Died(f"volume '{volid}' does not exist")
        check_storage(state, guest.node, volid.split(":")[0])
