# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Storages: their configuration, their state on a node, and their volumes."""

from __future__ import annotations

import re
import time
from typing import Any

from . import disks
from .call import Call, serves
from .errors import BadParameter, Died
from .formats import split_list
from .schema import lookup, properties_of
from .state import State, Volume, section_digest
from .tasks import Steps, Task

ONE = "/storage/{storage}"
ON_NODE = "/nodes/{node}/storage"
CONTENT = ON_NODE + "/{storage}/content"
REQUIRED = {
    "dir": ("path",),
    "btrfs": ("path",),
    "nfs": ("server", "export"),
    "cifs": ("server", "share"),
    "zfspool": ("pool",),
    "lvm": ("vgname",),
    "lvmthin": ("vgname", "thinpool"),
    "pbs": ("server", "datastore"),
}
DEFAULT_CONTENT = {
    "dir": "images,rootdir",
    "btrfs": "images,rootdir",
    "nfs": "images",
    "cifs": "images",
    "zfspool": "images,rootdir",
    "lvm": "images,rootdir",
    "lvmthin": "images,rootdir",
    "pbs": "backup",
}
SHARED = ("nfs", "cifs", "rbd", "cephfs", "iscsi", "iscsidirect", "zfs")
REMOTE = ("nfs", "cifs", "pbs", "iscsi", "esxi")
TOTAL = 270553174016
NEVER_SHOWN = ("password", "keyring", "encryption-key", "master-pubkey")


# storage.cfg


def _shown(call: Call, name: str) -> dict[str, Any]:
    found = {key: value for key, value in call.state.storages[name].items() if key not in NEVER_SHOWN}
    return {"storage": name, **found, "digest": section_digest(call.state.storages)}


@serves("GET", "/storage")
def index(call: Call) -> list[dict[str, Any]]:
    wanted = call.params.get("type")
    return [
        _shown(call, name)
        for name, found in call.state.storages.items()
        if wanted in (None, found["type"])
        and call.may(f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace", some=True)
    ]


@serves("GET", ONE)
def read(call: Call) -> dict[str, Any]:
    name = call.params["storage"]
    disks.section(call.state, name)
    return _shown(call, name)


@serves("POST", "/storage")
def create(call: Call) -> dict[str, str]:
    params = {key: value for key, value in call.params.items() if key not in ("storage", "digest", "nodes")}
    name, kind = call.params["storage"], call.params["type"]
    if name in call.state.storages:
        raise Died(f"create storage failed: storage ID '{name}' already defined")
    for key in REQUIRED.get(kind, ()):
        if key not in params:
            raise Died(f"missing value for required option '{key}'")
    if not params.get("disable"):
        _check_backend(name, kind, params)
    call.cluster_write("create storage failed: ", "storage_cfg")
    found = {"content": DEFAULT_CONTENT.get(kind, "images")} | params
    if "nodes" in call.params:
        found["nodes"] = ",".join(sorted(split_list(call.params["nodes"])))
    if kind in SHARED:
        found["shared"] = 1
    if kind == "zfs":
        found.setdefault("zfs-base-path", "/dev/zvol")
    if kind in ("nfs", "cifs"):
        found.setdefault("path", f"/mnt/pve/{name}")
    call.state.storages[name] = {key: value for key, value in found.items() if (key, value) != ("disable", 0)}
    return {"storage": name, "type": kind}


def _check_backend(name: str, kind: str, params: dict[str, Any]) -> None:
    """What stands behind a storage must be there; the lab has no servers and no volume groups."""
    if kind in REMOTE:
        raise Died(f"create storage failed: storage '{name}' is not online")
    if kind == "cephfs":
        raise Died('create storage failed: mount error: Job failed. See "journalctl -xe" for details.')
    if kind == "lvmthin":
        raise Died(f"create storage failed: no such logical volume {params['vgname']}/{params['thinpool']}")
    if kind == "btrfs" and not params.get("is_mountpoint"):
        raise Died(f"create storage failed: '{params['path']}' is not a btrfs file system")


@serves("PUT", ONE)
def update(call: Call) -> dict[str, str]:
    name = call.params["storage"]
    if name not in call.state.storages:
        raise Died(f"update storage failed: storage '{name}' does not exist")
    digest = call.params.get("digest")
    if digest and digest != section_digest(call.state.storages):
        raise Died("update storage failed: detected modified configuration - file changed by other user? Try again.")
    found = call.state.storages[name]
    for key in split_list(str(call.params.get("delete", ""))):
        if key in REQUIRED.get(found["type"], ()):
            raise Died(f"update storage failed: unable to delete required option '{key}'")
        if lookup(properties_of("POST", "/storage"), key) is None:
            raise Died(f"update storage failed: no such option '{key}'")
        found.pop(key, None)
        if key == "content":
            found["content"] = DEFAULT_CONTENT.get(found["type"], "images")
    found |= {key: value for key, value in call.params.items() if key not in ("storage", "digest", "delete")}
    if not found.get("nodes", "-"):
        found.pop("nodes")
    if not found.get("disable"):
        found.pop("disable", None)
    return {"storage": name, "type": found["type"]}


@serves("DELETE", ONE)
def delete(call: Call) -> None:
    name = call.params["storage"]
    if name not in call.state.storages:
        raise Died(f"delete storage failed: storage '{name}' does not exist")
    call.cluster_write("delete storage failed: ", "storage_cfg")
    del call.state.storages[name]


# on a node


def _available(call: Call, name: str) -> bool:
    nodes = call.state.storages[name].get("nodes")
    return not nodes or call.node in str(nodes).split(",")


def figures(state: State, name: str, node: str) -> dict[str, Any]:
    found = state.storages[name]
    active = not found.get("disable") and name not in state.storages_offline
    used = state.storage_used.get(name, 0)
    used += sum(v.size for v in state.volumes.values() if v.storage == name and v.node in (None, node))
    return {
        "type": found["type"],
        "content": found.get("content", ""),
        "shared": int(found.get("shared", 0)),
        "enabled": int(not found.get("disable")),
        "active": int(active),
        "total": TOTAL if active else 0,
        "used": used if active else 0,
        "avail": max(TOTAL - used, 0) if active else 0,
    }


@serves("GET", ON_NODE)
def on_node(call: Call) -> list[dict[str, Any]]:
    content, only = call.params.get("content"), call.params.get("storage")
    found = []
    for name, section in call.state.storages.items():
        visible = call.may(f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace", some=True)
        fits = not content or set(split_list(content)) & set(disks.contents(section))
        if visible and fits and only in (None, name) and _available(call, name):
            own = figures(call.state, name, call.node)
            if own["total"]:
                own["used_fraction"] = own["used"] / own["total"]
            if not call.params.get("enabled") or own["enabled"]:
                found.append({"storage": name, **own})
    return found


@serves("GET", ON_NODE + "/{storage}/status")
def status(call: Call) -> dict[str, Any]:
    name = call.params["storage"]
    if name not in call.state.storages or not _available(call, name):
        raise BadParameter(storage="No such storage.")
    return figures(call.state, name, call.node)


@serves("GET", ON_NODE + "/{storage}")
def children(_call: Call) -> list[dict[str, str]]:
    names = ("content", "download-url", "prunebackups", "rrd", "rrddata", "status", "upload")
    return [{"subdir": name} for name in names]


# volumes


def volumes_on(call: Call, storage: str) -> list[Volume]:
    return [v for v in call.state.volumes.values() if v.storage == storage and v.node in (None, call.node)]


@serves("GET", CONTENT)
def content(call: Call) -> list[dict[str, Any]]:
    storage, wanted, vmid = call.params["storage"], call.params.get("content"), call.params.get("vmid")
    disks.check_storage(call.state, call.node, storage)
    return [
        describe(call.state, volume)
        for volume in volumes_on(call, storage)
        if wanted in (None, volume.content) and vmid in (None, volume.vmid) and _may_see(call, volume)
    ]


def _may_see(call: Call, volume: Volume) -> bool:
    """Disks and backups of a guest are for those who manage it or the storage; templates for all who see the list."""
    if volume.content in ("vztmpl", "iso", "import", "snippets"):
        return True
    storage = f"/storage/{volume.storage}"
    if call.may(storage, "Datastore.Allocate"):
        return True
    if volume.content == "backup":
        return call.may(storage, "Datastore.AllocateSpace") and call.may(f"/vms/{volume.vmid}", "VM.Backup")
    return call.may(f"/vms/{volume.vmid}", "VM.Config.Disk")


def describe(state: State, volume: Volume) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "volid": volume.volid,
        "content": volume.content,
        "format": volume.format,
        "size": volume.size,
        "ctime": volume.ctime,
    }
    if volume.content in ("images", "rootdir"):
        parent = volume.parent and volume.parent.split(":", 1)[1]
        if parent:
            parent = f"../{parent}" if disks.backend(state, volume.storage).files else f"{parent}@__base__"
        entry |= {"vmid": volume.vmid, "used": min(volume.size, 352256), "parent": parent}
    if volume.content == "backup":
        entry |= {"vmid": volume.vmid, "subtype": volume.archive.kind if volume.archive else "lxc"}
        if volume.notes:
            entry["notes"] = volume.notes.split("\n", 1)[0]
        if volume.protected:
            entry["protected"] = 1
    return entry


def full_volid(call: Call) -> str:
    """The volume of a path, with or without its storage in front."""
    storage, volume = call.params.get("storage"), str(call.params["volume"])
    if ":" in volume:
        named = volume.split(":", 1)[0]
        if storage and named != storage:
            raise BadParameter(volume=f"storage ID mismatch ({named} != {storage})\n")
        return volume
    return f"{storage}:{volume}"


def _check_name(call: Call, volid: str) -> None:
    storage, _unused, name = volid.partition(":")
    disks.check_storage(call.state, call.node, storage)
    if disks.backend(call.state, storage).files and "/" not in name:
        raise Died(f"unable to parse directory volume name '{name}'")


def _check_access(call: Call, volid: str, volume: Volume | None) -> None:
    storage = volid.split(":", 1)[0]
    if volume is None or not _may_see(call, volume):
        call.need(f"/storage/{storage}", "Datastore.AllocateSpace")


@serves("GET", CONTENT + "/{volume}")
def read_volume(call: Call) -> dict[str, Any]:
    volid = full_volid(call)
    _check_name(call, volid)
    volume = call.state.volume(call.node, volid)
    _check_access(call, volid, volume)
    if volume is None:
        raise Died(f"volume_size_info on '{volid}' failed - no format")
    form = volume.format if volume.content in ("images", "rootdir") else "raw"
    entry: dict[str, Any] = {
        "path": disks.path_of(call.state, volume),
        "size": volume.virtual or volume.size,
        "used": min(volume.size, 1105920),
        "format": form,
    }
    if volume.content == "backup":
        entry |= {"notes": volume.notes} if volume.notes else {}
        entry |= {"protected": 1} if volume.protected else {}
    return entry


@serves("PUT", CONTENT + "/{volume}")
def update_volume(call: Call) -> None:
    volid = full_volid(call)
    _check_name(call, volid)
    volume = call.state.volume(call.node, volid)
    _check_access(call, volid, volume)
    if volume is None:
        return
    if volume.content != "backup" and "notes" in call.params:
        raise Died("only backups can have notes")
    if volume.content != "backup" and "protected" in call.params:
        raise Died("only backups support attribute 'protected'")
    volume.notes = call.params.get("notes", volume.notes)
    volume.protected = bool(call.params.get("protected", volume.protected))


@serves("DELETE", CONTENT + "/{volume}")
def delete_volume(call: Call) -> str | None:
    volid = full_volid(call)
    _check_name(call, volid)
    storage, _unused, name = volid.partition(":")
    found = call.state.volume(call.node, volid)
    _check_access(call, volid, found)
    owner = _owner(found, name)

    def work(task: Task) -> Steps:
        volume = call.state.volume(call.node, volid)
        if volume and volume.protected:
            raise Died(f"cannot remove protected volume '{name}' on '{storage}'")
        if volume and disks.in_use_by_clones(call.state, volume):
            raise Died(f"base volume '{volid}' is still in use by linked clones")
        yield
        if volume:
            call.state.remove(volume)
        else:
            place = Volume(volid, call.node, name.split("/", 1)[0], "", 0, 0)
            task.log(f"disk image '{disks.path_of(call.state, place)}' does not exist")
        task.log(f"Removed volume '{volid}'")

    upid = call.task("imgdel", f"{owner}@{storage}" if owner else storage, work)
    done = not call.tasks.find(upid).running
    return None if call.params.get("delay") and done else upid


def _owner(volume: Volume | None, name: str) -> str:
    if volume and volume.vmid:
        return str(volume.vmid)
    match = re.search(r"vzdump-(?:lxc|qemu)-(\d+)-|^(\d+)/", name)
    return (match[1] or match[2]) if match else ""


@serves("POST", CONTENT)
def allocate(call: Call) -> str:
    storage, vmid = call.params["storage"], int(call.params["vmid"])
    disks.check_storage(call.state, call.node, storage)
    filename, size = call.params["filename"], str(call.params["size"])
    match = re.fullmatch(r"(\d+)([MG]?)", size)
    if not match:
        raise BadParameter(size="value does not match the regex pattern")
    backend = disks.backend(call.state, storage)
    form = call.params.get("format") or (filename.rpartition(".")[2] if "." in filename else "raw")
    volid = f"{storage}:{vmid}/{filename}" if backend.files else f"{storage}:{filename}"
    node = None if call.state.storages[storage].get("shared") else call.node
    if call.state.volume(call.node, volid):
        volume = call.state.volume(call.node, volid)
        raise Died(f"disk image '{disks.path_of(call.state, volume)}' already exists" if volume else "")
    units = {"": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    call.state.add(Volume(volid, node, "images", form, int(match[1]) * units[match[2]], int(time.time()), vmid=vmid))
    return volid
