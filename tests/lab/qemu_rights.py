# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may change what of a virtual machine."""

from __future__ import annotations

import re

from . import disks, lxc_config
from .call import Call
from .errors import BadParameter, Died
from .qemu_values import DISK, values_of
from .state import Config

# Which privilege an option needs; the others need VM.Config.Options. Of several, any one is enough.
PRIVILEGES = {
    "VM.Config.Disk": r"(ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+|boot|bootdisk|cdrom|vmstatestorage",
    "VM.Config.CPU": r"cores|cpu|cpulimit|cpuunits|numa\d*|sockets|smp|vcpus|affinity",
    "VM.Config.Memory": r"memory|balloon|shares|hugepages|keephugepages|allow-ksm",
    "VM.Config.Network": r"net\d+",
    "VM.Config.HWType": r"acpi|machine|kvm|vga|hostpci\d+|usb\d+|serial\d+|parallel\d+|audio\d+|rng\d+|watchdog"
    r"|ivshmem|tablet|hotplug|scsihw|smbios1|virtiofs\d+",
    "VM.Config.Cloudinit|VM.Config.Network": r"ci\w+|ipconfig\d+|nameserver|searchdomain|sshkeys",
    "VM.PowerMgmt": r"freeze",
}
# What only root@pam may set, unless the value is of the harmless kind.
ROOT_ONLY = (
    (r"args|lock", r"(?!)", "only root can set '{key}' config"),
    (r"hostpci\d+", r".*mapping=.*", "only root can set '{key}' config for non-mapped devices"),
    (r"usb\d+", r"spice.*|host=spice.*|.*mapping=.*", "only root can set '{key}' config for real devices"),
    (r"serial\d+", r"socket", "only root can modify '{key}' config for real devices"),
    (r"parallel\d+", r"(?!)", "only root can modify '{key}' config for real devices"),
)


def check_skiplock(call: Call) -> None:
    if call.params.get("skiplock") and not call.caller.is_root:
        raise BadParameter(skiplock="Only root may use this option.")


def check_root_only(call: Call, key: str, value: str) -> None:
    if call.caller.is_root:
        return
    for keys, harmless, text in ROOT_ONLY:
        if re.fullmatch(keys, key) and not re.fullmatch(harmless, value):
            raise Died(text.format(key=key))


def check_rights(call: Call, vmid: int, sets: Config, deletes: list[str], *, creates: bool = False) -> None:
    """A machine that is created may take its rights from its pool, and needs none of those on drives."""
    for key in sorted([*sets, *deletes]):
        privilege = next((p for p, keys in PRIVILEGES.items() if re.fullmatch(keys, key)), "VM.Config.Options")
        wanted = str(sets.get(key, ""))
        if not creates and re.match(r"[^,]*(:cloudinit|-cloudinit(\.\w+)?)(,|$)", wanted):
            _need(call, vmid, "VM.Config.Cloudinit", creates)
        if "media=cdrom" in wanted or ":cloudinit" in wanted:
            privilege = "VM.Config.CDROM"
        if not (creates and DISK.fullmatch(key)):
            _need(call, vmid, privilege, creates)
        if key in sets and DISK.fullmatch(key):
            _check_source(call, key, str(sets[key]))
        if key in sets and re.fullmatch(r"net\d+", key):
            check_bridge(call, key, str(sets[key]))


def _need(call: Call, vmid: int, privilege: str, creates: bool) -> None:
    any_of = privilege.split("|")
    pool = call.params.get("pool") if creates else None
    if not (pool and call.may(f"/pool/{pool}", *any_of, some=True)):
        call.need(f"/vms/{vmid}", *any_of, some=len(any_of) > 1)


def check_bridge(call: Call, key: str, value: str) -> None:
    values = values_of(key, value)
    where = ",".join(f"{name}={values[name]}" for name in ("bridge", "tag") if name in values)
    lxc_config.check_bridge(call.permissions, where)


def _check_source(call: Call, key: str, value: str) -> None:
    """A new disk needs space on its storage; a path of the host is for root."""
    values = values_of(key, value)
    volume = values.get("file", "")
    if "import-from" in values:
        _check_import(call, key, volume, values["import-from"])
    if volume.startswith("/") and not volume.startswith("/dev/"):
        raise BadParameter.of({key: f"unable to associate path '{volume}' to any storage"})
    new = disks.NEW_DISK.fullmatch(volume)
    if new or volume.endswith(":cloudinit"):
        storage = volume.split(":", 1)[0]
        disks.section(call.state, storage)
        disks.need_space(call, storage)


def _check_import(call: Call, key: str, volume: str, source: str) -> None:
    if not re.fullmatch(r"[^:\s]+:0", volume):
        text = "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>"
        raise BadParameter.of({key: text})
    if source.startswith("/"):
        if not call.caller.is_root:
            raise Died("Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.")
        return
    found = call.state.volume(call.node, source)
    if found is None:
        return
    if found.content not in ("images", "import"):
        text = f"{source} has wrong type '{found.content}' - needs to be 'images' or 'import'"
        raise BadParameter.of({key: text})
    if found.vmid:
        call.need(f"/vms/{found.vmid}", "VM.Clone")
    else:
        call.need(f"/storage/{found.storage}", "Datastore.AllocateSpace", "Datastore.Audit", some=True)
