# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wire values: what was PUT to a real PVE 9.2 and what it answered afterwards mean the same; what differs, differs."""

import re
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._codec import (
    BOOL,
    CPUS,
    ENV,
    GENERATION,
    HOTPLUG,
    INT,
    MAC,
    NUMBER,
    SET,
    SSH_KEYS,
    TAGS,
    TEXT,
    WORDS,
    Codec,
    PropertyString,
    parse_size,
    print_size,
    split_list,
    to_wire,
    words,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest.lxc_options import FEATURES, LXC, MOUNT, NET
from ansible_collections.steward.proxmox.plugins.module_utils._guest.options import STARTUP
from ansible_collections.steward.proxmox.plugins.module_utils._guest.vm_options import (
    AGENT,
    BOOT,
    HOSTPCI,
    MACHINE,
    MEMORY_SIZE,
    NUMA,
    SCSI,
    SMBIOS,
    USB,
)
from ansible_collections.steward.proxmox.plugins.module_utils._guest.vm_options import NET as VM_NET
from hypothesis import given
from hypothesis import strategies as st

# key, value as PUT, value as read back: recorded from PVE 9.2 (a stopped container)
RECORDED: list[tuple[str, Any, Any]] = [
    ("memory", 256, 256),
    ("swap", 0, 0),
    ("cores", 1, 1),
    ("cpulimit", 0.5, "0.5"),
    ("cpuunits", 1024, 1024),
    ("onboot", 1, 1),
    ("hostname", "new-host", "new-host"),
    ("hostname", "new.host.test", "new.host.test"),
    ("tags", "B;a", "a;b"),
    ("description", "l1\nl2", "l1\nl2\n"),
    ("nameserver", "1.1.1.1", "1.1.1.1"),
    ("searchdomain", "x.test", "x.test"),
    (
        "net0",
        "name=eth0,bridge=vmbr0,ip=10.0.0.5/24,gw=10.0.0.1,hwaddr=aa:bb:cc:dd:ee:ff,firewall=1,tag=5,rate=10,mtu=1400,"
        "ip6=auto,type=veth",
        "name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=aa:bb:cc:dd:ee:ff,ip=10.0.0.5/24,ip6=auto,mtu=1400,"
        "rate=10,tag=5,type=veth",
    ),
    ("mp2", "/tmp,mp=/mnt/bind,ro=1", "/tmp,mp=/mnt/bind,ro=1"),
    ("dev0", "/dev/null", "/dev/null"),
    ("dev1", "path=/dev/zero,mode=0660,uid=0", "path=/dev/zero,mode=0660,uid=0"),
    ("features", "nesting=1", "nesting=1"),
    (
        "features",
        "nesting=1,keyctl=1,fuse=1,mknod=0,mount=nfs;cifs",
        "nesting=1,keyctl=1,fuse=1,mknod=0,mount=nfs;cifs",
    ),
    ("features", "mount=nfs", "mount=nfs"),
    ("features", "nesting=0", "nesting=0"),
    ("startup", "order=2", "order=2"),
    ("protection", 0, 0),
    ("timezone", "Europe/Berlin", "Europe/Berlin"),
    ("tty", 4, 4),
    ("console", 0, 0),
    ("cmode", "shell", "shell"),
    ("ostype", "alpine", "alpine"),
    ("arch", "arm64", "arm64"),
    ("rootfs", "local:510/vm-510-disk-0.raw,size=2G", "local:510/vm-510-disk-0.raw,size=2G"),
    ("debug", 1, 1),
    ("entrypoint", "/sbin/init", "/sbin/init"),
    ("env", "A=b", "A=b"),
]


def means_the_same(key: str, one: Any, other: Any) -> bool:
    codec = LXC.codec(key)
    if isinstance(codec, PropertyString):
        return codec.same(one, other)
    return bool(codec.decode(one) == codec.decode(other))


@pytest.mark.parametrize(("key", "put", "read"), RECORDED)
def test_what_was_put_equals_what_is_read_back(key: str, put: Any, read: Any) -> None:
    assert means_the_same(key, put, read)


@pytest.mark.parametrize(("key", "put", "read"), RECORDED)
def test_encoding_what_is_read_back_changes_nothing(key: str, put: Any, read: Any) -> None:
    codec = LXC.codec(key)
    assert means_the_same(key, codec.encode(codec.decode(read)), read)


# What the server adds by itself: merging the wish into it must find nothing to do.
ADDED: list[tuple[str, dict[str, Any], str]] = [
    ("net0", {"name": "eth0", "bridge": "vmbr0"}, "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:D0:A5:45,type=veth"),
    ("mp0", {"mp": "/data"}, "local:510/vm-510-disk-1.raw,mp=/data,size=1G"),
    (
        "mp1",
        {"mp": "/data2", "backup": True, "acl": False, "mountoptions": ["noatime"]},
        "local:510/vm-510-disk-2.raw,mp=/data2,acl=0,backup=1,mountoptions=noatime,size=1G",
    ),
    ("mp3", {"mp": "relative"}, "local:510/vm-510-disk-3.raw,mp=relative,size=1G"),
]


@pytest.mark.parametrize(("key", "wanted", "read"), ADDED)
def test_merging_a_wish_into_what_the_server_completed_changes_nothing(
    key: str, wanted: dict[str, Any], read: str
) -> None:
    codec = LXC.codec(key)
    assert isinstance(codec, PropertyString)
    assert codec.same(codec.merge(read, wanted), read)


DECODED: list[tuple[PropertyString, Any, dict[str, Any]]] = [
    (FEATURES, "keyctl=1,nesting=1", {"keyctl": True, "nesting": True}),
    (FEATURES, "mount=nfs;cifs", {"mount": ["cifs", "nfs"]}),
    (FEATURES, {"fuse": True, "keyctl": None}, {"fuse": True}),
    (FEATURES, "", {}),
    (NET, "name=eth0,hwaddr=bc:24:11:00:00:01", {"name": "eth0", "hwaddr": "BC:24:11:00:00:01"}),
    (NET, "name=eth0,trunks=2;3,rate=1.5", {"name": "eth0", "trunks": ["2", "3"], "rate": 1.5}),
    (NET, "name=eth0,newkey=x", {"name": "eth0", "newkey": "x"}),
    (MOUNT, "local:8,size=8G", {"volume": "local:8", "size": 8 << 30}),
    (MOUNT, "volume=local:x,ro=1", {"volume": "local:x", "ro": True}),
    (MOUNT, "/mnt/a=b", {"volume": "/mnt/a=b"}),
    (MOUNT, "volume=/mnt/a=b", {"volume": "/mnt/a=b"}),
    (STARTUP, "2,up=30", {"order": 2, "up": 30}),
    (VM_NET, "virtio=bc:24:11:00:00:01,tag=5", {"model": "virtio", "macaddr": "BC:24:11:00:00:01", "tag": 5}),
    (VM_NET, "model=e1000,macaddr=bc:24:11:00:00:01", {"model": "e1000", "macaddr": "BC:24:11:00:00:01"}),
    (VM_NET, "virtio,trunks=2;3;5-7;6-9", {"model": "virtio", "trunks": ["2-3", "5-9"]}),
    (SCSI, "file=local:8,bps_rd_length=5", {"volume": "local:8", "bps_rd_max_length": 5}),
    (
        SCSI,
        {"volume": "local:8", "import_from": "local:import/x"},
        {"volume": "local:8", "import-from": "local:import/x"},
    ),
    (AGENT, "1,guest-fsfreeze=0", {"enabled": True, "freeze-fs-on-backup": False}),
    (AGENT, True, {"enabled": True}),
    (BOOT, "order=scsi0;net0", {"order": ["scsi0", "net0"]}),
    (BOOT, ["net0", "scsi0"], {"order": ["net0", "scsi0"]}),
    (MEMORY_SIZE, 2048, {"current": 2048}),
    (HOSTPCI, "01:00.0;0000:02:00,x-vga=1", {"host": ["0000:01:00.0", "0000:02:00"], "x-vga": True}),
    (SMBIOS, "manufacturer=QUJD,base64=1", {"manufacturer": "ABC"}),
    (SMBIOS, "manufacturer=ABC,uuid=AB", {"manufacturer": "ABC", "uuid": "ab"}),
]


@pytest.mark.parametrize(("codec", "text", "value"), DECODED)
def test_decode(codec: PropertyString, text: Any, value: dict[str, Any]) -> None:
    assert codec.decode(text) == value


ENCODED: list[tuple[PropertyString, dict[str, Any], str]] = [
    (FEATURES, {"nesting": True, "keyctl": False}, "keyctl=0,nesting=1"),
    (FEATURES, {"mount": ["nfs", "cifs"]}, "mount=cifs;nfs"),
    (NET, {"name": "eth0", "bridge": "vmbr0", "rate": 10.0}, "bridge=vmbr0,name=eth0,rate=10"),
    (MOUNT, {"size": 512 << 20, "volume": "local:vm", "acl": True}, "local:vm,acl=1,size=512M"),
    (MOUNT, {"volume": "/mnt/a=b", "mp": "/a"}, "volume=/mnt/a=b,mp=/a"),
    (STARTUP, {"up": 5, "order": 1}, "1,up=5"),
    (VM_NET, {"macaddr": "AA:00:00:00:00:01", "bridge": "v", "model": "virtio"}, "virtio=AA:00:00:00:00:01,bridge=v"),
    (VM_NET, {"model": "virtio", "bridge": "v"}, "virtio,bridge=v"),
    (SMBIOS, {"manufacturer": "A B", "uuid": "ab"}, "manufacturer=QSBC,uuid=ab,base64=1"),
    (SMBIOS, {"uuid": "ab"}, "uuid=ab"),
    (NUMA, {"cpus": ["0-3", "8"], "memory": 512.0}, "cpus=0-3;8,memory=512"),
]


@pytest.mark.parametrize(("codec", "value", "text"), ENCODED)
def test_encode_puts_the_unnamed_key_first_and_sorts_the_rest(
    codec: PropertyString, value: dict[str, Any], text: str
) -> None:
    assert codec.encode(value) == text


MERGED: list[tuple[PropertyString, Any, dict[str, Any], str]] = [
    # the MAC, the volume and the other flags stay
    (NET, "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,tag=5", {"bridge": "vmbr1"}, "vmbr1"),
    (FEATURES, "keyctl=1,mount=nfs", {"nesting": True}, "keyctl=1,mount=nfs,nesting=1"),
    (MOUNT, "local:510/vm-510-disk-1.raw,mp=/data,size=1G", {"ro": True}, "local:510/vm-510-disk-1.raw,"),
    (MOUNT, "local:x,mp=/data,unheard=of", {"ro": True}, "unheard=of"),
    (STARTUP, None, {"order": 3}, "3"),
    (STARTUP, "order=3,up=10", {"down": 5}, "3,down=5,up=10"),
]


@pytest.mark.parametrize(("codec", "have", "want", "part"), MERGED)
def test_merge_keeps_what_is_not_mentioned(codec: PropertyString, have: Any, want: dict[str, Any], part: str) -> None:
    merged = codec.merge(have, want)
    assert part in codec.encode(merged)
    kept = codec.decode(have) if have else {}
    assert {key: merged[key] for key in kept if key not in want} == {k: v for k, v in kept.items() if k not in want}


def test_an_empty_value_removes_its_key() -> None:
    have = "name=eth0,bridge=vmbr0,gw=10.0.0.1,trunks=2;3"
    assert NET.encode(NET.merge(have, {"gw": "", "trunks": []})) == "bridge=vmbr0,name=eth0"
    assert NET.same(have, NET.merge(have, {"gw6": ""}))


SAME: list[tuple[PropertyString, Any, Any, bool]] = [
    (FEATURES, "nesting=1,keyctl=1", "keyctl=1,nesting=1", True),
    (FEATURES, "mount=nfs;cifs", "mount=cifs;nfs", True),
    (FEATURES, "nesting=1", "nesting=1,keyctl=0", True),
    (FEATURES, None, "", True),
    (FEATURES, None, {"nesting": False}, True),
    (FEATURES, "nesting=1", None, False),
    (FEATURES, "nesting=1", "nesting=1,fuse=1", False),
    (NET, "name=eth0,hwaddr=aa:bb:cc:dd:ee:ff", "hwaddr=AA:BB:CC:DD:EE:FF,name=eth0,type=veth,firewall=0", True),
    (NET, "name=eth0,tag=5", "name=eth0", False),
    (NET, "name=eth0,tag=5", "name=eth0,tag=05", True),
    (MOUNT, "local:x,mp=/a", "local:x,backup=0,mp=/a,ro=0,replicate=1", True),
    (MOUNT, "local:x,mp=/a,size=1024M", "local:x,mp=/a,size=1G", True),
    (MOUNT, "local:x,mp=/a", "local:x,mp=/a,replicate=0", False),
    (STARTUP, "order=1", "1", True),
    (SCSI, "local:x,mbps=100", "local:x,mbps=100.0", True),
    (SCSI, "local:x,size=32768M", "local:x,size=32G", True),
    (SCSI, "local:x,iothread=1,ssd=1", "local:x", False),
    (AGENT, "1", "enabled=1,fstrim_cloned_disks=0", True),
    (AGENT, "0", None, True),
    (AGENT, "1", "1,type=isa", False),
    (BOOT, "order=scsi0;net0", "order=net0;scsi0", False),
    (MACHINE, "q35", "type=q35", True),
    (MEMORY_SIZE, "2048", "current=2048", True),
    (MEMORY_SIZE, "512", None, True),
]


@pytest.mark.parametrize(("codec", "one", "other", "same"), SAME)
def test_same(codec: PropertyString, one: Any, other: Any, same: bool) -> None:
    assert codec.same(one, other) is same
    assert codec.same(other, one) is same


PATCHED: list[tuple[PropertyString, str, Any, str]] = [
    # one key of a disk, the others stay
    (SCSI, "local:x,iothread=1,size=32G", {"cache": "none"}, "local:x,cache=none,iothread=1,size=32G"),
    (SCSI, "file=local:x,size=32768M", {"size": "32G", "ssd": True}, "local:x,size=32768M,ssd=1"),
    # the same MAC in other letters would be another card
    (
        VM_NET,
        "virtio=aa:bb:cc:dd:ee:ff,tag=5",
        {"macaddr": "AA:BB:CC:DD:EE:FF", "tag": 6},
        "virtio=aa:bb:cc:dd:ee:ff,tag=6",
    ),
    (VM_NET, "virtio=AA:00:00:00:00:01,tag=5", {"tag": ""}, "virtio=AA:00:00:00:00:01"),
    (VM_NET, "virtio=AA:00:00:00:00:01", {"model": "e1000"}, "e1000=AA:00:00:00:00:01"),
    (NET, "name=eth0,trunks=2;3", {"trunks": [], "gw": None}, "name=eth0"),
    # what is taken for granted is not written out, unless it was
    (FEATURES, "nesting=1", {"keyctl": False, "fuse": True}, "fuse=1,nesting=1"),
    (FEATURES, "nesting=1", {"nesting": False}, "nesting=0"),
    (FEATURES, "", {"nesting": False}, ""),
    (USB, "host=1234:5678,usb3=1", {"mapping": "stick"}, "mapping=stick,usb3=1"),
    (BOOT, "cdn", ["scsi0"], "order=scsi0"),
    (SMBIOS, "manufacturer=QUJD,base64=1,uuid=ab", {"product": "X"}, "manufacturer=QUJD,product=WA==,uuid=ab,base64=1"),
]


@pytest.mark.parametrize(("codec", "have", "want", "text"), PATCHED)
def test_patch_changes_as_little_as_can_be(codec: PropertyString, have: str, want: Any, text: str) -> None:
    assert codec.patch(have, want) == text
    assert codec.patch(text, want) == text


def test_without_takes_keys_out_of_any_type() -> None:
    assert VM_NET.without("virtio=AA:00:00:00:00:01,tag=5,rate=1.5", "tag", "rate") == "virtio=AA:00:00:00:00:01"
    assert SCSI.without("local:x,ssd=1,import-from=y", "import_from", "cache") == "local:x,ssd=1"


def test_a_key_may_be_said_with_underscores_or_by_another_name() -> None:
    assert SCSI.key("import_from") == SCSI.key("import-from") == "import-from"
    assert SCSI.key("mbps_rd") == "mbps_rd"
    assert AGENT.key("freeze_fs") == "freeze-fs-on-backup"
    assert SCSI.key("unheard_of") == "unheard_of"


CHECKED: list[tuple[Codec | PropertyString, Any, str]] = [
    (BOOL, "maybe", "'maybe' is neither true nor false"),
    (INT, "2.5", "'2.5' is not a whole number"),
    (INT, "inf", "'inf' is not a whole number"),
    (HOTPLUG, ["disk", "keyboard"], "'keyboard' is none of cloudinit, cpu, disk"),
    (GENERATION, 1, "1 asks for a new id at each run"),
    (CPUS, "5-2", "'5-2' runs backwards"),
    (words("a", "b"), "c", "'c' is none of a, b"),
    (SCSI, {"cache": "fast"}, "cache: 'fast' is none of none, writethrough"),
    (SCSI, "local:x,iothread=2", "iothread: '2' is neither true nor false"),
    (SCSI, "local:x,size=big", "size: 'big' is not a size"),
]


@pytest.mark.parametrize(("codec", "value", "text"), CHECKED)
def test_check_refuses_what_a_task_cannot_say(codec: Codec | PropertyString, value: Any, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        codec.check(value)


def test_a_word_that_we_do_not_know_is_still_read() -> None:
    assert SCSI.decode("local:x,cache=invented")["cache"] == "invented"


def test_a_part_without_a_key_is_refused_where_no_key_may_be_left_out() -> None:
    with pytest.raises(ValueError, match="'eth0' in 'eth0,bridge=vmbr0' has no key"):
        NET.decode("eth0,bridge=vmbr0")


# What other tools get wrong, each by its name.

DISK = "local:100/vm-100-disk-0.qcow2,iothread=1,mbps=100.0,size=32G,ssd=1"
CARD = "virtio=bc:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=10"


def test_a_task_that_says_one_key_of_a_disk_keeps_the_others() -> None:
    assert SCSI.decode(SCSI.patch(DISK, {"cache": "none"})) == {**SCSI.decode(DISK), "cache": "none"}


def test_a_task_that_says_one_key_of_a_card_keeps_its_mac_bridge_tag_and_firewall() -> None:
    assert VM_NET.patch(CARD, {"rate": 10}) == "virtio=bc:24:11:00:00:01,bridge=vmbr0,firewall=1,rate=10,tag=10"


def test_a_fraction_that_is_a_whole_number_is_no_change() -> None:
    assert SCSI.patch(DISK, {"mbps": 100}) == DISK
    assert SCSI.patch(DISK, {"mbps": "100"}) == DISK


def test_a_size_in_another_unit_is_no_change() -> None:
    assert SCSI.patch(DISK, {"size": "32768M"}) == DISK


def test_a_mac_in_other_letters_is_no_change() -> None:
    assert VM_NET.patch(CARD, {"macaddr": "BC:24:11:00:00:01"}) == CARD


def test_a_key_that_is_taken_away_is_a_change() -> None:
    assert not VM_NET.same(CARD, VM_NET.patch(CARD, {"tag": ""}))
    assert not FEATURES.same("keyctl=1,nesting=1", FEATURES.patch("keyctl=1,nesting=1", {"keyctl": False}))


def test_a_value_that_is_a_part_of_the_other_is_a_change() -> None:
    assert not VM_NET.same(
        "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=10", "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=1"
    )
    assert not VM_NET.same("virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=10", "virtio=BC:24:11:00:00:01,bridge=vmbr0")


def test_ssh_keys_are_compared_as_keys_and_not_as_text() -> None:
    wire = "ssh-ed25519%20AAAA%2B%2F%3D%20me%40host%0A"
    assert SSH_KEYS.decode(wire) == SSH_KEYS.decode(["ssh-ed25519 AAAA+/= me@host"])


SIZES = [
    ("8G", 8 << 30),
    ("512M", 512 << 20),
    ("4K", 4096),
    ("1T", 1 << 40),
    ("0.5G", 512 << 20),
    ("100", 100),
    ("8g", 8 << 30),
    ("8GiB", 8 << 30),
    ("8GB", 8 << 30),
    (" 8G ", 8 << 30),
]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_parse_size(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_bare_number_counts_in_the_default_unit() -> None:
    assert parse_size("8", default_unit="G") == parse_size(8, default_unit="G") == 8 << 30
    assert parse_size("8M", default_unit="G") == 8 << 20


@pytest.mark.parametrize("text", ["", "G", "8P", "-8G", "8 G", "8,5G", "+8G", "1e3", "ten"])
def test_what_is_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"), [(8 << 30, "8G"), (1536 << 20, "1536M"), (1 << 40, "1T"), (4096, "4K"), (100, "100"), (0, "0")]
)
def test_print_size(size: int, text: str) -> None:
    assert print_size(size) == text


@given(st.integers(min_value=0, max_value=1 << 50))
def test_sizes_survive_the_wire(size: int) -> None:
    assert parse_size(print_size(size)) == size


KEYS = ["ssh-ed25519 AA+A me", "ssh-rsa B x"]
SCALARS: list[tuple[Codec, Any, Any, Any]] = [
    (BOOL, True, True, 1),
    (BOOL, "1", True, 1),
    (BOOL, "yes", True, 1),
    (BOOL, 0, False, 0),
    (BOOL, "0", False, 0),
    (TAGS, "B;a,c d", ["a", "b", "c", "d"], "a;b;c;d"),
    (TAGS, "zeta;alpha;alpha", ["alpha", "zeta"], "alpha;zeta"),
    (TAGS, ["Web", "db"], ["db", "web"], "db;web"),
    (TAGS, " ", [], ""),
    (TAGS, "", [], ""),
    (WORDS, "1.1.1.1 8.8.8.8", ["1.1.1.1", "8.8.8.8"], "1.1.1.1 8.8.8.8"),
    (WORDS, ["8.8.8.8", "1.1.1.1"], ["8.8.8.8", "1.1.1.1"], "8.8.8.8 1.1.1.1"),
    (SET, "b,a", ["a", "b"], "a,b"),
    (TEXT, "line1\nline2\n\n", "line1\nline2", "line1\nline2"),
    (TEXT, "\u00fcn\u00ef #%:", "\u00fcn\u00ef #%:", "\u00fcn\u00ef #%:"),
    (INT, "2.0", 2, 2),
    (INT, str(2**60 + 1), 2**60 + 1, 2**60 + 1),
    (NUMBER, "100", 100.0, "100"),
    (NUMBER, 1234567.5, 1234567.5, "1234567.5"),
    (CPUS, "0,5,8-11,9", ["0", "5", "8-11"], "0,5,8-11"),
    (HOTPLUG, "1", ["disk", "network", "usb"], "disk,network,usb"),
    (HOTPLUG, "0", [], "0"),
    (HOTPLUG, ["usb", "cpu"], ["cpu", "usb"], "cpu,usb"),
    (
        SSH_KEYS,
        "ssh-ed25519%20AA%2BA%20me%0A%0Assh-rsa%20B%20x%0A",
        KEYS,
        "ssh-ed25519%20AA%2BA%20me%0Assh-rsa%20B%20x",
    ),
    (SSH_KEYS, list(reversed(KEYS)), KEYS, "ssh-ed25519%20AA%2BA%20me%0Assh-rsa%20B%20x"),
    (ENV, "A=b\0C=d=e", {"A": "b", "C": "d=e"}, "A=b\0C=d=e"),
    (ENV, {"A": 1}, {"A": "1"}, "A=1"),
    (MAC, "bc:24:11:aa:bb:cc", "BC:24:11:AA:BB:CC", "BC:24:11:AA:BB:CC"),
    (MAC, "(known after apply: hwaddr)", "(known after apply: hwaddr)", "(known after apply: hwaddr)"),
]


@pytest.mark.parametrize(("codec", "given_", "value", "wire"), SCALARS)
def test_scalars(codec: Codec, given_: Any, value: Any, wire: Any) -> None:
    assert codec.decode(given_) == value
    assert codec.encode(value) == wire


def test_split_list_leaves_out_empty_items() -> None:
    assert split_list("a, b;;c\td") == ["a", "b", "c", "d"]
    assert split_list([1, "", " ", "x"]) == ["1", "x"]


def test_to_wire() -> None:
    sent = to_wire({"a": None, "b": True, "c": False, "d": [1, "x"], "e": 5, "f": 0.5, "g": "text", "h": ()})
    assert sent == {"b": 1, "c": 0, "d": "1,x", "e": 5, "f": "0.5", "g": "text", "h": ""}


names = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-./:", min_size=1, max_size=12)
nets = st.fixed_dictionaries(
    {"name": names},
    optional={
        "bridge": names,
        "firewall": st.booleans(),
        "hwaddr": st.from_regex(r"[0-9A-F][02468ACE](:[0-9A-F]{2}){5}", fullmatch=True),
        "mtu": st.integers(64, 65535),
        "rate": st.integers(1, 9999).map(lambda tenths: tenths / 10),
        "tag": st.integers(1, 4094),
        "trunks": st.lists(st.integers(1, 4094).map(str), min_size=1, unique=True).map(sorted),
    },
)
volumes = st.fixed_dictionaries(
    {"volume": st.tuples(names, names).map(":".join)},
    optional={
        "mp": names.map("/".__add__),
        "ro": st.booleans(),
        "size": st.integers(1, 1 << 20).map(lambda mebibytes: mebibytes << 20),
        "mountoptions": st.lists(st.sampled_from(["noatime", "discard", "lazytime"]), min_size=1, unique=True).map(
            sorted
        ),
    },
)


@given(nets)
def test_interfaces_survive_the_wire(nic: dict[str, Any]) -> None:
    assert NET.decode(NET.encode(nic)) == nic


@given(volumes)
def test_volumes_survive_the_wire(volume: dict[str, Any]) -> None:
    assert MOUNT.decode(MOUNT.encode(volume)) == volume


@given(nets, nets)
def test_merging_twice_is_merging_once(have: dict[str, Any], want: dict[str, Any]) -> None:
    once = NET.merge(NET.encode(have), want)
    assert NET.merge(NET.encode(once), want) == once
    assert {key: once[key] for key in want} == want
    assert {key: value for key, value in once.items() if key not in want} == {
        key: value for key, value in have.items() if key not in want
    }
