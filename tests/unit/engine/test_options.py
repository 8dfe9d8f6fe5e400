# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a guest's configuration hold all that the API description holds, with its types, and codecs keep it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._codec import (
    BOOL,
    CPUS,
    HOTPLUG,
    INT,
    MAC,
    NUMBER,
    SIZE,
    SSH_KEYS,
    TAGS,
    URL_ENCODED,
    WORDS,
    Codec,
    PropertyString,
)
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._guest import cloud_init, planners
from ansible_collections.steward.proxmox.plugins.module_utils._guest.options import Table
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES
from ansible_collections.steward.proxmox.plugins.module_utils._privileges import Need
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests import options_table
from tests.lab.schema import INDEX_LIMITS, parse_checked, verify

from . import described

VM, LXC = TABLES["qemu"], TABLES["lxc"]
MODULES = {"qemu": planners.VM, "lxc": planners.LXC}
DESCRIBED = [
    (kind, key)
    for kind, table in TABLES.items()
    for key, row in table.rows.items()
    if key in described.configuration(kind) and not row.read_only
]
FORMS = [(kind, key) for kind, key in DESCRIBED if isinstance(TABLES[kind].rows[key].codec, PropertyString)]
each_option = pytest.mark.parametrize(("kind", "key"), DESCRIBED)
each_kind = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
quickly = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def schema_of(kind: str, key: str) -> described.Schema:
    return described.configuration(kind)[key]


def concrete(key: str) -> str:
    return key.replace("[n]", "0")


# -- the tables against the description --------------------------------------------------------------------------


@each_kind
def test_every_parameter_is_an_option_or_is_explained(table: Table) -> None:
    """Of the calls that create and change: a new version's new option fails here until it has a row."""
    rows = {key for key, row in table.rows.items() if not row.read_only}
    assert rows | options_table.CALLS[table.kind].keys() == described.parameters(table.kind).keys()


@each_kind
def test_a_family_has_as_many_keys_as_the_server_takes(table: Table) -> None:
    counts = {key[:-3]: row.count for key, row in table.rows.items() if row.count}
    assert counts == {name: INDEX_LIMITS[name] for name in counts}
    assert {key[:-3] for key in table.rows if key.endswith("[n]")} == set(counts)


@each_option
def test_every_option_has_the_type_that_is_described(kind: str, key: str) -> None:
    assert list(_wrong_types(TABLES[kind].codec(concrete(key)), schema_of(kind, key))) == []


def _wrong_types(codec: Codec | PropertyString, schema: described.Schema) -> Iterator[str]:
    form = described.form_of(schema)
    if form:
        if not isinstance(codec, PropertyString):
            yield "it is a property string"
            return
        names = {key for key in form if "keyAlias" not in form[key]}
        if names != {*codec.types, *codec.aliases}:
            yield f"keys {names ^ {*codec.types, *codec.aliases}}"
        if {key for key in form if "keyAlias" in form[key]} != {*codec.models}:
            yield "models"
        default = next((key for key in form if form[key].get("default_key")), None)
        if (codec.aliases.get(default or "", default)) != codec.default:
            yield f"default key {default}"
        for name, part in form.items():
            if "alias" not in part:
                yield from (f"{name}: {text}" for text in _wrong_types(codec.types[codec.key(name)], part))
        return
    yield from _wrong_type(codec, schema)


def _wrong_type(codec: Codec | PropertyString, schema: described.Schema) -> Iterator[str]:
    kind = schema.get("type", "string")
    expected = {"boolean": BOOL, "integer": INT, "number": NUMBER}.get(kind) or {
        "address-list": WORDS,
        "disk-size": SIZE,
        "dns-name-list": WORDS,
        "lxc-ip-with-ll-iface-list": WORDS,
        "mac-addr": MAC,
        "pve-cpuset": CPUS,
        "pve-hotplug-features": HOTPLUG,
        "pve-tag-list": TAGS,
    }.get(str(schema.get("format")))
    if schema.get("format") == "urlencoded" and codec not in (SSH_KEYS, URL_ENCODED):
        yield "it is url-encoded"
    if expected and codec != expected:
        yield f"it is {kind} {schema.get('format', '')}"
    if "enum" in schema and (not isinstance(codec, Codec) or {*codec.words} != {*map(str, schema["enum"])}):
        yield f"its words are {schema['enum']}"


# defaults that no configuration can be compared with
NO_DEFAULT = {
    "cpuunits": "it depends on the node's kernel",
    "keyboard": "it is the data centre's",
    "vmgenid": "an id that the server makes",
}


@each_option
def test_every_described_default_is_what_a_missing_key_means(kind: str, key: str) -> None:
    row, schema = TABLES[kind].rows[key], schema_of(kind, key)
    if not isinstance(row.codec, PropertyString):
        assert key in NO_DEFAULT or row.same(None, schema.get("default"))
        return
    for name, part in (described.form_of(schema) or {}).items():
        if "default" in part:
            assert row.codec.decode({name: part["default"]}).items() <= row.codec.implied.items()


@pytest.mark.skipif(not described.OLDER.is_file(), reason=f"the description of PVE 8.4 is not at {described.OLDER}")
@each_kind
def test_what_84_lacks_has_the_version_that_brought_it(table: Table) -> None:
    now, before = described.configuration(table.kind), described.older(table.kind)
    rows = {key: row for key, row in table.rows.items() if key in now and not row.read_only}
    assert {key for key, row in rows.items() if row.since} == {key for key in rows if key not in before}
    for key, row in rows.items():
        if key in before and isinstance(row.codec, PropertyString):
            new, old = (
                {row.codec.key(name) for name in described.form_of(schemas[key]) or {}} for schemas in (now, before)
            )
            assert {*row.since_keys} == new - old, key


def test_only_the_server_sets_what_only_get_shows() -> None:
    """`digest` is a parameter, too: the one that a change must carry."""
    for table in TABLES.values():
        settable = described.configuration(table.kind).keys()
        assert {key for key, row in table.rows.items() if row.read_only} & settable == {"digest"}
        assert all(row.privilege for row in table.rows.values() if not row.read_only)


# -- what codecs do to values of every option ----------------------------------------------------------------------


@each_option
@quickly
@given(data=st.data())
def test_a_value_survives_being_read_and_written(kind: str, key: str, data: st.DataObject) -> None:
    row = TABLES[kind].rows[key]
    text = data.draw(values(kind, key))
    row.codec.check(text)
    value = row.codec.decode(text)
    written = row.codec.encode(value)
    assert row.codec.decode(written) == value
    assert row.same(text, written)
    accepted(kind, key, written)


@each_option
@quickly
@given(data=st.data())
def test_same_is_an_equivalence(kind: str, key: str, data: st.DataObject) -> None:
    row = TABLES[kind].rows[key]
    one, two = (data.draw(st.none() | values(kind, key)) for _turn in range(2))
    other_words = respelled(row.codec, one)
    assert row.same(one, one)
    assert row.same(one, two) == row.same(two, one)
    assert row.same(one, other_words)
    assert row.same(other_words, two) == row.same(one, two)


def respelled(codec: Codec | PropertyString, text: str | None) -> str | None:
    """The same in other words: in our order, and with what the server takes for granted written out."""
    if isinstance(codec, PropertyString):
        return str(codec.encode({**codec.implied, **codec.decode(text or "")}))
    return None if text is None else str(codec.encode(codec.decode(text)))


@pytest.mark.parametrize(("kind", "key"), FORMS)
@quickly
@given(data=st.data())
def test_a_change_touches_only_the_keys_that_were_given(kind: str, key: str, data: st.DataObject) -> None:
    codec = TABLES[kind].rows[key].codec
    assert isinstance(codec, PropertyString)
    have, want = data.draw(values(kind, key)), codec.decode(data.draw(values(kind, key)))
    assume(want)
    part = data.draw(st.sampled_from(sorted(want)))
    gone = set(codec.one_of) - {part} if part in codec.one_of else set()
    before, after = codec.decode(have), codec.decode(codec.patch(have, {part: want[part]}))
    rest = {name: item for name, item in before.items() if name != part and name not in gone}
    assert {name: item for name, item in after.items() if name != part} == rest
    assert after.get(part, codec.implied.get(part)) == want[part]
    assert codec.same(codec.patch(have, {part: want[part]}), codec.merge(have, {part: want[part]}))
    if before.get(part, codec.implied.get(part)) != want[part]:
        assert not codec.same(have, after)
    assert part not in codec.decode(codec.patch(have, {part: ""}))
    assert codec.decode(codec.without(have, part)) == {name: item for name, item in before.items() if name != part}
    assert codec.patch(have, {}) == codec.patch(have, have)


# ports are a word on the wire, and an element with a slot in a task
PORTS = {
    "serial[n]": {"type": "string", "pattern": "/dev/tty[A-Z]{1,3}[0-9]|socket"},
    "parallel[n]": {"type": "string", "pattern": r"/dev/parport\d+|/dev/usb/lp\d+"},
}


def values(kind: str, key: str) -> st.SearchStrategy[str]:
    found = described.values(PORTS.get(key) or schema_of(kind, key))
    # 1 asks for a new id at every run, which is refused
    return found.filter(lambda text: text != "1") if key == "vmgenid" else found


def accepted(kind: str, key: str, text: Any) -> None:
    """The lab's check of a parameter, which is PVE's; it raises what is wrong."""
    assume(text != "")
    schema = schema_of(kind, key)
    verify({key: schema}, {concrete(key): text})
    form = described.form_of(schema)
    if form:
        parse_checked(form, str(text), key)


# -- the page --------------------------------------------------------------------------------------------------------


def test_the_page_is_what_the_tables_say() -> None:
    assert options_table.PAGE.read_text(encoding="utf-8") == options_table.page(), "run `make options`"


@each_kind
def test_the_page_holds_every_parameter_of_the_description(table: Table) -> None:
    page = options_table.PAGE.read_text(encoding="utf-8")
    section = page.partition(f": `{MODULES[table.kind].name}`\n")[2]
    lines = {line.split(" | ")[0].removeprefix("| ") for line in section.partition("\n## ")[0].splitlines()}
    missing = {
        key
        for key in described.parameters(table.kind)
        if not any(line.startswith(f"`{concrete(key)}`") for line in lines)
    }
    assert missing == set()


@each_kind
def test_what_the_page_names_is_an_option_of_the_module(table: Table) -> None:
    options = MODULES[table.kind].options
    said = [row.elsewhere or f"`{row.option}`" for row in table.rows.values() if row.elsewhere or row.option]
    for text in (*said, *options_table.CALLS[table.kind].values()):
        for path in re.findall(r"`([a-z_.]+)(?::[^`]*)?`", text):
            _follow(path, options)


def _follow(path: str, options: Any) -> None:
    if path.startswith("steward.proxmox.") or path == "ide2":
        return
    name, _dot, rest = path.partition(".")
    assert name in options, path
    if rest:
        _follow(rest, options[name]["options"])


# -- what else a table tells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "needs"),
    [
        ("cores", 2, [("/vms/7", ["VM.Config.CPU"])]),
        ("scsi0", "local:8", [("/vms/7", ["VM.Config.Disk"])]),
        ("ide2", "none,media=cdrom", [("/vms/7", ["VM.Config.CDROM"])]),
        ("ide2", "local:cloudinit", [("/vms/7", ["VM.Config.CDROM"]), ("/vms/7", ["VM.Config.Cloudinit"])]),
        (
            "ide2",
            "local:7/vm-7-cloudinit.qcow2,media=cdrom",
            [("/vms/7", ["VM.Config.CDROM"]), ("/vms/7", ["VM.Config.Cloudinit"])],
        ),
        ("ciuser", "me", [("/vms/7", ["VM.Config.Cloudinit", "VM.Config.Network"])]),
        ("startup", "1", [("/vms/7", ["VM.Config.Options"]), ("/", ["Sys.Modify"])]),
        ("hostpci0", "mapping=gpu", [("/vms/7", ["VM.Config.HWType"]), ("/mapping/pci/gpu", ["Mapping.Use"])]),
        ("usb0", "spice", [("/vms/7", ["VM.Config.HWType"])]),
        ("virtiofs0", "home", [("/vms/7", ["VM.Config.HWType"]), ("/mapping/dir/home", ["Mapping.Use"])]),
        ("freeze", 1, [("/vms/7", ["VM.PowerMgmt"])]),
    ],
)
def test_needs(key: str, value: Any, needs: list[tuple[str, list[str]]]) -> None:
    assert VM.needs(key, value, 7) == [Need(path, tuple(names)) for path, names in needs]


@pytest.mark.parametrize(
    ("table", "key", "value", "of_all"),
    [
        (VM, "usb0", "spice,usb3=1", True),
        (VM, "usb0", "host=SPICE", True),
        (VM, "usb0", "mapping=stick", True),
        (VM, "usb0", "1234:5678", False),
        (VM, "usb0", "host=1-2", False),
        (VM, "hostpci0", "mapping=gpu,pcie=1", True),
        (VM, "hostpci0", "0000:01:00.0,mapping=gpu", False),
        (VM, "hostpci0", "host=01:00,pcie=1", False),
        (VM, "serial0", "socket", True),
        (VM, "serial0", "/dev/ttyS0", False),
        (VM, "args", "-s", False),
        (LXC, "mp0", "local:8,mp=/data", True),
        (LXC, "mp0", "local:8,mp=/data,idmap=passthrough", False),
        (LXC, "mp0", "/srv,mp=/data", False),
        (LXC, "mp0", "volume=/srv,mp=/data", False),
        (LXC, "dev0", "/dev/null", False),
    ],
)
def test_what_is_for_root_alone(table: Table, key: str, value: str, of_all: bool) -> None:
    row = table.row(key)
    assert row
    assert row.root_only
    assert bool(re.fullmatch(row.root_only, value)) is of_all


def test_rows_are_found_by_concrete_keys_only() -> None:
    assert VM.row("numa0") is VM.rows["numa[n]"]
    assert VM.row("numa") is VM.rows["numa"]
    assert VM.row("efidisk0") is VM.rows["efidisk0"]
    assert [VM.row(key) for key in ("net32", "net00", "net", "net[n]", "efidisk1", "bogus")] == [None] * 6
    assert [VM.is_net("net1"), VM.is_net("name")] == [True, False]
    assert [VM.is_volume(key) for key in ("scsi30", "unused7", "tpmstate0", "net0")] == [True, True, True, False]


def test_a_slot_that_is_none_is_refused_with_those_that_are() -> None:
    assert VM.check_slot("disks", "sata5") == "sata5"
    with pytest.raises(BadInput, match=r"disks\.slot: 'scsi31' is not valid: .*scsi0 to scsi30"):
        VM.check_slot("disks", "scsi31")
    with pytest.raises(BadInput, match=r"net\.slot: 'mp0' is not valid: net0 to net31"):
        LXC.check_slot("net", "mp0")


def test_the_argument_spec_follows_the_types() -> None:
    spec = VM.argument_spec()
    assert spec["cores"] == {"type": "int"}
    assert spec["bios"] == {"type": "str", "choices": ["seabios", "ovmf"]}
    assert spec["boot"] == {"type": "list", "elements": "str"}
    assert spec["efidisk"]["options"]["pre_enrolled_keys"] == {"type": "bool"}
    disk = spec["disks"]["options"]
    assert disk["slot"] == {"type": "str", "required": True}
    assert (disk["iothread"], disk["mbps_rd"], disk["bps"]) == ({"type": "bool"}, {"type": "float"}, {"type": "int"})
    assert disk["cache"]["choices"] == ["none", "writethrough", "writeback", "unsafe", "directsync"]


def test_cloud_init_says_its_keys() -> None:
    wanted = {
        "slot": "ide2",
        "storage": "local",
        "update_password": "on_create",
        "upgrade": False,
        "type": None,
        "user": "me",
        "password": "x",
        "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"],
        "nameserver": ["1.1.1.1"],
        "ip": [{"slot": "ipconfig1", "ip": "dhcp", "gw": None}],
    }
    said = {
        "ciupgrade": False,
        "ciuser": "me",
        "sshkeys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"],
        "nameserver": ["1.1.1.1"],
        "ipconfig1": {"ip": "dhcp"},
    }
    assert cloud_init.keys(wanted, {}) == {**said, "cipassword": "x"}
    assert cloud_init.keys(wanted, {"cipassword": "**********"}) == said
    assert cloud_init.keys({**wanted, "update_password": "always"}, {"cipassword": "***"})["cipassword"] == "x"
    assert cloud_init.drive(wanted) == {"ide2": {"volume": "local:cloudinit", "media": "cdrom"}}
    assert cloud_init.drive({"slot": "ide2", "storage": None}) == {}


def test_cloud_init_takes_no_slot_of_another_kind() -> None:
    with pytest.raises(BadInput, match="'net0' is not valid"):
        cloud_init.keys({"ip": [{"slot": "net0", "ip": "dhcp"}]}, {})
    with pytest.raises(BadInput, match="'net0' is not valid"):
        cloud_init.drive({"slot": "net0", "storage": "local"})
