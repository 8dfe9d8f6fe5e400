# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of root commands: exact command lines, and nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._host import sudo
from ansible_collections.steward.proxmox.plugins.module_utils._host.command import Outcome
from ansible_collections.steward.proxmox.plugins.module_utils._host.operation import Operation, Parameter, Text
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import (
    OPERATIONS,
    PARTS,
    PROGRAMS,
    check_program,
    find,
)
from ansible_collections.steward.proxmox.plugins.module_utils._host.pct import config_of

TABLE = list(OPERATIONS.values())
DOCS = Path(__file__).resolve().parents[3] / "docs" / "privileged-host.md"
TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
SMALLEST = {
    "vmid": 9001,
    "ostemplate": TEMPLATE,
    "unprivileged": 1,
    "features": "nesting=1,keyctl=1",
    "rootfs": "local-zfs:4",
}
LARGEST = {
    **SMALLEST,
    "net1": "bridge=vmbr1,ip6=fd00::2/64,name=eth1,trunks=2;3",
    "net0": "bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,name=eth0",
    "ostype": "debian",
    "tags": "docker;golden",
    "searchdomain": "example.org",
    "nameserver": "192.0.2.1 2001:db8::1",
    "swap": 0,
    "memory": 1024,
    "cores": 2,
    "hostname": "golden-docker",
    "arch": "amd64",
    "cpulimit": "1.5",
    "cpuunits": 100,
    "timezone": "America/Argentina/Buenos_Aires",
    "onboot": 0,
    "startup": "order=1,up=30",
    "description": "Base of Docker (by Ansible), 2026",
}
SMALLEST_LINE = [
    *("create", "9001", TEMPLATE, "--unprivileged", "1", "--features", "nesting=1,keyctl=1"),
    *("--rootfs", "local-zfs:4"),
]
LARGEST_LINE = [
    *SMALLEST_LINE,
    *("--hostname", "golden-docker", "--cores", "2", "--memory", "1024", "--swap", "0"),
    *("--net0", LARGEST["net0"], "--net1", LARGEST["net1"]),
    *("--nameserver", "192.0.2.1 2001:db8::1", "--searchdomain", "example.org"),
    *("--tags", "docker;golden", "--ostype", "debian", "--arch", "amd64", "--cpulimit", "1.5", "--cpuunits", "100"),
    *("--timezone", LARGEST["timezone"], "--onboot", "0", "--startup", "order=1,up=30"),
    *("--description", LARGEST["description"]),
]


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("pct config", {"vmid": 101, "node": "pve1"}, ["config", "101"]),
        ("pct create", SMALLEST, SMALLEST_LINE),
        ("pct create", LARGEST, LARGEST_LINE),
        ("smartctl --scan", {}, ["--scan", "-j"]),
        ("smartctl -a", {"device": "/dev/nvme0"}, ["-a", "-j", "/dev/nvme0"]),
        ("sensors", {}, ["-j"]),
        ("lsblk", {}, ["--json", "--nodeps", "--paths", "--bytes", "--output", "NAME,TYPE,SIZE"]),
    ],
)
def test_the_command_line_is_exactly_this(name: str, data: dict[str, Any], line: list[str]) -> None:
    assert OPERATIONS[name].arguments(data) == line
    assert re.fullmatch(OPERATIONS[name].rule, " ".join(line))


METACHARACTERS = ["$(id)", "`id`", "a;id", "a|id", "a&id", "a>b", "a*", "a?", "a'b", 'a"b', "a\\b", "~", "#a", "{a,b}"]
#: no shell sees them, and pct takes a description as it is
HARMLESS_IN_TEXT = ("a;id", "a?")
CONTROL = ["a\nb", "a\x00b", "a\tb", "a\x1b[0m", "ab\n", "a\u0661", "a\u00a0b"]


WORDS = ["ostemplate", "rootfs", "hostname", "searchdomain", "ostype", "nameserver", "arch", "timezone", "startup"]


@pytest.mark.parametrize("key", [*WORDS, "description"])
@pytest.mark.parametrize("value", [*METACHARACTERS, *CONTROL, "", "-a", "--id", "a --mp0 /etc,mp=/x", "../a", "x  y"])
def test_a_value_that_is_more_than_a_name_is_refused(key: str, value: str) -> None:
    if key == "description" and value in HARMLESS_IN_TEXT:
        return
    with pytest.raises(BadInput, match="Nothing was sent"):
        OPERATIONS["pct create"].arguments({**SMALLEST, key: value})


@pytest.mark.parametrize("key", WORDS)
def test_a_name_is_one_word(key: str) -> None:
    with pytest.raises(BadInput, match="Nothing was sent"):
        OPERATIONS["pct create"].arguments({**SMALLEST, key: "x y"})


SOME_PROGRAM = ("--x", Text("a{b}.*{c}$b{b}", (Parameter("b", "[0-9]+"), Parameter("c", "(x|y)"))), "{d}")


def test_one_argument_can_hold_several_values() -> None:
    """As a script of sed has them; all that is not a value is meant as it stands."""
    row = Operation("some", "sed", (*SOME_PROGRAM, Parameter("c", "(x|y)", ("C={}^",))), writes=True)
    assert row.arguments({"b": 12, "c": "x"}) == ["--x", "a12.*x$b12", "{d}", "C=x^"]
    assert row.rule == r"^--x a[0-9]+\.\*(x|y)\$b[0-9]+ \{d\} C=(x|y)\^$"
    with pytest.raises(BadInput, match="c: 'z' is not valid"):
        row.arguments({"b": 1, "c": "z"})
    with pytest.raises(BadInput, match="some: b is missing"):
        row.arguments({"c": "x"})
    with pytest.raises(BadInput, match="some does not take d"):
        row.arguments({"b": 1, "c": "x", "d": 1})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vmid", 99),
        ("vmid", -9001),
        ("vmid", 1000000000),
        ("vmid", "9001; id"),
        ("vmid", "0100"),
        ("ostemplate", "local:backup/vzdump-lxc-1.tar.zst"),
        ("ostemplate", "/etc/passwd"),
        ("ostemplate", "local:vztmpl/../../etc/passwd"),
        ("ostemplate", "local:vztmpl/a/b"),
        ("unprivileged", 0),
        ("unprivileged", True),
        ("features", "nesting=1"),
        ("features", "nesting=1,keyctl=1,mount=nfs"),
        ("features", "keyctl=1,nesting=1"),
        ("rootfs", "/dev/sda"),
        ("rootfs", "local"),
        ("rootfs", "local:4,acl=1"),
        ("rootfs", "local:100/vm-100-disk-0.raw"),
        ("cores", "2 --mp0"),
        ("cores", -1),
        ("net0", "a;id"),
        ("net0", "bridge=$(id)"),
        ("net0", "--mp0 /etc"),
        ("tags", "-a"),
        ("tags", "a$b"),
        ("mp0", "/etc,mp=/mnt"),
        ("hookscript", "local:snippets/x.sh"),
        ("net10", "bridge=vmbr0"),
        ("netX", "bridge=vmbr0"),
        ("net0", "bridge=vmbr0/../../../etc/shadow"),
        ("net0", "bridge=vmbr0,trunks=1;touch;/tmp/x"),
        ("net0", "bridge=vmbr0,"),
        ("net0", "-bridge=vmbr0"),
        ("onboot", "yes"),
        ("startup", "order=a"),
        ("cpulimit", "1e9"),
        ("description", "a -b"),
        ("ssh-public-keys", "/etc/shadow"),
        ("password", "secret"),
        ("--mp0", "/etc"),
        ("node", "pve1"),
    ],
)
def test_what_is_not_in_the_table_is_refused(key: str, value: Any) -> None:
    with pytest.raises(BadInput, match="Nothing was sent"):
        OPERATIONS["pct create"].arguments({**SMALLEST, key: value})


@pytest.mark.parametrize("key", sorted(SMALLEST))
def test_what_is_required_cannot_be_left_out(key: str) -> None:
    with pytest.raises(BadInput, match=f"{key} is missing"):
        OPERATIONS["pct create"].arguments({name: value for name, value in SMALLEST.items() if name != key})


@pytest.mark.parametrize("key", sorted(LARGEST))
def test_no_value_can_carry_another_option(key: str) -> None:
    """sudo matches the arguments joined by blanks: a pattern that matched ` --x` would let any option through."""
    with pytest.raises(BadInput):
        OPERATIONS["pct create"].arguments({**LARGEST, key: f"{LARGEST[key]} --unprivileged 0"})


@pytest.mark.parametrize(
    ("name", "writes"), [("pct exec", True), ("pct create", False), ("pct config", True), ("", False)]
)
def test_there_is_no_other_operation(name: str, writes: bool) -> None:
    with pytest.raises(ValueError, match="is not a"):
        find(name, writes)


def test_the_operations_are_the_documented_ones() -> None:
    documented = re.findall(r"^\| `([^`]+)` \| (read|write) \| (root|user) \|", DOCS.read_text(), re.MULTILINE)
    rows = [(row.name, "write" if row.writes else "read", "root" if row.as_root else "user") for row in TABLE]
    assert sorted(documented) == sorted(rows)


def test_the_documented_rules_are_those_of_the_table() -> None:
    names = [row.name for part in ("golden_lxc", "smart") for row in PARTS[part]]
    lines = "\n".join(sudo.rules("ansible", names=names))
    assert f"```sudoers\n{lines}\n```" in DOCS.read_text()


def test_the_rules_of_all_are_one_for_each_that_needs_root() -> None:
    lines = sudo.rules("ansible", "/opt/pct")
    assert len(lines) == len([row for row in TABLE if row.as_root])
    assert lines[0] == f"ansible ALL=(root) NOPASSWD: /opt/pct {TABLE[0].rule}"
    assert not any("sensors" in line or "lsblk" in line or "/usr/bin/sudo" in line for line in lines)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_each_rule_fits_into_what_sudo_takes(row: Operation) -> None:
    """sudo never matches a longer one, and does not say so."""
    assert len(row.rule) <= 1024


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_each_rule_is_posix(row: Operation) -> None:
    """What only Python knows would be let through here and by sudo differently."""
    assert not re.search(r"\(\?|\\[dDsSwWbBAZ]|[*+?}][?+]", row.rule.replace("\\\\", ""))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_no_pattern_lets_an_option_in(row: Operation) -> None:
    """sudo matches the arguments joined by blanks."""
    for parameter in filter(lambda parameter: parameter.form, row.parameters):
        for text in ("-x", "--x", "a -x", "a --x y", "0 -x", "/mnt/a -x", "1\n-x", "/dev/sda -x"):
            assert not re.fullmatch(parameter.pattern, text)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_each_operation_runs_a_known_program_by_its_path(row: Operation) -> None:
    assert PROGRAMS[row.program].path.startswith("/usr/")
    assert row.afterwards == "" or not OPERATIONS[row.afterwards].writes


@pytest.mark.parametrize("path", ["/usr/sbin/pct", "/opt/lab/bin/pct", "/pct"])
def test_a_program_is_an_absolute_path(path: str) -> None:
    assert check_program("pct", path) == path


@pytest.mark.parametrize(
    "path",
    ["pct", "./pct", "/bin/sh", "/usr/sbin/../bin/pct", "/usr/sbin/pct -x", "/tmp/a b/pct", "//pct", "/a\n/pct", ""],
)
def test_another_program_is_refused(path: str) -> None:
    with pytest.raises(BadInput, match="not the absolute path of a program called pct"):
        check_program("pct", path)


def test_a_configuration_is_read_line_by_line() -> None:
    text = "arch: amd64\ndescription: a%3A b: c%0A\nnet0: name=eth0,hwaddr=BC:24:11:00:00:01\n"
    assert config_of(Outcome(0, text, "")) == {
        "arch": "amd64",
        "description": "a%3A b: c%0A",
        "net0": "name=eth0,hwaddr=BC:24:11:00:00:01",
    }


def test_a_line_that_is_no_configuration_is_an_error() -> None:
    with pytest.raises(ApiError, match="Segmentation fault"):
        config_of(Outcome(0, "arch: amd64\nSegmentation fault\n", ""))
