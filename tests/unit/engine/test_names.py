# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names: what Proxmox takes passes, what it refuses is refused before anything is sent, with the rule in words."""

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._names import (
    HOSTNAME,
    MAC,
    NODE,
    POOL,
    SLOT,
    SNAPSHOT,
    STORAGE,
    VOLID,
    Rule,
    check_text,
    check_vmid,
    segment,
)
from hypothesis import given
from hypothesis import strategies as st

GOOD: list[tuple[Rule, str]] = [
    (NODE, "pve1"),
    (NODE, "pve-1.example_x"),
    (NODE, "n" * 256),
    (HOSTNAME, "web"),
    (HOSTNAME, "new.host.test"),
    (HOSTNAME, "UPPER"),
    (HOSTNAME, "1web"),
    (HOSTNAME, "a" * 63),
    (STORAGE, "local-zfs"),
    (STORAGE, "nas_2.x"),
    (SNAPSHOT, "s1"),
    (SNAPSHOT, "before-update_2"),
    (SNAPSHOT, "a" * 40),
    (POOL, "web"),
    (POOL, "a/b/c"),
    (MAC, "BC:24:11:00:00:01"),
    (MAC, "aa:bb:cc:dd:ee:ff"),
    (VOLID, "local:vztmpl/alpine-3.20.tar.gz"),
    (VOLID, "local-zfs:subvol-100-disk-0"),
    *((SLOT["net"], f"net{number}") for number in (0, 9, 10, 31)),
    *((SLOT["mp"], f"mp{number}") for number in (0, 9, 10, 99, 100, 199, 249, 255)),
]

BAD: list[tuple[Rule, str]] = [
    (NODE, ""),
    (NODE, "pve/1"),
    (NODE, "pve 1"),
    (NODE, "pve1\n"),
    (NODE, "n" * 257),
    (NODE, "pve\u00e9"),
    (HOSTNAME, "bad_name"),
    (HOSTNAME, "-web"),
    (HOSTNAME, "web-"),
    (HOSTNAME, "a..b"),
    (HOSTNAME, "web."),
    (HOSTNAME, "a" * 64),
    (HOSTNAME, "web\n"),
    (STORAGE, "1nas"),
    (STORAGE, "n"),
    (STORAGE, "nas-"),
    (STORAGE, "nas:x"),
    (SNAPSHOT, "s"),
    (SNAPSHOT, "1s"),
    (SNAPSHOT, "a b"),
    (SNAPSHOT, "a" * 41),
    (SNAPSHOT, "../x"),
    (POOL, "a/b/c/d"),
    (POOL, "/a"),
    (POOL, "a//b"),
    (MAC, "01:00:5e:00:00:01"),
    (MAC, "BC-24-11-00-00-01"),
    (MAC, "BC:24:11:00:00"),
    (VOLID, "noname"),
    (VOLID, "local:a b"),
    (VOLID, "local:"),
    (VOLID, "local:a\nb"),
    *((SLOT["net"], text) for text in ("net", "net32", "net01", "eth0", "net-1")),
    *((SLOT["mp"], text) for text in ("mp", "mp256", "mp01", "mp00", "mp999", "rootfs")),
]


@pytest.mark.parametrize(("rule", "name"), GOOD)
def test_good(rule: Rule, name: str) -> None:
    assert rule.check("option", name) == name


@pytest.mark.parametrize(("rule", "name"), BAD)
def test_bad(rule: Rule, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule.check("the_option", name)
    assert str(caught.value).startswith(f"the_option: {name[:80]!r} is not valid: {rule.allowed}")
    assert str(caught.value).endswith("Nothing was sent")


def test_vmid() -> None:
    assert [check_vmid("vmid", good) for good in (100, 999999999)] == [100, 999999999]
    for bad in (99, 0, -1, 1000000000):
        with pytest.raises(BadInput, match=rf"vmid: {bad} is not valid: a guest id is between 100 and 999999999"):
            check_vmid("vmid", bad)


@pytest.mark.parametrize("text", ["", "plain", "\u00fcn\u00ef #%:", "emoji \U0001f600"])
def test_text(text: str) -> None:
    assert check_text("description", text) == text


@pytest.mark.parametrize("text", ["a\x00b", "a\x1b[31m", "a\rb", "a\x7f", "a\x9b"])
def test_control_characters_are_refused_in_every_text(text: str) -> None:
    for one_line in (True, False):
        with pytest.raises(BadInput, match="has control characters"):
            check_text("description", text, one_line)


def test_lines_and_tabs_are_refused_where_one_line_is_meant() -> None:
    assert check_text("description", "a\n\tb", one_line=False) == "a\n\tb"
    for text in ("a\nb", "a\tb"):
        with pytest.raises(BadInput):
            check_text("searchdomain", text)


SEGMENTS = [
    ("pve1", "pve1"),
    ("a b", "a%20b"),
    ("a/b", "a%2Fb"),
    ("a?b#c", "a%3Fb%23c"),
    ("100%", "100%25"),
    ("%2e%2e", "%252e%252e"),
    ("root@pam!x", "root@pam!x"),
    ("local:backup", "local:backup"),
    ("\u00fc", "%C3%BC"),
    (100, "100"),
    ("...", "..."),
]


@pytest.mark.parametrize(("value", "quoted"), SEGMENTS)
def test_segments_are_quoted(value: object, quoted: str) -> None:
    assert segment(value) == quoted


@pytest.mark.parametrize("value", ["", ".", "..", "a\nb", "a\tb", "a\x00", "a" * 513])
def test_what_cannot_be_a_segment(value: str) -> None:
    with pytest.raises(BadInput, match="cannot be part of an API path"):
        segment(value)


@given(st.text(max_size=50))
def test_a_segment_never_leaves_its_place_in_the_path(text: str) -> None:
    try:
        quoted = segment(text)
    except (BadInput, UnicodeEncodeError):
        return
    assert quoted not in ("", ".", "..")
    assert not set(quoted) & set("/?#\\ \t\r\n")
