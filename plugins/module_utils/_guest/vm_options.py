# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a virtual machine, one row per key of the API. What a row holds: options.py.

Types and defaults: PVE's API description. Privileges and what is root's: qemu-server, check_vm_modify_config_perm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._codec import (
    BOOL,
    COMMAS,
    CPUS,
    GENERATION,
    HOTPLUG,
    INT,
    LOWER,
    MAC,
    NUMBER,
    PCI,
    RANGES,
    SEMICOLONS,
    SEQUENCE,
    SIZE,
    SSH_KEYS,
    STRING,
    TAGS,
    TEXT,
    URL_ENCODED,
    WORDS,
    Codec,
    PropertyString,
    Smbios,
    words,
)
from . import cloud_init
from .options import (
    CDROM,
    CLOUDINIT,
    CPU,
    DISK,
    HWTYPE,
    MEMORY,
    NETWORK,
    OPTIONS,
    ROOT,
    STARTUP,
    Option,
    Table,
    of_type,
    suboptions,
)

_MODELS = (
    *("e1000", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "e1000e", "i82551", "i82557b", "i82559er"),
    *("ne2k_isa", "ne2k_pci", "pcnet", "rtl8139", "virtio", "vmxnet3"),
)
NET = PropertyString(
    {
        "bridge": STRING,
        "firewall": BOOL,
        "link_down": BOOL,
        "macaddr": MAC,
        "model": words(*_MODELS),
        "mtu": INT,
        "queues": INT,
        "rate": NUMBER,
        "tag": INT,
        "trunks": RANGES,
    },
    default="model",
    implied={"firewall": False, "link_down": False},
    models=_MODELS,
)

_FORMAT = words("raw", "qcow", "qed", "qcow2", "vmdk", "cloop")
_BURSTS = ("bps_rd", "bps_wr", "iops_rd", "iops_wr")
_DRIVE_KEYS: dict[str, Codec] = {
    "aio": words("native", "threads", "io_uring"),
    "backup": BOOL,
    **dict.fromkeys((f"{limit}{kind}" for limit in ("bps", "iops") for kind in ("", "_rd", "_wr")), INT),
    **dict.fromkeys((f"{limit}{kind}_max_length" for limit in ("bps", "iops") for kind in ("", "_rd", "_wr")), INT),
    **dict.fromkeys((f"iops{kind}_max" for kind in ("", "_rd", "_wr")), INT),
    **dict.fromkeys((f"mbps{kind}{most}" for kind in ("", "_rd", "_wr") for most in ("", "_max")), NUMBER),
    "cache": words("none", "writethrough", "writeback", "unsafe", "directsync"),
    "detect_zeroes": BOOL,
    "discard": words("ignore", "on"),
    "format": _FORMAT,
    "import-from": STRING,
    "media": words("cdrom", "disk"),
    "replicate": BOOL,
    "rerror": words("ignore", "report", "stop"),
    "serial": URL_ENCODED,
    "shared": BOOL,
    "size": SIZE,
    "snapshot": BOOL,
    "volume": STRING,
    "werror": words("enospc", "ignore", "report", "stop"),
}
_DRIVE_IMPLIED = {
    "backup": True,
    "discard": "ignore",
    "media": "disk",
    "replicate": True,
    "shared": False,
    "snapshot": False,
}


def _drive(types: Mapping[str, Codec], **implied: Any) -> PropertyString:
    return PropertyString(
        {**_DRIVE_KEYS, **types},
        default="volume",
        implied={**_DRIVE_IMPLIED, **implied},
        aliases={"file": "volume", **{f"{limit}_length": f"{limit}_max_length" for limit in _BURSTS}},
    )


IDE = _drive({"model": URL_ENCODED, "ssd": BOOL, "wwn": LOWER}, ssd=False)
SATA = _drive({"ssd": BOOL, "wwn": LOWER}, ssd=False)
SCSI = _drive(
    {
        "iothread": BOOL,
        "product": STRING,
        "queues": INT,
        "ro": BOOL,
        "scsiblock": BOOL,
        "ssd": BOOL,
        "vendor": STRING,
        "wwn": LOWER,
    },
    iothread=False,
    ro=False,
    scsiblock=False,
    ssd=False,
)
VIRTIO = _drive({"iothread": BOOL, "ro": BOOL}, iothread=False, ro=False)
EFIDISK = PropertyString(
    {
        "efitype": words("2m", "4m"),
        "format": _FORMAT,
        "import-from": STRING,
        "ms-cert": words("2011", "2023", "2023w", "2023k"),
        "pre-enrolled-keys": BOOL,
        "size": SIZE,
        "volume": STRING,
    },
    default="volume",
    implied={"efitype": "2m", "ms-cert": "2011", "pre-enrolled-keys": False},
    aliases={"file": "volume"},
)
TPMSTATE = PropertyString(
    {
        "format": words("raw", "qcow2", "vmdk"),
        "import-from": STRING,
        "size": SIZE,
        "version": words("v1.2", "v2.0"),
        "volume": STRING,
    },
    default="volume",
    implied={"version": "v1.2"},
    aliases={"file": "volume"},
)
UNUSED = PropertyString({"volume": STRING}, default="volume", aliases={"file": "volume"})

AGENT = PropertyString(
    {"enabled": BOOL, "freeze-fs-on-backup": BOOL, "fstrim_cloned_disks": BOOL, "type": words("virtio", "isa")},
    default="enabled",
    implied={"enabled": False, "freeze-fs-on-backup": True, "fstrim_cloned_disks": False, "type": "virtio"},
    # what 9.2 calls by three names, 8.4 knows by this one
    aliases=dict.fromkeys(("freeze-fs", "guest-fsfreeze"), "freeze-fs-on-backup"),
)
AMD_SEV = PropertyString(
    {
        "allow-smt": BOOL,
        "kernel-hashes": BOOL,
        "no-debug": BOOL,
        "no-key-sharing": BOOL,
        "type": words("std", "es", "snp"),
    },
    default="type",
    implied={"allow-smt": True, "kernel-hashes": False, "no-debug": False, "no-key-sharing": False},
)
AUDIO = PropertyString(
    {"device": words("ich9-intel-hda", "intel-hda", "AC97"), "driver": words("spice", "none")},
    implied={"driver": "spice"},
)
BOOT = PropertyString(
    {"legacy": STRING, "order": SEQUENCE}, default="legacy", one_of=("legacy", "order"), listed="order"
)
CPU_MODEL = PropertyString(
    {
        "cputype": STRING,
        "flags": SEMICOLONS,
        "guest-phys-bits": INT,
        "hidden": BOOL,
        "hv-vendor-id": STRING,
        "level": INT,
        "phys-bits": STRING,
        "reported-model": STRING,
    },
    default="cputype",
    implied={"cputype": "kvm64", "hidden": False, "reported-model": "kvm64"},
)
HOSTPCI = PropertyString(
    {
        "device-id": LOWER,
        "driver": words("vfio", "keep"),
        "host": PCI,
        "legacy-igd": BOOL,
        "mapping": STRING,
        "mdev": STRING,
        "pcie": BOOL,
        "rombar": BOOL,
        "romfile": STRING,
        "sub-device-id": LOWER,
        "sub-vendor-id": LOWER,
        "vendor-id": LOWER,
        "x-vga": BOOL,
    },
    default="host",
    implied={"driver": "vfio", "legacy-igd": False, "pcie": False, "rombar": True, "x-vga": False},
    one_of=("host", "mapping"),
)
INTEL_TDX = PropertyString(
    {"attestation": BOOL, "type": words("tdx"), "vsock-cid": INT, "vsock-port": INT},
    default="type",
)
IPCONFIG = PropertyString(dict.fromkeys(("gw", "gw6", "ip", "ip6"), LOWER))
MACHINE = PropertyString(
    {"aw-bits": NUMBER, "enable-s3": BOOL, "enable-s4": BOOL, "type": STRING, "viommu": words("intel", "virtio")},
    default="type",
)
NUMA = PropertyString(
    {"cpus": RANGES, "hostnodes": RANGES, "memory": NUMBER, "policy": words("preferred", "bind", "interleave")}
)
RNG = PropertyString(
    {"max_bytes": INT, "period": INT, "source": words("/dev/urandom", "/dev/random", "/dev/hwrng")},
    default="source",
    implied={"max_bytes": 1024, "period": 1000},
)
SMBIOS = Smbios(
    {
        "base64": BOOL,
        **dict.fromkeys(("family", "manufacturer", "product", "serial", "sku", "version"), STRING),
        "uuid": LOWER,
    }
)
USB = PropertyString(
    {"host": LOWER, "mapping": STRING, "usb3": BOOL},
    default="host",
    implied={"usb3": False},
    one_of=("host", "mapping"),
)
VGA = PropertyString(
    {
        "clipboard": words("vnc"),
        "memory": INT,
        "type": words(
            *("cirrus", "none", "qxl", "qxl2", "qxl3", "qxl4", "serial0", "serial1", "serial2", "serial3", "std"),
            *("virtio", "virtio-gl", "vmware"),
        ),
    },
    default="type",
    implied={"type": "std"},
)
VIRTIOFS = PropertyString(
    {
        "cache": words("auto", "always", "metadata", "never"),
        "dirid": STRING,
        "direct-io": BOOL,
        "expose-acl": BOOL,
        "expose-xattr": BOOL,
    },
    default="dirid",
    implied={"cache": "auto", "direct-io": False, "expose-acl": False, "expose-xattr": False},
)
WATCHDOG = PropertyString(
    {
        "action": words("reset", "shutdown", "poweroff", "pause", "debug", "none"),
        "model": words("i6300esb", "ib700"),
    },
    default="model",
)
SPICE = PropertyString(
    {"foldersharing": BOOL, "videostreaming": words("off", "all", "filter")},
    implied={"foldersharing": False, "videostreaming": "off"},
)
IVSHMEM = PropertyString({"name": STRING, "size": INT})
MEMORY_SIZE = PropertyString({"current": INT}, default="current", implied={"current": 512})
CICUSTOM = PropertyString(dict.fromkeys(("meta", "network", "user", "vendor"), STRING))
#: serial and parallel ports are one word; a task says them as elements with a slot
PORT = PropertyString({"device": STRING}, default="device")


def _dict(codec: PropertyString) -> dict[str, Any]:
    return {"type": "dict", "options": suboptions(codec)}


def _of_disk(codec: PropertyString) -> dict[str, Any]:
    """An element of `disks`; `storage` and `state` are the task's own words."""
    return suboptions(
        codec,
        storage=of_type(STRING),
        state=of_type(words("present", "detached", "absent"), default="present"),
    )


def _disks(codec: PropertyString, count: int, live: str = "") -> Option:
    return Option(codec, DISK, "disks", _of_disk(codec), count, live=live, volume=True)


def _cloud_init(codec: Codec | PropertyString, **more: Any) -> Option:
    return Option(codec, CLOUDINIT, "cloud_init", live="always", or_privilege=NETWORK, **more)


def _server() -> Option:
    return Option(STRING, "", read_only=True)


_ALWAYS = "always"
_BIOS = words("seabios", "ovmf")
_HUGEPAGES = words("any", "2", "1024")
_KEYBOARD = words(
    *("da", "de", "de-ch", "en-gb", "en-us", "es", "fi", "fr", "fr-be", "fr-ca", "fr-ch", "hu", "is", "it", "ja", "lt"),
    *("mk", "nl", "no", "pl", "pt", "pt-br", "sl", "sv", "tr"),
)
_LOCK = words(
    *("backup", "clone", "create", "migrate", "rollback", "snapshot", "snapshot-delete", "suspended", "suspending")
)
_OSTYPE = words(
    *("other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26", "solaris")
)
_SCSIHW = words("lsi", "lsi53c810", "megasas", "pvscsi", "virtio-scsi-pci", "virtio-scsi-single")

VM = Table(
    kind="qemu",
    name_key="name",
    mac_key="macaddr",
    new_nic={"model": "virtio"},
    content="images",
    move_call=("/move_disk", "disk"),
    volume_method="POST",
    moves_running=True,
    unlinks=True,
    cdrom=CDROM,
    specs={"cloud_init": cloud_init.SPEC},
    rows={
        "acpi": Option(BOOL, HWTYPE, implied=True),
        "affinity": Option(CPUS, CPU, "affinity", of_type(STRING), implied=[], root_only=ROOT),
        "agent": Option(AGENT, OPTIONS, "agent", _dict(AGENT)),
        "allow-ksm": Option(BOOL, MEMORY, implied=True, since="9.0"),
        "amd-sev": Option(AMD_SEV, OPTIONS, root_only=ROOT),
        "arch": Option(words("x86_64", "aarch64"), OPTIONS, root_only=ROOT),
        "args": Option(STRING, OPTIONS, root_only=ROOT),
        "audio0": Option(AUDIO, HWTYPE, "audio", _dict(AUDIO)),
        "autostart": Option(BOOL, OPTIONS, implied=False),
        "balloon": Option(INT, MEMORY, "balloon", of_type(INT), live=_ALWAYS),
        "bios": Option(_BIOS, OPTIONS, "bios", of_type(_BIOS), implied="seabios"),
        "boot": Option(BOOT, DISK, "boot", of_type(COMMAS)),
        "bootdisk": Option(STRING, DISK),
        "cdrom": Option(IDE, DISK, elsewhere="it is another name of ide2: use `disks`"),
        "cicustom": _cloud_init(CICUSTOM),
        "cipassword": _cloud_init(STRING, write_only=True),
        "citype": _cloud_init(words("configdrive2", "nocloud", "opennebula")),
        "ciupgrade": _cloud_init(BOOL, implied=True),
        "ciuser": _cloud_init(STRING),
        "cores": Option(INT, CPU, "cores", of_type(INT), implied=1),
        "cpu": Option(CPU_MODEL, CPU, "cpu", _dict(CPU_MODEL), since_keys={"guest-phys-bits": "9.0", "level": "9.0"}),
        "cpulimit": Option(NUMBER, CPU, "cpulimit", of_type(NUMBER), implied=0.0, live=_ALWAYS),
        "cpuunits": Option(INT, CPU, "cpuunits", of_type(INT), live=_ALWAYS),
        "description": Option(TEXT, OPTIONS, "description", of_type(TEXT), implied="", live=_ALWAYS),
        "digest": _server(),
        "efidisk0": Option(
            EFIDISK,
            DISK,
            "efidisk",
            {"type": "dict", "options": _of_disk(EFIDISK)},
            volume=True,
            since_keys={"ms-cert": "9.0"},
        ),
        "freeze": Option(BOOL, "VM.PowerMgmt", implied=False),
        "hookscript": Option(STRING, OPTIONS, "hookscript", of_type(STRING), root_only=ROOT, live=_ALWAYS),
        "hostpci[n]": Option(
            HOSTPCI,
            HWTYPE,
            "pci",
            suboptions(HOSTPCI),
            16,
            root_only=r"(?!.*\bhost=|[^=]+(,|$)).*\bmapping=.*",
            since_keys={"driver": "9.0"},
            mapping=("pci", "mapping"),
        ),
        "hotplug": Option(HOTPLUG, HWTYPE, "hotplug", of_type(COMMAS), implied=["disk", "network", "usb"]),
        "hugepages": Option(_HUGEPAGES, MEMORY, "hugepages", of_type(_HUGEPAGES), root_only=ROOT),
        "ide[n]": _disks(IDE, 4),
        "intel-tdx": Option(INTEL_TDX, OPTIONS, root_only=ROOT, since="9.0"),
        "ipconfig[n]": _cloud_init(IPCONFIG, count=32),
        "ivshmem": Option(IVSHMEM, HWTYPE, root_only=ROOT),
        "keephugepages": Option(BOOL, MEMORY, implied=False, root_only=ROOT),
        "keyboard": Option(_KEYBOARD, OPTIONS),
        "kvm": Option(BOOL, HWTYPE, "kvm", of_type(BOOL), implied=True),
        "localtime": Option(BOOL, OPTIONS, "localtime", of_type(BOOL)),
        "lock": Option(_LOCK, OPTIONS, root_only=ROOT, live=_ALWAYS),
        "machine": Option(MACHINE, HWTYPE, "machine", of_type(STRING), since_keys={"aw-bits": "9.0"}),
        "memory": Option(MEMORY_SIZE, MEMORY, "memory", of_type(INT), live="memory"),
        "meta": _server(),
        "migrate_downtime": Option(NUMBER, OPTIONS, implied=0.1, live=_ALWAYS),
        "migrate_speed": Option(INT, OPTIONS, implied=0, live=_ALWAYS),
        "name": Option(STRING, OPTIONS, "name", of_type(STRING), live=_ALWAYS),
        "nameserver": _cloud_init(WORDS, implied=[]),
        "net[n]": Option(NET, NETWORK, "net", suboptions(NET), 32, live="network"),
        "numa": Option(BOOL, CPU, "numa", of_type(BOOL), implied=False),
        "numa[n]": Option(NUMA, CPU, count=8),
        "onboot": Option(BOOL, OPTIONS, "onboot", of_type(BOOL), implied=False, live=_ALWAYS),
        "ostype": Option(_OSTYPE, OPTIONS, "ostype", of_type(_OSTYPE), implied="other"),
        "parallel[n]": Option(PORT, HWTYPE, count=3, root_only=ROOT),
        "parent": _server(),
        "protection": Option(BOOL, OPTIONS, "protection", of_type(BOOL), implied=False, live=_ALWAYS),
        "reboot": Option(BOOL, OPTIONS, implied=True),
        "rng0": Option(RNG, HWTYPE, "rng", _dict(RNG), root_only=ROOT),
        "running-nets-host-mtu": _server(),
        "runningcpu": _server(),
        "runningmachine": _server(),
        "sata[n]": _disks(SATA, 6),
        "scsi[n]": _disks(SCSI, 31, live="disk"),
        "scsihw": Option(_SCSIHW, HWTYPE, "scsihw", of_type(_SCSIHW), implied="lsi"),
        "searchdomain": _cloud_init(WORDS, implied=[]),
        "serial[n]": Option(PORT, HWTYPE, "serial", suboptions(PORT), 4, root_only="socket"),
        "shares": Option(INT, MEMORY, "shares", of_type(INT), implied=1000, live=_ALWAYS),
        "smbios1": Option(SMBIOS, HWTYPE),
        "smp": Option(INT, CPU, implied=1),
        "snaptime": _server(),
        "sockets": Option(INT, CPU, "sockets", of_type(INT), implied=1),
        "spice_enhancements": Option(SPICE, OPTIONS, root_only=ROOT),
        "sshkeys": _cloud_init(SSH_KEYS, implied=[]),
        "startdate": Option(STRING, OPTIONS, implied="now"),
        "startup": Option(STARTUP, OPTIONS, "startup", _dict(STARTUP), live=_ALWAYS, on_root="Sys.Modify"),
        "tablet": Option(BOOL, HWTYPE, "tablet", of_type(BOOL), implied=True, live="usb"),
        "tags": Option(TAGS, OPTIONS, "tags", of_type(TAGS), implied=[], live=_ALWAYS),
        "tdf": Option(BOOL, OPTIONS, implied=False),
        "template": Option(BOOL, OPTIONS, implied=False, elsewhere="`state: template` makes a template"),
        "tpmstate0": Option(
            TPMSTATE,
            DISK,
            "tpmstate",
            {"type": "dict", "options": _of_disk(TPMSTATE)},
            volume=True,
            since_keys={"format": "9.0"},
        ),
        "unused[n]": Option(
            UNUSED,
            DISK,
            count=256,
            live="disk",
            volume=True,
            elsewhere="a disk with `state: detached` becomes one; `delete` destroys it",
        ),
        "usb[n]": Option(
            USB,
            HWTYPE,
            "usb",
            suboptions(USB),
            14,
            root_only=r"(?i)(host=)?spice(,.*)?|.*\bmapping=.*",
            live="usb",
            mapping=("usb", "mapping"),
        ),
        "vcpus": Option(INT, CPU, "vcpus", of_type(INT), implied=0, live="cpu"),
        "vga": Option(VGA, HWTYPE, "vga", _dict(VGA)),
        "virtio[n]": _disks(VIRTIO, 16, live="disk"),
        "virtiofs[n]": Option(VIRTIOFS, HWTYPE, "virtiofs", suboptions(VIRTIOFS), 10, mapping=("dir", "dirid")),
        "vmgenid": Option(GENERATION, OPTIONS, root_only=ROOT),
        "vmstate": _server(),
        "vmstatestorage": Option(STRING, DISK, live=_ALWAYS),
        "watchdog": Option(WATCHDOG, HWTYPE, "watchdog", _dict(WATCHDOG)),
    },
)
